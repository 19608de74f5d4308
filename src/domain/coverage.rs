//! What of each chain is loaded: counts, times, spans of blocks, what was taken back. Counts only;
//! knows nothing of how transfers are stored.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::chain::Chain;

/// The most spans of heights that are kept of a chain. Where there are more, the lowest are
/// forgotten, and those blocks count as not covered.
pub const MAX_SPANS: usize = 8192;

/// Blocks of a chain that were looked at whole, whether or not they hold a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The chain.
    pub chain: Chain,
    /// Their heights.
    pub heights: RangeInclusive<u64>,
}

/// What is loaded of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The chain.
    pub chain: Chain,
    /// Transfers that count as loaded: without those taken back. A UTXO transaction is one.
    pub transfers: u64,
    /// Transfers taken back.
    pub retracted: u64,
    /// Of `transfers`, those without a position.
    pub unpositioned: u64,
    /// The earliest time of `transfers`, in Unix seconds.
    pub first_time: Option<u64>,
    /// The latest.
    pub last_time: Option<u64>,
    /// The heights of blocks that were seen in `transfers` or declared to be covered: ascending,
    /// neither touching nor overlapping, at most [`MAX_SPANS`].
    pub covered: Vec<RangeInclusive<u64>>,
}

impl ChainHead {
    /// Of a chain of which nothing is loaded.
    pub fn new(chain: Chain) -> Self {
        let (transfers, retracted, unpositioned) = (0, 0, 0);
        let (first_time, last_time, covered) = (None, None, Vec::new());
        Self { chain, transfers, retracted, unpositioned, first_time, last_time, covered }
    }

    /// Takes a moment among the times of the transfers.
    pub fn add_time(&mut self, time: u64) {
        self.first_time = Some(self.first_time.map_or(time, |first| first.min(time)));
        self.last_time = Some(self.last_time.map_or(time, |last| last.max(time)));
    }
}

/// Transfers of a chain from a height on that were taken back. Kept for ever.
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
}

/// All that is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferState {
    /// The number of rows stored, those taken back among them.
    pub rows: u64,
    /// What was taken back, in order.
    pub retractions: Vec<RetractionRecord>,
    /// Chain by chain, by CAIP-2 id.
    pub chains: BTreeMap<String, ChainHead>,
}

impl TransferState {
    /// Whether the row `row`, of `chain` at `height`, was taken back.
    pub fn is_retracted(&self, row: u64, chain: &Chain, height: u64) -> bool {
        let takes = |record: &RetractionRecord| {
            row < record.rows && height >= record.from_height && *chain == record.chain
        };
        self.retractions.iter().any(takes)
    }
}

/// The spans of both: `a` and `b` ascend by their starts. The highest [`MAX_SPANS`] of them.
pub fn union(a: &[RangeInclusive<u64>], b: &[RangeInclusive<u64>]) -> Vec<RangeInclusive<u64>> {
    let mut spans: Vec<RangeInclusive<u64>> = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let from_a = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => a.start() <= b.start(),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        let Some(next) = (if from_a { a.next() } else { b.next() }) else { break };
        match spans.last_mut() {
            Some(last) if *next.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(next.end());
            }
            _ => spans.push(next.clone()),
        }
    }
    spans.drain(..spans.len().saturating_sub(MAX_SPANS));
    spans
}

/// What of `spans` lies below `height`.
pub fn below(spans: &[RangeInclusive<u64>], height: u64) -> Vec<RangeInclusive<u64>> {
    let kept = spans.iter().take_while(|span| *span.start() < height);
    kept.map(|span| *span.start()..=(*span.end()).min(height - 1)).collect()
}

/// The spans that hold `heights`, in any order.
pub fn spans_of(mut heights: Vec<u64>) -> Vec<RangeInclusive<u64>> {
    heights.sort_unstable();
    heights.dedup();
    let single: Vec<_> = heights.into_iter().map(|height| height..=height).collect();
    union(&single, &[])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn heights(spans: &[RangeInclusive<u64>]) -> BTreeSet<u64> {
        spans.iter().cloned().flatten().collect()
    }

    fn apart(spans: &[RangeInclusive<u64>]) -> bool {
        spans.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start())
    }

    proptest! {
        #[test]
        fn spans_are_sets_of_heights(
            a in prop::collection::vec(0_u64..60, 0..40),
            b in prop::collection::vec(0_u64..60, 0..40),
            cut in 0_u64..61,
        ) {
            let (of_a, of_b) = (spans_of(a.clone()), spans_of(b.clone()));
            let want_a: BTreeSet<u64> = a.into_iter().collect();
            let want_b: BTreeSet<u64> = b.into_iter().collect();
            prop_assert_eq!(heights(&of_a), want_a.clone());
            let both = union(&of_a, &of_b);
            prop_assert!(apart(&of_a) && apart(&both));
            prop_assert_eq!(heights(&both), &want_a | &want_b);
            let want: BTreeSet<u64> = want_a.into_iter().filter(|height| *height < cut).collect();
            prop_assert_eq!(heights(&below(&of_a, cut)), want);
        }
    }

    #[test]
    fn the_lowest_spans_are_forgotten_beyond_the_bound() {
        let spans = spans_of((0..MAX_SPANS as u64 + 3).map(|n| n * 2).collect());
        assert_eq!(spans.len(), MAX_SPANS);
        assert_eq!(spans[0], 6..=6);
        assert_eq!(union(&[0..=u64::MAX], &[5..=6]), [0..=u64::MAX]);
    }
}
