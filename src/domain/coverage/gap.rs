//! Gaps: parts of a chain that are known to be incomplete, and the bound on their number.

use std::cmp::Ordering;
use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::domain::transfer::{MovementKind, Transfer, TxId};

/// The maximum number of gaps per chain. At the bound, the two nearest of one kind and class are
/// joined with everything between: an overflow widens a gap and drops none.
pub const MAX_GAPS: usize = 1024;

/// An extent of blocks, or of time (Unix seconds) for data without positions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Extent {
    /// Heights, both ends included.
    Heights(RangeInclusive<u64>),
    /// Times, both ends included.
    Times(RangeInclusive<u64>),
}

impl Extent {
    /// Returns the range, whether of heights or times.
    pub fn span(&self) -> &RangeInclusive<u64> {
        match self {
            Self::Heights(span) | Self::Times(span) => span,
        }
    }

    /// Returns true if it contains all of another extent of the same sort.
    pub fn holds(&self, other: &Self) -> bool {
        let (outer, inner) = (self.span(), other.span());
        self.is_time() == other.is_time()
            && outer.start() <= inner.start()
            && inner.end() <= outer.end()
    }

    fn is_time(&self) -> bool {
        matches!(self, Self::Times(_))
    }

    fn holds_row(&self, row: &Transfer) -> bool {
        match self {
            Self::Heights(span) => row.height().is_some_and(|height| span.contains(&height)),
            Self::Times(span) => row.height().is_none() && span.contains(&row.time),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = self.span().clone().into_inner();
        match self {
            Self::Heights(_) if from == to => write!(f, "height {from}"),
            Self::Heights(_) => write!(f, "heights {from} to {to}"),
            Self::Times(_) if from == to => write!(f, "time {from}"),
            Self::Times(_) => write!(f, "times {from} to {to}"),
        }
    }
}

/// Why a part of a chain is incomplete. The order is part of the stored form.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum GapCause {
    /// A row could not be parsed.
    Rejected,
    /// A row could not be parsed, and its place or kind is unknown. Without a place, the gap covers
    /// its whole file; without a kind, each kind has a gap.
    Unreadable,
    /// An import stopped within this block.
    Stopped,
    /// A batch with rows of this block was rejected.
    Refused,
    /// Transactions whose inputs or outputs name no holder although they could, or account
    /// transfers without a sender or receiver.
    Unnamed,
    /// Two blocks with different hashes exist at one height.
    Fork,
}

impl GapCause {
    pub const ALL: [Self; 6] =
        [Self::Rejected, Self::Unreadable, Self::Stopped, Self::Refused, Self::Unnamed, Self::Fork];

    /// The name used in output and the proto.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The row or block of a gap. The order is part of the stored form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GapPlace {
    /// A movement of a transaction, and its index in it if that could be read.
    Transaction(TxId, Option<u32>),
    /// A transaction's index in the block, and the movement's index in the transaction.
    Index(u32, u32),
    /// The hash of the block that came second.
    Block([u8; 32]),
    /// A number of rows of the extent.
    Rows(u64),
}

/// A part of a chain that is known to be incomplete.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// The kind of movement that may be missing.
    pub kind: MovementKind,
    pub extent: Extent,
    pub cause: GapCause,
    /// What would close it; `None` if unknown, or if several gaps were joined.
    pub place: Option<GapPlace>,
}

impl Gap {
    /// Creates a gap for `rows` rows of the extent without a sender or receiver.
    pub fn unnamed(kind: MovementKind, extent: Extent, rows: u64) -> Self {
        Self { kind, extent, cause: GapCause::Unnamed, place: Some(GapPlace::Rows(rows)) }
    }

    /// Returns true if a parsed row closes the gap: it must be the very row of the gap.
    pub fn ends_with(&self, row: &Transfer) -> bool {
        if self.kind != row.kind() || !self.extent.holds_row(row) {
            return false;
        }
        match (&self.place, self.cause) {
            (_, GapCause::Fork) => false,
            (Some(GapPlace::Transaction(tx, index)), _) => {
                // On a UTXO chain one row is the whole transaction.
                let is_place = match index {
                    None => self.kind == MovementKind::Utxo,
                    index => row.index_in_tx() == *index,
                };
                row.tx.as_ref() == Some(tx) && is_place
            }
            (Some(GapPlace::Index(tx_index, index)), _) => row
                .position()
                .is_some_and(|position| (position.tx_index, position.index) == (*tx_index, *index)),
            (Some(GapPlace::Block(_) | GapPlace::Rows(_)) | None, _) => false,
        }
    }

    /// Returns true if an import of the extent and kind without rejected rows closes the gap: no
    /// single row would.
    pub fn ends_with_clean_import(&self) -> bool {
        match self.cause {
            GapCause::Rejected | GapCause::Stopped | GapCause::Refused => !self.has_row(),
            // If the row's kind is unknown, only one of its gaps closes with it.
            GapCause::Unreadable => true,
            // Each counted row closes its own part.
            GapCause::Unnamed => self.place.is_none(),
            GapCause::Fork => false,
        }
    }

