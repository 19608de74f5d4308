//! What an identity may do beyond its role's name: single permissions, lists, chains; and what an
//! import by hand of a list with a source, or of a required one, may and may not.

use lazaretto::config::{AccessRole, Identity, Permission};
use lazaretto::grpc::client::{Client, Credentials, Token};
use v1::ingest_transfers_response::Outcome;

use super::access::{ADMIN, INGEST, SCREEN, identity};
use super::transfers::{batch, payment};
use super::*;

const NAMED: &str = "0123456789-token-that-names-lists";

fn config(config: &mut Config) {
    config.lists = vec![ofac(), settings("l", ListKind::Advisory)];
    config.offline = true;
    config.identities = vec![
        Identity {
            roles: Vec::new(),
            permissions: vec![Permission::Screen],
            ..identity("asks", AccessRole::Screen, &[SCREEN], &[])
        },
        identity("feeds", AccessRole::Ingest, &[INGEST], &[]),
        Identity {
            lists: vec![OFAC.parse().unwrap()],
            chains: vec!["eip155:1".parse().unwrap()],
            ..identity("named", AccessRole::Ingest, &[NAMED], &[])
        },
        identity("rules", AccessRole::Admin, &[ADMIN], &[]),
    ];
}

async fn client(desk: &Desk, token: &str) -> Client {
    let token = Some(Token::new(token).unwrap());
    let credentials = Credentials { token, ..Credentials::default() };
    Client::connect_as(&format!("http://{}", desk.address), &credentials).await.unwrap()
}

async fn import(
    desk: &Desk,
    token: &str,
    header: v1::ImportListHeader,
    file: Vec<u8>,
) -> Result<v1::PublicationReport, Status> {
    let parts = [Part::Header(header), Part::Chunk(file)];
    let parts = parts.map(|part| v1::ImportListRequest { part: Some(part) });
    let mut lists = client(desk, token).await.lists;
    let answer = lists.import_list(tokio_stream::iter(parts)).await?;
    Ok(answer.into_inner().report.unwrap())
}

fn sanctions() -> v1::ImportListHeader {
    header(OFAC, v1::ListKind::Sanctions)
}

fn denied(words: &str) -> (Code, &str, &str, &str) {
    (Code::PermissionDenied, "PERMISSION_DENIED", "", words)
}

#[test]
fn a_single_permission_is_that_and_nothing_else() {
    run_with(config, async |desk| {
        import(desk, ADMIN, sanctions(), csv("2025-11-20", &made_up(0..4))).await.unwrap();
        let mut asks = client(desk, SCREEN).await;
        asks.screening.screen_address(question(RONIN)).await.unwrap();
        // What an answer rests on belongs to it.
        asks.lists.get_snapshot(v1::GetSnapshotRequest::default()).await.unwrap();
        let lists = asks.lists.list_sanctions_lists(v1::ListSanctionsListsRequest {}).await;
        check_refused(lists, denied("ListSanctionsLists takes the permission read: asks may not"));
        let export = v1::ExportListRequest { list_id: OFAC.to_owned() };
        let export = asks.lists.export_list(export).await;
        check_refused(export, denied("takes the permission read"));
    });
}

#[test]
fn a_required_list_takes_imports_from_admin_or_from_who_names_it() {
    run_with(config, async |desk| {
        let file = || csv("2025-11-20", &made_up(0..8));
        let guarded = "an import by hand of us-ofac-sdn";
        check_refused(import(desk, INGEST, sanctions(), file()).await, denied(guarded));
        // Another kind in the header makes it no other list.
        let other = header(OFAC, v1::ListKind::Advisory);
        check_refused(import(desk, INGEST, other, file()).await, denied(guarded));
        import(desk, NAMED, sanctions(), file()).await.unwrap();
        check_refused(import(desk, INGEST, sanctions(), file()).await, denied(guarded));
        import(desk, ADMIN, sanctions(), csv("2025-11-20", &made_up(0..9))).await.unwrap();
        // A list that is neither is free, but not to who names others.
        let free = || header("l", v1::ListKind::Advisory);
        import(desk, INGEST, free(), file()).await.unwrap();
        let beyond = "list l is not one of identities.named.lists: named may not";
        check_refused(import(desk, NAMED, free(), file()).await, denied(beyond));
        let refresh = v1::RefreshListRequest { list_id: "l".to_owned() };
        let refresh = client(desk, NAMED).await.lists.refresh_list(refresh).await;
        check_refused(refresh, denied(beyond));
        let check = v1::CheckSourceRequest { list_id: "l".to_owned() };
        let check = client(desk, NAMED).await.lists.check_source(check).await;
        check_refused(check, denied(beyond));
    });
}

