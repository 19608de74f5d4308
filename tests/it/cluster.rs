//! Clusters by common inputs, by gRPC and by the command line: who is joined with an address and why,
//! page by page, what is refused and to whom, and what the configuration takes off.

use lazaretto::grpc::client::{CallError, Client, Credentials, Token, answer};
use lazaretto::grpc::v1;
use ripemd::Ripemd160;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::place::{NEAR, Place};
use crate::support::program::{Running, TODAY, check};

/// The first byte of P2PKH addresses.
pub(super) const BITCOIN: u8 = 0;
const LITECOIN: u8 = 48;
/// Their CAIP-2 ids.
const ON_BITCOIN: &str = "bip122:000000000019d6689c085ae165831e93";
const ON_LITECOIN: &str = "bip122:12a765e31ffd4059bada1e25190f6e98";
pub(super) const COIN: u64 = 100_000_000;

/// Keys of made-up people. The first five come to be joined.
const ANN: u8 = 1;
const BOB: u8 = 2;
const CAT: u8 = 3;
const EVE: u8 = 4;
const LISTED: u8 = 5;
const ALONE: u8 = 6;
const MIXER: u8 = 7;
const SHOP: u8 = 30;

/// The P2PKH address of a key on a chain (base58check: version, hash, checksum).
fn address(version: u8, key: u8) -> String {
    base58(version, [key; 20])
}

/// The P2SH-P2WPKH address of a key on Bitcoin (BIP-141).
pub(super) fn nested(key: u8) -> String {
    base58(5, script_hash(key))
}

fn script_hash(key: u8) -> [u8; 20] {
    let script = [&[0, 20][..], &[key; 20]].concat();
    Ripemd160::digest(Sha256::digest(script)).into()
}

fn base58(version: u8, hash: [u8; 20]) -> String {
    let mut bytes = vec![version];
    bytes.extend(hash);
    let checksum = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend(&checksum[..4]);
    bs58::encode(bytes).into_string()
}

pub(super) fn bitcoin(key: u8) -> String {
    address(BITCOIN, key)
}

/// A row of bitcoin-etl: who puts how much in, and who gets how much.
pub(super) fn row(version: u8, height: u64, inputs: &[(u8, u64)], outputs: &[(u8, u64)]) -> String {
    let named = |legs: &[(u8, u64)]| -> Vec<(String, u64)> {
        legs.iter().map(|&(key, value)| (address(version, key), value)).collect()
    };
    row_of(height, &named(inputs), &named(outputs))
}

/// The same of addresses.
pub(super) fn row_of(height: u64, inputs: &[(String, u64)], outputs: &[(String, u64)]) -> String {
    let legs = |legs: &[(String, u64)]| -> Vec<Value> {
        let leg = |(address, value): &(String, u64)| json!({"addresses": [address], "value": value, "type": "pubkeyhash"});
        legs.iter().map(leg).collect()
    };
    let (inputs, outputs) = (legs(inputs), legs(outputs));
    let row = json!({
        "hash": format!("{height:064x}"), "block_number": height, "index": 0,
        "block_timestamp": 1_767_000_000 + height * 60, "is_coinbase": false,
        "inputs": inputs, "outputs": outputs,
    });
    format!("{row}\n")
}

/// Ann, Bob, Cat and the listed one by transactions of Bitcoin, Eve by one of Litecoin; a CoinJoin of
/// Ann with two others; and one who always spends alone.
fn place() -> Place {
    let place = Place::new();
    let list = format!(
        "address,ticker,party_uid,party_name,listed_on\n{},XBT,u9,Evil Thief,2026-01-01\n",
        bitcoin(LISTED)
    );
    let list = place.file("thieves.csv", &list);
    let import = ["lists", "import", &list, "--list", "thieves", "--kind", "SANCTIONS"];
    let imported = place.says(&[&import[..], &["--published", TODAY]].concat());
    assert_eq!(imported.status, 0, "{}", imported.err);
    let rows = [
        row(BITCOIN, 100, &[(ANN, COIN), (BOB, COIN)], &[(SHOP, 2 * COIN)]),
        row(BITCOIN, 101, &[(BOB, COIN), (CAT, COIN)], &[(SHOP, 2 * COIN)]),
        row(BITCOIN, 102, &[(CAT, COIN), (LISTED, COIN)], &[(SHOP, 2 * COIN)]),
        row(
            BITCOIN,
            103,
            &[(ANN, COIN), (MIXER, COIN), (MIXER + 1, COIN)],
            &[(40, COIN), (41, COIN), (42, COIN)],
        ),
        row(BITCOIN, 104, &[(ALONE, 5 * COIN)], &[(ANN, 5 * COIN)]),
        row(BITCOIN, 105, &[(ANN, 3 * COIN)], &[(BOB, 3 * COIN)]),
    ];
    let file = place.file("bitcoin.jsonl", &rows.concat());
    place.json(&["transfers", "import", &file]);
    let row = row(LITECOIN, 110, &[(EVE, COIN), (CAT, COIN)], &[(SHOP, 2 * COIN)]);
    let file = place.file("litecoin.jsonl", &row);
    place.json(&["transfers", "import", &file, "--chain", "litecoin"]);
    place
}

