//! TLS over the network: who is let in by certificate, and certificates that change under load.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use lazaretto::config::{AccessRole, TlsFiles};
use lazaretto::grpc::client::{Client, ConnectError, Credentials};
use lazaretto::grpc::serve::tls::{Reloads, Tls};
use rcgen::{CertificateParams, DnType, GeneralSubtree, NameConstraints, SanType, date_time_ymd};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
};

use super::access::{ADMIN, SCREEN, identity};
use super::pki::{Authority, Leaf, Secret, credentials};
use super::*;

const PAYMENTS: &str = "spiffe://example/payments";

/// A server with TLS that knows one identity by its token and one by its certificate.
async fn start(files: TlsFiles) -> Desk {
    Desk::start(|config| {
        config.tls = Some(files);
        config.identities = vec![
            identity("asks", AccessRole::Screen, &[SCREEN], &[]),
            identity(
                "payments",
                AccessRole::Screen,
                &[],
                &[&format!("uri:{PAYMENTS}"), "cn:Payments", "dns:team.example"],
            ),
            identity("rules", AccessRole::Admin, &[ADMIN], &[]),
        ];
    })
    .await
}

async fn connect(desk: &Desk, credentials: &Credentials) -> Result<Client, ConnectError> {
    Client::connect_as(&format!("https://{}", desk.address), credentials).await
}

async fn ask(client: &Client) -> Result<(), Status> {
    let request = v1::ListSanctionsListsRequest {};
    client.lists.clone().list_sanctions_lists(request).await.map(drop)
}

/// That there is no connection, or that the first call over it says so: by TLS 1.3 a client learns
/// of a refused certificate only after it has sent.
async fn check_no_connection(desk: &Desk, credentials: &Credentials) {
    if let Ok(client) = connect(desk, credentials).await {
        let status = ask(&client).await.unwrap_err();
        assert!(status.get_error_details().error_info().is_none(), "{status:?}");
    }
}

fn tested(test: impl AsyncFnOnce()) {
    runtime().block_on(bounded(test()));
}

#[test]
fn tokens_and_certificates_over_tls() {
    tested(async || {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::new(dir.path(), &ours.server(), &ours.pem);
        let desk = start(secret.files(true)).await;
        let check = async |token: Option<&str>, leaf: Option<&Leaf>, words: &str| {
            let client = connect(&desk, &credentials(&ours, token, leaf)).await.unwrap();
            match words {
                "" => ask(&client).await.unwrap(),
                words => {
                    let refusal = (Code::Unauthenticated, "UNAUTHENTICATED", "", words);
                    check_refused(ask(&client).await, refusal);
                }
            }
        };
        let payments = ours.client(PAYMENTS);
        let named = ours.sign(|it| {
            it.distinguished_name.push(DnType::CommonName, "Payments");
            it.subject_alt_names.clear();
        });
        // Alternative names are what name constraints bind, and here there are some.
        let beside = ours.sign(|it| it.distinguished_name.push(DnType::CommonName, "Payments"));
        let stranger = ours.client("spiffe://example/payments/2");
        check(Some(SCREEN), None, "").await;
        check(None, Some(&payments), "").await;
        check(None, Some(&named), "").await;
        check(None, Some(&beside), "of no identity").await;
        check(Some("unknown"), Some(&payments), "not one that is known").await;
        check(None, Some(&stranger), "of no identity").await;
        check(Some(SCREEN), Some(&stranger), "").await;
        check(None, None, "with `authorization: Bearer <token>`, or over").await;

        // Of the right name, and signed by another, or over.
        let forged = other.client(PAYMENTS);
        let over = ours.sign(|it| {
            it.distinguished_name.push(DnType::CommonName, "Payments");
            (it.not_before, it.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        });
        for leaf in [&forged, &over] {
            check_no_connection(&desk, &credentials(&ours, Some(SCREEN), Some(leaf))).await;
        }
        // Servers that the client does not trust.
        let error = connect(&desk, &credentials(&other, Some(SCREEN), None)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        let browsers = Credentials::default();
        connect(&desk, &browsers).await.unwrap_err();
        let elsewhere = format!("https://localhost:{}", desk.address.port());
        Client::connect_as(&elsewhere, &credentials(&ours, None, None)).await.unwrap_err();
        // Without TLS.
        let plain = Client::connect(&format!("http://{}", desk.address)).await;
        if let Ok(plain) = plain {
            ask(&plain).await.unwrap_err();
        }
    });
}

#[test]
fn a_common_name_counts_from_an_authority_without_constraints() {
    tested(async || {
        let ours = Authority::new("ours");
        let named = |it: &mut CertificateParams| {
            it.distinguished_name.push(DnType::CommonName, "Payments");
            it.subject_alt_names.clear();
        };
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::new(dir.path(), &ours.server(), &ours.pem);
        let allowing = TlsFiles { common_name_beside_san: true, ..secret.files(true) };
        let desk = start(allowing).await;
        let identified = async |desk: &Desk, leaf: &Leaf| {
            let client = connect(desk, &credentials(&ours, None, Some(leaf))).await.unwrap();
            ask(&client).await.map_err(|status| status.message().to_owned())
        };
        // By the explicit switch, alternative names do not matter.
        let beside = ours.sign(|it| it.distinguished_name.push(DnType::CommonName, "Payments"));
        identified(&desk, &beside).await.unwrap();
        // Nor does an authority between, unless it may sign for some names only.
        let free = ours.intermediate("free", |_| {}).sign(named);
        identified(&desk, &free).await.unwrap();
        let bound = ours.intermediate("bound", |it| {
            let permitted = vec![GeneralSubtree::DnsName("team.example".to_owned())];
            let excluded = Vec::new();
            it.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted,
                excluded_subtrees: excluded,
            });
        });
        let error = identified(&desk, &bound.sign(named)).await.unwrap_err();
        assert!(error.contains("of no identity"), "{error}");
        let by_name = bound.sign(|it| {
            it.distinguished_name.push(DnType::CommonName, "Payments");
            it.subject_alt_names = vec![SanType::DnsName("team.example".try_into().unwrap())];
        });
        identified(&desk, &by_name).await.unwrap();
        // Constraints on other names bind no DNS name.
        let elsewhere = ours.intermediate("elsewhere", |it| {
            let excluded = vec![GeneralSubtree::Rfc822Name("example".to_owned())];
            it.name_constraints = Some(NameConstraints {
                permitted_subtrees: Vec::new(),
                excluded_subtrees: excluded,
            });
        });
        let by_name = elsewhere.sign(|it| {
            it.subject_alt_names = vec![SanType::DnsName("team.example".try_into().unwrap())];
        });
        let error = identified(&desk, &by_name).await.unwrap_err();
        assert!(error.contains("of no identity"), "{error}");
        // Nor do those on DNS names any URI.
        let uri = || SanType::URI(PAYMENTS.try_into().unwrap());
        let by_uri = bound.sign(|it| it.subject_alt_names = vec![uri()]);
        let error = identified(&desk, &by_uri).await.unwrap_err();
        assert!(error.contains("of no identity"), "{error}");
        let free = ours.intermediate("free", |_| {});
        identified(&desk, &free.sign(|it| it.subject_alt_names = vec![uri()])).await.unwrap();
    });
}

