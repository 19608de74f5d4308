//! The same facts by call and by file: both take them or both refuse them, and take them as the same
//! transfer.

use serde_json::json;

use super::*;
use crate::source::rows::Progress;
use crate::source::transfers::{ReadSettings, TransferFormat, read};

const NOW: u64 = 1_700_000_000;
const OTHER: &str = "0x00000000000000000000000000000000000000bb";
const TRON: &str = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";

/// A movement from account to account, as text; what is empty is not stated.
#[derive(Clone)]
struct Fact {
    chain: &'static str,
    tx: String,
    /// Height, index of the transaction and index in it.
    position: Option<(u64, u64, u64)>,
    time: i64,
    from: String,
    to: String,
    asset: String,
    amount: String,
    usd_micros: Option<u64>,
    /// By its number in the proto.
    status: i32,
    block_hash: String,
}

fn fact() -> Fact {
    Fact {
        chain: "eip155:1",
        tx: format!("0x{}", "ab".repeat(32)),
        position: Some((7, 3, 0)),
        time: NOW as i64,
        from: EVM.to_owned(),
        to: OTHER.to_owned(),
        asset: "native".to_owned(),
        amount: "10".to_owned(),
        usd_micros: Some(1_500_000),
        status: 1,
        block_hash: "cd".repeat(32),
    }
}

fn on_tron() -> Fact {
    let (from, to) = (TRON.to_owned(), String::new());
    Fact { chain: "tron", from, to, ..fact() }
}

/// What is made of a message, as a server does.
fn by_call(message: v1::Transfer) -> Option<Transfer> {
    let transfer = from_message(&message).ok()?;
    transfer.check(NOW).ok()?;
    Some(transfer)
}

/// What is made of a file of one row.
fn by_file(text: &str, format: TransferFormat, chain: Option<&str>) -> Option<Transfer> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let settings = ReadSettings {
        format: Some(format),
        chain: chain.map(str::parse).transpose().ok()?,
        now: NOW,
        ..ReadSettings::default()
    };
    let mut all = Vec::new();
    let mut sink = |batch: Vec<Transfer>, _: Progress| {
        all.extend(batch);
        Ok::<_, std::io::Error>(())
    };
    read(file.path(), &settings, &|_, _| None, None, &mut sink).ok()?;
    all.pop()
}

/// A fact as the message that states it; `None` where its numbers do not fit the proto.
fn as_message(fact: &Fact) -> Option<v1::Transfer> {
    let position = match fact.position {
        None => None,
        Some((height, tx_index, index)) => Some(v1::ChainPosition {
            height,
            tx_index: tx_index.try_into().ok()?,
            index: index.try_into().ok()?,
        }),
    };
    Some(v1::Transfer {
        chain: fact.chain.to_owned(),
        time: Some(Timestamp { seconds: fact.time, nanos: 0 }),
        position,
        partial_position: None,
        block_hash: fact.block_hash.clone(),
        tx: fact.tx.clone(),
        status: fact.status,
        movement: Some(Part::Account(v1::AccountMovement {
            sender: fact.from.clone(),
            receiver: fact.to.clone(),
            asset: fact.asset.clone(),
            amount: fact.amount.clone(),
            usd_micros: fact.usd_micros,
        })),
    })
}

fn as_own_row(fact: &Fact) -> String {
    let Fact { chain, tx, time, from, to, asset, amount, block_hash, .. } = fact;
    let position = fact.position.map(|(height, tx, index)| format!("{height}:{tx}:{index}"));
    let position = position.unwrap_or_default();
    let usd = fact.usd_micros.map(|it| format!("{}.{:06}", it / 1_000_000, it % 1_000_000));
    let usd = usd.unwrap_or_default();
    let status = ["", "success", "failed"].get(fact.status as usize).unwrap_or(&"maybe");
    format!(
        "chain,tx,position,time,from,to,asset,amount,usd_value,status,block_hash\n\
         {chain},{tx},{position},{time},{from},{to},{asset},{amount},{usd},{status},{block_hash}\n"
    )
}