fn cluster(place: &Place, address: &str, more: &[&str]) -> Value {
    place.json(&[&["cluster", address], more].concat())
}

/// Of each member the address, the height of the transaction that joins it, and the other address in it.
fn joins(cluster: &v1::ListClusterResponse) -> Vec<(String, u64, String)> {
    let join = |member: &v1::ClusterMember| {
        let join = member.joined_by.clone().unwrap();
        let height = join.position.as_ref().unwrap().height;
        assert_eq!(join.tx, format!("{height:064x}"));
        assert_eq!(join.time.unwrap().seconds, 1_767_000_000 + height as i64 * 60);
        assert_eq!(join.address, member.address);
        (join.address, height, join.other_address)
    };
    cluster.members.iter().map(join).collect()
}

/// The cluster of the first five, in the order of their nested keys.
fn whole() -> Vec<(String, u64, String)> {
    let litecoin = |key| address(LITECOIN, key);
    let mut all = [
        (ANN, (bitcoin(ANN), 100, bitcoin(BOB))),
        (BOB, (bitcoin(BOB), 100, bitcoin(ANN))),
        (CAT, (bitcoin(CAT), 101, bitcoin(BOB))),
        (EVE, (litecoin(EVE), 110, litecoin(CAT))),
        (LISTED, (bitcoin(LISTED), 102, bitcoin(CAT))),
    ];
    all.sort_by_key(|(key, _)| script_hash(*key));
    all.map(|(_, joined)| joined).into()
}

