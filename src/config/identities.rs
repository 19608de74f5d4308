//! The identities of callers: their permissions and their credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use super::Config;
use super::permissions::{AccessRole, Permission, PermissionSet};
use super::settings::{Name, Named, Reading, table};
use super::values::several;
use crate::domain::chain::Chain;
use crate::domain::list::ListId;

const MAX_IDENTITIES: usize = 1_000;

/// The most tokens, and the most names of certificates, of one identity.
const MAX_EACH: usize = 100;

/// The most tokens of all identities: the token of a call is compared with every one.
const MAX_TOKENS: usize = 4_096;

/// The longest name of an identity, in bytes.
const MAX_NAME: usize = 64;

/// The longest name in a certificate, in bytes.
const MAX_CERTIFICATE_NAME: usize = 1_024;

/// A name in a client's certificate, or the certificate itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateName {
    /// A URI among its subject alternative names (RFC 5280, section 4.2.1.6), such as a SPIFFE ID.
    Uri(String),
    /// A DNS name among them, in lower case, letter for letter: `*` stands for itself.
    Dns(String),
    /// The common name of its subject.
    CommonName(String),
    /// SHA-256 of the certificate in DER.
    Sha256([u8; 32]),
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::CommonName(name) => write!(f, "cn:{name}"),
            Self::Sha256(digest) => write!(f, "sha256:{}", HEXLOWER.encode_display(digest)),
        }
    }
}

impl FromStr for CertificateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal =
            || "invalid certificate name; use uri:, dns:, cn: or sha256: and the name".to_owned();
        if text.len() > MAX_CERTIFICATE_NAME {
            return Err(format!("a name of {} bytes, at most {MAX_CERTIFICATE_NAME}", text.len()));
        }
        let (kind, name) = text.split_once(':').ok_or_else(refusal)?;
        match (kind, name) {
            (_, "") => Err(refusal()),
            ("uri", name) => Ok(Self::Uri(name.to_owned())),
            ("dns", name) => Ok(Self::Dns(name.to_ascii_lowercase())),
            ("cn", name) => Ok(Self::CommonName(name.to_owned())),
            ("sha256", _) => parse_digest(text).map(Self::Sha256),
            _ => Err(refusal()),
        }
    }
}

/// Fails unless `name` is valid for an identity.
pub fn check_identity_name(name: &str) -> Result<(), String> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(letter) {
        Err(format!("invalid name; use 1 to {MAX_NAME} of a-z, 0-9 and '-'"))
    } else {
        Ok(())
    }
}

impl Identity {
    /// Returns the permissions of its roles and its own.
    pub fn permission_set(&self) -> PermissionSet {
        let of_roles = self.roles.iter().flat_map(|role| role.permissions());
        of_roles.chain(&self.permissions).copied().collect()
    }
}

table! {
    /// Callers, one table each. The name has 1 to 64 of `a-z`, `0-9` and `-`. If there is one, every call
    /// except health checks needs an identity. Each needs `roles` or `permissions`, and `tokens` or
    /// `certificates`. Several values are separated by commas.
    pub struct Identity {
        /// Sets of permissions: screen (screen, read), ingest (also import-lists, refresh-lists,
        /// send-transfers, declare-coverage), audit (read-log alone) and admin (all).
        roles: Vec<AccessRole> = several("roles", MAX_EACH, str::parse::<AccessRole>).example("screen");
        /// Single permissions: screen, read, import-lists, import-guarded-lists, force-gates,
        /// declare-looks, refresh-lists, send-transfers, declare-coverage, retract-transfers,
        /// settle-conflicts, reload-policy, compare-policies, back-up-store, read-log, administer-log.
        permissions: Vec<Permission> = several("permissions", MAX_EACH, str::parse::<Permission>)
            .example("import-lists, refresh-lists");
        /// The only lists that it may import and refresh, guarded ones among them. A list is guarded if it
        /// has a configured source, or is required and of kind SANCTIONS.
        lists: Vec<ListId> = several("list ids", MAX_EACH, |text| {
            text.parse::<ListId>().map_err(|error| error.to_string())
        })
        .without("every list that is not guarded")
        .example("us-ofac-sdn");
        /// The only chains whose transfers it may send, declare, retract or settle.
        chains: Vec<Chain> = several("chains", MAX_EACH, parse_chain)
            .without("all")
            .example("eip155:1");
        /// SHA-256 of its bearer tokens. Several let one follow another. `lazaretto identity token` makes
        /// one.
        tokens: Vec<[u8; 32]> = several("hashes", MAX_EACH, parse_digest)
            .example("sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
        /// Names of its client certificates: `uri:`, `dns:` or `cn:` and the name, or `sha256:` and the
        /// hash of the certificate in DER. `cn:` fits only certificates without alternative names.
        certificates: Vec<CertificateName> = several("names", MAX_EACH, str::parse::<CertificateName>)
            .example("uri:spiffe://example.org/ns/feeds/sa/lists");
    }
    also {
        /// Of `a-z`, `0-9` and `-`.
        name: String = String::new();
    }
}

impl Name for String {
    const MOST: (usize, &str) = (MAX_IDENTITIES, "identities");

    /// The name of an identity.
    fn parse(path: &[String]) -> Result<Self, String> {
        let name = path.last().map_or("", Self::as_str);
        check_identity_name(name).map(|()| name.to_owned())
    }
}

impl Identity {
    /// Returns what is missing or contradicts other settings, and the key where it shows.
    fn contradictions(&self, verifies_clients: bool) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        if self.roles.is_empty() && self.permissions.is_empty() {
            let message =
                "roles are missing: one or more of screen, ingest, audit, admin (or permissions)";
            found.push(("roles", message));
        }
        if self.tokens.is_empty() && self.certificates.is_empty() {
            let message = "tokens or certificates are missing (lazaretto identity token makes a \
                           token)";
            found.push(("tokens", message));
        }
        if !self.certificates.is_empty() && !verifies_clients {
            found.push(("certificates", "certificates need tls.client_ca to be verified"));
        }
        found
    }
}

