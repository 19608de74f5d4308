//! The lists that the program carries, so that a first start has some.

use super::{Engine, EngineError, internal, store_watch};
use crate::domain::list::{ListId, Provenance};
use crate::domain::publication::Refused;
use crate::refresh::{ImportOptions, RefreshError};
use crate::source::{self, Bounds, Format};

/// The starter lists that the binary carries: facts, with their sources in `data/README.md`.
pub(super) const STARTER_LISTS: [(&str, &str); 2] = [
    ("us-ofac-sdn", include_str!("../../data/us-ofac-sdn.csv")),
    ("lazarus-advisories", include_str!("../../data/lazarus-advisories.csv")),
];

impl Engine {
    /// Loads each starter list unless the store has the list from elsewhere.
    pub(super) fn load_starter_lists(&self) -> Result<(), EngineError> {
        for (id, csv) in STARTER_LISTS {
            let id: ListId = id.parse().map_err(internal)?;
            let Some(settings) = self.settings(&id) else { continue };
            let state = self.publisher.list(&id);
            if state.is_some_and(|state| *state.version.rows_origin().0 != Provenance::Starter) {
                continue;
            }
            let list = source::read(csv.as_bytes(), Format::Csv, &Bounds::default())?;
            match self.publisher.publish_list(
                settings,
                &list,
                &Provenance::Starter,
                ImportOptions::default(),
            ) {
                Ok(_) => {}
                // The store has a later starter list: a newer version of the program ran on it.
                Err(RefreshError::Refused(Refused::Older { .. })) => {}
                Err(RefreshError::Refused(refused)) => {
                    tracing::warn!(list = %id, error = %refused, "starter list not loaded");
                }
                Err(RefreshError::Store(error)) => {
                    let store = self.publisher.store();
                    store_watch::tolerate_refusal(store, Err(error), "the starter lists")?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
