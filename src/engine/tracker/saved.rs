//! What of the labels is stored, so that a restart needs no building: a base, and what changed
//! since. Labels are no facts: what is not stored is built anew.

use crate::exposure::Labels;
use crate::store::{Store, StoreError};

use super::EngineError;

/// A base is written anew when as many changes, or bytes of them, were added to it.
const MOST_DELTAS: usize = 4096;
const LEAST_BYTES: usize = 16 << 20;

/// Changes wait to be stored while there is other work, up to so many.
const MOST_WAITING: usize = 64;

/// What is stored, and what waits to be.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// Bytes of the base; 0 while none was written by this process.
    base: usize,
    deltas: usize,
    bytes: usize,
    waiting: Vec<Vec<u8>>,
}

impl Saved {
    /// Takes note of new labels, made by `delta` from those before; `None`: from nothing.
    pub(super) fn note(
        &mut self,
        store: &Store,
        labels: &Labels,
        delta: Option<Vec<u8>>,
    ) -> Result<(), EngineError> {
        let Some(delta) = delta.filter(|_| self.base > 0 && !self.is_full()) else {
            self.waiting.clear();
            let (meta, chunks) = labels.to_chunks();
            let mut base = meta.len();
            store.put_label_base(&meta, chunks.inspect(|chunk| base += chunk.len()))?;
            *self = Self { base, ..Self::default() };
            return Ok(());
        };
        self.deltas += 1;
        self.bytes += delta.len();
        self.waiting.push(delta);
        if self.waiting.len() >= MOST_WAITING {
            self.write(store)?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.deltas >= MOST_DELTAS || self.bytes > LEAST_BYTES.max(self.base / 2)
    }

    /// Stores what waits, now that there is time.
    pub(super) fn flush(&mut self, store: &Store) {
        if let Err(error) = self.write(store) {
            tracing::warn!(%error, "labels were not stored: a restart will build them anew");
            // The next labels begin with a base of their own.
            self.base = 0;
        }
    }

    fn write(&mut self, store: &Store) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        store.put_label_deltas(&waiting)
    }
}
