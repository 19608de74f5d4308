//! The look-up tables of one list version: by key id, and letter for letter. Judges nothing.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::domain::address::{Address, AddressError, Encoding};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;
use crate::domain::list::{ListState, Party, Row, RowKey};

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

    /// Where the listing of the row with that key stands; `None` where it is not understood.
    pub(super) fn place(&self, key: &RowKey) -> Option<usize> {
        let row = self.rows.binary_search_by(|row| row.key.cmp(key)).ok()?;
        self.listings.binary_search_by_key(&(row as u32), |listing| listing.row).ok()
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
