//! Our own form.

use super::*;
use crate::domain::transfer::MAX_TIME;

const HEADINGS: &str =
    "chain,tx,position,time,from,to,asset,amount,decimals,usd_value,status,block_hash";

fn csv(rows: &[String]) -> String {
    format!("{HEADINGS}\n{}\n", rows.join("\n"))
}

/// A row that is right, with one column replaced.
fn with(column: &str, value: &str) -> String {
    let at = HEADINGS.split(',').position(|name| name == column).unwrap();
    let (tx, block) = (hash("11"), hash("22"));
    let row = format!("ethereum,{tx},7:3:5,1650000000,{A},{B},native,10,,1.5,success,{block}");
    let mut fields: Vec<&str> = row.split(',').collect();
    fields[at] = value;
    fields.join(",")
}

#[test]
fn a_row_is_read_whole() {
    let outcome = read_text(csv(&[with("chain", "eip155:1")]));
    let expected = Transfer {
        chain: Chain::Evm(1),
        time: 1_650_000_000,
        placement: Position { height: 7, tx_index: 3, index: 5 }.into(),
        block_hash: Some([0x22; 32]),
        tx: Some(TxId::Hash([0x11; 32])),
        status: TxStatus::Succeeded,
        movement: Movement::Account(AccountMovement {
            from: evm(A),
            to: evm(B),
            asset: Asset::Native,
            amount: Amount::new(10),
            usd_micros: Some(1_500_000),
        }),
    };
    assert_eq!(outcome.transfers, [expected]);
    assert_eq!(outcome.report.format, TransferFormat::Own);
    assert_eq!((outcome.report.unpositioned, outcome.report.without_tx), (0, 0));
}

#[test]
fn what_may_be_absent_may_be_absent() {
    let text = format!(
        "amount,to,from,asset,time,chain,x_note\n5,{B},,{USDT},2022-04-15T05:20:00Z,bsc,a\n"
    );
    let outcome = read_text(text);
    let transfer = &outcome.transfers[0];
    assert_eq!((&transfer.chain, transfer.time), (&Chain::Evm(56), 1_650_000_000));
    assert_eq!((transfer.position(), &transfer.tx, transfer.block_hash), (None, &None, None));
    assert_eq!(transfer.status, TxStatus::Unknown);
    assert_eq!((&outcome.account(0).from, &outcome.account(0).to), (&None, &evm(B)));
    assert!(matches!(outcome.account(0).asset, Asset::Contract(_)));
    assert_eq!((outcome.report.unpositioned, outcome.report.without_tx), (1, 1));
}

