//! The decision log: pages, and their tokens.

use tonic_types::StatusExt;

use super::*;

async fn query(
    desk: &Desk,
    request: v1::QueryScreeningsRequest,
) -> Result<v1::QueryScreeningsResponse, tonic::Status> {
    let answer = desk.client.decision_log.clone().query_screenings(request).await;
    answer.map(tonic::Response::into_inner)
}

#[test]
fn a_page_token_is_of_its_query() {
    run(vec![ofac()], async |desk| {
        let listed = format!("{},ETH,1,Party", evm(1));
        desk.sanction(OFAC, csv("2025-11-20", &[listed])).await;
        for number in 1..=3 {
            desk.ask_recorded(question(&evm(number))).await.unwrap();
        }
        let first = v1::QueryScreeningsRequest { page_size: 1, ..Default::default() };
        let page = query(desk, first.clone()).await.unwrap();
        assert_eq!(page.records.len(), 1);
        let next = v1::QueryScreeningsRequest { page_token: page.next_page_token, ..first };

        let others = [
            v1::QueryScreeningsRequest { decision: v1::Decision::Allow.into(), ..next.clone() },
            v1::QueryScreeningsRequest { party: "Party".to_owned(), ..next.clone() },
        ];
        for other in others {
            let refused = query(desk, other).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            let fields = refused.get_details_bad_request().unwrap().field_violations;
            assert_eq!(fields[0].field, "page_token");
        }
        let rest = query(desk, v1::QueryScreeningsRequest { page_size: 9, ..next }).await.unwrap();
        assert_eq!((rest.records.len(), rest.next_page_token.as_str()), (2, ""));
        assert!(rest.incomplete.is_empty());
    });
}

#[test]
fn what_a_search_leaves_out_is_told() {
    run(vec![ofac()], async |desk| {
        let request =
            v1::QueryScreeningsRequest { party: "Nobody".to_owned(), ..Default::default() };
        let found = query(desk, request).await.unwrap();
        assert_eq!(found.records.len(), 0);
        assert!(found.incomplete[0].contains("no list of now"), "{:?}", found.incomplete);
    });
}

#[test]
fn there_is_no_log_of_another_name() {
    run(vec![ofac()], async |desk| {
        let listed = format!("{},ETH,1,Party", evm(1));
        desk.sanction(OFAC, csv("2025-11-20", &[listed])).await;
        desk.ask_recorded(question(&evm(1))).await.unwrap();
        let mut client = desk.client.decision_log.clone();
        let key = client.get_log_key(v1::GetLogKeyRequest::default()).await.unwrap().into_inner();
        assert_eq!((key.logs.len(), &key.logs[0].origin), (1, &key.origin));
        for (log, is_there) in
            [(key.origin.as_str(), true), (key.logs[0].tag.as_str(), true), ("other", false)]
        {
            let request = v1::GetLogKeyRequest { log: log.to_owned() };
            let named = client.get_log_key(request).await;
            match named {
                Ok(named) => assert_eq!(named.into_inner().keys, key.keys, "{log}"),
                Err(refused) => assert!(!is_there && refused.code() == Code::NotFound, "{refused}"),
            }
        }
    });
}
