//! Rows of a list version that could not be parsed as addresses.

use serde::{Deserialize, Serialize};

/// Rows of a list version that could not be parsed as addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUnderstood {
    /// Number of unparsed rows that are not accepted, if the quarantine gate rejects that many;
    /// otherwise 0.
    pub beyond_gate: u64,
    /// Rows that an operator accepted unparsed, each as the first eight bytes of SHA-256 over its
    /// key, ascending.
    pub accepted: Vec<u64>,
    /// The reason of the last acceptance; empty if there was none.
    pub reason: String,
}
