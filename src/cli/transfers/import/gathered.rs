//! The coverage of an import: how far its files reach, and the gaps of rejected rows.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::domain::chain::Chain;
use crate::domain::coverage::{Extent, Gap, GapCause, GapPlace, MAX_GAPS, Spans, union};
use crate::domain::transfer::{MovementKind, Transfer};
use crate::source::transfers::{RowPlace, TransferFormat};

type Span = (u64, u64);

fn widen(span: &mut Option<Span>, value: u64) {
    *span = Some(span.map_or((value, value), |(from, to)| (from.min(value), to.max(value))));
}

/// How far the transfers of one chain and kind reach.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    heights: Option<Span>,
    /// Of transfers that state no height.
    times: Option<Span>,
    /// The height of the last transfer handed on.
    last: Option<u64>,
    /// Whether the file goes back to lower heights: what of a block has been read is not known then.
    is_unordered: bool,
}

/// A row that was not understood.
#[derive(Clone, Debug)]
struct Rejected {
    stands: RowPlace,
    /// Its gap is handed on with the rows around it; later rows of the file may end it.
    is_handed_on: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Gathered {
    reach: BTreeMap<(Chain, MovementKind), Reach>,
    /// Rows that were not understood.
    rejected: Vec<Rejected>,
    /// Gaps of rejected rows that were not handed on yet.
    fresh: Vec<(Chain, Gap)>,
    /// Of rejected rows beyond those that are kept apart: how far they reach.
    beyond: BTreeMap<(Option<Chain>, Option<MovementKind>), Reach>,
}

impl Gathered {
    /// Takes transfers that are handed on.
    pub fn take(&mut self, batch: &[Transfer]) {
        let mut rows = batch.iter().peekable();
        while let Some(first) = rows.peek() {
            let (chain, kind) = (&first.chain, first.kind());
            let reach = self.reach.entry((chain.clone(), kind)).or_default();
            while let Some(row) = rows.next_if(|row| row.chain == *chain && row.kind() == kind) {
                match row.height() {
                    Some(height) => {
                        widen(&mut reach.heights, height);
                        reach.is_unordered |= reach.last.is_some_and(|last| height < last);
                        reach.last = Some(height);
                    }
                    None => widen(&mut reach.times, row.time),
                }
            }
        }
    }

    /// Takes a row that was not understood.
    pub fn reject(&mut self, stands: &RowPlace) {
        let mut row = Rejected { stands: stands.clone(), is_handed_on: false };
        if let (Some(chain), Some(kind), Some(height)) = (&stands.chain, stands.kind, stands.height)
            && self.fresh.len() < MAX_GAPS
        {
            self.fresh
                .push((chain.clone(), rejected(kind, Extent::Heights(height..=height), stands)));
            row.is_handed_on = true;
        }
        if self.rejected.len() < MAX_GAPS {
            self.rejected.push(row);
            return;
        }
        let reach = self.beyond.entry((stands.chain.clone(), stands.kind)).or_default();
        match (stands.height, stands.time) {
            (Some(height), _) => widen(&mut reach.heights, height),
            (None, Some(time)) => widen(&mut reach.times, time),
            (None, None) => {}
        }
        // Where one of them stands is not known: the whole file is the gap.
        let is_alike = |Rejected { stands: known, .. }: &Rejected| {
            known.height.is_none() && (&known.chain, known.kind) == (&stands.chain, stands.kind)
        };
        if stands.height.is_none() && !self.rejected.iter().any(is_alike) {
            self.rejected.push(row);
        }
    }

    /// The gaps of rows that were rejected since this was asked: an import that is killed leaves them
    /// with the rows around them.
    pub fn take_fresh(&mut self) -> Vec<(Chain, Gap)> {
        std::mem::take(&mut self.fresh)
    }

    /// Whether it is not known of a rejected row where it stands.
    pub fn has_unplaced(&self) -> bool {
        self.rejected.iter().any(|row| row.stands.height.is_none())
    }

    /// Reaches as far as a file after it as well, and ends where that ended.
    pub fn reach_with(&mut self, other: &Self) {
        for (of, theirs) in &other.reach {
            let own = self.reach.entry(of.clone()).or_default();
            if theirs.last.is_some() {
                let goes_back = own.last > theirs.heights.map(|(from, _)| from);
                own.is_unordered |= theirs.is_unordered || own.last.is_some() && goes_back;
                own.last = theirs.last;
            }
            for (span, theirs) in
                [(&mut own.heights, theirs.heights), (&mut own.times, theirs.times)]
            {
                for end in theirs.into_iter().flat_map(|(from, to)| [from, to]) {
                    widen(span, end);
                }
            }
        }
    }

