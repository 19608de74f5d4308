//! `TransferService` and `TraceExposure` by a real client: batches in and their fate in order, what
//! is loaded, and every way in which they are refused.

use v1::ingest_transfers_response::Outcome;
use v1::transfer::Movement;

use super::*;

const INVALID: Code = Code::InvalidArgument;

/// One ether from one made-up address to another, in a block of its own.
pub fn payment(height: u64, from: u64, to: u64) -> v1::Transfer {
    v1::Transfer {
        chain: "ethereum".to_owned(),
        time: Some(pbjson_types::Timestamp { seconds: 1_700_000_000 + height as i64, nanos: 0 }),
        position: Some(v1::ChainPosition { height, tx_index: 0, index: 0 }),
        tx: format!("0x{height:064x}"),
        movement: Some(Movement::Account(v1::AccountMovement {
            sender: evm(from),
            receiver: evm(to),
            amount: "1000000000000000000".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

pub fn batch(id: &str, transfers: Vec<v1::Transfer>) -> v1::IngestTransfersRequest {
    v1::IngestTransfersRequest { batch_id: id.to_owned(), transfers, ..Default::default() }
}

fn covering(chain: &str, from: u64, to: u64) -> v1::IngestTransfersRequest {
    let covered = v1::CoveredBlocks {
        chain: chain.to_owned(),
        heights: Some(v1::HeightRange { first_height: from, last_height: to }),
        kinds: vec![v1::MovementKind::Native.into()],
        ..Default::default()
    };
    v1::IngestTransfersRequest { covered: vec![covered], ..Default::default() }
}

/// Sends the batches in one stream, and gives their answers.
pub async fn ingest(
    desk: &Desk,
    batches: Vec<v1::IngestTransfersRequest>,
) -> Vec<v1::IngestTransfersResponse> {
    let mut client = desk.client.transfers.clone();
    let call = client.ingest_transfers(tokio_stream::iter(batches)).await.unwrap();
    let mut stream = call.into_inner();
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        answers.push(answer);
    }
    answers
}

/// An acknowledgement as `id stored/duplicates/derived of rows`.
fn taken(answer: &v1::IngestTransfersResponse) -> String {
    let Some(Outcome::Acknowledgement(done)) = &answer.outcome else { panic!("{answer:?}") };
    let v1::IngestAcknowledgement {
        stored, duplicates, identified_by_content: derived, rows, ..
    } = done;
    format!("{} {stored}/{duplicates}/{derived} of {rows}", answer.batch_id)
}

async fn heads(desk: &Desk) -> v1::ListTransferHeadsResponse {
    let request = v1::ListTransferHeadsRequest {};
    desk.client.transfers.clone().list_transfer_heads(request).await.unwrap().into_inner()
}

#[test]
fn batches_are_acknowledged_in_order_and_stored_once() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..4))).await;
        let all: Vec<_> = (0..3).map(|n| payment(100 + n, n, n + 1)).collect();
        let mut unpositioned = payment(200, 7, 8);
        unpositioned.position = None;
        unpositioned.tx = String::new();
        let batches = vec![
            batch("a", all[..2].to_vec()),
            batch("b", all.clone()),
            batch("", Vec::new()),
            batch("ü", vec![unpositioned]),
        ];
        let answers = ingest(desk, batches).await;
        let said: Vec<_> = answers.iter().map(taken).collect();
        assert_eq!(said, ["a 2/0/0 of 2", "b 1/2/0 of 3", " 0/0/0 of 3", "ü 1/0/1 of 4"]);
        // The end of the stream says that exposure knows them.
        let known = heads(desk).await;
        assert_eq!((known.rows, known.labelled_rows), (4, 4));

        // In another stream too, and also in one batch.
        let answers = ingest(desk, vec![batch("again", [all.clone(), all].concat())]).await;
        assert_eq!(taken(&answers[0]), "again 0/6/0 of 4");
    });
}

#[test]
fn many_batches_in_flight() {
    const BATCHES: u64 = 40;
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..4))).await;
        let batches = (0..BATCHES)
            .map(|n| batch(&n.to_string(), (0..500).map(|k| payment(n * 500 + k, n, k)).collect()));
        let answers = ingest(desk, batches.collect()).await;
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(taken(answer), format!("{number} 500/0/0 of {}", (number + 1) * 500));
        }
        assert_eq!(answers.len() as u64, BATCHES);
    });
}

