//! The lists as the hot path sees them: immutable, in memory, swapped whole. Does not score.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::policy;
use crate::domain::address::{Address, AddressError, Encoding};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;
use crate::domain::list::{Gap, ListId, ListKind, ListState, Party, Row};

/// The version of this program, as answers name it.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A row whose address is understood, ready for comparison.
#[derive(Debug)]
pub struct IndexedListing {
    row: u32,
    party: u32,
    canonical: Box<str>,
    encoding: Encoding,
    chains: Box<[Chain]>,
}

impl IndexedListing {
    /// The address in canonical form.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// How the address is written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The chains on which it is listed.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }
}

/// A row whose address cannot be understood, and why.
#[derive(Debug)]
pub struct QuarantinedRow {
    row: u32,
    party: u32,
    reason: AddressError,
}

impl QuarantinedRow {
    /// Why the address cannot be understood.
    pub fn reason(&self) -> &AddressError {
        &self.reason
    }
}

/// One list version with its look-up tables, shared by all snapshots that hold the version.
#[derive(Debug)]
pub struct ListIndex {
    rows: Arc<Vec<Row>>,
    parties: Arc<Vec<Party>>,
    listings: Vec<IndexedListing>,
    quarantine: Vec<QuarantinedRow>,
    /// (key id, place in `listings`), sorted: the listings of one key stand side by side.
    postings: Vec<(KeyId, u32)>,
    /// The place in `postings` where a key id's run begins.
    runs: HashTable<u32>,
    /// Places in `quarantine` by the verbatim string without surrounding white space.
    verbatim: HashMap<Box<str>, Vec<u32>>,
}

impl ListIndex {
    /// Understands every row of `state`. `hasher` must be the same for all lists of a snapshot.
    pub fn build(state: &ListState, hasher: &DefaultHashBuilder) -> Self {
        let parties: HashMap<&str, u32> = (0..)
            .zip(state.parties.iter())
            .map(|(place, party)| (party.uid.as_str(), place))
            .collect();
        let mut listings = Vec::new();
        let mut quarantine = Vec::new();
        let mut postings = Vec::new();
        let mut verbatim: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        for (at, row) in (0..).zip(state.rows.iter()) {
            let party = parties.get(row.key.party_uid.as_str()).copied().unwrap_or(u32::MAX);
            match Address::parse_listed(&row.key.address, &row.key.ticker) {
                Ok(address) => {
                    let listing = listings.len() as u32;
                    postings.extend(address.listing_key_ids().into_iter().map(|k| (k, listing)));
                    listings.push(IndexedListing {
                        row: at,
                        party,
                        canonical: address.canonical().into(),
                        encoding: address.encoding(),
                        chains: address.chains().into(),
                    });
                }
                Err(reason) => {
                    let text = row.key.address.trim_ascii();
                    let place = quarantine.len() as u32;
                    verbatim.entry(text.into()).or_default().push(place);
                    // What is understood but nobody's (a burn address) is found in any case.
                    if let Ok(address) = Address::parse(text, None)
                        && address.canonical() != text
                    {
                        verbatim.entry(address.canonical().into()).or_default().push(place);
                    }
                    quarantine.push(QuarantinedRow { row: at, party, reason });
                }
            }
        }
        postings.sort_unstable();
        postings.dedup();
        let mut runs = HashTable::new();
        for place in 0..postings.len() {
            if place == 0 || postings[place].0 != postings[place - 1].0 {
                let hash = hasher.hash_one(&postings[place].0);
                let rehash = |&at: &u32| hasher.hash_one(&postings[at as usize].0);
                runs.insert_unique(hash, place as u32, rehash);
            }
        }
        let (rows, parties) = (state.rows.clone(), state.parties.clone());
        Self { rows, parties, listings, quarantine, postings, runs, verbatim }
    }

    /// The listings that stand under `key`, whose hash is `hash` ([`Snapshot::hash`]).
    pub(super) fn by_key(&self, hash: u64, key: &KeyId) -> impl Iterator<Item = &IndexedListing> {
        let run = self.runs.find(hash, |&at| self.postings[at as usize].0 == *key);
        let from = run.map_or(self.postings.len(), |&at| at as usize);
        self.postings[from..]
            .iter()
            .take_while(move |(at_key, _)| at_key == key)
            .map(|&(_, listing)| &self.listings[listing as usize])
    }

    /// The quarantined rows whose verbatim string is `text`.
    pub(super) fn by_verbatim(&self, text: &str) -> impl Iterator<Item = &QuarantinedRow> {
        let places = if self.verbatim.is_empty() { None } else { self.verbatim.get(text) };
        places.into_iter().flatten().map(|&place| &self.quarantine[place as usize])
    }

