//! The TLS settings of the server, and whether they fit together.

use std::path::PathBuf;

use super::layers::Setting;
use super::origin::{Located, Origin, Problem};
use super::raw_value::RawValue;

/// The keys of `tls`, in the order of the example file.
pub const KEYS: [&str; 5] =
    ["certificate", "key", "client_ca", "require_client_certificate", "common_name_beside_san"];

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

/// The TLS settings to which settings are applied.
#[derive(Clone, Debug, Default)]
pub struct TlsDraft {
    certificate: Option<Located<PathBuf>>,
    key: Option<Located<PathBuf>>,
    client_ca: Option<Located<PathBuf>>,
    require_client_certificate: Option<Located<bool>>,
    common_name_beside_san: Option<Located<bool>>,
}

impl TlsDraft {
    pub fn apply(&mut self, key: &str, setting: &Setting) -> Result<(), String> {
        let origin = setting.origin.clone();
        let path = |given: &RawValue, origin| {
            Ok::<_, String>(Some(Located { value: given.text()?.into(), origin }))
        };
        match key {
            "certificate" => self.certificate = path(&setting.given, origin)?,
            "key" => self.key = path(&setting.given, origin)?,
            "client_ca" => self.client_ca = path(&setting.given, origin)?,
            "require_client_certificate" => {
                let value = setting.given.boolean()?;
                self.require_client_certificate = Some(Located { value, origin });
            }
            "common_name_beside_san" => {
                let value = setting.given.boolean()?;
                self.common_name_beside_san = Some(Located { value, origin });
            }
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    /// The files, checked as a whole; `None` without TLS.
    pub fn finish(self, problems: &mut Vec<Problem>) -> Option<TlsFiles> {
        let mut problem = |origin: &Origin, message: &str| {
            problems.push(Problem { origin: origin.clone(), message: message.to_owned() });
        };
        let required = self.require_client_certificate.filter(|required| required.value);
        if let Some(required) = required.as_ref().filter(|_| self.client_ca.is_none()) {
            let message = "tls.require_client_certificate: needs tls.client_ca, which client \
                           certificates are verified against";
            problem(&required.origin, message);
        }
        match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(TlsFiles {
                certificate: certificate.value,
                key: key.value,
                client_ca: self.client_ca.map(|ca| ca.value),
                require_client_certificate: required.is_some(),
                common_name_beside_san: self.common_name_beside_san.is_some_and(|it| it.value),
            }),
            (Some(certificate), None) => {
                problem(&certificate.origin, "tls.certificate: needs tls.key, the key of it");
                None
            }
            (None, Some(key)) => {
                problem(&key.origin, "tls.key: needs tls.certificate, which it belongs to");
                None
            }
            (None, None) => {
                if let Some(ca) = self.client_ca {
                    let message = "tls.client_ca: needs tls.certificate and tls.key, without \
                                   which there is no TLS";
                    problem(&ca.origin, message);
                }
                None
            }
        }
    }
}
