//! The ends of paths: sources (listed keys and the keys that common inputs join with them) and stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{Source, StopReason};
use crate::domain::list::{ListId, ListKind, UNATTRIBUTED};
use crate::domain::packed_key::PackedKey;

/// The most sources that a registry holds over its life.
pub(super) const MAX_SOURCES: usize = 1 << 25;

/// Where paths begin: the number of a source, and whether at its own key or at one that is joined with
/// it by common inputs. In 26 bits, so that the working labels have no bit more than they had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin(u32);

impl Origin {
    const JOINED: u32 = MAX_SOURCES as u32;

    pub fn new(source: u32, is_joined: bool) -> Self {
        if is_joined { Self(source | Self::JOINED) } else { Self(source) }
    }

    /// At the source's own key.
    pub fn listed(source: u32) -> Self {
        Self::new(source, false)
    }

    /// The number of the source.
    pub fn source(self) -> u32 {
        self.0 & !Self::JOINED
    }

    pub fn is_joined(self) -> bool {
        self.0 & Self::JOINED != 0
    }

    pub fn bits(self) -> u32 {
        self.0
    }

    /// From [`Origin::bits`].
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// The sources that a key is joined with, of each kind by order; of those alike in when they were
/// listed the first alone.
pub(super) type JoinedSources = [Vec<u32>; KINDS];

/// A key that is joined with sources by common inputs. Keys of one cluster share what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JoinedKey {
    pub sources: Arc<JoinedSources>,
    /// Whether the key itself stood beside a source of the kind.
    pub is_beside: [bool; KINDS],
}

/// Sources and stops in force, and every source that ever was, by its number.
#[derive(Debug, Default)]
pub(super) struct PathEnds {
    registry: Vec<Source>,
    ids: HashMap<Source, u32>,
    /// By number: the place among the sources in force; [`u32::MAX`] where it is not.
    ranks: Vec<u32>,
    /// The first source in force of each key and kind.
    by_key: HashMap<PackedKey, [Option<u32>; KINDS]>,
    /// The others in force, in order, of keys that several lists or listings of a kind name.
    further: HashMap<PackedKey, Vec<u32>>,
    /// Keys that are joined with sources in force; they may be sources themselves.
    joined: HashMap<PackedKey, JoinedKey>,
    stops: HashMap<PackedKey, StopReason>,
    groups: PartyGroups,
}

/// The keys of the listed parties that have several: a party is one end of what is paid, whichever
/// of its addresses it pays from.
#[derive(Debug, Default)]
pub(super) struct PartyGroups {
    /// By list and party, ascending.
    parties: Vec<((ListId, String), Vec<PackedKey>)>,
    of: HashMap<PackedKey, Vec<u32>>,
}

