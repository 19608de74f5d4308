//! What a certificate says of whom it was made for, and when it is valid. Verifies no signature.

use std::path::Path;

use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::config::CertificateName;

/// When a certificate is valid, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub not_before: i64,
    /// Until.
    pub not_after: i64,
}

impl Validity {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Result<Self, String> {
        let parsed = parse(der)?;
        let validity = parsed.validity();
        Ok(Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    /// Whether a certificate is valid at `now`.
    pub fn holds_at(self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Says loudly where a certificate is not valid at `now`: clients will refuse it.
    pub fn warn(self, path: &Path, now: i64) {
        let path = path.display();
        if now > self.not_after {
            tracing::warn!(%path, "THE CERTIFICATE HAS EXPIRED: clients will not connect");
        } else if now < self.not_before {
            tracing::warn!(%path, "THE CERTIFICATE IS NOT VALID YET: clients will not connect");
        }
    }
}

/// When the common name of a certificate counts. Name constraints (RFC 5280, section 4.2.1.10) bind
/// alternative names, and no common name: an authority that may sign for one name only could give
/// itself any other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonNames {
    /// Also where the certificate has alternative names.
    pub beside_san: bool,
    /// One of the trusted authorities has name constraints, or is not understood.
    pub is_constrained: bool,
}

/// Whether a certificate in DER limits the names that it vouches for, or cannot be understood.
pub fn is_constrained(der: &[u8]) -> bool {
    !parse(der).is_ok_and(|parsed| matches!(parsed.name_constraints(), Ok(None)))
}

/// All that an identity may know a certificate by. `chain` is what the client showed, its own
/// certificate first: an authority between it and a trusted one must be there.
pub fn names(chain: &[&[u8]], common_names: CommonNames) -> Result<Vec<CertificateName>, String> {
    let Some((der, others)) = chain.split_first() else { return Ok(Vec::new()) };
    let parsed = parse(der)?;
    let mut names = vec![CertificateName::Sha256(Sha256::digest(der).into())];
    let alternative = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    let mut common = parsed.subject().iter_common_name();
    let counts = (common_names.beside_san || alternative.is_none())
        && !common_names.is_constrained
        && !others.iter().any(|der| is_constrained(der));
    // Of several, none is the one.
    if let (Some(name), None) = (common.next(), common.next())
        && let Ok(name) = name.as_str()
        && counts
    {
        names.push(CertificateName::CommonName(name.to_owned()));
    }
    for name in alternative.iter().flat_map(|it| &it.value.general_names) {
        match name {
            GeneralName::URI(uri) => names.push(CertificateName::Uri((*uri).to_owned())),
            GeneralName::DNSName(name) => {
                names.push(CertificateName::Dns(name.to_ascii_lowercase()));
            }
            _ => {}
        }
    }
    Ok(names)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok((_, parsed)) => Ok(parsed),
        Err(error) => Err(format!("is not understood: {error}")),
    }
}
