//! The known publications of a list: those loaded in their time, and those backfilled.

use jiff::civil::Date;

use crate::domain::list::{KnownOrigin, KnownPublication, ListVersion};
use crate::domain::list_change::ListingChange;
use crate::domain::publication::{Gate, utc_day};

/// A change of a backfilled version, and the index of its publication in
/// [`crate::domain::list::BackfillRecord::publications`].
pub type BackfilledChange = (u32, ListingChange);

/// The known publications of a list with their changes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In their order.
    pub publications: Vec<(KnownPublication, Vec<ListingChange>)>,
}

impl History {
    /// Reads the history from the headers of a list's versions, in order, and the changes of each.
    /// Changes of a backfill carry the indices of their publications.
    pub fn read<E>(
        versions: &[ListVersion],
        mut changes_of: impl FnMut(u64) -> Result<Vec<(Option<u32>, ListingChange)>, E>,
    ) -> Result<Self, E> {
        let publications = known_publications(versions).into_iter();
        let mut publications: Vec<_> = publications.map(|known| (known, Vec::new())).collect();
        let from = versions.iter().rposition(is_backfill).unwrap_or(0);
        for (version, number) in versions.iter().zip(1..).skip(from) {
            let origin = KnownOrigin::Version(number);
            let own = publications.iter().position(|(known, _)| known.origin == origin);
            for (place, change) in changes_of(version.version)? {
                let place = place.map(|place| place as usize).or(own);
                if let Some((_, of)) = place.and_then(|at| publications.get_mut(at)) {
                    of.push(change);
                }
            }
        }
        Ok(Self { publications })
    }
}

/// Returns the known publications of a list in the order in which they were in force, from the
/// headers of its versions in order.
pub fn known_publications(versions: &[ListVersion]) -> Vec<KnownPublication> {
    let from = versions.iter().rposition(is_backfill).unwrap_or(0);
    let mut latest = versions[..from].iter().filter_map(|version| version.published).max();
    let mut known = Vec::new();
    for (version, number) in versions.iter().zip(1..).skip(from) {
        match version.provenance.backfill_record() {
            Some(backfill_record) => known.extend(backfill_record.publications.iter().cloned()),
            None => known.push(KnownPublication::from_version(version, number, latest)),
        }
        latest = latest.max(version.published);
    }
    known
}

fn is_backfill(version: &ListVersion) -> bool {
    version.provenance.backfill_record().is_some()
}

impl KnownPublication {
    /// Returns the publication of a version; `latest` was the latest day seen before.
    fn from_version(version: &ListVersion, number: u64, latest: Option<Date>) -> Self {
        let loaded = utc_day(version.loaded_at);
        let day = version.published.unwrap_or(loaded).min(loaded);
        // A later day may have been seen without a new version.
        let is_forced = version.force_reason.contains(Gate::Older.as_str());
        let is_older = version.published.is_some() && (version.published < latest || is_forced);
        Self {
            published: version.published,
            day,
            ends: if is_older { loaded } else { day },
            kind: version.kind,
            digest: version.digest,
            origin: KnownOrigin::Version(number),
        }
    }
}
