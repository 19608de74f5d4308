//! Stores labels as a base and deltas, so that a restart does not rebuild them. Labels are derived data:
//! if storing fails, a restart rebuilds them.

use crate::exposure::Labels;
use crate::store::{Store, StoreError};

/// A new base is written after this many deltas, or this many bytes of them.
const MOST_DELTAS: usize = 4096;
const LEAST_BYTES: usize = 16 << 20;

/// The most deltas that are buffered while the tracker is busy.
const MOST_WAITING: usize = 64;

#[derive(Debug, Default)]
pub(super) struct SavedLabels {
    /// Bytes of the base; 0 while none was written by this process.
    base: usize,
    deltas: usize,
    bytes: usize,
    waiting: Vec<Vec<u8>>,
    /// Whether the last attempt failed; each change of it is logged once.
    is_lost: bool,
}

impl SavedLabels {
    /// Records new labels. `delta` leads to them from the previous ones; `None`: they are a new base.
    /// Logs when storing begins to fail and when it works again.
    pub(super) fn record(&mut self, store: &Store, labels: &Labels, delta: Option<Vec<u8>>) {
        let stored = self.try_record(store, labels, delta);
        self.log(stored);
    }

    fn try_record(
        &mut self,
        store: &Store,
        labels: &Labels,
        delta: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let Some(delta) = delta.filter(|_| self.base > 0 && !self.is_full()) else {
            self.waiting.clear();
            // Do not encode labels that the store would refuse.
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

    /// Stores the buffered deltas.
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
                // The next labels start a new base.
                (self.base, self.waiting) = (0, Vec::new());
                if !was_lost {
                    tracing::warn!(%error, "labels not stored, a restart rebuilds them");
                }
            }
            Ok(()) if was_lost => tracing::info!("labels stored again"),
            Ok(()) => {}
        }
    }

    fn write(&mut self, store: &Store) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        store.put_label_deltas(&waiting)
    }
}
