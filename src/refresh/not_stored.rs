//! Lists whose last publication was read but not stored, so that their current content is not in
//! force.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::domain::list::{ListId, Provenance};

/// The lists whose last publication was read but not stored. Shared by the publisher and the
/// server.
#[derive(Clone, Debug, Default)]
pub struct NotStored(Arc<Mutex<BTreeMap<ListId, Origin>>>);

/// Provenance of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Hand,
    Source,
}

impl Origin {
    pub(super) fn from_provenance(provenance: &Provenance) -> Self {
        match provenance {
            Provenance::Import(_) | Provenance::Backfill(_) => Self::Hand,
            Provenance::Starter | Provenance::Source(_) => Self::Source,
        }
    }
}

impl NotStored {
    /// The lists, sorted.
    pub fn lists(&self) -> Arc<[ListId]> {
        lock(&self.0).keys().cloned().collect()
    }

    /// Records whether the last publication of a list was stored; returns true if that is a change.
    /// An import does not clear a failure of the source.
    pub(super) fn record(&self, id: &ListId, is_stored: bool, from: Origin) -> bool {
        let mut lists = lock(&self.0);
        let lost = lists.get(id).copied();
        if !is_stored {
            return lists.insert(id.clone(), from.max(lost.unwrap_or(from))).is_none();
        }
        lost.is_some_and(|lost| lost <= from) && lists.remove(id).is_some()
    }
}
