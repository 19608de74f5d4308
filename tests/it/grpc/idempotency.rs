//! Idempotency keys: a repeat has the recorded answer while that holds, and never a milder one than now.

use lazaretto::grpc::v1;
use tonic::Code;

use super::*;

const KEY: &str = "payment 4711";

fn keyed(address: &str) -> v1::ScreenAddressRequest {
    v1::ScreenAddressRequest { idempotency_key: KEY.to_owned(), ..question(address) }
}

#[test]
fn a_repeat_has_the_recorded_answer_while_that_holds() {
    run(vec![ofac()], async |desk| {
        let row = |number: u64| format!("{},ETH,1,Party", evm(number));
        desk.sanction(OFAC, csv("2025-11-20", &[row(1)])).await;
        let first = desk.ask_recorded(keyed(&evm(2))).await.unwrap();
        assert_ne!(first.record_id, "");
        assert_eq!(first.screening.as_ref().unwrap().decision(), v1::Decision::Allow);
        assert_eq!(desk.ask_recorded(keyed(&evm(2))).await.unwrap(), first);
        let other = desk.ask_recorded(question(&evm(2))).await.unwrap();
        assert_ne!(other.record_id, first.record_id);

        let another = desk.ask_recorded(keyed(&evm(3))).await.unwrap_err();
        assert_eq!(another.code(), Code::AlreadyExists);
        let long = v1::ScreenAddressRequest { idempotency_key: "k".repeat(129), ..keyed(&evm(2)) };
        assert_eq!(desk.ask_recorded(long).await.unwrap_err().code(), Code::InvalidArgument);

        desk.sanction(OFAC, csv("2025-11-21", &[row(1), row(2)])).await;
        let again = desk.ask_recorded(keyed(&evm(2))).await.unwrap();
        assert_eq!(again.screening.as_ref().unwrap().decision(), v1::Decision::Block);
        assert_eq!(again.repeats_record_id, first.record_id);
        let record_id = again.record_id.clone();
        let request = v1::GetScreeningRequest { record_id };
        let record = desk.client.decision_log.clone().get_screening(request).await;
        let record = record.unwrap().into_inner().record.unwrap();
        assert_eq!(record.repeats_record_id, first.record_id);
        assert_eq!(record.decision(), v1::Decision::Block);
        assert_eq!(desk.ask_recorded(keyed(&evm(2))).await.unwrap().record_id, again.record_id);
    });
}

/// Calls that arrive together: the first is recorded as such, the others are its repeats.
#[test]
fn calls_at_once_under_one_key_are_recorded_once() {
    run(vec![ofac()], async |desk| {
        let row = |number: u64| format!("{},ETH,1,Party", evm(number));
        desk.sanction(OFAC, csv("2025-11-20", &[row(1)])).await;
        for round in 0..10 {
            let request = v1::ScreenAddressRequest {
                idempotency_key: format!("round {round}"),
                ..question(&evm(2))
            };
            let asked = (0..30).map(|_| desk.ask_recorded(request.clone()));
            let answers = futures_util::future::join_all(asked).await;
            let first = answers[0].clone().unwrap();
            for answer in answers {
                assert_eq!(answer.unwrap(), first);
            }
        }
        let request = v1::QueryScreeningsRequest::default();
        let records = desk.client.decision_log.clone().query_screenings(request).await.unwrap();
        assert_eq!(records.into_inner().records.len(), 10);
    });
}

#[test]
fn payments_at_once_under_one_key_are_recorded_once() {
    run(vec![ofac()], async |desk| {
        payment::loaded(desk).await;
        let mut request = payment::deposit(&[&evm(payment::LISTED)], &[&evm(payment::CUSTOMER)]);
        request.idempotency_key = KEY.to_owned();
        let asked = (0..20).map(|_| payment::ask(desk, request.clone()));
        let answers = futures_util::future::join_all(asked).await;
        let first = answers[0].clone().unwrap();
        assert_eq!(first.repeats_record_id, "");
        for answer in answers {
            assert_eq!(answer.unwrap(), first);
        }
        let request = v1::QueryScreeningsRequest::default();
        let records = desk.client.decision_log.clone().query_screenings(request).await.unwrap();
        assert_eq!(records.into_inner().records.len(), 2);
        // Another payment under the key.
        let mut other = payment::deposit(&[&evm(payment::LISTED)], &[&evm(8)]);
        other.idempotency_key = KEY.to_owned();
        let other = payment::ask(desk, other).await.unwrap_err();
        assert_eq!(other.code(), Code::AlreadyExists);
    });
}
