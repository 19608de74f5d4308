//! Coverage, gaps and conflicts as messages, and back. Translation only.

use std::collections::{BTreeMap, BTreeSet};

use super::parse_chain;
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::coverage::{
    Conflict, CoverageDeclaration, Extent, Gap, GapCause, GapPlace, Spans, spans_from,
};
use crate::domain::transfer::{Asset, MAX_HEIGHT, MAX_TIME, MovementKind, Transfer, TxId};
use crate::engine::HeadOverview;
use crate::grpc::convert;
use crate::grpc::status::{Refusal, all, both, invalid_field};
use crate::grpc::v1;
use crate::screening::coverage::KindCoverage;

/// Of a refused batch with more rows than this, blocks are gaps and not each row.
const FEW_ROWS: usize = 256;

/// The most spans that a head tells.
const MAX_SPANS: usize = 100;

fn from_kind(field: &str, kind: i32) -> Result<MovementKind, Refusal> {
    v1::MovementKind::try_from(kind)
        .ok()
        .and_then(Option::from)
        .ok_or_else(|| invalid_field(field, format!("{kind} is no kind of movement")))
}

fn from_extent(
    field: &str,
    heights: Option<v1::HeightRange>,
    times: Option<v1::TimeRange>,
) -> Result<Extent, Refusal> {
    let (name, from, to, most) = match (heights, times) {
        (Some(v1::HeightRange { first_height: from, last_height: to }), None) => {
            ("heights", from, to, MAX_HEIGHT)
        }
        (None, Some(v1::TimeRange { first_unix_seconds: from, last_unix_seconds: to })) => {
            ("times", from, to, MAX_TIME)
        }
        (None, None) => return Err(invalid_field(&format!("{field}.heights"), "missing")),
        (Some(_), Some(_)) => {
            let message = "heights are given too: give one of the two";
            return Err(invalid_field(&format!("{field}.times"), message));
        }
    };
    if from > to || to > most {
        let message = format!("{from} to {to}: not ascending, or above {most}");
        return Err(invalid_field(&format!("{field}.{name}"), message));
    }
    Ok(if name == "heights" { Extent::Heights(from..=to) } else { Extent::Times(from..=to) })
}

/// What is covered, perhaps without kinds.
pub(super) fn from_covered(
    (place, covered): (usize, &v1::CoveredBlocks),
) -> Result<CoverageDeclaration, Refusal> {
    let field = format!("covered[{place}]");
    let kinds_field = format!("{field}.kinds");
    let on_chain = match parse_chain(&format!("{field}.chain"), &covered.chain) {
        Ok(chain) => kinds_of(&kinds_field, &chain, &covered.kinds).map(|kinds| (chain, kinds)),
        Err(refusal) => {
            let kinds = covered.kinds.iter().map(|kind| from_kind(&kinds_field, *kind));
            both(Err(refusal), all(kinds)).map(|(on_chain, _)| on_chain)
        }
    };
    let extent = from_extent(&field, covered.heights, covered.times);
    let ((chain, kinds), extent) = both(on_chain, extent)?;
    Ok(CoverageDeclaration { chain, kinds, extent, is_clean_import: false })
}

/// What is covered, as its message.
pub fn covered(covered: &CoverageDeclaration) -> v1::CoveredBlocks {
    let (from, to) = covered.extent.span().clone().into_inner();
    let mut message = v1::CoveredBlocks {
        chain: covered.chain.to_string(),
        kinds: covered.kinds.iter().map(|kind| v1::MovementKind::from(*kind).into()).collect(),
        not_all_understood: !covered.is_clean_import,
        ..Default::default()
    };
    match covered.extent {
        Extent::Heights(_) => {
            message.heights = Some(v1::HeightRange { first_height: from, last_height: to })
        }
        Extent::Times(_) => {
            message.times = Some(v1::TimeRange { first_unix_seconds: from, last_unix_seconds: to })
        }
    }
    message
}

fn kinds_of(field: &str, chain: &Chain, kinds: &[i32]) -> Result<Vec<MovementKind>, Refusal> {
    let kinds = kinds.iter().map(|kind| from_kind(field, *kind));
    let kinds = kinds.collect::<Result<BTreeSet<_>, _>>()?;
    let foreign = kinds.iter().find(|kind| !MovementKind::of_chain(chain).contains(kind));
    if let Some(kind) = foreign {
        return Err(invalid_field(field, format!("{chain} has no transfers of kind {kind}")));
    }
    Ok(kinds.into_iter().collect())
}

