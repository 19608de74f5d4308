//! bitcoin-etl transactions.

use super::*;

const GENESIS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
const OTHER: &str = "1PkqKGbNLDdDJGveCcNUMV9CEFH77ADrPQ";

fn row(more: &str) -> String {
    let hash = "01".repeat(32);
    format!("{{\"hash\":\"{hash}\",\"block_number\":7,\"block_timestamp\":700{more}}}\n")
}

fn legs(text: &str) -> Vec<(Vec<String>, Option<u64>)> {
    // A file that names nobody at all is refused.
    let named = row(&format!(",\"inputs\":[],\"outputs\":[{}]", output(GENESIS)));
    let outcome = read_text(row(&format!(",\"inputs\":[],\"outputs\":[{text}]")) + &named);
    let legs = outcome.utxo(0).outputs.iter();
    legs.map(|leg| (leg.holders.iter().map(ToString::to_string).collect(), leg.amount)).collect()
}

fn output(address: &str) -> String {
    format!("{{\"addresses\":[\"{address}\"],\"value\":4}}")
}

#[test]
fn a_transaction_is_read_whole() {
    let text = row(&format!(
        ",\"block_hash\":\"{}\",\"index\":3,\"is_coinbase\":false,\"version\":1,\"inputs\":[{{\
         \"index\":0,\"spent_transaction_hash\":\"ab\",\"addresses\":[\"{GENESIS}\"],\"value\":5,\
         \"type\":\"pubkey\"}}],\"outputs\":[{{\"addresses\":[\"{OTHER}\"],\"value\":4}}]",
        "02".repeat(32)
    ));
    let outcome = read_text(text);
    let leg = |address: &str, amount| Leg {
        holders: vec![Holder::Other(address.into())],
        unattributable: false,
        amount: Some(amount),
    };
    let expected = Transfer {
        chain: Chain::Bitcoin,
        time: 700,
        placement: Position { height: 7, tx_index: 3, index: 0 }.into(),
        block_hash: Some([2; 32]),
        tx: Some(TxId::Hash([1; 32])),
        status: TxStatus::Succeeded,
        movement: Movement::Utxo(Box::new(UtxoMovement {
            coinbase: false,
            inputs: vec![leg(GENESIS, 5)],
            outputs: vec![leg(OTHER, 4)],
        })),
    };
    assert_eq!(outcome.transfers, [expected]);
    assert_eq!(outcome.report.format, TransferFormat::BitcoinTransactions);
}

#[test]
fn holders_may_be_none_one_or_several() {
    let one = |text: &str| legs(text).remove(0);
    let none: (Vec<String>, _) = (Vec::new(), Some(1));
    assert_eq!(one("{\"addresses\":[],\"value\":1,\"type\":\"shielded\"}"), none);
    assert_eq!(one("{\"addresses\":null,\"value\":1}"), none);
    assert_eq!(one("{\"value\":1}"), none);
    let pseudo = format!("{{\"addresses\":[\"nonstandard{}\"],\"value\":1}}", "ab".repeat(20));
    assert_eq!(one(&pseudo), none);
    let several = format!("{{\"addresses\":[\"{GENESIS}\",\"{OTHER}\"],\"value\":1}}");
    assert_eq!(one(&several).0, [GENESIS, OTHER]);
    assert_eq!(one("{\"addresses\":[],\"value\":null}").1, None);
    assert_eq!(one("{\"addresses\":[],\"value\":\"12\"}").1, Some(12));
}

#[test]
fn a_coinbase_stands_first_and_spends_nothing() {
    let outputs = format!("\"outputs\":[{}]", output(OTHER));
    let check = |more: &str, want: &str| {
        let said = refusal(row(&format!(",\"is_coinbase\":true,{more},{outputs}")));
        assert!(said.contains(want), "{said}");
    };
    check("\"inputs\":[],\"index\":1", "position.tx_index: 1, but a coinbase is the first");
    check("\"inputs\":[{\"addresses\":[],\"value\":5}]", "an input names a holder or a value");
}

#[test]
fn a_coinbase_has_no_inputs_and_may_have_no_index() {
    let text =
        row(",\"index\":null,\"is_coinbase\":true,\"inputs\":[{\"addresses\":[],\"value\":null}],\
         \"outputs\":[{\"addresses\":[\"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\"],\"value\":1}]");
    let outcome = read_text(text);
    assert!(outcome.utxo(0).coinbase);
    assert_eq!((outcome.utxo(0).inputs.len(), outcome.utxo(0).outputs.len()), (0, 1));
    let placement = Placement::Partial(PartialPosition { height: 7, index: Some(0) });
    assert_eq!(outcome.transfers[0].placement, placement);
    assert_eq!((outcome.report.unpositioned, outcome.report.unnamed_inputs), (1, 0));
}

