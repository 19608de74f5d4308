//! The last check of a list's source, by the server or declared by an operator, and the moment that
//! the list's age counts from.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::begin;

/// The last check of a list's source. Kept apart from the version, because an unchanged source
/// makes no new version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCheck {
    /// When the configured source was last read successfully, changed or not.
    pub succeeded_at: Option<Timestamp>,
    /// The latest publication day seen, which may be later than the version's.
    pub published: Option<Date>,
    /// SHA-256 of the bytes last read from the source: equal bytes are not parsed again.
    pub file_digest: Option<[u8; 32]>,
    /// `ETag` of the last answer.
    pub etag: Option<String>,
    /// `Last-Modified` of the last answer.
    pub last_modified: Option<String>,
    /// SHA-256 over the URL or path, the format and the reader's version. The digest and tags above
    /// are valid for this source only.
    pub source: Option<[u8; 32]>,
    /// The last check declared by an operator, until the source is read successfully or another
    /// publication is imported without a declaration.
    pub declared: Option<DeclaredCheck>,
}

/// A check of a list's source that an operator declared: the source matched the loaded list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredCheck {
    /// When the source was checked.
    pub at: Timestamp,
    /// The identity that declared the check.
    pub by: String,
    pub declared_at: Timestamp,
}

impl ListCheck {
    /// Returns the moment that the list's age counts from: the last successful check, or the start
    /// of the publication day (UTC), whichever is later. A declared check replaces the publication
    /// day. Returns `None` if none is known.
    pub fn fresh_as_of(&self) -> Option<Timestamp> {
        let published = self.published.and_then(begin);
        self.declared.as_ref().map(|look| look.at).or(published).max(self.succeeded_at)
    }

    /// The same, ignoring a declared check.
    pub fn observed_at(&self) -> Option<Timestamp> {
        self.succeeded_at.max(self.published.and_then(begin))
    }

    /// Returns the declared check if the list's age counts from it.
    pub fn declared_check_in_force(&self) -> Option<&DeclaredCheck> {
        self.declared.as_ref().filter(|look| self.succeeded_at < Some(look.at))
    }
}
