//! Leaves behind the last checkpoint. One is signed every few seconds and at the end, so a crash leaves
//! few without, and a log that cannot sign takes no more leaves. More show that checkpoints were removed:
//! the leaves that they covered could be rewritten.

use std::ops::Range;

use crate::domain::lock::Recover;

use super::block::LeafView;
use super::store::Store;
use super::{AuditError, LEAVES_PER_BLOCK, block_of, checkpoint_file};

/// The longest time between the first and the last of them, in microseconds: an hour, twice the longest
/// interval of checkpoints.
const MAX_SPAN: i64 = 60 * 60 * 1_000_000;

/// The leaves that no checkpoint covers.
#[derive(Clone, Debug, Default)]
pub(super) struct Uncovered {
    /// By block: a log that is verified while it grows may have very many.
    parts: Vec<UncoveredPart>,
}

/// Leaves of one block.
#[derive(Clone, Debug)]
struct UncoveredPart {
    leaves: Range<u64>,
    /// Earliest and latest, in microseconds since 1970.
    times: Option<(i64, i64)>,
}

impl Uncovered {
    /// Adds leaves of one block, which `first` is the index of the first of.
    pub(super) fn add(&mut self, first: u64, leaves: &[LeafView<'_>]) {
        let times = leaves.iter().filter_map(|leaf| match leaf {
            LeafView::Full(leaf) => Some(leaf.time),
            LeafView::Bare(_) => None,
        });
        let (earliest, latest) = (times.clone().min(), times.max());
        let leaves = first..first + leaves.len() as u64;
        self.add_part(leaves, earliest.zip(latest));
    }

    fn add_part(&mut self, leaves: Range<u64>, times: Option<(i64, i64)>) {
        self.parts.push(UncoveredPart { leaves, times });
    }

    /// Leaves out what a checkpoint of `signed` leaves covers: one that was signed since.
    pub(super) fn leave_out_before(&mut self, signed: u64) {
        for part in &mut self.parts {
            if part.leaves.start < signed {
                // Of the leaves that stay, the times are not known apart.
                part.times = None;
            }
            part.leaves.start = part.leaves.start.max(signed).min(part.leaves.end);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.parts.iter().map(|part| part.leaves.end - part.leaves.start).sum()
    }

    /// Returns what is wrong with them; `signed` is the size of the last checkpoint, or 0.
    pub(super) fn fault(&self, signed: u64) -> Option<String> {
        let count = self.count();
        let left = self.parts.iter().filter(|part| !part.leaves.is_empty());
        let times = left.filter_map(|part| part.times);
        let earliest = times.clone().map(|(earliest, _)| earliest).min();
        let latest = times.map(|(_, latest)| latest).max();
        let span = earliest.zip(latest).map_or(0, |(from, to)| to.saturating_sub(from));
        // A crash may come before the first leaf is signed.
        ((signed == 0 && count > 1) || span > MAX_SPAN).then(|| {
            format!(
                "no checkpoint covers the last {count} leaves: those that did were removed, or the \
                 clock leaped"
            )
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
        uncovered.add(index, leaves);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_since_is_left_out() {
        let mut uncovered = Uncovered::default();
        uncovered.add_part(300..302, Some((0, 7)));
        uncovered.add_part(512..515, Some((MAX_SPAN, MAX_SPAN + 2)));
        assert!(uncovered.fault(300).is_some());
        for (signed, count) in [(300, 5), (301, 4), (302, 3), (513, 2), (515, 0), (600, 0)] {
            uncovered.leave_out_before(signed);
            assert_eq!(uncovered.count(), count, "{signed}");
            assert_eq!(uncovered.fault(signed).is_some(), signed < 301, "{signed}");
        }
        assert!(uncovered.fault(0).is_none(), "none is left");
    }
}