#[test]
fn other_chains_have_names_for_assets_and_transactions() {
    let trx = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8";
    let row = format!("tron,tx-1,,1,{trx},,TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t,1,,,,");
    let outcome = read_text(csv(&[row]));
    assert_eq!(outcome.transfers[0].tx, Some(TxId::Text("tx-1".into())));
    assert_eq!(outcome.account(0).asset, Asset::Named("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".into()));
    assert_eq!(outcome.account(0).from, Some(Holder::Other(trx.into())));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_column() {
    let check = |column: &str, value: &str, expected: &str| {
        let said = refusal(csv(&[with("chain", "eth"), with(column, value)]));
        assert!(
            said.starts_with("line 3: ") && said.contains(expected),
            "{column} {value}: {said}"
        );
    };
    check("chain", "", "chain: is missing");
    check("chain", "nonesuch", "chain: \"nonesuch\" is not a chain");
    check("chain", "evm", "chain: \"eip155:*\" is a family of chains");
    check("chain", "cosmos:*", "chain: \"cosmos:*\" is a family of chains");
    check("tx", "0x12", "tx: ");
    check("position", "7", "position: \"7\" is not height:tx_index");
    check("position", "7:", "position: ");
    check("position", "7:1:", "position: ");
    check("position", "7:1:2:3", "position: ");
    check("position", "7:16777215", "position: 16777215 is more than 16777214");
    check("position", "1099511627776:0", "position: ");
    check("position", "7:1:4294967296", "position: ");
    check("time", "", "time: is missing");
    check("time", "1e9", "time: \"1e9\" is not a time");
    check("time", "17179869184", "time: 17179869184 is too late for Unix seconds");
    check("time", "1700000000000", "milliseconds? give seconds or RFC 3339");
    check("from", "0x12", "from: ");
    check("to", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "to: ");
    check("asset", "USDT", "asset: \"USDT\" is not native, or a contract");
    check("amount", "", "amount: is missing");
    check("amount", "-1", "amount: \"-1\" is not a number");
    check("amount", "1e78", "amount: \"1e78\" has an exponent above zero");
    check("amount", "1.5e+1", "write its digits out");
    let digits = format!("1{}.0", "0".repeat(78));
    check("amount", &digits, "is more than 2^256 - 1");
    check("decimals", "78", "decimals: 78 is more than 77");
    check("usd_value", "-0.5", "usd_value: ");
    check("usd_value", "18446744073710", "usd_value: ");
    check("status", "maybe", "status: \"maybe\" is not success, failed, 1 or 0");
    check("block_hash", "0x", "block_hash: ");
    check("block_hash", "ab", "block_hash: ");
    let said = refusal(csv(&["eth,,,1,,,native,1,,,,".into()]));
    assert_eq!(said, "line 2: neither from nor to is given");
    let said = refusal(csv(&["eth,,,1".into()]));
    assert_eq!(said, "line 2: 4 fields where the headings have 12");
}

#[test]
fn fractions_need_decimals() {
    let check = |asset: &str, amount: &str, decimals: &str, expected: Result<&str, &str>| {
        let row = format!("eth,,,1,{A},{B},{asset},{amount},{decimals},,,");
        match (read_with(csv(std::slice::from_ref(&row)), &ReadSettings::default()), expected) {
            (Ok(outcome), Ok(expected)) => {
                assert_eq!(outcome.account(0).amount.to_string(), expected, "{row}");
            }
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{row}: {error}");
            }
            (Ok(outcome), Err(_)) => panic!("{row} is {}", outcome.account(0).amount),
            (Err(error), Ok(_)) => panic!("{row}: {error}"),
        }
    };
    check("native", "1.5", "", Ok("1500000000000000000"));
    check("native", "2e-3", "18", Ok("2000000000000000"));
    check("native", "1.5", "6", Err("6 decimals, but this asset has 18"));
    check(USDT, "1.5", "", Err("the decimals of its asset are not known"));
    check(USDT, "1.5", "6", Ok("1500000"));
    check(USDT, "1.0000001", "6", Err("more digits after the point than the 6 decimals"));
    check(USDT, "1", "6", Ok("1"));
    check(USDT, "0.0", "6", Ok("0"));
    check(USDT, "0.0", "", Err("the decimals of its asset are not known"));
}

#[test]
fn whole_and_smallest_units_are_not_mixed() {
    let rows = |amounts: &[&str]| {
        csv(&amounts.iter().map(|amount| with("amount", amount)).collect::<Vec<_>>())
    };
    let said = refusal(rows(&["1.5", "0", "2"]));
    assert!(said.starts_with("line 4: amounts with and without a fraction"), "{said}");
    assert!(refusal(rows(&["2", "1.5"])).starts_with("line 3: amounts with and without"));
    assert_eq!(read_text(rows(&["1.5", "0", "0.0", "2.0"])).report.kept, 4);
    assert_eq!(read_text(rows(&["15", "0", "0.0", "2"])).report.kept, 4);
}

#[test]
fn two_short_positions_at_one_place_are_refused() {
    let rows = |positions: &[&str]| {
        csv(&positions.iter().map(|position| with("position", position)).collect::<Vec<_>>())
    };
    let said = refusal(rows(&["7:3", "7:3"]));
    assert!(said.starts_with("line 3: stands at 7:3 as the row before"), "{said}");
    let outcome = read_text(rows(&["7:3", "7:3:1", "7:4", "8:4"]));
    let indices: Vec<u32> =
        outcome.transfers.iter().map(|transfer| transfer.position().unwrap().index).collect();
    assert_eq!(indices, [0, 1, 0, 0]);
}

#[test]
fn statuses_and_values_are_understood() {
    let check = |status: &str, expected: TxStatus| {
        assert_eq!(read_text(csv(&[with("status", status)])).transfers[0].status, expected);
    };
    check("success", TxStatus::Succeeded);
    check("1", TxStatus::Succeeded);
    check("failed", TxStatus::Failed);
    check("0", TxStatus::Failed);
    check("", TxStatus::Unknown);
    let usd = |value: &str| read_text(csv(&[with("usd_value", value)])).account(0).usd_micros;
    assert_eq!(usd(""), None);
    assert_eq!(usd("0.1"), Some(100_000));
    assert_eq!(usd("1.2345678"), Some(1_234_567), "cut");
    assert_eq!(usd("1e3"), Some(1_000_000_000));
}

