//! State of the loaded transfers of each chain: counts, times, covered blocks by kind of movement,
//! known gaps, retractions, replacements and conflicts.
//!
//! A block is covered for one kind if every row of it was parsed. Rows and declarations add
//! coverage. A gap stays open until the missing rows arrive.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::transfer::{Asset, MovementKind, Transfer};

mod gap;
mod spans;
mod summary;

use gap::join_nearest;
pub use gap::{Extent, Gap, GapCause, GapPlace, MAX_GAPS, add_gap, subtract_rows};
pub use spans::{MAX_SPANS, Spans, below, contain, difference, spans_from, union};
pub use summary::{ChainSummary, KindSummary, SpansSummary};

/// The maximum number of assets recorded per chain.
pub const MAX_ASSETS: usize = 64;

/// Declares blocks or times of a chain complete, whether or not they hold a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageDeclaration {
    pub chain: Chain,
    /// The kinds of movement that the declaration covers.
    pub kinds: Vec<MovementKind>,
    pub extent: Extent,
    /// True if every row of the extent was read and parsed, which closes gaps. A declaration
    /// without rows closes none.
    pub is_clean_import: bool,
}

impl CoverageDeclaration {
    /// Declares blocks whose rows were all read and parsed.
    pub fn heights(chain: Chain, kinds: &[MovementKind], heights: RangeInclusive<u64>) -> Self {
        let (kinds, extent) = (kinds.to_vec(), Extent::Heights(heights));
        Self { chain, kinds, extent, is_clean_import: true }
    }
}

/// Coverage of one kind of movement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredSpans {
    /// Heights of blocks that have transfers or were declared.
    pub heights: Spans,
    /// Declared times, for transfers without a height.
    pub times: Spans,
    /// Times of transfers without a height, outside `times`. They cannot show gaps.
    pub undeclared_times: Spans,
}

/// State of the loaded transfers of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainState {
    pub chain: Chain,
    /// Transfers that count: without retracted and replaced ones. A UTXO transaction is one.
    pub transfers: u64,
    pub retracted: u64,
    /// Transfers replaced by others.
    pub replaced: u64,
    /// Of `transfers`, those without a position.
    pub unpositioned: u64,
    /// The earliest time of `transfers`, in Unix seconds.
    pub first_time: Option<u64>,
    pub last_time: Option<u64>,
    /// By kind of movement.
    pub kinds: BTreeMap<MovementKind, CoveredSpans>,
    /// Known gaps, at most [`MAX_GAPS`].
    pub gaps: Vec<Gap>,
    /// Heights that a store of schema 2 recorded as covered: they count for no kind until declared.
    pub undeclared: Spans,
    /// The first distinct assets, at most [`MAX_ASSETS`], and the chain's coin.
    pub assets: Vec<Asset>,
    /// Number of changes that alter answers without adding rows: declarations, and gaps opened or
    /// closed.
    pub revision: u64,
}

impl ChainState {
    /// Creates the state of a chain without transfers.
    pub fn new(chain: Chain) -> Self {
        Self {
            chain,
            transfers: 0,
            retracted: 0,
            replaced: 0,
            unpositioned: 0,
            first_time: None,
            last_time: None,
            kinds: BTreeMap::new(),
            gaps: Vec::new(),
            undeclared: Vec::new(),
            assets: Vec::new(),
            revision: 0,
        }
    }

    /// Extends the time range of the transfers.
    pub fn add_time(&mut self, time: u64) {
        self.first_time = Some(self.first_time.map_or(time, |first| first.min(time)));
        self.last_time = Some(self.last_time.map_or(time, |last| last.max(time)));
    }

    /// Adds heights at which transfers of a kind exist.
    pub fn add_heights(&mut self, kind: MovementKind, heights: &[RangeInclusive<u64>]) {
        let head = self.kinds.entry(kind).or_default();
        head.heights = union(&head.heights, heights);
    }

    /// Adds a span of times at which transfers of a kind without a height exist.
    pub fn add_times(&mut self, kind: MovementKind, times: RangeInclusive<u64>) {
        let head = self.kinds.entry(kind).or_default();
        let fresh = difference(&[times], &head.times);
        head.undeclared_times = union(&head.undeclared_times, &fresh);
    }

