//! The look-up tables of one list version: by key id, and letter for letter. Judges nothing.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::domain::address::{Address, AddressError, Encoding, Normalization, Reading, reading};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;
use crate::domain::list::{ListState, Party, Row, RowKey};
use crate::domain::packed_key::PackedKey;

/// An address of a row, ready for comparison; a row may hold several.
#[derive(Debug)]
pub struct IndexedListing {
    row: u32,
    party: u32,
    canonical: Box<str>,
    encoding: Encoding,
    chains: Box<[Chain]>,
    normalizations: Box<[Normalization]>,
    is_suspect: bool,
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

    /// What was taken off the row's text to read it.
    pub fn normalizations(&self) -> &[Normalization] {
        &self.normalizations
    }

    /// Whether the row stands in quarantine, and only likely means this address.
    pub fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    fn is_under(&self, key: &PackedKey) -> bool {
        let address = Address::parse(&self.canonical, self.chains.first());
        address.is_ok_and(|address| {
            address.listing_key_ids().iter().any(|known| PackedKey::from(known) == *key)
        })
    }
}

/// A row that cannot be understood, or not whole, and why.
#[derive(Debug)]
pub struct QuarantinedRow {
    row: u32,
    party: u32,
    reason: AddressError,
    suspects: Box<[Box<str>]>,
}

impl QuarantinedRow {
    /// Why the address cannot be understood.
    pub fn reason(&self) -> &AddressError {
        &self.reason
    }

    /// The addresses that it likely means, in canonical form.
    pub fn suspects(&self) -> &[Box<str>] {
        &self.suspects
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
    /// Places in `quarantine` by the bare text of rows that were put into lower case, which base58
    /// does not survive.
    lowered: HashMap<Box<str>, Vec<u32>>,
    /// Places in `quarantine` by the text without surrounding white space, and bare.
    verbatim: HashMap<Box<str>, Vec<u32>>,
}

/// The tables while rows are read into them.
#[derive(Default)]
struct Tables {
    listings: Vec<IndexedListing>,
    quarantine: Vec<QuarantinedRow>,
    postings: Vec<(KeyId, u32)>,
    verbatim: HashMap<Box<str>, Vec<u32>>,
    lowered: HashMap<Box<str>, Vec<u32>>,
}

impl Tables {
    fn add(&mut self, at: u32, party: u32, row: &Row) {
        let reading = Reading::from_list_cell(&row.key.address, &row.key.ticker);
        let understood = reading.addresses().map(|address| (address, false));
        let suspects = reading.suspects.iter().map(|address| (address, true));
        for (address, is_suspect) in understood.chain(suspects) {
            let listing = self.listings.len() as u32;
            self.postings.extend(address.listing_key_ids().into_iter().map(|key| (key, listing)));
            self.listings.push(IndexedListing {
                row: at,
                party,
                canonical: address.canonical().into(),
                encoding: address.encoding(),
                chains: address.chains().into(),
                normalizations: reading.normalizations.as_slice().into(),
                is_suspect,
            });
        }
        let Some(reason) = reading.fault else { return };
        let place = self.quarantine.len() as u32;
        let text = row.key.address.trim_ascii();
        let bare = reading::comparison_text(text);
        // A burn address is understood and has no owner: it is found in any case.
        let uncontrolled = reading.uncontrolled.iter().map(Address::canonical);
        for text in [text, &bare].into_iter().chain(uncontrolled) {
            let places = self.verbatim.entry(text.into()).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        for word in reading::lower_case_variants(&bare) {
            self.lowered.entry(word.into()).or_default().push(place);
        }
        let suspects = reading.suspects.iter().map(|address| address.canonical().into()).collect();
        self.quarantine.push(QuarantinedRow { row: at, party, reason, suspects });
    }
}

impl ListIndex {
    /// Understands every row of `state`. `hasher` must be the same for all lists of a snapshot.
    pub fn build(state: &ListState, hasher: &DefaultHashBuilder) -> Self {
        let parties: HashMap<&str, u32> = (0..)
            .zip(state.parties.iter())
            .map(|(place, party)| (party.uid.as_str(), place))
            .collect();
        let mut tables = Tables::default();
        for (at, row) in (0..).zip(state.rows.iter()) {
            let party = parties.get(row.key.party_uid.as_str()).copied().unwrap_or(u32::MAX);
            tables.add(at, party, row);
        }
        let Tables { listings, quarantine, mut postings, verbatim, lowered } = tables;
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
        Self { rows, parties, listings, quarantine, postings, runs, verbatim, lowered }
    }

