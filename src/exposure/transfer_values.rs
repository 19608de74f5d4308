//! The values of transfers, by their numbers.

use super::shares::{Fact, NotCounted};

/// What rows (account transfers) and legs (of UTXO transactions) are worth.
#[derive(Debug, Default)]
pub(super) struct TransferValues {
    pub rows: ValueColumn,
    pub legs: ValueColumn,
}

/// 10 bytes each.
#[derive(Debug, Default)]
pub(super) struct ValueColumn {
    units: Vec<u64>,
    facts: Vec<Fact>,
}

impl ValueColumn {
    pub fn push(&mut self, fact: Fact, units: u64) {
        self.units.push(units);
        self.facts.push(fact);
    }

    pub fn len(&self) -> usize {
        self.facts.len()
    }
}

impl TransferValues {
    /// What a row, or a leg, is worth.
    pub fn of(&self, is_leg: bool, id: u32) -> (Fact, u64) {
        let worth = if is_leg { &self.legs } else { &self.rows };
        (worth.facts[id as usize], worth.units[id as usize])
    }

    /// Whether a row, or a leg, is dust by itself; it may add up.
    pub fn is_dust(&self, is_leg: bool, id: u32) -> bool {
        self.of(is_leg, id).0.why() == Some(NotCounted::Dust)
    }
}
