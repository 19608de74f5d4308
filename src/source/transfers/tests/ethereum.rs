//! ethereum-etl: transactions, token transfers, traces, and the files joined to them.

use super::*;

const TRANSACTIONS: &str = "hash,nonce,block_hash,block_number,transaction_index,from_address,\
                            to_address,value,block_timestamp";

fn settings(blocks: Option<&ParsedNumber>, receipts: Option<&ParsedNumber>) -> ReadSettings {
    let path = |file: &ParsedNumber| file.path.clone();
    ReadSettings {
        blocks: blocks.map(path),
        receipts: receipts.map(path),
        ..ReadSettings::default()
    }
}

fn blocks() -> ParsedNumber {
    write(format!("number,hash,timestamp\n8,{},800\n7,{},700\n", hash("b8"), hash("b7")))
}

#[test]
fn transactions_are_read() {
    let (tx, block) = (hash("01"), hash("b7"));
    let text = format!(
        "{TRANSACTIONS}\n{tx},0,{block},7,3,{A},{B},31337000000000000000000,700\n\
         {tx},0,{block},7,4,{A},,0,700\n"
    );
    let outcome = read_text(text);
    assert_eq!(outcome.report.format, TransferFormat::EthereumTransactions);
    let transfer = &outcome.transfers[0];
    assert_eq!((&transfer.chain, transfer.time), (&Chain::Evm(1), 700));
    assert_eq!(transfer.position(), Some(Position { height: 7, tx_index: 3, index: 0 }));
    assert_eq!(transfer.block_hash, Some([0xb7; 32]));
    assert_eq!((transfer.status, &transfer.tx), (TxStatus::Unknown, &Some(TxId::Hash([1; 32]))));
    let movement = outcome.account(0);
    assert_eq!((&movement.from, &movement.to), (&evm(A), &evm(B)));
    assert_eq!((&movement.asset, movement.usd_micros), (&Asset::Native, None));
    assert_eq!(movement.amount.to_string(), "31337000000000000000000", "more than 64 bits");
    // A contract creation is kept, and so is a value of zero.
    assert_eq!((&outcome.account(1).to, outcome.account(1).amount), (&None, Amount::ZERO));
}

#[test]
fn a_created_contract_that_was_paid_is_unnamed_until_a_receipt_names_it() {
    let row = |value: u64, status: u8| {
        format!("{TRANSACTIONS},status\n{},0,,7,3,{A},,{value},700,{status}\n", hash("01"))
    };
    let unnamed = |outcome: &Outcome| outcome.report.unnamed_accounts;
    assert_eq!(unnamed(&read_text(row(5, 1))), 1);
    assert_eq!(unnamed(&read_text(row(0, 1))), 0, "nothing moved");
    assert_eq!(unnamed(&read_text(row(5, 0))), 0, "it failed");
    let receipts = write(format!("transaction_hash,contract_address\n{},{B}\n", hash("01")));
    let named = read_with(row(5, 1), &settings(None, Some(&receipts))).unwrap();
    assert_eq!((unnamed(&named), &named.account(0).to), (0, &evm(B)));
}

#[test]
fn receipts_that_are_not_of_the_row_are_refused() {
    let check = |receipt: &str, want: &str| {
        let row = format!("{TRANSACTIONS},status\n{},0,,7,3,{A},,5,700,1\n", hash("01"));
        let receipts = write(format!(
            "transaction_hash,status,transaction_index,block_number,contract_address\n{},{receipt}\n",
            hash("01")
        ));
        let found = read_with(&row, &settings(None, Some(&receipts)));
        match want {
            "" => assert_eq!(found.unwrap().report.kept, 1),
            _ => assert!(format!("{:#}", anyhow::Error::new(found.err().unwrap())).contains(want)),
        }
    };
    check(&format!("1,3,7,{B}"), "");
    check(",,,", "");
    check("0,3,7,", "receipt_status is not what the receipt");
    check("1,4,7,", "transaction_index is not what the receipt");
    check(&format!("1,3,7,{B}\n{},1,3,7,{A}", hash("01")), "stands twice and differs");
    // Of another block it says nothing.
    let receipts = write(format!(
        "transaction_hash,status,block_number,contract_address\n{},0,8,{B}\n",
        hash("01")
    ));
    let row = format!("{TRANSACTIONS}\n{},0,,7,3,{A},,5,700\n", hash("01"));
    let outcome = read_with(&row, &settings(None, Some(&receipts))).unwrap();
    assert_eq!((outcome.transfers[0].status, &outcome.account(0).to), (TxStatus::Unknown, &None));
    // No exporter's contract.
    let receipts = write(format!("hash,contract_address\n{},0x{:040}\n", hash("01"), 0));
    let row = format!("{TRANSACTIONS}\n{},0,,7,3,{A},,5,700\n", hash("01"));
    let outcome = read_with(&row, &settings(None, Some(&receipts))).unwrap();
    assert_eq!((outcome.report.unnamed_accounts, &outcome.account(0).to), (1, &None));
}

