//! Every transfer comes back as it was; every wrong field is named.

use pbjson_types::Timestamp;
use proptest::prelude::*;
use v1::transfer::Movement as Part;

use super::*;
use crate::domain::transfer::Asset;

mod alike;

const EVM: &str = "0x098b716b8aaf21512996dc57eb0615e2383e2f96";

/// Canonical addresses of chains without an EVM form.
const BITCOIN: [&str; 3] = [
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
];

fn name() -> impl Strategy<Value = Box<str>> {
    "[!-~]{1,128}".prop_map(Into::into)
}

fn evm_holder() -> impl Strategy<Value = Holder> {
    any::<[u8; 20]>().prop_map(Holder::Evm)
}

prop_compose! {
    fn account()(
        chain in 1_u64..100_000,
        from in prop::option::of(evm_holder()),
        to in evm_holder(),
        contract in prop::option::of(any::<[u8; 20]>()),
        amount in any::<[u128; 2]>(),
        usd_micros in any::<Option<u64>>(),
    ) -> (Chain, Movement) {
        let asset = contract.map_or(Asset::Native, Asset::Contract);
        let amount = Amount::from_words(amount[0], amount[1]);
        let account = AccountMovement { from, to: Some(to), asset, amount, usd_micros };
        (Chain::Evm(chain), Movement::Account(account))
    }
}

prop_compose! {
    fn tron()(usd_micros in any::<Option<u64>>(), from_known in any::<bool>()) -> (Chain, Movement) {
        let address = Holder::Other("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".into());
        let account = AccountMovement {
            from: from_known.then(|| address.clone()),
            to: Some(address),
            asset: Asset::Named("TEkxiTehnzSmSe2XqrBj4w32RUN966rdz8".into()),
            amount: Amount::from(7_u8),
            usd_micros,
        };
        (Chain::Tron, Movement::Account(account))
    }
}

prop_compose! {
    fn any_leg()(
        holders in prop::collection::vec(prop::sample::select(&BITCOIN[..]), 0..3),
        says_none in any::<bool>(),
        amount in any::<Option<u64>>(),
    ) -> Leg {
        let holders: Vec<_> =
            holders.into_iter().map(|text| Holder::Other(text.into())).collect();
        Leg { unattributable: says_none && holders.is_empty(), holders, amount }
    }
}

prop_compose! {
    fn utxo()(
        coinbase in any::<bool>(),
        inputs in prop::collection::vec(any_leg(), 0..4),
        outputs in prop::collection::vec(any_leg(), 1..4),
    ) -> (Chain, Movement) {
        let inputs = if coinbase { Vec::new() } else { inputs };
        (Chain::Bitcoin, Movement::Utxo(Box::new(UtxoMovement { coinbase, inputs, outputs })))
    }
}

prop_compose! {
    fn any_transfer()(
        (chain, movement) in prop_oneof![account(), tron(), utxo()],
        time in 0..=MAX_TIME,
        place in prop::option::of((
            0..=MAX_HEIGHT,
            prop::option::of(0..=MAX_TX_INDEX),
            any::<Option<u32>>(),
        )),
        block_hash in any::<Option<[u8; 32]>>(),
        tx in prop::option::of(prop_oneof![
            any::<[u8; 32]>().prop_map(TxId::Hash),
            name().prop_filter("a hash", |text| from_hash(text).is_none()).prop_map(TxId::Text),
        ]),
        status in prop::sample::select(&[TxStatus::Unknown, TxStatus::Succeeded, TxStatus::Failed][..]),
    ) -> Transfer {
        let placement = match place {
            None => Placement::Unknown,
            Some((height, Some(tx_index), Some(index))) => {
                Position { height, tx_index, index }.into()
            }
            Some((height, _, index)) => Placement::Partial(PartialPosition { height, index }),
        };
        Transfer { chain, time, placement, block_hash, tx, status, movement }
    }
}

proptest! {
    #[test]
    fn transfers_come_back(transfer in any_transfer()) {
        prop_assert_eq!(from_message(&message(&transfer)), Ok(transfer));
    }

    /// Text from outside is a hash exactly where it is 64 hex digits.
    #[test]
    fn hashes_are_hex(text in "(0x)?[0-9a-fA-F]{63,65}|\\PC{0,70}") {
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let is_hash = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        prop_assert_eq!(from_hash(&text).is_some(), is_hash);
        if let Some(hash) = from_hash(&text) {
            prop_assert_eq!(hex(&hash), digits.to_lowercase());
        }
    }
}

