//! Snapshot ids: how they are made and read.
//!
//! An id is the short name of the stored record, then parts behind dashes, each left out where it says
//! nothing:
//!
//! | part | holds |
//! |---|---|
//! | `<rows>-<retractions>-<replacements>` | the transfers that the labels know; without trailing zeros |
//! | `c<checks>` | the number of checks of list sources on which the ages of lists rest |
//! | `d<revision>` | the number of changes of coverage that came without rows |
//! | `u<8 hex digits>` | digest of the names of required lists that could not be stored |
//! | `b<basis>.<retractions>.<replacements>.<change>` | labels that are behind: their basis, what they know, and the change of transfers whose coverage the answer has |
//! | `f` | exposure can no longer be brought up to date |
//!
//! Programs before 0.3 wrote `b<generation>`, which names no basis.

use std::sync::Arc;

use super::super::coverage::ExposureState;
use super::basis::LabelBasis;
use super::record::short_name;
use crate::domain::coverage::TransferCounts;
use crate::domain::list::ListId;

/// Stands for the basis of labels that were not made yet.
const NO_LABELS: &str = "0";

/// Hex digits of the name of a basis.
const BASIS_DIGITS: usize = 16;

/// What a snapshot rests on beside its record, its lists and its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// The number of looks at sources on which the ages of the lists rest.
    pub count: u64,
    /// Lists of which a publication was read and could not be stored, sorted.
    pub not_stored: Arc<[ListId]>,
}

/// Returns the id of a snapshot.
pub(super) fn id_of(
    encoded: &[u8],
    exposure: &ExposureState,
    looks: u64,
    not_stored: &[ListId],
) -> String {
    let name = short_name(encoded);
    let rows = exposure.labelled_rows();
    let mut id = match (rows, exposure.retractions, exposure.replacements) {
        (0, 0, 0) => name,
        (rows, 0, 0) => format!("{name}-{rows}"),
        (rows, retractions, 0) => format!("{name}-{rows}-{retractions}"),
        (rows, retractions, replacements) => {
            format!("{name}-{rows}-{retractions}-{replacements}")
        }
    };
    if looks > 0 {
        id.push_str(&format!("-c{looks}"));
    }
    if exposure.coverage_revision > 0 {
        id.push_str(&format!("-d{}", exposure.coverage_revision));
    }
    if !not_stored.is_empty() {
        id.push_str(&format!("-u{}", not_stored_digest(not_stored)));
    }
    if exposure.behind {
        id.push_str(&format!("-b{}", behind_part(exposure)));
    }
    if exposure.failed.is_some() {
        id.push_str("-f");
    }
    id
}

fn behind_part(exposure: &ExposureState) -> String {
    let change = exposure.change;
    match &exposure.labels {
        None => format!("{NO_LABELS}.0.0.{change}"),
        Some(labels) => {
            let basis = labels.basis();
            let name = LabelBasis::name_of(&basis.digest);
            format!("{name}.{}.{}.{change}", basis.retractions, basis.replacements)
        }
    }
}

/// Returns what stands for the sorted names of lists in an id.
pub(super) fn not_stored_digest(lists: &[ListId]) -> String {
    let names: Vec<_> = lists.iter().map(ListId::as_str).collect();
    let mut name = short_name(names.join("\n").as_bytes());
    name.truncate(8);
    name
}

/// The parts of a snapshot id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotName<'a> {
    pub name: &'a str,
    /// Rows are those that the labels know; the others those of the coverage.
    pub counts: TransferCounts,
    /// Looks at sources; `None` in ids of versions that did not count them, whose records have the
    /// ages of their lists.
    pub looks: Option<u64>,
    /// Changes of coverage that came without rows.
    pub coverage_revision: u64,
    /// What stands for the required lists that could not be stored.
    pub not_stored: Option<&'a str>,
    /// Set where labels were behind.
    pub behind: Option<BehindName<'a>>,
    /// Whether exposure could no longer be brought up to date.
    pub has_failed: bool,
}

/// What an id says of labels that were behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BehindName<'a> {
    /// Nothing: a program wrote it that kept no bases.
    Unnamed,
    Labels {
        /// `None` if no labels were made yet.
        labels: Option<LabelsName<'a>>,
        /// The change of transfers whose coverage the snapshot has.
        change: u64,
    },
}

/// The labels of a snapshot in which they were behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelsName<'a> {
    /// The name of their [`LabelBasis`].
    pub basis: &'a str,
    pub counts: TransferCounts,
}