/// The row of ethereum-etl that states the fact, where one can.
fn as_ethereum_row(fact: &Fact) -> Option<(String, TransferFormat)> {
    let Fact { tx, time, from, to, asset, amount, block_hash, .. } = fact;
    let (height, tx_index, index) = fact.position?;
    if !fact.chain.starts_with("eip155:") || fact.chain.contains('*') || tx.is_empty() {
        return None;
    }
    if asset == "native" && index == 0 && !from.is_empty() {
        let status = ["", "1", "0"].get(fact.status as usize).unwrap_or(&"2");
        let row = format!(
            "hash,block_number,transaction_index,from_address,to_address,value,block_timestamp,\
             block_hash,receipt_status\n\
             {tx},{height},{tx_index},{from},{to},{amount},{time},{block_hash},{status}\n"
        );
        return Some((row, TransferFormat::EthereumTransactions));
    }
    if asset.is_empty() || asset == "native" || index % 2 == 0 || fact.status != 0 {
        return None;
    }
    let log_index = (index - 1) / 2;
    let row = format!(
        "token_address,from_address,to_address,value,transaction_hash,log_index,block_number,\
         transaction_index,block_timestamp,block_hash\n\
         {asset},{from},{to},{amount},{tx},{log_index},{height},{tx_index},{time},{block_hash}\n"
    );
    Some((row, TransferFormat::EthereumTokenTransfers))
}

/// Both take `fact`, or both refuse it; what they take is the same, but for the dollars that the
/// formats of others do not have.
fn check(name: &str, fact: &Fact, taken: bool) {
    let called = as_message(fact).and_then(by_call);
    assert_eq!(called.is_some(), taken, "{name}, by call: {called:?}");
    let read = by_file(&as_own_row(fact), TransferFormat::Own, None);
    assert_eq!(read, called, "{name}, in our own form");
    if let Some((row, format)) = as_ethereum_row(&Fact { usd_micros: None, ..fact.clone() }) {
        let read = by_file(&row, format, Some(fact.chain));
        let fact = Fact { usd_micros: None, ..fact.clone() };
        assert_eq!(read, as_message(&fact).and_then(by_call), "{name}, as {format}");
    }
}

fn changed(change: impl FnOnce(&mut Fact)) -> Fact {
    let mut fact = fact();
    change(&mut fact);
    fact
}

#[test]
fn accounts_are_taken_and_refused_alike() {
    let taken = |name: &str, change: fn(&mut Fact)| check(name, &changed(change), true);
    let refused = |name: &str, change: fn(&mut Fact)| check(name, &changed(change), false);
    taken("as it is", |_| {});
    taken("a hash without 0x", |it| it.tx = "AB".repeat(32));
    taken("no transaction", |it| it.tx.clear());
    refused("a hash of 31 bytes", |it| it.tx = format!("0x{}", "ab".repeat(31)));
    refused("a hash of 33 bytes", |it| it.tx = format!("0x{}", "ab".repeat(33)));
    refused("a name for a hash", |it| it.tx = "coinbase".to_owned());
    refused("half a digit", |it| it.tx = format!("0x{}g", "a".repeat(63)));
    refused("a short block hash", |it| it.block_hash = "cd".repeat(31));
    taken("no sender", |it| it.from.clear());
    taken("no receiver", |it| it.to.clear());
    refused("nobody", |it| (it.from, it.to) = Default::default());
    refused("a blank for an address", |it| it.from = " ".to_owned());
    refused("an address of Bitcoin", |it| it.to = BITCOIN[0].to_owned());
    refused("an address of TRON", |it| it.from = TRON.to_owned());
    refused("19 bytes", |it| it.to = format!("0x{}", "ab".repeat(19)));
    taken("another case", |it| it.to = "0x00000000000000000000000000000000000000Bb".to_owned());
    taken("the null address", |it| it.to = format!("0x{}", "0".repeat(40)));
    taken("nothing for native", |it| it.asset.clear());
    taken("NATIVE", |it| it.asset = "NATIVE".to_owned());
    refused("a ticker", |it| it.asset = "USDT".to_owned());
    refused("a contract of Bitcoin", |it| it.asset = BITCOIN[0].to_owned());
    for amount in
        ["0", "115792089237316195423570985008687907853269984665640564039457584007913129639935"]
    {
        check(amount, &Fact { amount: amount.to_owned(), ..fact() }, true);
    }
    for amount in
        ["", "-1", "+1", "0x1", "1e3", "1 000", &"9".repeat(78), &format!("{}1", "0".repeat(78))]
    {
        check(amount, &Fact { amount: amount.to_owned(), ..fact() }, false);
    }
    taken("two hours ahead", |it| it.time += 7_200);
    refused("more than two hours ahead", |it| it.time += 7_201);
    refused("before 1970", |it| it.time = -1);
    refused("the year 2514", |it| it.time = 1 << 34);
    taken("1970", |it| it.time = 0);
    taken("no position", |it| it.position = None);
    taken("the last place", |it| {
        it.position = Some((MAX_HEIGHT, MAX_TX_INDEX.into(), u32::MAX.into()))
    });
    refused("too high", |it| it.position = Some((MAX_HEIGHT + 1, 3, 0)));
    refused("too far in its block", |it| it.position = Some((7, u64::from(MAX_TX_INDEX) + 1, 0)));
    refused("too far in its transaction", |it| it.position = Some((7, 3, 1 << 32)));
    taken("no dollars", |it| it.usd_micros = None);
    taken("all the dollars", |it| it.usd_micros = Some(u64::MAX));
    taken("failed", |it| it.status = 2);
    taken("no status", |it| it.status = 0);
    refused("another status", |it| it.status = 9);
    for chain in ["", "nonesuch", "eip155:*", "cosmos:*", "eip155:0", "bitcoin"] {
        check(chain, &Fact { chain, ..fact() }, false);
    }
    check("another chain", &Fact { chain: "eip155:56", ..fact() }, true);
}

