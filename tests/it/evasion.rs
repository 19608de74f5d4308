//! What is done to get stolen funds out of sight, at the size it takes with the default settings, as
//! docs/limits-of-tracing.md tells it.

use jiff::Timestamp;
use lazaretto::domain::asset::AssetTable;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::transfer::{
    Amount, Asset, Holder, Leg, Movement, Placement, Position, Transfer, TxStatus, UtxoMovement,
};
use lazaretto::engine::Import;
use lazaretto::exposure::Direction;
use lazaretto::screening::payment::{Effect, Payment};
use lazaretto::screening::policy::Decision;
use lazaretto::screening::{Scope, ScopeFilter};

use crate::support::desk::{Desk, at, list_id, unplaced, wallet};

const NOW: &str = "2025-11-25T12:00:00Z";
const USDT: &str = "0xdac17f958d2ee523a2206206994597c13d831ec7";
const THIEF: u8 = 1;
const FIRST: u8 = 2;
const HUB: u8 = 3;
const BEHIND: u8 = 4;
const FARTHER: u8 = 5;
/// More own wallets than a key may deal with before it is a hub.
const OWN_WALLETS: u64 = 10_200;
/// 0.0003 ETH, the dust floor.
const SPECK: u128 = 300_000_000_000_000;
const ETHER: u128 = 1_000_000_000_000_000_000;
/// Keys on Bitcoin and Bitcoin Cash: the thief, the hub, who stands behind it.
const BITCOINS: [&str; 3] = [
    "138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ",
    "1HxbaBMF2jXBVnagoHvaA6rLxmaYL8gb8T",
    "1FDCgJ8m2xDyVmYuankk13XReVC2Zvs5cz",
];

fn start() -> Timestamp {
    at("2025-11-20T00:00:00Z")
}

fn placed(height: u64, transfer: Transfer) -> Transfer {
    let time = start() + jiff::SignedDuration::from_secs(10 * i64::try_from(height).unwrap());
    let placement = Position { height, tx_index: 0, index: 0 }.into();
    Transfer { placement, time: time.as_second() as u64, ..transfer }
}

fn pay(height: u64, from: &str, to: &str, amount: u128) -> Transfer {
    placed(height, unplaced(1, start(), from, to, amount))
}

/// An own wallet of whoever makes a hub.
fn own_wallet(number: u64) -> String {
    format!("0x00000000000000000000000001{number:014x}")
}

/// A speck to each own wallet and back, from a height on.
fn make_hub(from: u64) -> Vec<Transfer> {
    let round = |number: u64| {
        let (hub, own) = (wallet(HUB), own_wallet(number));
        let height = from + 2 * number;
        [pay(height, &hub, &own, SPECK), pay(height + 1, &own, &hub, SPECK)]
    };
    (0..OWN_WALLETS).flat_map(round).collect()
}

/// A desk with one listed address, which has the chain's coin.
fn desk(listed: &str, ticker: &str) -> Desk {
    let desk = Desk::new(NOW, &["lists.us-ofac-sdn.enabled=false"]);
    let csv = format!("address,ticker,party_uid\n{listed},{ticker},thief\n");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    std::fs::write(&path, csv).unwrap();
    let import = Import {
        id: list_id("sanctions"),
        kind: Some(ListKind::Sanctions),
        format: None,
        file_name: "list.csv".to_owned(),
        force: None,
        published: Some("2025-11-25".parse().unwrap()),
        refreshes_age: true,
        declaration: None,
        is_trial: false,
    };
    desk.engine().import(&import, &path).unwrap();
    desk
}

/// Decision, score, and of each exposure the hops and whether it is by a hub.
fn seen(desk: &Desk, address: &str) -> (Decision, u8, Vec<(u8, bool)>) {
    let look = desk.look(address, None);
    assert_eq!(look.incomplete, []);
    let near = look.exposed().iter().map(|near| (near.hops, near.hub)).collect();
    (look.decision, look.score, near)
}

#[test]
fn ten_thousand_own_wallets_do_not_clear_who_stands_behind() {
    let desk = desk(&wallet(THIEF), "ETH");
    let stolen = [
        pay(1, &wallet(THIEF), &wallet(FIRST), ETHER),
        pay(2, &wallet(FIRST), &wallet(HUB), ETHER),
        pay(3, &wallet(HUB), &wallet(BEHIND), ETHER),
    ];
    desk.store(stolen.to_vec(), &[]);
    let review = (Decision::Review, 40, vec![(3, false)]);
    assert_eq!(seen(&desk, &wallet(BEHIND)), review);
    desk.store(make_hub(10), &[]);
    assert_eq!(seen(&desk, &wallet(BEHIND)), review);
    // What it pays from now on ends there, and who is paid is told so.
    let late = 20_000 + 2 * OWN_WALLETS;
    desk.store(vec![pay(late, &wallet(HUB), &wallet(FARTHER), ETHER)], &[]);
    assert_eq!(seen(&desk, &wallet(FARTHER)), (Decision::Review, 20, vec![(3, true)]));
    assert_eq!(seen(&desk, &wallet(BEHIND)), review);
}