fn payment() -> v1::Transfer {
    v1::Transfer {
        chain: "ethereum".to_owned(),
        time: Some(Timestamp { seconds: 1_648_036_840, nanos: 5 }),
        movement: Some(Part::Account(v1::AccountMovement {
            sender: EVM.to_owned(),
            receiver: EVM.to_uppercase().replace('X', "x"),
            amount: "1".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn spend() -> v1::Transfer {
    let leg = v1::UtxoLeg {
        addresses: vec![BITCOIN[0].to_owned()],
        amount: Some(1),
        unattributable: false,
    };
    let utxo = v1::UtxoMovement { inputs: vec![leg.clone()], outputs: vec![leg], coinbase: false };
    v1::Transfer { chain: "bitcoin".to_owned(), movement: Some(Part::Utxo(utxo)), ..payment() }
}

/// The encoding_error of a message after a change to it, as `field: message`.
fn refused(mut message: v1::Transfer, change: impl FnOnce(&mut v1::Transfer)) -> String {
    change(&mut message);
    let EncodingError { field, message } = from_message(&message).unwrap_err();
    format!("{field}: {message}")
}

#[test]
fn the_least_message() {
    let transfer = from_message(&payment()).unwrap();
    assert_eq!(transfer.time, 1_648_036_840);
    let Movement::Account(account) = transfer.movement else { panic!("an account transfer") };
    assert_eq!(account.from, account.to);
    assert_eq!(account.asset, Asset::Native);
    assert!(from_message(&spend()).is_ok());
}

#[test]
fn wrong_fields_are_named() {
    let check = |change: fn(&mut v1::Transfer), want: &str| {
        let found = refused(payment(), change);
        assert!(found.starts_with(want), "{found}");
    };
    check(|m| m.chain.clear(), "chain: \"\" names no chain");
    check(|m| m.chain = "eip155:*".to_owned(), "chain: eip155:* is a family");
    check(|m| m.chain = "cosmos:*".to_owned(), "chain: ");
    check(|m| m.time = None, "time: missing");
    check(|m| m.time.as_mut().unwrap().seconds = -1, "time: not between");
    check(|m| m.time.as_mut().unwrap().seconds = 1 << 34, "time: not between");
    check(|m| m.time.as_mut().unwrap().nanos = -1, "time: not between");
    check(|m| m.status = 9, "status: 9 is no status");
    check(|m| m.movement = None, ": neither account nor utxo");
    check(|m| m.block_hash = "12".to_owned(), "block_hash: \"12\" is not 32 bytes");
    check(|m| m.tx = "a b".to_owned(), "tx: \"a b\" is not visible ASCII");
    check(|m| m.tx = "é".to_owned(), "tx: ");
    check(|m| m.tx = "x".repeat(129), "tx: 129 bytes");
    let at = |height, tx_index| Some(v1::ChainPosition { height, tx_index, index: 0 });
    let found = refused(payment(), |m| m.position = at(1 << 40, 0));
    assert!(found.starts_with("position.height: "), "{found}");
    let found = refused(payment(), |m| m.position = at(0, MAX_TX_INDEX + 1));
    assert!(found.starts_with("position.tx_index: "), "{found}");
    let partial = |height| Some(v1::PartialPosition { height, index: None });
    let found = refused(payment(), |m| m.partial_position = partial(1 << 40));
    assert!(found.starts_with("partial_position.height: "), "{found}");
    let found = refused(payment(), |m| {
        (m.position, m.partial_position) =
            (Some(v1::ChainPosition::default()), Some(v1::PartialPosition::default()));
    });
    assert!(found.starts_with("partial_position: there is a position"), "{found}");
}

#[test]
fn wrong_movements_are_named() {
    let account = |change: fn(&mut v1::AccountMovement), want: &str| {
        let found = refused(payment(), |message| match &mut message.movement {
            Some(Part::Account(account)) => change(account),
            _ => panic!("an account transfer"),
        });
        assert!(found.starts_with(want), "{found}");
    };
    account(|m| m.sender = BITCOIN[0].to_owned(), "account.sender: ");
    account(|m| m.receiver = "0x12".to_owned(), "account.receiver: ");
    account(|m| (m.sender, m.receiver) = Default::default(), "account: neither");
    account(|m| m.asset = "USDT".to_owned(), "account.asset: \"USDT\" is no asset of eip155:1");
    let amounts = ["", "-1", "+1", "1.5", "0x1", " 1", "1e3"].map(str::to_owned);
    let too_large = Amount::MAX.to_string().replacen("1157", "1158", 1);
    for amount in amounts.into_iter().chain([too_large, "1".repeat(79)]) {
        let found = refused(payment(), |message| match &mut message.movement {
            Some(Part::Account(account)) => account.amount = amount,
            _ => panic!("an account transfer"),
        });
        assert!(found.starts_with("account.amount: "), "{found}");
    }

    let utxo = |change: fn(&mut v1::UtxoMovement), want: &str| {
        let found = refused(spend(), |message| match &mut message.movement {
            Some(Part::Utxo(utxo)) => change(utxo),
            _ => panic!("a transaction"),
        });
        assert!(found.starts_with(want), "{found}");
    };
    utxo(|m| m.coinbase = true, "utxo.inputs: a coinbase transaction has none");
    utxo(|m| *m = v1::UtxoMovement::default(), "utxo: neither inputs nor outputs");
    utxo(|m| m.outputs.clear(), "utxo.outputs: none: a transaction pays somebody");
    let found = refused(spend(), |message| message.chain = "ethereum".to_owned());
    assert!(found.starts_with("utxo: eip155:1 has accounts"), "{found}");
    utxo(|m| m.inputs[0].addresses[0] = EVM.to_owned(), "utxo.inputs[0].addresses[0]: ");
    utxo(|m| m.outputs[0].addresses.push(String::new()), "utxo.outputs[0].addresses[1]: ");
    let many = |m: &mut v1::UtxoMovement| m.outputs[0].addresses = vec![BITCOIN[0].to_owned(); 101];
    utxo(many, "utxo.outputs[0].addresses: 101 of them");
    let legs = |m: &mut v1::UtxoMovement| m.inputs = vec![v1::UtxoLeg::default(); MAX_LEGS + 1];
    utxo(legs, "utxo.inputs: 100001 of them");
}
