//! Plans the changes of a retraction or settlement. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::change::Change;
use super::log::Segment;
use crate::domain::chain::Chain;
use crate::domain::coverage::{
    self, ChainState, Conflict, Extent, Gap, GapCause, Replacement, Replacements, RetractionRecord,
    Settlement, Spans, TransferState, Verdict,
};
use crate::domain::transfer::{MergeOutcome, MovementKind, Transfer};
use crate::store::{Store, StoreError};

/// The retraction to perform on a chain.
#[derive(Clone, Copy, Debug)]
pub struct Retract<'a> {
    pub chain: &'a Chain,
    pub from_height: u64,
    /// Restricts the retraction to one block; `None` retracts every block from the height on.
    pub block_hash: Option<[u8; 32]>,
    /// Why: 1 to 1,024 bytes.
    pub reason: &'a str,
    pub at: Timestamp,
}

/// The result of scanning the rows of a chain for a retraction.
#[derive(Default)]
struct RetractionScan {
    /// Rows that still count.
    left: u64,
    unpositioned: u64,
    times: Option<(u64, u64)>,
    /// Heights by kind, of the rows that the retraction of a block takes, and of the remaining
    /// rows.
    retracted_heights: BTreeMap<MovementKind, BTreeSet<u64>>,
    left_heights: BTreeMap<MovementKind, BTreeSet<u64>>,
    /// Heights of remaining rows of another block.
    other_blocks: BTreeSet<u64>,
    /// Number of retracted rows without a sender or receiver.
    unnamed: BTreeMap<(MovementKind, u64), u64>,
    /// Kinds and heights of retracted rows that replaced others.
    replacing_others: BTreeSet<(MovementKind, u64)>,
}

impl RetractionScan {
    /// Returns the gaps that counted retracted rows without holders; none if a store of schema 2
    /// has not counted them yet.
    fn unnamed(&self, undeclared: &Spans) -> Vec<Gap> {
        let counted = self
            .unnamed
            .iter()
            .filter(|((_, height), _)| !undeclared.iter().any(|span| span.contains(height)));
        counted
            .map(|((kind, height), rows)| {
                Gap::unnamed(*kind, Extent::Heights(*height..=*height), *rows)
            })
            .collect()
    }

    fn leave(&mut self, rows: u64, times: (u64, u64)) {
        self.left += rows;
        let (first, last) = self.times.unwrap_or(times);
        self.times = Some((first.min(times.0), last.max(times.1)));
    }
}

impl Store {
    /// Plans a retraction. Returns the change, the number of retracted rows, and the record.
    pub(super) fn plan_retraction(
        &self,
        retract: &Retract<'_>,
    ) -> Result<(u64, RetractionRecord, Change), StoreError> {
        let state = self.transfer_state();
        let chain = retract.chain;
        let mut record = RetractionRecord {
            chain: chain.clone(),
            from_height: retract.from_height,
            rows: state.rows,
            at: retract.at,
            reason: retract.reason.to_owned(),
            block_hash: retract.block_hash,
        };
        let (mut change, segments) = {
            let log = self.log();
            (Change::after(&log), log.segments.clone())
        };
        change.touch(chain)?;
        let found = self.scan_chain(&state, &record, &segments)?;
        let head = change.head(chain);
        (head.first_time, head.last_time) =
            (found.times.map(|(first, _)| first), found.times.map(|(_, last)| last));
        let taken = head.transfers - found.left;
        head.transfers = found.left;
        head.unpositioned = found.unpositioned;
        head.retracted += taken;
        match &record.block_hash {
            None => head.truncate(record.from_height),
            Some(hash) => {
                let taken: BTreeSet<u64> =
                    found.retracted_heights.values().flatten().copied().collect();
                record.from_height = taken.first().copied().ok_or_else(|| no_block(hash))?;
                let unnamed = found.unnamed(&head.undeclared);
                remove_coverage(head, &found);
                head.change_gaps(
                    &unnamed,
                    found.replacing_others.iter().map(|at| reopened_gap(*at)),
                );
                for height in taken {
                    head.end_fork(height, hash);
                }
            }
        }
        self.void_conflicts(&mut change, &record)?;
        change.state.retractions.push(record.clone());
        Ok((taken, record, change))
    }

