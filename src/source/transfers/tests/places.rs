//! Where rows stand that could not be understood.

use super::*;

fn refused(text: impl AsRef<[u8]>, settings: &ReadSettings) -> RowPlace {
    let written = write(text);
    let mut outcome = read_path(&written.path, settings, true).unwrap();
    assert_eq!(outcome.stands.len(), 1, "{:?}", outcome.rejects);
    // The error of a reading without rejects says the same.
    let error = read_path(&written.path, settings, false).map(|outcome| outcome.report);
    let Err(ReadTransfersError::Row { stands, .. }) = error else { panic!("{error:?}") };
    assert_eq!(*stands, outcome.stands[0]);
    outcome.stands.remove(0)
}

const OWN: [&str; 8] = ["chain", "tx", "position", "time", "from", "to", "asset", "amount"];

/// A row of our own form whose amount cannot be read, with changes.
fn own_row(changes: &[(&str, &str)]) -> RowPlace {
    let tx = hash("11");
    let mut fields = ["eth", &tx, "7:3:5", "700", A, B, "native", "5E+09"];
    for (column, value) in changes {
        fields[OWN.iter().position(|name| name == column).unwrap()] = value;
    }
    refused(format!("{}\n{}\n", OWN.join(","), fields.join(",")), &ReadSettings::default())
}

fn own_place() -> RowPlace {
    RowPlace {
        chain: Some(Chain::Evm(1)),
        height: Some(7),
        time: Some(700),
        tx: Some(TxId::Hash([0x11; 32])),
        index: Some(5),
        kind: Some(MovementKind::Native),
    }
}

#[test]
fn each_field_of_our_own_form_is_told_by_itself() {
    assert_eq!(own_row(&[]), own_place());
    for wrong in ["", "nonesuch", "eip155:*"] {
        assert_eq!(own_row(&[("chain", wrong)]), RowPlace { chain: None, ..own_place() });
    }
    for wrong in ["", "0x11"] {
        assert_eq!(own_row(&[("tx", wrong)]), RowPlace { tx: None, ..own_place() });
    }
    for wrong in ["", "soon", "1700000000000"] {
        assert_eq!(own_row(&[("time", wrong)]), RowPlace { time: None, ..own_place() });
    }
    assert_eq!(own_row(&[("from", "x"), ("to", "x")]), own_place());
    let position = |text: &str, height: Option<u64>, index: Option<u32>| {
        let kind = (index.is_some() || text.is_empty()).then_some(MovementKind::Native);
        let expected = RowPlace { height, index, kind, ..own_place() };
        assert_eq!(own_row(&[("position", text)]), expected, "{text}");
    };
    position("7:3", Some(7), Some(0));
    position("7:16777215", Some(7), Some(0));
    position("7:x:5", Some(7), Some(5));
    position("7:3:x", Some(7), None);
    position("x:3:5", None, Some(5));
    position("", None, None);
    position("7", None, None);
    position("7:3:5:1", None, None);
    let kind = |asset: &str, position: &str, kind| {
        assert_eq!(own_row(&[("asset", asset), ("position", position)]).kind, kind, "{asset}");
    };
    kind("", "7:3:0", Some(MovementKind::Native));
    kind("native", "7:3:6", Some(MovementKind::Internal));
    kind(USDT, "7:3:6", Some(MovementKind::Tokens));
    kind(USDT, "x", Some(MovementKind::Tokens));
    kind("USDT", "7:3:5", None);
    // Without a chain a name tells nothing, but the chain's own coin and contracts do.
    let kind = |asset: &str| own_row(&[("chain", ""), ("asset", asset)]).kind;
    assert_eq!(kind("native"), Some(MovementKind::Native));
    assert_eq!(kind(USDT), Some(MovementKind::Tokens));
    assert_eq!(kind("1002000"), None);
    let tron = own_row(&[("chain", "tron"), ("asset", "1002000"), ("tx", "tx-1")]);
    let tx = Some(TxId::Text("tx-1".into()));
    let kind = Some(MovementKind::Tokens);
    assert_eq!(tron, RowPlace { chain: Some(Chain::Tron), tx, kind, ..own_place() });
}

