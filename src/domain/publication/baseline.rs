//! The cumulative shrink gate: limits how much of a list's recent content may be missing. Pure: no
//! clock, no storage.
//!
//! A gate on single publications would let many small cuts pass. So a list keeps *marks*: versions
//! in force within [`Gates::shrink_window`], each with its number of rows. A publication passes if
//! at most [`Gates::max_shrink`] of the rows of every mark, and of the current list, are missing.
//! Rows added since do not compensate for missing ones, and a list that was inflated first may lose
//! no more of its old rows.
//!
//! Rows removed by force are not counted: a forced removal is a new beginning.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Gates;
use crate::domain::list::{
    Baseline, ChangeKind, ListState, ListVersion, Mark, Row, RowKey, RowSpan,
};
use crate::domain::list_change::ListingChange;

/// The longest [`Gates::shrink_window`].
pub const MAX_SHRINK_WINDOW: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Growth factor after which a list gets a further mark on the same day. It bounds the marks of a
/// day: 5 million rows are reached from one in 70 steps.
const GROWTH: (u64, u64) = (5, 4);

impl Baseline {
    /// Builds the baseline of a list without a stored one, from the versions that were in force (in
    /// order) and their changes (in order). `rows` are those of the last version.
    pub fn from_history<E>(
        versions: &[ListVersion],
        rows: &[Row],
        mut changes_of: impl FnMut(u64) -> Result<Vec<ListingChange>, E>,
    ) -> Result<Self, E> {
        let Some(last) = versions.last() else { return Ok(Self::default()) };
        let mut baseline = Self::default();
        let mut marks: Vec<Mark> = Vec::with_capacity(versions.len());
        for version in versions {
            let standing = version.counts.listings + version.counts.quarantined;
            if let Some(before) = marks.last_mut() {
                before.until = Some(version.loaded_at);
            }
            marks.push(Mark::new(version.version, version.loaded_at, standing));
        }
        let is_within = |mark: &Mark| mark.is_within(MAX_SHRINK_WINDOW, last.loaded_at);
        let from = marks.iter().position(is_within).unwrap_or(0);
        for (at, version) in versions.iter().enumerate().skip(from) {
            let mark = Mark { until: None, ..marks[at] };
            // The changes of the first mark precede it; a backfill changes nothing.
            let is_retold = version.provenance.backfill_record().is_some();
            let changes =
                if at == from || is_retold { Vec::new() } else { changes_of(version.version)? };
            let is_forced = !version.force_reason.is_empty();
            let none = BTreeMap::new();
            let spans = baseline.spans_after((rows, rows, &none), &changes, mark.version);
            baseline.advance(mark, spans, is_forced && has_removals(&changes), MAX_SHRINK_WINDOW);
        }
        Ok(baseline)
    }

    /// Returns the baseline after a version that follows `before`; `rows` and `changes` are those
    /// of the new version.
    pub(super) fn after(
        before: Option<&ListState>,
        mark: Mark,
        (rows, rewritten): (&[Row], &BTreeMap<RowKey, usize>),
        changes: &[ListingChange],
        is_forced: bool,
        window: SignedDuration,
    ) -> Self {
        let Some(before) = before else {
            return Self { marks: vec![mark], spans: Vec::new() };
        };
        let mut baseline = Self::clone(&before.baseline);
        if baseline.marks.is_empty() {
            baseline.marks.push(mark_of(before));
        }
        let rows = (&before.rows[..], rows, rewritten);
        let spans = baseline.spans_after(rows, changes, mark.version);
        baseline.advance(mark, spans, is_forced && has_removals(changes), window);
        baseline
    }

    /// Moves the spans to the rows `new` and applies the `changes` of `version`. The rows of `old`
    /// are among `new`, except for those `rewritten` under new keys; all are sorted by key.
    fn spans_after(
        &self,
        (old, new, rewritten): (&[Row], &[Row], &BTreeMap<RowKey, usize>),
        changes: &[ListingChange],
        version: u64,
    ) -> Vec<RowSpan> {
        let mut spans = Vec::new();
        let mut old_rows = old.iter().enumerate().peekable();
        let mut changes = changes.iter().peekable();
        for (place, row) in new.iter().enumerate() {
            let mut span = RowSpan { row: place as u32, since: 0, gone: 0 };
            while old_rows.next_if(|(_, old)| old.key < row.key).is_some() {}
            let same = old_rows.next_if(|(_, old)| old.key == row.key).map(|(place, _)| place);
            let old_place = same.or_else(|| rewritten.get(&row.key).copied());
            let is_old = old_place.is_some();
            let known = old_place
                .and_then(|at| self.spans.binary_search_by_key(&at, |it| it.row as usize).ok());
            if let Some(known) = known {
                span = RowSpan { row: place as u32, ..self.spans[known] };
            }
            match changes.next_if(|change| change.key == row.key).map(|change| change.kind) {
                Some(ChangeKind::Added) if is_old && span.gone > 0 => span.gone = 0,
                // A returning row counts from its first appearance.
                Some(ChangeKind::Added) if is_old && row.periods.len() > 1 => {}
                Some(ChangeKind::Added) => span.since = version,
                Some(ChangeKind::Removed) => span.gone = version,
                Some(
                    ChangeKind::Updated | ChangeKind::RemovalPending | ChangeKind::RemovalCancelled,
                )
                | None => {}
            }
            if span.since > 0 || span.gone > 0 {
                spans.push(span);
            }
        }
        spans
    }

