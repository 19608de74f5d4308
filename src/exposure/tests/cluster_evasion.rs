//! What is tried to get out of a cluster by common inputs. docs/limits-of-tracing.md has the costs.

use super::given::{holder, key, send, settings};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::transfer::{Asset, Leg, Movement, Transfer, UtxoMovement};
use crate::exposure::{CommonInput, Direction, Labels, Settings, Source, World};

const BITCOIN: Chain = Chain::Bitcoin;
const LIMIT: u32 = 10;

const THIEF: u8 = 1;
const BESIDE: u8 = 2;
const CLEAN: u8 = 3;
const PAID: u8 = 4;
/// Own addresses that a cluster is blown up with begin here.
const OWN: u8 = 100;

const KIND: ListKind = ListKind::Sanctions;
const JOINED: CommonInput = CommonInput { kind: KIND, is_beside: false, is_cut: false };
const CUT: CommonInput = CommonInput { is_cut: true, ..JOINED };
const STOOD_BESIDE: CommonInput = CommonInput { is_beside: true, ..JOINED };

/// The keys of Bitcoin Cash are those of Bitcoin.
fn spend_on(chain: &Chain, at: u64, inputs: &[u8], outputs: &[(u8, u64)]) -> Transfer {
    let leg = |number: u8, amount| Leg {
        holders: vec![holder(number, &BITCOIN)],
        unattributable: false,
        amount: Some(amount),
    };
    let mut transfer = send(chain, 1, 2, at, 1);
    transfer.movement = Movement::Utxo(Box::new(UtxoMovement {
        coinbase: false,
        inputs: inputs.iter().map(|&number| leg(number, 100)).collect(),
        outputs: outputs.iter().map(|&(number, amount)| leg(number, amount)).collect(),
    }));
    transfer
}

fn spend(at: u64, inputs: &[u8]) -> Transfer {
    spend_on(&BITCOIN, at, inputs, &[(PAID, 90)])
}

fn listed(numbers: &[u8]) -> Vec<Source> {
    let source = |&number: &u8| Source {
        list: "list".parse().unwrap(),
        listing: RowKey { party_uid: "thief".into(), ..RowKey::default() },
        key: key(number, &BITCOIN),
        kind: KIND,
        listed_from: None,
        unlisted_until: None,
    };
    numbers.iter().map(source).collect()
}

fn labels(rows: &[Transfer], sources: &[u8]) -> Labels {
    let Settings { assets, .. } = settings(5, u32::MAX);
    let mut of_cash: AssetTable = assets;
    let rule = of_cash.rule(&BITCOIN, &Asset::Native).unwrap().clone();
    of_cash.set(Chain::BitcoinCash, Asset::Native, rule);
    let settings = Settings { cluster_limit: LIMIT, assets: of_cash, ..settings(5, u32::MAX) };
    let mut world = World::new(settings);
    world.append(0, rows);
    world.set_parties(listed(sources), Vec::new());
    Labels::clone(&world.relabel().labels)
}

fn common(labels: &Labels, number: u8) -> Option<CommonInput> {
    let mut all = labels.find(&key(number, &BITCOIN)).common_inputs();
    all.next().map(|(of, _)| of)
}

/// Hops over which a key received from a listed one, and whether by common input.
fn received(labels: &Labels, number: u8) -> Option<(u8, bool)> {
    let mut all = labels.of(&key(number, &BITCOIN));
    let label = all.find(|label| label.direction == Direction::ReceivedFrom)?;
    Some((label.hops, label.common_input))
}

/// As many own addresses as the limit, as inputs beside `first`.
fn blow_up(chain: &Chain, at: u64, first: u8) -> Transfer {
    let own = OWN..OWN + LIMIT as u8;
    let inputs: Vec<u8> = std::iter::once(first).chain(own).collect();
    spend_on(chain, at, &inputs, &[(PAID, 90)])
}

#[test]
fn a_cluster_that_is_blown_up_afterwards_clears_nobody() {
    let mut rows = vec![spend(1, &[THIEF, BESIDE]), spend(2, &[BESIDE, CLEAN])];
    assert_eq!(common(&labels(&rows, &[THIEF]), CLEAN), Some(JOINED));
    rows.push(blow_up(&BITCOIN, 3, CLEAN));
    let labels = labels(&rows, &[THIEF]);
    assert_eq!(common(&labels, BESIDE), Some(STOOD_BESIDE));
    assert_eq!(common(&labels, CLEAN), Some(JOINED));
    assert_eq!(common(&labels, OWN), Some(CUT));
}