/// Before anything is loaded, too: there is no snapshot then that could say what is missing.
#[test]
fn a_list_that_the_policy_alone_requires_is_guarded_from_the_start() {
    let requires = policy::requiring("lists = [\"house\"]");
    let files = policy::Files::new(&requires, &requires);
    let with_policy = |config: &mut Config| {
        self::config(config);
        config.lists.clear();
        config.policy = Some(files.path("live"));
    };
    run_with(with_policy, async |desk| {
        let file = || csv("2025-11-20", &made_up(0..8));
        for kind in [v1::ListKind::Sanctions, v1::ListKind::Attribution] {
            let refused = import(desk, INGEST, header("house", kind), file()).await;
            check_refused(refused, denied("an import by hand of house"));
        }
        import(desk, INGEST, header("free", v1::ListKind::Attribution), file()).await.unwrap();
        import(desk, ADMIN, header("house", v1::ListKind::Sanctions), file()).await.unwrap();
    });
}

#[test]
fn the_first_version_of_a_list_is_of_its_configured_kind() {
    run_with(config, async |desk| {
        let file = || csv("2025-11-20", &made_up(0..8));
        let other = || header(OFAC, v1::ListKind::Attribution);
        let words = "of kind SANCTIONS, not ATTRIBUTION";
        let refusal = (Code::FailedPrecondition, "GATE_REFUSED", "", words);
        check_refused(import(desk, ADMIN, other(), file()).await, refusal);
        let forced = v1::ImportListHeader {
            force_reason: "tried".to_owned(),
            force_gates: vec![v1::ImportGate::Kind.into()],
            ..other()
        };
        import(desk, ADMIN, forced, file()).await.unwrap();
    });
}

#[test]
fn a_list_with_a_source_is_guarded_too() {
    let with_source = |config: &mut Config| {
        self::config(config);
        let url = Some("http://127.0.0.1:9/list.csv".to_owned());
        config.lists.push(ListSettings { url, ..settings("s", ListKind::Advisory) });
    };
    run_with(with_source, async |desk| {
        let file = || csv("2025-11-20", &made_up(0..8));
        let head = || header("s", v1::ListKind::Advisory);
        let refused = import(desk, INGEST, head(), file()).await;
        check_refused(refused, denied("an import by hand of s"));
        import(desk, ADMIN, head(), file()).await.unwrap();
    });
}

#[test]
fn chains_that_are_not_named_are_not_changed() {
    run_with(config, async |desk| {
        let send = async |token: &str, transfer: v1::Transfer| {
            let mut transfers = client(desk, token).await.transfers;
            let batches = tokio_stream::iter([batch("b", vec![transfer])]);
            let mut answers = transfers.ingest_transfers(batches).await.unwrap().into_inner();
            answers.message().await.unwrap().unwrap().outcome.unwrap()
        };
        let on_bsc = || v1::Transfer { chain: "eip155:56".to_owned(), ..payment(1, 1, 2) };
        let Outcome::Error(error) = send(NAMED, on_bsc()).await else { panic!("it was taken") };
        assert!(error.message.contains("chain eip155:56 is not one of"), "{error:?}");
        // It left no gap either: a gap takes coverage away.
        let heads = desk.client.transfers.clone();
        let heads = heads.clone().list_transfer_heads(v1::ListTransferHeadsRequest {}).await;
        assert_eq!(heads.unwrap().into_inner().heads, []);
        assert!(matches!(send(NAMED, payment(1, 1, 2)).await, Outcome::Acknowledgement(_)));
        assert!(matches!(send(INGEST, on_bsc()).await, Outcome::Acknowledgement(_)));
        let declare = v1::DeclareCoverageRequest {
            covered: vec![v1::CoveredBlocks {
                chain: "eip155:56".to_owned(),
                heights: Some(v1::HeightRange { first_height: 1, last_height: 2 }),
                kinds: vec![v1::MovementKind::Native.into()],
                ..Default::default()
            }],
        };
        let declared = client(desk, NAMED).await.transfers.declare_coverage(declare).await;
        check_refused(declared, denied("chain eip155:56"));
    });
}