    /// Adds the mark of a new version, whose rows have `spans`.
    fn advance(
        &mut self,
        mark: Mark,
        spans: Vec<RowSpan>,
        begins_anew: bool,
        window: SignedDuration,
    ) {
        if begins_anew {
            *self = Self { marks: vec![mark], spans: Vec::new() };
            return;
        }
        if let Some(last) = self.marks.last_mut() {
            last.until = Some(mark.at);
        }
        let from = self.marks.iter().position(|known| known.is_within(window, mark.at));
        self.marks.drain(..from.unwrap_or(self.marks.len()));
        self.marks.push(mark);
        self.thin();
        let first = self.marks.first().map_or(0, |mark| mark.version);
        self.spans = spans;
        for span in &mut self.spans {
            span.since = if span.since > first { span.since } else { 0 };
            span.gone = if span.gone > first { span.gone } else { 0 };
        }
        self.spans.retain(|span| span.since > 0 || span.gone > 0);
    }

    /// Keeps the first mark of each day (UTC), those after growth, the largest and the last.
    fn thin(&mut self) {
        let largest = self.marks.iter().map(|mark| mark.rows).max().unwrap_or(0);
        let largest = self.marks.iter().position(|mark| mark.rows == largest);
        let last = self.marks.len().checked_sub(1);
        let mut kept: Option<Mark> = None;
        let mut place = 0;
        self.marks.retain(|mark| {
            let here = Some(place);
            place += 1;
            let is_kept = kept.is_none_or(|kept| {
                let has_grown = mark.rows.saturating_mul(GROWTH.1) >= kept.rows * GROWTH.0;
                day(kept.at) != day(mark.at) || (has_grown && mark.rows > kept.rows)
            });
            if is_kept {
                kept = Some(*mark);
            }
            is_kept || here == largest || here == last
        });
    }

    /// Returns true if the list `state` stays within the gate without the rows selected by
    /// `missing` (by index).
    pub(super) fn is_within(
        state: &ListState,
        missing: impl Fn(usize) -> bool,
        gates: &Gates,
        now: Timestamp,
    ) -> bool {
        let baseline = &state.baseline;
        let mut marks = baseline.marks.clone();
        let from = marks.iter().position(|mark| mark.is_within(gates.shrink_window, now));
        marks.drain(..from.unwrap_or(marks.len()));
        if marks.last().is_none_or(|mark| mark.version != state.version.version) {
            marks.push(mark_of(state));
        }
        // For each row, the range of marks for which it is missing.
        let mut steps = vec![0_i64; marks.len() + 1];
        let mut spans = baseline.spans.iter().peekable();
        for (place, row) in state.rows.iter().enumerate() {
            let span = spans.next_if(|span| span.row as usize == place);
            let (since, gone) = span.map_or((0, 0), |span| (span.since, span.gone));
            let until = if !row.is_listed() {
                gone
            } else if missing(place) {
                u64::MAX
            } else {
                continue;
            };
            let place_of = |version: u64| marks.partition_point(|mark| mark.version < version);
            let (begin, end) = (place_of(since), place_of(until));
            if begin < end {
                steps[begin] += 1;
                steps[end] -= 1;
            }
        }
        let mut gone = 0;
        marks.iter().zip(steps).all(|(mark, step)| {
            gone += step;
            // Phrased so that a gate of NaN allows nothing.
            gone as f64 <= gates.max_shrink * mark.rows as f64
        })
    }
}

/// The mark of the current list.
fn mark_of(state: &ListState) -> Mark {
    let rows = state.rows.iter().filter(|row| row.is_listed()).count() as u64;
    Mark::new(state.version.version, state.version.loaded_at, rows)
}

fn has_removals(changes: &[ListingChange]) -> bool {
    changes.iter().any(|change| change.kind == ChangeKind::Removed)
}

fn day(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(TimeZone::UTC).date()
}
