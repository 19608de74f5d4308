//! The public data set of Amazon, read as it is published.

use super::*;

/// The columns of transactions as Amazon publishes them (aws-public-blockchain, v1.0/btc).
fn amazon(levels: (&str, &str)) -> String {
    let (list, element) = levels;
    let side = |name: &str, more: &str| {
        format!(
            "optional group {name} (list) {{ repeated group {list} {{ optional group {element} {{
                optional int64 index; {more}
                optional binary script_asm (utf8); optional binary script_hex (utf8);
                optional int64 required_signatures; optional binary type (utf8);
                optional binary address (utf8); optional double value; }} }} }} "
        )
    };
    let spent = "optional binary spent_transaction_hash (utf8); optional int64 spent_output_index; \
                 optional int64 sequence;";
    format!(
        "message schema {{
            optional binary hash (utf8); optional int64 size; optional int64 virtual_size;
            optional int64 version; optional int64 lock_time; optional binary block_hash (utf8);
            optional int64 block_number; optional int96 block_timestamp; optional int64 index;
            optional int64 input_count; optional int64 output_count; optional double input_value;
            optional double output_value; optional boolean is_coinbase; optional double fee;
            {}{} optional binary date (utf8); optional int96 last_modified; }}",
        side("inputs", spent),
        side("outputs", "")
    )
}

/// A coinbase and a transaction that spends two outputs, the second of a bare public key.
fn amazon_file(levels: (&str, &str), compression: Compression, paid: f64) -> Vec<u8> {
    let mut moment = Int96::new();
    // 700 seconds after 1970 began, in nanoseconds of its day.
    moment.set_data(0xfb40_5800, 0xa2, 2_440_588);
    parquet(&amazon(levels), compression, |group| {
        flat::<ByteArrayType>(group, &texts(&[&"01".repeat(32), &"02".repeat(32)]));
        for _ in ["size", "virtual_size", "version", "lock_time"] {
            flat::<Int64Type>(group, &[1, 1]);
        }
        flat::<ByteArrayType>(group, &texts(&[&"b7".repeat(32), &"b7".repeat(32)]));
        flat::<Int64Type>(group, &[7, 7]);
        flat::<Int96Type>(group, &[moment, moment]);
        flat::<Int64Type>(group, &[0, 1]);
        flat::<Int64Type>(group, &[0, 2]);
        flat::<Int64Type>(group, &[2, 1]);
        flat::<DoubleType>(group, &[0.0, 0.1]);
        flat::<DoubleType>(group, &[6.25, 0.1]);
        flat::<BoolType>(group, &[true, false]);
        flat::<DoubleType>(group, &[0.0, 0.0]);
        let words = |words: [Option<&str>; 2]| words.map(|word| word.map(Into::into));
        let inputs = |group: &mut Group<'_>, values: [Option<&str>; 2]| {
            nested::<ByteArrayType>(group, &[None, Some(&words(values))]);
        };
        let numbers =
            |group: &mut Group<'_>| nested::<Int64Type>(group, &[None, Some(&[Some(0), None])]);
        numbers(group);
        inputs(group, [None, None]);
        numbers(group);
        numbers(group);
        inputs(group, [None, None]);
        inputs(group, [Some("4830"), Some("47")]);
        numbers(group);
        inputs(group, [Some("pubkeyhash"), Some("pubkey")]);
        inputs(group, [Some(GENESIS), None]);
        // What is paid has to come from somewhere.
        let is_exact = (paid * 1e8).round() / 1e8 == paid && paid < 67_108_864.0;
        let spent = if is_exact { paid.max(0.1) } else { 0.1 };
        nested::<DoubleType>(group, &[None, Some(&[Some(spent), Some(0.000_005_46)])]);
        let outputs = |group: &mut Group<'_>, first: [Option<&str>; 2], second: Option<&str>| {
            let second = [second.map(Into::into)];
            nested::<ByteArrayType>(group, &[Some(&words(first)), Some(&second)]);
        };
        let numbers = |group: &mut Group<'_>| {
            nested::<Int64Type>(group, &[Some(&[Some(0), Some(1)]), Some(&[Some(0)])]);
        };
        numbers(group);
        outputs(group, [None, None], None);
        outputs(group, [None, Some("6a24aa21a9ed")], None);
        numbers(group);
        outputs(group, [Some("pubkeyhash"), Some("nulldata")], Some("pubkeyhash"));
        outputs(group, [Some(GENESIS), None], Some(OTHER));
        nested::<DoubleType>(group, &[Some(&[Some(6.25), Some(0.0)]), Some(&[Some(paid)])]);
        flat::<ByteArrayType>(group, &texts(&["1970-01-01", "1970-01-01"]));
        flat::<Int96Type>(group, &[moment, moment]);
    })
}

#[test]
fn the_public_data_set_of_amazon_is_read() {
    let leg = |address: Option<&str>, amount: u64, unattributable: bool| Leg {
        holders: address.map(|text| Holder::Other(text.into())).into_iter().collect(),
        unattributable,
        amount: Some(amount),
    };
    for levels in LEVELS {
        let outcome = read_text(amazon_file(levels, Compression::SNAPPY, 0.1));
        assert_eq!(outcome.report.format, TransferFormat::AwsBitcoinTransactions);
        let transfer = |tx: u8, tx_index, movement| Transfer {
            chain: Chain::Bitcoin,
            time: 700,
            placement: Position { height: 7, tx_index, index: 0 }.into(),
            block_hash: Some([0xb7; 32]),
            tx: Some(TxId::Hash([tx; 32])),
            status: TxStatus::Succeeded,
            movement: Movement::Utxo(Box::new(movement)),
        };
        let made = UtxoMovement {
            coinbase: true,
            inputs: vec![],
            outputs: vec![leg(Some(GENESIS), 625_000_000, false), leg(None, 0, true)],
        };
        let spent = UtxoMovement {
            coinbase: false,
            inputs: vec![leg(Some(GENESIS), 10_000_000, false), leg(None, 546, false)],
            outputs: vec![leg(Some(OTHER), 10_000_000, false)],
        };
        assert_eq!(outcome.transfers, [transfer(1, 0, made), transfer(2, 1, spent)]);
        // A node names no address for a bare public key, and somebody holds it.
        assert_eq!((outcome.report.unnamed_inputs, outcome.report.unnamed_outputs), (1, 0));
    }
}

#[test]
fn coins_of_amazon_are_exact_or_rejected() {
    let read = |paid: f64| {
        let file = amazon_file(LEVELS[0], Compression::UNCOMPRESSED, paid);
        read_path(&write(file).path, &ReadSettings::default(), true).unwrap()
    };
    for (paid, expected) in [
        (0.29, 29_000_000),
        (1.0, 100_000_000),
        (1e-8, 1),
        (20_999_999.976_9, 2_099_999_997_690_000),
        (67_108_863.999_999_99, 6_710_886_399_999_999),
    ] {
        assert_eq!(read(paid).utxo(1).outputs[0].amount, Some(expected), "{paid}");
    }
    for paid in [0.1 + 0.2, 1e-9, -0.5, 67_108_864.0, 1e300, f64::NAN, f64::INFINITY] {
        let outcome = read(paid);
        assert_eq!((outcome.report.kept, outcome.report.rejected), (1, 1), "{paid}");
        let place = &outcome.stands[0];
        assert_eq!((place.height, place.time, place.index), (Some(7), Some(700), Some(0)));
        assert!(outcome.rejects[0].1.starts_with("outputs: "), "{:?}", outcome.rejects);
    }
}
