//! Publications that are made of what stands: read, changed and published under one lock, so that two
//! who change a list at once lose nothing of each other.

use super::{ByHand, Preview, Publisher, Report};
use crate::domain::list::{ListState, Provenance, ReadList};
use crate::refresh::{ListSettings, RefreshError, lock};

/// What is to become of a list.
#[derive(Debug)]
pub struct Amendment<T> {
    /// The next publication; `None`: the list stays as it is.
    pub list: Option<ReadList>,
    /// What its maker says of it.
    pub told: T,
}

impl Publisher {
    /// Publishes what `make` makes of the list as it stands (`None`: never loaded); only says what
    /// would come of it where it is a trial. No other change of any list comes in between. Blocks.
    pub fn amend<T, E: From<RefreshError>>(
        &self,
        settings: &ListSettings,
        provenance: &Provenance,
        is_trial: bool,
        make: impl FnOnce(Option<&ListState>) -> Result<Amendment<T>, E>,
    ) -> Result<(Report, T), E> {
        // As for a file: it takes as much memory.
        let _turn = self.reading_turn();
        let _writer = lock(&self.writer);
        self.catch_up_locked().map_err(RefreshError::from)?;
        let Amendment { list, told } = make(self.list(&settings.id).as_deref())?;
        let by_hand = ByHand::default();
        let report = match list {
            None => Report::Unchanged { list: settings.id.clone() },
            Some(list) if is_trial => {
                let Preview { report, .. } =
                    self.preview_locked(settings, &list, provenance, by_hand)?;
                report
            }
            Some(list) => self.publish_locked(settings, &list, provenance, by_hand, None)?,
        };
        Ok((report, told))
    }
}
