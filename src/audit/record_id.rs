//! Record ids: the log, the leaf and the item of one decision.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// The id of one record, as `1f3a9c0b-123456.7`: tag of the log, index of the leaf, item in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The first four bytes of SHA-256 of the log's origin.
    pub tag: [u8; 4],
    pub index: u64,
    /// The item in the leaf, 0 to 15.
    pub item: u8,
}

impl RecordId {
    /// Returns the id of the `n`-th record after this one, of a call whose first record this is.
    pub fn following(self, n: usize) -> Self {
        let place = usize::from(self.item) + n;
        let (leaves, item) = (place / super::ITEMS_PER_LEAF, place % super::ITEMS_PER_LEAF);
        Self { index: self.index + leaves as u64, item: item as u8, ..self }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", HEXLOWER.encode_display(&self.tag), self.index, self.item)
    }
}

/// A string that is not a record id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid record id {0:?}: use the form 1f3a9c0b-123456.7, as answers have it")]
pub struct RecordIdError(String);

impl FromStr for RecordId {
    type Err = RecordIdError;

    /// Accepts only what [`fmt::Display`] writes, so that a record has one id.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text)
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| RecordIdError(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<RecordId> {
    let (tag, rest) = text.split_once('-')?;
    let (index, item) = rest.split_once('.')?;
    let tag = HEXLOWER.decode(tag.as_bytes()).ok()?.try_into().ok()?;
    let item = item.parse().ok().filter(|item| usize::from(*item) < super::ITEMS_PER_LEAF)?;
    Some(RecordId { tag, index: index.parse().ok()?, item })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let id = RecordId { tag: [0x1f, 0x3a, 0x9c, 0x0b], index: 123_456, item: 7 };
        assert_eq!(id.to_string(), "1f3a9c0b-123456.7");
        assert_eq!("1f3a9c0b-123456.7".parse(), Ok(id));
        let last = RecordId { tag: [0xff; 4], index: u64::MAX, item: 15 };
        assert_eq!(last.to_string().parse(), Ok(last));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "1f3a9c0b",
            "1f3a9c0b-1",
            "1F3a9c0b-1.1",
            "1f3a9c0b-01.1",
            "1f3a9c0b-1.01",
            "1f3a9c0b-+1.1",
            "1f3a9c0b-1.16",
            "1f3a9c-1.1",
            "1f3a9c0b00-1.1",
            "1f3a9c0b-1.1 ",
        ] {
            assert!(text.parse::<RecordId>().is_err(), "{text}");
        }
    }
}
