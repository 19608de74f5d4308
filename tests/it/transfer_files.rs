//! Real files of transfers: how many rows are read, kept and left out, and why; and what is known
//! of single transfers from elsewhere.

use std::collections::{HashMap, HashSet};
use std::io;

use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Transfer, TxStatus, UtxoMovement,
};
use lazaretto::source::rows::Progress;
use lazaretto::source::transfers::{LeftOut, ReadSettings, Reject, TransferFormat, read};

use crate::support::transfer_files::{
    GraphSense, Made, btc_blocks, eth_blocks, lazarus, read_file, real, records, settings, try_read,
};

fn account(transfer: &Transfer) -> &AccountMovement {
    match &transfer.movement {
        Movement::Account(movement) => movement,
        Movement::Utxo(_) => panic!("{transfer:?}"),
    }
}

fn utxo(transfer: &Transfer) -> &UtxoMovement {
    match &transfer.movement {
        Movement::Utxo(movement) => movement,
        Movement::Account(_) => panic!("{transfer:?}"),
    }
}

#[test]
fn ethereum_etl_transactions_are_the_same_in_csv_and_json() {
    let folder = "ethereum-etl/test_export_blocks_job/blocks_with_transactions_and_withdrawals";
    let Some(csv) = real(&format!("{folder}/expected_transactions.csv")) else { return };
    let json = real(&format!("{folder}/expected_transactions.json")).unwrap();
    let stream =
        real("ethereum-etl/test_stream/blocks_17173049_17173050/expected_transactions.json")
            .unwrap();
    let (report, from_csv) = read_file(&csv, &ReadSettings::default());
    assert_eq!(report.format, TransferFormat::EthereumTransactions);
    assert_eq!((report.rows_read, report.kept, report.unpositioned), (298, 298, 0));
    assert_eq!(read_file(&json, &ReadSettings::default()).1, from_csv);
    assert!(from_csv.iter().all(|transfer| transfer.status == TxStatus::Unknown));

    // The stream knows the status; as a receipts file it tells the others.
    let (_, streamed) = read_file(&stream, &ReadSettings::default());
    let failed = streamed.iter().filter(|transfer| transfer.status == TxStatus::Failed).count();
    assert_eq!((streamed.len(), failed), (298, 9));
    let receipts = ReadSettings { receipts: Some(stream), ..ReadSettings::default() };
    assert_eq!(read_file(&csv, &receipts).1, streamed);

    let zero = |transfer: &&Transfer| account(transfer).amount == Amount::ZERO;
    let created = from_csv.iter().filter(|transfer| account(transfer).to.is_none()).count();
    assert_eq!((from_csv.iter().filter(zero).count(), created), (163, 1));
}

#[test]
fn ethereum_etl_token_transfers_have_a_time_or_get_one() {
    let Some(stream) =
        real("ethereum-etl/test_stream/blocks_17173049_17173050/expected_token_transfers.json")
    else {
        return;
    };
    let (report, transfers) = read_file(&stream, &ReadSettings::default());
    assert_eq!(report.format, TransferFormat::EthereumTokenTransfers);
    assert_eq!((report.rows_read, report.kept, report.unpositioned), (291, 291, 291));
    let large = transfers
        .iter()
        .filter(|transfer| account(transfer).amount > Amount::from(u64::MAX))
        .count();
    assert!(large > 50, "{large} values exceed 64 bits");
    let receipts = stream.with_file_name("expected_transactions.json");
    let positioned = ReadSettings { receipts: Some(receipts), ..ReadSettings::default() };
    let (report, _) = read_file(&stream, &positioned);
    assert_eq!((report.kept, report.unpositioned), (291, 0));

    for (file, height, rows) in [
        ("test_export_token_transfers_job/block_with_transfers", 483_920, 2),
        ("test_extract_token_transfers_job/logs", 1_452_581, 1),
    ] {
        let csv = real(&format!("ethereum-etl/{file}/expected_token_transfers.csv")).unwrap();
        let error = try_read(&csv, &ReadSettings::default()).unwrap_err().to_string();
        assert!(error.ends_with("line 2: no block_timestamp, and no blocks file is given"));
        let blocks = Made::new(&format!("number,timestamp\n{height},1446561880\n"));
        let joined =
            ReadSettings { blocks: Some(blocks.path().to_owned()), ..ReadSettings::default() };
        let (report, transfers) = read_file(&csv, &joined);
        // A file may end with a second one's rows behind a blank line; each row is counted.
        assert!(report.kept >= rows && report.kept == report.rows_read, "{report:?}");
        assert!(transfers.iter().all(|transfer| transfer.time == 1_446_561_880));
    }
}

