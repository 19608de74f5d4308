//! Lists of which a publication was read and could not be stored: what they list now is not in force.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::domain::list::{ListId, Provenance};

/// The lists of which a publication was read and could not be stored: what they list now is not in
/// force. Shared by who publishes and who answers.
#[derive(Clone, Debug, Default)]
pub struct NotStored(Arc<Mutex<BTreeMap<ListId, Origin>>>);

/// Where a publication came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Hand,
    Source,
}

impl Origin {
    pub(super) fn of(provenance: &Provenance) -> Self {
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

    /// Notes whether the last publication of a list was stored; says whether that is new. An import by
    /// hand does not make up for what the source says.
    pub(super) fn note(&self, id: &ListId, is_stored: bool, from: Origin) -> bool {
        let mut lists = lock(&self.0);
        let lost = lists.get(id).copied();
        match is_stored {
            true if lost.is_some_and(|lost| lost <= from) => lists.remove(id).is_some(),
            true => false,
            false => lists.insert(id.clone(), from.max(lost.unwrap_or(from))).is_none(),
        }
    }
}
