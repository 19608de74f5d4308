//! TLS of the server: its certificate and the authorities of its clients, read again when the files
//! change, and the handshake. Accepts no connection and decides on no call.

mod leaf;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use leaf::{Counting, Validity, Vouched};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;
use crate::domain::lock::Recover;
use crate::grpc::access::ClientCertificate;

/// How long a changed file waits to be read.
const PAUSE: Duration = Duration::from_secs(2);

/// The largest of the files, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What is negotiated: HTTP/2 alone (RFC 9113, section 3.2).
const ALPN: &[u8] = b"h2";

/// HTTP/1.1, likewise.
const HTTP1: &[u8] = b"http/1.1";

/// Why there is no TLS, or no connection by it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file does not hold what it should.
    #[error("{}: {what}", path.display())]
    Content {
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The key is another certificate's.
    #[error("{}: is not the key of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    #[error("handshake: {0}")]
    Handshake(io::Error),
    /// The client's certificate is verified, and still not understood.
    #[error("the client's certificate: {0}")]
    ClientCertificate(String),
}

/// How often files that changed were read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    pub succeeded: u64,
    /// And were refused: what was in force stays.
    pub failed: u64,
}

pub struct Tls {
    files: TlsFiles,
    now: ArcSwap<State>,
    seen: Mutex<Seen>,
    reloads: watch::Sender<Reloads>,
}

struct Seen {
    /// A digest of the files, or of what was wrong with them.
    digest: [u8; 32],
    /// When they are to be read again though they have not changed: the new certificate is valid
    /// from then on (Unix seconds).
    again_at: Option<i64>,
}

/// What connections that come now are served by.
struct State {
    acceptor: TlsAcceptor,
    validity: Validity,
    counting: Counting,
    /// The files of the certificate in force and its key, which outlive a change to one that is
    /// not valid.
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files. A certificate that is not valid at this time is taken, with a warning.
    pub fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = Contents::read(files)?;
        let state = State::new(files, &read)?;
        state.validity.warn(&files.certificate, now());
        Ok(Self {
            files: files.clone(),
            now: ArcSwap::from_pointee(state),
            seen: Mutex::new(Seen { digest: read.digest(), again_at: None }),
            reloads: watch::Sender::new(Reloads::default()),
        })
    }

    /// The handshake on `stream`, by the files as they are now; what the client's certificate says,
    /// where it has one. Takes as long as the client likes.
    pub async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: T,
    ) -> Result<(Secured<T>, Option<ClientCertificate>), TlsError> {
        let (acceptor, counting) = {
            let state = self.now.load();
            (state.acceptor.clone(), state.counting)
        };
        let stream = acceptor.accept(stream).await.map_err(TlsError::Handshake)?;
        let shown = stream.get_ref().1.peer_certificates().filter(|chain| !chain.is_empty());
        let certificate = shown.map(|chain| {
            let chain: Vec<&[u8]> = chain.iter().map(|der| &**der).collect();
            leaf::names(&chain, counting)
        });
        let certificate = certificate.transpose();
        let certificate = certificate.map_err(TlsError::ClientCertificate)?;
        Ok((stream, certificate.map(|names| ClientCertificate { names })))
    }

    /// Until when the certificate in force is valid, in Unix seconds.
    pub fn not_after(&self) -> i64 {
        self.now.load().validity.not_after
    }

    /// How often changed files were read, now and at each change of it.
    pub fn reloads(&self) -> watch::Receiver<Reloads> {
        self.reloads.subscribe()
    }

    /// Looks at the files every two seconds. Never ends.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let tls = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || tls.look()).await {
                tracing::error!(%error, "TLS files unreadable");
            }
        }
    }

    /// Reads the files again where they changed, and puts them in force together or not at all; but
    /// a certificate that is not valid now does not replace one that is, whatever authorities are
    /// trusted from now on. Connections that stand are not touched. Blocks.
    pub fn look(&self) {
        let read = Contents::read(&self.files);
        let found = match &read {
            Ok(contents) => contents.digest(),
            Err(error) => Sha256::digest(error.to_string()).into(),
        };
        let mut seen = self.seen.lock().recover();
        let now = now();
        if seen.digest == found && seen.again_at.is_none_or(|at| now < at) {
            return;
        }
        *seen = Seen { digest: found, again_at: None };
        match read.and_then(|contents| self.next_state(contents, now)) {
            Ok((state, None)) => {
                state.validity.warn(&self.files.certificate, now);
                self.now.store(Arc::new(state));
                tracing::info!("certificate reloaded");
                self.reloads.send_modify(|it| it.succeeded += 1);
            }
            Ok((state, Some(refused))) => {
                self.now.store(Arc::new(state));
                seen.again_at = Some(refused.not_before).filter(|at| *at > now);
                tracing::error!(
                    path = %self.files.certificate.display(),
                    not_before = refused.not_before,
                    not_after = refused.not_after,
                    "new certificate not valid now, keeping the current one"
                );
                self.reloads.send_modify(|it| it.failed += 1);
            }
            Err(error) => {
                tracing::error!(%error, "certificate not reloaded, keeping the current one");
                self.reloads.send_modify(|it| it.failed += 1);
            }
        }
    }
}