    /// Scans the rows of the record's chain. Uses only the headers of whole segments that neither
    /// this nor an earlier retraction affects.
    fn scan_chain(
        &self,
        state: &TransferState,
        record: &RetractionRecord,
        segments: &[Segment],
    ) -> Result<RetractionScan, StoreError> {
        let chain = &record.chain;
        let place = self.log().chains.iter().position(|known| known == chain);
        let before = state.retractions.iter().filter(|other| other.chain == *chain);
        let least = before.map(|other| other.from_height).min().unwrap_or(u64::MAX);
        let least = least.min(record.from_height);
        let mut found = RetractionScan::default();
        let has_replaced = !state.replacements.is_empty();
        let replacing_rows =
            record.block_hash.map(|_| state.replacements.replacing_rows()).unwrap_or_default();
        for segment in segments {
            let Some(reach) = segment.reaches.iter().find(|reach| Some(reach.chain) == place)
            else {
                continue;
            };
            if reach.heights.is_none_or(|(_, most)| most < least) && !has_replaced {
                found.leave(reach.rows.into(), reach.times);
                found.unpositioned += u64::from(reach.unpositioned);
                continue;
            }
            for (number, row) in (segment.first_row..).zip(self.unpack(segment)?) {
                if row.chain == *chain && state.counts(number, &row) {
                    found.retract_row(record, number, &row, replacing_rows.contains(&number));
                }
            }
        }
        Ok(found)
    }

    /// Settles the conflicts in which a retraction removes a side.
    fn void_conflicts(
        &self,
        change: &mut Change,
        record: &RetractionRecord,
    ) -> Result<(), StoreError> {
        let open: Vec<(u64, Conflict)> = change
            .state
            .open_conflicts(&record.chain)
            .map(|(number, conflict)| (number, conflict.clone()))
            .collect();
        for (number, conflict) in open {
            let newest = |row| change.state.replacements.newest(row);
            let mut sides = [newest(conflict.first), newest(conflict.second)];
            sides.sort_unstable();
            let rows = self.stored_rows(&sides)?;
            let is_taken = rows.iter().any(|(number, row)| {
                record.applies_to(*number, row.height(), row.block_hash.as_ref())
            });
            if is_taken {
                let (at, reason) = (record.at, record.reason.clone());
                let settled = Settlement { verdict: Verdict::TakenBack, at, reason };
                let conflicts = Arc::make_mut(&mut change.state.conflicts);
                conflicts[number as usize].settled = Some(settled);
                change.conflicts.insert(number);
            }
        }
        Ok(())
    }

    /// Returns the row that counts for a row; `None` if a settlement dropped it.
    fn current_row(
        &self,
        replacements: &Replacements,
        row: u64,
    ) -> Result<Option<u64>, StoreError> {
        let mut best = row;
        while let Some(next) = replacements.next(best) {
            let mut both = [best, next];
            both.sort_unstable();
            let rows = self.stored_rows(&both)?;
            let find = |number| rows.iter().find(|(of, _)| *of == number).map(|(_, row)| row);
            let (Some(told), Some(again)) = (find(best), find(next)) else { return Ok(None) };
            if matches!(told.merge_with(again), MergeOutcome::Contradiction) {
                return Ok(None);
            }
            best = next;
        }
        Ok(Some(best))
    }