#[test]
fn ethereum_etl_traces_hold_rewards() {
    let Some(path) = real("ethereum-etl/test_stream/blocks_508110_508110/expected_traces.json")
    else {
        return;
    };
    let (report, transfers) = read_file(&path, &ReadSettings::default());
    assert_eq!(report.format, TransferFormat::EthereumTraces);
    assert_eq!((report.rows_read, report.kept), (4, 4));
    let places: Vec<_> = transfers
        .iter()
        .map(|transfer| (transfer.position().unwrap().index, transfer.tx.is_some()))
        .collect();
    assert_eq!(places, [(0, true), (0, true), (6, false), (8, false)]);
    assert_eq!(account(&transfers[3]).amount.to_string(), "3750000000000000000");
}

#[test]
fn bitcoin_etl_files_are_read() {
    let check = |file: &str, chain: Chain, rows: u64, legs: [usize; 4]| {
        let path = real(&format!("bitcoin-etl/{file}/expected_transactions.json"));
        let Some(path) = path else { return };
        let (report, transfers) = read_file(&path, &settings(chain.clone()));
        assert_eq!((report.rows_read, report.kept), (rows, rows), "{file}");
        let [inputs, unheld, outputs, shielded] = legs;
        let all = |of: fn(&UtxoMovement) -> &Vec<lazaretto::domain::transfer::Leg>| {
            transfers.iter().flat_map(move |transfer| of(utxo(transfer)))
        };
        let none = |leg: &&lazaretto::domain::transfer::Leg| leg.holders.is_empty();
        assert_eq!(all(|movement| &movement.inputs).count(), inputs, "{file}: inputs");
        assert_eq!(all(|movement| &movement.inputs).filter(none).count(), unheld, "{file}");
        assert_eq!(all(|movement| &movement.outputs).count(), outputs, "{file}: outputs");
        assert_eq!(all(|movement| &movement.outputs).filter(none).count(), shielded, "{file}");
        assert!(transfers.iter().all(|transfer| transfer.chain == chain), "{file}");
        // As exported, before they are enriched; of what is shielded nobody can be named.
        let text = std::fs::read_to_string(&path).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let is_unnamed = |row: &serde_json::Value| {
            let unnamed = |input: &serde_json::Value| {
                input["addresses"].as_array().is_none_or(Vec::is_empty)
                    && input["type"] != "shielded"
            };
            row["inputs"].as_array().unwrap().iter().any(unnamed)
        };
        assert_eq!(report.unnamed_inputs, rows.filter(is_unnamed).count() as u64, "{file}");
        assert_eq!(report.unnamed_outputs, 0, "{file}");
        let coinbases = transfers.iter().filter(|transfer| utxo(transfer).coinbase);
        assert!(coinbases.clone().count() >= 1, "{file}");
        assert!(coinbases.clone().all(|transfer| utxo(transfer).inputs.is_empty()), "{file}");
    };
    check("bitcoin/block_0", Chain::Bitcoin, 1, [0, 0, 1, 0]);
    check("bitcoin/block_1", Chain::Bitcoin, 1, [0, 0, 1, 0]);
    check("bitcoin/block_with_transactions", Chain::Bitcoin, 4, [3, 3, 4, 0]);
    check("bitcoin/block_without_transactions", Chain::Bitcoin, 1, [0, 0, 1, 0]);
    check("bitcoin/stream_50001_50002", Chain::Bitcoin, 4, [3, 0, 4, 0]);
    check("bitcoin_cash/block_with_duplicate_txid", Chain::BitcoinCash, 1, [0, 0, 1, 0]);
    check("dogecoin/block_without_transactions", Chain::Dogecoin, 1, [0, 0, 1, 0]);
    check("dogecoin/block_with_float_precision_loss", Chain::Dogecoin, 6, [6, 6, 20, 0]);
    check("zcash/block_0", Chain::Zcash, 1, [0, 0, 1, 0]);
    check("zcash/block_with_shielded_addresses", Chain::Zcash, 4, [5, 5, 7, 1]);
    check("zcash/block_with_value_balance", Chain::Zcash, 10, [10, 10, 17, 1]);
}