#[test]
fn imports_without_force_do_not_erode_a_list() {
    run_with(config, async |desk| {
        let head = || header("l", v1::ListKind::Advisory);
        // The last four publications are equal, and make no version.
        let mut rows = 760;
        import(desk, INGEST, head(), csv("2025-11-20", &made_up(0..rows))).await.unwrap();
        for _ in 0..22 {
            rows = (rows * 76 / 100).max(3);
            import(desk, INGEST, head(), csv("2025-11-20", &made_up(0..rows))).await.unwrap();
        }
        let counts = desk.lists().await.remove(0).counts.unwrap();
        assert_eq!((counts.listings, counts.removals_pending), (577, 574));
        // The last of the rows that are left is one that the last file lacks.
        assert!(said(&desk.screen(&evm(576)).await).contains("REMOVAL_PENDING@l"));
        assert!(said(&desk.screen(&evm(577)).await).contains("REMOVED@l"));
        let force = v1::ImportListHeader {
            force_reason: "the list was taken down".to_owned(),
            force_gates: vec![v1::ImportGate::Shrink.into()],
            ..head()
        };
        let file = csv("2025-11-20", &made_up(0..rows));
        let trial = v1::ImportListHeader { validate_only: true, ..force.clone() };
        let report = import(desk, ADMIN, trial, file.clone()).await.unwrap();
        assert_eq!((report.removed, report.removal_examples.len()), (574, 20));
        assert_eq!(report.removal_examples[0].kind(), v1::ListingChangeKind::Removed);
        let standing = report.list.unwrap().counts.unwrap().listings;
        assert_eq!((standing, desk.lists().await[0].version), (577, 19), "nothing changed");
        assert_eq!(import(desk, ADMIN, force, file).await.unwrap().removed, 574);
    });
}

#[test]
fn an_import_by_hand_shows_and_leaves_the_age_to_the_source() {
    run_with(config, async |desk| {
        import(desk, ADMIN, sanctions(), csv("2025-11-19", &made_up(0..8))).await.unwrap();
        let answer = desk.ask(question(RONIN)).await.unwrap();
        let list = answer.snapshot.unwrap().lists.remove(0);
        assert!(list.imported_by_hand);
        let age = async |desk: &Desk| desk.lists().await.pop().unwrap().age_seconds;
        let first = age(desk).await;
        assert_eq!(first, Some(36 * 3600));
        // A later day of publication, with the same facts and with others.
        for rows in [8, 9] {
            let file = csv("2025-11-20", &made_up(0..rows));
            import(desk, NAMED, sanctions(), file).await.unwrap();
            assert_eq!(age(desk).await, first, "{rows} rows");
        }
        let vouching = || v1::ImportListHeader { refreshes_age: true, ..sanctions() };
        let file = || csv("2025-11-20", &made_up(0..10));
        let words = "an import that refreshes the age of its list takes the permission";
        check_refused(import(desk, NAMED, vouching(), file()).await, denied(words));
        import(desk, ADMIN, vouching(), file()).await.unwrap();
        assert_eq!(age(desk).await, Some(12 * 3600));
    });
}

