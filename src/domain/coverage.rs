//! What of each chain is loaded: counts, times, which blocks are wholly known by kind of movement, and
//! which are known not to be; what was taken back, told better or contradicted.
//!
//! "CoverageDeclaration" means that everything of a block, of one kind, was understood. Rows that were seen or
//! blocks that were declared add to it; gaps stand beside it until what is missing arrives.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::transfer::{Asset, MovementKind, Transfer};

mod gap;
mod spans;

use gap::join_nearest;
pub use gap::{Extent, Gap, GapCause, GapPlace, MAX_GAPS, add_gap, subtract_rows};
pub use spans::{MAX_SPANS, Spans, below, difference, hold, spans_from, union};

/// The most assets that are noted of a chain.
pub const MAX_ASSETS: usize = 64;

/// Blocks, or times, of a chain that were looked at whole, whether or not they hold a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageDeclaration {
    /// The chain.
    pub chain: Chain,
    /// The kinds of movement that were looked for.
    pub kinds: Vec<MovementKind>,
    /// Where.
    pub extent: Extent,
    /// Whether the rows of the extent were read and every one of them understood: that closes gaps.
    /// A declaration without rows closes none.
    pub is_clean_import: bool,
}

impl CoverageDeclaration {
    /// Blocks of which every row was read and understood.
    pub fn heights(chain: Chain, kinds: &[MovementKind], heights: RangeInclusive<u64>) -> Self {
        let (kinds, extent) = (kinds.to_vec(), Extent::Heights(heights));
        Self { chain, kinds, extent, is_clean_import: true }
    }
}

/// What is covered of one kind of movement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredSpans {
    /// Heights of blocks that were seen in transfers, or declared.
    pub heights: Spans,
    /// Times that were declared, for transfers that state no height.
    pub times: Spans,
    /// Times of transfers that state no height, outside of `times`: they cannot show gaps.
    pub undeclared_times: Spans,
}

/// What is loaded of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainState {
    /// The chain.
    pub chain: Chain,
    /// Transfers that count as loaded: without those taken back or told better. A UTXO transaction is
    /// one.
    pub transfers: u64,
    /// Transfers taken back.
    pub retracted: u64,
    /// Transfers in whose place others count.
    pub replaced: u64,
    /// Of `transfers`, those without a position.
    pub unpositioned: u64,
    /// The earliest time of `transfers`, in Unix seconds.
    pub first_time: Option<u64>,
    /// The latest.
    pub last_time: Option<u64>,
    /// By kind of movement.
    pub kinds: BTreeMap<MovementKind, CoveredSpans>,
    /// Known gaps, at most [`MAX_GAPS`].
    pub gaps: Vec<Gap>,
    /// Heights that a store of schema 2 took for covered: they count for no kind until declared.
    pub undeclared: Spans,
    /// The first distinct assets, at most [`MAX_ASSETS`], and the chain's coin.
    pub assets: Vec<Asset>,
    /// How often blocks were declared, or gaps came or went: what changes answers without rows.
    pub revision: u64,
}

impl ChainState {
    /// Of a chain of which nothing is loaded.
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

    /// Takes a moment among the times of the transfers.
    pub fn add_time(&mut self, time: u64) {
        self.first_time = Some(self.first_time.map_or(time, |first| first.min(time)));
        self.last_time = Some(self.last_time.map_or(time, |last| last.max(time)));
    }

    /// Takes heights at which transfers of a kind were seen.
    pub fn add_heights(&mut self, kind: MovementKind, heights: &[RangeInclusive<u64>]) {
        let head = self.kinds.entry(kind).or_default();
        head.heights = union(&head.heights, heights);
    }

    /// Takes a span of times at which transfers of a kind that state no height were seen.
    pub fn add_times(&mut self, kind: MovementKind, times: RangeInclusive<u64>) {
        let head = self.kinds.entry(kind).or_default();
        let fresh = difference(&[times], &head.times);
        head.undeclared_times = union(&head.undeclared_times, &fresh);
    }

