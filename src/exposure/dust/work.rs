//! How many edges a search may look at, and what adding up keeps while it goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;

use super::super::clock::ClockId;
use super::EndNodes;

/// What a search, or adding up, has done so far.
#[derive(Debug)]
pub(in super::super) struct Work {
    /// Edges that were looked at.
    looked_at: Cell<u64>,
    /// So many are looked at: answers after that may be incomplete.
    budget: u64,
    /// A party may have thousands of keys, and is asked for again and again.
    pub(super) parties: RefCell<HashMap<(u32, ClockId), Rc<EndNodes>>>,
}

impl Work {
    pub fn new(budget: u64) -> Self {
        Self { looked_at: Cell::new(0), budget, parties: RefCell::default() }
    }

    /// Edges that were looked at.
    pub fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }

    /// Counts an edge that is looked at, if there is budget left.
    pub fn look(&self) -> bool {
        let has_budget = !self.is_cut_short();
        self.looked_at.set(self.looked_at.get().saturating_add(1));
        has_budget
    }

    /// Counts so many edges that were looked at.
    pub fn add(&self, edges: usize) {
        self.looked_at.set(self.looked_at.get().saturating_add(edges as u64));
    }

    /// Whether the budget ran out.
    pub fn is_cut_short(&self) -> bool {
        self.looked_at.get() >= self.budget
    }
}