#[test]
fn a_row_that_cannot_be_taken_apart_tells_what_holds_for_all() {
    let headings = OWN.join(",");
    let tx = hash("11");
    for row in [
        format!("eth,{tx},7:3:5,700,{A},{B},native"),
        format!("eth,{tx},7:3:5,700,{A},{B},native,1,1"),
        format!("eth,{tx},7:3:5,700,{A},{B},native,\"1\"1"),
    ] {
        let settings = ReadSettings { chain: Some(Chain::Evm(10)), ..ReadSettings::default() };
        let text = format!("{headings}\n{row}\n");
        assert_eq!(refused(&text, &settings), RowPlace::default(), "{row}");
    }
    // Without a column for it the chain is that of every row.
    let settings = ReadSettings { chain: Some(Chain::Evm(10)), ..ReadSettings::default() };
    let place = refused(format!("time,from,to,asset,amount\n700,{A}\n"), &settings);
    assert_eq!(place, RowPlace { chain: Some(Chain::Evm(10)), ..RowPlace::default() });
    let tokens = "token_address,from_address,to_address,value,transaction_hash,log_index,block_number\n1,2\n";
    let expected = RowPlace {
        chain: Some(Chain::Evm(1)),
        kind: Some(MovementKind::Tokens),
        ..RowPlace::default()
    };
    assert_eq!(refused(tokens, &ReadSettings::default()), expected);
    let bitcoin = "{\"hash\":\"\",\"block_number\":7,\"inputs\":[],\"outputs\":[]}";
    let text = bitcoin.to_owned() + "\n{\"block_number\":7,\"hash\":\n";
    let outcome = read_path(&write(text).path, &ReadSettings::default(), true).unwrap();
    let kind = Some(MovementKind::Utxo);
    let expected = RowPlace { chain: Some(Chain::Bitcoin), kind, ..RowPlace::default() };
    assert_eq!(outcome.stands[1], expected);
}

#[test]
fn json_tells_whatever_else_is_wrong_with_its_keys() {
    let row = |more: &str| {
        let text = format!(
            "{{\"chain\":\"eth\",\"tx\":\"{}\",\"time\":700,\"from\":\"{A}\",\"to\":\"{B}\",\
             \"position\":\"7:3:5\",\"asset\":\"native\",\"amount\":1{more}}}",
            hash("11")
        );
        // The first row tells the names of the columns.
        let first = format!(
            "{{\"chain\":\"eth\",\"time\":1,\"from\":\"{A}\",\"asset\":\"\",\"amount\":1}}\n"
        );
        refused(first + &text, &ReadSettings::default())
    };
    assert_eq!(row(",\"memo\":\"x\""), own_place());
    assert_eq!(row(",\"amount\":2"), own_place());
    assert_eq!(row(",\"time\":701,\"memo\":1"), RowPlace { time: None, ..own_place() });
    let twice = row(",\"position\":\"8:3:5\"");
    assert_eq!((twice.height, twice.index, twice.time), (None, None, Some(700)));
}

fn ethereum(headings: &str, row: &str) -> RowPlace {
    let blocks = write(format!("number,hash,timestamp\n7,{},700\n", hash("b7")));
    let settings = ReadSettings { blocks: Some(blocks.path.clone()), ..ReadSettings::default() };
    refused(format!("{headings}\n{row}\n"), &settings)
}

