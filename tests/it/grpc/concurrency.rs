//! Screenings while lists change under them: every answer is that of one version, whole.

use std::collections::HashMap;

use lazaretto::grpc::v1::screening_item::Outcome;

use super::*;

const X: u64 = 1;
const Y: u64 = 2;

/// Imports one version a round: version 1, 3, ... list X and version 2, 4, ... list Y.
async fn alternate(mut client: Client, rounds: std::ops::Range<u64>) {
    for round in rounds {
        let number = if round % 2 == 0 { X } else { Y };
        let file =
            csv("2025-11-20", &[&made_up(number..number + 1)[..], &made_up(10..60)].concat());
        let header = header(OFAC, v1::ListKind::Sanctions);
        let parts = [Part::Header(header), Part::Chunk(file)];
        let parts = parts.map(|part| v1::ImportListRequest { part: Some(part) });
        let report = client.lists.import_list(tokio_stream::iter(parts)).await.unwrap();
        let report = report.into_inner().report.unwrap();
        assert_eq!(report.list.unwrap().version, round + 1);
    }
}

/// Whether X counts in the answers to X and Y, which must come from the version of `snapshot`.
#[track_caller]
fn check(snapshot: &v1::Snapshot, x: &v1::Screening, y: &v1::Screening) {
    let version = snapshot.lists[0].version;
    let scores = if version % 2 == 1 { (100, 0) } else { (0, 100) };
    assert_eq!((x.score, y.score), scores, "version {version}");
    assert_eq!((&x.snapshot_id, &y.snapshot_id), (&snapshot.id, &snapshot.id));
    for finding in x.findings.iter().chain(&y.findings) {
        assert_eq!(finding.listing.as_ref().unwrap().list_version, version);
    }
}

#[test]
fn no_answer_mixes_two_versions() {
    const ROUNDS: u64 = 30;
    run(vec![ListSettings { required: true, ..loose(OFAC) }], async |desk| {
        alternate(desk.client.clone(), 0..1).await;
        let imports = tokio::spawn(alternate(desk.another_client().await, 1..ROUNDS));
        let mut seen: HashMap<String, u64> = HashMap::new();
        while !imports.is_finished() || !seen.values().any(|version| *version == ROUNDS) {
            let queries = vec![query(&evm(X)), query(&evm(Y))];
            let options = with_snapshot();
            let request =
                v1::BatchScreenAddressesRequest { queries, options, ..Default::default() };
            let mut client = desk.client.screening.clone();
            let answer = client.batch_screen_addresses(request).await.unwrap().into_inner();
            let snapshot = answer.snapshot.unwrap();
            let screenings: Vec<_> = answer
                .items
                .into_iter()
                .map(|item| match item.outcome {
                    Some(Outcome::Screening(screening)) => screening,
                    other => panic!("{other:?}"),
                })
                .collect();
            check(&snapshot, &screenings[0], &screenings[1]);
            let known = seen.insert(snapshot.id.clone(), snapshot.lists[0].version);
            assert!(known.is_none_or(|version| version == snapshot.lists[0].version));

            let answer = desk.ask(question(&evm(X))).await.unwrap();
            let (x, snapshot) = (answer.screening.unwrap(), answer.snapshot.unwrap());
            let listed = snapshot.lists[0].version % 2 == 1;
            assert_eq!((x.score == 100, &x.snapshot_id), (listed, &snapshot.id));
        }
        imports.await.unwrap();
        assert!(seen.len() > 2, "screenings ran between the imports: {seen:?}");
        // Each id still names what the answers said that it names.
        for (id, version) in seen {
            let request = v1::GetSnapshotRequest { id };
            let stored = desk.client.lists.clone().get_snapshot(request).await.unwrap();
            assert_eq!(stored.into_inner().snapshot.unwrap().lists[0].version, version);
        }
    });
}