    /// Takes a declaration. One of a clean import closes the gaps within it.
    pub fn declare(&mut self, covered: &CoverageDeclaration) {
        let mut changed = false;
        for kind in &covered.kinds {
            let head = self.kinds.entry(*kind).or_default();
            match &covered.extent {
                Extent::Heights(heights) => {
                    changed |= !hold(&head.heights, heights);
                    head.heights = union(&head.heights, std::slice::from_ref(heights));
                }
                Extent::Times(times) => {
                    changed |= !hold(&head.times, times);
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

    /// Adds gaps, and takes away those that ended.
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
        // Last: rows may be counted and named in one change.
        for counted in ended.iter().filter(|gap| is_counted(gap)) {
            changed = true;
            subtract_rows(&mut self.gaps, counted);
        }
        self.revision += u64::from(changed);
    }

    /// Notes an asset, while there is room: always for the chain's coin, which no flood of tokens may
    /// hide.
    pub fn record_asset(&mut self, asset: &Asset) {
        let has_room = self.assets.len() < MAX_ASSETS || *asset == Asset::Native;
        if has_room && !self.assets.contains(asset) {
            self.assets.push(asset.clone());
        }
    }

    /// What is left of coverage where all rows from a height on are taken back.
    pub fn cut(&mut self, from_height: u64) {
        for head in self.kinds.values_mut() {
            head.heights = below(&head.heights, from_height);
        }
        self.undeclared = below(&self.undeclared, from_height);
        let gaps = std::mem::take(&mut self.gaps);
        self.gaps = gaps.into_iter().filter_map(|gap| gap.below(from_height)).collect();
        self.revision += 1;
    }

    /// Ends the gaps of a fork when one of its blocks is taken back: those of the block if it came
    /// second, else those of another block.
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

/// Transfers of a chain that were taken back. Kept for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetractionRecord {
    /// The chain.
    pub chain: Chain,
    /// The first height that was taken back.
    pub from_height: u64,
    /// Only rows below this number: what was stored afterwards counts.
    pub rows: u64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Only the block with this hash; `None`: every block from the height on.
    pub block_hash: Option<[u8; 32]>,
}

impl RetractionRecord {
    /// Whether it takes a row of its chain back.
    pub fn takes(&self, row: u64, height: Option<u64>, block_hash: Option<&[u8; 32]>) -> bool {
        let is_block = match &self.block_hash {
            Some(hash) => block_hash == Some(hash),
            None => true,
        };
        row < self.rows && is_block && height.is_some_and(|height| height >= self.from_height)
    }
}

/// A row in whose place another counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// The row that no longer counts.
    pub old: u64,
    /// The row that counts in its place.
    pub new: u64,
    /// Whether both mean the same for exposure: the graph goes on with the old one.
    pub is_silent: bool,
}

/// Every replacement, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacements {
    log: Vec<Replacement>,
    /// By the row that no longer counts.
    newest: HashMap<u64, u64>,
    /// The row of the graph, by the silent replacement that stands for it.
    in_graph: HashMap<u64, u64>,
    /// Rows that are not in the graph any more.
    removed: HashSet<u64>,
}

impl Replacements {
    /// Takes the next.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Those from a number on, in order.
    pub fn since(&self, number: usize) -> &[Replacement] {
        self.log.get(number..).unwrap_or_default()
    }

    /// Whether another row counts in the place of this one.
    pub fn is_replaced(&self, row: u64) -> bool {
        self.newest.contains_key(&row)
    }

    /// The row that replaced this one.
    pub fn next(&self, row: u64) -> Option<u64> {
        self.newest.get(&row).copied()
    }

    /// The row that counts in the place of a row: itself where none does.
    pub fn newest(&self, mut row: u64) -> u64 {
        while let Some(next) = self.newest.get(&row) {
            row = *next;
        }
        row
    }

    /// The rows that count in the place of others.
    pub fn replacing_rows(&self) -> HashSet<u64> {
        self.log.iter().map(|replacement| replacement.new).collect()
    }

    /// The row that stands for this one in the graph.
    pub fn graph_row(&self, row: u64) -> u64 {
        self.in_graph.get(&row).copied().unwrap_or(row)
    }

    /// Whether a row is part of the graph.
    pub fn is_in_graph(&self, row: u64) -> bool {
        !self.in_graph.contains_key(&row) && !self.removed.contains(&row)
    }

    /// Whether a row means the same as one that the graph has.
    pub fn is_silent(&self, row: u64) -> bool {
        self.in_graph.contains_key(&row)
    }
}

/// How a conflict was settled. The order is part of the stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The first telling counts alone.
    First,
    /// The second telling counts alone.
    Second,
    /// They are two movements: both count.
    Both,
    /// One of them was taken back.
    TakenBack,
}

impl Verdict {
    /// The name used in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "FIRST",
            Self::Second => "SECOND",
            Self::Both => "BOTH",
            Self::TakenBack => "TAKEN_BACK",
        }
    }
}

/// Two tellings of one movement that contradict each other: both count until settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The chain.
    pub chain: Chain,
    /// What moved.
    pub kind: MovementKind,
    /// The height of the second telling, where stated.
    pub height: Option<u64>,
    /// The row that was there.
    pub first: u64,
    /// The row that contradicts it.
    pub second: u64,
    /// How, when and why it was settled.
    pub settled: Option<Settlement>,
}

/// The end of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// How.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// All that is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferState {
    /// The number of rows stored, those taken back or replaced among them.
    pub rows: u64,
    /// How many changes of transfers were made durable.
    pub changes: u64,
    /// What was taken back, in order.
    pub retractions: Vec<RetractionRecord>,
    /// Rows in whose place others count.
    pub replacements: Arc<Replacements>,
    /// Conflicts, settled ones among them, by their numbers from 0.
    pub conflicts: Arc<Vec<Conflict>>,
    /// Chain by chain, by CAIP-2 id.
    pub chains: BTreeMap<String, ChainState>,
}

impl TransferState {
    /// Whether the stored row `number` was taken back.
    pub fn is_retracted(&self, number: u64, row: &Transfer) -> bool {
        let (height, hash) = (row.height(), row.block_hash.as_ref());
        let takes = |record: &RetractionRecord| {
            row.chain == record.chain && record.takes(number, height, hash)
        };
        self.retractions.iter().any(takes)
    }

    /// Whether the stored row `number` counts: it was not taken back, and no other counts in its place.
    pub fn counts(&self, number: u64, row: &Transfer) -> bool {
        !self.replacements.is_replaced(number) && !self.is_retracted(number, row)
    }

    /// Conflicts of a chain that are not settled, with their numbers.
    pub fn open_conflicts(&self, chain: &Chain) -> impl Iterator<Item = (u64, &Conflict)> {
        let open =
            move |conflict: &&Conflict| conflict.settled.is_none() && conflict.chain == *chain;
        (0..).zip(self.conflicts.iter()).filter(move |(_, conflict)| open(conflict))
    }

    /// Changes that alter answers without rows, over all chains.
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
