//! Columns of Parquet by their types: what cannot hold what is read of it is refused by the schema.

mod amazon;

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::containers::{column, parquet, texts};
use super::*;

const GENESIS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
const OTHER: &str = "1PkqKGbNLDdDJGveCcNUMV9CEFH77ADrPQ";

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// A file of these columns without rows: its schema is all that is looked at.
fn empty(columns: &str) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {columns} }}")).unwrap());
    let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    writer.into_inner().unwrap()
}

const OWN: [(&str, &str); 8] = [
    ("chain", "binary chain (utf8)"),
    ("tx", "binary tx (utf8)"),
    ("position", "binary position (utf8)"),
    ("time", "int64 time"),
    ("from", "binary from"),
    ("to", "binary to"),
    ("asset", "binary asset (utf8)"),
    ("amount", "int64 amount"),
];

/// The columns of our own form, one of another type or added.
fn own(column: &str, kind: &str) -> String {
    let others = OWN.iter().filter(|(name, _)| *name != column);
    let others: String = others.map(|(_, text)| format!("optional {text}; ")).collect();
    let (kind, note) = kind.split_once(' ').unwrap_or((kind, ""));
    format!("{others} optional {kind} {column} {note};")
}

#[test]
fn floating_point_is_refused_by_the_schema() {
    let check = |columns: &str, expected: &str| {
        let said = refusal(empty(columns));
        assert!(said.starts_with(expected), "{columns}: {said}");
    };
    for (name, _) in OWN {
        for kind in ["double", "float"] {
            let kind_shown = kind.to_uppercase();
            check(
                &own(name, kind),
                &format!("the column {name:?} is {kind_shown}: floating point"),
            );
        }
    }
    for name in ["decimals", "status", "block_hash"] {
        check(&own(name, "double"), &format!("the column {name:?} is DOUBLE: "));
    }
    check(
        &own("amount", "fixed_len_byte_array(2) (float16)"),
        "the column \"amount\" is FLOAT16: ",
    );
    check(
        &own("time", "double"),
        "the column \"time\" is DOUBLE: floating point loses digits in \
        silence: write it as a timestamp",
    );
    // Dollars are a decimal number, and columns of one's own are not read.
    for columns in [own("usd_value", "double"), own("usd_value", "float"), own("x_a", "double")] {
        assert_eq!(read_text(empty(&columns)).report.rows_read, 0, "{columns}");
    }
    let columns = "required binary hash; required int64 block_number; required int64 \
        transaction_index; required binary from_address; required binary to_address; required \
        double value; required double gas;";
    check(
        columns,
        "the column \"value\" is DOUBLE: floating point loses digits in silence: write it \
        as text, DECIMAL or INT64",
    );
    let columns = columns.replace("double value", "binary value");
    assert_eq!(read_text(empty(&columns)).report.rows_read, 0, "gas is not read");
    let columns = columns.replace("int64 block_number", "double block_number");
    check(&columns, "the column \"block_number\" is DOUBLE");
}

/// A column of nothing but nulls is of any type that an exporter picks.
#[test]
fn an_error_that_is_not_a_number_is_none() {
    let schema = "message m { required int64 block_number; required int64 block_timestamp;
        required binary transaction_hash; required binary from_address; required binary to_address;
        required int64 value; required binary trace_type; required binary call_type;
        required binary trace_address; optional double error; }";
    let status = |error: f64| {
        let file = parquet(schema, Compression::UNCOMPRESSED, |group| {
            column::<Int64Type>(group, &[7], None, None);
            column::<Int64Type>(group, &[700], None, None);
            for text in [&hash("01"), A, B] {
                column::<ByteArrayType>(group, &texts(&[text]), None, None);
            }
            column::<Int64Type>(group, &[5], None, None);
            for text in ["call", "call", "0"] {
                column::<ByteArrayType>(group, &texts(&[text]), None, None);
            }
            flat::<DoubleType>(group, &[error]);
        });
        read_text(file).transfers[0].status
    };
    assert_eq!(status(f64::NAN), TxStatus::Unknown);
    assert_eq!(status(1.0), TxStatus::Failed);
}

