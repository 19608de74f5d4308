//! Small random worlds: transfers, sources and stops with every oddity that real ones have.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::domain::asset::{AssetRule, AssetTable};
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Leg, Movement, Position, Transfer, TxStatus,
    UtxoMovement,
};
use crate::exposure::{DEFAULT_CLUSTER_LIMIT, Settings, Source, StopReason};

/// How many keys there are on the EVM chains, and as many on the UTXO chains that lists may name.
pub const KEYS: u8 = 6;

/// How many keys [`spend`] knows on the UTXO chains, beside [`NOBODY`].
pub const WALLETS: u8 = 9;

/// The number of a key on the UTXO chains that nobody controls.
pub const NOBODY: u8 = 250;

/// The valued token of [`settings`].
pub const TOKEN: [u8; 20] = [0x77; 20];

pub fn rule(decimals: u8, floor: u32) -> AssetRule {
    AssetRule { symbol: "X".into(), decimals, floor: Amount::from(floor) }
}

pub fn settings(max_hops: u8, hub_limit: u32) -> Settings {
    let mut assets = AssetTable::default();
    assets.set(Chain::Evm(1), Asset::Native, rule(9, 20));
    assets.set(Chain::Evm(56), Asset::Native, rule(8, 2));
    assets.set(Chain::Bitcoin, Asset::Native, rule(8, 2));
    assets.set(Chain::Litecoin, Asset::Native, rule(8, 2));
    assets.set(Chain::Evm(1), Asset::Contract(TOKEN), rule(6, 2));
    let (cluster_limit, no_common_input) = (DEFAULT_CLUSTER_LIMIT, BTreeSet::new());
    Settings { max_hops, hub_limit, assets, cluster_limit, no_common_input }
}

/// What settings say of common inputs.
#[derive(Clone, Debug)]
pub struct Clusters {
    limit: u32,
    off: BTreeSet<Chain>,
}

impl Clusters {
    pub fn within(self, settings: Settings) -> Settings {
        Settings { cluster_limit: self.limit, no_common_input: self.off, ..settings }
    }
}

/// A limit that small worlds pass, or not; one chain in some.
pub fn clusters() -> impl Strategy<Value = Clusters> {
    let limit = prop_oneof![3 => 2_u32..=6, 2 => Just(DEFAULT_CLUSTER_LIMIT)];
    let off = prop_oneof![5 => Just(None), 1 => Just(Some(Chain::Bitcoin)), 1 => Just(Some(Chain::Litecoin))];
    (limit, off).prop_map(|(limit, off)| Clusters { limit, off: off.into_iter().collect() })
}

/// The holder of a number on a chain; 0 is null on EVM chains. UTXO chains have the same keys.
pub fn holder(number: u8, chain: &Chain) -> Holder {
    let version = if *chain == Chain::Bitcoin {
        0
    } else if *chain == Chain::Litecoin {
        0x30
    } else {
        return Holder::Evm([number; 20]);
    };
    let mut payload = vec![version];
    if number == NOBODY {
        let known = bs58::decode("1BitcoinEaterAddressDontSendf59kuE").into_vec().unwrap();
        payload.extend(&known[1..21]);
    } else {
        payload.extend([number; 20]);
    }
    let check = Sha256::digest(Sha256::digest(&payload));
    payload.extend(&check[..4]);
    Holder::Other(bs58::encode(payload).into_string().into())
}

pub fn key(number: u8, chain: &Chain) -> PackedKey {
    PackedKey::from(&holder(number, chain).key_ids(chain)[0])
}

/// `from` sends `amount` of the chain's coin to `to` at a height, whose time is the same number.
pub fn send(chain: &Chain, from: u8, to: u8, height: u64, amount: u64) -> Transfer {
    Transfer {
        chain: chain.clone(),
        time: height,
        placement: Position { height, tx_index: 0, index: 0 }.into(),
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: Some(holder(from, chain)),
            to: Some(holder(to, chain)),
            asset: Asset::Native,
            amount: Amount::from(amount),
            usd_micros: None,
        }),
    }
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 2 => Just(1), 1 => Just(20), 2 => 2_u64..20, 6 => 20_u64..400]
}

fn status() -> impl Strategy<Value = TxStatus> {
    prop_oneof![
        8 => Just(TxStatus::Unknown),
        4 => Just(TxStatus::Succeeded),
        1 => Just(TxStatus::Failed)
    ]
}

