//! `ListCluster`: checks the request, and translates the engine's cluster.

use std::sync::Arc;

use tonic::Status;

use super::blocking::with_engine_in_turn;
use super::concurrency::ConcurrencyLimits;
use super::convert::{self, hex, transfer};
use super::status::{Refusal, invalid_field, wished_chain};
use super::transfers::check_address;
use super::{page, v1};
use crate::domain::address::Reading;
use crate::domain::packed_key::{PACKED_KEY, PackedKey};
use crate::domain::transfer::Amount;
use crate::engine::{Engine, MemberJoin, MemberRow, MembersPage, MembersQuery};
use crate::exposure::{Source, Volume};
use crate::screening::snapshot::Snapshot;

/// Answers a request; the look at the cluster runs on the blocking pool.
pub async fn list(
    engine: &Arc<Engine>,
    load: &ConcurrencyLimits,
    request: v1::ListClusterRequest,
) -> Result<v1::ListClusterResponse, Status> {
    let (query, of) = query(request)?;
    let answer = move |engine: &Arc<Engine>| Ok(response(&engine.cluster(&query)?, &query, of));
    with_engine_in_turn(&load.searches, engine, answer).await
}

/// The query, and the key that its page tokens are bound to.
fn query(request: v1::ListClusterRequest) -> Result<(MembersQuery, Option<PackedKey>), Refusal> {
    let address = check_address(&request.address, wished_chain("chain", &request.chain));
    let chain = address?;
    let limit = page::heavy_limit(request.page_size);
    let address = Reading::from_query(&request.address, chain.as_ref()).first;
    let of = address.and_then(|address| address.key_ids().first().map(PackedKey::from));
    let after = place(&request.page_token, of.as_ref())?;
    Ok((MembersQuery { address: request.address, chain, after, limit }, of))
}

fn response(
    page: &MembersPage,
    query: &MembersQuery,
    of: Option<PackedKey>,
) -> v1::ListClusterResponse {
    let cluster = &page.cluster;
    let snapshot = page.snapshot.as_deref();
    let address = Reading::from_query(&query.address, query.chain.as_ref()).first;
    let listed = cluster.first_listed.iter();
    let volumes = cluster.volumes.iter().zip(&page.assets);
    let members = page.rows.iter().zip(&cluster.members);
    let next = cluster.next.zip(of);
    v1::ListClusterResponse {
        address: address.as_ref().map(convert::understood),
        snapshot_id: snapshot.map_or_else(String::new, |snapshot| snapshot.id().to_owned()),
        keys: cluster.keys,
        cluster_limit: page.cluster_limit,
        beyond_limit: cluster.is_cut,
        transactions: cluster.transactions,
        listed: cluster.listed,
        listed_members: listed
            .map(|(_, sources)| v1::ListedClusterMember { listings: listings(snapshot, sources) })
            .collect(),
        volumes: volumes
            .map(|((chain, moved), asset)| {
                let chain = chain.caip2().into_owned();
                v1::ClusterVolume { chain, ..volume(moved, asset.as_ref()) }
            })
            .collect(),
        members: members
            .map(|(row, known)| member(row, listings(snapshot, &known.sources)))
            .collect(),
        next_page_token: next.map(|(last, of)| token(&of, &last)).unwrap_or_default(),
        chains_without_common_input: page
            .no_common_input
            .iter()
            .map(|chain| chain.caip2().into_owned())
            .collect(),
    }
}

fn listings(snapshot: Option<&Snapshot>, sources: &[Source]) -> Vec<v1::Listing> {
    sources.iter().map(|source| convert::source_listing(snapshot, source)).collect()
}

/// Without its chain.
fn volume(volume: &Volume, asset: Option<&(String, u8)>) -> v1::ClusterVolume {
    let amount = |amount: Option<Amount>| amount.map_or_else(String::new, |it| it.to_string());
    v1::ClusterVolume {
        chain: String::new(),
        asset: volume.asset.to_string(),
        symbol: asset.map(|(symbol, _)| symbol.clone()).unwrap_or_default(),
        decimals: asset.map(|(_, decimals)| u32::from(*decimals)),
        received: amount(volume.received),
        sent: amount(volume.sent),
    }
}

fn member(row: &MemberRow, listings: Vec<v1::Listing>) -> v1::ClusterMember {
    let address = row.address.to_string();
    let join = |join: &MemberJoin| v1::CommonInputJoin {
        address: address.clone(),
        other_address: join.other.to_string(),
        chain: join.chain.caip2().into_owned(),
        tx: transfer::tx(join.tx.as_ref(), &join.chain),
        position: join.position.map(transfer::position),
        time: Some(transfer::time(join.time)),
    };
    let joined_by = row.joined_by.as_ref().map(join);
    v1::ClusterMember { address, joined_by, listings, queried: row.is_asked }
}

/// A token for the page after the member `last` of the cluster of `of`.
fn token(of: &PackedKey, last: &PackedKey) -> String {
    hex(&[of.0, last.0].concat())
}

/// The last member of the page before; `None` for the first page.
fn place(token: &str, of: Option<&PackedKey>) -> Result<Option<PackedKey>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let known = page::bytes(token, 2 * PACKED_KEY).and_then(|bytes| {
        let (of, rest) = bytes.split_first_chunk::<PACKED_KEY>()?;
        Some((PackedKey(*of), PackedKey(rest.try_into().ok()?)))
    });
    // What it would not be written as itself is no token.
    match known.filter(|(of, last)| self::token(of, last) == token) {
        Some((other, _)) if Some(&other) != of => {
            Err(invalid_field("page_token", "a token for another address"))
        }
        Some((_, last)) => Ok(Some(last)),
        None => Err(invalid_field("page_token", "not a token of this method")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: PackedKey = PackedKey([1; PACKED_KEY]);

    #[test]
    fn tokens_come_back_for_their_address() {
        for last in [[0; PACKED_KEY], [7; PACKED_KEY], [u8::MAX; PACKED_KEY]].map(PackedKey) {
            assert_eq!(place(&token(&OF, &last), Some(&OF)), Ok(Some(last)));
            for other in [None, Some(&last)] {
                let refused = invalid_field("page_token", "a token for another address");
                assert_eq!(place(&token(&OF, &last), other), Err(refused));
            }
        }
        assert_eq!(place("", Some(&OF)), Ok(None));
        assert_eq!(place("", None), Ok(None));
    }

    #[test]
    fn other_strings_are_refused() {
        let good = token(&OF, &PackedKey([0xab; PACKED_KEY]));
        let bad = [
            "0",
            "zz",
            "é2",
            &good[..PACKED_KEY * 2],
            &good.to_uppercase(),
            &format!("{good}ff"),
            &"0".repeat(2_000),
        ];
        for text in bad {
            let refused = invalid_field("page_token", "not a token of this method");
            assert_eq!(place(text, Some(&OF)), Err(refused), "{text:?}");
        }
    }
}