#[test]
fn other_types_that_cannot_be_read_so_are_refused_by_the_schema() {
    let check = |column: &str, kind: &str, expected: &str| {
        let said = refusal(empty(&own(column, kind)));
        assert!(
            said.starts_with(&format!("the column {column:?} is {expected}")),
            "{kind}: {said}"
        );
    };
    check("time", "int32 (date)", "DATE, which has no time of day: write it as a timestamp");
    check("time", "int32 (time_millis)", "TIME, which has no day");
    check("time", "int64 (decimal(18, 3))", "DECIMAL with 3 digits after the point");
    check("amount", "int64 (timestamp_millis)", "a timestamp");
    check("decimals", "int64 (timestamp(nanos, true))", "a timestamp");
    check("tx", "int96", "a timestamp");
    check("decimals", "int32 (decimal(9, 1))", "DECIMAL with 1 digits");
    for (column, kind) in [
        ("time", "int96"),
        ("time", "int64 (decimal(18, 0))"),
        ("amount", "int64 (decimal(18, 9))"),
        ("decimals", "int32 (uint_8)"),
    ] {
        assert_eq!(read_text(empty(&own(column, kind))).report.rows_read, 0, "{column} {kind}");
    }
}

#[test]
fn joined_files_are_held_to_their_schema() {
    let text = format!(
        "hash,block_number,transaction_index,from_address,to_address,value\n{},7,3,{A},{B},1\n",
        hash("01")
    );
    let check = |columns: &str, expected: &str| {
        let joined = write(empty(columns));
        let path = Some(joined.path.clone());
        let blocks = columns.contains("timestamp");
        let (blocks, receipts) = if blocks { (path, None) } else { (None, path) };
        let settings = ReadSettings { blocks, receipts, ..ReadSettings::default() };
        let written = write(&text);
        let error = read_path(&written.path, &settings, false).map(|it| it.report).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(expected) && said.contains("floating point"), "{said}");
    };
    check("required double number; required int64 timestamp;", "\"number\" is DOUBLE");
    check("required int64 number; required double timestamp;", "\"timestamp\" is DOUBLE");
    check("required binary transaction_hash; required double status;", "\"status\" is DOUBLE");
}

/// Inputs and outputs of these fields, in lists whose levels are named as told.
fn parts(fields: &str, levels: (&str, &str)) -> String {
    let (list, element) = levels;
    let side = |name: &str| {
        format!(
            "optional group {name} (list) {{ repeated group {list} {{ optional group {element} \
             {{ {fields} }} }} }} "
        )
    };
    format!(
        "required binary hash (utf8); required int64 block_number; required int64 \
         block_timestamp; {}{}",
        side("inputs"),
        side("outputs")
    )
}

const LEVELS: [(&str, &str); 4] =
    [("list", "element"), ("bag", "array_element"), ("list", "item"), ("list", "array")];

#[test]
fn parts_are_held_to_their_schema() {
    let addresses = "optional group addresses (list) { repeated group list { optional binary \
                     element (utf8); } }";
    for levels in LEVELS {
        let check = |fields: &str, expected: &str| {
            let said = refusal(empty(&parts(fields, levels)));
            assert!(said.contains(expected), "{fields}: {said}");
        };
        check(
            &format!("{addresses} optional double value;"),
            "\"value\" in the column \"inputs\" \
            is DOUBLE: floating point loses digits in silence: write it as INT64, in the coin's",
        );
        check(&format!("{addresses} optional binary address; optional double value;"), "is DOUBLE");
        check("optional binary address; optional float value;", "is FLOAT");
        check("optional binary type; optional double value;", "is DOUBLE");
        check(&format!("{addresses} optional int64 value (decimal(18, 8));"), "DECIMAL with 8");
        check("optional double address; optional int64 value;", "\"address\" in the column");
        check("optional binary type; optional int64 value;", "enrich_transactions first");
        check("optional binary addrs; optional int64 value;", "names an address");
        for fields in [
            &format!("{addresses} optional int64 value;"),
            "optional binary address; optional double value; optional double fee;",
            "optional binary address; optional int64 value (decimal(18, 8));",
        ] {
            let outcome = read_text(empty(&parts(fields, levels)));
            assert_eq!(outcome.report.rows_read, 0, "{fields}");
        }
    }
    let flat = parts("optional binary address;", LEVELS[0]).replacen(
        "optional group inputs (list) {",
        "optional group x_inputs (list) {",
        1,
    ) + " optional binary inputs (utf8);";
    assert_eq!(refusal(empty(&flat)), "\"inputs\" is no list of groups");
}

