//! What a server needs to be closed to strangers, and a client to be let in: a certificate of its
//! own, and a token. Starts no server.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// The files of the certificate and its key, in the folder of a secured server.
const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";

/// The token of the bench's client.
const TOKEN: &str = "a-token-of-the-bench-that-opens-nothing-else";

/// A folder with a certificate and its key.
pub struct Secured {
    folder: PathBuf,
}

impl Secured {
    /// Makes a certificate for the loopback address in `folder`.
    pub fn make(folder: &Path) -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a name that may be");
        let write = |name: &str, pem: String| {
            std::fs::write(folder.join(name), pem).expect("the folder is writable");
        };
        write(CERTIFICATE, made.cert.pem());
        write(KEY, made.signing_key.serialize_pem());
        Self { folder: folder.to_owned() }
    }

    /// The arguments with which ours has TLS, an identity, and a port for metrics.
    pub fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let digest: String =
            Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
        let settings = [
            format!("tls.certificate={}", path(CERTIFICATE)),
            format!("tls.key={}", path(KEY)),
            "identities.bench.roles=screen".to_owned(),
            format!("identities.bench.tokens=sha256:{digest}"),
            "operations=127.0.0.1:0".to_owned(),
        ];
        settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    }

    /// The client's side of TLS.
    pub fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.read(CERTIFICATE)))
    }

    /// What the client says of itself with each call.
    pub fn authorization(&self) -> AsciiMetadataValue {
        format!("Bearer {TOKEN}").parse().expect("a token is ASCII")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).expect("it was written")
    }
}

/// TLS of a constant server whose answers are in `folder`, where there is a certificate too.
pub fn of_constant(folder: &Path) -> Option<ServerTlsConfig> {
    let certificate = std::fs::read(folder.join(CERTIFICATE)).ok()?;
    let key = std::fs::read(folder.join(KEY)).expect("the key stands beside");
    Some(ServerTlsConfig::new().identity(Identity::from_pem(certificate, key)))
}
