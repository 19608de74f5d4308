//! `ScreenPayment` by a real client: the answer on the whole and on each address, what the payment
//! would change, and every way in which it is refused.

use v1::screening_item::Outcome;
use v1::transfer::Movement;

use super::*;

const INVALID: Code = Code::InvalidArgument;
const ETHER: &str = "1000000000000000000";
const BITCOIN: [&str; 3] = [
    "138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ",
    "1HxbaBMF2jXBVnagoHvaA6rLxmaYL8gb8T",
    "1FDCgJ8m2xDyVmYuankk13XReVC2Zvs5cz",
];
/// The listed one of [`loaded`], and who took from it.
pub(super) const LISTED: u64 = 0;
pub(super) const NEAR: u64 = 1;
pub(super) const CUSTOMER: u64 = 7;

pub(super) fn deposit(from: &[&str], to: &[&str]) -> v1::ScreenPaymentRequest {
    v1::ScreenPaymentRequest {
        sources: from.iter().map(|address| query(address)).collect(),
        destinations: to.iter().map(|address| query(address)).collect(),
        chain: "ethereum".to_owned(),
        asset: "native".to_owned(),
        amount: ETHER.to_owned(),
        direction: v1::PaymentDirection::Deposit.into(),
        ..Default::default()
    }
}

pub(super) fn withdrawal(from: &[&str], to: &[&str]) -> v1::ScreenPaymentRequest {
    let direction = v1::PaymentDirection::Withdrawal.into();
    v1::ScreenPaymentRequest { direction, ..deposit(from, to) }
}

pub(super) async fn ask(
    desk: &Desk,
    request: v1::ScreenPaymentRequest,
) -> Result<v1::ScreenPaymentResponse, Status> {
    let answer = desk.client.screening.clone().screen_payment(request).await;
    answer.map(tonic::Response::into_inner)
}

/// A list, and one ether from the listed address to [`NEAR`].
pub(super) async fn loaded(desk: &Desk) {
    let rows = [format!("{},ETH,1,Party", evm(LISTED)), format!("{},XBT,1,Party", BITCOIN[0])];
    desk.sanction(OFAC, csv("2025-11-20", &rows)).await;
    store(desk, 100, LISTED, NEAR, ETHER).await;
}

/// Waits until exposure knows the lists in force and all transfers.
pub(super) async fn settled(desk: &Desk) {
    let engine = desk.engine.clone();
    tokio::task::spawn_blocking(move || engine.wait_for_exposure(true)).await.unwrap().unwrap();
}

