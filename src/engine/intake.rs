//! Transfers in: durable first, then known to exposure.

use std::sync::Arc;

use super::near::unreadable;
use super::tracker::{Tracker, terms};
use super::transfers::{AppendedSummary, HeadOverview, TransferHeads};
use super::{Engine, EngineError};
use crate::domain::chain::Chain;
use crate::domain::coverage::{
    Conflict, CoverageDeclaration, Gap, Settlement, TransferState, Verdict,
};
use crate::domain::transfer::Transfer;
use crate::ingest::{Appended, Session};
use crate::store::Retract;

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
    /// Stores a batch, whole or not at all. What is returned is durable; screenings know it once
    /// [`Engine::is_known`] says so of its change.
    pub fn append(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<AppendedSummary, EngineError> {
        self.covers |= !covered.is_empty();
        let appended = self.session.append(batch, covered)?;
        Ok(self.note(appended, false))
    }

    /// As [`Self::append`], for bulk loads: exposure knows the batch when the session has ended, or is
    /// asked for it. Until then screenings are INCOMPLETE, and the block of the last row is a gap until
    /// [`Self::finish`].
    pub fn append_durable(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<AppendedSummary, EngineError> {
        self.covers |= !covered.is_empty();
        self.is_bulk = true;
        let appended = self.session.append_unfinished(batch, covered)?;
        Ok(self.note(appended, true))
    }

    /// Takes a batch of a bulk load, which is stored with others: `None` while it waits and would
    /// be lost with the session. Exposure knows it when the session has ended, or is asked for it.
    pub fn append_many(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<Option<AppendedSummary>, EngineError> {
        self.covers |= !covered.is_empty();
        self.is_bulk = true;
        let appended = self.session.append_many(batch, covered)?;
        Ok(appended.map(|appended| self.note(appended, true)))
    }

    /// Takes gaps that were found: they are stored with what is stored next.
    pub fn add_gaps(&mut self, gaps: impl IntoIterator<Item = (Chain, Gap)>) {
        self.covers = true;
        self.session.add_gaps(gaps);
    }

    /// Waits until the labels of exposure know what was stored of a load that did not come to its end:
    /// the block of its last row stays a gap.
    pub fn stop(self) -> Result<(), EngineError> {
        self.tracker.settle(false)
    }

    /// Stores what waits of a bulk load, and that it is whole.
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
        self.tracker.stored(first_row, stored, is_bulk);
        if std::mem::take(&mut self.covers) || is_other_change {
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

    /// Takes back every transfer of a chain from a height on, or of one block, and returns how many
    /// once screenings know it. Blocks.
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
        self.tracker.settle(false)?;
        Ok(retraction.retracted)
    }

    /// Settles a conflict; returns once screenings know it. Blocks.
    pub fn settle_conflict(
        &self,
        number: u64,
        verdict: Verdict,
        reason: &str,
    ) -> Result<(), EngineError> {
        let settlement = Settlement { verdict, at: self.now(), reason: reason.to_owned() };
        self.ingestor.settle_conflict(number, &settlement)?;
        self.tracker.state_changed();
        self.tracker.settle(false)
    }

    /// Declares blocks or times to be whole of which no transfer comes, and returns how many known
    /// gaps lie within them and stay. Blocks.
    pub fn declare(&self, covered: &[CoverageDeclaration]) -> Result<u64, EngineError> {
        self.ingestor.begin().append(Vec::new(), covered)?;
        self.tracker.state_changed();
        self.tracker.settle(false)?;
        let state = self.ingestor.heads();
        let stay = |covered: &CoverageDeclaration| {
            let head = state.chains.get(&*covered.chain.caip2());
            let within =
                |gap: &&Gap| covered.kinds.contains(&gap.kind) && covered.extent.holds(&gap.extent);
            head.map_or(0, |head| head.gaps.iter().filter(within).count() as u64)
        };
        Ok(covered.iter().map(stay).sum())
    }

    /// Whether screenings that begin now know a change of the transfers, or say that they do not.
    pub fn is_known(&self, change: u64) -> bool {
        self.live.knows(change)
    }

    /// All that is loaded, as it is stored.
    pub fn transfer_state(&self) -> Arc<TransferState> {
        self.ingestor.heads()
    }

    /// Conflicts after a number, of which the first is 1, each with the two rows as they were stored. Blocks.
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
        let labels = self.live.exposure().labels;
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
