//! Numbers versions per list: 1, 2, 3, ... Version numbers count over all lists of a store; people
//! use these.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use super::Store;
use crate::domain::list::ListId;
use crate::domain::lock::Recover;

/// The versions of each list that were ever current, ascending.
pub(super) type Numbers = BTreeMap<ListId, Vec<u64>>;

impl Store {
    /// Returns the number of a version on its list, from 1 on; `None` if it was never current.
    pub fn number_on_list(&self, id: &ListId, version: u64) -> Option<u64> {
        let numbers = self.numbers();
        let place = numbers.get(id)?.binary_search(&version).ok()?;
        Some(place as u64 + 1)
    }

    /// Returns the version with a number on its list, if any.
    pub fn version_of_number(&self, id: &ListId, number: u64) -> Option<u64> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.numbers().get(id)?.get(place).copied()
    }

    pub(super) fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().recover()
    }
}
