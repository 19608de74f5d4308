//! Who paths begin from and what ends them, as the lists say it. Knows no transfers.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, HashSet};

use super::{Source, StopReason};
use crate::domain::list::{ListId, ListKind, UNATTRIBUTED};
use crate::domain::packed_key::PackedKey;

/// The most sources that a registry holds over its life.
pub(super) const MAX_SOURCES: usize = 1 << 25;

/// Sources and stops in force, and every source that ever was, by its number.
#[derive(Debug, Default)]
pub(super) struct Parties {
    registry: Vec<Source>,
    ids: HashMap<Source, u32>,
    /// By number: the place among the sources in force; [`u32::MAX`] where it is not.
    ranks: Vec<u32>,
    /// The first source in force of each key and kind.
    by_key: HashMap<PackedKey, [Option<u32>; KINDS]>,
    /// The others in force, in order, of keys that several lists or listings of a kind name.
    further: HashMap<PackedKey, Vec<u32>>,
    stops: HashMap<PackedKey, StopReason>,
    groups: Groups,
}

/// The keys of the listed parties that have several: a party is one end of what is paid, whichever
/// of its addresses it pays from.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By list and party, ascending.
    parties: Vec<((ListId, String), Vec<PackedKey>)>,
    of: HashMap<PackedKey, Vec<u32>>,
}

impl Groups {
    pub fn new<'a>(sources: impl Iterator<Item = &'a Source>) -> Self {
        let mut parties: BTreeMap<(ListId, String), BTreeSet<PackedKey>> = BTreeMap::new();
        for Source { list, listing, key, .. } in sources {
            let uid = &listing.party_uid;
            if !uid.is_empty() && uid != UNATTRIBUTED {
                parties.entry((list.clone(), uid.clone())).or_default().insert(*key);
            }
        }
        parties.retain(|_, keys| keys.len() > 1);
        let mut groups = Self::default();
        for (party, keys) in (0..).zip(parties.values()) {
            for key in keys {
                groups.of.entry(*key).or_default().push(party);
            }
        }
        let members = |keys: BTreeSet<PackedKey>| keys.into_iter().collect();
        groups.parties = parties.into_iter().map(|(party, keys)| (party, members(keys))).collect();
        groups
    }

    /// The parties that name a key, by number.
    pub fn of(&self, key: &PackedKey) -> &[u32] {
        self.of.get(key).map_or(&[], Vec::as_slice)
    }

    /// The keys of a party, ascending.
    pub fn keys(&self, party: u32) -> &[PackedKey] {
        &self.parties[party as usize].1
    }

    /// The keys of parties that have keys which the same party of `other` does not have.
    pub fn beyond(&self, other: &Self) -> HashSet<PackedKey> {
        let mut beyond = HashSet::new();
        for (party, keys) in &self.parties {
            let same = other.parties.binary_search_by(|(known, _)| known.cmp(party));
            let known = same.map_or(&[][..], |at| &other.parties[at].1);
            if keys.iter().any(|key| known.binary_search(key).is_err()) {
                beyond.extend(keys);
            }
        }
        beyond
    }
}

/// How many kinds sources have: all but services.
pub(super) const KINDS: usize = ListKind::ALL.len() - 1;

/// The place of a kind among those that sources have; services have none.
pub(super) fn kind_index(kind: ListKind) -> Option<usize> {
    ListKind::ALL[..KINDS].iter().position(|&other| other == kind)
}

/// What a new set of parties changes.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Keys and kinds that have other sources than before; those that had none among them.
    pub added: Vec<(PackedKey, usize)>,
    /// Kinds of which a key that was a source is none any more.
    pub removed: [bool; KINDS],
    /// Keys that became stops, ceased to be or are stops for another reason.
    pub stops: Vec<PackedKey>,
    /// Keys of parties that have more keys than before.
    pub grown: HashSet<PackedKey>,
    /// Keys of parties that had keys which they have no more.
    pub shrunk: HashSet<PackedKey>,
}

