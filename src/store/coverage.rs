//! The coverage of chains after each change of transfers, so that past answers can be rebuilt: heads
//! have only the current one.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `coverage` | change (8) | what was known after it, and the summaries of chains |
//!
//! A value has the chains that its change touched, and every [`WHOLE`]th, as the first one, has all
//! chains. Kept permanently. Written before the batch of the change, so that one without its change can
//! only be the last; opening removes it. A store of schema 7 or older has none: opening writes the state
//! of that moment, and what was before is unknown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, Tree, value};
use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainSummary, TransferCounts, TransferState};

const TREE: &str = "coverage";

/// Every so many changes all chains are written.
const WHOLE: u64 = 64;

/// What was known after a change, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Form {
    counts: TransferCounts,
    /// [`TransferState::coverage_revision`].
    revision: u64,
    /// Whether all chains are there.
    is_whole: bool,
    /// By CAIP-2 id.
    chains: Vec<(String, ChainSummary)>,
}

/// The coverage of every chain after a change of transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageAt {
    pub change: u64,
    pub counts: TransferCounts,
    /// [`TransferState::coverage_revision`].
    pub revision: u64,
    /// By CAIP-2 id.
    pub chains: BTreeMap<String, ChainSummary>,
}

/// The coverage of a past moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastCoverage {
    Found(CoverageAt),
    /// No change left the store in that state.
    NoSuchState,
    /// An older program made the change, which did not keep coverage.
    NotRecorded,
}

impl Form {
    fn new(state: &TransferState, touched: Option<&[Chain]>) -> Self {
        let is_touched = |name: &str| {
            touched.is_none_or(|touched| touched.iter().any(|chain| chain.caip2() == name))
        };
        let chains = state.chains.iter().filter(|(name, _)| is_touched(name));
        Self {
            counts: state.counts_of_all(),
            revision: state.coverage_revision(),
            is_whole: touched.is_none(),
            chains: chains.map(|(name, head)| (name.clone(), state.summary_of(head))).collect(),
        }
    }

    /// The order of changes: none of these numbers ever decreases.
    fn order(&self) -> (TransferCounts, u64) {
        (self.counts, self.revision)
    }
}

impl Store {
    /// Writes the coverage after the change that leads to `state`. Not synced.
    pub(super) fn write_coverage(
        &self,
        state: &TransferState,
        touched: &[Chain],
    ) -> Result<(), StoreError> {
        let is_first = || Ok::<_, StoreError>(self.read_coverage(state.changes - 1)?.is_none());
        let is_whole = state.changes.is_multiple_of(WHOLE) || is_first()?;
        let form = Form::new(state, (!is_whole).then_some(touched));
        write(&self.coverage, state.changes, &form)
    }

    /// Removes the coverage of changes that did not happen, and writes that of the last change if an
    /// older program made it.
    pub(super) fn recover_coverage(&self) -> Result<(), StoreError> {
        let doing = "removing values of an unfinished change of transfers";
        let state = self.transfer_state();
        let mut removed = 0;
        for found in self.coverage.range((state.changes + 1).to_be_bytes()..).keys() {
            let found = found.map_err(StoreError::engine(doing))?;
            self.coverage.remove(found).map_err(StoreError::engine(doing))?;
            removed += 1;
        }
        let is_missing = state.changes > 0 && self.read_coverage(state.changes)?.is_none();
        if is_missing {
            write(&self.coverage, state.changes, &Form::new(&state, None))?;
        }
        if is_missing || removed > 0 { self.sync() } else { Ok(()) }
    }

    fn read_coverage(&self, change: u64) -> Result<Option<Form>, StoreError> {
        let key = key(change);
        let stored = value::read(&self.coverage, TREE, &key)?;
        stored.map(|stored| value::decode(TREE, &key, &stored)).transpose()
    }

    /// Returns the coverage after a change. There is none before the first change.
    pub fn coverage_at(&self, change: u64) -> Result<PastCoverage, StoreError> {
        if change == 0 {
            return Ok(PastCoverage::Found(CoverageAt::default()));
        }
        let last = self.transfer_state().changes;
        let Some(Form { counts, revision, mut is_whole, chains }) = self.read_coverage(change)?
        else {
            let is_made = change <= last;
            return Ok(if is_made { PastCoverage::NotRecorded } else { PastCoverage::NoSuchState });
        };
        let mut found: BTreeMap<_, _> = chains.into_iter().collect();
        let mut before = change;
        while !is_whole {
            before -= 1;
            let Some(form) = self.read_coverage(before)? else {
                return Err(StoreError::corrupt(TREE, &key(before), "it is missing"));
            };
            is_whole = form.is_whole;
            for (name, summary) in form.chains {
                found.entry(name).or_insert(summary);
            }
        }
        Ok(PastCoverage::Found(CoverageAt { change, counts, revision, chains: found }))
    }

