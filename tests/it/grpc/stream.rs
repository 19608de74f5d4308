//! `StreamScreenAddresses`: pipelined, in order, and held back by a client that does not read.

use std::sync::atomic::AtomicU64;

use lazaretto::grpc::v1::screening_item::Outcome;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use super::*;

fn numbered(number: u64, address: &str) -> v1::StreamScreenAddressesRequest {
    let query = v1::AddressQuery { request_id: number.to_string(), ..query(address) };
    v1::StreamScreenAddressesRequest { query: Some(query), options: None }
}

/// A stream that is asked one question at a time.
struct Talk {
    questions: mpsc::UnboundedSender<v1::StreamScreenAddressesRequest>,
    answers: Streaming<v1::StreamScreenAddressesResponse>,
}

impl Talk {
    async fn start(client: &Client) -> Self {
        let (questions, asked) = mpsc::unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked);
        let answers = client.screening.clone().stream_screen_addresses(asked).await.unwrap();
        Self { questions, answers: answers.into_inner() }
    }

    async fn ask(
        &mut self,
        question: v1::StreamScreenAddressesRequest,
    ) -> Result<v1::StreamScreenAddressesResponse, Status> {
        self.questions.send(question).unwrap();
        self.answers.message().await.map(|answer| answer.expect("an answer"))
    }

    /// What is said to `address`, and the snapshot's versions where they come along.
    async fn say(
        &mut self,
        address: &str,
        options: Option<v1::ScreeningOptions>,
    ) -> (String, Option<Vec<u64>>) {
        let question = v1::StreamScreenAddressesRequest { options, ..numbered(1, address) };
        let answer = self.ask(question).await.unwrap();
        let said = match answer.item.unwrap().outcome.unwrap() {
            Outcome::Screening(screening) => said(&screening),
            Outcome::Error(error) => {
                assert_eq!(error.request_id, "1");
                assert_eq!(Code::from_i32(error.code), Code::InvalidArgument);
                error.reason().as_str_name().to_owned()
            }
        };
        let versions =
            |snapshot: v1::Snapshot| snapshot.lists.iter().map(|list| list.version).collect();
        (said, answer.snapshot.map(versions))
    }
}

#[test]
fn many_questions_at_once_are_answered_in_order() {
    const QUESTIONS: u64 = 20_000;
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..100))).await;
        let questions = (0..QUESTIONS).map(|n| v1::StreamScreenAddressesRequest {
            options: with_snapshot().filter(|_| n == 0),
            ..numbered(n, &evm(n % 200))
        });
        let questions = tokio_stream::iter(questions);
        let mut client = desk.client.screening.clone();
        let mut answers = client.stream_screen_addresses(questions).await.unwrap().into_inner();
        for number in 0..QUESTIONS {
            let answer = answers.message().await.unwrap().expect("an answer to each");
            assert_eq!(answer.snapshot.is_some(), number == 0, "{number}");
            let Some(Outcome::Screening(screening)) = answer.item.unwrap().outcome else {
                panic!("{number}: an error");
            };
            assert_eq!(screening.request_id, number.to_string());
            let listed = number % 200 < 100;
            assert_eq!(screening.decision() == v1::Decision::Block, listed, "{number}");
        }
        assert_eq!(answers.message().await.unwrap(), None);
    });
}

#[test]
fn a_change_of_the_lists_shows_in_mid_stream() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..4))).await;
        let mut talk = Talk::start(&desk.client).await;
        let clean = "ALLOW 0 NONE".to_owned();
        assert_eq!(talk.say(&evm(5), None).await, (clean.clone(), None));
        assert_eq!(talk.say(&evm(4), with_snapshot()).await, (clean.clone(), Some(vec![1])));
        assert_eq!(talk.say(&evm(5), None).await, (clean.clone(), None));
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..5))).await;
        let listed = "BLOCK 100 SEVERE LISTED:STANDING@us-ofac-sdn".to_owned();
        assert_eq!(talk.say(&evm(4), None).await, (listed.clone(), Some(vec![2])));
        assert_eq!(talk.say(&evm(5), None).await, (clean, None));
        assert_eq!(talk.say(&evm(4), None).await, (listed, None));
    });
}

