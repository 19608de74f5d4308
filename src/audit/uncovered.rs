//! Leaves behind the last checkpoint. One is signed every few seconds and at the end, so a crash leaves
//! few without. More show that checkpoints were removed: the leaves that they covered could be rewritten.

use crate::domain::lock::Recover;

use super::block::LeafView;
use super::store::Store;
use super::{AuditError, LEAVES_PER_BLOCK, block_of, checkpoint_file};

/// The longest time between the first and the last of them, in microseconds: an hour, twice the longest
/// interval of checkpoints.
const MAX_SPAN: i64 = 60 * 60 * 1_000_000;

/// The leaves that no checkpoint covers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uncovered {
    pub(super) count: u64,
    /// Earliest and latest, in microseconds since 1970.
    times: Option<(i64, i64)>,
}

impl Uncovered {
    pub(super) fn add(&mut self, leaf: &LeafView<'_>) {
        self.count += 1;
        if let LeafView::Full(leaf) = leaf {
            let (earliest, latest) = self.times.unwrap_or((leaf.time, leaf.time));
            self.times = Some((earliest.min(leaf.time), latest.max(leaf.time)));
        }
    }

    /// Returns what is wrong with them; `signed` is the size of the last checkpoint, or 0.
    pub(super) fn fault(&self, signed: u64) -> Option<String> {
        let count = self.count;
        let span = self.times.map_or(0, |(earliest, latest)| latest.saturating_sub(earliest));
        // A crash may come before the first leaf is signed.
        ((signed == 0 && count > 1) || span > MAX_SPAN).then(|| {
            format!("no checkpoint covers the last {count} leaves: those that did were removed")
        })
    }
}

/// Fails if the checkpoints of a log end too long before its leaves do.
pub(super) fn check(store: &Store) -> Result<(), AuditError> {
    let latest = store.latest.lock().recover().as_ref().map_or(0, |it| it.checkpoint.size);
    let mut uncovered = Uncovered::default();
    let mut index = latest;
    while index < store.written() {
        let bytes = match store.block(block_of(index)) {
            // Retention removes what is signed.
            Err(AuditError::Removed { .. }) => return Ok(()),
            bytes => bytes?,
        };
        let block = bytes.decode()?;
        let leaves = &block.leaves()[(index % LEAVES_PER_BLOCK) as usize..];
        leaves.iter().for_each(|leaf| uncovered.add(leaf));
        index += leaves.len() as u64;
    }
    match uncovered.fault(latest) {
        Some(what) => Err(AuditError::damaged(
            &checkpoint_file::path(&store.directory),
            0,
            format!("{what}. Restore the file, or delete `key` beside it: the next log begins"),
        )),
        None => Ok(()),
    }
}
