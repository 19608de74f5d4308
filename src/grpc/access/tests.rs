//! Every method for every caller, and what tells callers apart.

use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::*;
use crate::config::AccessRole;
use crate::grpc::method::index;

const SCREEN: &str = "token-of-screen";
const INGEST: &str = "token-of-ingest";
const ADMIN: &str = "token-of-admin";

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn identity(name: &str, roles: &[AccessRole], tokens: &[&str], certificates: &[&str]) -> Identity {
    Identity {
        name: name.to_owned(),
        roles: roles.to_vec(),
        permissions: Vec::new(),
        lists: Vec::new(),
        chains: Vec::new(),
        tokens: tokens.iter().map(|token| hash(token)).collect(),
        certificates: certificates.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

fn access() -> Access {
    Access::new(&[
        identity("asks", &[AccessRole::Screen], &[SCREEN, "next-token"], &["uri:spiffe://a/asks"]),
        identity(
            "feeds",
            &[AccessRole::Screen, AccessRole::Ingest],
            &[INGEST],
            &["dns:feeds.example", "cn:f"],
        ),
        identity("rules", &[AccessRole::Admin], &[ADMIN], &[]),
    ])
}

fn with_token(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

fn with_names(names: &[&str]) -> Peer {
    let names = names.iter().map(|name| name.parse().unwrap()).collect();
    let certificate = ClientCertificate { names };
    Peer { certificate: Some(certificate), ..Peer::default() }
}

/// `name`, or the code and words of the refusal.
fn outcome(admitted: Result<Caller, Refusal>) -> String {
    match admitted {
        Ok(caller) => caller.identity.to_string(),
        Err(refusal) => {
            let status = tonic::Status::from(refusal);
            format!("{:?}: {}", status.code(), status.message())
        }
    }
}

/// Which roles are enough, for every method: written out, since the table is what is tested.
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
    let access = access();
    let callers =
        [(SCREEN, AccessRole::Screen), (INGEST, AccessRole::Ingest), (ADMIN, AccessRole::Admin)];
    for (at, method) in METHODS.iter().enumerate() {
        let path = method.path;
        let admit = |headers: &HeaderMap| access.admit(Some(at), headers, &Peer::default());
        let nobody = [HeaderMap::new(), with_token("unknown"), with_token(&SCREEN[1..])];
        for headers in nobody {
            let got = outcome(admit(&headers));
            match least(path) {
                None => assert_eq!(got, "anybody", "{path}"),
                Some(_) => assert!(got.starts_with("Unauthenticated"), "{path}: {got}"),
            }
        }
        for (token, role) in callers {
            let got = outcome(admit(&with_token(token)));
            if least(path).is_none_or(|least| role >= least) {
                assert!(!got.contains(':'), "{path} {role}: {got}");
            } else {
                let want = format!("PermissionDenied: {path} takes the permission ");
                assert!(got.starts_with(&want) && got.ends_with(" may not"), "{got}");
            }
        }
        let owner = Peer::owner();
        assert_eq!(outcome(access.admit(Some(at), &with_token("unknown"), &owner)), "owner");
    }
}

#[test]
fn what_is_no_method_is_for_nobody_but_admin() {
    let access = access();
    let admit = |headers: HeaderMap| outcome(access.admit(None, &headers, &Peer::default()));
    assert!(admit(HeaderMap::new()).starts_with("Unauthenticated"));
    assert!(admit(with_token(INGEST)).starts_with("PermissionDenied: a path that is no method"));
    assert_eq!(admit(with_token(ADMIN)), "rules");
}

#[test]
fn who_is_who() {
    let access = access();
    let at = index("/lazaretto.v1.ScreeningService/ScreenAddress");
    let check = |headers: &HeaderMap, peer: &Peer, want: &str| {
        let got = outcome(access.admit(at, headers, peer));
        assert!(got.starts_with(want), "{got:?}, not {want:?}");
        assert!(!got.contains("token-of"), "{got} tells a token");
    };
    let (none, nobody) = (HeaderMap::new(), Peer::default());
    check(&with_token(SCREEN), &nobody, "asks");
    check(&with_token("next-token"), &nobody, "asks");
    check(&with_token(&SCREEN.to_uppercase()), &nobody, "Unauthenticated: the bearer token is not");
    check(&none, &nobody, "Unauthenticated: this server takes calls with `authorization: Bearer");

    check(&none, &with_names(&["uri:spiffe://a/asks"]), "asks");
    check(&none, &with_names(&["dns:other", "dns:FEEDS.example"]), "feeds");
    check(&none, &with_names(&["cn:f", "dns:feeds.example"]), "feeds");
    // A name of one kind is none of another.
    for other in ["uri:feeds.example", "cn:feeds.example", "dns:f", "uri:spiffe://a/asks/more"] {
        check(&none, &with_names(&[other]), "Unauthenticated: the client certificate is of no");
    }
    check(&none, &with_names(&[]), "Unauthenticated: the client certificate is of no");
    let both = with_names(&["uri:spiffe://a/asks", "cn:f"]);
    check(&none, &both, "Unauthenticated: the client certificate is of several identities");

    // The token counts alone.
    check(&with_token(INGEST), &with_names(&["uri:spiffe://a/asks"]), "feeds");
    check(&with_token("gone"), &with_names(&["uri:spiffe://a/asks"]), "Unauthenticated");
    let basic = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"))]);
    check(&basic, &with_names(&["uri:spiffe://a/asks"]), "Unauthenticated");
    assert!(!format!("{access:?}").contains("tokens"), "hashes are not shown");
}

#[test]
fn without_identities_everybody_may() {
    let access = Access::new(&[]);
    for at in (0..METHODS.len()).map(Some).chain([None]) {
        let admitted = access.admit(at, &with_token("any"), &Peer::default()).unwrap();
        assert_eq!((&*admitted.identity, admitted.permissions), ("anybody", PermissionSet::all()));
    }
}