#[test]
fn a_shielded_balance_below_zero_is_of_the_other_side() {
    let text =
        row(",\"inputs\":[{\"addresses\":[],\"value\":-7,\"type\":\"shielded\"}],\"outputs\":[]");
    let settings = ReadSettings { chain: Some(Chain::Zcash), ..ReadSettings::default() };
    let outcome = read_with(text, &settings).unwrap();
    assert_eq!(outcome.transfers[0].chain, Chain::Zcash);
    let expected = vec![Leg { holders: vec![], unattributable: true, amount: Some(7) }];
    assert_eq!((&outcome.utxo(0).inputs, &outcome.utxo(0).outputs), (&vec![], &expected));
}

#[test]
fn a_transaction_that_shows_nothing_is_left_out() {
    let zcash = ReadSettings { chain: Some(Chain::Zcash), ..ReadSettings::default() };
    let outcome = read_with(row(",\"inputs\":[],\"outputs\":[]"), &zcash).unwrap();
    assert_eq!(outcome.report.left_out.into_iter().collect::<Vec<_>>(), [(LeftOut::NoLegs, 1)]);
    // Where nothing can be shielded, and where the data do not say, something is missing.
    for (parts, settings, expected) in [
        (",\"inputs\":[],\"outputs\":[]", &ReadSettings::default(), "outputs: is missing"),
        (",\"inputs\":[],\"outputs\":null", &zcash, "outputs: is missing"),
        (",\"inputs\":null,\"outputs\":[]", &zcash, "inputs: is missing"),
        (",\"outputs\":[],\"x\":[]", &zcash, "inputs: is missing"),
    ] {
        let named =
            ReadSettings { format: Some(TransferFormat::BitcoinTransactions), ..settings.clone() };
        assert_eq!(refusal_with(row(parts), &named), format!("line 1: {expected}"), "{parts}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let check = |more: &str, expected: &str| {
        let said = refusal(row(more));
        assert!(said.starts_with("line 1: ") && said.contains(expected), "{more}: {said}");
    };
    let output = |text: &str| format!(",\"inputs\":[],\"outputs\":[{text}]");
    let inputs = |text: &str| format!(",\"inputs\":[{text}],\"outputs\":[{{}}]");
    check(&output("{\"addresses\":[\"1A1z\"],\"value\":1}"), "outputs: ");
    check(&output("{\"addresses\":[],\"value\":-1}"), "outputs: \"-1\" is not a whole number");
    check(&output("{\"addresses\":[],\"value\":0.5}"), "outputs: \"0.5\" is not a whole number");
    check(&output("{\"addresses\":[],\"value\":18446744073709551616}"), "outputs: ");
    check(&output("{\"addresses\":\"x\",\"value\":1}"), "expected an array");
    check(&output("1"), "");
    check(&output("null"), "");
    check(&output("{\"addresses\":[],\"addresses\":[]}"), "duplicate field `addresses`");
    check(&(output("{}") + ",\"inputs\":[]"), "duplicate field `inputs`");
    let several = format!("{{\"addresses\":[null,\"{GENESIS}\"],\"value\":1}}");
    check(&inputs(&several), "inputs: \"\" is not an address, as others beside it are");
    let spent = inputs(&format!("{{\"addresses\":[\"{GENESIS}\"],\"value\":1}}"));
    check(&format!("{spent},\"is_coinbase\":true"), "is_coinbase is true, but an input names");
    check(&format!("{spent},\"input_count\":2"), "input_count says 2, but there are 1: ");
    check(&format!("{spent},\"output_count\":0"), "output_count says 0, but there are 1: ");
    check(&format!("{spent},\"output_count\":1.5"), "output_count: \"1.5\" is not a whole number");
    check(&format!("{spent},\"input_count\":1,\"output_count\":2"), "output_count says 2");
    check(",\"inputs\":[],\"outputs\":[],\"hash\":\"00\"", "");
    let litecoin = output(&format!("{{\"addresses\":[\"{GENESIS}\"],\"value\":1}}"));
    let settings = ReadSettings { chain: Some(Chain::Dogecoin), ..ReadSettings::default() };
    assert!(refusal_with(row(&litecoin), &settings).starts_with("line 1: outputs: "));
    let settings = ReadSettings { chain: Some(Chain::Evm(1)), ..ReadSettings::default() };
    assert!(refusal_with(row(&litecoin), &settings).contains("on chain eip155:1"));
    let said = refusal("hash,block_number,block_timestamp,inputs,outputs\n");
    assert!(said.starts_with("inputs and outputs do not fit in CSV"), "{said}");
}

#[test]
fn parts_are_bounded() {
    let part = "{\"value\":1}";
    let parts = |count: usize| vec![part; count].join(",");
    let most = crate::domain::transfer::MAX_LEGS;
    assert_eq!(legs(&parts(most)).len(), most);
    let text = row(&format!(",\"inputs\":[],\"outputs\":[{}]", parts(most + 1)));
    assert!(refusal(text).contains("more than 100000 elements"));
    let holders = vec![format!("\"{GENESIS}\""); 101].join(",");
    let text = row(&format!(",\"inputs\":[],\"outputs\":[{{\"addresses\":[{holders}]}}]"));
    assert!(refusal(text).contains("more than 100 elements"));
}

#[test]
fn batches_of_large_transactions_are_short() {
    let outputs = [output(GENESIS)].into_iter().chain(vec!["{}".to_owned(); 89_999]);
    let outputs: Vec<String> = outputs.collect();
    let large = format!(",\"inputs\":[],\"outputs\":[{}]", outputs.join(","));
    let written = write(row(&large).repeat(8));
    let mut batches = Vec::new();
    let mut sink = |batch: Vec<Transfer>, _: Progress| {
        batches.push(batch.len());
        Ok::<_, io::Error>(())
    };
    read(&written.path, &ReadSettings::default(), &decimals, None, &mut sink).unwrap();
    assert_eq!(batches, [3, 3, 2]);
}

/// A transaction with one output of somebody, and these inputs.
fn paid_by(inputs: &str) -> String {
    row(&format!(",\"is_coinbase\":false{inputs},\"outputs\":[{}]", output(OTHER)))
}

fn settings() -> ReadSettings {
    let format = Some(TransferFormat::BitcoinTransactions);
    ReadSettings { format, ..ReadSettings::default() }
}

#[test]
fn inputs_that_name_nobody_are_counted() {
    let named = format!("{{\"addresses\":[\"{GENESIS}\"],\"value\":5,\"type\":\"pubkeyhash\"}}");
    let check = |inputs: &str, unnamed: u64| {
        let outcome = read_with(paid_by(inputs), &settings()).unwrap();
        let report = &outcome.report;
        assert_eq!(
            (report.kept, report.unnamed_inputs, report.unnamed_outputs),
            (1, unnamed, 0),
            "{inputs}"
        );
        assert_eq!(outcome.utxo(0).has_unnamed_inputs(), unnamed == 1, "{inputs}");
    };
    let one = |part: &str| format!(",\"inputs\":[{part}]");
    check(&one(&named), 0);
    // As bitcoin-etl writes them before enrich_transactions.
    check(&one("{\"addresses\":[],\"value\":null,\"type\":null}"), 1);
    check(&one("{\"value\":null}"), 1);
    check(&one("{}"), 1);
    check(&one(&format!("{named},{{\"addresses\":[],\"value\":null}},{named}")), 1);
    check("", 1);
    check(",\"inputs\":null", 1);
    check(",\"inputs\":[]", 1);
    for nobody in ["null", "[null]", "[\"\"]", "[\" \"]", "[null,\"\"]"] {
        check(&one(&format!("{{\"addresses\":{nobody},\"value\":5}}")), 1);
    }
    for nobody in ["null", "\"\""] {
        check(&one(&format!("{{\"address\":{nobody},\"value\":5}}")), 1);
        check(&one(&format!("{{\"address\":{nobody},\"type\":\"pubkey\"}}")), 1);
    }
    check(&one(&format!("{{\"address\":\"{GENESIS}\",\"value\":5}}")), 0);
    check(&one(&format!("{{\"addresses\":null,\"address\":\"{GENESIS}\",\"value\":5}}")), 0);
    // Of these it is known that nobody can be named.
    check(&one("{\"addresses\":[],\"value\":5,\"type\":\"shielded\"}"), 0);
    check(&one("{\"addresses\":[],\"value\":5,\"type\":\"nonstandard\"}"), 0);
    check(&one("{\"addresses\":[\"nonstandardab\"],\"value\":5}"), 0);
    check(&one("{\"addresses\":[],\"value\":5,\"type\":\"Shielded \"}"), 1);
    check(&one("{\"addresses\":[],\"value\":5,\"type\":\"multisig\"}"), 1);
}

#[test]
fn outputs_that_name_nobody_are_counted_where_they_are_worth_something() {
    let check = |part: &str, unnamed: u64, unattributable: bool| {
        let inputs = format!(",\"inputs\":[{0},{0},{0}]", output(GENESIS));
        let outcome = read_text(row(&format!("{inputs},\"outputs\":[{},{part}]", output(OTHER))));
        assert_eq!(outcome.report.unnamed_outputs, unnamed, "{part}");
        assert_eq!(outcome.utxo(0).outputs[1].unattributable, unattributable, "{part}");
    };
    check("{\"addresses\":[],\"value\":5}", 1, false);
    check("{\"addresses\":[],\"value\":null}", 1, false);
    check("{}", 1, false);
    check("{\"addresses\":[],\"value\":0}", 0, false);
    check("{\"addresses\":[],\"value\":5,\"type\":\"multisig\"}", 1, false);
    for kind in ["nulldata", "nonstandard", "shielded"] {
        check(&format!("{{\"addresses\":[],\"value\":5,\"type\":\"{kind}\"}}"), 0, true);
    }
    check("{\"addresses\":[\"nonstandardab\"],\"value\":5,\"script_hex\":\"6a0401\"}", 0, true);
    // An old bitcoin-etl, or one before a new node, calls these nonstandard, and they are not.
    let (key, program) = ("02".repeat(33), "ab".repeat(32));
    for script in [
        format!("5120{program}"),
        format!("0020{program}"),
        format!("0014{}", "ab".repeat(20)),
        format!("76A914{}88AC", "ab".repeat(20)),
        format!("a914{}87", "ab".repeat(20)),
        format!("21{key}ac"),
        format!("41{}ac", "04".repeat(65)),
        format!("0x5120{program}"),
        "5120zz".to_owned(),
        "512".to_owned(),
    ] {
        let part = format!(
            "{{\"addresses\":[\"nonstandardab\"],\"value\":5,\"type\":\"nonstandard\",\
             \"script_hex\":\"{script}\"}}"
        );
        check(&part, 1, false);
    }
}

#[test]
fn a_file_that_names_nobody_is_refused_before_anything_is_handed_on() {
    let nobody = "{\"addresses\":[],\"value\":5}";
    let empty = row(&format!(",\"inputs\":[{nobody}],\"outputs\":[{nobody}]"));
    let pseudo = "{\"addresses\":[\"nonstandardab\"],\"value\":5,\"type\":\"nonstandard\"}";
    let pseudo = row(&format!(",\"inputs\":[{pseudo}],\"outputs\":[{pseudo}]"));
    let keyless = row(",\"inputs\":[{\"value\":5}],\"outputs\":[{\"value\":5}]");
    let misnamed =
        row(&format!(",\"inputs\":[],\"outputs\":[{{\"addrs\":[\"{GENESIS}\"],\"value\":5}}]"));
    let named = paid_by(",\"inputs\":[]");
    let attempt = |text: &str| {
        let written = write(text);
        let mut handed = 0;
        let mut sink = |batch: Vec<Transfer>, _: Progress| {
            handed += batch.len();
            Ok::<_, io::Error>(())
        };
        let result = read(&written.path, &settings(), &decimals, None, &mut sink);
        (result.map_err(|error| error.to_string()), handed)
    };
    for text in [&empty, &pseudo, &keyless, &misnamed] {
        for count in [1, BATCH, BATCH + 1] {
            let (result, handed) = attempt(&text.repeat(count));
            let said = result.unwrap_err();
            assert!(said.contains("enrich_transactions first") && handed == 0, "{said} {handed}");
        }
        // Rows before the first that names somebody are not lost, within one batch.
        let (result, handed) = attempt(&(text.repeat(BATCH - 1) + &named));
        assert_eq!((result.unwrap().kept, handed), (BATCH as u64, BATCH));
        assert!(attempt(&(text.repeat(BATCH) + &named)).0.is_err());
    }
    // Blocks with a coinbase only name who was paid.
    let coinbase =
        row(&format!(",\"is_coinbase\":true,\"inputs\":[],\"outputs\":[{}]", output(OTHER)));
    assert_eq!(attempt(&coinbase).0.unwrap().unnamed_inputs, 0);
    let into_pool = row(",\"is_coinbase\":true,\"inputs\":[{\"addresses\":[]}],\"outputs\":[{\
                         \"addresses\":[],\"value\":5,\"type\":\"shielded\"}]");
    assert_eq!(attempt(&into_pool).0.unwrap().kept, 1);
    let shielded = "{\"addresses\":[],\"value\":5,\"type\":\"shielded\"}";
    let shielded = row(&format!(",\"inputs\":[{shielded}],\"outputs\":[{shielded}]"));
    let (result, handed) = attempt(&shielded.repeat(BATCH + 1));
    let report = result.unwrap();
    assert_eq!((report.kept as usize, report.unnamed_inputs, handed), (BATCH + 1, 0, BATCH + 1));
}

#[test]
fn values_with_one_address_are_in_coins_where_they_have_a_fraction() {
    let amounts = |values: &[&str]| {
        let part = |value: &&str| format!("{{\"address\":\"{GENESIS}\",\"value\":{value}}}");
        let parts: Vec<String> = values.iter().map(part).collect();
        let text = row(&format!(",\"inputs\":[],\"outputs\":[{}]", parts.join(",")));
        let outcome =
            read_with(text, &ReadSettings::default()).map_err(|error| error.to_string())?;
        Ok::<Vec<_>, String>(outcome.utxo(0).outputs.iter().map(|leg| leg.amount).collect())
    };
    assert_eq!(
        amounts(&["0.5", "20999999.9769", "5.46e-6", "0.0", "0", "null"]).unwrap(),
        [Some(50_000_000), Some(2_099_999_997_690_000), Some(546), Some(0), Some(0), None]
    );
    assert_eq!(amounts(&["5", "0", "18446744073709551615"]).unwrap()[0], Some(5));
    let refused = |values: &[&str], expected: &str| {
        let said = amounts(values).unwrap_err();
        assert!(said.contains(expected), "{values:?}: {said}");
    };
    refused(&["0.123456789"], "more digits after the point than the 8 decimals");
    refused(&["67108864.0"], "is more than 2^26 coins");
    refused(&["90071992.54740993"], "is more than 2^26 coins");
    refused(&["-0.5"], "is not a number that is not negative");
    refused(&["0.5", "5"], "amounts with and without a fraction");
    refused(&["5", "0.5"], "amounts with and without a fraction");
    // The first row tells the format; of one that does not, the unit is not guessed.
    let zero =
        row(&format!(",\"inputs\":[],\"outputs\":[{{\"address\":\"{GENESIS}\",\"value\":0.0}}]"));
    let coin = zero.replace("0.0", "1.0");
    let said = refusal(zero.clone() + &coin);
    assert!(said.contains("read by --format aws-bitcoin-transactions"), "{said}");
    let named = Some(TransferFormat::AwsBitcoinTransactions);
    let named = ReadSettings { format: named, ..ReadSettings::default() };
    let outcome = read_with(zero + &coin, &named).unwrap();
    assert_eq!(outcome.utxo(1).outputs[0].amount, Some(100_000_000));
    let said = refusal(row(&format!(
        ",\"inputs\":[],\"outputs\":[{{\"addresses\":[\"{GENESIS}\"],\"address\":\"{OTHER}\",\"value\":0.5}}]"
    )));
    assert!(said.contains("outputs: \"0.5\" is not a whole number"), "{said}");
}

#[test]
fn a_numeric_of_bigquery_is_a_whole_number_beside_addresses() {
    let output = |value: &str| {
        let text = format!("{{\"addresses\":[\"{OTHER}\"],\"value\":{value}}}");
        row(&format!(",\"inputs\":[],\"outputs\":[{text}]"))
    };
    let value =
        |text: &str| legs(&format!("{{\"addresses\":[\"{OTHER}\"],\"value\":{text}}}"))[0].1;
    assert_eq!(value("\"5000000000.000000000\""), Some(5_000_000_000));
    assert_eq!(value("5000000000.000000000"), Some(5_000_000_000));
    assert_eq!(value("0.000000000"), Some(0));
    assert_eq!(value("18446744073709551615.000000000"), Some(u64::MAX));
    for wrong in [
        // 50 coins as a floating-point number prints.
        "50.0",
        "\"50.0\"",
        "0.0",
        "50.00000000",
        "50.0000000000",
        "5000000000.0",
        "5000000000.000000001",
        "5000000000.5",
        "50.000000000e0",
        "5e9",
        "-5.000000000",
        "18446744073709551616.000000000",
        "\"+5.000000000\"",
        "\".000000000\"",
    ] {
        let said = refusal(output(wrong));
        let what = "outputs: \"";
        let to_do = "write whole coins in the smallest unit";
        for part in [what, "is not a whole number below 2^64", to_do] {
            assert!(said.contains(part), "{wrong}: {said}");
        }
    }
    // Behind a value with a fraction, one without may be in whole coins too.
    let written = write(output("0.5") + &output("1.000000000") + &output("7"));
    let outcome = read_path(&written.path, &ReadSettings::default(), true).unwrap();
    assert_eq!((outcome.report.kept, outcome.report.rejected), (1, 2), "{:?}", outcome.rejects);
}