#[test]
fn the_status_comes_from_a_column_or_from_receipts() {
    let row =
        |status: &str| format!("{TRANSACTIONS},{status}\n{},0,,7,3,{A},{B},1,700,0\n", hash("01"));
    let status = |text: String| read_text(text).transfers[0].status;
    assert_eq!(status(row("receipt_status")), TxStatus::Failed);
    assert_eq!(status(row("status")), TxStatus::Failed);
    let text = format!(
        "{TRANSACTIONS}\n{},0,,7,3,{A},{B},1,700\n{},0,,7,4,{A},{B},1,700\n{},0,,7,5,{A},{B},1,700\n",
        hash("01"),
        hash("02"),
        hash("03")
    );
    let receipts = write(format!("status,transaction_hash\n0,{}\n1,{}\n", hash("01"), hash("02")));
    let outcome = read_with(&text, &settings(None, Some(&receipts))).unwrap();
    let statuses: Vec<_> = outcome.transfers.iter().map(|transfer| transfer.status).collect();
    assert_eq!(statuses, [TxStatus::Failed, TxStatus::Succeeded, TxStatus::Unknown]);

    let twice = write(format!("status,transaction_hash\n0,{0}\n1,{0}\n", hash("01")));
    let said = refusal_with(&text, &settings(None, Some(&twice)));
    assert!(said.contains("line 3: the transaction stands twice and differs"), "{said}");
    let other = write("a,b\n1,2\n");
    let said = refusal_with(&text, &settings(None, Some(&other)));
    assert!(said.contains("no column \"transaction_hash\""), "{said}");
    let mut few = settings(None, Some(&receipts));
    few.bounds.max_receipts = 1;
    assert!(refusal_with(&text, &few).contains("more than 1 transactions"));
}

#[test]
fn a_created_contract_is_the_receiver_where_it_is_named() {
    let text =
        format!("{TRANSACTIONS},receipt_contract_address\n{},0,,7,3,{A},,1,700,{B}\n", hash("01"));
    assert_eq!(read_text(text).account(0).to, evm(B));
}

#[test]
fn the_time_is_joined_from_a_blocks_file() {
    let headings = TRANSACTIONS.replace(",block_timestamp", "");
    let row = |height: u64| format!("{},0,,{height},3,{A},{B},1\n", hash("01"));
    let text = format!("{headings}\n{}{}{}", row(8), row(7), row(8));
    assert_eq!(refusal(&text), "line 2: no block_timestamp, and no blocks file is given");
    let outcome = read_with(&text, &settings(Some(&blocks()), None)).unwrap();
    let stands: Vec<_> =
        outcome.transfers.iter().map(|transfer| (transfer.time, transfer.block_hash)).collect();
    let (seven, eight) = ((700, Some([0xb7; 32])), (800, Some([0xb8; 32])));
    assert_eq!(stands, [eight, seven, eight]);
    let text = format!("{headings}\n{}", row(9));
    let said = refusal_with(&text, &settings(Some(&blocks()), None));
    assert_eq!(said, "line 2: no block_timestamp, and the blocks file does not have its block");
    let torn = write("number,timestamp\n7,1\n7,2\n");
    let said = refusal_with(&text, &settings(Some(&torn), None));
    assert!(said.contains("block 7 stands twice and differs"), "{said}");
    let mut few = settings(Some(&torn), None);
    few.bounds.max_blocks = 1;
    assert!(refusal_with(&text, &few).contains("more than 1 blocks"));
}

