//! The room that lists have in memory. What a list holds is kept for as long as the program runs,
//! rows that were removed and rows that wait for it among them; so publications that each stay within
//! the bounds of a file could add up without one.

use std::sync::Arc;

use crate::domain::list::{ListId, ListState};

/// The most that lists may take ([`ListState::size`]) and be.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// One list, in MiB.
    pub list_mib: u64,
    /// All lists that came by hand, in MiB.
    pub lists_mib: u64,
    /// How many lists may come by hand.
    pub lists: usize,
}

impl Default for Room {
    /// A million addresses have some 600 MiB.
    fn default() -> Self {
        Self { list_mib: 768, lists_mib: 1_024, lists: 1_000 }
    }
}

/// Why there is no room for a publication.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// One list.
    #[error(
        "list {id}: with the rows that it keeps it would take {mib} MiB of memory, more than {most} (limits.list_mib)"
    )]
    List {
        /// The list.
        id: ListId,
        /// What it would take.
        mib: u64,
        /// What it may.
        most: u64,
    },
    /// All lists.
    #[error(
        "list {id}: with it the lists that came by hand would take {mib} MiB of memory, more than {most} (limits.lists_mib)"
    )]
    All {
        /// The list that is to come.
        id: ListId,
        /// What all would take.
        mib: u64,
        /// What they may.
        most: u64,
    },
    /// Their number.
    #[error("list {id}: {most} lists came by hand, the most that may")]
    Number {
        /// The list that is to come.
        id: ListId,
        /// How many there may be.
        most: usize,
    },
}

impl Room {
    /// That there is room for `state` beside, or in the place of one of, `lists`. There always is for
    /// what takes no more than it did. What an operator has configured is bound by the limit of a list
    /// alone, and does not count for imports by hand.
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
        match all > self.lists_mib {
            true => Err(TooLarge::All { id, mib: all, most: self.lists_mib }),
            false => Ok(()),
        }
    }
}