#[test]
fn a_certificate_that_is_not_valid_does_not_replace_one_that_is() {
    tested_beside(async || {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let dir = tempfile::tempdir().unwrap();
        let first = ours.server();
        let both = format!("{}{}", ours.pem, other.pem);
        let mut secret = Secret::new(dir.path(), &first, &both);
        let desk = start(secret.files(true)).await;
        let tls = desk.tls.clone().unwrap();
        let client = trusting(&ours, None);
        let over = ours.sign(|it| it.not_after = date_time_ymd(2020, 1, 1));
        let early = ours.sign(|it| it.not_before = date_time_ymd(2090, 1, 1));
        for (failed, next) in (1..).zip([&over, &early]) {
            secret.swap(&next.certificate, &next.key, &both);
            (0..3).for_each(|_| tls.look());
            assert_eq!(*tls.reloads().borrow(), Reloads { succeeded: 0, failed });
            assert_eq!(shake(&desk, &client).unwrap().0, first.der);
            assert_ne!(tls.not_after(), 1_577_836_800);
        }
        // An authority that goes with it goes nonetheless.
        let leaf = other.client(PAYMENTS);
        let of_other = credentials(&ours, None, Some(&leaf));
        ask(&connect(&desk, &of_other).await.unwrap()).await.unwrap();
        secret.swap(&over.certificate, &over.key, &ours.pem);
        tls.look();
        check_no_connection(&desk, &of_other).await;
        assert_eq!(shake(&desk, &client).unwrap().0, first.der);
        // What is valid is taken.
        let next = ours.server();
        secret.swap(&next.certificate, &next.key, &ours.pem);
        tls.look();
        assert_eq!(shake(&desk, &client).unwrap().0, next.der);
    });
}

#[test]
fn a_client_certificate_can_be_required() {
    tested(async || {
        let ours = Authority::new("ours");
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::new(dir.path(), &ours.server(), &ours.pem);
        let required = TlsFiles { require_client_certificate: true, ..secret.files(true) };
        let desk = start(required).await;
        check_no_connection(&desk, &credentials(&ours, Some(SCREEN), None)).await;
        let payments = ours.client(PAYMENTS);
        let client = connect(&desk, &credentials(&ours, None, Some(&payments))).await.unwrap();
        ask(&client).await.unwrap();
    });
}

