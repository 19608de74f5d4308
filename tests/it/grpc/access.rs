//! Identities over the network: every method for every caller, what a token may look like, and what
//! takes more than its method says.

use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use lazaretto::config::{AccessRole, Identity};
use lazaretto::grpc::client::{Client, Credentials, Token};
use prost::Message;
use prost_types::FileDescriptorSet;
use sha2::{Digest, Sha256};
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::*;

pub const SCREEN: &str = "0123456789-token-that-asks";
pub const INGEST: &str = "0123456789-token-that-feeds";
pub const ADMIN: &str = "0123456789-token-that-rules";
const AUDIT: &str = "audit-token-of-32-or-more-characters";

/// An identity with one role.
pub fn identity(name: &str, role: AccessRole, tokens: &[&str], certificates: &[&str]) -> Identity {
    Identity {
        name: name.to_owned(),
        roles: vec![role],
        permissions: Vec::new(),
        lists: Vec::new(),
        chains: Vec::new(),
        tokens: tokens.iter().map(|token| Sha256::digest(token).into()).collect(),
        certificates: certificates.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

/// A list, an identity that feeds and one that rules.
pub fn fed_and_ruled(config: &mut Config) {
    config.lists = vec![loose("l")];
    config.identities = vec![
        identity("feeds", AccessRole::Ingest, &[INGEST], &[]),
        identity("rules", AccessRole::Admin, &[ADMIN], &[]),
    ];
}

fn guarded(config: &mut Config) {
    config.lists = vec![loose("l")];
    config.identities = vec![
        identity("asks", AccessRole::Screen, &[SCREEN], &[]),
        identity("feeds", AccessRole::Ingest, &[INGEST], &[]),
        identity("rules", AccessRole::Admin, &[ADMIN], &[]),
        identity("audits", AccessRole::Audit, &[AUDIT], &[]),
    ];
}

pub async fn client_with(desk: &Desk, token: &str) -> Client {
    let token = Some(Token::new(token).unwrap());
    let credentials = Credentials { token, ..Credentials::default() };
    Client::connect_as(&format!("http://{}", desk.address), &credentials).await.unwrap()
}

async fn channel(desk: &Desk) -> Channel {
    Endpoint::from_shared(format!("http://{}", desk.address)).unwrap().connect().await.unwrap()
}

/// All methods that a server has, by what it says of itself.
fn methods() -> Vec<String> {
    let reflection = tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET;
    let alpha = tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET;
    let sets = [v1::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET, reflection, alpha];
    let mut methods = Vec::new();
    for file in sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file) {
        for service in &file.service {
            let path = |name: &str| format!("/{}.{}/{name}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| path(method.name())));
        }
    }
    assert!(methods.len() > 20, "{methods:?}");
    methods
}

/// Calls `path` with an empty message and whatever headers; OK, or the refusal.
async fn call(channel: &Channel, path: &str, headers: HeaderMap) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(tokio_stream::once(()));
    *request.metadata_mut().as_mut() = headers;
    let path: PathAndQuery = path.parse().unwrap();
    let answer = client.streaming(request, path, ProstCodec::<(), ()>::default()).await?;
    // The first word says whether the call is let in; a watch goes on for ever.
    answer.into_inner().message().await.map(drop)
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// The role that a method takes, written out once more.
fn least(path: &str) -> Option<AccessRole> {
    match path.rsplit('/').next().unwrap() {
        "Check" => None,
        "AddTag" | "BackfillList" | "CheckSource" | "ImportList" | "RefreshList"
        | "IngestTransfers" | "DeclareCoverage" => Some(AccessRole::Ingest),
        "RetractTransfers"
        | "SettleTransferConflict"
        | "ReloadPolicy"
        | "ComparePolicies"
        | "BackupStore"
        | "HoldScreening"
        | "RedactScreening"
        | "RotateLogKey" => Some(AccessRole::Admin),
        _ if path.contains("DecisionLogService") => Some(AccessRole::Audit),
        _ => Some(AccessRole::Screen),
    }
}

#[test]
fn every_method_for_every_caller() {
    run_with(guarded, async |desk| {
        let channel = channel(desk).await;
        let unknown = (Code::Unauthenticated, "UNAUTHENTICATED", "", "");
        for path in methods() {
            for headers in [HeaderMap::new(), bearer("unknown"), bearer(&ADMIN[1..])] {
                let outcome = call(&channel, &path, headers).await;
                match least(&path) {
                    None => outcome.unwrap(),
                    Some(_) => check_refused(outcome, unknown),
                }
            }
            let callers = [
                (SCREEN, AccessRole::Screen),
                (INGEST, AccessRole::Ingest),
                (ADMIN, AccessRole::Admin),
            ];
            for (token, role) in callers {
                let outcome = call(&channel, &path, bearer(token)).await;
                if least(&path).is_some_and(|least| role < least) {
                    let words = format!("{path} takes the permission ");
                    let refusal = (Code::PermissionDenied, "PERMISSION_DENIED", "", &words[..]);
                    check_refused(outcome, refusal);
                } else if let Err(status) = outcome {
                    let refused = [Code::Unauthenticated, Code::PermissionDenied];
                    assert!(!refused.contains(&status.code()), "{path} {role}: {status:?}");
                }
            }
        }
        for path in methods() {
            let outcome = call(&channel, &path, bearer(AUDIT)).await;
            let code = outcome.map_or_else(|status| status.code(), |()| Code::Ok);
            let reads_log = least(&path).is_none_or(|least| least == AccessRole::Audit);
            let is_let_in = reads_log || path.starts_with("/grpc.");
            assert_eq!(code != Code::PermissionDenied, is_let_in, "{path}: {code:?}");
        }
        let nowhere = "/lazaretto.v1.ScreeningService/Unknown";
        check_refused(call(&channel, nowhere, HeaderMap::new()).await, unknown);
        let denied = (Code::PermissionDenied, "PERMISSION_DENIED", "", "no method");
        check_refused(call(&channel, nowhere, bearer(INGEST)).await, denied);
        let status = call(&channel, nowhere, bearer(ADMIN)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    });
}

#[test]
fn how_a_token_may_be_written() {
    run_with(guarded, async |desk| {
        let channel = channel(desk).await;
        let path = "/lazaretto.v1.SanctionsListService/ListSanctionsLists";
        let ask = async |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            call(&channel, path, headers).await
        };
        let of = |before: &str, after: &str| format!("{before}{SCREEN}{after}").into_bytes();
        for taken in [of("Bearer ", ""), of("bearer ", ""), of("bEARER   ", "")] {
            ask(&[&taken]).await.unwrap();
        }
        let good = of("Bearer ", "");
        let refused = async |values: &[&[u8]], words: &str| {
            let refusal = (Code::Unauthenticated, "UNAUTHENTICATED", "", words);
            let outcome = ask(values).await;
            let told = format!("{outcome:?}");
            assert!(!told.contains("0123456789"), "{told} tells a token");
            check_refused(outcome, refusal);
        };
        refused(&[&good, &good], "more than one").await;
        refused(&[&good, b"Basic eA=="], "more than one").await;
        refused(&[b"Bearer x", &good], "more than one").await;
        for malformed in [of("", ""), of("Basic ", ""), of("Bearer", ""), of("Bearer\t", "")] {
            refused(&[&malformed], "is not `Bearer <token>`").await;
        }
        refused(&[&of("Bearer ", ",x")], "is not `Bearer <token>`").await;
        refused(&[&of("Bearer ", " x")], "is not `Bearer <token>`").await;
        refused(&[&[&good[..], b"\xff\xc3\xa4"].concat()], "is not `Bearer <token>`").await;
        refused(&[&[&good[..], &[b'x'; 500]].concat()], "longer than 512").await;
        refused(&[&of("Bearer ", "=")], "not one that is known").await;
    });
}

#[test]
fn a_forced_import_takes_admin() {
    run_with(guarded, async |desk| {
        let forced = v1::ImportListHeader {
            force_reason: "so that the test sees it".to_owned(),
            force_gates: vec![v1::ImportGate::Shrink.into()],
            ..header("l", v1::ListKind::Sanctions)
        };
        let import = async |token: &str, header: &v1::ImportListHeader, rows: u64| {
            let file = csv("2025-11-20", &made_up(0..rows));
            let parts = [Part::Header(header.clone()), Part::Chunk(file)];
            let parts = parts.map(|part| v1::ImportListRequest { part: Some(part) });
            let mut lists = client_with(desk, token).await.lists;
            lists.import_list(tokio_stream::iter(parts)).await
        };
        let words = "an import past the gates takes the permission force-gates: feeds may not";
        let denied = (Code::PermissionDenied, "PERMISSION_DENIED", "", words);
        check_refused(import(INGEST, &forced, 3).await, denied);
        assert!(desk.lists().await.iter().all(|list| list.version == 0), "nothing is loaded");
        import(INGEST, &header("l", v1::ListKind::Sanctions), 3).await.unwrap();
        import(ADMIN, &forced, 1).await.unwrap();
    });
}

#[test]
fn one_token_follows_another() {
    let with = |tokens: &'static [&'static str]| {
        move |config: &mut Config| {
            config.identities = vec![identity("asks", AccessRole::Screen, tokens, &[])];
        }
    };
    let lists = async |desk: &Desk, token: &str| {
        let mut lists = client_with(desk, token).await.lists;
        lists.list_sanctions_lists(v1::ListSanctionsListsRequest {}).await
    };
    run_with(with(&["first", "second"]), async |desk| {
        lists(desk, "first").await.unwrap();
        lists(desk, "second").await.unwrap();
    });
    run_with(with(&["second"]), async |desk| {
        lists(desk, "second").await.unwrap();
        let gone = (Code::Unauthenticated, "UNAUTHENTICATED", "", "not one that is known here");
        check_refused(lists(desk, "first").await, gone);
    });
}