#[test]
fn what_is_wrong_is_said() {
    let fields = ["h", "0", "", "7", "3", A, B, "1", "700"];
    let check = |column: &str, value: &str, expected: &str| {
        let hash = hash("01");
        let mut fields = fields;
        fields[0] = &hash;
        let at = TRANSACTIONS.split(',').position(|name| name == column).unwrap();
        fields[at] = value;
        let said = refusal(format!("{TRANSACTIONS}\n{}\n", fields.join(",")));
        assert!(said.starts_with("line 2: ") && said.contains(expected), "{column}: {said}");
    };
    check("hash", "", "hash: is missing");
    check("hash", "0x1", "hash: ");
    check("block_hash", "7", "block_hash: ");
    check("block_number", "", "block_number: is missing");
    check("transaction_index", "-1", "transaction_index: ");
    check("from_address", "", "from_address: is missing");
    check("from_address", "0x", "from_address: ");
    check("value", "", "value: is missing");
    check("value", "1.5", "value: \"1.5\" is not a whole number of smallest units");
    check("value", "1e18", "value: ");
    check("block_timestamp", "x", "block_timestamp: ");
    let said = refusal_with(
        TRANSACTIONS.replace("to_address", "receiver"),
        &ReadSettings {
            format: Some(TransferFormat::EthereumTransactions),
            ..ReadSettings::default()
        },
    );
    assert!(said.contains("there is no column \"to_address\""), "{said}");
}

#[test]
fn only_chains_with_such_transfers_are_taken() {
    let check = |format, chain: Chain| {
        let settings =
            ReadSettings { format: Some(format), chain: Some(chain), ..ReadSettings::default() };
        let headings = format!("{TRANSACTIONS},inputs,outputs\n");
        read_with(headings, &settings).map(|outcome| outcome.report.rows_read)
    };
    let format = TransferFormat::EthereumTransactions;
    assert_eq!(check(format, Chain::Evm(56)).unwrap(), 0);
    for chain in [Chain::AnyEvm, Chain::Bitcoin, Chain::Tron] {
        assert!(matches!(check(format, chain), Err(ReadTransfersError::Chain { .. })));
    }
}

const TOKENS: &str =
    "token_address,from_address,to_address,value,transaction_hash,log_index,block_number";

#[test]
fn token_transfers_need_a_time_and_may_have_a_position() {
    let row = format!("{USDT},{A},{B},5,{},9,7\n", hash("01"));
    let text = format!("{TOKENS}\n{row}");
    assert_eq!(refusal(&text), "line 2: no block_timestamp, and no blocks file is given");
    let blocks = blocks();
    let outcome = read_with(&text, &settings(Some(&blocks), None)).unwrap();
    let transfer = &outcome.transfers[0];
    assert_eq!(outcome.report.format, TransferFormat::EthereumTokenTransfers);
    let placement = Placement::Partial(PartialPosition { height: 7, index: Some(19) });
    assert_eq!((transfer.time, transfer.placement), (700, placement));
    assert_eq!(transfer.kind(), MovementKind::Tokens);
    assert_eq!((&transfer.tx, transfer.block_hash), (&Some(TxId::Hash([1; 32])), Some([0xb7; 32])));
    assert_eq!(outcome.report.unpositioned, 1);
    assert_eq!(outcome.account(0).asset.to_string(), USDT);
    // A transactions file says what a receipts file says.
    let (tx, other) = (hash("01"), hash("02"));
    for receipts in [
        format!("transaction_hash,transaction_index,status\n{tx},4,1\n{other},5,0\n"),
        format!("{TRANSACTIONS},receipt_status\n{tx},0,,7,4,{A},{B},1,700,1\n"),
    ] {
        let receipts = write(receipts);
        let outcome = read_with(&text, &settings(Some(&blocks), Some(&receipts))).unwrap();
        let transfer = &outcome.transfers[0];
        assert_eq!(transfer.position(), Some(Position { height: 7, tx_index: 4, index: 19 }));
        assert_eq!(transfer.status, TxStatus::Succeeded);
    }
    let with_time = format!(
        "{{\"type\":\"token_transfer\",\"token_address\":\"{USDT}\",\"from_address\":\"{A}\",\
         \"to_address\":\"{B}\",\"value\":{},\"transaction_hash\":\"{tx}\",\"log_index\":0,\
         \"block_number\":7,\"block_timestamp\":701}}",
        Amount::MAX
    );
    let outcome = read_text(with_time);
    assert_eq!((outcome.transfers[0].time, outcome.account(0).amount), (701, Amount::MAX));
    let said = refusal(text.replace(USDT, "0xshort"));
    assert!(said.starts_with("line 2: token_address: \"0xshort\" is not a contract"), "{said}");
    let said = refusal(text.replace(",9,", ",2147483647,"));
    assert!(said.starts_with("line 2: log_index: 2147483647 is more than"), "{said}");
}

