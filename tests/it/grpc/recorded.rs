//! What the decision log has of payments, traces, comparisons and refused calls, and payments replayed as a
//! whole.

use lazaretto::audit::RecordId;
use lazaretto::engine::decision_log::{QueriedAddress, Record, RecordedItem};

use super::payment::{CUSTOMER, LISTED, ask, deposit, loaded, store, withdrawal};
use super::*;

impl Desk {
    async fn record(&self, record_id: &str) -> v1::ScreeningRecord {
        let request = v1::GetScreeningRequest { record_id: record_id.to_owned() };
        let response = self.client.decision_log.clone().get_screening(request).await.unwrap();
        response.into_inner().record.unwrap()
    }

    async fn replay(&self, record_id: &str) -> v1::ReplayedScreening {
        let request = v1::ReplayScreeningRequest { record_id: record_id.to_owned() };
        let response = self.client.decision_log.clone().replay_screening(request).await.unwrap();
        response.into_inner().replayed.unwrap()
    }

    /// All records, oldest first.
    async fn records(&self) -> Vec<v1::ScreeningRecord> {
        let request = v1::QueryScreeningsRequest::default();
        let response = self.client.decision_log.clone().query_screenings(request).await.unwrap();
        response.into_inner().records
    }

    /// The records of a payment, by the engine.
    fn payment_records(&self, first: &str) -> Vec<Record> {
        let (log, now) = (self.engine.decision_log().unwrap(), self.engine.now());
        let first = first.parse().unwrap();
        let payment = log.record(first, now).unwrap().0.call.payment.unwrap();
        log.payment_records(first, &payment, now).unwrap()
    }
}

fn following(first: &str, n: usize) -> String {
    first.parse::<RecordId>().unwrap().following(n).to_string()
}

/// The names of the fields that differ.
fn differing(replayed: &v1::ReplayedScreening) -> Vec<&str> {
    assert_eq!(replayed.not_replayed, "");
    replayed.differences.iter().map(|difference| difference.field.as_str()).collect()
}

#[test]
fn a_payment_is_on_record_with_what_it_would_change() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let answer = ask(desk, deposit(&[&evm(LISTED)], &[&evm(CUSTOMER)])).await.unwrap();
        let (first, second) = (&answer.record_id, following(&answer.record_id, 1));
        let source = desk.record(first).await.payment.unwrap();
        assert_eq!((source.side(), source.index), (v1::PaymentSide::Source, 0));
        assert_eq!(source.prospective_exposures, []);
        let customer = desk.record(&second).await;
        let payment = customer.payment.unwrap();
        assert_eq!(payment.side(), v1::PaymentSide::Destination);
        assert_eq!((payment.addresses, &payment.first_record_id), (2, first));
        assert_eq!(payment.direction(), v1::PaymentDirection::Deposit);
        assert_eq!(payment.decision(), v1::Decision::Block);
        assert_eq!(
            (payment.effect(), payment.exposure_hops),
            (answer.effect(), answer.exposure_hops)
        );
        assert!(!payment.prospective_incomplete && !payment.amount_split_unknown);
        let [prospect] = &payment.prospective_exposures[..] else { panic!("{payment:?}") };
        assert_eq!(prospect.current_hops, 0);
        assert_eq!(prospect.prospective_direct_share_basis_points, Some(10_000));
        let finding = prospect.finding.as_ref().unwrap();
        assert_eq!((finding.hops, finding.listed_address.as_str()), (1, evm(LISTED).as_str()));
        for id in [first, &second] {
            let replayed = desk.replay(id).await;
            assert!(replayed.equal && replayed.payment_not_replayed.is_empty(), "{replayed:?}");
        }
    });
}

