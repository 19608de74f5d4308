//! Evidence of common inputs: the chain of transactions that joins an address with a listed one.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::BUDGET;
use super::Engine;
use super::paths::held_by;
use super::types::{JoinChainEvidence, JoinEvidence};
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Movement, Transfer};
use crate::exposure::{Direction, Join, Path, World};

/// The most transactions of a chain that are shown.
const MOST_JOINS: usize = 256;

/// Finds join chains for one answer. All its searches share the edge budget of one search.
pub(super) struct Joins<'e> {
    engine: &'e Engine,
    world: &'e World,
    until: u64,
    budget: Cell<u64>,
    known: RefCell<HashMap<(Vec<PackedKey>, PackedKey), JoinChainEvidence>>,
}

impl<'e> Joins<'e> {
    /// Uses transactions up to `until`, in Unix seconds.
    pub fn new(engine: &'e Engine, world: &'e World, until: u64) -> Self {
        Self { engine, world, until, budget: Cell::new(BUDGET), known: RefCell::default() }
    }

    /// Finds the chain from the keys of an address to a listed key.
    pub fn chain(&self, keys: &[PackedKey], to: &PackedKey) -> JoinChainEvidence {
        let slot = (keys.to_vec(), *to);
        if let Some(known) = self.known.borrow().get(&slot) {
            return known.clone();
        }
        let budget = self.budget.get();
        let found = self.world.join_chain(keys, to, self.until, budget);
        self.budget.set(budget.saturating_sub(found.examined));
        let joins = self.filled_in(&found.joins);
        let cut_short = found.cut_short || joins.is_none();
        let chain = JoinChainEvidence { joins: joins.unwrap_or_default(), cut_short };
        self.known.borrow_mut().insert(slot, chain.clone());
        chain
    }

    /// Finds the chain from the listed end of a path to the listed key; `None` where that end is the
    /// listed key itself.
    pub fn chain_of_path(&self, path: &Path) -> Option<JoinChainEvidence> {
        let end = match path.direction {
            Direction::ReceivedFrom => path.hops.first().map(|hop| hop.from),
            Direction::SentTo => path.hops.last().map(|hop| hop.to),
        };
        let end = end.filter(|_| path.common_input)?;
        Some(self.chain(&[end], &path.source.key))
    }

    /// Loads the transactions of joins; `None` if they are unreadable or too many.
    fn filled_in(&self, joins: &[Join]) -> Option<Vec<JoinEvidence>> {
        if joins.len() > MOST_JOINS {
            return None;
        }
        let mut rows: Vec<u64> = joins.iter().map(|join| join.row).collect();
        rows.sort_unstable();
        rows.dedup();
        let found = match self.engine.publisher.store().rows(&rows) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "common-input transactions unreadable");
                return None;
            }
        };
        let found: HashMap<u64, Transfer> = found.into_iter().collect();
        joins.iter().map(|join| evidence(join, found.get(&join.row)?)).collect()
    }
}

/// Adds the transaction to a join; `None` if it lacks the two inputs.
fn evidence(join: &Join, transfer: &Transfer) -> Option<JoinEvidence> {
    let Movement::Utxo(movement) = &transfer.movement else { return None };
    let held = |key| held_by(&movement.inputs, &transfer.chain, key);
    let (from, to) = (held(join.from)?, held(join.to)?);
    Some(JoinEvidence { transfer: transfer.clone(), from, to })
}
