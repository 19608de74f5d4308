//! The TLS files of the server, and whether the settings fit together.

use std::path::PathBuf;

use super::settings::{Reading, table};
use super::values::{boolean, path};

/// The TLS files and settings of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// The key that belongs to it, PEM.
    pub key: PathBuf,
    /// The authorities that client certificates are verified against, PEM; `None`: no client is asked for
    /// a certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether the handshake rejects a client without a certificate.
    pub require_client_certificate: bool,
    /// Whether the common name of a client's certificate counts even if it has alternative names.
    pub common_name_beside_san: bool,
}

table! {
    /// TLS. The PEM files are read again within two seconds of a change, and take effect together or not
    /// at all.
    pub struct TlsTable {
        /// The server's certificate with its chain.
        certificate: Option<PathBuf> = path().without("no TLS").example("/etc/lazaretto/tls/tls.crt");
        /// The key of the certificate.
        key: Option<PathBuf> = path().example("/etc/lazaretto/tls/tls.key");
        /// The authorities that client certificates are verified against.
        client_ca: Option<PathBuf> = path()
            .without("no client is asked for a certificate")
            .example("/etc/lazaretto/tls/ca.crt");
        /// Reject clients without a certificate in the handshake.
        require_client_certificate: bool = boolean().or(false);
        /// Let `cn:` match certificates that have alternative names too. It never matches one from an
        /// authority with name constraints, which do not bind it.
        common_name_beside_san: bool = boolean().or(false);
    }
}

impl TlsTable {
    /// Checks the settings as a whole; `None` without TLS.
    pub(super) fn finish(self, reading: &mut Reading<'_>) -> Option<TlsFiles> {
        let Self { require_client_certificate, common_name_beside_san, client_ca, .. } = self;
        let has_ca = client_ca.is_some();
        if require_client_certificate && !has_ca {
            let message = "needs tls.client_ca, which client certificates are verified against";
            reading.problem_with("tls.require_client_certificate", message);
        }
        let (key, message) = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => {
                return Some(TlsFiles {
                    certificate,
                    key,
                    client_ca,
                    require_client_certificate,
                    common_name_beside_san,
                });
            }
            (Some(_), None) => ("tls.certificate", "needs tls.key, the key of it"),
            (None, Some(_)) => ("tls.key", "needs tls.certificate, which it belongs to"),
            (None, None) if has_ca => {
                let message = "needs tls.certificate and tls.key, without which there is no TLS";
                ("tls.client_ca", message)
            }
            (None, None) => return None,
        };
        reading.problem_with(key, message);
        None
    }
}
