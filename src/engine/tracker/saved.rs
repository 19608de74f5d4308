//! What of the labels is stored, so that a restart needs no building: a base, and what changed
//! since. Labels are no facts: what is not stored is built anew.

use crate::exposure::Labels;
use crate::store::{Store, StoreError};

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
    /// The last attempt failed, which was logged.
    is_lost: bool,
}

impl Saved {
    /// Takes note of new labels, made by `delta` from those before; `None`: from nothing. That they
    /// cannot be stored is logged when it begins and when it ends: they are in force all the same.
    pub(super) fn note(&mut self, store: &Store, labels: &Labels, delta: Option<Vec<u8>>) {
        let stored = self.try_note(store, labels, delta);
        self.log(stored);
    }

    fn try_note(
        &mut self,
        store: &Store,
        labels: &Labels,
        delta: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let Some(delta) = delta.filter(|_| self.base > 0 && !self.is_full()) else {
            self.waiting.clear();
            // Where nothing is stored they need not be packed, or begun.
            if let Some(refusal) = store.refusal() {
                return Err(refusal);
            }
            let (meta, chunks) = labels.to_chunks();
            let mut base = meta.len();
            store.put_label_base(&meta, chunks.inspect(|chunk| base += chunk.len()))?;
            *self = Self { base, is_lost: self.is_lost, ..Self::default() };
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
        if !self.waiting.is_empty() {
            let stored = self.write(store);
            self.log(stored);
        }
    }

    fn log(&mut self, stored: Result<(), StoreError>) {
        let was_lost = std::mem::replace(&mut self.is_lost, stored.is_err());
        match stored {
            Err(error) => {
                // The next labels begin with a base of their own.
                (self.base, self.waiting) = (0, Vec::new());
                if !was_lost {
                    tracing::warn!(%error, "labels are not stored: a restart would build them anew");
                }
            }
            Ok(()) if was_lost => tracing::info!("labels are stored again"),
            Ok(()) => {}
        }
    }

    fn write(&mut self, store: &Store) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        store.put_label_deltas(&waiting)
    }
}
