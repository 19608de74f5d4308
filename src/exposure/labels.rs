//! Labels as the hot path reads them: an immutable base and small tables of what changed since.
//! Looks up; does not compute.

use std::sync::Arc;

use super::parties::{KINDS, kind_index};
use super::table::Table;
use super::{Direction, Label, Source, Timing};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;

/// What the caller says that labels rest on, beside rows: kept with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Whatever stands for lists and settings.
    pub digest: [u8; 32],
    /// How many retractions are known.
    pub retractions: u64,
}

/// The labels of one moment. Cheap to clone; never changes.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    pub(super) generation: u64,
    pub(super) rows: u64,
    pub(super) max_hops: u8,
    pub(super) basis: Basis,
    pub(super) sources: Arc<Vec<Source>>,
    /// The base, then what changed, each newer and smaller. An empty entry takes a key's labels
    /// away.
    pub(super) tables: Vec<Arc<Table>>,
}

impl Labels {
    /// Which generation: changes whenever labels are built from nothing.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many rows they know.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Up to how many hops they reach.
    pub fn max_hops(&self) -> u8 {
        self.max_hops
    }

    /// What the caller said that they rest on.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The labels of a key, by direction, kind, and those by hubs after the others. None for
    /// hop 0: that a key is listed is not said here.
    #[inline]
    pub fn of<'a>(&'a self, key: &PackedKey) -> impl Iterator<Item = Label> + use<'a> {
        self.words(key).iter().map(|&word| unpack(word))
    }

    #[inline]
    pub(super) fn words(&self, key: &PackedKey) -> &[u64] {
        self.tables.iter().rev().find_map(|table| table.find(key)).unwrap_or(&[])
    }

    /// The source of a label of these labels.
    ///
    /// # Panics
    ///
    /// Where the label is of others.
    pub fn source(&self, id: u32) -> &Source {
        &self.sources[id as usize]
    }

    /// Every source that labels may name, by number: those of earlier lists among them.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// About how many keys have labels; exact right after a rebuild.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }

    /// Whether no key has any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the tables take.
    pub fn bytes(&self) -> usize {
        self.tables.iter().map(|table| table.bytes()).sum()
    }

    /// Every key that has labels, with them; for comparing. The order is that of the tables.
    pub fn iter(&self) -> impl Iterator<Item = (PackedKey, Vec<Label>)> + '_ {
        self.tables.iter().enumerate().flat_map(move |(at, table)| {
            table.iter().filter_map(move |(key, words)| {
                let newer = &self.tables[at + 1..];
                let stands =
                    !words.is_empty() && newer.iter().all(|table| table.find(key).is_none());
                stands.then(|| (*key, words.iter().map(|&word| unpack(word)).collect()))
            })
        })
    }

    /// Puts changed keys on top, merging tables so that each is at least four times the next.
    pub(super) fn changed(&mut self, change: Table) {
        self.tables.push(Arc::new(change));
        while let [.., older, newer] = self.tables.as_slice()
            && older.len() <= 4 * newer.len()
        {
            let merged = Table::merge(older, newer, self.tables.len() == 2);
            self.tables.truncate(self.tables.len() - 2);
            self.tables.push(Arc::new(merged));
        }
    }
}

/// A label in 64 bits: hops 0-3, direction 4, kind 5-7, timing 8-9, hub 10, share 11-24, source
/// 32-63.
pub(super) fn pack(label: Label) -> Option<u64> {
    let kind = kind_index(label.kind)? as u64;
    Some(
        u64::from(label.hops)
            | ((label.direction as u64) << 4)
            | (kind << 5)
            | ((label.timing as u64) << 8)
            | (u64::from(label.hub) << 10)
            | (u64::from(label.direct_share) << 11)
            | (u64::from(label.source) << 32),
    )
}

/// The label of a word that [`pack`] made.
#[inline]
fn unpack(word: u64) -> Label {
    const { assert!(KINDS <= 8) };
    Label {
        hops: (word & 0xf) as u8,
        direction: Direction::ALL[(word >> 4 & 1) as usize],
        kind: ListKind::ALL[((word >> 5 & 7) as usize).min(KINDS - 1)],
        timing: match word >> 8 & 3 {
            0 => Timing::After,
            1 => Timing::Before,
            _ => Timing::Unknown,
        },
        hub: word >> 10 & 1 == 1,
        direct_share: (word >> 11 & 0x3fff) as u16,
        source: source_of(word),
    }
}

/// The source of a word that [`pack`] made.
#[inline]
pub(super) fn source_of(word: u64) -> u32 {
    (word >> 32) as u32
}