pub(super) async fn store(desk: &Desk, height: u64, from: u64, to: u64, amount: &str) {
    let time = moment(NOW).as_second() - 1_000_000 + height as i64;
    let transfer = v1::Transfer {
        chain: "ethereum".to_owned(),
        time: Some(pbjson_types::Timestamp { seconds: time, nanos: 0 }),
        position: Some(v1::ChainPosition { height, tx_index: 0, index: 0 }),
        movement: Some(Movement::Account(v1::AccountMovement {
            sender: evm(from),
            receiver: evm(to),
            amount: amount.to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    };
    let batch = v1::IngestTransfersRequest { transfers: vec![transfer], ..Default::default() };
    let mut client = desk.client.transfers.clone();
    let call = client.ingest_transfers(tokio_stream::iter([batch])).await.unwrap();
    let mut answers = call.into_inner();
    while answers.message().await.unwrap().is_some() {}
    settled(desk).await;
}

/// The whole in short: decision, score, status, the one that decided, effect.
fn whole(answer: &v1::ScreenPaymentResponse) -> String {
    let short = |name: &'static str, prefix: &str| name.strip_prefix(prefix).unwrap();
    let worst = &answer.addresses[answer.worst_index as usize];
    format!(
        "{} {} {} {}#{} {}",
        short(answer.decision().as_str_name(), "DECISION_"),
        answer.score,
        short(answer.status().as_str_name(), "SCREENING_STATUS_"),
        short(worst.side().as_str_name(), "PAYMENT_SIDE_"),
        worst.index,
        short(answer.effect().as_str_name(), "PAYMENT_EFFECT_"),
    )
}

/// What would change, each: `#index DIRECTION now>then share now>then score`.
fn changes(answer: &v1::ScreenPaymentResponse) -> Vec<String> {
    let share = |share: Option<u32>| share.map_or("?".to_owned(), |share| share.to_string());
    let said = |prospect: &v1::ProspectiveExposure| {
        assert_eq!(prospect.list_kind(), v1::ListKind::Sanctions);
        assert!(!prospect.listing.as_ref().unwrap().address.is_empty());
        let direction = prospect.direction().as_str_name();
        format!(
            "#{} {} {}>{} {}>{} {}",
            prospect.index,
            direction.strip_prefix("EXPOSURE_DIRECTION_").unwrap(),
            prospect.current_hops,
            prospect.prospective_hops,
            share(prospect.current_direct_share_basis_points),
            share(prospect.prospective_direct_share_basis_points),
            prospect.prospective_score
        )
    };
    answer.prospective_exposures.iter().map(said).collect()
}

#[test]
fn a_deposit_from_a_listed_address() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let mut request = deposit(&[&evm(LISTED)], &[&evm(CUSTOMER)]);
        request.customer_reference = "customer 17".to_owned();
        request.sources[0].request_id = "a".to_owned();
        request.destinations[0].chain = "eip155:1".to_owned();
        let answer = ask(desk, request).await.unwrap();
        assert_eq!(whole(&answer), "BLOCK 100 COMPLETE SOURCE#0 COUNTS");
        assert_eq!(answer.level(), v1::RiskLevel::Severe);
        assert_eq!(answer.customer_reference, "customer 17");
        let [prospect] = &answer.prospective_exposures[..] else { panic!("{answer:?}") };
        assert_eq!(prospect.address, evm(CUSTOMER));
        assert_eq!((prospect.current_hops, prospect.prospective_hops), (0, 1));
        assert_eq!(prospect.prospective_direct_share_basis_points, Some(10_000));
        assert_eq!(prospect.current_direct_share_basis_points, None);
        assert!(prospect.prospective_score > 0);
        assert!(!answer.amount_split_unknown && !answer.prospective_incomplete);
        // Each answer is that of ScreenAddress.
        for (address, number) in answer.addresses.iter().zip([LISTED, CUSTOMER]) {
            let Some(Outcome::Screening(told)) = &address.item.as_ref().unwrap().outcome else {
                panic!("{address:?}")
            };
            let mut question = question(&evm(number));
            question.query.as_mut().unwrap().chain = "ethereum".to_owned();
            let alone = desk.ask(question).await.unwrap().screening.unwrap();
            assert_eq!(v1::Screening { request_id: String::new(), ..told.clone() }, alone);
        }
        assert_eq!(answer.snapshot, None);
        let id = answer.snapshot_id;
        let Some(Outcome::Screening(first)) = &answer.addresses[0].item.as_ref().unwrap().outcome
        else {
            panic!("an answer")
        };
        assert_eq!((first.request_id.as_str(), &first.snapshot_id), ("a", &id));
        // It was asked about, and not made.
        let after = desk.screen(&evm(CUSTOMER)).await;
        assert_eq!(said(&after), "ALLOW 0 NONE");
    });
}

#[test]
fn what_a_payment_would_change() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let [listed, near, customer] = [LISTED, NEAR, CUSTOMER].map(evm);
        let check = async |request: v1::ScreenPaymentRequest, want: &[&str]| {
            let answer = ask(desk, request.clone()).await.unwrap();
            let told: Vec<_> = changes(&answer)
                .iter()
                .map(|told| told.rsplit_once(' ').unwrap().0.to_owned())
                .collect();
            assert_eq!(told, want, "{request:?}");
            answer
        };
        // One hop away.
        let answer = check(deposit(&[&near], &[&customer]), &["#0 RECEIVED_FROM 0>2 ?>?"]).await;
        assert_eq!(answer.effect(), v1::PaymentEffect::Counts);
        // What goes to somebody exposed comes from nobody listed.
        check(withdrawal(&[&customer], &[&near]), &[]).await;
        check(deposit(&[&customer], &[&near]), &[]).await;
        let answer = check(withdrawal(&[&customer], &[&listed]), &["#0 SENT_TO 0>1 ?>10000"]).await;
        assert_eq!(whole(&answer), "BLOCK 100 COMPLETE DESTINATION#0 COUNTS");
        // Dealings before make the share.
        store(desk, 200, CUSTOMER, 9, "3000000000000000000").await;
        check(withdrawal(&[&customer], &[&listed]), &["#0 SENT_TO 0>1 ?>2500"]).await;
        store(desk, 201, CUSTOMER, LISTED, ETHER).await;
        check(withdrawal(&[&customer], &[&listed]), &["#0 SENT_TO 1>1 2500>4000"]).await;
        // Nobody is tied to themselves, and who is listed to nobody of the kind.
        check(deposit(&[&customer], &[&customer]), &[]).await;
        check(deposit(&[&near], &[&listed]), &[]).await;
        // Of several it is not said who gets what.
        let several = deposit(&[&near, &listed], &[&customer, &evm(8)]);
        let both = ["#0 RECEIVED_FROM 0>1 ?>?", "#1 RECEIVED_FROM 0>1 ?>?"];
        let answer = check(several, &both).await;
        assert!(answer.amount_split_unknown);
        let sides: Vec<_> = answer.addresses.iter().map(|a| (a.side(), a.index)).collect();
        let (source, destination) = (v1::PaymentSide::Source, v1::PaymentSide::Destination);
        assert_eq!(sides, [(source, 0), (source, 1), (destination, 0), (destination, 1)]);
        assert_eq!(whole(&answer), "BLOCK 100 COMPLETE SOURCE#1 COUNTS");
        // Less than it takes.
        for (amount, asset, effect) in [
            ("0", "native", v1::PaymentEffect::Dust),
            ("1", "native", v1::PaymentEffect::Dust),
            (ETHER, CLEAN, v1::PaymentEffect::UnvaluedAsset),
        ] {
            let mut request = deposit(&[&listed], &[&customer]);
            (request.amount, request.asset) = (amount.to_owned(), asset.to_owned());
            let answer = check(request, &[]).await;
            assert_eq!(answer.effect(), effect);
            // The source is listed all the same.
            assert_eq!(answer.decision(), v1::Decision::Block);
        }
    });
}

