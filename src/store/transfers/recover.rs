//! The directory of transfers read on opening, and what killed changes left removed. Reads no
//! segment: that costs by the number of segments only.

use std::sync::{Arc, PoisonError};

use super::super::{Store, StoreError, value};
use super::log::{self, HeadForm, Header, Log, RetractionForm};
use crate::domain::chain::Chain;
use crate::domain::coverage::TransferState;

const TREE: &str = "transfers";

impl Store {
    /// Reads the directory, refuses one that does not fit together, and removes pieces that no
    /// header leads to.
    pub(in crate::store) fn recover_transfers(&self) -> Result<(), StoreError> {
        let mut log = self.read_headers()?;
        log.ledger = self.ledger()?;
        self.read_heads(&mut log)?;
        let retractions = self.read_retractions()?;
        Arc::make_mut(&mut log.state).retractions = retractions;
        check(&log)?;
        self.remove_leftovers(&log)?;
        *self.log.write().unwrap_or_else(PoisonError::into_inner) = log;
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

    fn read_headers(&self) -> Result<Log, StoreError> {
        let mut log = Log::default();
        let mut next = 0;
        self.scan(log::HEADER, |key, bytes| {
            let first = number(key)?;
            if first != next {
                let what = format_args!("the header of transfer {next} is missing before it");
                return Err(value::corrupt(TREE, key, what));
            }
            let header: Header = value::decode(TREE, key, bytes)?;
            next += u64::from(header.rows);
            log.push(first, header)
                .ok_or_else(|| value::corrupt(TREE, key, "it names no chain or no place"))
        })?;
        Ok(log)
    }

    fn read_heads(&self, log: &mut Log) -> Result<(), StoreError> {
        let mut state = TransferState { rows: log.ledger.rows, ..TransferState::default() };
        self.scan(log::HEAD, |key, bytes| {
            let name = key[1..].strip_suffix(&[0]).and_then(|name| std::str::from_utf8(name).ok());
            let chain: Option<Chain> = name.and_then(|name| name.parse().ok());
            let chain = chain.ok_or_else(|| value::corrupt(TREE, key, "the key names no chain"))?;
            let name = chain.to_string();
            let form: HeadForm = value::decode(TREE, key, bytes)?;
            let (head, top) =
                form.read(chain).ok_or_else(|| value::corrupt(TREE, key, "a span has no end"))?;
            if let Some(top) = top {
                log.tops.insert(name.clone(), top);
            }
            state.chains.insert(name, head);
            Ok(())
        })?;
        log.state = Arc::new(state);
        Ok(())
    }

    fn read_retractions(
        &self,
    ) -> Result<Vec<crate::domain::coverage::RetractionRecord>, StoreError> {
        let mut retractions = Vec::new();
        self.scan(log::RETRACTION, |key, bytes| {
            if number(key)? != retractions.len() as u64 {
                let what = format_args!("retraction {} is missing before it", retractions.len());
                return Err(value::corrupt(TREE, key, what));
            }
            let form: RetractionForm = value::decode(TREE, key, bytes)?;
            let record = form.read();
            retractions.push(record.ok_or_else(|| value::corrupt(TREE, key, "it names no chain"))?);
            Ok(())
        })?;
        Ok(retractions)
    }

    fn remove_leftovers(&self, log: &Log) -> Result<(), StoreError> {
        let doing = "removing what an unfinished change of transfers left";
        let failed = StoreError::engine;
        let mut removed = u64::from(self.segment_file.end_at(log.file_end)?);
        for key in self.segments.range(log.next_id.to_be_bytes()..).keys() {
            self.segments.remove(key.map_err(failed(doing))?).map_err(failed(doing))?;
            removed += 1;
        }
        let mut superseded = Vec::new();
        self.scan(log::GARBAGE, |key, _| {
            superseded.push(number(key)?);
            Ok(())
        })?;
        for id in superseded {
            value::remove(&self.segments, &super::segment_key(id))?;
            value::remove(&self.transfers, &super::numbered(log::GARBAGE, id))?;
            removed += 1;
        }
        if removed > 0 {
            tracing::info!(values = removed, "removed what an unfinished change of transfers left");
            self.sync()?;
        }
        Ok(())
    }
}

/// The number in a key of `transfers`, after its kind.
fn number(key: &[u8]) -> Result<u64, StoreError> {
    let number = key.get(1..).and_then(|number| number.try_into().ok());
    let number = number.ok_or_else(|| value::corrupt(TREE, key, "the key has another form"))?;
    Ok(u64::from_be_bytes(number))
}

/// Whether headers, heads and ledger tell of the same rows.
fn check(log: &Log) -> Result<(), StoreError> {
    let held = log.segments.last().map_or(0, |segment| segment.end());
    if held != log.ledger.rows {
        let what = format_args!(
            "the headers of transfers {held} to {} are missing",
            log.ledger.rows.saturating_sub(1)
        );
        return Err(value::corrupt(TREE, &super::numbered(log::HEADER, held), what));
    }
    let mut rows = vec![0_u64; log.chains.len()];
    for reach in log.segments.iter().flat_map(|segment| &segment.reaches) {
        rows[reach.chain] += u64::from(reach.rows);
    }
    for (chain, rows) in log.chains.iter().zip(rows) {
        let head = log.state.chains.get(&*chain.caip2());
        let counted = head.map_or(0, |head| head.transfers + head.retracted);
        if counted != rows {
            let what = format_args!("it counts {counted} transfers, but the headers have {rows}");
            return Err(value::corrupt(TREE, &super::head_key(chain), what));
        }
    }
    Ok(())
}