    /// Applies a declaration. One from a clean import closes the gaps inside it.
    pub fn declare(&mut self, covered: &CoverageDeclaration) {
        let mut changed = false;
        for kind in &covered.kinds {
            let head = self.kinds.entry(*kind).or_default();
            match &covered.extent {
                Extent::Heights(heights) => {
                    changed |= !contain(&head.heights, heights);
                    head.heights = union(&head.heights, std::slice::from_ref(heights));
                }
                Extent::Times(times) => {
                    changed |= !contain(&head.times, times);
                    let times = std::slice::from_ref(times);
                    head.times = union(&head.times, times);
                    head.undeclared_times = difference(&head.undeclared_times, times);
                }
            }
        }
        if let Extent::Heights(heights) = &covered.extent {
            let left = difference(&self.undeclared, std::slice::from_ref(heights));
            changed |= left != self.undeclared;
            self.undeclared = left;
        }
        let gaps = self.gaps.len();
        if covered.is_clean_import {
            self.gaps.retain(|gap| {
                !(gap.ends_with_clean_import()
                    && covered.kinds.contains(&gap.kind)
                    && covered.extent.holds(&gap.extent))
            });
        }
        self.revision += u64::from(changed || self.gaps.len() != gaps);
    }

    /// Adds gaps and removes closed ones.
    pub fn change_gaps(&mut self, ended: &[Gap], added: impl IntoIterator<Item = Gap>) {
        let is_counted = |gap: &Gap| matches!(gap.place, Some(GapPlace::Rows(_)));
        let before = self.gaps.len();
        self.gaps.retain(|gap| is_counted(gap) || !ended.contains(gap));
        let mut changed = self.gaps.len() != before;
        let mut added: Vec<Gap> = added.into_iter().collect();
        changed |= !added.is_empty();
        if added.len() > MAX_GAPS {
            join_nearest(&mut added, MAX_GAPS);
        }
        for gap in added {
            add_gap(&mut self.gaps, gap);
        }
        // Last: one change may both count rows and close them.
        for counted in ended.iter().filter(|gap| is_counted(gap)) {
            changed = true;
            subtract_rows(&mut self.gaps, counted);
        }
        self.revision += u64::from(changed);
    }

    /// Records an asset while there is room. The chain's coin is always recorded, so a flood of
    /// tokens cannot hide it.
    pub fn record_asset(&mut self, asset: &Asset) {
        let has_room = self.assets.len() < MAX_ASSETS || *asset == Asset::Native;
        if has_room && !self.assets.contains(asset) {
            self.assets.push(asset.clone());
        }
    }

    /// Drops the coverage of all rows from a height on, after their retraction.
    pub fn truncate(&mut self, from_height: u64) {
        for head in self.kinds.values_mut() {
            head.heights = below(&head.heights, from_height);
        }
        self.undeclared = below(&self.undeclared, from_height);
        let gaps = std::mem::take(&mut self.gaps);
        self.gaps = gaps.into_iter().filter_map(|gap| gap.below(from_height)).collect();
        self.revision += 1;
    }

    /// Closes the gaps of a fork when one of its blocks is retracted: those of that block if it
    /// came second, otherwise those of another block.
    pub fn end_fork(&mut self, height: u64, hash: &[u8; 32]) {
        let at_height = |gap: &&Gap| {
            gap.cause == GapCause::Fork && gap.extent == Extent::Heights(height..=height)
        };
        let places = || self.gaps.iter().filter(at_height).map(|gap| gap.place.clone());
        let of_block = places().find(|place| *place == Some(GapPlace::Block(*hash)));
        if let Some(place) = of_block.or_else(|| places().next()) {
            self.gaps.retain(|gap| !at_height(&gap) || gap.place != place);
            self.revision += 1;
        }
    }
}

/// A retraction of transfers of a chain. Kept permanently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetractionRecord {
    pub chain: Chain,
    /// The first retracted height.
    pub from_height: u64,
    /// Applies only to rows below this number: later rows count.
    pub rows: u64,
    pub at: Timestamp,
    pub reason: String,
    /// Restricts the retraction to one block; `None` retracts every block from the height on.
    pub block_hash: Option<[u8; 32]>,
}

impl RetractionRecord {
    /// Returns true if it retracts a row of its chain.
    pub fn applies_to(&self, row: u64, height: Option<u64>, block_hash: Option<&[u8; 32]>) -> bool {
        let is_block = match &self.block_hash {
            Some(hash) => block_hash == Some(hash),
            None => true,
        };
        row < self.rows && is_block && height.is_some_and(|height| height >= self.from_height)
    }
}

/// A row that another row replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// The replaced row.
    pub old: u64,
    /// The replacing row.
    pub new: u64,
    /// True if both are equivalent for exposure: the graph keeps the old one.
    pub is_silent: bool,
}