    /// The chains of its transfers.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.reach.keys().map(|(chain, _)| chain)
    }

    /// The kinds that its transfers have on a chain.
    pub fn kinds_on(&self, chain: &Chain) -> Vec<MovementKind> {
        let own = self.reach.keys().filter(|(of, _)| of == chain);
        own.map(|(_, kind)| *kind).collect()
    }

    /// The heights of rejected rows, as far as they could be read, by chain and kind.
    pub fn rejected_heights(&self, file: &File<'_>) -> BTreeMap<(Chain, MovementKind), Spans> {
        let mut all: BTreeMap<(Chain, MovementKind), Spans> = BTreeMap::new();
        for (chain, gap) in self.gaps_of(file, |_| true) {
            if let Extent::Heights(heights) = gap.extent {
                let known = all.entry((chain, gap.kind)).or_default();
                *known = union(known, &[heights]);
            }
        }
        all
    }

    /// The gaps of the file that were not handed on with its rows.
    pub fn gaps_left(&self, file: &File<'_>) -> Vec<(Chain, Gap)> {
        let mut gaps = self.gaps_of(file, |row| !row.is_handed_on);
        gaps.extend(self.fresh.iter().cloned());
        gaps
    }

    fn gaps_of(&self, file: &File<'_>, is_meant: fn(&Rejected) -> bool) -> Vec<(Chain, Gap)> {
        let mut gaps = Vec::new();
        for Rejected { stands, .. } in self.rejected.iter().filter(|row| is_meant(row)) {
            for (chain, kind) in self.meant(file, stands.chain.as_ref(), stands.kind) {
                self.add_rejected(file, (&chain, kind), stands, &mut gaps);
            }
        }
        for ((chain, kind), reach) in &self.beyond {
            for (chain, kind) in self.meant(file, chain.as_ref(), *kind) {
                let extents = [
                    reach.heights.map(|(from, to)| Extent::Heights(from..=to)),
                    reach.times.map(|(from, to)| Extent::Times(from..=to)),
                ];
                for extent in extents.into_iter().flatten() {
                    gaps.push((chain.clone(), unreadable(kind, extent)));
                }
            }
        }
        gaps
    }

    /// Where the file has come to, or the files before it where it has brought nothing: what it goes on
    /// with is not known then, but for its kind.
    pub fn ends_after(&self, before: &Self, kind: Option<MovementKind>) -> Self {
        if !self.reach.is_empty() {
            return self.clone();
        }
        let reach = before.reach.iter().filter(|((_, of), _)| kind.is_none_or(|kind| kind == *of));
        Self { reach: reach.map(|(of, reach)| (of.clone(), *reach)).collect(), ..Self::default() }
    }

    /// The gaps left by an import that stopped: within the block at which `ends` says that it was (any
    /// block of files that are not in the order of blocks), and that of the row at fault.
    pub fn stopped(&self, file: &File<'_>, stands: &RowPlace, ends: &Self) -> Vec<(Chain, Gap)> {
        let mut gaps = Vec::new();
        for (chain, kind) in self.meant(file, stands.chain.as_ref(), stands.kind) {
            self.add_rejected(file, (&chain, kind), stands, &mut gaps);
        }
        for ((chain, kind), reach) in &ends.reach {
            let heights = if reach.is_unordered {
                reach.heights.map(|(from, to)| from..=to)
            } else {
                reach.last.map(|height| height..=height)
            };
            gaps.extend(heights.map(|heights| (chain.clone(), stop(*kind, heights))));
        }
        for (chain, kind) in self.meant(file, stands.chain.as_ref(), stands.kind) {
            let heights = stands.height.map(|height| height..=height);
            gaps.extend(heights.map(|heights| (chain.clone(), stop(kind, heights))));
        }
        gaps.sort_by_cached_key(|(chain, gap)| {
            (chain.caip2().into_owned(), gap.kind, gap.extent.span().clone().into_inner())
        });
        gaps.dedup();
        gaps
    }