#[test]
fn a_payment_replays_after_lists_and_transfers_changed() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        // More than one leaf on each side.
        let many: Vec<String> = (20..40).map(evm).chain([evm(LISTED)]).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let own: Vec<String> = (50..70).map(evm).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let deposited = ask(desk, deposit(&many, &own)).await.unwrap();
        assert!(deposited.amount_split_unknown);
        assert_eq!(deposited.prospective_exposures.len(), own.len());
        let withdrawn = ask(desk, withdrawal(&own, &many)).await.unwrap();
        let mut token = deposit(&[&evm(LISTED)], &[&evm(CUSTOMER)]);
        token.asset = evm(99);
        let token = ask(desk, token).await.unwrap();
        assert_eq!(token.prospective_unvalued_dealings.len(), 1);
        let dealt = desk.record(&following(&token.record_id, 1)).await.payment.unwrap();
        let [dealt] = &dealt.prospective_unvalued_dealings[..] else { panic!("{dealt:?}") };
        assert_eq!((dealt.current_transfers, dealt.prospective_transfers), (0, 1));

        store(desk, 200, LISTED, CUSTOMER, "5000000000000000000").await;
        let rows = [format!("{},ETH,1,Party", evm(LISTED)), format!("{},ETH,2,Other", evm(20))];
        desk.sanction(OFAC, csv("2025-11-21", &rows)).await;
        for (answer, count) in [(&deposited, 41), (&withdrawn, 41), (&token, 2)] {
            for n in [0, 1, 15, 16, 20, 21, 40].into_iter().filter(|n| *n < count) {
                let replayed = desk.replay(&following(&answer.record_id, n)).await;
                assert!(replayed.equal, "{n}: {replayed:?}");
                assert_eq!(replayed.payment_not_replayed, "", "{n}");
                let payment = replayed.record.unwrap().payment.unwrap();
                assert_eq!(
                    (payment.first_record_id, payment.addresses),
                    (answer.record_id.clone(), count as u32)
                );
            }
        }
    });
}

#[test]
fn a_payment_with_a_redacted_address_is_not_replayed_while_the_other_addresses_are() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let answer = ask(desk, deposit(&[&evm(LISTED)], &[&evm(CUSTOMER)])).await.unwrap();
        let request = v1::RedactScreeningRequest { record_id: answer.record_id.clone() };
        desk.client.decision_log.clone().redact_screening(request).await.unwrap();
        let replayed = desk.replay(&following(&answer.record_id, 1)).await;
        assert!(replayed.equal && replayed.not_replayed.is_empty(), "{replayed:?}");
        let why = format!("the address of record {} was redacted", answer.record_id);
        assert_eq!(replayed.payment_not_replayed, why);
        assert!(desk.replay(&answer.record_id).await.not_replayed.contains("redacted"));
    });
}

/// A refused address counts in the payment as it did then.
#[test]
fn a_payment_with_a_refused_address_replays() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let answer = ask(desk, deposit(&["\u{430}bc"], &[&evm(CUSTOMER)])).await.unwrap();
        assert_eq!(answer.decision(), v1::Decision::Review);
        let replayed = desk.replay(&following(&answer.record_id, 1)).await;
        assert!(replayed.equal && replayed.payment_not_replayed.is_empty(), "{replayed:?}");
        let refused = desk.replay(&answer.record_id).await;
        assert!(refused.not_replayed.contains("refused"), "{refused:?}");
    });
}

#[test]
fn a_payment_that_was_recorded_otherwise_differs() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let answer = ask(desk, deposit(&[&evm(LISTED)], &[&evm(CUSTOMER)])).await.unwrap();
        let records = desk.payment_records(&answer.record_id);
        let mut call = records[0].call.clone();
        let payment = call.payment.as_mut().unwrap();
        payment.decision = lazaretto::screening::policy::Decision::Allow;
        payment.prospective_incomplete = true;
        let items: Vec<_> = records
            .iter()
            .map(|record| {
                let mut item = record.item.clone();
                item.payment.as_mut().unwrap().exposures.clear();
                let address = record.address.clone().unwrap();
                let chain = item.chain.clone().unwrap_or_default();
                let query = QueriedAddress { address: &address, chain: &chain };
                RecordedItem::undecided(item, query, &record.references)
            })
            .collect();
        let log = desk.engine.decision_log().unwrap();
        let forged = log
            .append(&call.to_json(), records[0].time, items.iter().map(RecordedItem::as_new))
            .unwrap();
        let forged = log.finish_blocking(forged).unwrap().unwrap().first.to_string();
        for id in [&forged, &following(&forged, 1)] {
            let replayed = desk.replay(id).await;
            assert!(!replayed.equal);
            let wanted = [
                "payment.decision",
                "payment.prospective_incomplete",
                "payment.destinations[0].exposures",
            ];
            assert_eq!(differing(&replayed), wanted);
        }
    });
}

