//! The identities of callers: their permissions and their credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::layers::Setting;
use super::origin::{Located, Origin, Problem};
use super::permissions::{AccessRole, Permission, PermissionSet};
use super::raw_value::RawValue;
use crate::domain::chain::Chain;
use crate::domain::list::ListId;

/// The keys of an identity, in the order of the example file.
pub const KEYS: [&str; 6] = ["roles", "permissions", "lists", "chains", "tokens", "certificates"];

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
            Self::Sha256(digest) => {
                f.write_str("sha256:")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl FromStr for CertificateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal = || {
            format!(
                "invalid certificate name {text:?}; use uri:, dns:, cn: or sha256: and the name"
            )
        };
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name, of `a-z0-9-`.
    pub name: String,
    /// Sorted, without duplicates.
    pub roles: Vec<AccessRole>,
    /// Permissions besides those of the roles. There is at least one role or permission.
    pub permissions: Vec<Permission>,
    /// The only lists that it may import and refresh, guarded ones included. Empty: every list that does
    /// not need [`Permission::ImportGuardedLists`].
    pub lists: Vec<ListId>,
    /// The only chains whose transfers it may send, declare, retract or settle; empty: all.
    pub chains: Vec<Chain>,
    /// SHA-256 of each of its bearer tokens.
    pub tokens: Vec<[u8; 32]>,
    /// Names of its client certificates.
    pub certificates: Vec<CertificateName>,
}

impl Identity {
    /// Returns the permissions of its roles and its own.
    pub fn permission_set(&self) -> PermissionSet {
        let of_roles = self.roles.iter().flat_map(|role| role.permissions());
        of_roles.chain(&self.permissions).copied().collect()
    }
}

/// An identity to which settings are applied.
#[derive(Clone, Debug)]
struct IdentityDraft {
    first: Origin,
    /// Whether one of its settings was rejected; then no further problem is reported.
    is_refused: bool,
    roles: Option<Located<Vec<AccessRole>>>,
    permissions: Option<Located<Vec<Permission>>>,
    lists: Option<Located<Vec<ListId>>>,
    chains: Option<Located<Vec<Chain>>>,
    tokens: Option<Located<Vec<[u8; 32]>>>,
    certificates: Option<Located<Vec<CertificateName>>>,
}