    /// The row of a listing, with its party (`None` only if the store lost it).
    pub fn listed_row(&self, listing: &IndexedListing) -> (&Row, Option<&Party>) {
        self.row(listing.row, listing.party)
    }

    /// The row of a quarantined string, with its party.
    pub fn quarantined_row(&self, quarantined: &QuarantinedRow) -> (&Row, Option<&Party>) {
        self.row(quarantined.row, quarantined.party)
    }

    fn row(&self, row: u32, party: u32) -> (&Row, Option<&Party>) {
        (&self.rows[row as usize], self.parties.get(party as usize))
    }

    /// Every row whose address cannot be understood, in the order of the keys.
    pub fn quarantine(&self) -> &[QuarantinedRow] {
        &self.quarantine
    }

    /// Every row whose address is understood, in the order of the keys.
    pub fn listings(&self) -> &[IndexedListing] {
        &self.listings
    }
}

/// What the configuration says of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTerms {
    /// The list.
    pub id: ListId,
    /// What being on it means, by the configuration; `None` where it does not name the list.
    pub kind: Option<ListKind>,
    /// Whether a screening without it is INCOMPLETE.
    pub required: bool,
    /// The age from which it is stale; `None` for a list that does not age.
    pub max_age: Option<SignedDuration>,
}

/// A list in a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotList {
    index: Arc<ListIndex>,
    state: Arc<ListState>,
    terms: ListTerms,
    current_at: Option<Timestamp>,
    /// The last moment at which it is not stale; `None` where it does not age.
    fresh_until: Option<Timestamp>,
}

impl SnapshotList {
    fn new(index: Arc<ListIndex>, state: Arc<ListState>, terms: ListTerms) -> Self {
        let current_at = state.check.fresh_as_of();
        let fresh_until = terms.max_age.map(|max_age| {
            current_at
                .map_or(Timestamp::MIN, |at| at.checked_add(max_age).unwrap_or(Timestamp::MAX))
        });
        Self { index, state, terms, current_at, fresh_until }
    }

    /// Its id.
    pub fn id(&self) -> &ListId {
        &self.state.version.id
    }

    /// Its kind: the stricter of the version's and the configured one.
    pub fn kind(&self) -> ListKind {
        let loaded = self.state.version.kind;
        self.terms.kind.map_or(loaded, |configured| configured.min(loaded))
    }

    /// The version, its rows and the last look at its source.
    pub fn state(&self) -> &ListState {
        &self.state
    }

    /// The tables of the version.
    pub fn index(&self) -> &ListIndex {
        &self.index
    }

    /// What the configuration says of it.
    pub fn terms(&self) -> &ListTerms {
        &self.terms
    }

    /// When it was last known to be current; `None` where that is unknown.
    pub fn current_at(&self) -> Option<Timestamp> {
        self.current_at
    }

    /// Its age at `at`; zero where it was known to be current later than that.
    pub fn age_at(&self, at: Timestamp) -> Option<SignedDuration> {
        self.current_at.map(|current| at.duration_since(current).max(SignedDuration::ZERO))
    }

    /// Whether it says that it was looked at, or published, more than a day after `now`: the clock
    /// was wrong then or is now, and its age is not known.
    pub fn is_ahead_of(&self, now: Timestamp) -> bool {
        let ahead =
            |current: Timestamp| current.duration_since(now) > SignedDuration::from_hours(24);
        self.terms.max_age.is_some() && self.current_at.is_some_and(ahead)
    }

    /// The span in which nobody looked at the list, if `at`, which is on `day`, lies in it by more
    /// than its limit.
    pub fn gap_at(&self, at: Timestamp, day: Date) -> Option<&Gap> {
        let max_age = self.terms.max_age?;
        let gaps = &self.state.version.uncovered;
        gaps.iter().find(|gap| day < gap.until && at.duration_since(gap.from) > max_age)
    }

    /// Whether it is older than its limit at `at`.
    pub fn is_stale_at(&self, at: Timestamp) -> bool {
        self.fresh_until.is_some_and(|until| until < at)
    }
}

/// Seconds for people: the two largest units.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {} s", seconds % 60),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// What a snapshot id stands for, as kept in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// The list versions, in the order of their ids.
    pub lists: Vec<SnapshotListRecord>,
    /// Required lists that are not loaded.
    pub missing: Vec<ListId>,
    /// [`ENGINE_VERSION`].
    pub engine_version: String,
    /// [`policy::VERSION`].
    pub policy_version: String,
    /// Whether stale lists were let pass.
    pub stale_allowed: bool,
}

