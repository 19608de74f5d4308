//! Memory limits of lists. A list's rows stay in memory while the program runs, including removed
//! and pending ones. Without a limit, publications that each fit could add up.

use std::sync::Arc;

use crate::domain::list::{ListId, ListState};

/// The maximum memory ([`ListState::size`]) and number of lists.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// One list, in MiB.
    pub list_mib: u64,
    /// All imported lists without configuration, in MiB.
    pub lists_mib: u64,
    /// The maximum number of imported lists without configuration.
    pub lists: usize,
}

impl Default for MemoryLimits {
    /// A million addresses take some 600 MiB.
    fn default() -> Self {
        Self { list_mib: 768, lists_mib: 1_024, lists: 1_000 }
    }
}

/// Why a publication exceeds the limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    #[error(
        "list {id}: its rows, including removed ones, would take {mib} MiB of memory, more than {most} (limits.list_mib)"
    )]
    List { id: ListId, mib: u64, most: u64 },
    #[error(
        "list {id}: with it the imported lists would take {mib} MiB of memory, more than {most} (limits.lists_mib)"
    )]
    All {
        /// The list to publish.
        id: ListId,
        mib: u64,
        most: u64,
    },
    #[error("list {id}: there are already {most} imported lists, the maximum")]
    Number {
        /// The list to publish.
        id: ListId,
        /// The maximum number.
        most: usize,
    },
}

impl MemoryLimits {
    /// Fails if `state`, added to `lists` or replacing one of them, exceeds the limits. A list that
    /// does not grow always fits. Configured lists are bound by the limit of one list only and do
    /// not count for imported ones.
    pub(super) fn check(
        self,
        state: &ListState,
        lists: &[Arc<ListState>],
        is_by_hand: bool,
    ) -> Result<(), TooLarge> {
        let id = state.version.id.clone();
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let size = state.size();
        let before = lists.iter().find(|list| list.version.id == id);
        if before.is_some_and(|before| size <= before.size()) {
            return Ok(());
        }
        if mib(size) > self.list_mib {
            return Err(TooLarge::List { id, mib: mib(size), most: self.list_mib });
        }
        if !is_by_hand {
            return Ok(());
        }
        let others = || {
            let by_hand = lists.iter().filter(|list| list.is_by_hand());
            by_hand.filter(|list| list.version.id != id)
        };
        if others().count() >= self.lists {
            return Err(TooLarge::Number { id, most: self.lists });
        }
        let all = mib(size + others().map(|list| list.size()).sum::<u64>());
        if all > self.lists_mib {
            return Err(TooLarge::All { id, mib: all, most: self.lists_mib });
        }
        Ok(())
    }
}