impl Parties {
    /// Puts full sets in place of those in force. Services and what exceeds the registry make no
    /// sources.
    pub fn set(
        &mut self,
        mut sources: Vec<Source>,
        stops: Vec<(PackedKey, StopReason)>,
    ) -> Difference {
        sources.retain(|source| kind_index(source.kind).is_some());
        sources.sort_unstable();
        sources.dedup();
        let mut difference = Difference::default();
        let groups = Groups::new(sources.iter());
        difference.grown = groups.beyond(&self.groups);
        difference.shrunk = self.groups.beyond(&groups);
        self.groups = groups;
        self.ranks = vec![u32::MAX; self.ranks.len()];
        let before = std::mem::take(&mut self.by_key);
        let further = std::mem::take(&mut self.further);
        for (rank, source) in sources.into_iter().enumerate() {
            let Some(kind) = kind_index(source.kind) else { continue };
            let key = source.key;
            let Some(id) = self.register(source) else { continue };
            self.ranks[id as usize] = rank as u32;
            // They come in order: the first stands.
            if *self.by_key.entry(key).or_default()[kind].get_or_insert(id) != id {
                self.further.entry(key).or_default().push(id);
            }
        }
        for (key, now) in &self.by_key {
            let old = before.get(key).copied().unwrap_or_default();
            let same = further.get(key) == self.further.get(key);
            let is_new = |kind: usize| now[kind] != old[kind] || !same;
            let new = (0..KINDS).filter(|&kind| now[kind].is_some() && is_new(kind));
            difference.added.extend(new.map(|kind| (*key, kind)));
        }
        for (key, old) in &before {
            let now = self.by_key.get(key).copied().unwrap_or_default();
            for kind in 0..KINDS {
                difference.removed[kind] |= old[kind].is_some() && now[kind].is_none();
            }
        }
        difference.added.sort_unstable();
        let stops: HashMap<_, _> = stops.into_iter().collect();
        let keys: HashSet<_> = stops.keys().chain(self.stops.keys()).copied().collect();
        difference
            .stops
            .extend(keys.into_iter().filter(|key| stops.get(key) != self.stops.get(key)));
        difference.stops.sort_unstable();
        self.stops = stops;
        difference
    }

    fn register(&mut self, source: Source) -> Option<u32> {
        if let Some(&id) = self.ids.get(&source) {
            return Some(id);
        }
        if self.registry.len() >= MAX_SOURCES {
            return None;
        }
        let id = self.registry.len() as u32;
        self.ids.insert(source.clone(), id);
        self.registry.push(source);
        self.ranks.push(u32::MAX);
        Some(id)
    }

    /// Takes the numbers of an earlier registry over; nothing must be registered yet.
    pub fn resume(&mut self, registry: &[Source]) {
        for source in registry {
            self.register(source.clone());
        }
    }

    /// Every source that ever was, by number.
    pub fn registry(&self) -> &[Source] {
        &self.registry
    }

    /// The order of a source among those in force.
    #[inline]
    pub fn rank(&self, source: u32) -> u32 {
        self.ranks[source as usize]
    }

    /// The first source in force of a key, of each kind.
    pub fn sources(&self, key: &PackedKey) -> Option<&[Option<u32>; KINDS]> {
        self.by_key.get(key)
    }

    /// Every source in force of a key, of a kind; the first of them first.
    pub fn standing(&self, key: &PackedKey, kind: usize) -> impl Iterator<Item = u32> {
        let first = self.sources(key).and_then(|kinds| kinds[kind]);
        let further = self.further.get(key).into_iter().flatten().copied();
        let is_of = move |id: &u32| kind_index(self.registry[*id as usize].kind) == Some(kind);
        first.into_iter().chain(further.filter(is_of))
    }

    /// Every key with its first source of a kind, by key.
    pub fn of_kind(&self, kind: usize) -> Vec<(PackedKey, u32)> {
        let found = self.by_key.iter().filter_map(|(key, of)| Some((*key, of[kind]?)));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }

    /// The parties of the sources in force.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Why a key ends paths, as the lists say.
    pub fn stop(&self, key: &PackedKey) -> Option<StopReason> {
        self.stops.get(key).copied()
    }
}