const TRACES: &str = "block_number,transaction_hash,transaction_index,from_address,to_address,value,\
                      trace_type,call_type,reward_type,trace_address,status,trace_id,trace_index";

/// A trace: its type, call type, address and index.
fn trace(kind: &str, call: &str, address: &str, index: &str) -> String {
    let tx =
        if matches!(kind, "reward" | "genesis" | "daofork") { String::new() } else { hash("01") };
    let place = if tx.is_empty() { "" } else { "3" };
    let from = if tx.is_empty() { "" } else { A };
    format!("7,{tx},{place},{from},{B},5,{kind},{call},,{address},1,,{index}")
}

fn traces(rows: &[String]) -> Outcome {
    let text = format!("{TRACES}\n{}\n", rows.join("\n"));
    read_with(text, &settings(Some(&blocks()), None)).unwrap()
}

#[test]
fn traces_that_move_value_are_kept_and_the_others_counted() {
    let outcome = traces(&[
        trace("call", "call", "", "10"),
        trace("call", "delegatecall", "0", "11"),
        trace("call", "staticcall", "1", "12"),
        trace("call", "callcode", "2", "13"),
        trace("call", "call", "\"3,0\"", "14"),
        trace("create", "", "4", "15"),
        trace("suicide", "", "5", "16"),
        trace("reward", "", "", "17"),
        trace("genesis", "", "", "18"),
        trace("daofork", "", "", "19"),
        trace("call", "staticcall", "6", "20"),
    ]);
    assert_eq!(outcome.report.format, TransferFormat::EthereumTraces);
    let left_out: Vec<_> =
        outcome.report.left_out.iter().map(|(why, count)| (*why, *count)).collect();
    let expected = [(LeftOut::DelegateCall, 1), (LeftOut::CallCode, 1), (LeftOut::StaticCall, 2)];
    assert_eq!(left_out, expected);
    let places: Vec<_> = outcome
        .transfers
        .iter()
        .map(|transfer| transfer.position().unwrap())
        .map(|position| (position.height, position.tx_index, position.index))
        .collect();
    let last = MAX_TX_INDEX;
    let expected =
        [(7, 3, 0), (7, 3, 30), (7, 3, 32), (7, 3, 34), (7, last, 36), (7, 0, 38), (7, 0, 40)];
    assert_eq!(places, expected);
    let reward = &outcome.transfers[4];
    assert_eq!((reward.time, &reward.tx, &outcome.account(4).from), (700, &None, &None));
}

#[test]
fn the_top_trace_is_the_transaction() {
    let (tx, block) = (hash("01"), hash("b7"));
    let transaction = read_text(format!("{TRANSACTIONS}\n{tx},0,{block},7,3,{A},{B},5,700\n"));
    let mut trace = traces(&[trace("call", "call", "", "10")]);
    // The trace says whether it took effect, the transaction does not.
    assert_eq!(trace.transfers[0].status, TxStatus::Succeeded);
    trace.transfers[0].status = TxStatus::Unknown;
    assert_eq!(trace.transfers, transaction.transfers);
}

#[test]
fn traces_without_an_index_have_one_from_their_address() {
    let index = |row: String| traces(&[row]).transfers[0].position().map(|position| position.index);
    assert_eq!(index(trace("create", "", "[]", "")), Some(0));
    let first = index(trace("call", "call", "0", "")).unwrap();
    let second = index(trace("call", "call", "[1]", "")).unwrap();
    let inner = index(trace("call", "call", "\"0, 1\"", "")).unwrap();
    assert!(first != second && second != inner && first != inner && first % 2 == 0);
    let deep = vec!["0"; 40].join(",");
    assert_eq!(index(trace("call", "call", &format!("\"{deep}\""), "")), None);
    assert_eq!(index(trace("reward", "", "", "")), None);
    let from_id = trace("call", "call", "", "").replace(",1,,", ",1,call_0xab_0_1,");
    assert_eq!(index(from_id), Some(inner), "the trace id says the same");
    // Without a place in the transaction, or without the transaction's in its block, the height
    // and what else is stated remain.
    let partial = |row: String| traces(&[row]).transfers[0].placement;
    let at = |index| Placement::Partial(PartialPosition { height: 7, index });
    assert_eq!(partial(trace("call", "call", &format!("\"{deep}\""), "")), at(None));
    assert_eq!(partial(trace("reward", "", "", "")), at(None));
    let unplaced =
        |row: String| row.replacen(&format!("{},3,", hash("01")), &format!("{},,", hash("01")), 1);
    assert_eq!(partial(unplaced(trace("call", "call", "", ""))), at(Some(0)));
    assert_eq!(partial(unplaced(trace("call", "call", "", "10"))), at(Some(0)));
    assert_eq!(partial(unplaced(trace("call", "call", "0", "10"))), at(Some(22)));
    assert_eq!(partial(unplaced(trace("call", "call", "0", ""))), at(Some(first)));
    assert_eq!(partial(unplaced(trace("call", "call", &format!("\"{deep}\""), ""))), at(None));
    let text = format!("{TRANSACTIONS}\n{},0,,7,,{A},{B},1,700\n", hash("01"));
    assert_eq!(read_text(text).transfers[0].placement, at(Some(0)));
    let unsaid = traces(&[trace("suicide", "", "", "")]);
    assert_eq!(unsaid.transfers[0].position().unwrap().index % 2, 0);
}