#[test]
fn a_bad_batch_is_named_stores_nothing_and_ends_the_stream() {
    let bad_amount = {
        let mut bad = payment(101, 1, 2);
        let Some(Movement::Account(account)) = &mut bad.movement else { panic!("an account") };
        account.amount = "-1".to_owned();
        bad
    };
    let bad_chain = v1::Transfer { chain: "eip155:*".to_owned(), ..payment(101, 1, 2) };
    let inverted = covering("ethereum", 7, 6);
    let too_many = batch("", vec![payment(1, 0, 1); 10_001]);
    let cases = [
        (
            batch("bad", vec![payment(100, 0, 1), bad_amount]),
            ("bad", Some(1), "INVALID_TRANSFER", "transfers[1].account.amount: \"-1\""),
        ),
        (
            batch("bad", vec![bad_chain]),
            ("bad", Some(0), "INVALID_TRANSFER", "transfers[0].chain: eip155:* is a family"),
        ),
        (
            batch("bad", vec![v1::Transfer::default()]),
            ("bad", Some(0), "INVALID_TRANSFER", "transfers[0].chain: "),
        ),
        (
            batch(&"x".repeat(129), Vec::new()),
            ("", None, "INVALID_FIELD", "batch_id: 129 bytes, at most 128"),
        ),
        (too_many, ("", None, "TOO_MANY_ITEMS", "transfers: 10001 of them, at most 10000")),
        (inverted, ("", None, "INVALID_FIELD", "covered[0].heights: 7 to 6")),
        (
            covering("nonsense", 1, 2),
            ("", None, "INVALID_CHAIN", "covered[0].chain: \"nonsense\" names no chain"),
        ),
        (
            covering("eip155:*", 1, 2),
            ("", None, "INVALID_CHAIN", "covered[0].chain: eip155:* is a family"),
        ),
    ];
    run(vec![ofac()], async |desk| {
        for (bad, (id, index, reason, words)) in cases {
            // What comes after it is not taken.
            let answers = ingest(desk, vec![bad, batch("after", vec![payment(9, 1, 2)])]).await;
            assert_eq!(answers.len(), 1, "{answers:?}");
            let Some(Outcome::Error(error)) = &answers[0].outcome else { panic!("{answers:?}") };
            assert_eq!(answers[0].batch_id, id);
            assert_eq!((error.code, error.index), (INVALID as i32, index), "{error:?}");
            assert_eq!(error.reason().as_str_name(), format!("ERROR_REASON_{reason}"));
            assert!(error.message.starts_with(words), "{words:?} in {:?}", error.message);
        }
        assert_eq!(heads(desk).await.rows, 0);
    });
}

#[test]
fn a_message_beyond_the_limit_is_refused_and_the_server_lives() {
    run(vec![ofac()], async |desk| {
        let leg = v1::UtxoLeg { addresses: vec!["x".repeat(17 << 20)], ..Default::default() };
        let utxo = v1::UtxoMovement { outputs: vec![leg], ..Default::default() };
        let huge = v1::Transfer { movement: Some(Movement::Utxo(utxo)), ..payment(1, 0, 1) };
        let mut client = desk.client.transfers.clone();
        let call = client.ingest_transfers(tokio_stream::iter([batch("", vec![huge])])).await;
        let answer = match call {
            Ok(call) => call.into_inner().message().await,
            Err(status) => Err(status),
        };
        let refusal = (INVALID, "MESSAGE_TOO_LARGE", "", "more than 16777216 bytes");
        check_refused(answer, refusal);
        assert_eq!(
            taken(&ingest(desk, vec![batch("", vec![payment(1, 0, 1)])]).await[0]),
            " 1/0/0 of 1"
        );
    });
}

#[test]
fn a_caller_that_goes_away_leaves_what_was_acknowledged() {
    run(vec![ofac()], async |desk| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let mut client = desk.client.transfers.clone();
        sender.send(batch("kept", vec![payment(1, 0, 1)])).await.unwrap();
        let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut answers = client.ingest_transfers(receiver).await.unwrap().into_inner();
        assert_eq!(taken(&answers.message().await.unwrap().unwrap()), "kept 1/0/0 of 1");
        drop((sender, answers));
        let answers = ingest(desk, vec![batch("next", vec![payment(1, 0, 1)])]).await;
        assert_eq!(taken(&answers[0]), "next 0/1/0 of 1");
    });
}

