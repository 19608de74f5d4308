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

/// All that an identity may know a certificate by.
pub fn names(der: &[u8]) -> Result<Vec<CertificateName>, String> {
    let parsed = parse(der)?;
    let mut names = vec![CertificateName::Sha256(Sha256::digest(der).into())];
    let mut common = parsed.subject().iter_common_name();
    // Of several, none is the one.
    if let (Some(name), None) = (common.next(), common.next())
        && let Ok(name) = name.as_str()
    {
        names.push(CertificateName::CommonName(name.to_owned()));
    }
    let alternative = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
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
