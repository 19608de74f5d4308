//! No answer that begins after an acknowledgement is older than it: over transfers, retractions, lists
//! and policies, by callers at once.

use tokio::sync::mpsc;
use v1::ingest_transfers_response::Outcome;

use super::policy::{Files, policy, version};
use super::transfers::{batch, payment};
use super::*;

/// Rounds in all, over all callers.
const ROUNDS: u64 = 10_000;
/// Chains whose coin is known: each caller takes its own back.
const CHAINS: [&str; 4] = ["eip155:1", "eip155:10", "eip155:56", "eip155:137"];
const LISTED: u64 = 0;
/// A bound, never waited for: beside all other tests it takes minutes.
const LONGEST: Duration = Duration::from_secs(900);

/// A stream of batches, each acknowledged before the next is sent.
struct Feed {
    batches: mpsc::Sender<v1::IngestTransfersRequest>,
    answers: tonic::Streaming<v1::IngestTransfersResponse>,
}

impl Feed {
    async fn open(client: &Client) -> Self {
        let (batches, receiver) = mpsc::channel(1);
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let answers = client.transfers.clone().ingest_transfers(stream).await.unwrap().into_inner();
        Self { batches, answers }
    }

    async fn send(&mut self, transfer: v1::Transfer, acknowledgement: v1::Acknowledgement) {
        let acknowledgement = acknowledgement.into();
        let request = v1::IngestTransfersRequest { acknowledgement, ..batch("", vec![transfer]) };
        self.batches.send(request).await.unwrap();
        let answer = self.answers.message().await.unwrap().unwrap();
        let Some(Outcome::Acknowledgement(done)) = answer.outcome else { panic!("{answer:?}") };
        assert_eq!(done.stored, 1);
    }
}

/// One caller, on a chain of its own.
struct Caller {
    client: Client,
    number: u64,
    chain: &'static str,
    labelled: Feed,
    durable: Feed,
}

impl Caller {
    async fn new(client: Client, number: u64) -> Self {
        let labelled = Feed::open(&client).await;
        let durable = Feed::open(&client).await;
        Self { labelled, durable, client, number, chain: CHAINS[number as usize] }
    }

    async fn screen(&self, number: u64) -> v1::Screening {
        let mut client = self.client.screening.clone();
        let answer = client.screen_address(question(&evm(number))).await;
        answer.unwrap().into_inner().screening.unwrap()
    }

    /// A payment of the listed one at a height, to an address of that height.
    fn paid(&self, height: u64) -> (v1::Transfer, u64) {
        let to = (self.number + 1) * 1_000_000 + height;
        (self.payment(height, LISTED, to), to)
    }

    fn payment(&self, height: u64, from: u64, to: u64) -> v1::Transfer {
        let mut transfer = payment(height, from, to);
        transfer.chain = self.chain.to_owned();
        // Above the floor of every coin.
        if let Some(v1::transfer::Movement::Account(account)) = &mut transfer.movement {
            account.amount = format!("1{:020}", 0);
        }
        transfer
    }

    async fn pay(&mut self, height: u64) {
        let (transfer, to) = self.paid(height);
        self.labelled.send(transfer, v1::Acknowledgement::Labelled).await;
        let answer = self.screen(to).await;
        assert_eq!(answer.findings.len(), 1, "round {height}: {answer:?}");
    }

    async fn pay_durably(&mut self, height: u64) {
        let (transfer, to) = self.paid(height);
        self.durable.send(transfer, v1::Acknowledgement::Durable).await;
        let answer = self.screen(to).await;
        assert!(answer.findings.len() == 1 || is_behind(&answer), "round {height}: {answer:?}");
    }

    async fn take_back(&mut self, height: u64) {
        self.pay(height).await;
        let request = v1::RetractTransfersRequest {
            chain: self.chain.to_owned(),
            first_height: height,
            reason: "orphaned".to_owned(),
            ..Default::default()
        };
        let taken = self.client.transfers.clone().retract_transfers(request).await.unwrap();
        assert_eq!(taken.into_inner().retracted, 1);
        let answer = self.screen(self.paid(height).1).await;
        assert!(answer.findings.is_empty() || is_behind(&answer), "round {height}: {answer:?}");
    }

    /// Lists another address that was paid by nobody, and pays from it.
    async fn list(&mut self, height: u64) {
        let listed = (self.number + 1) * 10_000_000 + height;
        let (_, to) = self.paid(height);
        let transfer = self.payment(height, listed, to);
        self.labelled.send(transfer, v1::Acknowledgement::Labelled).await;
        let list = format!("advice-{}", self.number);
        let file = csv("2025-11-20", &made_up(listed..listed + 1));
        let parts = [Part::Header(header(&list, v1::ListKind::Advisory)), Part::Chunk(file)];
        let parts = parts.into_iter().map(|part| v1::ImportListRequest { part: Some(part) });
        self.client.lists.clone().import_list(tokio_stream::iter(parts)).await.unwrap();
        let answer = self.screen(listed).await;
        assert_eq!(answer.findings.len(), 1, "round {height}: {answer:?}");
        let answer = self.screen(to).await;
        assert!(answer.findings.len() == 1 || is_behind(&answer), "round {height}: {answer:?}");
    }

    async fn judge(&self, files: &Files, policies: &[String; 2], height: u64) {
        let text = &policies[(height / 50 % 2) as usize];
        files.write("live", text);
        let mut client = self.client.policies.clone();
        client.reload_policy(v1::ReloadPolicyRequest::default()).await.unwrap();
        let request =
            v1::ScreenAddressRequest { options: with_snapshot(), ..question(&evm(LISTED)) };
        let answer = self.client.screening.clone().screen_address(request).await;
        let snapshot = answer.unwrap().into_inner().snapshot.unwrap();
        assert_eq!(snapshot.policy_version, version(text), "round {height}");
    }
}

fn is_behind(answer: &v1::Screening) -> bool {
    let behind = v1::IncompleteReasonCode::ExposureBehind;
    answer.incomplete_reasons.iter().any(|reason| reason.code() == behind)
}

#[test]
fn no_answer_is_older_than_an_acknowledgement_before_it() {
    let policies = ["one", "two"].map(|name| policy(name, &[]));
    let files = Files::new(&policies[0], &policies[0]);
    let lists = (0..4).map(|number| settings(&format!("advice-{number}"), ListKind::Advisory));
    let edit = |config: &mut Config| {
        config.policy = Some(files.path("live"));
        config.lists = [ofac()].into_iter().chain(lists).collect();
    };
    let all = async {
        let desk = Desk::start(edit).await;
        desk.sanction(OFAC, csv("2025-11-20", &made_up(LISTED..LISTED + 1))).await;
        let round = async |number: u64| {
            let mut caller = Caller::new(desk.another_client().await, number).await;
            for height in 0..ROUNDS / CHAINS.len() as u64 {
                match height % 50 {
                    12 | 37 => caller.take_back(height).await,
                    24 => caller.list(height).await,
                    49 if number == 0 => caller.judge(&files, &policies, height).await,
                    kind if kind % 10 == 5 => caller.pay_durably(height).await,
                    _ => caller.pay(height).await,
                }
            }
        };
        tokio::join!(round(0), round(1), round(2), round(3));
    };
    let bounded = async { tokio::time::timeout(LONGEST, all).await };
    runtime().block_on(bounded).expect("it ends in time");
}
