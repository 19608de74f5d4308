//! Who may call what: a call's token or its connection's certificate, the identity that it is, and
//! whether the identity's role allows the method. Opens no connection, verifies no certificate and
//! logs nothing.

mod bearer;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tonic::Code;

use super::method::{METHODS, Who};
use super::status::Refusal;
use super::v1::ErrorReason;
use crate::config::{CertificateName, Identity, Role};

/// The name of who comes through the data directory, where no identity is asked for.
const OWNER: &str = "owner";

/// The name of everybody where no identities are configured.
const ANYBODY: &str = "anybody";

/// The other side of a connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// From where; `None` where it is within this machine or this process.
    pub address: Option<SocketAddr>,
    /// Whether it came by the Unix socket or the in-process pipe, to which the data directory's
    /// owner alone has access: it has every role.
    pub is_owner: bool,
    /// The certificate that the handshake verified.
    pub certificate: Option<ClientCertificate>,
}

impl Peer {
    /// Who came by a way that only the owner of the data directory has.
    pub fn owner() -> Self {
        Self { is_owner: true, ..Self::default() }
    }
}

/// What is known of a client's certificate, verified against `tls.client_ca`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// What identities may know it by.
    pub names: Vec<CertificateName>,
}

/// Who calls.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the identity: for logs at debug, never a label of a metric.
    pub identity: Arc<str>,
    /// The highest of its roles.
    pub role: Role,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.identity, self.role)
    }
}

impl Caller {
    /// That the caller has `role`, which `what` takes; PERMISSION_DENIED where it has not.
    fn must_be(&self, role: Role, what: &str) -> Result<(), Refusal> {
        if self.role >= role {
            return Ok(());
        }
        let message =
            format!("{what} takes the role {role}, and {} has only {}", self.identity, self.role);
        Err(Refusal::new(Code::PermissionDenied, ErrorReason::PermissionDenied, message))
    }
}

/// That whoever calls has `role`, which `what` takes; nobody has where nobody is named.
pub fn must_be(caller: Option<&Caller>, role: Role, what: &str) -> Result<(), Refusal> {
    let nobody = || unauthenticated("nobody is known to call");
    caller.ok_or_else(nobody)?.must_be(role, what)
}

/// The identities, by what they are known by.
pub struct Access {
    identities: Vec<Caller>,
    /// With the place of the identity.
    tokens: Vec<([u8; 32], u32)>,
    certificates: HashMap<CertificateName, usize>,
    /// Whether whoever reaches the server may do everything.
    is_open: bool,
    owner: Caller,
    anybody: Caller,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("identities", &self.identities).finish_non_exhaustive()
    }
}

impl Access {
    /// Of these identities; where there are none, everybody may do everything.
    pub fn new(identities: &[Identity]) -> Self {
        let all = |name: &str| Caller { identity: name.into(), role: Role::Admin };
        let mut access = Self {
            identities: Vec::new(),
            tokens: Vec::new(),
            certificates: HashMap::new(),
            is_open: identities.is_empty(),
            owner: all(OWNER),
            anybody: all(ANYBODY),
        };
        for identity in identities {
            // The configuration refuses an identity without a role.
            let role = identity.roles.iter().copied().max().unwrap_or(Role::Screen);
            let place = access.identities.len();
            let index = u32::try_from(place).expect("the configuration bounds identities");
            access.identities.push(Caller { identity: identity.name.as_str().into(), role });
            access.tokens.extend(identity.tokens.iter().map(|token| (*token, index)));
            let names = identity.certificates.iter().map(|name| (name.clone(), place));
            access.certificates.extend(names);
        }
        access
    }

    /// Who calls the method at `place` in [`METHODS`] (`None`: a path that is no method), if they
    /// may. A token that comes with a call counts alone, whatever certificate its connection has,
    /// so that one which is not known any more is never made up for.
    pub fn admit(
        &self,
        place: Option<usize>,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Result<Caller, Refusal> {
        if peer.is_owner {
            return Ok(self.owner.clone());
        }
        let who = place.map(|place| METHODS[place].who);
        if self.is_open || who == Some(Who::Anybody) {
            return Ok(self.anybody.clone());
        }
        let caller = self.identify(headers, peer)?;
        match (who, place) {
            (Some(Who::Anybody | Who::Anyone), _) => {}
            (Some(Who::With(role)), Some(place)) => caller.must_be(role, METHODS[place].path)?,
            // What is not in the table is not there; should it ever be, nobody else gets at it.
            _ => caller.must_be(Role::Admin, "a path that is no method of this server")?,
        }
        Ok(caller)
    }

    fn identify(&self, headers: &HeaderMap, peer: &Peer) -> Result<Caller, Refusal> {
        if let Some(token) = bearer::token(headers).map_err(unauthenticated)? {
            let unknown = || unauthenticated("the bearer token is not one that is known here");
            return self.by_token(token).ok_or_else(unknown);
        }
        let Some(certificate) = &peer.certificate else {
            let message = "this server takes calls with `authorization: Bearer <token>`, or over a \
                           connection with a client certificate, of an identity that it knows";
            return Err(unauthenticated(message));
        };
        self.by_certificate(certificate).map_err(unauthenticated)
    }

    /// The identity of a token. Every hash is compared, each in constant time, so that how long it
    /// takes says nothing of any.
    fn by_token(&self, token: &[u8]) -> Option<Caller> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut found = u32::MAX;
        for (known, place) in &self.tokens {
            found.conditional_assign(place, known.ct_eq(&digest));
        }
        self.identities.get(found as usize).cloned()
    }

    /// The identity of a certificate, which must be one alone: if two share it, what it may do
    /// would hang on their order.
    fn by_certificate(&self, certificate: &ClientCertificate) -> Result<Caller, &'static str> {
        let mut places = certificate.names.iter().filter_map(|name| self.certificates.get(name));
        let Some(first) = places.next() else {
            return Err("the client certificate is of no identity that is known here");
        };
        match places.all(|place| place == first) {
            true => Ok(self.identities[*first].clone()),
            false => Err("the client certificate is of several identities"),
        }
    }
}

fn unauthenticated(message: &str) -> Refusal {
    Refusal::new(Code::Unauthenticated, ErrorReason::Unauthenticated, message)
}

#[cfg(test)]
mod tests;