impl PartyGroups {
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
pub(super) struct PathEndsChange {
    /// Keys and kinds that have other sources than before; those that had none among them.
    pub added: Vec<(PackedKey, usize)>,
    /// Keys that are joined with sources of a kind, and were no seeds of it before.
    pub joined: Vec<(PackedKey, usize)>,
    /// Keys that are joined with more sources of a kind than before.
    pub widened: Vec<(PackedKey, usize)>,
    /// Seeds that were seen on a clock for the first time.
    pub seen: Vec<(PackedKey, usize)>,
    /// Kinds of which a key that was a source is none any more.
    pub removed: [bool; KINDS],
    /// Keys whose own sources are others than before.
    pub listed: HashSet<PackedKey>,
    /// Keys that became stops, ceased to be or are stops for another reason.
    pub stops: Vec<PackedKey>,
    /// Keys of parties that have more keys than before.
    pub grown: HashSet<PackedKey>,
    /// Keys of parties that had keys which they have no more.
    pub shrunk: HashSet<PackedKey>,
}

impl PathEnds {
    /// Puts full sets in place of those in force. Services and what exceeds the registry make no
    /// sources.
    pub fn set(
        &mut self,
        mut sources: Vec<Source>,
        stops: Vec<(PackedKey, StopReason)>,
    ) -> PathEndsChange {
        sources.retain(|source| kind_index(source.kind).is_some());
        sources.sort_unstable();
        sources.dedup();
        let mut difference = PathEndsChange::default();
        let groups = PartyGroups::new(sources.iter());
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
            if *now != old || !same {
                difference.listed.insert(*key);
            }
        }
        for (key, old) in &before {
            let now = self.by_key.get(key).copied().unwrap_or_default();
            for kind in 0..KINDS {
                difference.removed[kind] |= old[kind].is_some() && now[kind].is_none();
            }
            if *old != now {
                difference.listed.insert(*key);
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

    /// The source of an origin.
    pub fn source(&self, origin: Origin) -> &Source {
        &self.registry[origin.source() as usize]
    }

    /// The order of an origin among those in force: by source, the listed key before those joined
    /// with it.
    #[inline]
    pub fn rank(&self, origin: Origin) -> u32 {
        let rank = self.ranks[origin.source() as usize];
        rank.saturating_mul(2).saturating_add(u32::from(origin.is_joined()))
    }

    /// The first source in force of a key, of each kind.
    pub fn sources(&self, key: &PackedKey) -> Option<&[Option<u32>; KINDS]> {
        self.by_key.get(key)
    }

    /// Whether a key is a source of a kind itself.
    pub fn is_listed(&self, key: &PackedKey, kind: usize) -> bool {
        self.sources(key).is_some_and(|kinds| kinds[kind].is_some())
    }

    /// Whether paths begin at a key.
    pub fn is_seed(&self, key: &PackedKey) -> bool {
        self.by_key.contains_key(key) || self.joined.contains_key(key)
    }

    /// Where the paths of a kind that begin at a key begin: as its first source, or else as joined
    /// with one.
    pub fn seed(&self, key: &PackedKey, kind: usize) -> Option<Origin> {
        self.standing(key, kind).next()
    }

    /// Every origin in force of a key, of a kind, by order: its own sources, or else those that it is
    /// joined with.
    pub fn standing(&self, key: &PackedKey, kind: usize) -> impl Iterator<Item = Origin> {
        let listed = self.listed(key, kind).map(Origin::listed);
        let joined = (!self.is_listed(key, kind)).then(|| self.joined(key)).flatten();
        let joined = joined.map_or(&[][..], |joined| &joined.sources[kind]);
        listed.chain(joined.iter().map(|&source| Origin::new(source, true)))
    }

    /// What a key is joined with, whether or not it is a source itself.
    pub fn joined(&self, key: &PackedKey) -> Option<&JoinedKey> {
        self.joined.get(key)
    }

    /// Says what a key is joined with; notes for which kinds paths begin otherwise. Whether anything is
    /// other than before.
    pub fn set_joined(
        &mut self,
        key: PackedKey,
        now: Option<JoinedKey>,
        difference: &mut PathEndsChange,
    ) -> bool {
        let before = match now.clone() {
            Some(joined) => self.joined.insert(key, joined),
            None => self.joined.remove(&key),
        };
        let of = |joined: &Option<JoinedKey>, kind: usize| -> Vec<u32> {
            joined.as_ref().map_or_else(Vec::new, |joined| joined.sources[kind].clone())
        };
        if before == now {
            return false;
        }
        for kind in (0..KINDS).filter(|&kind| !self.is_listed(&key, kind)) {
            let (before, now) = (of(&before, kind), of(&now, kind));
            if now.is_empty() {
                difference.removed[kind] |= !before.is_empty();
            } else if before.is_empty() {
                difference.joined.push((key, kind));
            } else if before != now {
                let is_wider = before.iter().all(|&source| self.is_covered(source, &now));
                let changed =
                    if is_wider { &mut difference.widened } else { &mut difference.added };
                changed.push((key, kind));
            }
        }
        true
    }

    /// Whether one of some sources was listed as this one is, and is the same or comes before it.
    fn is_covered(&self, source: u32, by: &[u32]) -> bool {
        let of = |id: u32| {
            let Source { listed_from, unlisted_until, .. } = self.registry[id as usize];
            (listed_from, unlisted_until)
        };
        let rank = |id: u32| self.rank(Origin::listed(id));
        by.iter().any(|&other| of(other) == of(source) && rank(other) <= rank(source))
    }

    /// Forgets what keys are joined with: everything is to be built.
    pub fn forget_joined(&mut self) {
        self.joined.clear();
    }

    /// Every source in force of a key, of a kind; the first of them first.
    pub fn listed(&self, key: &PackedKey, kind: usize) -> impl Iterator<Item = u32> {
        let first = self.sources(key).and_then(|kinds| kinds[kind]);
        let further = self.further.get(key).into_iter().flatten().copied();
        let is_of = move |id: &u32| kind_index(self.registry[*id as usize].kind) == Some(kind);
        first.into_iter().chain(further.filter(is_of))
    }

    /// Whether paths of a kind begin anywhere.
    pub fn has_kind(&self, kind: usize) -> bool {
        self.by_key.values().any(|of| of[kind].is_some())
    }

    /// Every key at which paths of a kind begin, with the first origin, by key.
    pub fn of_kind(&self, kind: usize) -> Vec<(PackedKey, Origin)> {
        let listed = self.listed_of_kind(kind).into_iter();
        let mut found: Vec<_> = listed.map(|(key, source)| (key, Origin::listed(source))).collect();
        let joined = self.joined.iter().filter(|(key, _)| !self.is_listed(key, kind));
        found.extend(joined.filter_map(|(key, joined)| {
            Some((*key, Origin::new(*joined.sources[kind].first()?, true)))
        }));
        found.sort_unstable_by_key(|(key, _)| *key);
        found
    }

    /// Every listed key, of any kind.
    pub fn listed_keys(&self) -> impl Iterator<Item = &PackedKey> {
        self.by_key.keys()
    }

    /// Every key with its first source of a kind, by key.
    pub fn listed_of_kind(&self, kind: usize) -> Vec<(PackedKey, u32)> {
        let found = self.by_key.iter().filter_map(|(key, of)| Some((*key, of[kind]?)));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }

    /// The parties of the sources in force.
    pub fn groups(&self) -> &PartyGroups {
        &self.groups
    }

    /// Why a key ends paths, as the lists say.
    pub fn stop(&self, key: &PackedKey) -> Option<StopReason> {
        self.stops.get(key).copied()
    }
}
