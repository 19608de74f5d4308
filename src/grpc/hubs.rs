//! `ListHubs`: checks the request, and translates the engine's hubs.

use std::sync::Arc;

use tonic::Status;

use super::blocking::with_engine_in_turn;
use super::concurrency::ConcurrencyLimits;
use super::convert::{self, transfer};
use super::page::{self, Page};
use super::status::{Refusal, both};
use super::transfers::optional_chain;
use super::v1;
use crate::domain::chain::Chain;
use crate::domain::packed_key::{PACKED_KEY, PackedKey};
use crate::domain::transfer::Amount;
use crate::engine::{Engine, HubRow, HubsPage, HubsQuery};
use crate::exposure::{HubPlace, Label, Source, Volume};
use crate::screening::snapshot::Snapshot;

/// Answers a request; the counting runs on the blocking pool.
pub async fn list(
    engine: &Arc<Engine>,
    load: &ConcurrencyLimits,
    mut request: v1::ListHubsRequest,
) -> Result<v1::ListHubsResponse, Status> {
    let asked = Page::take(&mut request);
    let query = query(&request, &asked)?;
    let answer = move |engine: &Arc<Engine>| Ok(response(&engine.hubs(&query)?, &asked));
    with_engine_in_turn(&load.searches, engine, answer).await
}

fn query(request: &v1::ListHubsRequest, asked: &Page) -> Result<HubsQuery, Refusal> {
    let limit = page::heavy_limit(asked.size);
    let (chain, after) = both(optional_chain(&request.chain), asked.position(place))?;
    Ok(HubsQuery { chain, exposed: request.exposed_only, after, limit })
}

fn response(page: &HubsPage, asked: &Page) -> v1::ListHubsResponse {
    let next = page.next.as_ref().map(|next| asked.token(&position(next)));
    let snapshot = page.snapshot.as_deref();
    v1::ListHubsResponse {
        hubs: page.rows.iter().map(|row| hub(snapshot, row)).collect(),
        next_page_token: next.unwrap_or_default(),
        hub_limit: page.hub_limit,
        snapshot_id: snapshot.map_or_else(String::new, |snapshot| snapshot.id().to_owned()),
    }
}

fn hub(snapshot: Option<&Snapshot>, row: &HubRow) -> v1::UntaggedHub {
    let hub = &row.hub;
    let volumes = hub.volumes.iter().zip(&row.assets);
    let joined = |of, with| convert::common_input::of_hub(snapshot, of, with);
    v1::UntaggedHub {
        address: row.address.to_string(),
        chain: hub.place.chain.caip2().into_owned(),
        since: Some(transfer::time(hub.place.since)),
        first_time: hub.first_time.map(transfer::time),
        counterparties: hub.counterparties,
        cut_short: hub.cut_short,
        volumes: volumes.map(|(moved, asset)| volume(moved, asset.as_ref())).collect(),
        listed: hub.is_listed,
        common_inputs: hub.common_inputs.iter().map(|(of, with)| joined(of, with)).collect(),
        exposures: hub.exposure.iter().map(|(label, of)| exposure(snapshot, label, of)).collect(),
    }
}

fn volume(volume: &Volume, asset: Option<&(String, u8)>) -> v1::HubVolume {
    let amount = |amount: Option<Amount>| amount.map_or_else(String::new, |it| it.to_string());
    v1::HubVolume {
        asset: volume.asset.to_string(),
        symbol: asset.map(|(symbol, _)| symbol.clone()).unwrap_or_default(),
        decimals: asset.map(|(_, decimals)| u32::from(*decimals)),
        received: amount(volume.received),
        sent: amount(volume.sent),
    }
}

fn exposure(snapshot: Option<&Snapshot>, label: &Label, source: &Source) -> v1::HubOwnExposure {
    v1::HubOwnExposure {
        direction: v1::ExposureDirection::from(label.direction).into(),
        hops: label.hops.into(),
        listing: Some(convert::source_listing(snapshot, source)),
        timing: v1::DesignationTiming::from(label.timing).into(),
        through_hub: label.hub,
        common_input: label.common_input,
    }
}

/// The position after the hub at `place`.
fn position(place: &HubPlace) -> Vec<u8> {
    let HubPlace { since, key, chain } = place;
    [&since.to_be_bytes()[..], &key.0, chain.caip2().as_bytes()].concat()
}

fn place(position: &[u8]) -> Option<HubPlace> {
    let (since, rest) = position.split_first_chunk::<8>()?;
    let (key, chain) = rest.split_first_chunk::<PACKED_KEY>()?;
    let chain: Chain = std::str::from_utf8(chain).ok()?.parse().ok()?;
    let place = HubPlace { since: u64::from_be_bytes(*since), key: PackedKey(*key), chain };
    // A name that the chain would not be written by is none.
    Some(place).filter(|place| self::position(place) == position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back() {
        for chain in [Chain::Evm(1), Chain::Bitcoin, Chain::Tron, Chain::Cosmos("x-1".into())] {
            for since in [0, 1_767_000_000, u64::MAX] {
                let at = HubPlace { since, key: PackedKey([7; PACKED_KEY]), chain: chain.clone() };
                assert_eq!(place(&position(&at)), Some(at));
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let at = HubPlace { since: 1, key: PackedKey([7; PACKED_KEY]), chain: Chain::Evm(1) };
        let good = position(&at);
        let head = &good[..8 + PACKED_KEY];
        let bad = [&good[..8], head, &[&good[..], &[0xff]].concat(), &[head, b"ethereum"].concat()];
        for bytes in bad {
            assert_eq!(place(bytes), None, "{bytes:?}");
        }
    }
}