impl IdentityDraft {
    fn apply(&mut self, key: Option<&str>, setting: &Setting) -> Result<(), String> {
        match key {
            None if setting.given == RawValue::Table => {}
            None => return Err("must be a table of the identity's keys".to_owned()),
            Some("roles") => self.roles = parse_values(setting, str::parse)?,
            Some("permissions") => self.permissions = parse_values(setting, str::parse)?,
            Some("lists") => self.lists = parse_values(setting, parse_list_id)?,
            Some("chains") => self.chains = parse_values(setting, parse_chain)?,
            Some("tokens") => self.tokens = parse_values(setting, parse_digest)?,
            Some("certificates") => self.certificates = parse_values(setting, str::parse)?,
            Some(key) => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    /// Returns what is missing or contradicts other settings.
    fn contradictions(&self, verifies_clients: bool) -> Vec<(&Origin, &'static str)> {
        let mut found = Vec::new();
        if self.is_refused {
            return found;
        }
        if self.roles.is_none() && self.permissions.is_none() {
            let message =
                "roles are missing: one or more of screen, ingest, admin (or permissions)";
            found.push((&self.first, message));
        }
        if self.tokens.is_none() && self.certificates.is_none() {
            let message = "tokens or certificates are missing (lazaretto identity token makes a \
                           token)";
            found.push((&self.first, message));
        }
        if let Some(names) = self.certificates.as_ref().filter(|_| !verifies_clients) {
            let message = "certificates need tls.client_ca to be verified";
            found.push((&names.origin, message));
        }
        found
    }
}

/// All identities, to which settings are applied.
#[derive(Clone, Debug, Default)]
pub struct IdentityDrafts(BTreeMap<String, IdentityDraft>);

impl IdentityDrafts {
    /// Applies one setting of the identity `name`; `key` is `None` for the table itself.
    pub fn apply(
        &mut self,
        name: &str,
        key: Option<&str>,
        setting: &Setting,
    ) -> Result<(), String> {
        check_identity_name(name)?;
        if !self.0.contains_key(name) && self.0.len() >= MAX_IDENTITIES {
            return Err(format!("more than {MAX_IDENTITIES} identities"));
        }
        let origin = &setting.origin;
        let draft = self.0.entry(name.to_owned()).or_insert_with(|| IdentityDraft {
            first: origin.clone(),
            is_refused: false,
            roles: None,
            permissions: None,
            lists: None,
            chains: None,
            tokens: None,
            certificates: None,
        });
        let applied = draft.apply(key, setting);
        draft.is_refused |= applied.is_err();
        applied
    }

    /// Checks all identities together and returns them by name.
    pub fn finish(self, verifies_clients: bool, problems: &mut Vec<Problem>) -> Vec<Identity> {
        let mut tokens = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut identities = Vec::new();
        for (name, draft) in self.0 {
            let mut problem = |origin: &Origin, message: &str| {
                let message = format!("identities.{name}: {message}");
                problems.push(Problem { origin: origin.clone(), message });
            };
            for (origin, message) in draft.contradictions(verifies_clients) {
                problem(origin, message);
            }
            let IdentityDraft {
                first,
                roles,
                permissions,
                lists,
                chains,
                tokens: own,
                certificates,
                ..
            } = draft;
            if let Some(own) = &own {
                for token in &own.value {
                    if let Some(other) = tokens.insert(*token, name.clone()) {
                        let [a, b, c, ..] = token;
                        let start = format!("sha256:{a:02x}{b:02x}{c:02x}...");
                        let message = format!("{start} is one of identities.{other} too");
                        problem(&own.origin, &message);
                    }
                }
            }
            if let Some(own) = &certificates {
                for named in &own.value {
                    if let Some(other) = names.insert(named.clone(), name.clone()) {
                        let message = format!("{named} is one of identities.{other} too");
                        problem(&own.origin, &message);
                    }
                }
            }
            if tokens.len() > MAX_TOKENS {
                let message = format!("all identities together have more than {MAX_TOKENS} tokens");
                problem(&first, &message);
                break;
            }
            identities.push(Identity {
                name,
                roles: roles.map_or_else(Vec::new, |roles| roles.value),
                permissions: permissions.map_or_else(Vec::new, |given| given.value),
                lists: lists.map_or_else(Vec::new, |given| given.value),
                chains: chains.map_or_else(Vec::new, |given| given.value),
                tokens: own.map_or_else(Vec::new, |tokens| tokens.value),
                certificates: certificates.map_or_else(Vec::new, |names| names.value),
            });
        }
        identities
    }
}

/// Parses values separated by commas; sorts and deduplicates them. Fails without a value.
fn parse_values<T: Ord>(
    setting: &Setting,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<Located<Vec<T>>>, String> {
    let words = setting.given.text()?.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut value = Vec::new();
    for word in words {
        if value.len() >= MAX_EACH {
            return Err(format!("more than {MAX_EACH} values"));
        }
        value.push(read(word)?);
    }
    if value.is_empty() {
        return Err("must not be empty".to_owned());
    }
    value.sort();
    value.dedup();
    Ok(Some(Located { value, origin: setting.origin.clone() }))
}

fn parse_list_id(text: &str) -> Result<ListId, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// One chain, not a family.
fn parse_chain(text: &str) -> Result<Chain, String> {
    match text.parse() {
        Ok(Chain::AnyEvm) => Err(format!("{text:?} is a family of chains; name its chains")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("{error}")),
    }
}

/// Parses `sha256:<64 hex>`. The error does not repeat the value, which may be the token itself.
fn parse_digest(text: &str) -> Result<[u8; 32], String> {
    let refusal = || "must be sha256: and 64 hexadecimal digits".to_owned();
    let hex = text.strip_prefix("sha256:").ok_or_else(refusal)?.as_bytes();
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() {
        return Err(refusal());
    }
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        for digit in pair {
            let digit = char::from(*digit).to_digit(16).ok_or_else(refusal)?;
            *byte = *byte << 4 | digit as u8;
        }
    }
    Ok(digest)
}

/// The settings that decide whether it is safe to listen.
#[derive(Clone, Copy, Debug)]
pub struct ListenSafety<'a> {
    pub listen: IpAddr,
    pub origin: &'a Origin,
    pub identities: &'a [Identity],
    pub tls: bool,
    pub allow_anonymous: bool,
    pub allow_plaintext: bool,
}

impl ListenSafety<'_> {
    /// Returns why a server must not start with these settings, if so.
    pub fn problem(&self) -> Option<Problem> {
        if self.listen.is_loopback() {
            return None;
        }
        let has_tokens = self.identities.iter().any(|identity| !identity.tokens.is_empty());
        let message = if self.identities.is_empty() && !self.allow_anonymous {
            "other machines reach this address, and without identities every caller could read and \
             replace the lists: configure identities (lazaretto identity token makes a token for \
             one), or listen on 127.0.0.1, or set allow_anonymous = true (--allow-anonymous) in a \
             closed network"
        } else if has_tokens && !self.tls && !self.allow_plaintext {
            "other machines reach this address, and without TLS tokens can be intercepted: configure \
             tls.certificate and tls.key, or set allow_plaintext = true behind a proxy that \
             terminates TLS"
        } else {
            return None;
        };
        let message = format!("listen: {message}");
        Some(Problem { origin: self.origin.clone(), message })
    }
}
