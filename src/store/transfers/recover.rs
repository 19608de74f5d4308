//! Reads the directory of transfers on opening, and removes leftovers of killed changes. Reads no
//! segment, so the cost depends on the number of segments only.

use std::sync::Arc;

use super::super::{Store, StoreError, value};
use super::head::{HeadForm, HeadForm2, Tops};
use super::log::{self, ConflictForm, Header, Log, ReplacementsForm, RetractionForm};
use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainState, TransferState};
use crate::domain::lock::Recover;

const TREE: &str = "transfers";

/// The directory of transfers while it is read value by value, with headers in order.
#[derive(Debug, Default)]
pub(in crate::store) struct Directory {
    log: Log,
    state: TransferState,
    /// The expected first row of the next header.
    next: u64,
}

impl Directory {
    /// Adds a value of `transfers`, by the kind in its key.
    pub fn take(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        match key.first() {
            Some(&log::HEADER) => self.header(key, bytes),
            Some(&log::HEAD_2) => self.head_2(key, bytes),
            Some(&log::HEAD) => self.head(key, bytes),
            Some(&log::REPLACEMENTS) => self.replacements(key, bytes),
            Some(&log::CONFLICT) => self.conflict(key, bytes),
            Some(&log::RETRACTION) => self.retraction(key, bytes),
            Some(&log::GARBAGE) => number(key).map(drop),
            _ if key == log::LEDGER => {
                self.log.ledger = value::decode(TREE, key, bytes)?;
                Ok(())
            }
            _ => Err(StoreError::corrupt(TREE, key, "the key is malformed")),
        }
    }

    fn header(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let first = number(key)?;
        if first != self.next {
            let what = format_args!("the header of transfer {} is missing before it", self.next);
            return Err(StoreError::corrupt(TREE, key, what));
        }
        let header: Header = value::decode(TREE, key, bytes)?;
        self.next += u64::from(header.rows);
        let pushed = self.log.push(first, header);
        pushed.ok_or_else(|| StoreError::corrupt(TREE, key, "it names no chain or no place"))
    }

    fn head(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let form: HeadForm = value::decode(TREE, key, bytes)?;
        self.keep_head(key, form.read(chain_of(key)?))
    }

    /// A head of schema 2, valid until the chain changes.
    fn head_2(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let form: HeadForm2 = value::decode(TREE, key, bytes)?;
        self.keep_head(key, form.read(chain_of(key)?))
    }

    fn keep_head(
        &mut self,
        key: &[u8],
        read: Option<(ChainState, Tops)>,
    ) -> Result<(), StoreError> {
        let (head, tops) =
            read.ok_or_else(|| StoreError::corrupt(TREE, key, "a span has no end"))?;
        let name = head.chain.to_string();
        self.log.tops.insert(name.clone(), tops);
        self.state.chains.insert(name, head);
        Ok(())
    }

    fn replacements(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let known = self.state.replacements.len();
        if number(key)? != known as u64 {
            let what = format_args!("replacement {known} is missing before it");
            return Err(StoreError::corrupt(TREE, key, what));
        }
        let form: ReplacementsForm = value::decode(TREE, key, bytes)?;
        let replacements = Arc::make_mut(&mut self.state.replacements);
        form.into_iter().for_each(|replacement| replacements.push(replacement));
        Ok(())
    }

    fn conflict(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let known = self.state.conflicts.len();
        if number(key)? != known as u64 {
            let what = format_args!("conflict {known} is missing before it");
            return Err(StoreError::corrupt(TREE, key, what));
        }
        let form: ConflictForm = value::decode(TREE, key, bytes)?;
        let conflict = form.read();
        let conflict =
            conflict.ok_or_else(|| StoreError::corrupt(TREE, key, "it names no chain"))?;
        Arc::make_mut(&mut self.state.conflicts).push(conflict);
        Ok(())
    }

    fn retraction(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let retractions = &mut self.state.retractions;
        if number(key)? != retractions.len() as u64 {
            let what = format_args!("retraction {} is missing before it", retractions.len());
            return Err(StoreError::corrupt(TREE, key, what));
        }
        let form = RetractionForm::decode(key, bytes)?;
        let record = form.read();
        retractions
            .push(record.ok_or_else(|| StoreError::corrupt(TREE, key, "it names no chain"))?);
        Ok(())
    }