#[test]
fn options_hold_until_they_are_set_again() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..4))).await;
        desk.sanction("other", csv("2025-11-20", &made_up(4..5))).await;
        let mut talk = Talk::start(&desk.client).await;
        let narrow = v1::ScreeningOptions { lists: vec!["other".to_owned()], ..Default::default() };
        let whole = "BLOCK 100 SEVERE LISTED:STANDING@us-ofac-sdn";
        let narrowed = "REVIEW 0 NONE !NARROWED@us-ofac-sdn";
        for (options, expected) in [
            (None, whole),
            (Some(narrow), narrowed),
            (None, narrowed),
            (Some(v1::ScreeningOptions::default()), whole),
            (None, whole),
        ] {
            assert_eq!(talk.say(&evm(0), options).await.0, expected);
        }
    });
}

#[test]
fn a_refused_item_does_not_end_the_stream() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..4))).await;
        let mut talk = Talk::start(&desk.client).await;
        let invalid = "ERROR_REASON_INVALID_ADDRESS".to_owned();
        // The data versions come with the first answer, an error though it be.
        assert_eq!(talk.say("", with_snapshot()).await, (invalid.clone(), Some(vec![1])));
        assert_eq!(talk.say("0x\u{200b}", None).await, (invalid, None));
        let mut question = numbered(1, CLEAN);
        question.query.as_mut().unwrap().chain = "no chain".to_owned();
        let answer = talk.ask(question).await.unwrap().item.unwrap().outcome.unwrap();
        let Outcome::Error(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.reason(), v1::ErrorReason::InvalidChain);
        assert_eq!(talk.say(CLEAN, None).await.0, "ALLOW 0 NONE");
        // Options that cannot be applied refuse what follows, until others are set: no question is
        // answered under options that it was not asked under.
        let bad = v1::ScreeningOptions { lists: vec!["unknown".to_owned()], ..Default::default() };
        let question =
            v1::StreamScreenAddressesRequest { options: Some(bad), ..numbered(1, CLEAN) };
        let refused = async |talk: &mut Talk, question| {
            let answer = talk.ask(question).await.unwrap().item.unwrap().outcome.unwrap();
            let Outcome::Error(error) = answer else { panic!("{answer:?}") };
            assert_eq!(error.reason(), v1::ErrorReason::UnknownList);
        };
        refused(&mut talk, question).await;
        refused(&mut talk, numbered(2, CLEAN)).await;
        let whole = Some(v1::ScreeningOptions::default());
        assert_eq!(talk.say(CLEAN, whole).await.0, "ALLOW 0 NONE");
    });
}

#[test]
fn a_stream_before_any_list_is_refused() {
    run(vec![ofac()], async |desk| {
        let mut talk = Talk::start(&desk.client).await;
        let refusal = (Code::Unavailable, "NOT_LOADED", "", "no list");
        check_refused(talk.ask(numbered(1, CLEAN)).await, refusal);
    });
}

#[test]
fn a_client_that_does_not_read_is_held_back_and_holds_nobody_back() {
    const OFFERED: u64 = 2_000_000;
    /// So many other calls without a question taken mean that no more are taken.
    const QUIET: usize = 200;
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..4))).await;
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        let questions = tokio_stream::iter(0..OFFERED).map(move |number| {
            count.fetch_add(1, Ordering::SeqCst);
            numbered(number, &evm(0))
        });
        let mut client = desk.client.screening.clone();
        let mut answers = client.stream_screen_addresses(questions).await.unwrap().into_inner();
        // Two on one connection: their answers just fit into what the client's transport takes.
        let more = tokio_stream::iter(0..OFFERED).map(|number| numbered(number, &evm(0)));
        let more = client.stream_screen_addresses(more).await.unwrap();
        let other = desk.another_client().await;
        let (mut before, mut quiet) = (0, 0);
        while quiet < QUIET {
            other.screening.clone().screen_address(question(CLEAN)).await.unwrap();
            let now = taken.load(Ordering::SeqCst);
            quiet = if now == before && now > 0 { quiet + 1 } else { 0 };
            before = now;
        }
        assert!(before < OFFERED / 10, "{before} questions were taken with no answer read");
        // The same connection takes other calls too.
        for _ in 0..3 {
            assert_eq!(said(&desk.screen(CLEAN).await), "ALLOW 0 NONE");
        }
        drop(more);
        // What was held back comes, in order, when it is read.
        for number in 0..before + 1_000 {
            let answer = answers.message().await.unwrap().expect("an answer");
            let Some(Outcome::Screening(screening)) = answer.item.unwrap().outcome else {
                panic!("{number}: an error");
            };
            assert_eq!(screening.request_id, number.to_string());
        }
    });
}
