//! The same of payments in assets without a known value: what is said of their direct dealings with
//! listed addresses before is what is said after.

use std::collections::BTreeMap;

use lazaretto::screening::unvalued::UnvaluedDealings;
use sha2::{Digest, Sha256};

use super::*;

/// A token that no table knows.
const TOKEN: [u8; 20] = [0x7e; 20];

/// A UTXO chain whose coin no table knows, with the key hashes of Bitcoin.
const COIN: Chain = Chain::BitcoinTestnet;

/// An address of Bitcoin as one of [`COIN`].
fn on_coin(address: &str) -> String {
    let mut bytes = bs58::decode(address).into_vec().unwrap();
    bytes.truncate(21);
    bytes[0] = 0x6f;
    let check = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend(&check[..4]);
    bs58::encode(bytes).into_string()
}

/// How many, and the listing that is named.
type Count = (u32, String, String);

fn count(of: &UnvaluedDealings<'_>) -> Count {
    let (row, _) = of.row();
    (of.dealt.transfers, of.list.id().to_string(), row.key.address.clone())
}

/// The same world, of which nothing has a value.
fn without_value(transfers: Vec<Transfer>) -> Vec<Transfer> {
    let unvalued = |mut transfer: Transfer| {
        match &mut transfer.movement {
            Movement::Account(movement) => movement.asset = Asset::Contract(TOKEN),
            Movement::Utxo(movement) => {
                transfer.chain = COIN;
                let legs = movement.inputs.iter_mut().chain(&mut movement.outputs);
                for holder in legs.flat_map(|leg| &mut leg.holders) {
                    *holder = Holder::parse(&on_coin(&holder.to_string()), &COIN).unwrap();
                }
            }
        }
        transfer
    };
    transfers.into_iter().map(unvalued).collect()
}

/// What is said of each address of the customer's side, by kind.
fn said(desk: &Desk, payment: &Payment, narrowing: &ScopeFilter) -> Vec<BTreeMap<ListKind, Count>> {
    let snapshot = desk.engine().snapshot().unwrap();
    let scope = Scope::new(&snapshot, narrowing, desk.engine().now()).unwrap();
    let of = |address: &String| {
        let deep = desk.engine().screen(&scope, address, Some(&payment.chain), false).unwrap();
        assert!(!deep.screening.unvalued_cut_short);
        let all = deep.screening.unvalued.iter();
        let own = all.filter(|of| of.dealt.direction == payment.direction);
        own.map(|of| (of.dealt.kind, count(of))).collect()
    };
    payment.own().iter().map(of).collect()
}

#[test]
fn what_is_foretold_of_assets_without_value_comes() {
    let (mut told, mut more, mut searched, mut transactions) = (0, 0, 0, 0);
    for seed in 1..41 {
        let mut dice = Dice(seed);
        let desk = Desk::new(NOW, &["lists.us-ofac-sdn.enabled=false"]);
        desk.store(without_value(history(&mut dice)), &[]);
        import(&desk, &mut dice);
        for round in 0..10_u64 {
            let time = at(NOW) + SignedDuration::from_mins(round as i64);
            desk.set_clock(&time.to_string());
            let bitcoin = payment(&mut dice);
            let is_utxo = bitcoin.chain == Chain::Bitcoin;
            let payment = match is_utxo {
                true => {
                    let side = |side: &[String]| side.iter().map(|of| on_coin(of)).collect();
                    let (sources, destinations) =
                        (side(&bitcoin.sources), side(&bitcoin.destinations));
                    Payment { chain: COIN, sources, destinations, ..bitcoin.clone() }
                }
                false => Payment { asset: Asset::Contract(TOKEN), ..bitcoin.clone() },
            };
            let context = format!("seed {seed}, round {round}, {payment:?}");
            let mut narrowing = ScopeFilter::default();
            if dice.below(4) == 0 {
                narrowing.lists = vec!["adv".parse().unwrap()];
            }
            desk.engine().wait_for_exposure(true).unwrap();
            let before = said(&desk, &payment, &narrowing);
            let mut wanted = before.clone();
            {
                let now = desk.engine().now();
                let payment_context = desk.engine().payment_context(now).unwrap();
                let scope = Scope::new(payment_context.snapshot(), &narrowing, now).unwrap();
                let prospective = payment_context.project(&scope, &payment);
                assert!(!prospective.incomplete && prospective.found.is_empty(), "{context}");
                for (place, prospect) in &prospective.unvalued {
                    let kind = prospect.then.dealt.kind;
                    let known = before[*place].get(&kind).map_or(0, |(transfers, ..)| *transfers);
                    assert_eq!(prospect.now, known, "{context}");
                    wanted[*place].insert(kind, count(&prospect.then));
                    more += usize::from(prospect.then.dealt.transfers > prospect.now + 1);
                }
                let found = prospective.unvalued.len();
                told += found;
                searched += if scope.needs_search() { found } else { 0 };
                transactions += if is_utxo { found } else { 0 };
            }
            let height = (dice.below(4) > 0).then_some(1000 + round);
            desk.store(without_value(made(&bitcoin, time, height)), &[]);
            desk.engine().wait_for_exposure(true).unwrap();
            assert_eq!(said(&desk, &payment, &narrowing), wanted, "{context}");
        }
    }
    eprintln!(
        "{told} foretold, {more} of several, {searched} by searches, {transactions} of a coin"
    );
    assert!(told > 80 && more > 3 && searched > 10 && transactions > 5, "too little was foretold");
}
