//! Small batches over gRPC on loopback, each acknowledged when it is durable, or when screenings know it.

use std::path::Path;
use std::time::Instant;

use lazaretto::grpc::v1;
use lazaretto::grpc::v1::ingest_transfers_response::Outcome;
use lazaretto::grpc::v1::transfer_service_client::TransferServiceClient;
use tokio_stream::wrappers::ReceiverStream;
use v1::transfer::Movement;

use crate::files::{SEED, hex, scale};
use crate::rmat::{Rmat, address, transfer};
use crate::server::{self, ServerChild};

/// Transfers in a batch.
const BATCH: u64 = 1_000;
/// Batches on their way at a time.
const IN_FLIGHT: [usize; 2] = [1, 4];

/// A transfer as a message.
pub fn message(row: u64, pair: (u32, u32)) -> v1::Transfer {
    let said = transfer(row, pair);
    let text = |number| String::from_utf8(hex(&address(number))).expect("hex is ASCII");
    let position = said.position().expect("it has one");
    v1::Transfer {
        chain: "eip155:1".to_owned(),
        time: Some(pbjson_types::Timestamp { seconds: said.time as i64, nanos: 0 }),
        position: Some(v1::ChainPosition {
            height: position.height,
            tx_index: position.tx_index,
            index: 0,
        }),
        movement: Some(Movement::Account(v1::AccountMovement {
            sender: text(pair.0),
            receiver: text(pair.1),
            amount: (1_000_000_000_000_000_000 + row).to_string(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

/// Batches that follow the transfers in a store, as a stream of blocks would.
pub fn over_grpc(data_dir: &Path, transfers: u64, batches: u64) {
    let mut command = server::command();
    command.args(server::serve_arguments(data_dir)).args([
        "--set",
        "starter_lists=false",
        "--set",
        "log=warn,lazaretto::cli::serve=info",
    ]);
    let server = ServerChild::spawn(command, data_dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut first = transfers;
    for how in [v1::Acknowledgement::Durable, v1::Acknowledgement::Labelled] {
        for in_flight in IN_FLIGHT {
            let rows = (first, batches);
            runtime.block_on(send(server.endpoint(), rows, in_flight, transfers, how));
            first += batches * BATCH;
        }
    }
}

async fn send(
    endpoint: &str,
    (first, batches): (u64, u64),
    in_flight: usize,
    transfers: u64,
    how: v1::Acknowledgement,
) {
    let client = TransferServiceClient::connect(endpoint.to_owned()).await;
    let mut client = client.expect("the server listens");
    let mut pairs = Rmat::new(SEED + first, scale(transfers));
    let mut batch = |number: u64| {
        let rows = first + number * BATCH..first + (number + 1) * BATCH;
        let transfers = rows.zip(&mut pairs).map(|(row, pair)| message(row, pair)).collect();
        v1::IngestTransfersRequest { transfers, acknowledgement: how.into(), ..Default::default() }
    };
    // Made beforehand, so that the client costs little. The first batch warms the server up: it
    // may read the transfers that are stored.
    let (warm, all): (_, Vec<_>) = (batch(0), (1..batches).map(batch).collect());
    let (requests, receiver) = tokio::sync::mpsc::channel(in_flight);
    requests.send(warm).await.expect("there is room");
    let answers = client.ingest_transfers(ReceiverStream::new(receiver)).await;
    let mut answers = answers.expect("it is taken").into_inner();
    let mut acknowledged = async || {
        let answer = answers.message().await.expect("it is taken").expect("an answer a batch");
        let stored = match answer.outcome {
            Some(Outcome::Acknowledgement(taken)) => taken.stored,
            other => panic!("{other:?}"),
        };
        assert_eq!(stored, BATCH, "all are new");
    };
    acknowledged().await;
    let start = Instant::now();
    let (count, mut all) = (all.len(), all.into_iter());
    for request in all.by_ref().take(in_flight) {
        requests.send(request).await.expect("the server takes it");
    }
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..count {
        let asked = Instant::now();
        acknowledged().await;
        slowest = slowest.max(asked.elapsed());
        if let Some(request) = all.next() {
            requests.send(request).await.expect("the server takes it");
        }
    }
    let took = start.elapsed();
    drop(requests);
    assert!(answers.message().await.expect("it ends well").is_none(), "no answer is left");
    println!(
        "gRPC, batches of {BATCH}, {in_flight} on their way, acknowledged when {}: {:.0} transfers a \
         second, {:.2?} a batch, slowest {slowest:.2?}; labelled {:.2?} after the last",
        if how == v1::Acknowledgement::Durable { "durable" } else { "labelled" },
        (count as u64 * BATCH) as f64 / took.as_secs_f64(),
        took / count as u32,
        start.elapsed() - took,
    );
}