impl Tls {
    /// What is in force after `contents` were read, and when a certificate is valid that is not put
    /// in force.
    fn next_state(
        &self,
        contents: Contents,
        now: i64,
    ) -> Result<(State, Option<Validity>), TlsError> {
        let next = State::new(&self.files, &contents)?;
        let current = self.now.load();
        if next.validity.holds_at(now) || !current.validity.holds_at(now) {
            return Ok((next, None));
        }
        let (certificate, key) = (current.certificate.clone(), current.key.clone());
        let kept = Contents { certificate, key, ..contents };
        Ok((State::new(&self.files, &kept)?, Some(next.validity)))
    }
}

/// A connection after its handshake.
pub type Secured<T> = TlsStream<T>;

/// Whether the handshake has agreed on HTTP/1.1.
pub fn speaks_http1<T>(connection: &Secured<T>) -> bool {
    connection.get_ref().1.alpn_protocol() == Some(HTTP1)
}

impl State {
    fn new(files: &TlsFiles, contents: &Contents) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate, &contents.certificate)?;
        let content = |path: &Path, what: String| TlsError::Content { path: path.to_owned(), what };
        let validity = Validity::of(&chain[0]).map_err(|what| content(&files.certificate, what))?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| content(&files.key, format!("holds no private key: {error}")))?;
        let provider = Arc::new(ring::default_provider());
        let authorities = match &contents.client_ca {
            Some((path, pem)) => certificates(path, pem)?,
            None => Vec::new(),
        };
        let vouched = authorities.iter().map(|der| Vouched::by(der)).max().unwrap_or(Vouched::All);
        let verifier = match &contents.client_ca {
            Some((path, pem)) => Some(verifier(path, pem, files, &provider)?),
            None => None,
        };
        let versions = [&TLS13, &TLS12];
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .expect("the provider has suites of both versions");
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                TlsError::Mismatch {
                    key: files.key.clone(),
                    certificate: files.certificate.clone(),
                }
            } else {
                content(&files.key, error.to_string())
            }
        })?;
        // Whoever speaks no HTTP/2 shakes hands too, to be told so.
        config.alpn_protocols = vec![ALPN.to_vec(), HTTP1.to_vec()];
        // A resumed session would go on with a client whose authority is not trusted any more, and
        // calls live on few long connections: every handshake is a whole one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            validity,
            counting: Counting { common_name_beside_san: files.common_name_beside_san, vouched },
            certificate: contents.certificate.clone(),
            key: contents.key.clone(),
        })
    }
}

fn verifier(
    path: &Path,
    pem: &[u8],
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let content = |what: String| TlsError::Content { path: path.to_owned(), what };
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, pem)? {
        roots.add(authority).map_err(|error| content(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder =
        if files.require_client_certificate { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| content(error.to_string()))
}

/// The certificates in a PEM file: at least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = |what: String| TlsError::Content { path: path.to_owned(), what };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| content(format!("is not PEM: {error}")))?;
    if found.is_empty() { Err(content("holds no certificate".to_owned())) } else { Ok(found) }
}

/// The files as they were read.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<(PathBuf, Vec<u8>)>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let client_ca = files.client_ca.as_ref();
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_ca: client_ca.map(|path| Ok((path.clone(), read(path)?))).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let authorities = self.client_ca.as_ref().map(|(_, pem)| pem);
        for content in [&self.certificate, &self.key].into_iter().chain(authorities) {
            digest.update(content.len().to_le_bytes());
            digest.update(content);
        }
        digest.finalize().into()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let content = |what: &str| TlsError::Content { path: path.to_owned(), what: what.to_owned() };
    // To open a pipe would wait for somebody to write to it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(content("is no file"));
    }
    let mut read = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut read).map_err(failed)?;
    if read.len() as u64 > MAX_FILE { Err(content("has more than 1 MiB")) } else { Ok(read) }
}

/// Unix seconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
