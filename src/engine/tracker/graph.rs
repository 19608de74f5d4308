//! The graph of transfers brought to what is stored: appended, retracted, replaced, or read in anew.
//! Makes no labels.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{EngineError, Kept, Tracker};
use crate::domain::coverage::{TransferState, Verdict};
use crate::domain::transfer::Transfer;
use crate::exposure::World;
use crate::store::StoreError;

impl Tracker {
    /// Takes what was stored and what was taken back, in the order in which that was done: sessions
    /// say what they stored in no certain order, and retractions may be ahead of both.
    pub(super) fn append(
        &self,
        world: &mut World,
        mut appended: Vec<(u64, Vec<Transfer>)>,
        state: &TransferState,
        kept: &mut Kept,
    ) -> Result<(), EngineError> {
        appended.sort_by_key(|(first_row, _)| *first_row);
        let mut appended = appended.into_iter().peekable();
        let retractions = state.retractions.get(kept.retractions..).unwrap_or_default();
        let ends = retractions.iter().map(|record| (record.rows, Some(record)));
        for (end, record) in ends.chain([(u64::MAX, None)]) {
            while let Some((first_row, rows)) = appended.next_if(|(first_row, _)| *first_row < end)
            {
                self.read_up_to(world, first_row, state)?;
                append_rows(world, state, first_row, &rows);
            }
            if let Some(record) = record {
                self.read_up_to(world, record.rows, state)?;
                world.retract(&record.chain, record.from_height, record.rows);
            }
        }
        kept.retractions = state.retractions.len();
        Ok(())
    }

    /// Reads the rows below `end` that the graph does not have from the store: another session has
    /// stored them and not said so yet.
    pub(super) fn read_up_to(
        &self,
        world: &mut World,
        end: u64,
        state: &TransferState,
    ) -> Result<(), EngineError> {
        if world.rows() >= end {
            return Ok(());
        }
        self.store.read_rows(world.rows(), |first_row, rows| {
            let wanted = usize::try_from(end.saturating_sub(first_row)).unwrap_or(usize::MAX);
            append_rows(world, state, first_row, &rows[..wanted.min(rows.len())]);
            if wanted > rows.len() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(())
    }

    /// How many changes there were that a graph can heed only by being read in anew: they take rows
    /// away that dated their blocks, or whose place in the graph is not known by height.
    pub(super) fn rereads(&self, state: &TransferState) -> usize {
        let retractions = state.retractions.iter().filter(|record| {
            record.block_hash.is_some()
                || self.store.tops(&record.chain).partial_height() >= Some(record.from_height)
        });
        let settled = state.conflicts.iter().filter(|conflict| {
            let verdict = conflict.settled.as_ref().map(|settled| settled.verdict);
            matches!(verdict, Some(Verdict::First | Verdict::Second))
        });
        retractions.count() + settled.count()
    }

    /// Reads the stored transfers that count into a new graph; and what is loaded by then.
    pub(super) fn read_in(&self) -> Result<(World, Arc<TransferState>), EngineError> {
        let mut fresh = World::new(self.world_settings());
        if let Some(labels) = &self.live.exposure().labels {
            fresh.resume(labels);
        }
        let state = self.store.transfer_state();
        let has_taken_blocks = state.retractions.iter().any(|record| record.block_hash.is_some());
        let counts = |row: u64, transfer: &Transfer| -> Result<bool, StoreError> {
            if !state.replacements.is_in_graph(row) || state.is_retracted(row, transfer) {
                return Ok(false);
            }
            // It stands in the graph for a better telling, which may have been taken back.
            let newest = state.replacements.newest(row);
            if newest == row || !has_taken_blocks {
                return Ok(true);
            }
            let newest = self.store.stored_rows(&[newest])?;
            Ok(!newest.iter().any(|(row, transfer)| state.is_retracted(*row, transfer)))
        };
        let mut failed = None;
        self.store.read_rows(0, |first_row, mut rows| {
            // What is stored meanwhile will be said.
            let wanted = usize::try_from(state.rows.saturating_sub(first_row));
            rows.truncate(wanted.unwrap_or(usize::MAX));
            if state.retractions.is_empty() && state.replacements.is_empty() {
                fresh.append(first_row, &rows);
                return ControlFlow::Continue(());
            }
            for (row, transfer) in (first_row..).zip(&rows) {
                match counts(row, transfer) {
                    Ok(true) => fresh.append(row, std::slice::from_ref(transfer)),
                    Ok(false) => fresh.pass_over(row),
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        Ok((fresh, state))
    }
}

/// Appends rows, but for those that mean the same as rows that the graph has.
fn append_rows(world: &mut World, state: &TransferState, first_row: u64, rows: &[Transfer]) {
    if state.replacements.is_empty() {
        return world.append(first_row, rows);
    }
    let is_silent = |place: usize| state.replacements.is_silent(first_row + place as u64);
    let mut place = 0;
    while place < rows.len() {
        let end = (place..rows.len()).find(|&place| is_silent(place)).unwrap_or(rows.len());
        world.append(first_row + place as u64, &rows[place..end]);
        if end < rows.len() {
            world.pass_over(first_row + end as u64);
        }
        place = end + 1;
    }
}

/// Takes rows out of the graph in whose place others count now, which it has.
pub(super) fn remove_replaced(world: &mut World, state: &TransferState, kept: &mut Kept) {
    let replaced = state.replacements.since(kept.replacements).iter();
    let replaced = replaced.filter(|replacement| !replacement.is_silent);
    let rows: HashSet<u64> =
        replaced.map(|replacement| state.replacements.graph_row(replacement.old)).collect();
    if !rows.is_empty() {
        world.remove(&rows);
    }
    kept.replacements = state.replacements.len();
}
