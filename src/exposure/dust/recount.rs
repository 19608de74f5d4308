//! Which dust counts for other sources than those in force, asked for one edge at a time. Keeps what it
//! found of pairs, and changes nothing.

use std::cell::RefCell;

use hashbrown::{HashMap, HashSet};

use super::super::edges::Appended;
use super::super::nodes::Node;
use super::{Adding, Pair};
use crate::domain::packed_key::PackedKey;

/// Which edges count where other parties are listed than those in force.
pub struct Recount<'a> {
    adding: Adding<'a>,
    /// Keys that other parties name.
    changed: HashSet<PackedKey>,
    reached: RefCell<HashMap<Pair, Option<u64>>>,
}

impl<'a> Recount<'a> {
    pub fn new(adding: Adding<'a>, changed: HashSet<PackedKey>) -> Self {
        Self { adding, changed, reached: RefCell::default() }
    }

    /// Whether the budget ran out.
    pub fn is_cut_short(&self) -> bool {
        self.adding.work.is_cut_short()
    }

    pub fn counts(&self, edge: &Appended) -> bool {
        let adding = &self.adding;
        let Some(part) = adding.part(edge).filter(|part| adding.is_dust(edge, part.side)) else {
            return edge.counts();
        };
        let is_other = |node: Node| self.changed.contains(adding.view.nodes.key(node));
        let is_changed = is_other(part.holder)
            || match part.tx {
                None => is_other(edge.to()),
                Some(tx) => adding.others(part.holder, tx, part.side).any(is_other),
            };
        if !is_changed {
            return edge.counts();
        }
        let mut counts = false;
        adding.pairs_of(edge, &part, |pair| {
            let mut known = self.reached.borrow_mut();
            let reached = *known.entry(pair).or_insert_with(|| adding.reached_by(&pair));
            counts |= reached.is_some_and(|reached| reached <= edge.key);
        });
        counts
    }
}
