//! Decides who may call what: the identity behind a token or a client certificate, and whether its
//! permissions allow the method.

mod bearer;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tonic::Code;

use super::method::{METHODS, Requirement};
use super::status::Refusal;
use super::v1::ErrorReason;
use crate::config::{CertificateName, Identity, Permission, PermissionSet};
use crate::domain::chain::Chain;
use crate::domain::list::ListId;

/// The name of who comes through the data directory, where no identity is asked for.
pub const OWNER: &str = "owner";

/// The caller's name where no identities are configured.
pub const ANYBODY: &str = "anybody";

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

#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the identity: for logs at debug, never a label of a metric.
    pub identity: Arc<str>,
    pub permissions: PermissionSet,
    /// The only lists that it may import and refresh; empty: see [`Identity::lists`].
    pub lists: Arc<[ListId]>,
    /// The only chains whose transfers it may change; empty: every one.
    pub chains: Arc<[Chain]>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity)
    }
}

impl Caller {
    /// A caller who may do everything.
    fn with_all(name: &str) -> Self {
        Self {
            identity: name.into(),
            permissions: PermissionSet::all(),
            lists: Arc::default(),
            chains: Arc::default(),
        }
    }

    /// That the caller has `permission`, which `what` takes; PERMISSION_DENIED where it has not.
    pub fn must_hold(&self, permission: Permission, what: &str) -> Result<(), Refusal> {
        if self.permissions.holds(permission) {
            return Ok(());
        }
        Err(self.denied(format!("{what} takes the permission {permission}")))
    }

    /// That the caller may import a list by hand; `is_guarded` as [`crate::engine::Engine::is_guarded`]
    /// says.
    pub fn must_import(&self, list: &ListId, is_guarded: bool) -> Result<(), Refusal> {
        self.must_reach_list(list)?;
        if !is_guarded || self.lists.contains(list) {
            return Ok(());
        }
        let what = format!(
            "an import by hand of {list}, which has a configured source or is required and SANCTIONS,"
        );
        self.must_hold(Permission::ImportGuardedLists, &what)
    }

    /// That the caller may change a list.
    pub fn must_reach_list(&self, list: &ListId) -> Result<(), Refusal> {
        if self.lists.is_empty() || self.lists.contains(list) {
            return Ok(());
        }
        Err(self.denied(format!("list {list} is not one of identities.{}.lists", self.identity)))
    }

    /// That the caller may change transfers of a chain.
    pub fn must_reach_chain(&self, chain: &Chain) -> Result<(), Refusal> {
        if self.chains.is_empty() || self.chains.contains(chain) {
            return Ok(());
        }
        Err(self.denied(format!("chain {chain} is not one of identities.{}.chains", self.identity)))
    }

    fn denied(&self, why: String) -> Refusal {
        let message = format!("{why}: {} may not", self.identity);
        Refusal::new(Code::PermissionDenied, ErrorReason::PermissionDenied, message)
    }
}

/// The caller of `request`. A request without one is refused.
pub fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Refusal> {
    let nobody = || unauthenticated("nobody is known to call");
    request.extensions().get::<Caller>().cloned().ok_or_else(nobody)
}

/// The name of who calls, for the record; empty where none is known.
pub fn identity<T>(request: &tonic::Request<T>) -> Arc<str> {
    let caller = request.extensions().get::<Caller>();
    caller.map_or_else(|| Arc::from(""), |caller| caller.identity.clone())
}

/// The identities, by what they are known by.
pub struct Access {
    identities: Vec<Caller>,
    /// With the place of the identity.
    tokens: Vec<([u8; 32], u32)>,
    certificates: HashMap<CertificateName, usize>,
    /// Whether every caller may do everything.
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
    /// Knows `identities`; without any, every caller may do everything.
    pub fn new(identities: &[Identity]) -> Self {
        let mut access = Self {
            identities: Vec::new(),
            tokens: Vec::new(),
            certificates: HashMap::new(),
            is_open: identities.is_empty(),
            owner: Caller::with_all(OWNER),
            anybody: Caller::with_all(ANYBODY),
        };
        for identity in identities {
            let place = access.identities.len();
            let index = u32::try_from(place).expect("the configuration bounds identities");
            access.identities.push(Caller {
                identity: identity.name.as_str().into(),
                permissions: identity.permission_set(),
                lists: identity.lists.as_slice().into(),
                chains: identity.chains.as_slice().into(),
            });
            access.tokens.extend(identity.tokens.iter().map(|token| (*token, index)));
            let names = identity.certificates.iter().map(|name| (name.clone(), place));
            access.certificates.extend(names);
        }
        access
    }

    /// Who calls the method at `index` in [`METHODS`] (`None`: a path that is no method), if they
    /// may. A token that comes with a call counts alone, whatever certificate its connection has,
    /// so that one which is not known any more is never made up for.
    pub fn admit(
        &self,
        index: Option<usize>,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Result<Caller, Refusal> {
        if peer.is_owner {
            return Ok(self.owner.clone());
        }
        let requirement = index.map(|index| METHODS[index].requirement);
        if self.is_open || requirement == Some(Requirement::Nothing) {
            return Ok(self.anybody.clone());
        }
        let caller = self.identify(headers, peer)?;
        match (requirement, index) {
            (Some(Requirement::Nothing | Requirement::Identity), _) => {}
            (Some(Requirement::Permission(permission)), Some(index)) => {
                caller.must_hold(permission, METHODS[index].path)?;
            }
            // What is not in the table is not there; should it ever be, nobody else gets at it.
            _ if caller.permissions == PermissionSet::all() => {}
            _ => {
                let why = "a path that is no method of this server takes every permission";
                return Err(caller.denied(why.to_owned()));
            }
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
        if places.all(|place| place == first) {
            Ok(self.identities[*first].clone())
        } else {
            Err("the client certificate is of several identities")
        }
    }
}

fn unauthenticated(message: &str) -> Refusal {
    Refusal::new(Code::Unauthenticated, ErrorReason::Unauthenticated, message)
}

#[cfg(test)]
mod tests;