    /// Plans the settlement of a conflict. Conflicts are numbered from 1.
    pub(super) fn plan_settlement(
        &self,
        number: u64,
        settlement: &Settlement,
    ) -> Result<Change, StoreError> {
        let mut change = Change::after(&self.log());
        let missing = || StoreError::NoConflict { number };
        let place = number.checked_sub(1).ok_or_else(missing)?;
        let known = change.state.conflicts.get(place as usize).ok_or_else(missing)?;
        if known.settled.is_some() {
            return Err(StoreError::SettledConflict { number });
        }
        let Conflict { chain, first, second, .. } = known.clone();
        change.touch(&chain)?;
        // What counts today: either side may have been replaced since, or dropped by another
        // settlement.
        let replacements = &change.state.replacements;
        let (first, second) =
            (self.current_row(replacements, first)?, self.current_row(replacements, second)?);
        let (dropped, kept) = match settlement.verdict {
            Verdict::First => (second, first),
            Verdict::Second => (first, second),
            Verdict::Both | Verdict::TakenBack => (None, first.or(second)),
        };
        let kept = kept.ok_or(StoreError::DroppedBefore { number })?;
        if let Some(old) = dropped {
            let rows = self.stored_rows(&[old])?;
            let was_unpositioned = rows.iter().any(|(_, row)| row.position().is_none());
            let unnamed = rows.iter().filter(|(_, row)| row.has_unnamed_holders());
            let unnamed = unnamed.filter_map(|(_, row)| Some((row.kind(), row.height()?)));
            let unnamed: Vec<_> = unnamed
                .map(|(kind, height)| Gap::unnamed(kind, Extent::Heights(height..=height), 1))
                .collect();
            let head = change.head(&chain);
            head.change_gaps(&unnamed, []);
            head.transfers = head.transfers.saturating_sub(1);
            head.replaced += 1;
            head.unpositioned = head.unpositioned.saturating_sub(was_unpositioned.into());
            let replacement = Replacement { old, new: kept, is_silent: false };
            Arc::make_mut(&mut change.state.replacements).push(replacement);
        }
        change.head(&chain).revision += 1;
        let conflicts = Arc::make_mut(&mut change.state.conflicts);
        conflicts[place as usize].settled = Some(settlement.clone());
        change.conflicts.insert(place);
        Ok(change)
    }
}

impl RetractionScan {
    /// Retracts a row that counts so far.
    fn retract_row(
        &mut self,
        record: &RetractionRecord,
        number: u64,
        row: &Transfer,
        is_better: bool,
    ) {
        let is_taken = record.applies_to(number, row.height(), row.block_hash.as_ref());
        if is_taken && is_better {
            self.replacing_others.extend(row.height().map(|height| (row.kind(), height)));
        }
        if !is_taken {
            self.leave(1, (row.time, row.time));
            self.unpositioned += u64::from(row.position().is_none());
        }
        if let (Some(_), Some(height)) = (&record.block_hash, row.height()) {
            let heights =
                if is_taken { &mut self.retracted_heights } else { &mut self.left_heights };
            heights.entry(row.kind()).or_default().insert(height);
            if is_taken && row.has_unnamed_holders() {
                *self.unnamed.entry((row.kind(), height)).or_default() += 1;
            }
            if !is_taken && row.block_hash.is_some() {
                self.other_blocks.insert(height);
            }
        }
    }
}

/// Returns the gap of a row replaced by a retracted one: the old row does not count again, so the
/// data must be loaded again.
fn reopened_gap((kind, height): (MovementKind, u64)) -> Gap {
    let extent = Extent::Heights(height..=height);
    Gap { kind, extent, cause: GapCause::Refused, place: None }
}

/// Removes coverage of heights at which a kind has no row left. Also removes that of every kind
/// where no other block is known: declared blocks and rows without a hash may have belonged to the
/// retracted block.
fn remove_coverage(head: &mut ChainState, found: &RetractionScan) {
    let spans = |heights: &BTreeSet<u64>| coverage::spans_from(heights.iter().copied().collect());
    let all_taken = spans(&found.retracted_heights.values().flatten().copied().collect());
    let unknown = coverage::difference(&all_taken, &spans(&found.other_blocks));
    for (kind, head) in &mut head.kinds {
        head.heights = coverage::difference(&head.heights, &unknown);
        let Some(taken) = found.retracted_heights.get(kind) else { continue };
        let left = found.left_heights.get(kind).map(spans).unwrap_or_default();
        let gone = coverage::difference(&spans(taken), &left);
        head.heights = coverage::difference(&head.heights, &gone);
    }
    head.undeclared = coverage::difference(&head.undeclared, &unknown);
    head.revision += 1;
}

fn no_block(hash: &[u8; 32]) -> StoreError {
    let hex = HEXLOWER.encode(hash);
    let what = format!("no stored transfer of the chain stands in block {hex}");
    StoreError::Heights { field: "block_hash", what }
}
