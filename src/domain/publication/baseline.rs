//! The cumulative shrink gate: how much of what a list held in the last days is gone. Pure: no clock,
//! no storage.
//!
//! A gate that looks at one publication alone is passed by many small cuts. So a list remembers
//! *marks*: versions that were in force within [`Gates::shrink_window`], each with how many rows it
//! held. A publication is within the gate if, for every mark and for the list as it stands, at most
//! [`Gates::max_shrink`] of the rows that it held are gone. Rows that were added since do not make
//! up for rows that are gone, and a list that was blown up first may lose no more of its old rows.
//!
//! Rows that a forced removal took are not counted: that removal makes a new beginning.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Gates;
use crate::domain::list::{ChangeKind, ListState, ListVersion, ListingChange, Row, RowKey};

/// The longest [`Gates::shrink_window`].
pub const MAX_SHRINK_WINDOW: SignedDuration = SignedDuration::from_hours(366 * 24);

/// By how much a list must have grown since the last mark of the same day to be marked again. It
/// bounds the marks of a day: 5 million rows are reached from one in 70 steps.
const GROWTH: (u64, u64) = (5, 4);

/// A version that was in force, and how many rows stood on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its number.
    pub version: u64,
    /// When it came in force.
    pub at: Timestamp,
    /// When the next version came in force; `None` while it is in force itself.
    pub until: Option<Timestamp>,
    /// How many rows stood on it.
    pub rows: u64,
}

impl Mark {
    /// A version that comes in force.
    pub(super) fn new(version: u64, at: Timestamp, rows: u64) -> Self {
        Self { version, at, until: None, rows }
    }

    /// Whether it was in force within `window` before `now`. Where a clock was set back, that is
    /// sooner said of one that was not than the other way round.
    fn is_within(&self, window: SignedDuration, now: Timestamp) -> bool {
        let begins = now.checked_sub(window).unwrap_or(Timestamp::MIN);
        self.until.is_none_or(|until| until > begins)
    }
}

/// When a row came and went, where that was after the first mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSpan {
    /// The place of the row in [`ListState::rows`].
    pub row: u32,
    /// The version with which it first came; 0 where that was before the first mark.
    pub since: u64,
    /// The version whose publication removed it without force; 0 where none did.
    pub gone: u64,
}

/// What the cumulative gate compares with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// In the order of their versions.
    pub marks: Vec<Mark>,
    /// In the order of their rows; rows that stood on every mark, or on none, are left out.
    pub spans: Vec<RowSpan>,
}

impl Baseline {
    /// The baseline of a list of which none is stored: made of the versions that were in force
    /// (in their order) and what they changed (in order). `rows` are those of the last version.
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
            // What the first mark changed was before it; what tells the past anew changes nothing.
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

    /// The baseline after a version that came of `before`: `rows` and `changes` are those of the
    /// new version.
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

    /// Where rows stand among `new` and what `changes` did to them in `version`. The rows of `old`
    /// are among those of `new`, but for those that `rewritten` has under their new keys; all are
    /// sorted by key.
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
                // What came back counts from when it came first.
                Some(ChangeKind::Added) if is_old && row.periods.len() > 1 => {}
                Some(ChangeKind::Added) => span.since = version,
                Some(ChangeKind::Removed) => span.gone = version,
                _ => {}
            }
            if span.since > 0 || span.gone > 0 {
                spans.push(span);
            }
        }
        spans
    }

    /// Takes the mark of a new version, whose rows have `spans`.
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

    /// Keeps the first mark of each day (UTC), those that the list had grown to since, the largest
    /// of all and the last.
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

    /// Whether the list `state` stays within the gate if the rows for which `missing` says so (by
    /// their places) go too.
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
        // Where each row begins and ends to be among the rows that are gone, by the marks.
        let mut steps = vec![0_i64; marks.len() + 1];
        let mut spans = baseline.spans.iter().peekable();
        for (place, row) in state.rows.iter().enumerate() {
            let span = spans.next_if(|span| span.row as usize == place);
            let (since, gone) = span.map_or((0, 0), |span| (span.since, span.gone));
            let until = match row.is_listed() {
                true if missing(place) => u64::MAX,
                true => continue,
                false => gone,
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
            // Written so that a gate that is no number lets nothing go.
            gone as f64 <= gates.max_shrink * mark.rows as f64
        })
    }
}

/// The list as it stands.
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
