//! What of a list version is not understood as addresses. Decides nothing.

use serde::{Deserialize, Serialize};

/// What of a list version is not understood, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUnderstood {
    /// How many rows are not understood and not accepted, where that is more than the gate lets
    /// pass; else 0.
    pub beyond_gate: u64,
    /// Rows that an operator accepted as they are, each by the first eight bytes of SHA-256 over its
    /// key, ascending.
    pub accepted: Vec<u64>,
    /// Why they were accepted last; empty where none were.
    pub reason: String,
}