#[test]
fn a_chain_may_be_set_for_rows_without_one() {
    let text = format!("time,from,to,asset,amount\n1,{A},{B},,1\n");
    assert_eq!(refusal(&text), "line 2: chain: is missing");
    let settings = ReadSettings { chain: Some(Chain::Evm(10)), ..ReadSettings::default() };
    assert_eq!(read_with(&text, &settings).unwrap().transfers[0].chain, Chain::Evm(10));
    let settings = ReadSettings { chain: Some(Chain::AnyEvm), ..ReadSettings::default() };
    assert!(read_with(&text, &settings).is_err());
}

#[test]
fn unknown_columns_are_refused_unless_they_are_ones_own() {
    let said = refusal(format!("time,from,to,asset,amount,chain,memo\n1,{A},{B},,1,eth,hello\n"));
    assert!(said.contains("\"memo\" is no column of it"), "{said}");
    let said = refusal("{\"time\":1,\"asset\":\"\",\"amount\":1,\"x_a\":[],\"memo\":2}");
    assert_eq!(said, "line 1: unknown field \"memo\"");
    let said = refusal("{\"time\":1,\"asset\":\"\",\"amount\":1,\"time\":2}");
    assert_eq!(said, "line 1: \"time\" is repeated");
    let said = refusal("chain,time,time,from,to,asset,amount\n");
    assert!(said.contains("\"time\" is repeated"), "{said}");
}

#[test]
fn numbers_of_json_lose_nothing() {
    let most = Amount::MAX;
    let row = |amount: &str| {
        format!(
            "{{\"chain\":\"eth\",\"time\":1650000000,\"from\":\"{A}\",\"to\":null,\"asset\":\
             \"native\",\"amount\":{amount},\"x_more\":{{\"a\":[1]}},\"tx\":\"0x\\u0031{}\"}}",
            "1".repeat(63)
        )
    };
    let outcome = read_text(row(&most.to_string()));
    assert_eq!(outcome.account(0).amount, most);
    assert_eq!(outcome.transfers[0].tx, Some(TxId::Hash([0x11; 32])), "escapes are understood");
    let outcome = read_text(row("0.100000000000000001"));
    assert_eq!(outcome.account(0).amount, Amount::new(100_000_000_000_000_001));
    assert_eq!(read_text(row("\"12\"")).account(0).amount, Amount::new(12));
    for wrong in ["true", "[1]", "{}", "-1", "null"] {
        assert!(refusal(row(wrong)).starts_with("line 1: amount: "), "{wrong}");
    }
    assert!(refusal(row("")).starts_with("line 1: "));
}

#[test]
fn rejected_rows_are_kept_as_they_stand() {
    let rows = [
        with("amount", "1"),
        with("amount", "x"),
        with("amount", "\"2\"\"\"\n"),
        with("tx", "\""),
        with("amount", "3"),
    ];
    // The last quote swallows the rest of the file.
    let written = write(csv(&rows));
    let allowing = ReadSettings { line_breaks: LineBreaks::Allowed, ..ReadSettings::default() };
    let outcome = read_path(&written.path, &allowing, true).unwrap();
    assert_eq!(outcome.report.kept, 1);
    let (lines, verbatim): (Vec<u64>, Vec<&str>) =
        outcome.rejects.iter().map(|(line, _, row)| (*line, row.as_str())).unzip();
    assert_eq!(lines, [3, 4, 5, 6]);
    assert_eq!(verbatim[0], rows[1]);
    // What follows the end of a line that no quote holds is another record.
    assert!(verbatim[1].starts_with("ethereum,") && verbatim[1].contains("\"2\"\"\""));
    assert!(outcome.rejects[0].1.starts_with("amount: \"x\" is not a number"));
}