#[test]
fn rows_of_ethereum_etl_tell_their_place() {
    let tx = hash("11");
    let native = "hash,block_number,transaction_index,from_address,to_address,value";
    let place = |index, kind| RowPlace { index, kind, ..own_place() };
    let transaction = place(Some(0), Some(MovementKind::Native));
    assert_eq!(ethereum(native, &format!("{tx},7,3,{A},{B},5E+09")), transaction);
    assert_eq!(ethereum(native, &format!("{tx},7,x,{A},{B},5")), transaction);
    let unknown = ethereum(native, &format!("{tx},x,3,{A},{B},5"));
    assert_eq!(unknown, RowPlace { height: None, time: None, ..transaction.clone() });
    let unknown = ethereum(native, &format!("0x11,8,3,{A},{B},5"));
    assert_eq!(unknown, RowPlace { height: Some(8), time: None, tx: None, ..transaction });

    let tokens =
        "token_address,from_address,to_address,value,transaction_hash,log_index,block_number";
    let logged = place(Some(19), Some(MovementKind::Tokens));
    assert_eq!(ethereum(tokens, &format!("{USDT},{A},{B},1e18,{tx},9,7")), logged);
    assert_eq!(ethereum(tokens, &format!("x,{A},{B},1,{tx},9,7")), logged);
    let unknown = ethereum(tokens, &format!("{USDT},{A},{B},1,{tx},x,7"));
    assert_eq!(unknown, RowPlace { index: None, ..logged });

    let traces = "block_number,transaction_hash,from_address,to_address,value,trace_type,call_type,\
                  trace_address,trace_index";
    let trace = |kind: &str, address: &str, index: &str| {
        ethereum(traces, &format!("7,{tx},{A},{B},1e18,{kind},\"{address}\",{index}"))
    };
    let inner = Some(MovementKind::Internal);
    assert_eq!(trace("call,call", "", ""), place(Some(0), Some(MovementKind::Native)));
    assert_eq!(trace("call,authcall", "", ""), place(Some(0), Some(MovementKind::Native)));
    assert_eq!(trace("call,call", "0", "9"), place(Some(20), inner));
    assert_eq!(trace("create,", "0", ""), place(Some(8), inner));
    assert_eq!(trace("suicide,", "0", "9"), place(Some(20), inner));
    assert_eq!(trace("call,call", &vec!["0"; 40].join(","), ""), place(None, inner));
    assert_eq!(trace("call,call", "0;1", ""), place(None, None));
    assert_eq!(trace("burn,", "0", "9"), place(None, None));
    assert_eq!(trace("reward,", "", ""), place(None, None));
}

#[test]
fn rows_of_bitcoin_etl_tell_their_place() {
    let part = |address: &str| format!("{{\"addresses\":[\"{address}\"],\"value\":1}}");
    let row = |height: &str, address: &str| {
        let tx = "11".repeat(32);
        let text = format!(
            "{{\"hash\":\"{tx}\",\"block_number\":{height},\"block_timestamp\":700,\"index\":3,\
             \"inputs\":[],\"outputs\":[{}]}}",
            part(address)
        );
        refused(text, &ReadSettings::default())
    };
    let expected = RowPlace {
        chain: Some(Chain::Bitcoin),
        index: Some(0),
        kind: Some(MovementKind::Utxo),
        ..own_place()
    };
    assert_eq!(row("7", "1A1z"), expected);
    assert_eq!(row("\"7\"", "1A1z"), expected);
    assert_eq!(row("7.5", GENESIS), RowPlace { height: None, ..expected.clone() });
    assert_eq!(row("7,\"block_number\":8", GENESIS), RowPlace { height: None, ..expected });
}

const GENESIS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";

#[test]
fn a_position_beyond_a_transfer_is_told_as_far_as_it_goes() {
    // ConvertedRow, and then refused by the check of the transfer.
    let late = refused(
        format!("{}\neth,{},7:3:5,1700000000,{A},{B},native,1\n", OWN.join(","), hash("11")),
        &ReadSettings { now: 1_000, ..ReadSettings::default() },
    );
    assert_eq!(late, RowPlace { time: Some(1_700_000_000), ..own_place() });
}

#[test]
fn formats_hold_kinds() {
    use MovementKind::{Internal, Native, Tokens, Utxo};
    let kinds = TransferFormat::ALL.map(TransferFormat::kinds);
    let expected: [&[MovementKind]; 6] =
        [&[Native], &[Tokens], &[Native, Internal], &[Utxo], &[Utxo], &[Native, Tokens, Internal]];
    assert_eq!(kinds, expected);
}