/// Every replacement, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacements {
    log: Vec<Replacement>,
    /// By replaced row.
    newest: HashMap<u64, u64>,
    /// The graph's row, by the silent replacement that it represents.
    in_graph: HashMap<u64, u64>,
    /// Rows that were removed from the graph.
    removed: HashSet<u64>,
}

impl Replacements {
    pub fn push(&mut self, replacement: Replacement) {
        let Replacement { old, new, is_silent } = replacement;
        let graph_row = self.graph_row(old);
        if is_silent {
            self.in_graph.insert(new, graph_row);
        } else {
            self.removed.insert(graph_row);
        }
        self.newest.insert(old, new);
        self.log.push(replacement);
    }

    pub fn len(&self) -> usize {
        self.log.len()
    }

    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Returns the replacements from index `number` on.
    pub fn since(&self, number: usize) -> &[Replacement] {
        self.log.get(number..).unwrap_or_default()
    }

    /// Returns true if another row replaces this one.
    pub fn is_replaced(&self, row: u64) -> bool {
        self.newest.contains_key(&row)
    }

    /// Returns the row that replaced this one directly.
    pub fn next(&self, row: u64) -> Option<u64> {
        self.newest.get(&row).copied()
    }

    /// Returns the row that finally replaces a row, or the row itself.
    pub fn newest(&self, mut row: u64) -> u64 {
        while let Some(next) = self.newest.get(&row) {
            row = *next;
        }
        row
    }

    /// Returns the rows that replace others.
    pub fn replacing_rows(&self) -> HashSet<u64> {
        self.log.iter().map(|replacement| replacement.new).collect()
    }

    /// Returns the row that represents this one in the graph.
    pub fn graph_row(&self, row: u64) -> u64 {
        self.in_graph.get(&row).copied().unwrap_or(row)
    }

    /// Returns true if the graph contains the row itself.
    pub fn is_in_graph(&self, row: u64) -> bool {
        !self.in_graph.contains_key(&row) && !self.removed.contains(&row)
    }

    /// Returns true if the row is equivalent to one in the graph.
    pub fn is_silent(&self, row: u64) -> bool {
        self.in_graph.contains_key(&row)
    }
}

/// How a conflict was settled. The order is part of the stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Only the first row counts.
    First,
    /// Only the second row counts.
    Second,
    /// They are two movements, and both count.
    Both,
    /// One of them was retracted.
    TakenBack,
}

impl Verdict {
    /// The name used in output.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Two rows of one movement that contradict each other. Both count until the conflict is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub chain: Chain,
    pub kind: MovementKind,
    /// The height of the second row, if stated.
    pub height: Option<u64>,
    /// The row that was stored first.
    pub first: u64,
    /// The contradicting row.
    pub second: u64,
    /// The settlement; `None` while the conflict is open.
    pub settled: Option<Settlement>,
}

/// The decision on a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    pub verdict: Verdict,
    pub at: Timestamp,
    pub reason: String,
}

/// How many rows, retractions and replacements are known: together they determine which transfers
/// count, since none of them is ever changed or removed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TransferCounts {
    pub rows: u64,
    pub retractions: u64,
    pub replacements: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferState {
    /// The number of stored rows, including retracted and replaced ones.
    pub rows: u64,
    /// The number of durable changes of transfers.
    pub changes: u64,
    /// Retractions, in order.
    pub retractions: Vec<RetractionRecord>,
    /// Replacements.
    pub replacements: Arc<Replacements>,
    /// Open and settled conflicts, by number from 0.
    pub conflicts: Arc<Vec<Conflict>>,
    /// Chains by CAIP-2 id.
    pub chains: BTreeMap<String, ChainState>,
}

impl TransferState {
    /// Returns true if the stored row `number` was retracted.
    pub fn is_retracted(&self, number: u64, row: &Transfer) -> bool {
        let (height, hash) = (row.height(), row.block_hash.as_ref());
        let takes = |record: &RetractionRecord| {
            row.chain == record.chain && record.applies_to(number, height, hash)
        };
        self.retractions.iter().any(takes)
    }

    /// Returns true if the stored row `number` is neither retracted nor replaced.
    pub fn counts(&self, number: u64, row: &Transfer) -> bool {
        !self.replacements.is_replaced(number) && !self.is_retracted(number, row)
    }

