//! What a retraction or a settlement changes. Plans it and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

/// What is to be taken back of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Retract<'a> {
    pub chain: &'a Chain,
    pub from_height: u64,
    /// Only the block with this hash; `None`: every block from the height on.
    pub block_hash: Option<[u8; 32]>,
    /// Why: 1 to 1,024 bytes.
    pub reason: &'a str,
    pub at: Timestamp,
}

/// What a look at all rows of a chain found of a retraction.
#[derive(Default)]
struct Found {
    /// Rows that go on counting.
    left: u64,
    unpositioned: u64,
    times: Option<(u64, u64)>,
    /// Of the rows that the retraction of a block takes, and of those that are left: heights by kind.
    taken_heights: BTreeMap<MovementKind, BTreeSet<u64>>,
    left_heights: BTreeMap<MovementKind, BTreeSet<u64>>,
    /// The heights of rows that are left and state another block.
    other_blocks: BTreeSet<u64>,
    /// How many of the rows that are taken did not name who paid or was paid.
    unnamed: BTreeMap<(MovementKind, u64), u64>,
    /// Kinds and heights of rows that the retraction takes and that count in the place of others.
    bettered: BTreeSet<(MovementKind, u64)>,
}

impl Found {
    /// Taken rows that named nobody, as the gaps that counted them: none where a store of schema 2 has
    /// not counted them yet.
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
    /// What a retraction changes, how many rows it takes back, and its record.
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
        let found = self.look_for(&state, &record, &segments)?;
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
                    found.taken_heights.values().flatten().copied().collect();
                record.from_height = taken.first().copied().ok_or_else(|| no_block(hash))?;
                let unnamed = found.unnamed(&head.undeclared);
                uncover(head, &found);
                head.change_gaps(&unnamed, found.bettered.iter().map(|at| untold(*at)));
                for height in taken {
                    head.end_fork(height, hash);
                }
            }
        }
        self.void_conflicts(&mut change, &record)?;
        change.state.retractions.push(record.clone());
        Ok((taken, record, change))
    }

    /// Looks at the rows of the record's chain; at whole segments only by their headers where the
    /// retraction, and all before it, take nothing of them.
    fn look_for(
        &self,
        state: &TransferState,
        record: &RetractionRecord,
        segments: &[Segment],
    ) -> Result<Found, StoreError> {
        let chain = &record.chain;
        let place = self.log().chains.iter().position(|known| known == chain);
        let before = state.retractions.iter().filter(|other| other.chain == *chain);
        let least = before.map(|other| other.from_height).min().unwrap_or(u64::MAX);
        let least = least.min(record.from_height);
        let mut found = Found::default();
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
                    found.take(record, number, &row, replacing_rows.contains(&number));
                }
            }
        }
        Ok(found)
    }

    /// Settles the conflicts of which a retraction takes a side.
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

    /// The best telling of a row; `None` where a settlement dropped it for one that contradicts it.
    fn told_best(&self, replacements: &Replacements, row: u64) -> Result<Option<u64>, StoreError> {
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

    /// What the settlement of a conflict changes. Conflicts are numbered from 1.
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
        // What counts today: either side may have been told better since, or another settlement may
        // have dropped it.
        let replacements = &change.state.replacements;
        let (first, second) =
            (self.told_best(replacements, first)?, self.told_best(replacements, second)?);
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

impl Found {
    /// Takes a row that counts so far.
    fn take(&mut self, record: &RetractionRecord, number: u64, row: &Transfer, is_better: bool) {
        let is_taken = record.applies_to(number, row.height(), row.block_hash.as_ref());
        if is_taken && is_better {
            self.bettered.extend(row.height().map(|height| (row.kind(), height)));
        }
        if !is_taken {
            self.leave(1, (row.time, row.time));
            self.unpositioned += u64::from(row.position().is_none());
        }
        if let (Some(_), Some(height)) = (&record.block_hash, row.height()) {
            let heights = if is_taken { &mut self.taken_heights } else { &mut self.left_heights };
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

/// What was told before a taken block told it better does not count either: it has to come again.
fn untold((kind, height): (MovementKind, u64)) -> Gap {
    let extent = Extent::Heights(height..=height);
    Gap { kind, extent, cause: GapCause::Refused, place: None }
}

/// Heights at which a kind has no row left are not covered any more; nor, of any kind, those of which
/// no other block is known: what was declared, or stated no hash, may have been of the one taken back.
fn uncover(head: &mut ChainState, found: &Found) {
    let spans = |heights: &BTreeSet<u64>| coverage::spans_from(heights.iter().copied().collect());
    let all_taken = spans(&found.taken_heights.values().flatten().copied().collect());
    let unknown = coverage::difference(&all_taken, &spans(&found.other_blocks));
    for (kind, head) in &mut head.kinds {
        head.heights = coverage::difference(&head.heights, &unknown);
        let Some(taken) = found.taken_heights.get(kind) else { continue };
        let left = found.left_heights.get(kind).map(spans).unwrap_or_default();
        let gone = coverage::difference(&spans(taken), &left);
        head.heights = coverage::difference(&head.heights, &gone);
    }
    head.undeclared = coverage::difference(&head.undeclared, &unknown);
    head.revision += 1;
}

fn no_block(hash: &[u8; 32]) -> StoreError {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let what = format!("no stored transfer of the chain stands in block {hex}");
    StoreError::Heights { field: "block_hash", what }
}
