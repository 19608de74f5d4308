//! Updates of the transfer graph from the store: append, retract, replace, reload.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{EngineError, Tracker, WorkerState, world_settings};
use crate::domain::coverage::{TransferState, Verdict};
use crate::domain::transfer::Transfer;
use crate::exposure::World;
use crate::store::{Store, StoreError};

impl Tracker {
    /// Applies appended rows and retractions in the order of their rows. Sessions enqueue in no
    /// particular order, and retractions may come before the rows.
    pub(super) fn append(
        &self,
        world: &mut World,
        mut appended: Vec<(u64, Vec<Transfer>)>,
        state: &TransferState,
        worker: &mut WorkerState,
    ) -> Result<(), EngineError> {
        appended.sort_by_key(|(first_row, _)| *first_row);
        let mut appended = appended.into_iter().peekable();
        let retractions = state.retractions.get(worker.retractions..).unwrap_or_default();
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
        worker.retractions = state.retractions.len();
        Ok(())
    }

    /// Reads the missing rows below `end` from the store: another session has stored them and not
    /// enqueued them yet.
    pub(super) fn read_up_to(
        &self,
        world: &mut World,
        end: u64,
        state: &TransferState,
    ) -> Result<(), EngineError> {
        Ok(read_up_to(&self.store, world, end, state)?)
    }

    /// Counts the changes that require a reload of the graph: they remove rows that dated their blocks,
    /// or rows that cannot be found by height.
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

    /// Loads all stored transfers that count into a new graph. Returns the state that it reflects.
    pub(super) fn read_in(&self) -> Result<(World, Arc<TransferState>), EngineError> {
        let mut fresh = World::new(world_settings(&self.label_settings));
        if let Some(labels) = &self.current.exposure().labels {
            fresh.resume(labels);
        }
        let state = self.store.transfer_state();
        read_all(&self.store, &mut fresh, &state)?;
        Ok((fresh, state))
    }
}

/// Reads the missing rows below `end` from the store.
pub(in crate::engine) fn read_up_to(
    store: &Store,
    world: &mut World,
    end: u64,
    state: &TransferState,
) -> Result<(), StoreError> {
    if world.rows() >= end {
        return Ok(());
    }
    store.read_rows(world.rows(), |first_row, rows| {
        let wanted = usize::try_from(end.saturating_sub(first_row)).unwrap_or(usize::MAX);
        append_rows(world, state, first_row, &rows[..wanted.min(rows.len())]);
        if wanted > rows.len() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

/// Loads the stored transfers that count in a state, of now or of then, into an empty graph.
pub(in crate::engine) fn read_all(
    store: &Store,
    world: &mut World,
    state: &TransferState,
) -> Result<(), StoreError> {
    let has_taken_blocks = state.retractions.iter().any(|record| record.block_hash.is_some());
    let counts = |row: u64, transfer: &Transfer| -> Result<bool, StoreError> {
        if !state.replacements.is_in_graph(row) || state.is_retracted(row, transfer) {
            return Ok(false);
        }
        // It represents a newer report of the same transfer, which may have been retracted.
        let newest = state.replacements.newest(row);
        if newest == row || !has_taken_blocks {
            return Ok(true);
        }
        let newest = store.stored_rows(&[newest])?;
        Ok(!newest.iter().any(|(row, transfer)| state.is_retracted(*row, transfer)))
    };
    if state.rows == 0 {
        return Ok(());
    }
    let mut failed = None;
    store.read_rows(0, |first_row, mut rows| {
        // Later rows will be enqueued, or belong to a later state.
        let wanted = usize::try_from(state.rows.saturating_sub(first_row)).unwrap_or(usize::MAX);
        let is_last = wanted <= rows.len();
        rows.truncate(wanted);
        if state.retractions.is_empty() && state.replacements.is_empty() {
            world.append(first_row, &rows);
        } else {
            for (row, transfer) in (first_row..).zip(&rows) {
                match counts(row, transfer) {
                    Ok(true) => world.append(row, std::slice::from_ref(transfer)),
                    Ok(false) => world.pass_over(row),
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
        }
        if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(()), Err)
}

/// Appends rows, except duplicates of rows that the graph has.
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

/// Removes rows that were replaced by others, which the graph has.
pub(super) fn remove_replaced(world: &mut World, state: &TransferState, worker: &mut WorkerState) {
    let replaced = state.replacements.since(worker.replacements).iter();
    let replaced = replaced.filter(|replacement| !replacement.is_silent);
    let rows: HashSet<u64> =
        replaced.map(|replacement| state.replacements.graph_row(replacement.old)).collect();
    if !rows.is_empty() {
        world.remove(&rows);
    }
    worker.replacements = state.replacements.len();
}
