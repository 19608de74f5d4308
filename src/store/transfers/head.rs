//! The stored form of a chain's head, of this schema and of schema 2.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainState, CoveredSpans, Gap, Spans};
use crate::domain::transfer::{Asset, MovementKind, Placement, Position, Transfer};

/// The least and the greatest.
pub(super) type Span = (u64, u64);

/// The greatest positions of a chain by kind of movement, including retracted rows: no row beyond
/// them can be stored already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tops {
    positions: [Option<Position>; MovementKind::ALL.len()],
    /// For rows without a position: height, and index in the transaction.
    partial: [Option<(u64, u32)>; MovementKind::ALL.len()],
}

impl Tops {
    /// Raises the maximum to the position of a row, partial or whole.
    #[inline]
    pub fn raise(&mut self, kind: MovementKind, row: &Transfer) {
        let kind = kind as usize;
        match row.placement {
            Placement::Whole(position) => {
                self.positions[kind] = self.positions[kind].max(Some(position));
            }
            Placement::Partial(partial) => {
                let place = Some((partial.height, partial.index.unwrap_or(u32::MAX)));
                self.partial[kind] = self.partial[kind].max(place);
            }
            Placement::Unknown => {}
        }
    }

    /// Returns true if a row is beyond all of its kind.
    pub fn are_below(&self, row: &Transfer) -> bool {
        let kind = row.kind() as usize;
        let (whole, partial) = (self.positions[kind], self.partial[kind]);
        match row.placement {
            Placement::Whole(position) => {
                whole.is_none_or(|top| position > top)
                    && partial.is_none_or(|(height, _)| position.height > height)
            }
            Placement::Partial(place) => {
                let index = place.index.unwrap_or(0);
                partial.is_none_or(|top| (place.height, index) > top)
                    && whole.is_none_or(|top| place.height > top.height)
            }
            Placement::Unknown => false,
        }
    }

    pub fn height(&self) -> Option<u64> {
        let whole = self.positions.iter().flatten().map(|position| position.height);
        whole.chain(self.partial_height()).max()
    }

    /// The greatest height of rows without a position.
    pub fn partial_height(&self) -> Option<u64> {
        self.partial.iter().flatten().map(|(height, _)| *height).max()
    }
}

/// The head of a chain, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadForm {
    transfers: u64,
    retracted: u64,
    replaced: u64,
    unpositioned: u64,
    times: Option<Span>,
    positions: [Option<(u64, u32, u32)>; MovementKind::ALL.len()],
    partial: [Option<(u64, u32)>; MovementKind::ALL.len()],
    kinds: Vec<KindForm>,
    gaps: Vec<Gap>,
    undeclared: SpansForm,
    assets: Vec<Asset>,
    revision: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KindForm {
    kind: MovementKind,
    heights: SpansForm,
    times: SpansForm,
    undeclared_times: SpansForm,
}

/// For each span: its distance from the end of the last one, and its length minus one.
type SpansForm = Vec<Span>;

/// The head of a chain, as stored by schema 2: its spans have no kind.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadForm2 {
    pub transfers: u64,
    pub retracted: u64,
    pub unpositioned: u64,
    pub times: Option<Span>,
    /// The greatest position of any row.
    pub top: Option<(u64, u32, u32)>,
    pub spans: Vec<Span>,
}

fn pack(spans: &[RangeInclusive<u64>]) -> SpansForm {
    let mut last = 0;
    let packed = spans.iter().map(|span| {
        let form = (span.start() - last, span.end() - span.start());
        last = *span.end();
        form
    });
    packed.collect()
}

/// Returns `None` if a span overflows.
fn unpack(form: SpansForm) -> Option<Spans> {
    let mut last = 0_u64;
    let mut spans = Vec::with_capacity(form.len());
    for (gap, more) in form {
        let start = last.checked_add(gap)?;
        last = start.checked_add(more)?;
        spans.push(start..=last);
    }
    Some(spans)
}

fn position((height, tx_index, index): (u64, u32, u32)) -> Position {
    Position { height, tx_index, index }
}

impl HeadForm {
    pub(super) fn new(head: &ChainState, tops: &Tops) -> Self {
        let kind = |(kind, of): (&MovementKind, &CoveredSpans)| KindForm {
            kind: *kind,
            heights: pack(&of.heights),
            times: pack(&of.times),
            undeclared_times: pack(&of.undeclared_times),
        };
        let triple = |top: Option<Position>| top.map(|top| (top.height, top.tx_index, top.index));
        Self {
            transfers: head.transfers,
            retracted: head.retracted,
            replaced: head.replaced,
            unpositioned: head.unpositioned,
            times: head.first_time.zip(head.last_time),
            positions: tops.positions.map(triple),
            partial: tops.partial,
            kinds: head.kinds.iter().map(kind).collect(),
            gaps: head.gaps.clone(),
            undeclared: pack(&head.undeclared),
            assets: head.assets.clone(),
            revision: head.revision,
        }
    }

    /// Decodes the head and the greatest positions; `None` if a span overflows.
    pub(super) fn read(self, chain: Chain) -> Option<(ChainState, Tops)> {
        let kind = |form: KindForm| {
            let head = CoveredSpans {
                heights: unpack(form.heights)?,
                times: unpack(form.times)?,
                undeclared_times: unpack(form.undeclared_times)?,
            };
            Some((form.kind, head))
        };
        let head = ChainState {
            transfers: self.transfers,
            retracted: self.retracted,
            replaced: self.replaced,
            unpositioned: self.unpositioned,
            first_time: self.times.map(|(first, _)| first),
            last_time: self.times.map(|(_, last)| last),
            kinds: self.kinds.into_iter().map(kind).collect::<Option<_>>()?,
            gaps: self.gaps,
            undeclared: unpack(self.undeclared)?,
            assets: self.assets,
            revision: self.revision,
            ..ChainState::new(chain)
        };
        let positions = self.positions.map(|top| top.map(position));
        Some((head, Tops { positions, partial: self.partial }))
    }
}

impl HeadForm2 {
    /// Decodes the head and the greatest positions. Coverage has no kind, and a row of any kind may
    /// be stored up to the greatest position of all.
    pub(super) fn read(self, chain: Chain) -> Option<(ChainState, Tops)> {
        let mut head = ChainState {
            transfers: self.transfers,
            retracted: self.retracted,
            unpositioned: self.unpositioned,
            first_time: self.times.map(|(first, _)| first),
            last_time: self.times.map(|(_, last)| last),
            undeclared: unpack(self.spans)?,
            ..ChainState::new(chain)
        };
        if let Some((first, last)) = self.times.filter(|_| self.unpositioned > 0) {
            for kind in MovementKind::required_of(&head.chain) {
                head.add_times(*kind, first..=last);
            }
        }
        let positions = [self.top.map(position); MovementKind::ALL.len()];
        Some((head, Tops { positions, partial: Default::default() }))
    }
}
