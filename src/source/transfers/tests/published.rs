//! Files made to published schemas (`tests/data/transfers`, with their sources).

use super::*;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transfers").join(name)
}

#[track_caller]
fn read_file(name: &str, settings: &ReadSettings) -> Outcome {
    read_path(&path(name), settings, false).unwrap()
}

fn refusal_of(name: &str, settings: &ReadSettings) -> String {
    read_path(&path(name), settings, false).map(|it| it.report).unwrap_err().to_string()
}

/// Bitcoin's transactions of Amazon and of BigQuery say the same but for the index in the block.
#[test]
fn bitcoin_of_amazon_and_of_bigquery_are_the_same_movements() {
    let amazon = read_file("aws-bitcoin-transactions.jsonl", &ReadSettings::default());
    let bigquery = read_file("bigquery-bitcoin-transactions.jsonl", &ReadSettings::default());
    assert_eq!(amazon.report.format, TransferFormat::AwsBitcoinTransactions);
    assert_eq!(bigquery.report.format, TransferFormat::BitcoinTransactions);
    let amounts = |outcome: &Outcome, at: usize| {
        let movement = outcome.utxo(at);
        let of = |legs: &[Leg]| legs.iter().map(|leg| leg.amount).collect::<Vec<_>>();
        (of(&movement.inputs), of(&movement.outputs))
    };
    let coin = |coins: u64| Some(coins * 100_000_000);
    for outcome in [&amazon, &bigquery] {
        assert_eq!(amounts(outcome, 0), (vec![], vec![coin(50)]));
        assert_eq!(amounts(outcome, 1), (vec![coin(50)], vec![coin(10), coin(40)]));
        assert!(outcome.transfers.iter().all(|transfer| transfer.time == 1_231_731_025));
    }
    for (ours, theirs) in amazon.transfers.iter().zip(&bigquery.transfers) {
        assert_eq!((&ours.tx, &ours.movement), (&theirs.tx, &theirs.movement));
    }
}

#[test]
fn times_without_a_time_zone_are_read_where_that_is_said() {
    let file = "bigquery-ethereum-transactions.csv";
    let said = refusal_of(file, &ReadSettings::default());
    let want = "line 3: block_timestamp: \"2016-02-13 22:54:13\" states no time zone: give --utc";
    assert!(said.contains(want), "{said}");
    let settings = ReadSettings { plain_times: PlainTimes::Utc, ..ReadSettings::default() };
    let outcome = read_file(file, &settings);
    assert_eq!(outcome.account(0).amount, Amount::new(1_000_000_000_000_000_000));
    assert!(outcome.transfers.iter().all(|transfer| transfer.time == 1_455_404_053));
}

#[test]
fn traces_of_geth_take_their_transactions_from_the_receipts() {
    let blocks = Some(path("geth-blocks.csv"));
    let said = refusal_of(
        "geth-traces.csv",
        &ReadSettings { blocks: blocks.clone(), ..Default::default() },
    );
    assert!(said.contains("line 2: no transaction_hash, as in traces of Geth"), "{said}");
    assert!(said.contains("give --receipts"), "{said}");
    let receipts = Some(path("geth-transactions.csv"));
    let settings = ReadSettings { blocks, receipts, ..Default::default() };
    let traces = read_file("geth-traces.csv", &settings);
    let transactions = read_file("geth-transactions.csv", &ReadSettings::default());
    // The traces at the top are the transactions; the first says that it failed.
    let mut top = traces.transfers[..2].to_vec();
    assert_eq!(top[0].status, TxStatus::Failed);
    top[0].status = TxStatus::Unknown;
    assert_eq!(top, transactions.transfers);
    let inner = &traces.transfers[2..];
    assert!(inner.iter().all(|trace| trace.tx == transactions.transfers[1].tx));
    let kinds: Vec<_> = inner.iter().map(Transfer::kind).collect();
    assert_eq!(kinds, [MovementKind::Internal, MovementKind::Internal]);
    assert_eq!(traces.report.left_out, [(LeftOut::DelegateCall, 1)].into());
}

#[test]
fn a_place_with_two_transactions_names_none() {
    let text = std::fs::read_to_string(path("geth-transactions.csv")).unwrap();
    let more = text.lines().last().unwrap().replace(&"d1".repeat(32), &"d2".repeat(32));
    let receipts = write(format!("{text}{more}\n"));
    let settings = ReadSettings {
        blocks: Some(path("geth-blocks.csv")),
        receipts: Some(receipts.path.clone()),
        ..Default::default()
    };
    let said = refusal_of("geth-traces.csv", &settings);
    assert!(said.contains("line 3: ") && said.contains("exactly one transaction there"), "{said}");
}
