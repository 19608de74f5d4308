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
    pub not_before: i64,
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
            tracing::warn!(%path, "certificate expired, clients will not connect");
        } else if now < self.not_before {
            tracing::warn!(%path, "certificate not valid yet, clients will not connect");
        }
    }
}

/// The names that an authority vouches for. Name constraints (RFC 5280, section 4.2.1.10) bind the
/// forms of names that they speak of, and no common name: an authority that may sign for some DNS
/// names only could give itself any URI and any common name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vouched {
    /// Of every form: it has no constraints.
    All,
    /// Only DNS names: its constraints speak of them.
    DnsNames,
    /// None: its constraints do not, or it is not understood.
    Nothing,
}

impl Vouched {
    /// By the authority whose certificate `der` is.
    pub fn by(der: &[u8]) -> Self {
        let Ok(parsed) = parse(der) else { return Self::Nothing };
        let Ok(constraints) = parsed.name_constraints() else { return Self::Nothing };
        let Some(constraints) = constraints else { return Self::All };
        let trees = [&constraints.value.permitted_subtrees, &constraints.value.excluded_subtrees];
        let mut trees = trees.into_iter().flatten().flatten();
        if trees.any(|tree| matches!(tree.base, GeneralName::DNSName(_))) {
            Self::DnsNames
        } else {
            Self::Nothing
        }
    }
}

/// Which names of a certificate count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// A common name also where the certificate has alternative names.
    pub common_name_beside_san: bool,
    /// What every trusted authority vouches for.
    pub vouched: Vouched,
}

/// All that an identity may know a certificate by. `chain` is what the client showed, its own
/// certificate first: an authority between it and a trusted one must be there.
pub fn names(chain: &[&[u8]], counting: Counting) -> Result<Vec<CertificateName>, String> {
    let Some((der, others)) = chain.split_first() else { return Ok(Vec::new()) };
    let parsed = parse(der)?;
    let mut names = vec![CertificateName::Sha256(Sha256::digest(der).into())];
    let alternative = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    let between = others.iter().map(|der| Vouched::by(der));
    let vouched = between.fold(counting.vouched, Vouched::max);
    let mut common = parsed.subject().iter_common_name();
    // Of several, none is the one.
    if let (Some(name), None) = (common.next(), common.next())
        && let Ok(name) = name.as_str()
        && (counting.common_name_beside_san || alternative.is_none())
        && vouched == Vouched::All
    {
        names.push(CertificateName::CommonName(name.to_owned()));
    }
    for name in alternative.iter().flat_map(|it| &it.value.general_names) {
        if let GeneralName::URI(uri) = name
            && vouched == Vouched::All
        {
            names.push(CertificateName::Uri((*uri).to_owned()));
        } else if let GeneralName::DNSName(name) = name
            && vouched <= Vouched::DnsNames
        {
            names.push(CertificateName::Dns(name.to_ascii_lowercase()));
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