/// A gap that a sender tells of.
pub(super) fn from_gap((place, gap): (usize, &v1::TransferGap)) -> Result<(Chain, Gap), Refusal> {
    let field = format!("gaps[{place}]");
    let chain = parse_chain(&format!("{field}.chain"), &gap.chain)?;
    let kind = kinds_of(&format!("{field}.kind"), &chain, &[gap.kind])?;
    let extent = from_extent(&field, gap.heights, gap.times)?;
    let cause = match v1::GapCause::try_from(gap.cause).ok().and_then(Option::from) {
        Some(cause @ (GapCause::Rejected | GapCause::Unreadable | GapCause::Stopped)) => cause,
        Some(GapCause::Refused | GapCause::Unnamed | GapCause::Fork) | None => {
            let message = "a sender may tell of REJECTED, UNREADABLE and STOPPED";
            return Err(invalid_field(&format!("{field}.cause"), message));
        }
    };
    let tx = convert::transfer::from_tx(&gap.tx)
        .map_err(|error| invalid_field(&format!("{field}.tx"), error))?;
    // No row ends a gap of several blocks, and none that states a height one of a time.
    let is_block = matches!(&extent, Extent::Heights(span) if span.start() == span.end());
    let place = tx.filter(|_| is_block).map(|tx| GapPlace::Transaction(tx, gap.index));
    let kind = kind[0];
    Ok((chain, Gap { kind, extent, cause, place }))
}

/// A gap as its message.
pub fn gap(chain: &Chain, gap: &Gap) -> v1::TransferGap {
    let (from, to) = gap.extent.span().clone().into_inner();
    let mut message = v1::TransferGap {
        chain: chain.to_string(),
        kind: v1::MovementKind::from(gap.kind).into(),
        cause: v1::GapCause::from(gap.cause).into(),
        ..Default::default()
    };
    match gap.extent {
        Extent::Heights(_) => {
            message.heights = Some(v1::HeightRange { first_height: from, last_height: to })
        }
        Extent::Times(_) => {
            message.times = Some(v1::TimeRange { first_unix_seconds: from, last_unix_seconds: to })
        }
    }
    match &gap.place {
        Some(GapPlace::Transaction(tx, index)) => {
            message.tx = convert::transfer::tx(Some(tx), chain);
            message.index = *index;
        }
        Some(GapPlace::Index(_, index)) => message.index = Some(*index),
        Some(GapPlace::Block(hash)) => message.block_hash = convert::hex(hash),
        Some(GapPlace::Rows(rows)) => message.rows = *rows,
        None => {}
    }
    message
}

/// A conflict as its message.
pub(super) fn conflict(
    (number, conflict, [first, second]): &(u64, Conflict, [Transfer; 2]),
) -> v1::TransferConflict {
    let settled = conflict.settled.as_ref();
    v1::TransferConflict {
        number: *number,
        first: Some(convert::transfer::message(first)),
        second: Some(convert::transfer::message(second)),
        verdict: settled
            .map_or(v1::ConflictVerdict::Unspecified, |settled| settled.verdict.into())
            .into(),
        settled_at: settled.map(|settled| convert::timestamp(settled.at)),
        reason: settled.map(|settled| settled.reason.clone()).unwrap_or_default(),
    }
}

/// What can be read of the places of a batch that was refused: the row at fault, and the blocks of the
/// others, which were refused with it.
pub(super) fn refused_rows(transfers: &[v1::Transfer], index: Option<u32>) -> Vec<(Chain, Gap)> {
    let mut gaps = Vec::new();
    let mut others: BTreeMap<(Chain, MovementKind, bool), Vec<u64>> = BTreeMap::new();
    let faulty = index.map(|index| index as usize);
    for (place, transfer) in transfers.iter().enumerate() {
        let Ok(chain) = convert::transfer::from_chain(&transfer.chain) else { continue };
        let is_faulty = faulty == Some(place);
        let cause = if is_faulty { GapCause::Rejected } else { GapCause::Refused };
        for gap in row_gaps(transfer, &chain, cause) {
            if is_faulty || transfers.len() <= FEW_ROWS {
                gaps.push((chain.clone(), gap));
                continue;
            }
            let is_height = matches!(gap.extent, Extent::Heights(_));
            let at = *gap.extent.span().start();
            others.entry((chain.clone(), gap.kind, is_height)).or_default().push(at);
        }
    }
    if let Some(faulty) = faulty.and_then(|place| transfers.get(place)) {
        gaps.extend(anywhere(transfers, faulty));
    }
    for ((chain, kind, is_height), others) in others {
        for span in spans_from(others) {
            let extent = if is_height { Extent::Heights(span) } else { Extent::Times(span) };
            let (cause, place) = (GapCause::Refused, None);
            gaps.push((chain.clone(), Gap { kind, extent, cause, place }));
        }
    }
    gaps
}