    /// Returns true if the gap belongs to one identifiable row.
    fn has_row(&self) -> bool {
        match &self.place {
            Some(GapPlace::Transaction(_, index)) => {
                index.is_some() || self.kind == MovementKind::Utxo
            }
            Some(GapPlace::Index(..)) => true,
            Some(GapPlace::Block(_) | GapPlace::Rows(_)) | None => false,
        }
    }

    /// Returns the part of the gap below a height; `None` if empty. Spans of time stay.
    pub fn below(self, height: u64) -> Option<Self> {
        let Extent::Heights(span) = &self.extent else { return Some(self) };
        let (from, to) = span.clone().into_inner();
        if from >= height {
            return None;
        }
        if to < height {
            return Some(self);
        }
        // The number of counted rows below the height is unknown.
        Some(Self { extent: Extent::Heights(from..=height - 1), place: None, ..self })
    }

    /// The class within which gaps may be joined: same kind, sort and cause.
    fn class(&self) -> (MovementKind, bool, bool, GapCause) {
        let open = self.ends_with_clean_import();
        let cause = if open { GapCause::Rejected } else { self.cause };
        (self.kind, self.extent.is_time(), open, cause)
    }

    fn joined(&self, other: &Self) -> Self {
        let (a, b) = (self.extent.span(), other.extent.span());
        let span = *a.start().min(b.start())..=*a.end().max(b.end());
        let (cause, place) = match (self.cause, &self.place, &other.place) {
            (GapCause::Unnamed, Some(GapPlace::Rows(a)), Some(GapPlace::Rows(b))) => {
                (self.cause, Some(GapPlace::Rows(a + b)))
            }
            (cause @ (GapCause::Unnamed | GapCause::Fork), ..) => (cause, None),
            (
                GapCause::Rejected | GapCause::Unreadable | GapCause::Stopped | GapCause::Refused,
                ..,
            ) => (GapCause::Unreadable, None),
        };
        let extent = match self.extent {
            Extent::Heights(_) => Extent::Heights(span),
            Extent::Times(_) => Extent::Times(span),
        };
        Self { kind: self.kind, extent, cause, place }
    }
}

/// Adds a gap unless it is known; counted rows are added to an existing count. Beyond [`MAX_GAPS`]
/// two gaps are joined.
pub fn add_gap(gaps: &mut Vec<Gap>, gap: Gap) {
    if let Some(GapPlace::Rows(more)) = gap.place {
        let counts = |known: &&mut Gap| {
            (known.kind, known.cause) == (gap.kind, gap.cause) && known.extent.holds(&gap.extent)
        };
        match gaps.iter_mut().find(counts) {
            Some(Gap { place: Some(GapPlace::Rows(rows)), .. }) => return *rows += more,
            // The number of missing rows is no longer known.
            Some(_) => return,
            None => {}
        }
    }
    let is_known = |known: &Gap| {
        *known == gap
            || known.place.is_none()
                && known.class() == gap.class()
                && known.cause == GapCause::Unreadable
                && known.extent.holds(&gap.extent)
    };
    if gaps.iter().any(is_known) {
        return;
    }
    gaps.push(gap);
    if gaps.len() > MAX_GAPS {
        join_nearest(gaps, MAX_GAPS);
    }
}

/// Subtracts rows that have been parsed from the gap that counts them.
pub fn subtract_rows(gaps: &mut Vec<Gap>, gap: &Gap) {
    let Some(GapPlace::Rows(fewer)) = gap.place else { return };
    let counts = |known: &Gap| {
        (known.kind, known.cause) == (gap.kind, gap.cause) && known.extent.holds(&gap.extent)
    };
    let Some(at) = gaps.iter().position(counts) else { return };
    if let Some(GapPlace::Rows(rows)) = &mut gaps[at].place {
        *rows = rows.saturating_sub(fewer);
        if *rows == 0 {
            gaps.remove(at);
        }
    }
}