    /// Returns the open conflicts of a chain, with their numbers.
    pub fn open_conflicts(&self, chain: &Chain) -> impl Iterator<Item = (u64, &Conflict)> {
        let open =
            move |conflict: &&Conflict| conflict.settled.is_none() && conflict.chain == *chain;
        (0..).zip(self.conflicts.iter()).filter(move |(_, conflict)| open(conflict))
    }

    pub fn counts_of_all(&self) -> TransferCounts {
        TransferCounts {
            rows: self.rows,
            retractions: self.retractions.len() as u64,
            replacements: self.replacements.len() as u64,
        }
    }

    /// Returns the state in which so many were known, without chains and conflicts, which rows do not
    /// determine. Returns `None` if there are fewer.
    pub fn rows_as_of(&self, counts: TransferCounts) -> Option<Self> {
        let known = self.counts_of_all();
        if counts.rows > known.rows || counts.replacements > known.replacements {
            return None;
        }
        let retractions = usize::try_from(counts.retractions).ok()?;
        let retractions = self.retractions.get(..retractions)?.to_vec();
        let mut replacements = Replacements::default();
        let replacement_count = usize::try_from(counts.replacements).ok()?;
        let log = self.replacements.since(0).get(..replacement_count)?;
        log.iter().for_each(|replacement| replacements.push(*replacement));
        let replacements = Arc::new(replacements);
        Some(Self { rows: counts.rows, retractions, replacements, ..Self::default() })
    }

    /// Returns the number of changes that alter answers without adding rows, over all chains.
    pub fn coverage_revision(&self) -> u64 {
        self.chains.values().map(|head| head.revision).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_goes_on_with_the_row_that_silent_replacements_stand_for() {
        let mut all = Replacements::default();
        let mut push = |old, new, is_silent| all.push(Replacement { old, new, is_silent });
        push(1, 10, true);
        push(10, 20, true);
        push(2, 21, false);
        assert_eq!((all.newest(1), all.graph_row(20), all.newest(2)), (20, 1, 21));
        assert!(all.is_in_graph(1) && all.is_in_graph(21));
        assert!(![10, 20, 2].into_iter().any(|row| all.is_in_graph(row)));
        all.push(Replacement { old: 20, new: 30, is_silent: false });
        assert!(!all.is_in_graph(1) && all.is_in_graph(30));
        assert_eq!(all.newest(1), 30);
    }

    #[test]
    fn declarations_cover_kinds_and_close_gaps_only_where_rows_were_read() {
        let mut head = ChainState::new(Chain::Evm(1));
        let gap = |kind, span: RangeInclusive<u64>, cause| Gap {
            kind,
            extent: Extent::Heights(span),
            cause,
            place: None,
        };
        let gaps = [
            gap(MovementKind::Tokens, 5..=6, GapCause::Unreadable),
            gap(MovementKind::Tokens, 5..=20, GapCause::Unreadable),
            gap(MovementKind::Native, 5..=5, GapCause::Rejected),
            gap(MovementKind::Tokens, 7..=7, GapCause::Fork),
        ];
        head.change_gaps(&[], gaps.clone());
        let mut covered = CoverageDeclaration {
            chain: Chain::Evm(1),
            kinds: vec![MovementKind::Tokens],
            extent: Extent::Heights(1..=10),
            is_clean_import: false,
        };
        head.undeclared = vec![0..=3, 9..=30];
        head.declare(&covered);
        assert_eq!(head.gaps, gaps);
        covered.is_clean_import = true;
        head.declare(&covered);
        assert_eq!(head.gaps, gaps[1..]);
        assert_eq!(head.undeclared, [0..=0, 11..=30]);
        assert_eq!(head.kinds[&MovementKind::Tokens].heights, [1..=10]);
        assert!(!head.kinds.contains_key(&MovementKind::Native));
    }

    #[test]
    fn times_without_heights_are_undeclared_until_declared() {
        let mut head = ChainState::new(Chain::Tron);
        head.add_times(MovementKind::Native, 10..=20);
        let declare = |head: &mut ChainState, times| {
            head.declare(&CoverageDeclaration {
                chain: Chain::Tron,
                kinds: vec![MovementKind::Native],
                extent: Extent::Times(times),
                is_clean_import: true,
            });
        };
        declare(&mut head, 0..=14);
        assert_eq!(head.kinds[&MovementKind::Native].undeclared_times, [15..=20]);
        declare(&mut head, 15..=30);
        assert_eq!(head.kinds[&MovementKind::Native].undeclared_times, []);
        head.add_times(MovementKind::Native, 25..=31);
        assert_eq!(head.kinds[&MovementKind::Native].undeclared_times, [31..=31]);
    }
}