#[test]
fn a_transaction_of_inputs_and_outputs() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let bitcoin = |request: v1::ScreenPaymentRequest| v1::ScreenPaymentRequest {
            chain: "bitcoin".to_owned(),
            amount: "100000".to_owned(),
            ..request
        };
        let [listed, clean, customer] = BITCOIN;
        let one = ask(desk, bitcoin(deposit(&[clean, listed], &[customer]))).await.unwrap();
        let [told] = &changes(&one)[..] else { panic!("{one:?}") };
        assert!(told.starts_with("#0 RECEIVED_FROM 0>1 ?>10000 "), "{told}");
        assert!(!one.amount_split_unknown);
        let two = ask(desk, bitcoin(deposit(&[listed], &[customer, clean]))).await.unwrap();
        let told = changes(&two);
        assert!(two.amount_split_unknown && told.len() == 2, "{told:?}");
        assert!(told.iter().all(|told| told.contains(" RECEIVED_FROM 0>1 ?>? ")), "{told:?}");
        // Change goes back to its sender, who is tied to the other input's holder.
        let change = ask(desk, bitcoin(deposit(&[listed, customer], &[customer]))).await.unwrap();
        assert_eq!(changes(&change).len(), 1);
    });
}

#[test]
fn an_address_that_is_none_is_never_allowed() {
    run(vec![ofac()], async |desk| {
        loaded(desk).await;
        let answer = ask(desk, deposit(&[&evm(20), ""], &[&evm(21)])).await.unwrap();
        assert_eq!(whole(&answer), "REVIEW 0 INCOMPLETE SOURCE#1 COUNTS");
        let Some(Outcome::Error(refused)) = &answer.addresses[1].item.as_ref().unwrap().outcome
        else {
            panic!("{answer:?}")
        };
        assert_eq!(refused.reason(), v1::ErrorReason::InvalidAddress);
        assert!(answer.prospective_incomplete);
        let answer = ask(desk, deposit(&["nonsense"], &[&evm(21)])).await.unwrap();
        assert_eq!(whole(&answer), "REVIEW 0 INCOMPLETE SOURCE#0 COUNTS");
        assert!(answer.prospective_incomplete);
        // A listed one weighs more.
        let answer = ask(desk, deposit(&["", &evm(LISTED)], &[&evm(21)])).await.unwrap();
        assert_eq!(whole(&answer), "BLOCK 100 INCOMPLETE SOURCE#1 COUNTS");
    });
}

#[test]
fn a_narrowed_payment_is_not_whole() {
    run(vec![ofac(), settings("other", ListKind::Advisory)], async |desk| {
        loaded(desk).await;
        let rows = [format!("{},ETH,1,Party", evm(30))];
        let other = header("other", v1::ListKind::Advisory);
        desk.import(other, csv("2025-11-20", &rows)).await.unwrap();
        settled(desk).await;
        let narrowed = |lists: &[&str], max_hops: u32| {
            let lists = lists.iter().map(|&list| list.to_owned()).collect();
            let options = v1::ScreeningOptions { lists, max_hops, ..Default::default() };
            let request = deposit(&[&evm(NEAR)], &[&evm(CUSTOMER)]);
            v1::ScreenPaymentRequest { options: Some(options), ..request }
        };
        let answer = ask(desk, narrowed(&[], 0)).await.unwrap();
        assert_eq!((answer.status(), changes(&answer).len()), (v1::ScreeningStatus::Complete, 1));
        let answer = ask(desk, narrowed(&["other"], 0)).await.unwrap();
        assert_eq!(whole(&answer), "REVIEW 0 INCOMPLETE SOURCE#0 COUNTS");
        assert!(changes(&answer).is_empty());
        let answer = ask(desk, narrowed(&[], 1)).await.unwrap();
        assert_eq!(answer.status(), v1::ScreeningStatus::Incomplete);
        assert!(changes(&answer).is_empty(), "two hops are more than one");
        // Evidence comes with the addresses.
        let options = v1::ScreeningOptions { include_evidence: true, ..Default::default() };
        let answer =
            ask(desk, v1::ScreenPaymentRequest { options: Some(options), ..narrowed(&[], 0) });
        let answer = answer.await.unwrap();
        let Some(Outcome::Screening(near)) = &answer.addresses[0].item.as_ref().unwrap().outcome
        else {
            panic!("{answer:?}")
        };
        let exposure = near.findings[0].exposure.as_ref().unwrap();
        assert!(exposure.evidence.as_ref().is_some_and(|evidence| evidence.path.is_some()));
    });
}