/// Beforehand it clears what is joined later, but for what stands beside the listed key itself. A
/// chain on which that costs little will do, since a key is the same on both.
#[test]
fn a_cluster_that_is_blown_up_beforehand_cuts_what_comes_later() {
    for chain in [BITCOIN, Chain::BitcoinCash] {
        let rows =
            [blow_up(&chain, 1, THIEF), spend(2, &[THIEF, BESIDE]), spend(3, &[BESIDE, CLEAN])];
        let labels = labels(&rows, &[THIEF]);
        assert_eq!(common(&labels, OWN), Some(STOOD_BESIDE), "beside it at any size");
        assert_eq!(common(&labels, BESIDE), Some(STOOD_BESIDE));
        assert_eq!(common(&labels, CLEAN), Some(CUT), "{chain:?}");
    }
}

/// The cluster of somebody else who joins in a payment, a merchant with PayJoin, does as well.
#[test]
fn a_payjoin_with_a_large_cluster_cuts_what_comes_later() {
    let merchant = OWN;
    let rows = [
        blow_up(&BITCOIN, 1, merchant + LIMIT as u8),
        spend(2, &[THIEF, merchant]),
        spend(3, &[THIEF, BESIDE]),
        spend(4, &[BESIDE, CLEAN]),
    ];
    let labels = labels(&rows, &[THIEF]);
    assert_eq!(common(&labels, merchant), Some(STOOD_BESIDE), "a false join");
    assert_eq!(common(&labels, merchant + 1), Some(CUT));
    assert_eq!(common(&labels, CLEAN), Some(CUT));
}

/// The own CoinJoin of one owner joins no keys; what it pays comes from the listed key all the same.
#[test]
fn an_own_coinjoin_joins_no_keys_and_is_followed() {
    let plain = [spend_on(&BITCOIN, 1, &[THIEF, BESIDE, CLEAN], &[(PAID, 50), (5, 240)])];
    assert_eq!(common(&labels(&plain, &[THIEF]), CLEAN), Some(STOOD_BESIDE));
    let equal = [(PAID, 90), (5, 90), (6, 90)];
    let labels = labels(&[spend_on(&BITCOIN, 1, &[THIEF, BESIDE, CLEAN], &equal)], &[THIEF]);
    assert_eq!([BESIDE, CLEAN].map(|number| common(&labels, number)), [None, None]);
    assert_eq!([PAID, 5, 6].map(|number| received(&labels, number)), [Some((1, false)); 3]);
}

/// Addresses that never pay together are not joined; together they tie what each pays.
#[test]
fn addresses_that_pay_separately_are_not_joined() {
    let pay = |at, from, to| spend_on(&BITCOIN, at, &[from], &[(to, 90)]);
    let separately = [pay(1, THIEF, 10), pay(2, CLEAN, 11)];
    let apart = labels(&separately, &[THIEF]);
    assert_eq!((common(&apart, CLEAN), received(&apart, 11)), (None, None));
    let [a, b] = separately;
    let together = labels(&[a, b, spend(3, &[THIEF, CLEAN])], &[THIEF]);
    assert_eq!(common(&together, CLEAN), Some(STOOD_BESIDE));
    assert_eq!(received(&together, 11), Some((1, true)));
}

/// Dust of joined keys adds up for each of them by itself, unless one party lists them.
#[test]
fn dust_of_joined_keys_is_not_summed() {
    let dust = |at, from| spend_on(&BITCOIN, at, &[from], &[(20, 1), (OWN, 99)]);
    let rows = [spend(1, &[THIEF, CLEAN]), dust(2, THIEF), dust(3, CLEAN)];
    let joined = labels(&rows, &[THIEF]);
    assert_eq!((common(&joined, CLEAN), received(&joined, 20)), (Some(STOOD_BESIDE), None));
    assert_eq!(received(&labels(&rows, &[THIEF, CLEAN]), 20), Some((1, false)));
}
