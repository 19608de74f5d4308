//! Transfer ingest: stores transfers durably, then hands them to the exposure tracker.

use std::sync::Arc;

use super::graph_queries::unreadable;
use super::tracker::{Tracker, terms};
use super::types::{AppendedSummary, HeadOverview, TransferHeads};
use super::{Engine, EngineError};
use crate::domain::chain::Chain;
use crate::domain::coverage::{
    Conflict, CoverageDeclaration, Gap, Settlement, TransferState, Verdict,
};
use crate::domain::transfer::Transfer;
use crate::ingest::{Appended, Session};
use crate::store::Retract;

/// An ingest session: one stream or file of transfers. Its methods block.
#[derive(Debug)]
pub struct IngestSession {
    session: Session,
    tracker: Arc<Tracker>,
    /// Whether blocks were declared covered since the last batch was stored.
    covers: bool,
    /// Whether this is a bulk load: labels wait until it ends.
    is_bulk: bool,
}

impl Drop for IngestSession {
    fn drop(&mut self) {
        if self.is_bulk {
            self.tracker.label_now();
        }
    }
}

impl IngestSession {
    /// Stores a batch atomically. On return it is durable; screenings use it once [`Engine::is_known`]
    /// is true for its change.
    pub fn append(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<AppendedSummary, EngineError> {
        self.covers |= !covered.is_empty();
        let appended = self.session.append(batch, covered)?;
        Ok(self.record(appended, false))
    }

    /// Like [`Self::append`], for bulk loads. Labels are updated when the session ends, or when a caller
    /// waits for them; until then screenings are INCOMPLETE. The block of the last row is a gap until
    /// [`Self::finish`].
    pub fn append_durable(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<AppendedSummary, EngineError> {
        self.covers |= !covered.is_empty();
        self.is_bulk = true;
        let appended = self.session.append_unfinished(batch, covered)?;
        Ok(self.record(appended, true))
    }

    /// Buffers a batch of a bulk load and stores several at once. Returns `None` while the batch is only
    /// buffered: it is lost if the session is.
    pub fn append_many(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<Option<AppendedSummary>, EngineError> {
        self.covers |= !covered.is_empty();
        self.is_bulk = true;
        let appended = self.session.append_many(batch, covered)?;
        Ok(appended.map(|appended| self.record(appended, true)))
    }

    /// Records gaps in the source; they are stored with the next batch.
    pub fn add_gaps(&mut self, gaps: impl IntoIterator<Item = (Chain, Gap)>) {
        self.covers = true;
        self.session.add_gaps(gaps);
    }

    /// Ends an unfinished load and waits until labels cover what was stored. The block of the last row
    /// stays a gap.
    pub fn stop(self) -> Result<(), EngineError> {
        self.tracker.wait_until_current(false)
    }

    /// Stores what a bulk load has buffered, and marks the load as whole.
    pub fn flush(&mut self) -> Result<Option<AppendedSummary>, EngineError> {
        let appended = self.session.finish()?;
        Ok(appended.map(|appended| self.record(appended, true)))
    }

    /// Flushes, and waits until labels cover all that was stored.
    pub fn finish(mut self) -> Result<(), EngineError> {
        self.flush()?;
        self.tracker.wait_until_current(false)
    }

    fn record(&mut self, appended: Appended, is_bulk: bool) -> AppendedSummary {
        let Appended { first_row, stored, duplicates, replaced, conflicts, change, derived, rows } =
            appended;
        let summary = AppendedSummary {
            stored: stored.len() as u64,
            duplicates,
            replaced,
            conflicts,
            derived,
            rows,
            change,
        };
        if is_bulk {
            self.tracker.acknowledged(change);
        }
        // Duplicates may have closed gaps.
        let is_other_change = stored.is_empty() && !self.tracker.knows(change);
        self.tracker.enqueue(first_row, stored, is_bulk);
        if std::mem::take(&mut self.covers) || is_other_change {
            self.tracker.state_changed();
        }
        summary
    }
}

impl Engine {
    /// Opens an ingest session.
    pub fn begin_ingest(&self) -> IngestSession {
        let (session, tracker) = (self.ingestor.begin(), self.tracker.clone());
        IngestSession { session, tracker, covers: false, is_bulk: false }
    }

    /// Retracts every transfer of a chain from a height on, or of one block. Waits until screenings
    /// reflect it, and returns the number of retracted transfers. Blocks.
    pub fn retract(
        &self,
        chain: &Chain,
        from_height: u64,
        block_hash: Option<[u8; 32]>,
        reason: &str,
    ) -> Result<u64, EngineError> {
        let at = self.now();
        let retract = Retract { chain, from_height, block_hash, reason, at };
        let retraction = self.ingestor.retract(&retract)?;
        self.tracker.state_changed();
        self.tracker.wait_until_current(false)?;
        Ok(retraction.retracted)
    }

    /// Settles a conflict and waits until screenings reflect it. Blocks.
    pub fn settle_conflict(
        &self,
        number: u64,
        verdict: Verdict,
        reason: &str,
    ) -> Result<(), EngineError> {
        let settlement = Settlement { verdict, at: self.now(), reason: reason.to_owned() };
        self.ingestor.settle_conflict(number, &settlement)?;
        self.tracker.state_changed();
        self.tracker.wait_until_current(false)
    }

    /// Declares blocks or times to be complete without transfers. Returns how many known gaps lie within
    /// them and remain. Blocks.
    pub fn declare(&self, covered: &[CoverageDeclaration]) -> Result<u64, EngineError> {
        self.ingestor.begin().append(Vec::new(), covered)?;
        self.tracker.state_changed();
        self.tracker.wait_until_current(false)?;
        let state = self.ingestor.heads();
        let stay = |covered: &CoverageDeclaration| {
            let head = state.chains.get(&*covered.chain.caip2());
            let within =
                |gap: &&Gap| covered.kinds.contains(&gap.kind) && covered.extent.holds(&gap.extent);
            head.map_or(0, |head| head.gaps.iter().filter(within).count() as u64)
        };
        Ok(covered.iter().map(stay).sum())
    }

    /// Returns whether new screenings reflect a change of the transfers, or report that they cannot.
    pub fn is_known(&self, change: u64) -> bool {
        self.current.knows(change)
    }

    /// Returns the stored state of all chains.
    pub fn transfer_state(&self) -> Arc<TransferState> {
        self.ingestor.heads()
    }

    /// Returns conflicts with their two rows. Conflicts are numbered from 1; `after` is the last number of
    /// the previous page. Blocks.
    pub fn conflicts(
        &self,
        chain: Option<&Chain>,
        with_settled: bool,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Conflict, [Transfer; 2])>, EngineError> {
        let state = self.ingestor.heads();
        let wanted = |(number, conflict): &(u64, &Conflict)| {
            after.is_none_or(|after| *number > after)
                && (with_settled || conflict.settled.is_none())
                && chain.is_none_or(|chain| *chain == conflict.chain)
        };
        let found = (1..).zip(state.conflicts.iter()).filter(wanted).take(limit);
        let whole = |(number, conflict): (u64, &Conflict)| {
            let rows = self.publisher.store().stored_rows(&[conflict.first, conflict.second])?;
            let [(_, first), (_, second)] = <[_; 2]>::try_from(rows).map_err(|_| unreadable())?;
            Ok((number, conflict.clone(), [first, second]))
        };
        found.map(whole).collect()
    }

    pub fn transfer_heads(&self) -> TransferHeads {
        let state = self.ingestor.heads();
        let heads = terms::heads(self.tracker.settings(), &state).into_iter();
        let labels = self.current.exposure().labels;
        TransferHeads {
            heads: heads
                .map(|(head, coverage)| HeadOverview {
                    conflicts: state.open_conflicts(&head.chain).count() as u64,
                    head,
                    coverage,
                })
                .collect(),
            rows: state.rows,
            labelled_rows: labels.as_ref().map_or(0, |labels| labels.rows()),
            label_generation: labels.as_ref().map_or(0, |labels| labels.generation()),
        }
    }
}
