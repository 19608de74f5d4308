//! The ends of the paths of exposure, by the lists of a snapshot.
//!
//! Sources are the listings that stand on lists of kind SANCTIONS, ADVISORY, SEIZURE and
//! ISSUER_FREEZE, and those of ATTRIBUTION lists whose category is configured as risk. Stops are
//! the addresses on lists of kind SERVICE, and those of ATTRIBUTION lists whose category is
//! configured as service and not as risk.

use jiff::Timestamp;
use jiff::civil::Date;

use super::categories::{Categories, PathRole};
use super::finding_kind::{ListingState, standing};
use super::snapshot::{IndexedListing, SnapshotList};
use crate::domain::packed_key::PackedKey;
use crate::exposure::{Source, StopReason};

/// What a listing makes of a key.
#[derive(Debug)]
pub(super) enum PathEnd {
    Source(Source),
    Stop(StopReason),
}

impl PathEnd {
    /// The source; `None` of a stop.
    pub fn source(self) -> Option<Source> {
        match self {
            Self::Source(source) => Some(source),
            Self::Stop(_) => None,
        }
    }
}

/// The sources and stops of `lists`, as they stood on `day` (`None`: as they stand now). A listing
/// yields one end per packed key.
pub fn path_ends<'s>(
    lists: impl Iterator<Item = &'s SnapshotList>,
    categories: &Categories,
    day: Option<Date>,
) -> (Vec<Source>, Vec<(PackedKey, StopReason)>) {
    let (mut sources, mut stops) = (Vec::new(), Vec::new());
    for list in lists {
        let postings: Vec<_> = list.index().postings().collect();
        for of_key in postings.chunk_by(|(a, _), (b, _)| a == b) {
            let listings: Vec<_> = of_key.iter().map(|&(_, listing)| listing).collect();
            let Some(&(key, _)) = of_key.first() else { continue };
            if key.nested().is_some() {
                // All of these are indexed under the nested one.
                continue;
            }
            let key = PackedKey::from(key);
            for end in path_ends_at(list, key, &listings, categories, day) {
                match end {
                    PathEnd::Source(source) => sources.push(source),
                    PathEnd::Stop(why) => stops.push((key, why)),
                }
            }
        }
    }
    (sources, stops)
}

/// What the listings that are indexed under a key make of it: sources, and stops.
pub(super) fn path_ends_at<'s>(
    list: &'s SnapshotList,
    key: PackedKey,
    listings: &[&'s IndexedListing],
    categories: &Categories,
    day: Option<Date>,
) -> Vec<PathEnd> {
    let found = listings.iter().filter_map(|listing| path_end(list, key, listing, categories, day));
    let mut found: Vec<_> = found.collect();
    if listings.len() > 1 {
        // A row that was dropped and came back under another party or ticker is another row.
        let until = |listing: &&IndexedListing| {
            let (row, _) = list.index().listed_row(listing);
            list.state().unlisted_until(row).and_then(seconds)
        };
        let earliest = listings.iter().map(until).min().flatten();
        for end in &mut found {
            if let PathEnd::Source(source) = end {
                source.unlisted_until = earliest;
            }
        }
    }
    found
}

/// What a listing makes of a key that it is indexed under: a source, or a stop; `None` for neither.
fn path_end(
    list: &SnapshotList,
    key: PackedKey,
    listing: &IndexedListing,
    categories: &Categories,
    day: Option<Date>,
) -> Option<PathEnd> {
    let (row, _) = list.index().listed_row(listing);
    let (state, standing) = standing(row, day)?;
    if state == ListingState::Removed {
        return None;
    }
    match categories.role(list.kind(), &row.facts) {
        PathRole::Source => Some(PathEnd::Source(Source {
            key,
            kind: list.kind(),
            list: list.id().clone(),
            listing: row.key.clone(),
            listed_from: list.state().listed_from(standing).and_then(seconds),
            unlisted_until: list.state().unlisted_until(row).and_then(seconds),
        })),
        PathRole::Stop => Some(PathEnd::Stop(StopReason::Service)),
        PathRole::None => None,
    }
}

/// In Unix seconds; `None` before 1970.
fn seconds(moment: Timestamp) -> Option<u64> {
    u64::try_from(moment.as_second()).ok()
}
