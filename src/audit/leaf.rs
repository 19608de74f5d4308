//! What one leaf holds: the answers of one call, or an event in the life of the log.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::AuditError;
use super::merkle::Hash;
use super::salt::SALT;

/// The longest context and answer, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 10;

/// The longest address and reference, in bytes.
pub(super) const MAX_TEXT: usize = 4 << 10;

/// A leaf to append.
#[derive(Clone, Copy, Debug)]
pub struct NewLeaf<'a> {
    /// Parts below a microsecond are lost.
    pub time: Timestamp,
    /// What the items share: opaque to the log.
    pub context: &'a [u8],
    /// Without items the leaf is an event.
    pub items: &'a [NewItem<'a>],
}

/// One decision of a leaf to append.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewItem<'a> {
    /// Opaque to the log. Equal answers are stored once a block.
    pub answer: &'a [u8],
    /// Bits that queries select by, such as one for each decision. Hashed with the answer.
    pub class: u8,
    pub address: &'a str,
    pub reference: Option<&'a str>,
    /// Hashes of what the address is found by.
    pub fingerprints: &'a [u64],
}

/// Items to append, in order.
pub trait NewItems<'a>: ExactSizeIterator<Item = NewItem<'a>> + Clone {}

impl<'a, I: ExactSizeIterator<Item = NewItem<'a>> + Clone> NewItems<'a> for I {}

/// Checks the lengths of what is to be appended.
pub(super) fn check<'a>(context: &[u8], mut items: impl NewItems<'a>) -> Result<(), AuditError> {
    bounded("the context", context.len(), MAX_BYTES)?;
    items.try_for_each(|item| {
        bounded("an answer", item.answer.len(), MAX_BYTES)?;
        bounded("an address", item.address.len(), MAX_TEXT)?;
        bounded("a reference", item.reference.map_or(0, str::len), MAX_TEXT)
    })
}

fn bounded(what: &'static str, bytes: usize, max: usize) -> Result<(), AuditError> {
    if bytes <= max { Ok(()) } else { Err(AuditError::TooLarge { what, bytes, max }) }
}

/// A leaf as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub index: u64,
    pub time: Timestamp,
    pub context: Vec<u8>,
    pub items: Vec<Item>,
}

/// One decision as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub answer: Vec<u8>,
    pub class: u8,
    pub address: Field,
    pub reference: Option<Field>,
}

/// A value that the entry holds as a commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Open { salt: [u8; SALT], text: String },
    Redacted { commitment: Hash },
}

impl Field {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Open { text, .. } => Some(text),
            Self::Redacted { .. } => None,
        }
    }
}

/// An event that the log itself records: the JSON of a leaf without items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "audit_event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The first leaf. Names the last checkpoint of the log before, if there is one.
    LogStarted { previous: Option<String> },
    /// Later checkpoints are signed by this verifier key.
    KeyRotated { key: String },
    /// The address and the reference of a record, of this log or an earlier one, are about to be
    /// deleted.
    Redacted { record: String },
    /// Leaves `first` to before `end`, those of one segment, are about to be deleted, but for those
    /// kept: of this log, or of the earlier one with this origin.
    Removed {
        first: u64,
        end: u64,
        /// Leaves that are deleted now; with those kept, all that were there.
        removed: u64,
        kept: KeptLeaves,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
    },
}

/// Which leaves a removal keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptLeaves {
    pub count: u64,
    /// SHA-256 over their indices, ascending, 8 bytes each, big-endian; in hex.
    pub sha256: String,
}

/// Counts and hashes the indices of leaves, which must ascend.
#[derive(Clone, Default)]
pub(super) struct LeafHasher {
    count: u64,
    sha256: Sha256,
}

impl LeafHasher {
    pub(super) fn add(&mut self, index: u64) {
        self.count += 1;
        self.sha256.update(index.to_be_bytes());
    }

    pub(super) fn finish(self) -> KeptLeaves {
        KeptLeaves { count: self.count, sha256: HEXLOWER.encode(&self.sha256.finalize()) }
    }
}

impl Event {
    /// Parses the context of a leaf without items; `None` for events of upper layers.
    pub fn parse(context: &[u8]) -> Option<Self> {
        serde_json::from_slice(context).ok()
    }

    pub(super) fn to_context(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are JSON")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn events_have_a_stable_form() {
        let mut kept = LeafHasher::default();
        [0, 258].into_iter().for_each(|index| kept.add(index));
        let event =
            Event::Removed { first: 0, end: 65_536, removed: 9, kept: kept.finish(), log: None };
        let hash = Sha256::digest(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02");
        let text = format!(
            r#"{{"audit_event":"removed","first":0,"end":65536,"removed":9,"kept":{{"count":2,"sha256":"{}"}}}}"#,
            HEXLOWER.encode(&hash)
        );
        assert_eq!(event.to_context(), text.as_bytes());
        assert_eq!(Event::parse(text.as_bytes()), Some(event));
        assert_eq!(Event::parse(br#"{"event":"restart"}"#), None);
        assert_eq!(Event::parse(b"\xff"), None);
    }
}