    /// Returns the directory if headers, heads and ledger agree.
    pub fn finish(self) -> Result<Log, StoreError> {
        let Self { mut log, mut state, .. } = self;
        state.rows = log.ledger.rows;
        state.changes = log.ledger.changes;
        log.state = Arc::new(state);
        check(&log)?;
        Ok(log)
    }
}

impl Store {
    /// Reads the directory, fails if it is inconsistent, and removes pieces without a header.
    pub(in crate::store) fn recover_transfers(&self) -> Result<(), StoreError> {
        let mut directory = Directory::default();
        for kind in [
            log::HEADER,
            log::LEDGER[0],
            log::HEAD_2,
            log::HEAD,
            log::RETRACTION,
            log::REPLACEMENTS,
            log::CONFLICT,
        ] {
            self.scan(kind, |key, bytes| directory.take(key, bytes))?;
        }
        let log = directory.finish()?;
        self.remove_leftovers(&log)?;
        *self.log.write().recover() = log;
        Ok(())
    }

    fn scan(
        &self,
        kind: u8,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        value::scan(&self.transfers, TREE, &[kind], &[kind + 1], |key, bytes| {
            each(key, bytes).map(|()| true)
        })
    }

    fn remove_leftovers(&self, log: &Log) -> Result<(), StoreError> {
        let doing = "removing values of an unfinished change of transfers";
        let failed = StoreError::engine;
        let mut removed = u64::from(self.segment_file.end_at(log.file_end)?);
        for key in self.segments.range(log.next_id.to_be_bytes()..).keys() {
            self.segments.remove(key.map_err(failed(doing))?).map_err(failed(doing))?;
            removed += 1;
        }
        removed += self.remove_garbage()?;
        if removed > 0 {
            tracing::info!(values = removed, "removed values of an unfinished change of transfers");
            self.sync()?;
        }
        Ok(())
    }

    /// Removes the pieces of superseded segments; returns the number of segments.
    pub(in crate::store) fn remove_garbage(&self) -> Result<u64, StoreError> {
        let mut superseded = Vec::new();
        self.scan(log::GARBAGE, |key, _| {
            superseded.push(number(key)?);
            Ok(())
        })?;
        for id in &superseded {
            value::remove(&self.segments, &super::segment_key(*id))?;
            value::remove(&self.transfers, &super::numbered(log::GARBAGE, *id))?;
        }
        Ok(superseded.len() as u64)
    }
}

/// Returns the number in a key of `transfers`, after its kind.
fn number(key: &[u8]) -> Result<u64, StoreError> {
    let number = key.get(1..).and_then(|number| number.try_into().ok());
    let number = number.ok_or_else(|| StoreError::corrupt(TREE, key, "the key is malformed"))?;
    Ok(u64::from_be_bytes(number))
}

/// Returns the chain in the key of a head.
fn chain_of(key: &[u8]) -> Result<Chain, StoreError> {
    let name = key[1..].strip_suffix(&[0]).and_then(|name| std::str::from_utf8(name).ok());
    let chain = name.and_then(|name| name.parse().ok());
    chain.ok_or_else(|| StoreError::corrupt(TREE, key, "the key names no chain"))
}

/// Fails unless headers, heads and ledger agree.
fn check(log: &Log) -> Result<(), StoreError> {
    let held = log.segments.last().map_or(0, |segment| segment.end());
    if held != log.ledger.rows {
        let what = format_args!(
            "the headers of transfers {held} to {} are missing",
            log.ledger.rows.saturating_sub(1)
        );
        return Err(StoreError::corrupt(TREE, &super::numbered(log::HEADER, held), what));
    }
    let mut rows = vec![0_u64; log.chains.len()];
    for reach in log.segments.iter().flat_map(|segment| &segment.reaches) {
        rows[reach.chain] += u64::from(reach.rows);
    }
    for (chain, rows) in log.chains.iter().zip(rows) {
        let head = log.state.chains.get(&*chain.caip2());
        let counted = head.map_or(0, |head| {
            head.transfers.saturating_add(head.retracted).saturating_add(head.replaced)
        });
        if counted != rows {
            let what = format_args!("it counts {counted} transfers, but the headers have {rows}");
            return Err(StoreError::corrupt(TREE, &super::head_key(log::HEAD, chain), what));
        }
    }
    Ok(())
}
