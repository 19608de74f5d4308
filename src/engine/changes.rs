//! Changes by list version, and version numbers on a list.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::types::{Changes, ChangesSince, DatedChange};
use super::{Engine, EngineError};
use crate::domain::list::{ListId, ListVersion};
use crate::store::StoredChange;

impl Engine {
    /// Returns the number of a version on its list, from 1; 0 if it was never in force.
    pub fn number_on_list(&self, id: &ListId, version: u64) -> u64 {
        self.publisher.store().number_on_list(id, version).unwrap_or(0)
    }

    /// Returns a page of changes. `after` is the cursor of the previous page.
    pub fn changes(
        &self,
        since: ChangesSince,
        after: Option<[u64; 2]>,
        list: Option<&ListId>,
        limit: usize,
    ) -> Result<Changes, EngineError> {
        let store = self.publisher.store();
        let mut headers = HashMap::new();
        for state in self.publisher.lists().iter() {
            if list.is_none_or(|list| *list == state.version.id) {
                let versions = store.versions(&state.version.id)?;
                headers.extend(versions.into_iter().map(|header| (header.version, header)));
            }
        }
        let day = |header: &ListVersion| {
            header.published.unwrap_or_else(|| header.loaded_at.to_zoned(TimeZone::UTC).date())
        };
        // A backfill rewrites the past: its changes have the days of the publications that made them.
        let past = |change: &StoredChange| {
            let backfill_record = headers.get(&change.version)?.provenance.backfill_record()?;
            backfill_record.publications.get(change.publication? as usize)
        };
        let wanted = |change: &StoredChange| match (since, headers.get(&change.version)) {
            (ChangesSince::Day(since), Some(header)) => {
                since <= past(change).map_or_else(|| day(header), |past| past.day)
            }
            (ChangesSince::Day(_), None)
            | (ChangesSince::Beginning | ChangesSince::Version(_), _) => true,
        };
        let start = match since {
            ChangesSince::Version(version) => Some((version, u32::MAX)),
            ChangesSince::Beginning | ChangesSince::Day(_) => None,
        };
        let after =
            after.map(|[version, sequence]| (version, u32::try_from(sequence).unwrap_or(u32::MAX)));
        let mut place = after.max(start);
        let mut changes = Vec::new();
        loop {
            let page = store.changes(place, list, limit - changes.len())?;
            place = page.next;
            let page = page.changes.into_iter().filter(wanted);
            changes.extend(page.map(|change| DatedChange {
                published: match past(&change) {
                    Some(past) => past.published,
                    None => headers.get(&change.version).and_then(|header| header.published),
                },
                is_retold: change.publication.is_some(),
                number_on_list: self.number_on_list(&change.list, change.version),
                list: change.list,
                version: change.version,
                change: change.change,
            }));
            if place.is_none() || changes.len() >= limit {
                let next = place.map(|(version, sequence)| [version, u64::from(sequence)]);
                return Ok(Changes { changes, next });
            }
        }
    }

    /// Returns the start for changes after version `number` of a list; after every version if the list
    /// has no such version yet.
    pub fn since_number(&self, id: &ListId, number: u64) -> ChangesSince {
        if number == 0 {
            return ChangesSince::Beginning;
        }
        let version = self.publisher.store().version_of_number(id, number);
        ChangesSince::Version(version.unwrap_or(u64::MAX))
    }
}
