//! Finds the publication of a list that was in force on a past day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Engine, EngineError};
use crate::domain::list::{KnownOrigin, KnownPublication, ListId, ListVersion, Provenance, begin};
use crate::domain::lock::Recover;
use crate::domain::publication::known_publications;
use crate::screening::snapshot::{Snapshot, SnapshotList};

/// A publication in a list's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPublication {
    /// Counted over all lists of the store.
    pub version: u64,
    /// Counted on the list, from 1 on.
    pub number_on_list: u64,
    pub digest: [u8; 32],
    /// The day of publication, where known.
    pub published: Option<Date>,
    /// The first day on which it was in force: the day of publication. It is the day of loading (UTC) if
    /// the day of publication is unknown, or if it was forced over a later one.
    pub day: Date,
    /// When it was loaded; for a backfilled one the start of its day.
    pub loaded_at: Timestamp,
    /// Whether it was imported by hand.
    pub by_hand: bool,
    /// The file that it was backfilled from; `None` where it was loaded in its time.
    pub file: Option<String>,
}

/// A list at a past moment, as known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAsOf {
    /// The latest publication of that day or before; `None` where none is loaded.
    pub publication: Option<PastPublication>,
    /// The last moment, no later than the one asked for, at which that publication is known to have
    /// been current; `None` where none is.
    pub current_at: Option<Timestamp>,
    /// The day of the first loaded publication, if the list was first loaded after the requested moment.
    /// Then only the dates of listings tell what was listed.
    pub known_since: Option<Date>,
}

/// Cache: the history of each list up to one version, because headers are slow to read.
pub(super) type Histories = Mutex<HashMap<ListId, (u64, Arc<[PastPublication]>)>>;

impl Engine {
    /// Returns the lists of `snapshot`, in their order, as they were in force at `at`. Blocks.
    pub fn lists_as_of(
        &self,
        snapshot: &Snapshot,
        at: Timestamp,
    ) -> Result<Vec<ListAsOf>, EngineError> {
        snapshot.lists().iter().map(|list| self.list_as_of(list, at)).collect()
    }

    fn list_as_of(&self, list: &SnapshotList, at: Timestamp) -> Result<ListAsOf, EngineError> {
        let history = self.history(list.id(), list.state().version.version)?;
        Ok(then(&history, list, at))
    }

    /// Returns the publications of a list up to its version `last`.
    fn history(&self, id: &ListId, last: u64) -> Result<Arc<[PastPublication]>, EngineError> {
        let histories = || self.histories.lock().recover();
        if let Some((of, known)) = histories().get(id)
            && *of == last
        {
            return Ok(Arc::clone(known));
        }
        let headers = self.publisher.store().versions(id)?;
        let up_to = headers.partition_point(|header| header.version <= last);
        let history: Arc<[PastPublication]> = publications(&headers[..up_to]).into();
        histories().insert(id.clone(), (last, Arc::clone(&history)));
        Ok(history)
    }
}

/// Returns the publications in the headers of a list, in the order in which they were in force.
/// Backfilled ones have the version of the backfill.
fn publications(headers: &[ListVersion]) -> Vec<PastPublication> {
    let is_backfill = |header: &ListVersion| header.provenance.backfill_record().is_some();
    let backfill = headers.iter().rposition(is_backfill).map_or(0, |place| place as u64 + 1);
    let publication = |known: KnownPublication| {
        let (number, file) = match known.origin {
            KnownOrigin::Version(number) => (number, None),
            KnownOrigin::File(name) => (backfill, Some(name)),
        };
        let header = headers.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
        Some(PastPublication {
            version: header.version,
            number_on_list: number,
            digest: known.digest,
            published: known.published,
            day: known.ends,
            loaded_at: match file {
                Some(_) => begin(known.day).unwrap_or(header.loaded_at),
                None => header.loaded_at,
            },
            by_hand: file.is_some() || matches!(header.provenance, Provenance::Import(_)),
            file,
        })
    };
    known_publications(headers).into_iter().filter_map(publication).collect()
}

fn then(history: &[PastPublication], list: &SnapshotList, at: Timestamp) -> ListAsOf {
    let day = at.to_zoned(TimeZone::UTC).date();
    // Of several with one day, the last.
    let of_then = history.iter().filter(|known| known.day <= day);
    let publication = of_then.max_by_key(|known| known.day).cloned();
    let first_loaded = history.iter().map(|known| known.loaded_at).min();
    let is_later = first_loaded.is_some_and(|loaded| at < loaded);
    let first_day = history.iter().map(|known| known.day).min();
    ListAsOf {
        current_at: publication.is_some().then(|| list.known_current_at(at, day)).flatten(),
        publication,
        known_since: first_day.filter(|_| is_later),
    }
}