/// Reads the parts of a snapshot id; `None` if it is none.
pub fn parse_id(id: &str) -> Option<SnapshotName<'_>> {
    let mut parts = id.split('-');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let (mut numbers, mut looks, mut coverage_revision) = (Vec::new(), None, 0);
    let (mut not_stored, mut behind, mut has_failed) = (None, None, false);
    for part in parts {
        match part.split_at_checked(1)? {
            ("b", rest) => behind = Some(rest),
            ("d", number) => coverage_revision = number.parse().ok()?,
            ("c", count) => looks = Some(count.parse().ok()?),
            ("u", digest) => {
                not_stored = u32::from_str_radix(digest, 16).ok().map(|_| Some(digest))?
            }
            ("f", "") => has_failed = true,
            _ => numbers.push(part.parse::<u64>().ok()?),
        }
    }
    if numbers.len() > 3 {
        return None;
    }
    numbers.resize(3, 0);
    let counts =
        TransferCounts { rows: numbers[0], retractions: numbers[1], replacements: numbers[2] };
    let behind = match behind {
        Some(rest) => Some(parse_behind(rest, counts.rows)?),
        None => None,
    };
    Some(SnapshotName { name, counts, looks, coverage_revision, not_stored, behind, has_failed })
}

fn parse_behind(text: &str, rows: u64) -> Option<BehindName<'_>> {
    let parts: Vec<&str> = text.split('.').collect();
    let [basis, retractions, replacements, change] = parts[..] else {
        return text.parse::<u64>().ok().map(|_| BehindName::Unnamed);
    };
    let (retractions, replacements) = (retractions.parse().ok()?, replacements.parse().ok()?);
    let is_name = basis.len() == BASIS_DIGITS && u64::from_str_radix(basis, 16).is_ok();
    if basis != NO_LABELS && !is_name {
        return None;
    }
    let labels = is_name.then_some(LabelsName {
        basis,
        counts: TransferCounts { rows, retractions, replacements },
    });
    Some(BehindName::Labels { labels, change: change.parse().ok()? })
}

impl SnapshotName<'_> {
    /// Finds which of the required lists could not be stored: those whose names have the digest in the
    /// id. Returns `None` if none have, or there are too many lists to try.
    pub fn find_not_stored(&self, required: &[ListId]) -> Option<Vec<ListId>> {
        const MOST_TRIED: usize = 12;
        let Some(digest) = self.not_stored else { return Some(Vec::new()) };
        if required.len() > MOST_TRIED {
            return None;
        }
        let mut sorted = required.to_vec();
        sorted.sort();
        let chosen = |set: usize| -> Vec<ListId> {
            let places = sorted.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1);
            places.map(|(_, list)| list.clone()).collect()
        };
        let mut sets = (1..1_usize << sorted.len()).map(chosen);
        sets.find(|lists| not_stored_digest(lists) == digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_id_are_read() {
        let id = "0123456789abcdef-7-1-c3-d2-uaabbccdd-bfedcba9876543210.1.0.9-f";
        let name = parse_id(id).expect("an id");
        let counts = TransferCounts { rows: 7, retractions: 1, replacements: 0 };
        assert_eq!((name.name, name.counts, name.looks), ("0123456789abcdef", counts, Some(3)));
        assert_eq!((name.coverage_revision, name.not_stored), (2, Some("aabbccdd")));
        let labels = Some(LabelsName { basis: "fedcba9876543210", counts });
        assert_eq!(name.behind, Some(BehindName::Labels { labels, change: 9 }));
        assert!(name.has_failed);
    }

    #[test]
    fn labels_behind_have_a_basis_or_say_that_none_is_named() {
        let behind = |text: &'static str| parse_id(text).map(|name| name.behind);
        assert_eq!(behind("a-b12"), Some(Some(BehindName::Unnamed)));
        let none = BehindName::Labels { labels: None, change: 4 };
        assert_eq!(behind("a-b0.0.0.4"), Some(Some(none)));
        for wrong in ["a-bx.0.0.4", "a-b0.0.4", "a-b0123456789abcde.0.0.4", "a-fx", "a-b"] {
            assert_eq!(parse_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lists_that_could_not_be_stored_are_found_by_their_digest() {
        let lists = |names: &[&str]| -> Vec<ListId> {
            names.iter().map(|name| name.parse().expect("an id")).collect()
        };
        let required = lists(&["us-ofac-sdn", "eu-fsf", "il-nbctf"]);
        let lost = lists(&["eu-fsf", "us-ofac-sdn"]);
        let id = format!("a-u{}", not_stored_digest(&lost));
        let name = parse_id(&id).expect("an id");
        assert_eq!(name.find_not_stored(&required), Some(lost));
        assert_eq!(name.find_not_stored(&lists(&["eu-fsf"])), None);
        let plain = parse_id("a").expect("an id");
        assert_eq!(plain.find_not_stored(&required), Some(Vec::new()));
    }
}