/// Chain, position and time; one in `unpositioned` of 8 without a position.
fn when() -> impl Strategy<Value = (Option<Position>, u64)> {
    (0_u64..6, 0_u32..2, 0_u64..14, 0_u8..8).prop_map(|(height, tx_index, jitter, positioned)| {
        let position = Position { height, tx_index, index: 0 };
        ((positioned > 1).then_some(position), height * 10 + jitter)
    })
}

fn account() -> impl Strategy<Value = Transfer> {
    let ends = (prop::option::weighted(0.95, 0..=KEYS), prop::option::weighted(0.95, 0..=KEYS));
    let what = prop_oneof![
        6 => Just(Asset::Native),
        2 => Just(Asset::Contract(TOKEN)),
        1 => Just(Asset::Contract([0x78; 20]))
    ];
    (when(), any::<bool>(), ends, what, amount(), status()).prop_map(
        |((position, time), first, (from, to), asset, amount, status)| {
            let chain = if first { Chain::Evm(1) } else { Chain::Evm(56) };
            let holder = |number| holder(number, &chain);
            let movement = AccountMovement {
                from: from.map(holder),
                to: to.map(holder),
                asset,
                amount: Amount::from(amount),
                usd_micros: None,
            };
            let movement = Movement::Account(movement);
            Transfer {
                chain,
                time,
                placement: position.into(),
                block_hash: None,
                tx: None,
                status,
                movement,
            }
        },
    )
}

/// A leg of some numbers, of no chain yet.
#[derive(Clone, Debug)]
struct Numbers {
    holders: Vec<u8>,
    amount: Option<u64>,
}

/// A transaction of a UTXO chain with the legs of its inputs and outputs.
fn transaction(
    chain: impl Strategy<Value = Chain>,
    inputs: impl Strategy<Value = Vec<Numbers>>,
    outputs: impl Strategy<Value = Vec<Numbers>>,
) -> impl Strategy<Value = Transfer> {
    (chain, when(), inputs, outputs, status()).prop_map(
        |(chain, (position, time), inputs, outputs, status)| {
            let leg = |Numbers { holders, amount }: Numbers| Leg {
                holders: holders.into_iter().map(|number| holder(number, &chain)).collect(),
                unattributable: false,
                amount,
            };
            let legs = |numbers: Vec<Numbers>| numbers.into_iter().map(leg).collect();
            let movement = UtxoMovement {
                coinbase: inputs.is_empty(),
                inputs: legs(inputs),
                outputs: legs(outputs),
            };
            Transfer {
                movement: Movement::Utxo(Box::new(movement)),
                chain,
                time,
                placement: position.into(),
                block_hash: None,
                tx: None,
                status,
            }
        },
    )
}

fn utxo() -> impl Strategy<Value = Transfer> {
    let leg = (prop::collection::vec(1..=KEYS, 0..3), prop::option::weighted(0.8, amount()));
    let leg = leg.prop_map(|(mut holders, amount): (Vec<u8>, _)| {
        // One holder most often.
        holders.truncate(if holders.len() == 2 && holders[0] > 2 { 1 } else { 2 });
        holders.dedup();
        Numbers { holders, amount }
    });
    let leg = leg.boxed();
    let legs = || prop::collection::vec(leg.clone(), 0..4);
    transaction(Just(Chain::Bitcoin), legs(), legs())
}

/// A transaction of a wallet with its change, or what looks like one of several wallets.
fn spend(mix: Mix) -> impl Strategy<Value = Transfer> {
    let number = || prop_oneof![20 => 1..=WALLETS, 1 => Just(NOBODY)];
    let holders = prop_oneof![
        12 => number().prop_map(|number| vec![number]),
        1 => prop::collection::vec(number(), 0..4),
    ];
    let leg = (holders, prop::option::weighted(0.9, amount()));
    let leg = leg.prop_map(|(holders, amount)| Numbers { holders, amount }).boxed();
    let many = prop_oneof![2 => Just(1_usize), 4 => Just(2), 2 => Just(3), 1 => Just(4)];
    let legs = leg.clone();
    let inputs = many.prop_flat_map(move |many| prop::collection::vec(legs.clone(), many));
    let equal = prop_oneof![2 => Just(None), 1 => amount().prop_map(Some)];
    let outputs = (prop::collection::vec(leg, 0..5), equal).prop_map(|(mut outputs, equal)| {
        for leg in outputs.iter_mut().take(if equal.is_some() { 3 } else { 0 }) {
            leg.amount = equal;
        }
        outputs
    });
    let second = u32::from(mix != Mix::OneChain);
    let chain = prop_oneof![2 => Just(Chain::Bitcoin), second => Just(Chain::Litecoin)];
    transaction(chain, inputs, outputs)
}