impl Named<String, Identity> {
    /// Checks all identities together and returns them by name.
    pub(super) fn finish(self, verifies_clients: bool, reading: &mut Reading<'_>) -> Vec<Identity> {
        let mut tokens = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut identities = Vec::new();
        for (name, entry) in self.0 {
            let identity = &entry.table;
            if !entry.is_refused {
                for (key, message) in identity.contradictions(verifies_clients) {
                    reading.problem_in(&entry, key, message);
                }
            }
            for token in &identity.tokens {
                if let Some(other) = tokens.insert(*token, name.clone()) {
                    let start = HEXLOWER.encode(&token[..3]);
                    let message = format!("sha256:{start}... is one of identities.{other} too");
                    reading.problem_in(&entry, "tokens", message);
                }
            }
            for named in &identity.certificates {
                if let Some(other) = names.insert(named.clone(), name.clone()) {
                    let message = format!("{named} is one of identities.{other} too");
                    reading.problem_in(&entry, "certificates", message);
                }
            }
            if tokens.len() > MAX_TOKENS {
                let message = format!("all identities together have more than {MAX_TOKENS} tokens");
                reading.problem_in(&entry, "", message);
                break;
            }
            identities.push(Identity { name, ..entry.table });
        }
        identities
    }
}

/// One chain, not a family.
fn parse_chain(text: &str) -> Result<Chain, String> {
    match text.parse::<Chain>() {
        Ok(chain) if chain.is_family() => {
            Err(format!("{text:?} is a family of chains; name its chains"))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("{error}")),
    }
}

/// Parses `sha256:<64 hex>`. The error does not repeat the value, which may be the token itself.
fn parse_digest(text: &str) -> Result<[u8; 32], String> {
    let refusal = || "must be sha256: and 64 hexadecimal digits".to_owned();
    let hex = text.strip_prefix("sha256:").and_then(|hex| hex.as_bytes().as_array::<64>());
    let mut digest = [0; 32];
    HEXLOWER_PERMISSIVE.decode_mut(hex.ok_or_else(refusal)?, &mut digest).map_err(|_| refusal())?;
    Ok(digest)
}

impl Config {
    /// Returns why a server must not listen with these settings, if so.
    pub(super) fn unsafe_to_listen(&self) -> Option<&'static str> {
        if self.listen.ip().is_loopback() {
            return None;
        }
        let has_tokens = self.identities.iter().any(|identity| !identity.tokens.is_empty());
        if self.identities.is_empty() && !self.allow_anonymous {
            Some(
                "other machines reach this address, and without identities every caller could read \
                 and replace the lists: configure identities (lazaretto identity token makes a \
                 token for one), or listen on 127.0.0.1, or set allow_anonymous = true \
                 (--allow-anonymous) in a closed network",
            )
        } else if has_tokens && self.tls.is_none() && !self.allow_plaintext {
            Some(
                "other machines reach this address, and without TLS tokens can be intercepted: \
                 configure tls.certificate and tls.key, or set allow_plaintext = true behind a \
                 proxy that terminates TLS",
            )
        } else {
            None
        }
    }
}
