//! The files of TLS as they are configured, and whether they make sense together. Opens none.

use std::path::PathBuf;

use super::given::Given;
use super::layers::Setting;
use super::origin::{Origin, Problem, Sourced};

/// The keys of `tls`, in the order of the example file.
pub const KEYS: [&str; 5] =
    ["certificate", "key", "client_ca", "require_client_certificate", "common_name_beside_san"];

/// What a server proves itself by, and what it takes from clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// The key that belongs to it, PEM.
    pub key: PathBuf,
    /// The authorities that client certificates are verified against, PEM; without them no client
    /// is asked for a certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is refused in the handshake.
    pub require_client_certificate: bool,
    /// Whether the common name of a client's certificate counts that has alternative names too.
    pub common_name_beside_san: bool,
}

/// The files while their settings come in.
#[derive(Clone, Debug, Default)]
pub struct TlsDraft {
    certificate: Option<Sourced<PathBuf>>,
    key: Option<Sourced<PathBuf>>,
    client_ca: Option<Sourced<PathBuf>>,
    require_client_certificate: Option<Sourced<bool>>,
    common_name_beside_san: Option<Sourced<bool>>,
}

impl TlsDraft {
    pub fn apply(&mut self, key: &str, setting: &Setting) -> Result<(), String> {
        let origin = setting.origin.clone();
        let path = |given: &Given, origin| {
            Ok::<_, String>(Some(Sourced { value: given.text()?.into(), origin }))
        };
        match key {
            "certificate" => self.certificate = path(&setting.given, origin)?,
            "key" => self.key = path(&setting.given, origin)?,
            "client_ca" => self.client_ca = path(&setting.given, origin)?,
            "require_client_certificate" => {
                let value = setting.given.boolean()?;
                self.require_client_certificate = Some(Sourced { value, origin });
            }
            "common_name_beside_san" => {
                let value = setting.given.boolean()?;
                self.common_name_beside_san = Some(Sourced { value, origin });
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