#[test]
fn tokens_and_other_chains_are_taken_and_refused_alike() {
    let token = Fact { asset: OTHER.to_owned(), position: Some((7, 3, 19)), status: 0, ..fact() };
    check("a token", &token, true);
    check("a token from nobody", &Fact { from: String::new(), ..token.clone() }, true);
    check("a short contract", &Fact { asset: "0xbb".to_owned(), ..token.clone() }, false);
    check("a token's short hash", &Fact { tx: "ab".repeat(31), ..token.clone() }, false);
    check("a token of another chain's", &Fact { asset: TRON.to_owned(), ..token }, false);
    check("TRON", &on_tron(), true);
    check("a name on TRON", &Fact { tx: "tx-1".to_owned(), ..on_tron() }, true);
    check("a name with a blank", &Fact { tx: "tx 1".to_owned(), ..on_tron() }, false);
    check("a long name", &Fact { tx: "x".repeat(129), ..on_tron() }, false);
    check("a token of TRON", &Fact { asset: TRON.to_owned(), ..on_tron() }, true);
    check("a number of TRON", &Fact { asset: "1002000".to_owned(), ..on_tron() }, true);
    check("NATIVE on TRON", &Fact { asset: "Native".to_owned(), ..on_tron() }, true);
    check("a long asset", &Fact { asset: "x".repeat(129), ..on_tron() }, false);
    check("EVM on TRON", &Fact { from: EVM.to_owned(), ..on_tron() }, false);
    let cosmos = Fact { chain: "cosmos:cosmoshub-4", from: EVM.to_owned(), ..on_tron() };
    check("EVM on Cosmos", &cosmos, false);
    let bitcoin = Fact { chain: "bitcoin", from: BITCOIN[0].to_owned(), ..on_tron() };
    check("an account of Bitcoin", &bitcoin, true);
    check("a short hash of Bitcoin", &Fact { tx: "ab".repeat(31), ..bitcoin.clone() }, false);
    check("EVM on Bitcoin", &Fact { from: EVM.to_owned(), ..bitcoin }, false);
}

/// An input or output: its addresses, its value, and whether it is known to name nobody.
type Side<'a> = Vec<(Vec<&'a str>, Option<u64>, bool)>;

/// A transaction of a UTXO chain.
struct Spend<'a> {
    chain: &'static str,
    tx: String,
    index: Option<u32>,
    coinbase: bool,
    inputs: Side<'a>,
    outputs: Side<'a>,
}

fn a_spend() -> Spend<'static> {
    let side = || vec![(vec![BITCOIN[0]], Some(5), false)];
    let (inputs, outputs) = (side(), side());
    Spend {
        chain: "bitcoin",
        tx: "ab".repeat(32),
        index: Some(3),
        coinbase: false,
        inputs,
        outputs,
    }
}

/// The coins of a block's reward.
fn to_coinbase(spend: &mut Spend<'_>) {
    (spend.coinbase, spend.index) = (true, Some(0));
    spend.inputs.clear();
}