/// Who may import a list may put a tag on it, and nobody else.
#[test]
fn a_tag_takes_what_an_import_of_its_list_takes() {
    let with_required = |config: &mut Config| {
        self::config(config);
        let house = settings("house", ListKind::Attribution);
        config.lists.push(ListSettings { required: true, ..house });
        let url = Some("http://127.0.0.1:9/list.csv".to_owned());
        config.lists.push(ListSettings { url, ..settings("s", ListKind::Attribution) });
    };
    run_with(with_required, async |desk| {
        let add = async |token: &str, list: &str| {
            let request = v1::AddTagRequest {
                list_id: list.to_owned(),
                address: evm(7),
                category: "exchange".to_owned(),
                ..Default::default()
            };
            client(desk, token).await.lists.add_tag(request).await
        };
        check_refused(add(SCREEN, "").await, denied("takes the permission import-lists"));
        let beyond = "list tags-own is not one of identities.named.lists: named may not";
        check_refused(add(NAMED, "").await, denied(beyond));
        let added = add(INGEST, "").await.unwrap().into_inner();
        assert_eq!(added.outcome(), v1::TagOutcome::Added);
        let list = added.report.unwrap().list.unwrap();
        assert_eq!((&*list.list_id, &*list.origin_name), ("tags-own", "a tag added by feeds"));
        let again = add(ADMIN, "").await.unwrap().into_inner();
        assert_eq!(again.outcome(), v1::TagOutcome::Unchanged);
        // Required, and not of kind SANCTIONS: as an import.
        add(INGEST, "house").await.unwrap();
        // One with a source is guarded, and takes no tag from anybody.
        check_refused(add(INGEST, "s").await, denied("an import by hand of s"));
        let refused = (Code::FailedPrecondition, "TAG_REFUSED", "", "it has a configured source");
        check_refused(add(ADMIN, "s").await, refused);
        let refused = (Code::FailedPrecondition, "TAG_REFUSED", "", "of kind ADVISORY");
        check_refused(add(ADMIN, "l").await, refused);
        let carried = "a starter list, which updates replace";
        let refused = (Code::FailedPrecondition, "TAG_REFUSED", "", carried);
        check_refused(add(ADMIN, OFAC).await, refused);
    });
}

#[test]
fn a_tag_that_is_not_understood_names_its_field() {
    run_with(config, async |desk| {
        let check = async |request: v1::AddTagRequest, field: &str, words: &str| {
            let good = (evm(7), "exchange".to_owned());
            let v1::AddTagRequest { address, category, .. } = request.clone();
            let or = |given: String, good: String| if given == "-" { good } else { given };
            let (address, category) = (or(address, good.0), or(category, good.1));
            let request = v1::AddTagRequest { address, category, ..request };
            let outcome = client(desk, ADMIN).await.lists.add_tag(request).await;
            let reason = if field == "chain" && words.contains("names no chain") {
                "INVALID_CHAIN"
            } else {
                "INVALID_FIELD"
            };
            check_refused(outcome, (Code::InvalidArgument, reason, field, words));
        };
        let base = || v1::AddTagRequest {
            address: "-".to_owned(),
            category: "-".to_owned(),
            ..Default::default()
        };
        let of = |address: &str| v1::AddTagRequest { address: address.to_owned(), ..base() };
        check(of("nonsense!"), "address", "no known address form").await;
        check(of(""), "address", "empty").await;
        check(v1::AddTagRequest { category: String::new(), ..base() }, "category", "0 bytes").await;
        let long = "x".repeat(1_025);
        check(v1::AddTagRequest { label: Some(long), ..base() }, "label", "1025 bytes").await;
        check(v1::AddTagRequest { kind: 77, ..base() }, "kind", "77 is no kind").await;
        let advisory = v1::ListKind::Advisory.into();
        check(v1::AddTagRequest { kind: advisory, ..base() }, "kind", "ADVISORY").await;
        let list_id = "No List".to_owned();
        check(v1::AddTagRequest { list_id, ..base() }, "list_id", "invalid list id").await;
        let chain = "nowhere".to_owned();
        check(v1::AddTagRequest { chain, ..base() }, "chain", "names no chain").await;
        assert!(desk.lists().await.iter().all(|list| list.version == 0), "nothing is published");
    });
}