/// Values of a nested field of two transactions: which parts there are (`None`: no list), and for
/// each its value.
fn nested<T: DataType>(group: &mut Group<'_>, rows: &[Option<&[Option<T::T>]>]) {
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let parts = row.unwrap_or_default();
        if parts.is_empty() {
            definitions.push(i16::from(row.is_some()));
            repetitions.push(0);
        }
        for (at, part) in parts.iter().enumerate() {
            definitions.push(if part.is_some() { 4 } else { 3 });
            repetitions.push(i16::from(at > 0));
            values.extend(part.clone());
        }
    }
    column::<T>(group, &values, Some(&definitions), Some(&repetitions));
}

fn flat<T: DataType>(group: &mut Group<'_>, values: &[T::T]) {
    column::<T>(group, values, Some(&vec![1; values.len()]), None);
}

/// What the inputs and outputs are read as, and what is said of another.
#[test]
fn values_of_parquet_are_held_to_their_format() {
    let said = |format: TransferFormat, fields: &str| {
        let settings = ReadSettings { format: Some(format), ..ReadSettings::default() };
        refusal_with(empty(&parts(fields, LEVELS[0])), &settings)
    };
    let coins = "optional binary address (utf8); optional double value;";
    let found = said(TransferFormat::BitcoinTransactions, coins);
    assert!(found.contains("read it by --format aws-bitcoin-transactions"), "{found}");
    let satoshi = "optional binary address (utf8); optional int64 value;";
    let found = said(TransferFormat::AwsBitcoinTransactions, satoshi);
    assert!(found.contains("of satoshi: read it by --format bitcoin-transactions"), "{found}");
    let addresses = "optional group addresses (list) { repeated group list { optional binary \
                     element (utf8); } }";
    // BigQuery's NUMERIC.
    let numeric = format!("{addresses} optional fixed_len_byte_array(16) value (decimal(38, 9));");
    let outcome = read_text(empty(&parts(&numeric, LEVELS[0])));
    assert_eq!(outcome.report.format, TransferFormat::BitcoinTransactions);
    for scale in [1, 8, 10] {
        let found = said(
            TransferFormat::BitcoinTransactions,
            &numeric.replace("38, 9", &format!("38, {scale}")),
        );
        let want = format!("DECIMAL with {scale} digits after the point: write it as INT64");
        assert!(found.contains(&want), "{found}");
    }
}