/// What worlds of [`joining`] have. All of it at once has a label that the definition does not know:
/// what a hub pays itself as change goes on from where it has the same key on another chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Hubs and change, on Bitcoin alone.
    OneChain,
    /// The same keys on two chains, and change.
    NoHubs,
    /// The same keys on two chains, and hubs.
    NoChange,
}

impl Mix {
    pub fn within(self, settings: Settings) -> Settings {
        let hub_limit = if self == Self::NoHubs { u32::MAX } else { settings.hub_limit };
        Settings { hub_limit, ..settings }
    }
}

/// Things of a mix, with it.
pub fn mixed<T: Strategy>(
    things: impl Fn(BoxedStrategy<Transfer>) -> T,
) -> impl Strategy<Value = (Mix, T::Value)> {
    let mix = prop_oneof![Just(Mix::OneChain), Just(Mix::NoHubs), Just(Mix::NoChange)];
    mix.prop_flat_map(move |mix| (Just(mix), things(joining(mix).boxed())))
}

/// Any transfer, most of them with common inputs.
fn joining(mix: Mix) -> impl Strategy<Value = Transfer> {
    prop_oneof![3 => spend(mix), 1 => transfer()].prop_map(move |mut transfer| {
        if let (Mix::NoChange, Movement::Utxo(of)) = (mix, &mut transfer.movement) {
            let spent: Vec<_> = of.inputs.iter().flat_map(|leg| leg.holders.clone()).collect();
            of.outputs.retain(|leg| !leg.holders.iter().any(|holder| spent.contains(holder)));
        }
        transfer
    })
}

/// Every key of [`joining`].
pub fn keys() -> Vec<PackedKey> {
    let wallets = (1..=WALLETS).chain([NOBODY]).map(|number| key(number, &Chain::Bitcoin));
    (1..=KEYS).map(|number| key(number, &Chain::Evm(1))).chain(wallets).collect()
}

/// Any transfer: of an account chain three times in four.
pub fn transfer() -> impl Strategy<Value = Transfer> {
    prop_oneof![3 => account(), 1 => utxo()]
}

/// The same, mostly dust.
pub fn dusty() -> impl Strategy<Value = Transfer> {
    (transfer(), 0_u8..4).prop_map(|(mut transfer, few)| {
        match &mut transfer.movement {
            _ if few == 0 => {}
            Movement::Account(of) if of.amount > 0 => {
                of.amount = Amount::ONE + of.amount % Amount::from(12_u8);
            }
            Movement::Account(_) => {}
            Movement::Utxo(of) => {
                for leg in of.inputs.iter_mut().chain(&mut of.outputs) {
                    leg.amount = leg.amount.map(|amount| amount.min(1));
                }
            }
        }
        transfer
    })
}

/// A chain of the ones used, by the flag.
fn chain(bitcoin: bool) -> Chain {
    if bitcoin { Chain::Bitcoin } else { Chain::Evm(1) }
}

pub fn source() -> impl Strategy<Value = Source> {
    let from = prop::option::weighted(0.7, 0_u64..70);
    let unknown_for = prop::option::weighted(0.7, 0_u64..30);
    (1..=KEYS, any::<bool>(), any::<bool>(), 0_u8..2, (from, unknown_for)).prop_map(
        |(number, bitcoin, sanctions, list, (listed_from, unknown_for))| {
            let until = |unknown_for| listed_from.unwrap_or(40).saturating_sub(unknown_for);
            let unlisted_until = unknown_for.map(until);
            let kind = if sanctions { ListKind::Sanctions } else { ListKind::Advisory };
            // Some parties have several keys, and some rows name none.
            let party_uid = ["", "p", "q"][usize::from(number) % 3].to_owned();
            let address = format!("{number} {bitcoin}");
            let listing = RowKey { address, party_uid, ..RowKey::default() };
            let list = format!("{}-{list}", if sanctions { "s" } else { "a" }).parse().unwrap();
            let key = key(number, &chain(bitcoin));
            Source { list, listing, key, kind, listed_from, unlisted_until }
        },
    )
}

pub fn stop() -> impl Strategy<Value = (PackedKey, StopReason)> {
    (1..=KEYS, any::<bool>())
        .prop_map(|(number, bitcoin)| (key(number, &chain(bitcoin)), StopReason::Service))
}