/// A quote that opens in one row and closes in another hides no row between them.
#[test]
fn a_stray_quote_swallows_no_rows() {
    let noted = |amount: &str, note: &str| format!("{},{note}", with("amount", amount));
    let rows = [noted("1", ""), noted("2", "\"a"), noted("3", "x"), noted("4", "b\"")];
    let text = format!("{HEADINGS},x_note\n{}\n", rows.join("\n"));
    let written = write(&text);
    let settings = ReadSettings::default();
    let said = refusal_with(&text, &settings);
    assert!(said.starts_with("line 3: a quoted cell goes over the end of its line"), "{said}");
    assert!(said.contains("--allow-line-breaks"), "{said}");

    let outcome = read_path(&written.path, &settings, true).unwrap();
    let lines: Vec<_> = outcome.rejects.iter().map(|(line, ..)| *line).collect();
    assert_eq!((outcome.report.rows_read, outcome.report.kept, lines), (4, 3, vec![3]));
    assert_eq!(outcome.rejects[0].2, rows[1], "as it stands");
    let lines = LineCounts { lines: 5, heading_lines: 1, empty_lines: 0, lines_in_cells: 0 };
    assert_eq!(outcome.report.lines, Some(lines));

    // Whoever allows line breaks is told how many lines are within cells.
    let allowing = ReadSettings { line_breaks: LineBreaks::Allowed, ..settings };
    let outcome = read_path(&written.path, &allowing, false).unwrap();
    assert_eq!((outcome.report.rows_read, outcome.report.kept), (2, 2));
    assert_eq!(outcome.report.lines, Some(LineCounts { lines_in_cells: 2, ..lines }));
}

#[test]
fn lines_are_counted_in_every_form() {
    let lines = |text: &str| read_text(text).report.lines.unwrap();
    let row = with("amount", "1");
    let text = format!("\n{HEADINGS}\r\n{row}\r\n\n{row}");
    let want = LineCounts { lines: 5, heading_lines: 1, empty_lines: 2, lines_in_cells: 0 };
    assert_eq!(lines(&text), want);
    let object = format!(
        "{{\"chain\":\"eth\",\"time\":1,\"from\":\"{A}\",\"asset\":\"native\",\"amount\":1}}"
    );
    let want = LineCounts { lines: 4, empty_lines: 2, ..LineCounts::default() };
    assert_eq!(lines(&format!("\n{object}\n \r\n{object}")), want);
}

#[test]
fn an_error_of_the_sink_stops_the_reading() {
    let written = write(csv(&[with("amount", "1")]));
    let mut sink = |_: Vec<Transfer>, _: Progress| Err(io::Error::other("full"));
    let error = read(&written.path, &ReadSettings::default(), &decimals, None, &mut sink);
    assert!(matches!(error, Err(ReadTransfersError::Sink(_))), "{error:?}");
    let written = write(csv(&[with("amount", "x")]));
    let mut sink = |_: Vec<Transfer>, _: Progress| Ok::<_, io::Error>(());
    let mut reject = |_: &Reject<'_>| Err(io::Error::other("full"));
    let settings = ReadSettings::default();
    let error = read(&written.path, &settings, &decimals, Some(&mut reject), &mut sink);
    assert!(matches!(error, Err(ReadTransfersError::Reject(_))), "{error:?}");
}

#[test]
fn files_of_several_batches_come_in_order() {
    let rows: Vec<String> = (0..10_000).map(|at| with("amount", &at.to_string())).collect();
    let outcome = read_text(csv(&rows));
    assert_eq!(outcome.report.kept, 10_000);
    assert!((0..10_000).all(|at| outcome.account(at).amount == Amount::new(at as u128)));
}

proptest! {
    /// Whatever the bytes, there is an outcome and every row has a fate.
    #[test]
    fn nothing_panics(text in "(chain,tx,position,time,from,to,asset,amount\n|\\{)?[ -~\n]{0,200}") {
        let written = write(text);
        drop(read_path(&written.path, &ReadSettings::default(), true));
    }

    /// A row of any values is read as it was written.
    #[test]
    fn what_is_written_is_read(
        amount: u128, time in 0..MAX_TIME, from: [u8; 20], to: [u8; 20], tx: [u8; 32],
        height in 0u64..(1 << 40) - 1, tx_index in 0..MAX_TX_INDEX, index: u32,
    ) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let row = format!(
            "eth,0x{},{height}:{tx_index}:{index},{time},0x{},0x{},native,{amount},,,,",
            hex(&tx), hex(&from), hex(&to),
        );
        let outcome = read_text(csv(&[row]));
        let transfer = &outcome.transfers[0];
        prop_assert_eq!(transfer.time, time);
        prop_assert_eq!(transfer.position(), Some(Position { height, tx_index, index }));
        prop_assert_eq!(&transfer.tx, &Some(TxId::Hash(tx)));
        let movement = outcome.account(0);
        prop_assert_eq!(&movement.from, &Some(Holder::Evm(from)));
        prop_assert_eq!(&movement.to, &Some(Holder::Evm(to)));
        prop_assert_eq!(movement.amount, Amount::new(amount));
    }
}