    /// Returns the coverage of the moment at which so much was known.
    pub fn coverage_of(
        &self,
        counts: TransferCounts,
        revision: u64,
    ) -> Result<PastCoverage, StoreError> {
        let wanted = (counts, revision);
        if wanted == Default::default() {
            return self.coverage_at(0);
        }
        let Some(first) = self.coverage.iter().keys().next() else {
            return Ok(PastCoverage::NoSuchState);
        };
        let first = first.map_err(StoreError::engine("reading a key"))?;
        let first = change_of(&first[..first.len().saturating_sub(super::pieces::NUMBER)])?;
        // The least change that is not before what is wanted.
        let (mut low, mut high) = (first, self.transfer_state().changes + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.read_coverage(middle)? {
                None => return Err(StoreError::corrupt(TREE, &key(middle), "it is missing")),
                Some(form) if form.order() < wanted => low = middle + 1,
                Some(_) => high = middle,
            }
        }
        match self.read_coverage(low)? {
            Some(form) if form.order() == wanted => self.coverage_at(low),
            // The first one follows others that were not recorded, unless it is of the first change.
            Some(_) if low == first && first > 1 => Ok(PastCoverage::NotRecorded),
            Some(_) | None => Ok(PastCoverage::NoSuchState),
        }
    }
}

fn write(tree: &Tree, change: u64, form: &Form) -> Result<(), StoreError> {
    let key = key(change);
    // A change that failed may have left one.
    value::remove(tree, &key)?;
    value::write(tree, &key, &value::encode(form)?)
}

fn key(change: u64) -> [u8; 8] {
    change.to_be_bytes()
}

fn change_of(key: &[u8]) -> Result<u64, StoreError> {
    let change = key.try_into().map(u64::from_be_bytes);
    change.map_err(|_| StoreError::corrupt(TREE, key, "the key is malformed"))
}

/// Verifies the values of the tree in order.
#[derive(Debug, Default)]
pub(super) struct CoverageCheck {
    /// The last change and what was known after it.
    last: Option<(u64, (TransferCounts, u64))>,
    chains: BTreeMap<String, ChainSummary>,
    pub count: u64,
}

impl CoverageCheck {
    pub fn take(&mut self, key: &[u8], stored: &[u8]) -> Result<(), StoreError> {
        let corrupt = |what: String| Err(StoreError::corrupt(TREE, key, what));
        let change = change_of(key)?;
        let form: Form = value::decode(TREE, key, stored)?;
        let last = self.last.replace((change, form.order()));
        self.count += 1;
        match last {
            None if !form.is_whole => return corrupt("the first one must have all chains".into()),
            Some((last, _)) if change != last + 1 => {
                return corrupt(format!("change {} is missing before it", last + 1));
            }
            Some((_, before)) if form.order() < before => {
                return corrupt("it knows less than the change before it".into());
            }
            Some(_) | None => {}
        }
        let is_whole = form.is_whole;
        let names: Vec<_> = form.chains.iter().map(|(name, _)| name.clone()).collect();
        self.chains.extend(form.chains);
        if is_whole && !self.chains.keys().eq(names.iter()) {
            return corrupt("it must have all chains".into());
        }
        Ok(())
    }

    /// Compares the last coverage with the heads of the chains; `is_required` tells whether the schema
    /// has coverage.
    pub fn end(self, state: &TransferState, is_required: bool) -> Result<(), StoreError> {
        let wrong = |what: &str| Err(StoreError::corrupt(TREE, &key(state.changes), what));
        let summary = |(name, head): (&String, _)| (name.clone(), state.summary_of(head));
        match self.last {
            None if state.changes == 0 || !is_required => Ok(()),
            Some((change, order)) if change == state.changes => {
                let is_same = order == (state.counts_of_all(), state.coverage_revision())
                    && self.chains == state.chains.iter().map(summary).collect();
                if is_same { Ok(()) } else { wrong("it is not what the heads of the chains say") }
            }
            Some(_) | None => wrong("it is missing"),
        }
    }
}