#[test]
fn what_is_refused() {
    run(vec![ofac()], async |desk| {
        let sound = || deposit(&[&evm(1)], &[&evm(2)]);
        check_refused(
            ask(desk, sound()).await,
            (Code::Unavailable, "NOT_LOADED", "", "no list is loaded"),
        );
        loaded(desk).await;
        let check = async |change: fn(&mut v1::ScreenPaymentRequest), reason, field, words| {
            let mut request = sound();
            change(&mut request);
            check_refused(ask(desk, request).await, (INVALID, reason, field, words));
        };
        let invalid = "INVALID_FIELD";
        check(|r| r.sources.clear(), invalid, "sources", "0 addresses, 1 to 100").await;
        check(|r| r.destinations.clear(), invalid, "destinations", "1 to 100").await;
        check(|r| r.sources = vec![query(""); 101], "TOO_MANY_ITEMS", "sources", "101").await;
        let many = |r: &mut v1::ScreenPaymentRequest| r.destinations = vec![query(""); 101];
        check(many, "TOO_MANY_ITEMS", "destinations", "101").await;
        let chain = "INVALID_CHAIN";
        check(|r| r.chain.clear(), chain, "chain", "missing").await;
        check(|r| r.chain = "nonsense".into(), chain, "chain", "names no chain").await;
        check(|r| r.chain = "eip155:*".into(), chain, "chain", "family of chains").await;
        let other = |r: &mut v1::ScreenPaymentRequest| r.sources[0].chain = "bsc".into();
        check(other, chain, "sources[0].chain", "while the payment is on eip155:1").await;
        let bad = |r: &mut v1::ScreenPaymentRequest| r.destinations[0].chain = "x".into();
        check(bad, chain, "destinations[0].chain", "names no chain").await;
        let long = |r: &mut v1::ScreenPaymentRequest| r.sources[0].request_id = "x".repeat(129);
        check(long, invalid, "sources[0].request_id", "129 bytes, at most 128").await;
        check(|r| r.asset.clear(), invalid, "asset", "missing").await;
        check(|r| r.asset = "USDT".into(), invalid, "asset", "neither `native` nor a token").await;
        for amount in ["", "-1", "1.5", "0x1", " 1", "1e18"] {
            let mut request = sound();
            request.amount = amount.to_owned();
            let refused = ask(desk, request).await;
            check_refused(refused, (INVALID, invalid, "amount", "is not an amount"));
        }
        check(|r| r.amount = "9".repeat(78), invalid, "amount", "below 2^256").await;
        check(|r| r.amount = "0".repeat(1000), invalid, "amount", "below 2^256").await;
        check(|r| r.direction = 0, invalid, "direction", "DEPOSIT or WITHDRAWAL").await;
        check(|r| r.direction = 17, invalid, "direction", "DEPOSIT or WITHDRAWAL").await;
        check(|r| r.tx = "x".repeat(129), invalid, "tx", "129 bytes").await;
        let secret = |r: &mut v1::ScreenPaymentRequest| r.customer_reference = "x".repeat(129);
        check(secret, invalid, "customer_reference", "129 bytes").await;
        let dated = |r: &mut v1::ScreenPaymentRequest| {
            let as_of = Some(proto_time(NOW));
            r.options = Some(v1::ScreeningOptions { as_of, ..Default::default() });
        };
        check(dated, invalid, "options.as_of", "made now").await;
        let deep = |r: &mut v1::ScreenPaymentRequest| {
            r.options = Some(v1::ScreeningOptions { max_hops: 16, ..Default::default() });
        };
        check(deep, invalid, "options.max_hops", "16 hops").await;
        let listless = |r: &mut v1::ScreenPaymentRequest| {
            let lists = vec!["nowhere".to_owned()];
            r.options = Some(v1::ScreeningOptions { lists, ..Default::default() });
        };
        check(listless, "UNKNOWN_LIST", "options.lists[0]", "nowhere").await;
    });
}
