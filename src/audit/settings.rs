//! How a log is kept, and what it tells.

use std::time::Duration;

use super::{AuditError, SignedCheckpoint};

/// When a leaf counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is synced: leaves that wait together are synced together.
    Fsync,
    /// When it is written; synced at most this much later. A crash of the process loses nothing,
    /// that of the machine this much.
    Interval(Duration),
}

/// What the log tells. Calls come from its threads, a failed write also from the thread that wrote.
/// They must be quick, and must not call the log.
pub struct Hooks {
    /// The number of leaves that are synced.
    pub on_synced: Box<dyn Fn(u64) + Send + Sync>,
    /// A checkpoint was signed and stored.
    pub on_checkpoint: Box<dyn Fn(&SignedCheckpoint) + Send + Sync>,
    /// Writing, syncing or sealing failed; `Log::failure` has it until `Log::retry`.
    pub on_failure: Box<dyn Fn(&AuditError) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            on_synced: Box::new(|_| {}),
            on_checkpoint: Box::new(|_| {}),
            on_failure: Box::new(|_| {}),
        }
    }
}

pub struct Settings {
    /// The origin of a new log is `<name>/<16 random hex digits>`.
    pub name: String,
    pub durability: Durability,
    /// At most one checkpoint is signed in this time.
    pub checkpoint_interval: Duration,
    /// Appends the fingerprints of an address: the same that are given with items.
    pub fingerprints: fn(&str, &mut Vec<u64>),
    pub hooks: Hooks,
    /// Leaves the newest log as it is and starts the next.
    pub start_anew: bool,
}