    /// Every key id with each listing that it is indexed under.
    pub(in crate::screening) fn postings(&self) -> impl Iterator<Item = (&KeyId, &IndexedListing)> {
        self.postings.iter().map(|(key, at)| (key, &self.listings[*at as usize]))
    }

    /// The listings that stand under `key`, whose hash is `hash` ([`Snapshot::hash`]).
    pub(in crate::screening) fn by_key(
        &self,
        hash: u64,
        key: &KeyId,
    ) -> impl Iterator<Item = &IndexedListing> {
        let run = self.runs.find(hash, |&at| self.postings[at as usize].0 == *key);
        let from = run.map_or(self.postings.len(), |&at| at as usize);
        self.postings[from..]
            .iter()
            .take_while(move |(at_key, _)| at_key == key)
            .map(|&(_, listing)| &self.listings[listing as usize])
    }

    /// The quarantined rows whose verbatim string is `text`.
    pub(in crate::screening) fn by_verbatim(
        &self,
        text: &str,
    ) -> impl Iterator<Item = &QuarantinedRow> {
        self.verbatim.get(text).into_iter().flatten().map(|&place| &self.quarantine[place as usize])
    }

    /// The quarantined rows that are `text`, which tells letters by their case, in lower case.
    pub(in crate::screening) fn by_lowered(
        &self,
        text: &str,
    ) -> impl Iterator<Item = &QuarantinedRow> {
        self.lowered
            .get(text.to_ascii_lowercase().as_str())
            .into_iter()
            .flatten()
            .map(|&place| &self.quarantine[place as usize])
    }

    /// The row of a listing, with its party (`None` only if the store lost it).
    pub fn listed_row(&self, listing: &IndexedListing) -> (&Row, Option<&Party>) {
        self.row(listing.row, listing.party)
    }

    /// The quarantined row that a suspect stands in.
    pub(in crate::screening) fn quarantined(
        &self,
        suspect: &IndexedListing,
    ) -> Option<&QuarantinedRow> {
        let place = self.quarantine.binary_search_by_key(&suspect.row, |row| row.row).ok()?;
        Some(&self.quarantine[place])
    }

    /// The row of a quarantined string, with its party.
    pub fn quarantined_row(&self, quarantined: &QuarantinedRow) -> (&Row, Option<&Party>) {
        self.row(quarantined.row, quarantined.party)
    }

    fn row(&self, row: u32, party: u32) -> (&Row, Option<&Party>) {
        (&self.rows[row as usize], self.parties.get(party as usize))
    }

    /// Where the listing of the row `of` that is indexed under `key` stands; `None` where the row is
    /// not understood.
    pub(super) fn place(&self, of: &RowKey, key: &PackedKey) -> Option<usize> {
        let row = self.rows.binary_search_by(|row| row.key.cmp(of)).ok()? as u32;
        let from = self.listings.partition_point(|listing| listing.row < row);
        let listings = self.listings[from..].iter().take_while(|listing| listing.row == row);
        match listings.clone().count() {
            0 => None,
            1 => Some(from),
            _ => Some(from + listings.clone().position(|it| it.is_under(key)).unwrap_or(0)),
        }
    }

    /// Every row that is not understood, or not whole, in the order of the keys.
    pub fn quarantine(&self) -> &[QuarantinedRow] {
        &self.quarantine
    }

    /// Every address that rows hold, in the order of the rows' keys.
    pub fn listings(&self) -> &[IndexedListing] {
        &self.listings
    }
}