/// One list version in a [`SnapshotRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotListRecord {
    /// The list.
    pub id: ListId,
    /// What being on it means.
    pub kind: ListKind,
    /// The version.
    pub version: u64,
    /// The version's digest.
    pub digest: [u8; 32],
    /// The latest day of publication seen.
    pub published: Option<Date>,
    /// When it was last known to be current.
    pub current_at: Option<Timestamp>,
    /// The age from which it is stale, in seconds.
    pub max_age_seconds: Option<u64>,
    /// Whether a screening without it is INCOMPLETE.
    pub required: bool,
}

impl SnapshotRecord {
    /// The record as JSON, as it is stored.
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists always have a JSON form")
    }

    /// Reads a stored record.
    pub fn decode(stored: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(stored)
    }
}

/// The short name of what is stored: the first 8 bytes of its SHA-256, in hex.
fn short_name(stored: &[u8]) -> String {
    Sha256::digest(stored)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All lists in force at one moment, immutable.
#[derive(Debug)]
pub struct Snapshot {
    id: String,
    record: SnapshotRecord,
    encoded_record: Vec<u8>,
    lists: Vec<SnapshotList>,
    hasher: DefaultHashBuilder,
}

impl Snapshot {
    /// Puts `states` together under the `terms` of their configuration. A list without terms is
    /// not required and ages by its kind (`default_max_age`). Tables of versions that `previous`
    /// holds are shared with it.
    pub fn build(
        states: &[Arc<ListState>],
        terms: &[ListTerms],
        default_max_age: SignedDuration,
        stale_allowed: bool,
        previous: Option<&Self>,
    ) -> Self {
        let hasher = previous.map_or_else(DefaultHashBuilder::default, |p| p.hasher.clone());
        let mut lists: Vec<_> = states
            .iter()
            .map(|state| {
                let known = previous.and_then(|p| p.list(&state.version.id));
                let index = match known {
                    Some(list) if list.state.version == state.version => list.index.clone(),
                    _ => Arc::new(ListIndex::build(state, &hasher)),
                };
                let id = &state.version.id;
                let terms = terms.iter().find(|t| t.id == *id).cloned().unwrap_or_else(|| {
                    let max_age = state.version.kind.ages().then_some(default_max_age);
                    ListTerms { id: id.clone(), kind: None, required: false, max_age }
                });
                SnapshotList::new(index, state.clone(), terms)
            })
            .collect();
        lists.sort_by(|a, b| a.id().cmp(b.id()));
        let record = record_of(&lists, terms, stale_allowed);
        let encoded_record = record.encode();
        Self { id: short_name(&encoded_record), record, encoded_record, lists, hasher }
    }

    /// The short name that answers carry.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the id stands for.
    pub fn record(&self) -> &SnapshotRecord {
        &self.record
    }

    /// The record in its stored form, from which the id is made.
    pub fn encoded_record(&self) -> &[u8] {
        &self.encoded_record
    }

    /// The lists, in the order of their ids.
    pub fn lists(&self) -> &[SnapshotList] {
        &self.lists
    }

    /// A list by its id.
    pub fn list(&self, id: &ListId) -> Option<&SnapshotList> {
        self.lists.iter().find(|list| list.id() == id)
    }

    /// Whether stale lists are let pass.
    pub fn stale_allowed(&self) -> bool {
        self.record.stale_allowed
    }

    /// The hash of `key`, the same for every list.
    pub(super) fn hash(&self, key: &KeyId) -> u64 {
        self.hasher.hash_one(key)
    }
}

fn record_of(lists: &[SnapshotList], terms: &[ListTerms], stale_allowed: bool) -> SnapshotRecord {
    let loaded = |id: &ListId| lists.iter().any(|list| list.id() == id);
    let mut missing: Vec<_> =
        terms.iter().filter(|t| t.required && !loaded(&t.id)).map(|t| t.id.clone()).collect();
    missing.sort();
    SnapshotRecord {
        lists: lists
            .iter()
            .map(|list| {
                let state = list.state();
                SnapshotListRecord {
                    id: list.id().clone(),
                    kind: list.kind(),
                    version: state.version.version,
                    digest: state.version.digest,
                    published: state.check.published,
                    current_at: list.current_at,
                    max_age_seconds: list.terms.max_age.map(|age| age.as_secs().unsigned_abs()),
                    required: list.terms.required,
                }
            })
            .collect(),
        missing,
        engine_version: ENGINE_VERSION.to_owned(),
        policy_version: policy::VERSION.to_owned(),
        stale_allowed,
    }
}