/// `eth-blocks` in our own form: a heading for each column, `ethereum` as it stands.
#[test]
fn eth_blocks_load_in_our_own_form() {
    let Some(path) = real("eth-blocks/transactions.csv.gz") else { return };
    let rows = records(&path);
    let made = Made::new(&eth_blocks(&rows));
    let (report, transfers) = read_file(made.path(), &ReadSettings::default());
    assert_eq!(report.format, TransferFormat::Own);
    assert_eq!((report.rows_read, report.kept, report.unpositioned), (24_920, 24_920, 0));
    let block = |transfer: &Transfer| (transfer.chain.clone(), transfer.position().unwrap().height);
    let blocks: HashSet<_> = transfers.iter().map(block).collect();
    assert_eq!(blocks.len(), 86, "85 of Ethereum and one of RISE");
    for (row, transfer) in rows.iter().zip(&transfers) {
        let movement = account(transfer);
        assert_eq!(movement.amount.to_string(), row["value_wei"]);
        let name =
            |holder: &Option<Holder>| holder.as_ref().map_or(String::new(), ToString::to_string);
        assert_eq!(name(&movement.from), row["from_address"].to_lowercase());
        assert_eq!(name(&movement.to), row["to_address"].to_lowercase());
        assert_eq!(format!("0x{}", transfer.tx.as_ref().unwrap()), row["tx_hash"]);
    }
    let count = |fits: fn(&AccountMovement) -> bool| {
        transfers.iter().filter(|transfer| fits(account(transfer))).count()
    };
    let creations = count(|movement| movement.to.is_none());
    let zero = count(|movement| movement.amount == Amount::ZERO);
    let own = count(|movement| movement.from == movement.to);
    let expected = |fits: &dyn Fn(&HashMap<String, String>) -> bool| {
        rows.iter().filter(|row| fits(row)).count()
    };
    assert_eq!(creations, expected(&|row| row["to_address"].is_empty()));
    assert_eq!(zero, expected(&|row| row["value_wei"] == "0"));
    assert_eq!(own, expected(&|row| row["from_address"] == row["to_address"]));
    assert_eq!((creations, zero, own), (33, 8_306, 111));
}

/// `btc-blocks` put together to the rows of bitcoin-etl; the blocks are numbered from 0.
#[test]
fn btc_blocks_load_as_bitcoin_etl_rows() {
    let Some(path) = real("btc-blocks/outputs.csv.gz") else { return };
    let made = Made::new(&btc_blocks(&path));
    let (report, transfers) = read_file(made.path(), &ReadSettings::default());
    assert_eq!(report.format, TransferFormat::BitcoinTransactions);
    assert_eq!((report.rows_read, report.kept, report.unpositioned), (4_354, 4_354, 0));
    assert_eq!(report.left_out.len(), 0);
    let legs = |of: fn(&UtxoMovement) -> &Vec<lazaretto::domain::transfer::Leg>| {
        transfers.iter().map(|transfer| of(utxo(transfer)).len()).sum::<usize>()
    };
    let coinbases = transfers.iter().filter(|transfer| utxo(transfer).coinbase).count();
    assert_eq!(coinbases, 3);
    // A coinbase has an input in the file, and none here.
    let inputs = records(&path.with_file_name("inputs.csv.gz")).len();
    assert_eq!(legs(|movement| &movement.inputs), inputs - 3);
    assert_eq!(legs(|movement| &movement.outputs), records(&path).len());
    let unheld = |legs: &[lazaretto::domain::transfer::Leg]| {
        legs.iter().filter(|leg| leg.holders.is_empty()).count()
    };
    let unheld_outputs: usize =
        transfers.iter().map(|transfer| unheld(&utxo(transfer).outputs)).sum();
    let blank = records(&path).iter().filter(|record| record["address"].is_empty()).count();
    assert_eq!(unheld_outputs, blank);
    assert!(blank > 0);
}

/// The Lazarus transfers: addresses as Postgres writes bytes, amounts as floats of whole Ether, no
/// transactions.
#[test]
fn lazarus_transfers_load_in_our_own_form() {
    let Some(path) = real("lazarus-eth-2022/LazarusTabularTxs1322519.csv") else { return };
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, rows) = text.split_once('\n').unwrap();
    let renamed = lazarus(&text);
    let made = Made::new(&renamed);
    let (report, transfers) = read_file(made.path(), &settings(Chain::Evm(1)));
    assert_eq!((report.rows_read, report.kept), (436, 436));
    assert_eq!((report.unpositioned, report.without_tx), (436, 436));
    for (line, transfer) in rows.lines().zip(&transfers) {
        let fields: Vec<&str> = line.split(',').collect();
        let movement = account(transfer);
        let name = |holder: &Option<Holder>| holder.as_ref().unwrap().to_string();
        assert_eq!(name(&movement.from), fields[1].replace('\\', "0"));
        assert_eq!(name(&movement.to), fields[2].replace('\\', "0"));
        // The nearest float of the exact amount is the float that stands there.
        let exact = movement.amount.to_string().parse::<f64>().unwrap() / 1e18;
        let written: f64 = fields[3].parse().unwrap();
        assert!((exact - written).abs() <= written * 1e-15, "{line}: {exact}");
    }
    let zero = transfers.iter().filter(|transfer| account(transfer).amount == Amount::ZERO).count();
    assert!(zero > 0 && zero < 436, "{zero}");
    // Without the decimals of the asset, the same is refused.
    let other = renamed.replace(",native", ",0xdac17f958d2ee523a2206206994597c13d831ec7");
    let error = try_read(Made::new(&other).path(), &settings(Chain::Evm(1))).unwrap_err();
    assert!(error.to_string().contains("the decimals of its asset are not known"), "{error}");
}