#[test]
fn traces_and_comparisons_are_on_record() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let request = v1::TraceExposureRequest { address: evm(1), ..Default::default() };
        let traced = desk.client.screening.clone().trace_exposure(request).await.unwrap();
        let traced = traced.into_inner();
        let record = desk.record(&traced.record_id).await;
        assert_eq!((record.method.as_str(), record.address), ("TraceExposure", evm(1)));
        assert_eq!(record.snapshot_id, traced.snapshot_id);
        assert_eq!(record.trace.unwrap().paths, traced.paths.len() as u32);
        assert!(desk.replay(&traced.record_id).await.not_replayed.contains("no answer"));

        let source = v1::policy_source::Source::Toml(
            lazaretto::screening::policy::Policy::built_in().text().to_owned(),
        );
        let request = v1::ComparePoliciesRequest {
            candidate: Some(v1::PolicySource { source: Some(source) }),
            queries: vec![query(&evm(LISTED)), query("\u{430}bc"), query(&evm(CUSTOMER))],
            ..Default::default()
        };
        let compared = desk.client.policies.clone().compare_policies(request).await.unwrap();
        let compared = compared.into_inner();
        let record = desk.record(&compared.record_id).await;
        assert_eq!((record.method.as_str(), record.address), ("ComparePolicies", evm(LISTED)));
        let comparison = record.comparison.unwrap();
        assert_eq!(comparison.baseline_version, compared.baseline_version);
        assert_eq!(comparison.baseline.as_ref().unwrap().decision(), v1::Decision::Block);
        assert_eq!(comparison.baseline, comparison.candidate);
        let refused = desk.record(&following(&compared.record_id, 1)).await;
        assert_eq!(refused.refused, "INVALID_ADDRESS");
        let clear = desk.record(&following(&compared.record_id, 2)).await;
        let clear = clear.comparison.unwrap().candidate.unwrap();
        assert_eq!(clear.decision(), v1::Decision::Allow);
    });
}

/// A call that is refused as a whole leaves one leaf, whatever its size.
#[test]
fn refused_calls_are_on_record() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let wrong = Some(v1::ScreeningOptions { max_hops: 99, ..Default::default() });
        let mut client = desk.client.screening.clone();
        let before = desk.records().await.len();
        let request = v1::ScreenAddressRequest { options: wrong.clone(), ..question(&evm(3)) };
        client.screen_address(request).await.unwrap_err();
        let request = v1::BatchScreenAddressesRequest {
            queries: (0..1_000).map(|number| query(&evm(number))).collect(),
            options: wrong.clone(),
            ..Default::default()
        };
        client.batch_screen_addresses(request).await.unwrap_err();
        let mut request = deposit(&[&evm(4)], &[&evm(5)]);
        request.amount = "much".to_owned();
        client.screen_payment(request).await.unwrap_err();
        let request =
            v1::TraceExposureRequest { address: evm(6), max_hops: 99, ..Default::default() };
        client.trace_exposure(request).await.unwrap_err();
        client.screen_address(v1::ScreenAddressRequest::default()).await.unwrap_err();
        // The shape of an item fails alone.
        client.screen_address(question("\u{430}bc")).await.unwrap_err();

        let records = desk.records().await;
        let said: Vec<_> = records[before..]
            .iter()
            .map(|record| {
                let whole = if record.call_refused { record.call_addresses } else { 0 };
                (record.method.as_str(), record.refused.as_str(), record.address.as_str(), whole)
            })
            .collect();
        let [third, fourth, fifth, sixth] = [3, 4, 5, 6].map(evm);
        let batch: Vec<String> = (0..16).map(evm).collect();
        let mut wanted = vec![("ScreenAddress", "INVALID_FIELD", third.as_str(), 1)];
        wanted.extend(
            batch.iter().map(|it| ("BatchScreenAddresses", "INVALID_FIELD", it.as_str(), 1_000)),
        );
        wanted.push(("ScreenPayment", "INVALID_FIELD", fourth.as_str(), 2));
        wanted.push(("ScreenPayment", "INVALID_FIELD", fifth.as_str(), 2));
        wanted.push(("TraceExposure", "INVALID_FIELD", sixth.as_str(), 1));
        wanted.push(("ScreenAddress", "INVALID_FIELD", "", 0));
        wanted.push(("ScreenAddress", "INVALID_ADDRESS", "\u{430}bc", 0));
        assert_eq!(said, wanted);
    });
}

