//! Amendments: publications derived from the current list, read and published under one lock, so
//! that concurrent amendments lose nothing.

use super::{ImportOptions, Preview, Publisher, Report};
use crate::domain::list::{ListState, Provenance, ReadList};
use crate::refresh::{ListSettings, RefreshError, lock};

/// The amendment of a list.
#[derive(Debug)]
pub struct Amendment<T> {
    /// The next publication; `None` leaves the list unchanged.
    pub list: Option<ReadList>,
    /// The caller's result.
    pub outcome: T,
}

impl Publisher {
    /// Publishes the result of `make` on the current list (`None`: never loaded), or only previews
    /// it in a dry run. No other change of any list comes in between. Blocks.
    pub fn amend<T, E: From<RefreshError>>(
        &self,
        settings: &ListSettings,
        provenance: &Provenance,
        is_trial: bool,
        make: impl FnOnce(Option<&ListState>) -> Result<Amendment<T>, E>,
    ) -> Result<(Report, T), E> {
        // Takes the same permit as a file, because it takes as much memory.
        let _turn = self.reader_permit();
        let _writer = lock(&self.writer);
        self.catch_up_locked().map_err(RefreshError::from)?;
        let Amendment { list, outcome } = make(self.list(&settings.id).as_deref())?;
        let by_hand = ImportOptions::default();
        let report = match list {
            None => Report::Unchanged { list: settings.id.clone() },
            Some(list) if is_trial => {
                let Preview { report, .. } =
                    self.preview_locked(settings, &list, provenance, by_hand)?;
                report
            }
            Some(list) => self.publish_locked(settings, &list, provenance, by_hand, None)?,
        };
        Ok((report, outcome))
    }
}