/// The gaps of a row at fault whose chain cannot be read, or neither its height nor its time: it may
/// stand wherever the others of its batch reach.
fn anywhere(transfers: &[v1::Transfer], faulty: &v1::Transfer) -> Vec<(Chain, Gap)> {
    let of = |transfer: &v1::Transfer| convert::transfer::from_chain(&transfer.chain).ok();
    let own = of(faulty);
    let at = |transfer: &v1::Transfer| {
        let height = place_of(transfer).map(|(height, _)| (true, height));
        height.or_else(|| time_of(transfer).map(|time| (false, time)))
    };
    if own.is_some() && at(faulty).is_some() {
        return Vec::new();
    }
    let mut reach: BTreeMap<(Chain, bool), (u64, u64)> = BTreeMap::new();
    for transfer in transfers {
        let Some((chain, (is_height, at))) = of(transfer).zip(at(transfer)) else { continue };
        if own.as_ref().is_none_or(|own| *own == chain) {
            let (first, last) = reach.entry((chain, is_height)).or_insert((at, at));
            (*first, *last) = ((*first).min(at), (*last).max(at));
        }
    }
    let gaps = reach.into_iter().flat_map(|((chain, is_height), (first, last))| {
        let span = first..=last;
        let extent = if is_height { Extent::Heights(span) } else { Extent::Times(span) };
        kinds_of_message(faulty, &chain, None).iter().map(move |kind| {
            let (kind, extent, cause) = (*kind, extent.clone(), GapCause::Unreadable);
            (chain.clone(), Gap { kind, extent, cause, place: None })
        })
    });
    gaps.collect()
}

/// The gaps of one row, one for each kind that it may be of, which end when it is understood; none
/// where neither height nor time says where it belongs.
fn row_gaps(transfer: &v1::Transfer, chain: &Chain, cause: GapCause) -> Vec<Gap> {
    let (height, index) = place_of(transfer).unzip();
    let extent = match (height, time_of(transfer)) {
        (Some(height), _) => Extent::Heights(height..=height),
        (None, Some(time)) => Extent::Times(time..=time),
        (None, None) => return Vec::new(),
    };
    let tx = convert::transfer::from_tx(&transfer.tx).ok().flatten();
    let by_tx = tx.map(|tx: TxId| GapPlace::Transaction(tx, index.flatten()));
    let position = transfer.position.as_ref();
    let by_position = position.map(|position| GapPlace::Index(position.tx_index, position.index));
    let place = by_tx.or(by_position).filter(|_| height.is_some());
    let kinds = kinds_of_message(transfer, chain, index.flatten());
    let cause = if kinds.len() > 1 { GapCause::Unreadable } else { cause };
    let gap = |kind: &MovementKind| Gap {
        kind: *kind,
        extent: extent.clone(),
        cause,
        place: place.clone(),
    };
    kinds.iter().map(gap).collect()
}

fn time_of(transfer: &v1::Transfer) -> Option<u64> {
    u64::try_from(transfer.time?.seconds).ok().filter(|time| *time <= MAX_TIME)
}

fn place_of(transfer: &v1::Transfer) -> Option<(u64, Option<u32>)> {
    let whole = transfer.position.as_ref().map(|it| (it.height, Some(it.index)));
    let partial = || transfer.partial_position.as_ref().map(|it| (it.height, it.index));
    whole.or_else(partial).filter(|(height, _)| *height <= MAX_HEIGHT)
}

