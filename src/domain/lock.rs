//! Locks whose holder panicked: what a lock guards is whole at every moment, so it stays usable.

use std::sync::{LockResult, PoisonError};

/// The outcome of waiting for a lock, as a guard.
pub trait Recover {
    type Guard;

    /// Returns the guard, also if another holder panicked.
    fn recover(self) -> Self::Guard;
}

impl<G> Recover for LockResult<G> {
    type Guard = G;

    fn recover(self) -> G {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}
