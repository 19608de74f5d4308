//! What the sealing thread signs by.

use std::time::Instant;

use super::note::Signer;

/// What one thread at a time may use.
pub(super) struct Sealing {
    pub(super) signer: Signer,
    /// When the next checkpoint may be signed; `None` before the first one.
    pub(super) next: Option<Instant>,
}

impl Sealing {
    pub(super) fn new(signer: Signer) -> Self {
        Self { signer, next: None }
    }
}