    /// The chains and kinds that a row may be of: those of the file where it does not say.
    fn meant(
        &self,
        file: &File<'_>,
        chain: Option<&Chain>,
        kind: Option<MovementKind>,
    ) -> Vec<(Chain, MovementKind)> {
        let chains: Vec<Chain> = match chain.or(file.chain) {
            Some(chain) => vec![chain.clone()],
            None => {
                let mut chains: Vec<_> =
                    self.reach.keys().map(|(chain, _)| chain.clone()).collect();
                chains.dedup();
                chains
            }
        };
        let kinds = |chain: &Chain| -> Vec<MovementKind> {
            let possible = MovementKind::of_chain(chain);
            match (kind, file.format) {
                (Some(kind), _) => vec![kind],
                (None, Some(format)) => {
                    let kinds = format.kinds().iter().filter(|kind| possible.contains(kind));
                    kinds.copied().collect()
                }
                (None, None) if self.chains().any(|of| of == chain) => self.kinds_on(chain),
                (None, None) => possible.to_vec(),
            }
        };
        let all = chains.into_iter().flat_map(|chain| {
            let kinds = kinds(&chain);
            kinds.into_iter().map(move |kind| (chain.clone(), kind))
        });
        all.collect()
    }

    fn add_rejected(
        &self,
        file: &File<'_>,
        (chain, kind): (&Chain, MovementKind),
        stands: &RowPlace,
        gaps: &mut Vec<(Chain, Gap)>,
    ) {
        let has_heights =
            self.reach.iter().any(|((of, _), reach)| of == chain && reach.heights.is_some());
        let extent = match (stands.height, stands.time) {
            (Some(height), _) => Some(Extent::Heights(height..=height)),
            // Where no row of the file states a height, time is the place.
            (None, Some(time)) if !has_heights && file.covers.is_none() => {
                Some(Extent::Times(time..=time))
            }
            (None, _) => None,
        };
        match extent {
            Some(extent) => gaps.push((chain.clone(), rejected(kind, extent, stands))),
            None => {
                let whole = self.whole(file, chain);
                gaps.extend(whole.map(|extent| (chain.clone(), unreadable(kind, extent))));
            }
        }
    }

    /// How far the whole file reaches on a chain, with what is declared of it.
    fn whole(&self, file: &File<'_>, chain: &Chain) -> impl Iterator<Item = Extent> {
        let (mut heights, mut times) = (None, None);
        for (_, reach) in self.reach.iter().filter(|((of, _), _)| of == chain) {
            for (span, own) in [(&mut heights, reach.heights), (&mut times, reach.times)] {
                for end in own.into_iter().flat_map(|(from, to)| [from, to]) {
                    widen(span, end);
                }
            }
        }
        if let Some(covered) = file.covers {
            let (from, to) = covered.clone().into_inner();
            widen(&mut heights, from);
            widen(&mut heights, to);
        }
        if let Some(covered) = file.covers_times {
            let (from, to) = covered.clone().into_inner();
            widen(&mut times, from);
            widen(&mut times, to);
        }
        let heights = heights.map(|(from, to)| Extent::Heights(from..=to));
        let times = times.map(|(from, to)| Extent::Times(from..=to));
        heights.into_iter().chain(times)
    }
}

/// What is known of a file before it is read.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// The format that it was read as; `None` where that is not known.
    pub format: Option<TransferFormat>,
    /// The chain of rows that name none.
    pub chain: Option<&'a Chain>,
    /// What is declared of it.
    pub covers: Option<&'a RangeInclusive<u64>>,
    /// The same of transfers that state no height.
    pub covers_times: Option<&'a RangeInclusive<u64>>,
}

fn rejected(kind: MovementKind, extent: Extent, stands: &RowPlace) -> Gap {
    let place = stands.tx.clone().map(|tx| GapPlace::Transaction(tx, stands.index));
    // A row that states a height ends no gap of a time.
    let place = place.filter(|_| matches!(extent, Extent::Heights(_)));
    // Of a row whose kind is not known, only one of its gaps ends with it.
    let cause = if stands.kind.is_some() { GapCause::Rejected } else { GapCause::Unreadable };
    Gap { kind, extent, cause, place }
}

fn unreadable(kind: MovementKind, extent: Extent) -> Gap {
    Gap { kind, extent, cause: GapCause::Unreadable, place: None }
}

fn stop(kind: MovementKind, heights: RangeInclusive<u64>) -> Gap {
    Gap { kind, extent: Extent::Heights(heights), cause: GapCause::Stopped, place: None }
}