#[test]
fn heads_say_what_is_loaded() {
    run(vec![ofac()], async |desk| {
        assert_eq!(heads(desk).await.heads, []);
        let leg = |address: &str| v1::UtxoLeg {
            addresses: vec![address.to_owned()],
            amount: Some(5_000_000_000),
            unattributable: false,
        };
        let utxo = v1::UtxoMovement {
            coinbase: true,
            outputs: vec![leg("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")],
            ..Default::default()
        };
        let genesis = v1::Transfer {
            chain: "bitcoin".to_owned(),
            time: Some(pbjson_types::Timestamp { seconds: 1_231_006_505, nanos: 999 }),
            position: Some(v1::ChainPosition::default()),
            movement: Some(Movement::Utxo(utxo)),
            ..payment(0, 0, 0)
        };
        let both = vec![payment(100, 0, 1), payment(104, 1, 2), genesis];
        ingest(desk, vec![batch("", both), covering("ethereum", 100, 102)]).await;
        let known = heads(desk).await;
        assert_eq!(known.rows, 3);
        let [bitcoin, ethereum] = &known.heads[..] else { panic!("{known:?}") };
        assert_eq!(bitcoin.chain, "bip122:000000000019d6689c085ae165831e93");
        assert_eq!((bitcoin.transfers, bitcoin.unpositioned), (1, 0));
        assert_eq!(
            bitcoin.last_time,
            Some(pbjson_types::Timestamp { seconds: 1_231_006_505, nanos: 0 })
        );
        assert_eq!(ethereum.chain, "eip155:1");
        assert_eq!((ethereum.transfers, ethereum.retracted, ethereum.required), (2, 0, false));
        let native = &ethereum.kinds[0];
        let spans: Vec<_> =
            native.covered.iter().map(|span| (span.first_height, span.last_height)).collect();
        assert_eq!((spans, native.covered_spans), (vec![(100, 102), (104, 104)], 2));
        let age = moment(NOW).as_second() - 1_700_000_104;
        assert_eq!(ethereum.age_seconds, age as u64);
    });
}

#[test]
fn transfers_are_taken_back_from_a_height_on() {
    run(vec![ofac()], async |desk| {
        let three = (100..103).map(|height| payment(height, 0, height)).collect();
        ingest(desk, vec![batch("", three)]).await;
        let retract = async |chain: &str, from_height, reason: &str| {
            let request = v1::RetractTransfersRequest {
                chain: chain.to_owned(),
                first_height: from_height,
                reason: reason.to_owned(),
                ..Default::default()
            };
            desk.client.transfers.clone().retract_transfers(request).await
        };
        for (outcome, expected) in [
            (retract("", 1, "x").await, ("INVALID_CHAIN", "chain", "names no chain")),
            (retract("eip155:*", 1, "x").await, ("INVALID_CHAIN", "chain", "family")),
            (retract("eth", 1 << 40, "x").await, ("INVALID_FIELD", "first_height", "at most")),
            (retract("eth", 1, " \n").await, ("INVALID_FIELD", "reason", "0 bytes, 1 to 1024")),
            (
                retract("eth", 1, &"x".repeat(1_025)).await,
                ("INVALID_FIELD", "reason", "1025 bytes, 1 to 1024"),
            ),
        ] {
            let (reason, field, words) = expected;
            check_refused(outcome, (INVALID, reason, field, words));
        }
        let answer = retract("eth", 101, "reorganised").await.unwrap().into_inner();
        assert_eq!(answer.retracted, 2);
        let head = heads(desk).await.heads.remove(0);
        assert_eq!((head.transfers, head.retracted), (1, 2));
        // What was taken back may come again.
        let again = ingest(desk, vec![batch("", vec![payment(101, 0, 101)])]).await;
        assert_eq!(taken(&again[0]), " 1/0/0 of 4");
    });
}

