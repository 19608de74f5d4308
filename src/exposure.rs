//! STUB for types until the core lands.
use crate::domain::list::{ListId, ListKind, RowKey};
use crate::domain::packed_key::PackedKey;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    ReceivedFrom,
    SentTo,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    After,
    Before,
    Unknown,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub key: PackedKey,
    pub kind: ListKind,
    pub list: ListId,
    pub listing: RowKey,
    pub designated: Option<u64>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopReason {
    Service,
    Hub,
    Nobody,
    TokenContract,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub direction: Direction,
    pub kind: ListKind,
    pub hops: u8,
    pub source: u32,
    pub timing: Timing,
    pub direct_share: u16,
    pub hub: bool,
}
#[derive(Debug, Default)]
pub struct Labels {
    pub generation: u64,
    pub rows: u64,
    sources: Vec<Source>,
    labels: std::collections::BTreeMap<PackedKey, Vec<Label>>,
}
impl Labels {
    pub fn of(&self, key: &PackedKey) -> impl Iterator<Item = Label> + '_ {
        self.labels.get(key).into_iter().flatten().copied()
    }
    pub fn source(&self, id: u32) -> &Source {
        &self.sources[id as usize]
    }
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}
