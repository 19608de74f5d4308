//! The last look at a list's source, by the server or declared by a person, and the moment that the
//! list's age counts from.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::begin;

/// The last look at a list's source, kept apart from the version because an unchanged source
/// makes no new version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCheck {
    /// When the configured source was last read with success, changed or not.
    pub succeeded_at: Option<Timestamp>,
    /// The latest day of publication seen, which may be later than the version's.
    pub published: Option<Date>,
    /// SHA-256 of the bytes last read from the source: equal bytes need no parsing.
    pub file_digest: Option<[u8; 32]>,
    /// `ETag` of the last answer.
    pub etag: Option<String>,
    /// `Last-Modified` of the last answer.
    pub last_modified: Option<String>,
    /// SHA-256 over what the digest and tags above hold for: the URL or path, the format and the
    /// version of the reader. They say nothing of another source.
    pub source: Option<[u8; 32]>,
    /// The last look that was declared by hand, until the source is read with success or another
    /// publication is imported without one.
    pub declared: Option<DeclaredCheck>,
}

/// A look at a list's source that a person declared: the source said then what stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredCheck {
    /// When the source was looked at.
    pub at: Timestamp,
    /// The identity that declared it.
    pub by: String,
    /// When it was declared.
    pub declared_at: Timestamp,
}

impl ListCheck {
    /// The moment that the list's age counts from: the last successful check, or the start of the day of
    /// publication (UTC), whichever is later; `None` where neither is known. Where a look was declared
    /// by hand, it stands for the day of publication.
    pub fn fresh_as_of(&self) -> Option<Timestamp> {
        let published = self.published.and_then(begin);
        self.declared.as_ref().map(|look| look.at).or(published).max(self.succeeded_at)
    }

    /// The same without what was declared.
    pub fn observed_at(&self) -> Option<Timestamp> {
        self.succeeded_at.max(self.published.and_then(begin))
    }

    /// The look that was declared by hand, if the list's age counts from it.
    pub fn declared_check_in_force(&self) -> Option<&DeclaredCheck> {
        self.declared.as_ref().filter(|look| self.succeeded_at < Some(look.at))
    }
}