fn check_spend(name: &str, change: impl FnOnce(&mut Spend<'_>), taken: bool) {
    let mut spend = a_spend();
    change(&mut spend);
    let leg = |(addresses, amount, unattributable): &(Vec<&str>, Option<u64>, bool)| v1::UtxoLeg {
        addresses: addresses.iter().map(|it| (*it).to_owned()).collect(),
        amount: *amount,
        unattributable: *unattributable,
    };
    let at = |tx_index| v1::ChainPosition { height: 7, tx_index, index: 0 };
    let partial = v1::PartialPosition { height: 7, index: Some(0) };
    let called = by_call(v1::Transfer {
        chain: spend.chain.to_owned(),
        time: Some(Timestamp { seconds: NOW as i64, nanos: 0 }),
        position: spend.index.map(at),
        partial_position: spend.index.is_none().then_some(partial),
        block_hash: String::new(),
        tx: spend.tx.clone(),
        status: 1,
        movement: Some(Part::Utxo(v1::UtxoMovement {
            coinbase: spend.coinbase,
            inputs: spend.inputs.iter().map(leg).collect(),
            outputs: spend.outputs.iter().map(leg).collect(),
        })),
    });
    assert_eq!(called.is_some(), taken, "{name}, by call: {called:?}");
    let part = |(addresses, value, unattributable): &(Vec<&str>, Option<u64>, bool)| {
        let kind = unattributable.then_some("shielded");
        json!({"addresses": addresses, "value": value, "type": kind})
    };
    let row = json!({
        "hash": spend.tx, "block_number": 7, "block_timestamp": NOW, "index": spend.index,
        "is_coinbase": spend.coinbase, "inputs": spend.inputs.iter().map(part).collect::<Vec<_>>(),
        "outputs": spend.outputs.iter().map(part).collect::<Vec<_>>(),
    });
    let format = TransferFormat::BitcoinTransactions;
    let read = by_file(&row.to_string(), format, Some(spend.chain));
    assert_eq!(read, called, "{name}, by file");
}

#[test]
fn spends_are_taken_and_refused_alike() {
    check_spend("as it is", |_| {}, true);
    check_spend("without an index", |it| it.index = None, true);
    check_spend("a short hash", |it| it.tx = "ab".repeat(31), false);
    check_spend("a long hash", |it| it.tx = "ab".repeat(33), false);
    check_spend("a name", |it| it.tx = "coinbase".to_owned(), false);
    check_spend("an index too large", |it| it.index = Some(MAX_TX_INDEX + 1), false);
    check_spend("a coinbase", to_coinbase, true);
    let late = |it: &mut Spend<'_>| (it.coinbase, it.inputs) = (true, vec![]);
    check_spend("a coinbase that is not the first", late, false);
    check_spend("a coinbase that spends", |it| it.coinbase = true, false);
    check_spend("an input of nobody", |it| it.inputs[0].0.clear(), true);
    check_spend("a shielded input", |it| it.inputs[0] = (vec![], Some(u64::MAX), true), true);
    check_spend("inputs below the outputs", |it| it.inputs[0].1 = Some(1), false);
    check_spend("a value not known", |it| it.inputs[0].1 = None, true);
    check_spend("the largest value", |it| it.inputs[0].1 = Some(u64::MAX), true);
    check_spend("several holders", |it| it.outputs[0].0 = BITCOIN.to_vec(), true);
    check_spend("101 holders", |it| it.outputs[0].0 = vec![BITCOIN[0]; 101], false);
    check_spend("another chain's address", |it| it.inputs[0].0[0] = EVM, false);
    check_spend("no address", |it| it.outputs[0].0[0] = "1A1z", false);
    check_spend("no inputs", |it| it.inputs.clear(), true);
    check_spend("no outputs", |it| it.outputs.clear(), false);
    check_spend("neither", |it| (it.inputs, it.outputs) = Default::default(), false);
    check_spend("a chain of accounts", |it| it.chain = "eip155:1", false);
    check_spend("another chain", |it| it.chain = "dogecoin", false);
    let zcash = "t1VmmGiyjVNeCjxDZzg7vZmd99WyzVby9yC";
    let side = vec![(vec![zcash], Some(5), false)];
    let shield = |it: &mut Spend<'_>| {
        (it.chain, it.inputs, it.outputs) = ("zcash", side, vec![(vec![], Some(5), true)]);
    };
    check_spend("into a shielded pool", shield, true);
}