/// The kinds that a message may be of.
fn kinds_of_message(
    transfer: &v1::Transfer,
    chain: &Chain,
    index: Option<u32>,
) -> &'static [MovementKind] {
    use v1::transfer::Movement;
    match &transfer.movement {
        Some(Movement::Utxo(_)) if chain.is_utxo() => &[MovementKind::Utxo],
        Some(Movement::Account(account)) if !chain.is_utxo() => {
            match (AssetTable::asset(&account.asset, chain), index) {
                (None, _) => MovementKind::of_chain(chain),
                (Some(Asset::Native), Some(index)) if index > 0 && index % 2 == 0 => {
                    &[MovementKind::Internal]
                }
                (Some(Asset::Native), _) => &[MovementKind::Native],
                (Some(_), _) => &[MovementKind::Tokens],
            }
        }
        _ => MovementKind::of_chain(chain),
    }
}

/// What is loaded of a chain, as its message.
pub(super) fn head(overview: &HeadOverview, now: i64) -> v1::TransferHead {
    let HeadOverview { head, coverage, conflicts } = overview;
    let age = head.last_time.and_then(|last| u64::try_from(now).ok()?.checked_sub(last));
    v1::TransferHead {
        chain: head.chain.to_string(),
        transfers: head.transfers,
        retracted: head.retracted,
        replaced: head.replaced,
        unpositioned: head.unpositioned,
        first_time: head.first_time.map(convert::transfer::time),
        last_time: head.last_time.map(convert::transfer::time),
        required: coverage.required,
        age_seconds: age.unwrap_or_default(),
        kinds: coverage.kinds.iter().map(|kind| kind_head(overview, kind)).collect(),
        conflicts: *conflicts,
        undeclared: heights(&head.undeclared),
        unvalued_asset: coverage.unvalued.as_ref().map(ToString::to_string).unwrap_or_default(),
        complete: coverage.is_whole(),
    }
}

fn kind_head(overview: &HeadOverview, kind: &KindCoverage) -> v1::KindHead {
    let own = overview.head.kinds.get(&kind.kind).cloned().unwrap_or_default();
    v1::KindHead {
        kind: v1::MovementKind::from(kind.kind).into(),
        complete: kind.shortfall.is_none(),
        needed: kind.is_needed,
        required: kind.is_required,
        covered: heights(&own.heights),
        covered_spans: kind.spans,
        covered_times: times(&own.times),
        undeclared_times: times(&own.undeclared_times),
        gaps: kind.gaps,
    }
}

fn heights(spans: &Spans) -> Vec<v1::HeightRange> {
    let last = spans.iter().skip(spans.len().saturating_sub(MAX_SPANS));
    last.map(|span| v1::HeightRange { first_height: *span.start(), last_height: *span.end() })
        .collect()
}

fn times(spans: &Spans) -> Vec<v1::TimeRange> {
    let last = spans.iter().skip(spans.len().saturating_sub(MAX_SPANS));
    last.map(|span| v1::TimeRange {
        first_unix_seconds: *span.start(),
        last_unix_seconds: *span.end(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(chain: &str, height: u64, asset: &str) -> v1::Transfer {
        let account = v1::AccountMovement { asset: asset.to_owned(), ..Default::default() };
        v1::Transfer {
            chain: chain.to_owned(),
            position: Some(v1::ChainPosition { height, tx_index: 0, index: 0 }),
            movement: Some(v1::transfer::Movement::Account(account)),
            ..Default::default()
        }
    }

    fn shown(transfers: &[v1::Transfer], faulty: u32) -> Vec<String> {
        let gaps = refused_rows(transfers, Some(faulty)).into_iter();
        gaps.map(|(chain, gap)| {
            format!("{chain} {} {} {}", gap.kind, gap.extent, gap.cause.as_str())
        })
        .collect()
    }

    #[test]
    fn a_row_that_cannot_be_placed_is_a_gap_wherever_its_batch_reaches() {
        let batch =
            [message("eip155:1", 10, ""), message("eip155:l", 11, ""), message("eip155:1", 14, "")];
        let found = shown(&batch, 1);
        assert!(
            found.contains(&"eip155:1 native heights 10 to 14 UNREADABLE".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn a_row_of_an_unreadable_asset_is_a_gap_of_every_kind() {
        let found = shown(&[message("eip155:1", 10, "ntive")], 0);
        let want = ["native", "tokens", "internal"]
            .map(|kind| format!("eip155:1 {kind} height 10 UNREADABLE"));
        assert_eq!(found, want);
    }
}
