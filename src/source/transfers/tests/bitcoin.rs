//! bitcoin-etl transactions.

use super::*;

const GENESIS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
const OTHER: &str = "1PkqKGbNLDdDJGveCcNUMV9CEFH77ADrPQ";

fn row(more: &str) -> String {
    let hash = "01".repeat(32);
    format!("{{\"hash\":\"{hash}\",\"block_number\":7,\"block_timestamp\":700{more}}}\n")
}

fn legs(text: &str) -> Vec<(Vec<String>, Option<u64>)> {
    let outcome = read_text(row(&format!(",\"inputs\":[],\"outputs\":[{text}]")));
    let legs = outcome.utxo(0).outputs.iter();
    legs.map(|leg| (leg.holders.iter().map(ToString::to_string).collect(), leg.amount)).collect()
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
        amount: Some(amount),
    };
    let expected = Transfer {
        chain: Chain::Bitcoin,
        time: 700,
        position: Some(Position { height: 7, tx_index: 3, index: 0 }),
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
fn a_coinbase_has_no_inputs_and_may_have_no_index() {
    let text =
        row(",\"index\":null,\"is_coinbase\":true,\"inputs\":[{\"addresses\":[],\"value\":null}],\
         \"outputs\":[{\"addresses\":[],\"value\":1}]");
    let outcome = read_text(text);
    assert!(outcome.utxo(0).coinbase);
    assert_eq!((outcome.utxo(0).inputs.len(), outcome.utxo(0).outputs.len()), (0, 1));
    assert_eq!(outcome.transfers[0].position, None);
}

#[test]
fn a_shielded_balance_below_zero_is_of_the_other_side() {
    let text =
        row(",\"inputs\":[{\"addresses\":[],\"value\":-7,\"type\":\"shielded\"}],\"outputs\":[]");
    let settings = ReadSettings { chain: Some(Chain::Zcash), ..ReadSettings::default() };
    let outcome = read_with(text, &settings).unwrap();
    assert_eq!(outcome.transfers[0].chain, Chain::Zcash);
    let expected = vec![Leg { holders: vec![], amount: Some(7) }];
    assert_eq!((&outcome.utxo(0).inputs, &outcome.utxo(0).outputs), (&vec![], &expected));
}

#[test]
fn a_transaction_that_shows_nothing_is_left_out() {
    let outcome = read_text(row(",\"inputs\":[],\"outputs\":[]"));
    assert_eq!(outcome.report.left_out.into_iter().collect::<Vec<_>>(), [(LeftOut::NoLegs, 1)]);
}

#[test]
fn what_is_wrong_is_said() {
    let check = |more: &str, expected: &str| {
        let said = refusal(row(more));
        assert!(said.starts_with("line 1: ") && said.contains(expected), "{more}: {said}");
    };
    let output = |text: &str| format!(",\"inputs\":[],\"outputs\":[{text}]");
    check(&output("{\"addresses\":[\"1A1z\"],\"value\":1}"), "outputs: ");
    check(&output("{\"addresses\":[],\"value\":-1}"), "outputs: \"-1\" is not a whole number");
    check(&output("{\"addresses\":[],\"value\":0.5}"), "outputs: \"0.5\" is not a whole number");
    check(&output("{\"addresses\":[],\"value\":18446744073709551616}"), "outputs: ");
    check(&output("{\"addresses\":\"x\",\"value\":1}"), "expected an array");
    check(&output("1"), "");
    check(",\"inputs\":[],\"outputs\":[],\"hash\":\"00\"", "");
    let litecoin = output(&format!("{{\"addresses\":[\"{GENESIS}\"],\"value\":1}}"));
    let settings = ReadSettings { chain: Some(Chain::Dogecoin), ..ReadSettings::default() };
    assert!(refusal_with(row(&litecoin), &settings).starts_with("line 1: outputs: "));
    let settings = ReadSettings { chain: Some(Chain::Evm(1)), ..ReadSettings::default() };
    assert!(refusal_with(row(&litecoin), &settings).contains("cannot be of chain eip155:1"));
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
    let large = format!(",\"inputs\":[],\"outputs\":[{}]", vec!["{}"; 90_000].join(","));
    let written = write(row(&large).repeat(8));
    let mut batches = Vec::new();
    let mut sink = |batch: Vec<Transfer>, _: Progress| {
        batches.push(batch.len());
        Ok::<_, io::Error>(())
    };
    read(&written.path, &ReadSettings::default(), &decimals, None, &mut sink).unwrap();
    assert_eq!(batches, [3, 3, 2]);
}