/// A handshake by hand: what a server shows, and whether the session is a resumed one.
fn shake(desk: &Desk, config: &Arc<ClientConfig>) -> io::Result<(Vec<u8>, HandshakeKind)> {
    let name = "127.0.0.1".try_into().unwrap();
    let connection = ClientConnection::new(config.clone(), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(desk.address)?);
    // The preface and empty SETTINGS; with what comes back there would be tickets.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
    stream.read_exact(&mut [0; 9])?;
    let shown = stream.conn.peer_certificates().unwrap()[0].to_vec();
    Ok((shown, stream.conn.handshake_kind().unwrap()))
}

#[test]
fn who_speaks_http_1_within_tls_is_told_what_to_speak() {
    tested_beside(async || {
        let ours = Authority::new("ours");
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::new(dir.path(), &ours.server(), &ours.pem);
        let desk = start(secret.files(true)).await;
        let mut client = ClientConfig::clone(&trusting(&ours, None));
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = "127.0.0.1".try_into().unwrap();
        let connection = ClientConnection::new(client.into(), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(desk.address).unwrap());
        stream.write_all(b"POST /v1/screen HTTP/1.1\r\nhost: x\r\n\r\n{}").unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.1 415 ") && told.contains("takes gRPC alone"), "{told}");
    });
}

