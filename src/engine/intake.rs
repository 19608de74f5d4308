//! Transfers in: durable first, then known to exposure.

use std::sync::Arc;

use super::tracker::{Tracker, terms};
use super::transfers::{AppendedSummary, HeadOverview, TransferHeads};
use super::{Engine, EngineError};
use crate::domain::chain::Chain;
use crate::domain::coverage::Covered;
use crate::domain::transfer::Transfer;
use crate::ingest::{Appended, Session};

/// One stream or file of transfers. Its methods block.
#[derive(Debug)]
pub struct IngestSession {
    session: Session,
    tracker: Arc<Tracker>,
    /// Blocks were declared covered since something was last stored.
    covers: bool,
    /// Whether [`Self::append_many`] was called: labels then wait until this ends.
    is_bulk: bool,
}

impl Drop for IngestSession {
    fn drop(&mut self) {
        if self.is_bulk {
            self.tracker.hurry();
        }
    }
}

impl IngestSession {
    /// Stores a batch, whole or not at all. What is returned is durable.
    pub fn append(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[Covered],
    ) -> Result<AppendedSummary, EngineError> {
        self.covers |= !covered.is_empty();
        let appended = self.session.append(batch, covered)?;
        Ok(self.note(appended, false))
    }

    /// Takes a batch of a bulk load, which is stored with others: `None` while it waits and would
    /// be lost with the session. Exposure knows it when the session has ended, or is asked for it.
    pub fn append_many(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[Covered],
    ) -> Result<Option<AppendedSummary>, EngineError> {
        self.covers |= !covered.is_empty();
        self.is_bulk = true;
        let appended = self.session.append_many(batch, covered)?;
        Ok(appended.map(|appended| self.note(appended, true)))
    }

    /// Stores what waits of a bulk load.
    pub fn flush(&mut self) -> Result<Option<AppendedSummary>, EngineError> {
        let appended = self.session.finish()?;
        Ok(appended.map(|appended| self.note(appended, true)))
    }

    /// Waits until the labels of exposure know all that was stored.
    pub fn finish(mut self) -> Result<(), EngineError> {
        self.flush()?;
        self.tracker.settle(false)
    }

    fn note(&mut self, appended: Appended, is_bulk: bool) -> AppendedSummary {
        let Appended { first_row, stored, duplicates, derived, rows } = appended;
        let summary = AppendedSummary { stored: stored.len() as u64, duplicates, derived, rows };
        self.tracker.stored(first_row, stored, is_bulk);
        if std::mem::take(&mut self.covers) {
            self.tracker.state_changed();
        }
        summary
    }
}

impl Engine {
    /// Begins to take transfers in.
    pub fn begin_ingest(&self) -> IngestSession {
        let (session, tracker) = (self.ingestor.begin(), self.tracker.clone());
        IngestSession { session, tracker, covers: false, is_bulk: false }
    }

    /// Takes back every transfer of a chain from a height on, and returns how many. Blocks.
    pub fn retract(
        &self,
        chain: &Chain,
        from_height: u64,
        reason: &str,
    ) -> Result<u64, EngineError> {
        let retraction = self.ingestor.retract(chain, from_height, reason, self.now())?;
        self.tracker.state_changed();
        Ok(retraction.retracted)
    }

    /// What transfers are loaded.
    pub fn transfer_heads(&self) -> TransferHeads {
        let state = self.ingestor.heads();
        let heads = terms::heads(self.tracker.settings(), &state).into_iter();
        let labels = self.live.exposure().labels;
        TransferHeads {
            heads: heads
                .map(|(head, required, max_age)| HeadOverview { head, required, max_age })
                .collect(),
            rows: state.rows,
            labelled_rows: labels.as_ref().map_or(0, |labels| labels.rows()),
            label_generation: labels.as_ref().map_or(0, |labels| labels.generation()),
        }
    }
}