#[test]
fn a_hub_made_beforehand_shows_at_those_it_pays_alone() {
    let desk = desk(&wallet(THIEF), "ETH");
    desk.store(make_hub(10), &[]);
    let late = 20_000 + 2 * OWN_WALLETS;
    let stolen = [
        pay(late, &wallet(THIEF), &wallet(HUB), ETHER),
        pay(late + 1, &wallet(HUB), &wallet(BEHIND), ETHER),
        pay(late + 2, &wallet(BEHIND), &wallet(FARTHER), ETHER),
    ];
    desk.store(stolen.to_vec(), &[]);
    assert_eq!(seen(&desk, &wallet(BEHIND)), (Decision::Review, 25, vec![(2, true)]));
    assert_eq!(seen(&desk, &wallet(FARTHER)), (Decision::Allow, 0, vec![]));
}

/// A transaction with one input and as many outputs.
fn coins(chain: &Chain, height: u64, from: &str, to: &[String], each: u64) -> Transfer {
    let leg = |address: &str, amount| Leg {
        holders: vec![Holder::parse(address, chain).unwrap()],
        unattributable: false,
        amount: Some(amount),
    };
    let inputs = vec![leg(from, each * to.len() as u64)];
    let outputs = to.iter().map(|to| leg(to, each)).collect();
    let movement = UtxoMovement { coinbase: false, inputs, outputs };
    let transfer = Transfer {
        chain: chain.clone(),
        time: 0,
        placement: Placement::Unknown,
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Utxo(Box::new(movement)),
    };
    placed(height, transfer)
}

#[test]
fn a_hub_on_bitcoin_cash_cuts_nothing_on_bitcoin() {
    let [thief, hub, behind] = BITCOINS.map(str::to_owned);
    let desk = desk(&thief, "XBT");
    let cash = Chain::BitcoinCash;
    let specks = (0..OWN_WALLETS)
        .map(|number| coins(&cash, 1 + number, &hub, std::slice::from_ref(&hub), 300_000 + number));
    desk.store(specks.collect(), &[]);
    desk.engine().wait_for_exposure(true).unwrap();
    let hubs = desk.engine().hub_counts().unwrap();
    assert_eq!(hubs.get(&cash), Some(&1), "{hubs:?}");
    let stolen = [
        coins(&Chain::Bitcoin, 30_000, &thief, std::slice::from_ref(&hub), 100_000_000),
        coins(&Chain::Bitcoin, 30_001, &hub, std::slice::from_ref(&behind), 100_000_000),
    ];
    desk.store(stolen.to_vec(), &[]);
    assert_eq!(seen(&desk, &behind), (Decision::Review, 50, vec![(2, false)]));
}

#[test]
fn ten_thousand_payments_of_a_cent_less_than_a_dollar_are_a_dealing() {
    let desk = desk(&wallet(THIEF), "ETH");
    let usdt = AssetTable::asset(USDT, &Chain::Evm(1)).unwrap();
    let cent_less = |height: u64| {
        let mut transfer = pay(height, &wallet(THIEF), &wallet(BEHIND), 0);
        if let Movement::Account(movement) = &mut transfer.movement {
            movement.asset = usdt.clone();
            movement.amount = Amount::from(999_999_u32);
        }
        transfer
    };
    desk.store(vec![cent_less(1)], &[]);
    assert_eq!(seen(&desk, &wallet(BEHIND)), (Decision::Allow, 0, vec![]));
    desk.store((2..=10_000).map(cent_less).collect(), &[]);
    let (decision, score, near) = seen(&desk, &wallet(BEHIND));
    assert_eq!((decision, near), (Decision::Review, vec![(1, false)]));
    assert!(score >= 60, "{score}");
    let sent = desk.look(&wallet(BEHIND), None);
    let value = sent.only(Direction::ReceivedFrom).and_then(|(_, evidence)| evidence.as_ref());
    let rows = value.map(|evidence| evidence.direct_values.len());
    assert_eq!(rows, Some(1), "one asset");
}

/// A payment below the floor counts beforehand where it would once it was made.
#[test]
fn a_payment_that_reaches_the_floor_with_earlier_ones_is_foretold() {
    let desk = desk(&wallet(THIEF), "ETH");
    let most = SPECK - 10_000_000_000;
    desk.store(vec![pay(1, &wallet(THIEF), &wallet(BEHIND), most)], &[]);
    desk.engine().wait_for_exposure(true).unwrap();
    let effect = |from: u8, to: u8, amount: u128| {
        let payment = Payment {
            sources: vec![wallet(from)],
            destinations: vec![wallet(to)],
            chain: Chain::Evm(1),
            asset: Asset::Native,
            amount: Amount::from(amount),
            direction: Direction::ReceivedFrom,
        };
        let now = desk.engine().now();
        let payment_context = desk.engine().payment_context(now).unwrap();
        let scope = Scope::new(payment_context.snapshot(), &ScopeFilter::default(), now).unwrap();
        let prospective = payment_context.project(&scope, &payment);
        assert!(!prospective.incomplete);
        (prospective.effect, prospective.found.len())
    };
    assert_eq!(effect(THIEF, BEHIND, 1), (Effect::AddsUp, 1));
    assert_eq!(effect(THIEF, FARTHER, 1), (Effect::Dust, 0), "nothing before");
    assert_eq!(effect(BEHIND, THIEF, 1), (Effect::Dust, 0), "the other way");
    assert_eq!(effect(THIEF, BEHIND, 0), (Effect::Nothing, 0));
    desk.store(vec![pay(2, &wallet(THIEF), &wallet(BEHIND), 1)], &[]);
    assert_eq!(seen(&desk, &wallet(BEHIND)).2, [(1, false)]);
}