fn trusting(authority: &Authority, leaf: Option<&Leaf>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match leaf {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let chain = vec![CertificateDer::from(leaf.der.clone())];
            let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A runtime on which the server goes on while the test blocks.
fn tested_beside(test: impl AsyncFnOnce()) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(bounded(test()));
}

#[test]
fn certificates_change_under_load_and_no_call_fails() {
    tested_beside(async || {
        let ours = Authority::new("ours");
        let dir = tempfile::tempdir().unwrap();
        let mut secret = Secret::new(dir.path(), &ours.server(), &ours.pem);
        let desk = Arc::new(start(secret.files(true)).await);
        let mut reloads = desk.tls.as_ref().unwrap().reloads();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        // Who stays on one connection, and who comes anew for every few calls.
        let clients: Vec<_> = [usize::MAX, 5, 1]
            .into_iter()
            .map(|calls_each| {
                let (desk, stopped) = (desk.clone(), stopped.clone());
                let credentials = credentials(&ours, Some(SCREEN), None);
                tokio::spawn(async move {
                    let mut calls = 0;
                    while !*stopped.borrow() {
                        let client = connect(&desk, &credentials).await.unwrap();
                        for _ in 0..calls_each {
                            ask(&client).await.unwrap();
                            calls += 1;
                            if *stopped.borrow() {
                                break;
                            }
                        }
                    }
                    calls
                })
            })
            .collect();
        let client = trusting(&ours, None);
        for round in 1..=4 {
            let next = ours.server();
            secret.swap(&next.certificate, &next.key, &ours.pem);
            reloads.wait_for(|it| it.succeeded == round).await.unwrap();
            let (shown, kind) = shake(&desk, &client).unwrap();
            assert_eq!(shown, next.der, "round {round}");
            assert_eq!(kind, HandshakeKind::Full);
            let (_, again) = shake(&desk, &client).unwrap();
            assert_eq!(again, HandshakeKind::Full, "no session is resumed");
        }
        assert_eq!(*reloads.borrow(), Reloads { succeeded: 4, failed: 0 });
        stop.send(true).unwrap();
        for client in clients {
            let calls = client.await.unwrap();
            assert!(calls >= 4, "{calls} calls");
        }
    });
}

#[test]
fn half_of_a_pair_changes_nothing() {
    tested_beside(async || {
        let ours = Authority::new("ours");
        let dir = tempfile::tempdir().unwrap();
        let first = ours.server();
        let mut secret = Secret::new(dir.path(), &first, &ours.pem);
        let desk = start(secret.files(true)).await;
        let tls = desk.tls.clone().unwrap();
        let client = trusting(&ours, None);
        let mut failed = 0;
        let mut refuse = async |certificate: &str, key: &str, ca: &str| {
            secret.swap(certificate, key, ca);
            // However often it is looked at, it is said once.
            (0..3).for_each(|_| tls.look());
            failed += 1;
            assert_eq!(*tls.reloads().borrow(), Reloads { succeeded: 0, failed });
            assert_eq!(shake(&desk, &client).unwrap().0, first.der);
        };
        let next = ours.server();
        refuse(&next.certificate, &first.key, &ours.pem).await;
        refuse(&next.certificate[..200], &next.key, &ours.pem).await;
        refuse(&next.certificate, "", &ours.pem).await;
        refuse(&next.certificate, &next.key, "").await;
        secret.swap(&next.certificate, &next.key, &ours.pem);
        (0..3).for_each(|_| tls.look());
        assert_eq!(*tls.reloads().borrow(), Reloads { succeeded: 1, failed });
        assert_eq!(shake(&desk, &client).unwrap().0, next.der);
    });
}

#[test]
fn an_authority_that_is_gone_lets_nobody_in_any_more() {
    tested_beside(async || {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let dir = tempfile::tempdir().unwrap();
        let server = ours.server();
        let both = format!("{}{}", ours.pem, other.pem);
        let mut secret = Secret::new(dir.path(), &server, &both);
        let required = TlsFiles { require_client_certificate: true, ..secret.files(true) };
        let desk = start(required).await;
        let leaf = other.client(PAYMENTS);
        let shaking = trusting(&ours, Some(&leaf));
        shake(&desk, &shaking).unwrap();
        let standing = connect(&desk, &credentials(&ours, None, Some(&leaf))).await.unwrap();
        ask(&standing).await.unwrap();

        secret.swap(&server.certificate, &server.key, &ours.pem);
        desk.tls.as_ref().unwrap().look();
        check_no_connection(&desk, &credentials(&ours, None, Some(&leaf))).await;
        // Not by a session of before either.
        assert!(shake(&desk, &shaking).is_err(), "the handshake is refused");
        ask(&standing).await.unwrap();
    });
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let ours = Authority::new("ours");
    let dir = tempfile::tempdir().unwrap();
    let (server, other) = (ours.server(), ours.server());
    let path = |name: &str| dir.path().join(name);
    let write = |name: &str, content: &str| std::fs::write(path(name), content).unwrap();
    write("crt", &server.certificate);
    write("key", &server.key);
    write("ca", &ours.pem);
    write("other-key", &other.key);
    write("empty", "");
    write("text", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    write("junk", junk);
    write("large", &"x".repeat((1 << 20) + 1));
    std::fs::create_dir(path("dir")).unwrap();
    let check = |certificate: &str, key: &str, ca: &str, words: &[&str]| {
        let files = TlsFiles {
            certificate: path(certificate),
            key: path(key),
            client_ca: Some(path(ca)),
            require_client_certificate: false,
            common_name_beside_san: false,
        };
        match Tls::open(&files) {
            Ok(_) => assert!(words.is_empty(), "{words:?}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!words.is_empty(), "{error}");
                assert!(error.starts_with(dir.path().to_str().unwrap()), "{error}");
                assert!(words.iter().all(|word| error.contains(word)), "{error}, not {words:?}");
            }
        }
    };
    check("crt", "key", "ca", &[]);
    check("none", "key", "ca", &["/none: ", "No such file"]);
    check("crt", "none", "ca", &["/none: "]);
    check("crt", "key", "none", &["/none: "]);
    check("dir", "key", "ca", &["/dir: is no file"]);
    check("large", "key", "ca", &["/large: has more than 1 MiB"]);
    check("empty", "key", "ca", &["/empty: holds no certificate"]);
    check("key", "key", "ca", &["/key: holds no certificate"]);
    check("text", "key", "ca", &["/text: is not PEM"]);
    check("junk", "key", "ca", &["/junk: is not understood"]);
    check("crt", "crt", "ca", &["/crt: holds no private key"]);
    check("crt", "other-key", "ca", &["/other-key: is not the key of the certificate in", "/crt"]);
    check("crt", "key", "empty", &["/empty: holds no certificate"]);
    check("crt", "key", "junk", &["/junk: "]);

    let until = ours.sign(|it| it.not_after = date_time_ymd(2020, 1, 1));
    write("over", &until.certificate);
    write("over-key", &until.key);
    let files = TlsFiles {
        certificate: path("over"),
        key: path("over-key"),
        client_ca: None,
        require_client_certificate: false,
        common_name_beside_san: false,
    };
    let tls = Tls::open(&files).unwrap();
    assert_eq!(tls.not_after(), 1_577_836_800, "2020-01-01T00:00:00Z");
}

#[test]
fn who_comes_without_tls_is_told_to_use_it() {
    use lazaretto::grpc::client::CallError;
    tested(async || {
        let ours = Authority::new("ours");
        let dir = tempfile::tempdir().unwrap();
        let desk = start(Secret::new(dir.path(), &ours.server(), &ours.pem).files(false)).await;
        let plain = format!("http://{}", desk.address);
        let told = match Client::connect(&plain).await {
            Ok(client) => CallError::from(ask(&client).await.unwrap_err()).to_string(),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        assert!(told.contains("use https://"), "{told}");
        let address = desk.address;
        let http1 = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let mut told = String::new();
            stream.read_to_string(&mut told).unwrap();
            told
        });
        let told = http1.await.unwrap();
        assert!(told.starts_with("HTTP/1.1 400 ") && told.contains("use https://"), "{told}");
    });
}