/// Joins the nearest gaps of one class until at most `most` remain or none can be joined. All at
/// once, because joining one by one would sort once per gap.
pub fn join_nearest(gaps: &mut Vec<Gap>, most: usize) {
    gaps.sort_by_cached_key(|gap| {
        let (start, end) = gap.extent.span().clone().into_inner();
        (gap.class(), start, end)
    });
    let distance = |first: &Gap, second: &Gap| {
        let (first, second) = (first.extent.span(), second.extent.span());
        second.start().saturating_sub(*first.end())
    };
    while gaps.len() > most {
        let pairs = gaps.windows(2).filter(|pair| pair[0].class() == pair[1].class());
        let mut distances: Vec<u64> = pairs.map(|pair| distance(&pair[0], &pair[1])).collect();
        let count = (gaps.len() - most).min(distances.len());
        let Some(last) = count.checked_sub(1) else { return };
        let (nearer, &mut farthest, _) = distances.select_nth_unstable(last);
        // How many pairs at exactly the last distance are joined.
        let mut as_far = count - nearer.iter().filter(|it| **it < farthest).count();
        let mut joined: Vec<Gap> = Vec::with_capacity(gaps.len());
        for gap in gaps.drain(..) {
            let before = joined.last_mut().filter(|before| before.class() == gap.class());
            let order = before.as_ref().map(|before| distance(before, &gap).cmp(&farthest));
            match (before, order) {
                (Some(before), Some(Ordering::Less)) => *before = before.joined(&gap),
                (Some(before), Some(Ordering::Equal)) if as_far > 0 => {
                    as_far -= 1;
                    *before = before.joined(&gap);
                }
                _ => joined.push(gap),
            }
        }
        *gaps = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(kind: MovementKind, height: u64, cause: GapCause) -> Gap {
        let place = Some(GapPlace::Index(height as u32, 0));
        Gap { kind, extent: Extent::Heights(height..=height), cause, place }
    }

    #[test]
    fn a_gap_of_a_row_of_unknown_kind_ends_with_the_row_or_a_clean_import() {
        let of = |cause| gap(MovementKind::Native, 7, cause);
        assert!(of(GapCause::Unreadable).ends_with_clean_import());
        assert!(!of(GapCause::Rejected).ends_with_clean_import());
    }

    #[test]
    fn many_are_joined_at_once_as_one_by_one() {
        let all: Vec<Gap> = (0..900_u64)
            .map(|n| Gap {
                place: Some(GapPlace::Rows(1)),
                ..gap(MovementKind::Utxo, n * n * 31 % 104_729, GapCause::Unnamed)
            })
            .collect();
        let mut at_once = all.clone();
        join_nearest(&mut at_once, 100);
        let mut by_one = all.clone();
        for most in (100..900).rev() {
            join_nearest(&mut by_one, most);
        }
        let rows = |gaps: &[Gap]| -> Vec<u64> {
            let rows = |gap: &Gap| match gap.place {
                Some(GapPlace::Rows(rows)) => rows,
                _ => unreachable!(),
            };
            gaps.iter().map(rows).collect()
        };
        assert_eq!((at_once.len(), rows(&at_once).iter().sum::<u64>()), (100, 900));
        assert_eq!(at_once, by_one);
        let held = |gap: &Gap| at_once.iter().any(|known| known.extent.holds(&gap.extent));
        assert!(all.iter().all(held));
    }

    #[test]
    fn an_overflow_widens_a_gap_and_drops_none() {
        let mut gaps = Vec::new();
        let kinds = [MovementKind::Native, MovementKind::Tokens];
        let causes = [GapCause::Rejected, GapCause::Stopped, GapCause::Fork];
        let all: Vec<Gap> = (0..3 * MAX_GAPS as u64)
            .map(|n| gap(kinds[n as usize % 2], n * n % 7919, causes[n as usize % 3]))
            .collect();
        for gap in &all {
            add_gap(&mut gaps, gap.clone());
            assert!(gaps.len() <= MAX_GAPS);
        }
        for gap in &all {
            let within = |known: &&Gap| known.kind == gap.kind && known.extent.holds(&gap.extent);
            assert!(gaps.iter().any(|known| within(&known)), "{gap:?} was dropped");
        }
        // What is known is not added again.
        let before = gaps.clone();
        add_gap(&mut gaps, before[7].clone());
        assert_eq!(gaps, before);
    }

    #[test]
    fn counted_rows_close_a_gap_however_it_was_widened() {
        let rows = |height: u64, count| Gap {
            place: Some(GapPlace::Rows(count)),
            ..gap(MovementKind::Utxo, height, GapCause::Unnamed)
        };
        let mut gaps = Vec::new();
        let heights = 0..3 * MAX_GAPS as u64;
        heights.clone().for_each(|height| add_gap(&mut gaps, rows(height, 2)));
        heights.clone().for_each(|height| add_gap(&mut gaps, rows(height, 1)));
        assert_eq!(gaps.len(), MAX_GAPS);
        for height in heights.clone() {
            subtract_rows(&mut gaps, &rows(height, 2));
        }
        assert!(!gaps.is_empty());
        heights.for_each(|height| subtract_rows(&mut gaps, &rows(height, 1)));
        assert_eq!(gaps, []);
    }

    #[test]
    fn what_lies_above_a_height_is_cut() {
        let wide =
            Gap { extent: Extent::Heights(5..=9), ..gap(MovementKind::Utxo, 0, GapCause::Fork) };
        assert_eq!(wide.clone().below(5), None);
        assert_eq!(wide.clone().below(7).map(|gap| gap.extent), Some(Extent::Heights(5..=6)));
        let timed = Gap { extent: Extent::Times(5..=9), ..wide };
        assert_eq!(timed.clone().below(5), Some(timed));
    }
}