#[test]
fn questions_about_counterparties_that_are_refused() {
    run(vec![ofac()], async |desk| {
        let ask = async |edit: fn(&mut v1::ListCounterpartiesRequest)| {
            let mut request =
                v1::ListCounterpartiesRequest { address: evm(1), ..Default::default() };
            edit(&mut request);
            desk.client.transfers.clone().list_counterparties(request).await
        };
        for (outcome, expected) in [
            (ask(|r| r.address.clear()).await, ("INVALID_ADDRESS", "address", "empty")),
            (ask(|r| r.address = "nonsense!".into()).await, ("INVALID_ADDRESS", "address", "form")),
            (ask(|r| r.chain = "eip155:*".into()).await, ("INVALID_CHAIN", "chain", "family")),
            (ask(|r| r.chain = "x".into()).await, ("INVALID_CHAIN", "chain", "names no chain")),
            (ask(|r| r.direction = 3).await, ("INVALID_FIELD", "direction", "3 is no direction")),
            (ask(|r| r.page_token = "x".into()).await, ("INVALID_FIELD", "page_token", "token")),
        ] {
            let (reason, field, words) = expected;
            check_refused(outcome, (INVALID, reason, field, words));
        }
    });
}

#[test]
fn questions_about_paths_that_are_refused() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        let ask = async |edit: fn(&mut v1::TraceExposureRequest)| {
            let mut request = v1::TraceExposureRequest { address: evm(1), ..Default::default() };
            edit(&mut request);
            desk.client.screening.clone().trace_exposure(request).await
        };
        let time = |seconds| Some(pbjson_types::Timestamp { seconds, nanos: 0 });
        for (outcome, expected) in [
            (ask(|r| r.address.clear()).await, ("INVALID_ADDRESS", "address", "empty")),
            (ask(|r| r.chain = "x".into()).await, ("INVALID_CHAIN", "chain", "names no chain")),
            (ask(|r| r.direction = 9).await, ("INVALID_FIELD", "direction", "9 is no direction")),
            (
                ask(|r| r.list_kinds = vec![1, 99]).await,
                ("INVALID_FIELD", "list_kinds[1]", "99 is no kind"),
            ),
            (ask(|r| r.list_kinds = vec![0]).await, ("INVALID_FIELD", "list_kinds[0]", "0 is no")),
            (ask(|r| r.max_hops = 16).await, ("INVALID_FIELD", "max_hops", "16, at most 15")),
            (ask(|r| r.max_paths = 101).await, ("INVALID_FIELD", "max_paths", "101, at most 100")),
        ] {
            let (reason, field, words) = expected;
            check_refused(outcome, (INVALID, reason, field, words));
        }
        let mut request = v1::TraceExposureRequest { address: evm(1), ..Default::default() };
        request.from_time = time(i64::MAX);
        let outcome = desk.client.screening.clone().trace_exposure(request.clone()).await;
        check_refused(outcome, (INVALID, "INVALID_FIELD", "from_time", "not a valid timestamp"));
        (request.from_time, request.to_time) = (time(2), time(1));
        let outcome = desk.client.screening.clone().trace_exposure(request).await;
        check_refused(outcome, (INVALID, "INVALID_FIELD", "to_time", "before from_time"));
    });
}

#[test]
fn the_client_says_why_a_stream_failed() {
    use lazaretto::domain::chain::Chain;
    use lazaretto::domain::transfer::{
        AccountMovement, Amount, Asset, Holder, Movement, Placement, Transfer, TxStatus,
    };
    use lazaretto::grpc::client::ingest::IngestStream;

    let late = Transfer {
        chain: Chain::Evm(1),
        time: 4_102_444_800, // 2100-01-01
        placement: Placement::Unknown,
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: Some(Holder::Evm([1; 20])),
            to: Some(Holder::Evm([2; 20])),
            asset: Asset::Native,
            amount: Amount::new(1),
            usd_micros: None,
        }),
    };
    run(vec![ofac()], async |desk| {
        // Refused while more is sent: the batch's error is told, and told once.
        let mut stream = IngestStream::open(&desk.client);
        let error = loop {
            if let Err(error) = stream.send(std::slice::from_ref(&late)).await {
                break error;
            }
        };
        assert_eq!(error.reason, "INVALID_TRANSFER", "{error}");
        assert!(error.message.starts_with("transfers[0]: time: 4102444800"), "{error}");
        assert!(stream.send(std::slice::from_ref(&late)).await.is_err());
        let again = stream.finish().await.unwrap_err();
        assert_eq!(again.message, "the stream failed before");

        // Refused at the end.
        let mut stream = IngestStream::open(&desk.client);
        stream.send(std::slice::from_ref(&late)).await.unwrap();
        assert_eq!(stream.finish().await.unwrap_err().reason, "INVALID_TRANSFER");
        assert_eq!(heads(desk).await.rows, 0);
    });
}