#[test]
fn items_of_a_stream_with_refused_options_are_on_record() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let before = desk.records().await.len();
        let wrong = v1::ScreeningOptions { max_hops: 99, ..Default::default() };
        let request = |number, options| v1::StreamScreenAddressesRequest {
            query: Some(query(&evm(number))),
            options,
        };
        let requests = vec![
            request(2, None),
            request(3, Some(wrong)),
            request(4, None),
            request(5, Some(Default::default())),
        ];
        let mut client = desk.client.screening.clone();
        let call = client.stream_screen_addresses(tokio_stream::iter(requests));
        let mut answers = call.await.unwrap().into_inner();
        let mut ids = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            ids.push(answer.record_id);
        }
        let records = desk.records().await;
        let said: Vec<_> = records[before..]
            .iter()
            .map(|record| (record.record_id.as_str(), record.refused.as_str(), record.decision()))
            .collect();
        let (allow, none) = (v1::Decision::Allow, v1::Decision::Unspecified);
        let wanted = ["", "INVALID_FIELD", "INVALID_FIELD", ""]
            .map(|why| (why, if why.is_empty() { allow } else { none }));
        assert_eq!(said.len(), 4);
        for ((id, why, decision), (own, wanted)) in said.into_iter().zip(ids.iter().zip(wanted)) {
            assert_eq!((id, (why, decision)), (own.as_str(), wanted));
        }
    });
}

/// Questions of a stream that are ready together share what is recorded of them, as long as options, snapshot
/// and moment are the same.
#[test]
fn answers_of_a_stream_are_recorded_as_they_were_given() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let options = |lists: &[&str], max_hops| v1::ScreeningOptions {
            lists: lists.iter().map(|list| (*list).to_owned()).collect(),
            max_hops,
            ..Default::default()
        };
        let request = |number: u64, options: Option<v1::ScreeningOptions>| {
            let address = evm(if number % 9 == 8 { LISTED } else { 1_000_000 + number });
            let chain =
                ["", "eip155:1", "ethereum", "eip155:56"][number as usize / 2 % 4].to_owned();
            let request_id =
                if number.is_multiple_of(5) { format!("r{number}") } else { String::new() };
            let query = Some(v1::AddressQuery { request_id, address, chain });
            v1::StreamScreenAddressesRequest { query, options }
        };
        let options_at = |number| match number {
            12 => Some(options(&[], 1)),
            24 => Some(options(&[OFAC], 0)),
            36 => Some(options(&[], 0)),
            _ => None,
        };
        let (sender, requests) = tokio::sync::mpsc::channel(64);
        let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
        let mut client = desk.client.screening.clone();
        let call = client.stream_screen_addresses(requests).await;
        let mut answers = call.unwrap().into_inner();
        let mut in_force = v1::ScreeningOptions::default();
        for half in [0..30, 30..60] {
            for number in half.clone() {
                sender.send(request(number, options_at(number))).await.unwrap();
            }
            for number in half {
                in_force = options_at(number).unwrap_or(in_force);
                let answer = answers.message().await.unwrap().unwrap();
                let record = desk.record(&answer.record_id).await;
                let v1::AddressQuery { request_id, address, chain } =
                    request(number, None).query.unwrap();
                let asked = [&record.request_id, &record.address, &record.chain];
                assert_eq!(asked, [&request_id, &address, &chain], "{number}");
                let of_record = record.options.clone().unwrap();
                assert_eq!(of_record.lists, in_force.lists, "{number}");
                assert_eq!(of_record.max_hops, in_force.max_hops, "{number}");
                let Some(v1::screening_item::Outcome::Screening(screening)) =
                    answer.item.unwrap().outcome
                else {
                    panic!("{number} was refused");
                };
                assert_eq!(
                    (record.decision(), record.status(), record.score, &record.rule_id),
                    (
                        screening.decision(),
                        screening.status(),
                        screening.score,
                        &screening.rule.clone().unwrap().id
                    ),
                    "{number}"
                );
                let codes = record.incomplete_reasons.iter().map(v1::RecordedReason::code);
                let given = screening.incomplete_reasons.iter().map(v1::IncompleteReason::code);
                assert!(codes.eq(given), "{number}");
                assert_eq!(record.exposure_hops, screening.exposure_hops, "{number}");
                assert_eq!(record.exposure_coverage(), screening.exposure_coverage(), "{number}");
                assert_eq!(record.snapshot_id, screening.snapshot_id, "{number}");
                assert_eq!(record.findings.len(), screening.findings.len(), "{number}");
                assert_eq!(differing(&desk.replay(&answer.record_id).await), [""; 0], "{number}");
            }
            // From now on by another snapshot, in which one of the addresses is listed.
            let row = format!("{},ETH,1,Party", evm(1_000_040));
            desk.import(header("more", v1::ListKind::Sanctions), csv("2025-11-20", &[row]))
                .await
                .unwrap();
        }
    });
}