/// The files of GraphSense, which name their columns in their own way, in that of ethereum-etl.
#[test]
fn graphsense_traces_and_transactions_agree() {
    let Some(folder) = real("graphsense-reference/tokens") else { return };
    let GraphSense { blocks, transactions, traces: made } = GraphSense::of(&folder);
    let known: HashSet<String> =
        records(&folder.join("blocks.csv")).iter().map(|row| row["blockId"].clone()).collect();
    let traces = records(&folder.join("traces.csv"));
    let traces = traces.iter().filter(|row| known.contains(&row["blockId"]));
    let joined = ReadSettings {
        blocks: Some(blocks.path().to_owned()),
        receipts: Some(transactions.path().to_owned()),
        ..ReadSettings::default()
    };
    let (report, from_traces) = read_file(made.path(), &joined);
    let count = |call: &str| traces.clone().filter(|row| row["callType"] == call).count() as u64;
    let expected = [
        (LeftOut::DelegateCall, count("delegatecall")),
        (LeftOut::StaticCall, count("staticcall")),
    ];
    assert_eq!(report.left_out.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(report.kept, report.rows_read - expected[0].1 - expected[1].1);

    let (report, from_transactions) = read_file(transactions.path(), &ReadSettings::default());
    assert_eq!((report.rows_read, report.kept), (332, 332));
    let place =
        |transfer: &Transfer| (transfer.block_hash, transfer.tx.clone(), transfer.position());
    // Not every transaction of a trace is in the file of transactions.
    let positioned = from_traces.iter().filter(|transfer| transfer.position().is_some());
    let places: HashSet<_> = positioned.clone().map(place).collect();
    assert_eq!(places.len(), positioned.count(), "every positioned trace has a place of its own");
    let by_place: HashMap<_, _> =
        from_traces.iter().map(|transfer| (place(transfer), account(transfer))).collect();
    let mut shared = 0;
    for transaction in &from_transactions {
        if let Some(trace) = by_place.get(&place(transaction)) {
            let movement = account(transaction);
            assert_eq!((&trace.from, trace.amount), (&movement.from, movement.amount));
            shared += 1;
        }
    }
    eprintln!("{} traces, {shared} of them the own value of 332 transactions", from_traces.len());
    assert!(shared > 300, "{shared}");
}

#[test]
fn rejects_do_not_stop_the_rest() {
    let Some(path) = real("eth-blocks/transactions.csv.gz") else { return };
    // Read as it stands it is of no form that we know: it is said which column is missing.
    let error = try_read(&path, &ReadSettings::default()).unwrap_err().to_string();
    assert!(error.contains("the columns are of no known format"), "{error}");
    let named =
        ReadSettings { format: Some(TransferFormat::EthereumTransactions), ..Default::default() };
    let error = try_read(&path, &named).unwrap_err().to_string();
    assert!(error.contains("there is no column \"hash\""), "{error}");

    let lazarus = real("lazarus-eth-2022/LazarusTabularTxs1322519.csv").unwrap();
    let text = std::fs::read_to_string(lazarus).unwrap();
    let text = text.replacen("block_time,from,to,total_eth", "time,from,to,amount", 1);
    let text = text
        .replacen("time,from,to,amount", "time,from,to,amount,asset", 1)
        .replace('\n', ",native\n");
    let text = text.replacen(",asset,native", ",asset", 1);
    // Every tenth address becomes one that can be read.
    let mut lines = text.lines();
    let mut half = lines.next().unwrap().to_owned() + "\n";
    for (at, line) in lines.enumerate() {
        half += &if at % 10 == 0 { line.replace('\\', "0") } else { line.to_owned() };
        half += "\n";
    }
    let made = Made::new(&half);
    let mut rejects = 0;
    let mut reject = |reject: &Reject<'_>| {
        assert!(reject.verbatim.contains(&b'\\'));
        rejects += 1;
        Ok(())
    };
    let mut sink = |_: Vec<Transfer>, _: Progress| Ok::<_, io::Error>(());
    let decimals = |_: &Chain, _: &Asset| Some(18);
    let report =
        read(made.path(), &settings(Chain::Evm(1)), &decimals, Some(&mut reject), &mut sink);
    let report = report.unwrap();
    assert_eq!((report.rows_read, report.kept, report.rejected), (436, 44, 392));
    assert_eq!(rejects, 392);
}