fn texts(values: &Value, of: &str) -> Vec<String> {
    let values = values.as_array().map_or(&[][..], Vec::as_slice);
    values.iter().map(|value| value[of].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_officer_reads_who_is_joined_and_why() {
    let place = place();
    let [ann, bob, cat, listed] = [ANN, BOB, CAT, LISTED].map(bitcoin);
    let eve = address(LITECOIN, EVE);
    let tx = |height: u64| format!("{height:064x}");
    check(
        &place.says(&["cluster", &ann]),
        0,
        &[
            &format!("{ann}: joined with 4 other keys by common input, an estimate"),
            "keys 5, the limit is 10,000",
            "transactions 4 join them",
            "listed 1 of the keys",
            "what one sent to another counts on both sides",
            &format!("{ON_BITCOIN} 8 BTC 10 BTC"),
            &format!("{ON_LITECOIN} 0 LTC 2 LTC"),
            &format!("listed members {listed} LISTED Evil Thief (SANCTIONS, thieves"),
            &format!("{ann}, the address asked about beside {bob} in {}", tx(100)),
            &format!("{cat} beside {bob} in {} ({ON_BITCOIN} block 101 index 0), 2025", tx(101)),
            &format!("{eve} beside {} in {}", address(LITECOIN, CAT), tx(110)),
            "PayJoin (BIP 78), a trade by PSBT (BIP 174), and a custodian",
        ],
    );
    // The same key on another chain is the same cluster, and so is every member's.
    let all: Vec<String> = whole().into_iter().map(|(address, ..)| address).collect();
    let same = |asked: &str, more: &[&str]| {
        let found = cluster(&place, asked, more);
        assert_eq!((&found["keys"], &found["listed"]), (&"5".into(), &"1".into()), "{found}");
        assert_eq!(texts(&found["members"], "address"), all, "{asked}");
    };
    same(&address(LITECOIN, ANN), &["--chain", "litecoin"]);
    same(&listed, &[]);
    same(&eve, &["--chain", "litecoin", "--limit", "5"]);
    let two = cluster(&place, &ann, &["--limit", "2"]);
    assert_eq!(texts(&two["members"], "address"), all[..2]);
    check(&place.says(&["cluster", &ann, "--limit", "2"]), 0, &["and more: --limit"]);
}

#[test]
fn who_is_joined_with_nobody_is_told_so() {
    let place = place();
    let alone = bitcoin(ALONE);
    check(
        &place.says(&["cluster", &alone]),
        0,
        &[&format!("{alone}: joined with no other key by common input"), "0 BTC 5 BTC"],
    );
    // Inputs of a CoinJoin, and who was only ever paid.
    for key in [MIXER, MIXER + 1, SHOP] {
        assert_eq!(cluster(&place, &bitcoin(key), &[])["keys"], "1", "{key}");
    }
    // Nobody has seen it; nor any account that has no inputs.
    for address in [&bitcoin(99), NEAR] {
        let found = cluster(&place, address, &[]);
        assert_eq!((found.get("keys"), found.get("members")), (None, None), "{found}");
        let words = "no transfer names it: nothing is joined with it by common input";
        check(&place.says(&["cluster", address]), 0, &[words]);
    }
    check(&place.says(&["cluster", "nonsense!"]), 1, &["the address: no known address form fits"]);
    check(&place.says(&["cluster", &alone, "--chain", "x"]), 1, &["names no chain"]);
    check(&place.says(&["cluster", &alone, "--limit", "0"]), 1, &["--limit"]);
}

#[test]
fn the_configuration_takes_joins_off() {
    let place = place();
    let off = ["--set", "chains.bitcoin.common_input=false"];
    let ann = cluster(&place, &bitcoin(ANN), &off);
    assert_eq!((&ann["keys"], ann.get("beyond_limit")), (&"1".into(), None), "{ann}");
    assert_eq!(ann["chains_without_common_input"], json!([ON_BITCOIN]));
    // Litecoin joins still; and no chain is required by that.
    let cat = cluster(&place, &bitcoin(CAT), &off);
    assert_eq!((&cat["keys"], &cat["transactions"]), (&"2".into(), &"1".into()), "{cat}");
    let words = format!("not joined by transactions of {ON_BITCOIN}");
    check(&place.says(&[&["cluster", &bitcoin(CAT)], &off[..]].concat()), 0, &[&words]);
    let heads = place.json(&[&["transfers", "heads"], &off[..]].concat());
    for head in heads["heads"].as_array().unwrap() {
        assert_eq!(head.get("required"), None, "{head}");
    }

    let limit = |limit: &str| {
        let set = format!("exposure.cluster_limit={limit}");
        let found = cluster(&place, &bitcoin(ANN), &["--set", &set]);
        assert_eq!(found["cluster_limit"].to_string(), limit);
        (found["keys"].clone(), found["beyond_limit"] == true)
    };
    assert_eq!(limit("5"), ("5".into(), false));
    assert_eq!(limit("4"), ("5".into(), true));
    let beyond = ["cluster", &bitcoin(ANN), "--set", "exposure.cluster_limit=4"];
    check(&place.says(&beyond), 0, &["BEYOND the limit of 4: as a whole they are not taken for"]);
}

/// Where the server listens.
fn listening(server: &mut Running) -> String {
    let line = server.wait_for("listening url=");
    line.split("url=").nth(1).unwrap().trim().to_owned()
}

fn request(address: &str, page_size: u32, page_token: &str) -> v1::ListClusterRequest {
    v1::ListClusterRequest {
        address: address.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
        ..Default::default()
    }
}

async fn ask(
    client: &mut Client,
    request: v1::ListClusterRequest,
) -> Result<v1::ListClusterResponse, CallError> {
    loop {
        match answer(client.screening.list_cluster(request.clone()).await) {
            // After a start, for as long as they are being read in.
            Err(error) if error.reason == "TRANSFERS_LOADING" => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bound = std::time::Duration::from_secs(120);
        tokio::time::timeout(bound, test).await.expect("it ends in time");
    });
}

#[test]
fn pages_fit_together_and_tokens_are_for_their_address() {
    let place = place();
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    let url = listening(&mut server);
    run(async {
        let mut client = Client::connect(&url).await.unwrap();
        let ann = bitcoin(ANN);
        let all = ask(&mut client, request(&ann, 0, "")).await.unwrap();
        assert_eq!((all.keys, all.transactions, all.listed), (5, Some(4), 1));
        assert_eq!((all.cluster_limit, all.beyond_limit), (10_000, false));
        assert_eq!((joins(&all), all.next_page_token.as_str()), (whole(), ""));
        assert!(!all.snapshot_id.is_empty());
        assert_eq!(all.address.as_ref().unwrap().canonical, ann);
        let asked = all.members.iter().filter(|member| member.queried);
        assert_eq!(asked.map(|member| &member.address).collect::<Vec<_>>(), [&ann]);
        let listings = |member: &v1::ClusterMember| member.listings.clone();
        let own: Vec<_> = all.members.iter().flat_map(listings).collect();
        let from_list_cell = all.listed_members.iter().flat_map(|member| member.listings.clone());
        assert_eq!(own, from_list_cell.collect::<Vec<_>>());
        let [listing] = &own[..] else { panic!("{own:?}") };
        let party = listing.party.as_ref().unwrap();
        assert_eq!((listing.list_id.as_str(), party.name.as_str()), ("thieves", "Evil Thief"));
        assert_eq!(listing.address, bitcoin(LISTED));
        let moved = all.volumes.iter().map(|of| {
            (of.chain.as_str(), of.symbol.as_str(), of.decimals, [&of.received[..], &of.sent])
        });
        let want = [
            (ON_BITCOIN, "BTC", Some(8), ["800000000", "1000000000"]),
            (ON_LITECOIN, "LTC", Some(8), ["0", "200000000"]),
        ];
        assert_eq!(moved.collect::<Vec<_>>(), want);

        let mut token = String::new();
        let mut found = Vec::new();
        for left in [5, 3, 1] {
            let page = ask(&mut client, request(&ann, 2, &token)).await.unwrap();
            assert_eq!(page.members.len(), left.min(2));
            assert_eq!((page.keys, &page.listed_members), (5, &all.listed_members));
            assert_eq!(page.next_page_token.is_empty(), left == 1);
            token = page.next_page_token.clone();
            found.extend(joins(&page));
        }
        assert_eq!(found, whole());
        refused(&mut client, &ann).await;
    });
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}

/// What is no question, and no token of it.
async fn refused(client: &mut Client, ann: &str) {
    let good = ask(client, request(ann, 2, "")).await.unwrap().next_page_token;
    // The key has other addresses; the cluster other keys.
    let litecoin = request(&address(LITECOIN, ANN), 9, &good);
    assert_eq!(ask(client, litecoin).await.unwrap().members.len(), 3);
    let chain =
        |chain: &str| v1::ListClusterRequest { chain: chain.to_owned(), ..request(ann, 0, "") };
    // A form is read by itself, whatever chain is named.
    assert_eq!(ask(client, chain("ethereum")).await.unwrap().members.len(), 5);
    let longer = format!("{good}ff");
    for (request, reason, field, words) in [
        (request(&bitcoin(BOB), 2, &good), "INVALID_FIELD", "page_token", "for another address"),
        (request(ann, 2, "x"), "INVALID_FIELD", "page_token", "not a token"),
        (request(ann, 2, &longer), "INVALID_FIELD", "page_token", "not a token"),
        (request(ann, 2, &good[2..]), "INVALID_FIELD", "page_token", "not a token"),
        (request("", 0, ""), "INVALID_ADDRESS", "address", "empty"),
        (request("nonsense!", 0, ""), "INVALID_ADDRESS", "address", "form"),
        (chain("x"), "INVALID_CHAIN", "chain", "names no chain"),
    ] {
        let error = ask(client, request.clone()).await.unwrap_err();
        let fields: Vec<_> = error.fields.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!((error.reason.as_str(), &fields[..]), (reason, &[field][..]), "{request:?}");
        assert!(error.fields[0].1.contains(words), "{words:?} is not in {error:?}");
    }
}

#[test]
fn it_takes_the_permission_to_read() {
    let place = place();
    let [reads, screens] = ["0123456789-token-that-reads", "0123456789-token-that-screens"];
    let hash = |token: &str| {
        let hex =
            Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("sha256:{hex}")
    };
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("LAZARETTO_IDENTITIES__READS__ROLES", "screen");
    command.env("LAZARETTO_IDENTITIES__READS__TOKENS", hash(reads));
    command.env("LAZARETTO_IDENTITIES__SCREENS__PERMISSIONS", "screen");
    command.env("LAZARETTO_IDENTITIES__SCREENS__TOKENS", hash(screens));
    let mut server = Running::start(command);
    let url = listening(&mut server);
    run(async {
        let ask = async |token: Option<&str>| {
            let token = token.map(|token| Token::new(token).unwrap());
            let credentials = Credentials { token, ..Credentials::default() };
            let mut client = Client::connect_as(&url, &credentials).await.unwrap();
            ask(&mut client, request(&bitcoin(ANN), 0, "")).await
        };
        assert_eq!(ask(Some(reads)).await.unwrap().keys, 5);
        let denied = ask(Some(screens)).await.unwrap_err();
        assert_eq!(denied.reason, "PERMISSION_DENIED");
        let words = "ListCluster takes the permission read: screens may not";
        assert!(denied.message.contains(words), "{denied:?}");
        assert_eq!(ask(None).await.unwrap_err().reason, "UNAUTHENTICATED");
    });
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}