#[test]
fn failed_traces_are_kept_as_failed() {
    let failed = trace("call", "call", "0", "9").replace(",1,,9", ",0,,9");
    assert_eq!(traces(&[failed]).transfers[0].status, TxStatus::Failed);
    // So are those of a transaction that failed.
    let receipts = write(format!("transaction_hash,status\n{},0\n", hash("01")));
    let text = format!("{TRACES}\n{}\n", trace("call", "call", "0", "9"));
    let outcome = read_with(text, &settings(Some(&blocks()), Some(&receipts))).unwrap();
    assert_eq!(outcome.transfers[0].status, TxStatus::Failed);
}

#[test]
fn a_trace_with_an_error_failed() {
    let status = |status: &str, error: &str, receipts: Option<&ParsedNumber>| {
        let text = format!(
            "block_number,transaction_hash,from_address,to_address,value,trace_type,call_type,\
             trace_address,status,error\n7,{},{A},{B},5,call,call,0,{status},{error}\n",
            hash("01")
        );
        read_with(text, &settings(Some(&blocks()), receipts)).unwrap().transfers[0].status
    };
    for said in ["", "1", "0"] {
        assert_eq!(status(said, "Reverted", None), TxStatus::Failed);
    }
    assert_eq!(status("", "\"out of gas, twice\"", None), TxStatus::Failed);
    // Nothing, as exporters write it, is no error: it would make a movement count for nothing.
    for nothing in ["", " ", "null", "None", "nan", "\\N"] {
        assert_eq!(status("", nothing, None), TxStatus::Unknown, "{nothing}");
        assert_eq!(status("1", nothing, None), TxStatus::Succeeded, "{nothing}");
        assert_eq!(status("0", nothing, None), TxStatus::Failed, "{nothing}");
    }
    let [failed, succeeded] =
        [0, 1].map(|status| write(format!("transaction_hash,status\n{},{status}\n", hash("01"))));
    assert_eq!(status("1", "", Some(&failed)), TxStatus::Failed);
    assert_eq!(status("1", "Reverted", Some(&succeeded)), TxStatus::Failed);
    let json = format!(
        "{{\"block_number\":7,\"block_timestamp\":700,\"transaction_hash\":\"{}\",\
         \"from_address\":\"{A}\",\"to_address\":\"{B}\",\"value\":5,\"trace_type\":\"call\",\
         \"call_type\":\"call\",\"trace_address\":[0],\"error\":null}}",
        hash("01")
    );
    assert_eq!(read_text(&json).transfers[0].status, TxStatus::Unknown);
    let reverted = json.replace("\"error\":null", "\"error\":\"Reverted\"");
    assert_eq!(read_text(reverted).transfers[0].status, TxStatus::Failed);
}

#[test]
fn unknown_traces_are_refused() {
    let said = |row: String| refusal(format!("{TRACES}\n{row}\n"));
    assert_eq!(said(trace("burn", "", "", "")), "line 2: trace_type \"burn\" is not known");
    assert_eq!(
        said(trace("call", "authcall", "", "")),
        "line 2: call_type \"authcall\" is not known"
    );
    let text = format!("{TRACES}\n{}\n", trace("call", "call", "0;1", ""));
    let said = refusal_with(text, &settings(Some(&blocks()), None));
    assert!(said.starts_with("line 2: trace_address: "), "{said}");
}