/// The value of an output as BigQuery writes its NUMERIC to Parquet: billionths.
#[test]
fn numeric_of_parquet_is_a_whole_number_or_rejected() {
    let schema = "message m {
        required binary hash (utf8); required int64 block_number;
        required int64 block_timestamp (timestamp(micros, true)); required boolean is_coinbase;
        optional group outputs (list) { repeated group list { optional group element {
            optional group addresses (list) { repeated group list { optional binary element (utf8); } }
            optional fixed_len_byte_array(16) value (decimal(38, 9)); } } }
        optional group inputs (list) { repeated group list { optional group element {
            optional int64 index; } } } }";
    let read = |billionths: i128| {
        let file = parquet(schema, Compression::SNAPPY, |group| {
            column::<ByteArrayType>(group, &texts(&[&"01".repeat(32)]), None, None);
            column::<Int64Type>(group, &[7], None, None);
            column::<Int64Type>(group, &[700_000_000], None, None);
            column::<BoolType>(group, &[true], None, None);
            column::<ByteArrayType>(group, &texts(&[GENESIS]), Some(&[6]), Some(&[0]));
            let value = ByteArray::from(billionths.to_be_bytes().to_vec()).into();
            column::<FixedLenByteArrayType>(group, &[value], Some(&[4]), Some(&[0]));
            column::<Int64Type>(group, &[], Some(&[0]), Some(&[0]));
        });
        read_with(file, &ReadSettings::default()).map_err(|error| error.to_string())
    };
    let value = |billionths: i128| read(billionths).unwrap().utxo(0).outputs[0].amount;
    assert_eq!(value(5_000_000_000_000_000_000), Some(5_000_000_000));
    assert_eq!(value(i128::from(u64::MAX) * 1_000_000_000), Some(u64::MAX));
    for wrong in [1, -1_000_000_000, 5_000_000_000_000_000_001, i128::MAX] {
        let said = read(wrong).map(|it| it.report).unwrap_err();
        assert!(said.contains("outputs: ") && said.contains("is not a whole number"), "{said}");
    }
}

/// One row of our own form, of these columns and values.
fn own_file(time: &str, amount: &str, values: impl FnOnce(&mut Group<'_>)) -> Vec<u8> {
    let schema = format!(
        "message m {{ required binary chain; required binary from; required binary to; required \
         binary asset; required {time}; required {amount}; }}"
    );
    parquet(&schema, Compression::UNCOMPRESSED, |group| {
        for text in ["eth", A, B, "native"] {
            column::<ByteArrayType>(group, &texts(&[text]), None, None);
        }
        values(group);
    })
}

#[test]
fn whole_numbers_of_parquet_lose_nothing() {
    let check = |kind: &str, value: i64, expected: Result<u64, &str>| {
        let file = own_file("int64 time", kind, |group| {
            column::<Int64Type>(group, &[700], None, None);
            column::<Int64Type>(group, &[value], None, None);
        });
        match expected {
            Ok(amount) => assert_eq!(read_text(file).account(0).amount, Amount::from(amount)),
            Err(said) => assert!(refusal(&file).starts_with(said), "{}", refusal(&file)),
        }
    };
    check("int64 amount", (1 << 53) + 1, Ok((1 << 53) + 1));
    check("int64 amount", i64::MAX, Ok(i64::MAX as u64));
    check("int64 amount", -1, Err("row 1: amount: \"-1\" is not a number"));
    check("int64 amount (uint_64)", -1, Ok(u64::MAX));
    check("int64 amount (integer(64, false))", i64::MIN, Ok(1 << 63));
    let file =
        own_file("int32 time (uint_32)", "float usd_value; required int64 amount", |group| {
            column::<Int32Type>(group, &[-1], None, None);
            column::<FloatType>(group, &[0.5], None, None);
            column::<Int64Type>(group, &[1], None, None);
        });
    let outcome = read_text(file);
    assert_eq!(outcome.transfers[0].time, u64::from(u32::MAX));
    assert_eq!(outcome.account(0).usd_micros, Some(500_000));
}

#[test]
fn moments_of_int96_are_seconds() {
    let time = |low: u32, high: u32, day: u32| {
        let mut moment = Int96::new();
        moment.set_data(low, high, day);
        own_file("int96 time", "int64 amount", |group| {
            column::<Int96Type>(group, &[moment], None, None);
            column::<Int64Type>(group, &[1], None, None);
        })
    };
    assert_eq!(read_text(time(0, 0, 2_440_588)).transfers[0].time, 0);
    assert_eq!(read_text(time(4_165_425_152, 13, 2_454_923)).transfers[0].time, 1_238_544_060);
    // Before 1970, and years that no block has.
    assert!(refusal(time(0, 0, 2_440_587)).starts_with("row 1: time: \"-86400\" is not a time"));
    assert!(refusal(time(0, 0, u32::MAX)).starts_with("row 1: time: "));
}
