//! Goldens of clusters: within the limit and beyond it, of one key, of none and of very many.

use super::*;
use crate::cli::render::cluster::text as shown;

const BITCOIN: &str = "bip122:000000000019d6689c085ae165831e93";
const LITECOIN: &str = "bip122:12a765e31ffd4059bada1e25190f6e98";
const ASKED: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
const OTHER: &str = "138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ";
const BAD: &str = "1HxbaBMF2jXBVnagoHvaA6rLxmaYL8gb8T";

fn bad() -> v1::Listing {
    v1::Listing {
        list_id: text("sanctions"),
        list_kind: v1::ListKind::Sanctions.into(),
        list_version: 3,
        party: Some(v1::Party { name: text("Evil Party"), ..Default::default() }),
        address: text(BAD),
        canonical_address: text(BAD),
        listed_on: text("2026-01-01"),
        ..Default::default()
    }
}

fn join(tx: &str, chain: &str, other: &str) -> Option<v1::CommonInputJoin> {
    Some(v1::CommonInputJoin {
        tx: tx.repeat(32),
        chain: text(chain),
        position: Some(v1::ChainPosition { height: 800_000, tx_index: 7, index: 0 }),
        time: at(1_690_168_629),
        other_address: text(other),
        ..Default::default()
    })
}

fn volume(chain: &str, symbol: &str, received: &str, sent: &str) -> v1::ClusterVolume {
    v1::ClusterVolume {
        chain: text(chain),
        asset: text("native"),
        symbol: text(symbol),
        decimals: Some(8),
        received: text(received),
        sent: text(sent),
    }
}

fn member(address: &str, joined_by: Option<v1::CommonInputJoin>) -> v1::ClusterMember {
    v1::ClusterMember { address: text(address), joined_by, ..Default::default() }
}

fn of(address: &str, keys: u64) -> v1::ListClusterResponse {
    let canonical = text(address);
    let address = Some(v1::UnderstoodAddress { canonical, ..Default::default() });
    let snapshot_id = text("s-1c2f");
    v1::ListClusterResponse {
        address,
        snapshot_id,
        keys,
        cluster_limit: 10_000,
        ..Default::default()
    }
}

#[test]
fn cluster() {
    let listed =
        v1::ClusterMember { listings: vec![bad()], ..member(BAD, join("5e", BITCOIN, ASKED)) };
    let asked = v1::ClusterMember { queried: true, ..member(ASKED, join("5e", BITCOIN, BAD)) };
    let litecoin = "LcHKx4nBuwZC9ViFhXmgdvEWAWqhZTpKYR";
    let within = v1::ListClusterResponse {
        transactions: Some(2),
        listed: 1,
        listed_members: vec![v1::ListedClusterMember { listings: vec![bad()] }],
        volumes: vec![
            volume(BITCOIN, "BTC", "123456789", "0"),
            volume(LITECOIN, "LTC", "250000000", ""),
        ],
        members: vec![listed.clone(), asked, member(litecoin, join("a7", LITECOIN, litecoin))],
        ..of(ASKED, 3)
    };
    let unplaced = v1::CommonInputJoin {
        tx: String::new(),
        position: None,
        ..join("", BITCOIN, OTHER).unwrap()
    };
    let beyond = v1::ListClusterResponse {
        beyond_limit: true,
        listed: 1_234,
        listed_members: within.listed_members.clone(),
        members: vec![
            member(OTHER, Some(unplaced)),
            member("pkh:00112233445566778899aabbccddeeff00112233", None),
            listed,
        ],
        next_page_token: text("7"),
        chains_without_common_input: vec![text(LITECOIN)],
        ..of(OTHER, 12_345)
    };
    let alone = v1::ListClusterResponse {
        listed: 1,
        listed_members: within.listed_members.clone(),
        members: vec![v1::ClusterMember { queried: true, ..member(BAD, None) }],
        volumes: vec![volume(BITCOIN, "BTC", "0", "5000000000")],
        ..of(BAD, 1)
    };
    let pair = v1::ListClusterResponse {
        transactions: Some(1),
        members: vec![member(ASKED, join("5e", BITCOIN, OTHER))],
        next_page_token: text("7"),
        ..of(ASKED, 2)
    };
    let huge = v1::ListClusterResponse { beyond_limit: true, ..of(ASKED, 1_234_567) };
    let unseen = v1::ListClusterResponse {
        chains_without_common_input: vec![text(LITECOIN)],
        ..of(ETHER, 0)
    };
    let all = [within, beyond, alone, unseen, pair, huge];
    let shown: Vec<_> = all.iter().map(|response| shown(response, Style::PLAIN)).collect();
    check("cluster.txt", &shown.join("\n"));
}