/// Heights for people: at most `most` spans.
pub fn shown_heights(spans: &Spans, most: usize) -> String {
    let shown = spans.iter().take(most).map(|span| {
        if span.start() == span.end() {
            span.start().to_string()
        } else {
            format!("{}-{}", span.start(), span.end())
        }
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    match spans.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::coverage::spans_from;
    use crate::domain::transfer::{
        AccountMovement, Amount, Asset, Movement, Position, TxId, TxStatus,
    };

    const ETHEREUM: Chain = Chain::Evm(1);

    fn gathered(heights: &[u64]) -> Gathered {
        let row = |&height: &u64| Transfer {
            chain: ETHEREUM,
            time: 1,
            placement: Position { height, tx_index: 0, index: 1 }.into(),
            block_hash: None,
            tx: None,
            status: TxStatus::Unknown,
            movement: Movement::Account(AccountMovement {
                from: None,
                to: None,
                asset: Asset::Contract([1; 20]),
                amount: Amount::ONE,
                usd_micros: None,
            }),
        };
        let mut gathered = Gathered::default();
        gathered.take(&heights.iter().map(row).collect::<Vec<_>>());
        gathered
    }

    fn shown(gaps: &[(Chain, Gap)]) -> Vec<String> {
        gaps.iter()
            .map(|(_, gap)| format!("{} {} {}", gap.kind, gap.extent, gap.cause.as_str()))
            .collect()
    }

    const FILE: File<'_> = File {
        format: Some(TransferFormat::EthereumTokenTransfers),
        chain: Some(&ETHEREUM),
        covers: None,
        covers_times: None,
    };

    #[test]
    fn a_rejected_row_is_a_gap_at_its_height_or_over_the_reach_of_its_file() {
        let mut file = gathered(&[7, 9]);
        let stands = RowPlace {
            height: Some(8),
            tx: Some(TxId::Hash([1; 32])),
            index: Some(3),
            kind: Some(MovementKind::Tokens),
            ..RowPlace::default()
        };
        file.reject(&stands);
        let gaps = file.gaps_left(&FILE);
        assert_eq!(shown(&gaps), ["tokens height 8 REJECTED"]);
        assert_eq!(gaps[0].1.place, Some(GapPlace::Transaction(TxId::Hash([1; 32]), Some(3))));
        file.reject(&RowPlace { time: Some(5), ..RowPlace::default() });
        let want = ["tokens height 8 REJECTED", "tokens heights 7 to 9 UNREADABLE"];
        assert_eq!(shown(&file.gaps_left(&FILE)), want);
        assert_eq!(file.rejected_heights(&FILE)[&(ETHEREUM, MovementKind::Tokens)], [7..=9]);
        let declared = File { covers: Some(&(1..=20)), ..FILE };
        assert_eq!(shown(&file.gaps_left(&declared))[1], "tokens heights 1 to 20 UNREADABLE");
        // One whose gap is handed on with the rows is not told of again at the end.
        let (chain, kind) = (Some(ETHEREUM), Some(MovementKind::Tokens));
        file.reject(&RowPlace { chain, kind, height: Some(5), ..RowPlace::default() });
        assert_eq!(shown(&file.take_fresh()), ["tokens height 5 REJECTED"]);
        assert_eq!(shown(&file.gaps_left(&FILE)), want);
        assert_eq!(file.rejected_heights(&FILE)[&(ETHEREUM, MovementKind::Tokens)], [5..=5, 7..=9]);
    }

    #[test]
    fn very_many_rejected_rows_are_one_gap_more() {
        let mut file = Gathered::default();
        for height in 0..2 * MAX_GAPS as u64 {
            file.reject(&RowPlace { height: Some(height), ..RowPlace::default() });
        }
        let gaps = file.gaps_left(&FILE);
        assert_eq!(gaps.len(), MAX_GAPS + 1);
        assert_eq!(gaps[MAX_GAPS].1.extent, Extent::Heights(1024..=2047));
    }

    #[test]
    fn a_file_that_stopped_leaves_the_block_it_stopped_in() {
        let file = gathered(&[7, 9]);
        let kind = Some(MovementKind::Tokens);
        let stands = RowPlace { height: Some(11), kind, ..RowPlace::default() };
        let want =
            ["tokens height 9 STOPPED", "tokens height 11 REJECTED", "tokens height 11 STOPPED"];
        assert_eq!(shown(&file.stopped(&FILE, &stands, &file)), want);
        let file = gathered(&[7, 9, 8]);
        let unordered = file.stopped(&FILE, &RowPlace::default(), &file);
        assert!(shown(&unordered).contains(&"tokens heights 7 to 9 STOPPED".to_owned()));
    }

    #[test]
    fn spans_are_shown_shortly() {
        let spans = spans_from(vec![1, 2, 3, 7, 9]);
        assert_eq!(shown_heights(&spans, 2), "1-3, 7 and 1 more");
    }
}
