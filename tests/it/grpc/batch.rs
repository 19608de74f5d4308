//! `BatchScreenAddresses`: every item as the unary call would answer it, in the order asked.

use lazaretto::grpc::v1::screening_item::Outcome;

use super::*;

/// The question at a place: clean, listed, in every way refused, not understood.
fn item(place: u64) -> v1::AddressQuery {
    let request_id = format!("item {place}");
    let (address, chain) = match place % 12 {
        0 => (RONIN.to_owned(), ""),
        1 => (String::new(), ""),
        2 => ("0x\u{200b}12".to_owned(), ""),
        3 => ("1".repeat(1_025), ""),
        4 => (evm(place), "no chain"),
        5 => ("GABC".to_owned(), ""),
        6 => (evm(7), "bitcoin"),
        _ => (evm(place), "eip155:137"),
    };
    let request_id = if place % 12 == 8 { "x".repeat(129) } else { request_id };
    v1::AddressQuery { request_id, address, chain: chain.to_owned() }
}

#[test]
fn a_batch_answers_as_the_unary_call_does() {
    const ITEMS: u64 = 3_000;
    run(vec![ofac()], async |desk| {
        let rows = [&[format!("{RONIN},ETH,L,Lazarus")][..], &made_up(0..20)].concat();
        desk.sanction(OFAC, csv("2025-11-20", &rows)).await;
        let queries = (0..ITEMS).map(item).collect();
        let options = with_snapshot();
        let request = v1::BatchScreenAddressesRequest { queries, options, ..Default::default() };
        let mut client = desk.client.screening.clone();
        let answer = client.batch_screen_addresses(request).await.unwrap().into_inner();
        assert_eq!(answer.items.len() as u64, ITEMS);
        let mut refused = 0;
        for (place, item_answer) in (0..).zip(answer.items) {
            let query = item(place);
            let request_id = query.request_id.clone();
            let unary = desk.ask(v1::ScreenAddressRequest {
                query: Some(query),
                options: None,
                ..Default::default()
            });
            match (item_answer.outcome.unwrap(), unary.await) {
                (Outcome::Screening(screening), Ok(unary)) => {
                    assert_eq!(screening.request_id, request_id);
                    assert_eq!(Some(screening), unary.screening);
                    assert_eq!(answer.snapshot, unary.snapshot);
                    assert_eq!(answer.snapshot_id, unary.snapshot.unwrap().id);
                }
                (Outcome::Error(error), Err(unary)) => {
                    refused += 1;
                    let echoed = if request_id.len() > 128 { "" } else { &request_id };
                    assert_eq!(error.request_id, echoed);
                    assert_eq!(Code::from_i32(error.code), unary.code());
                    assert_eq!(error.message, unary.message());
                    let reason = unary.get_error_details().error_info().unwrap().reason.clone();
                    let name = format!("ERROR_REASON_{reason}");
                    assert_eq!(error.reason().as_str_name(), name);
                }
                (batch, unary) => panic!("item {place}: {batch:?}, but {unary:?}"),
            }
        }
        assert_eq!(refused, ITEMS / 12 * 5);
    });
}

#[test]
fn options_apply_to_all_items() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        desk.sanction("other", csv("2025-11-20", &made_up(1..2))).await;
        let request = v1::BatchScreenAddressesRequest {
            queries: vec![query(&evm(0)), query(&evm(1))],
            options: Some(v1::ScreeningOptions {
                lists: vec!["other".to_owned()],
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut client = desk.client.screening.clone();
        let answer = client.batch_screen_addresses(request).await.unwrap().into_inner();
        let said: Vec<_> = answer
            .items
            .into_iter()
            .map(|item| match item.outcome {
                Some(Outcome::Screening(screening)) => said(&screening),
                other => panic!("{other:?}"),
            })
            .collect();
        let narrowed = "!NARROWED@us-ofac-sdn";
        assert_eq!(
            said,
            [
                format!("REVIEW 0 NONE {narrowed}"),
                format!("BLOCK 100 SEVERE LISTED:STANDING@other {narrowed}"),
            ]
        );
    });
}
