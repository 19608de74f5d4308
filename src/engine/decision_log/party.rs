//! The records of a party: those with a finding on it, and the others of their addresses.
//!
//! A query of a party reads the logs twice. The first pass finds the addresses of the records with a
//! finding on the party. It is spread over pages as the second pass is, and what it found is kept for the
//! pages and queries that follow.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use super::item::fingerprints;
use super::span::{LeafBudget, LeafPlace, LogSpan};
use super::{ItemRecord, Record, RecordError};
use crate::audit::{Leaf, Query, RecordId};
use crate::domain::lock::Recover;
use crate::domain::party_name::NameQuery;
use crate::screening::snapshot::Snapshot;

/// The most fingerprints of addresses of a party's records: 0.5 MB, and as much again in the set.
const MAX_ADDRESSES: usize = if cfg!(test) { 8 } else { 1 << 16 };

/// The parties whose addresses are kept.
const MAX_PARTIES: usize = 8;

/// The most answers of which one page remembers whether they are on the party.
const MAX_ANSWERS: usize = 1 << 12;

/// What names the rows of a party and the logs that are searched.
type SearchDigest = [u8; 32];

/// The records that a party is tied to.
#[derive(Debug, Default)]
pub(super) struct PartyFilter {
    /// References of its rows, by list.
    rows: BTreeMap<String, BTreeSet<String>>,
    /// What its own addresses are found by.
    own: HashSet<u64>,
    /// What the addresses of records with a finding on it are found by.
    found: PartyAddresses,
}

/// Addresses of records with a finding on a party, as far as the logs were read for them.
#[derive(Clone, Debug, Default)]
struct PartyAddresses {
    next: LeafPlace,
    fingerprints: HashSet<u64>,
    /// Whether there were more than are followed.
    is_full: bool,
    /// Which record could not be read, the first of them.
    unread: Option<String>,
}

/// The addresses of the parties that were asked for last.
#[derive(Debug, Default)]
pub(super) struct KnownParties(Mutex<VecDeque<(SearchDigest, PartyAddresses)>>);

impl KnownParties {
    /// Adds the addresses of the records with a finding on a party. Returns whether all spans were read;
    /// else a later call goes on.
    pub(super) fn add_addresses(
        &self,
        party: &mut PartyFilter,
        spans: &[LogSpan],
        budget: &mut LeafBudget,
    ) -> Result<bool, RecordError> {
        if party.is_unknown() {
            return Ok(true);
        }
        let digest = party.digest(spans);
        // Taken out meanwhile, so that no other query waits for the lock.
        let known = {
            let mut parties = self.0.lock().recover();
            let place = parties.iter().position(|(of, _)| *of == digest);
            place.and_then(|place| parties.remove(place))
        };
        party.found = known.map(|(_, addresses)| addresses).unwrap_or_default();
        let is_ready = party.collect(spans, budget)?;
        let mut parties = self.0.lock().recover();
        // Another query of the party may have come between.
        parties.retain(|(of, _)| *of != digest);
        parties.push_back((digest, party.found.clone()));
        if parties.len() > MAX_PARTIES {
            parties.pop_front();
        }
        Ok(is_ready)
    }
}

impl PartyAddresses {
    fn add(&mut self, address: &str) {
        let mut found = Vec::new();
        fingerprints(address, &mut found);
        for fingerprint in found {
            if self.fingerprints.contains(&fingerprint) {
                continue;
            }
            if self.fingerprints.len() == MAX_ADDRESSES {
                self.is_full = true;
                return;
            }
            self.fingerprints.insert(fingerprint);
        }
    }
}

impl PartyFilter {
    pub(super) fn new(party: &str, snapshot: Option<&Snapshot>) -> Self {
        let name = NameQuery::parse(party).ok();
        let mut filter = Self::default();
        let mut found = Vec::new();
        for list in snapshot.map_or(&[][..], Snapshot::lists) {
            let state = list.state();
            let parties = state.parties.iter().filter(|known| {
                known.uid == party
                    || name.as_ref().is_some_and(|name| name.find_in(known).is_some())
            });
            let uids: BTreeSet<&str> = parties.map(|party| party.uid.as_str()).collect();
            let rows = state.rows.iter().filter(|row| uids.contains(row.key.party_uid.as_str()));
            for row in rows {
                let references = filter.rows.entry(list.id().to_string()).or_default();
                references.insert(row.key.reference());
                fingerprints(&row.key.address, &mut found);
            }
        }
        filter.own.extend(found);
        filter
    }

    /// Whether no list has a row of such a party.
    pub(super) fn is_unknown(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns what a search for the party leaves out.
    pub(super) fn incomplete(&self) -> Option<String> {
        if self.is_unknown() {
            let what = "no list of now has an address of such a party; records with findings on \
                        rows that have left their lists are not found";
            return Some(what.to_owned());
        }
        let what = format!(
            "findings on the party are on records of more than {MAX_ADDRESSES} addresses; other \
             records of the addresses beyond are left out: name a smaller party"
        );
        let full = self.found.is_full.then_some(what);
        match (full, self.found.unread.clone()) {
            (Some(full), Some(unread)) => Some(format!("{full}; {unread}")),
            (full, unread) => full.or(unread),
        }
    }

    /// Returns what names the rows and the logs: one that could not be read may be readable later.
    fn digest(&self, spans: &[LogSpan]) -> SearchDigest {
        let mut hasher = Sha256::new();
        for span in spans {
            hasher.update(span.number.to_be_bytes());
        }
        for (list, rows) in &self.rows {
            for row in rows {
                hasher.update(format!("{list}\0{row}\0"));
            }
        }
        hasher.finalize().into()
    }

    /// Reads the leaves that were not read for the party yet, within the budget.
    fn collect(&mut self, spans: &[LogSpan], budget: &mut LeafBudget) -> Result<bool, RecordError> {
        let mut answers = HashMap::new();
        for span in spans {
            if self.found.is_full {
                break;
            }
            let next = self.found.next;
            let first = match span.number.cmp(&next.log) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => next.leaf,
                std::cmp::Ordering::Greater => 0,
            };
            let end = budget.take(first, span.end);
            let indices = first..end;
            for leaf in span.reader.leaves(Query { indices, ..Query::default() }) {
                match leaf {
                    Ok(leaf) => self.add_leaf(&leaf, span.reader.tag(), &mut answers),
                    Err(error) => {
                        let what = format!("log.{} cannot all be read: {error}", span.number);
                        self.found.unread.get_or_insert(what);
                    }
                }
            }
            self.found.next = LeafPlace { log: span.number, leaf: end };
            if end < span.end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add_leaf(&mut self, leaf: &Leaf, tag: [u8; 4], answers: &mut HashMap<Vec<u8>, bool>) {
        for (place, item) in leaf.items.iter().enumerate() {
            let is_on_party = match answers.get(&item.answer) {
                Some(known) => *known,
                None => {
                    let id = RecordId { tag, index: leaf.index, item: place as u8 };
                    let is_on_party = match serde_json::from_slice::<ItemRecord>(&item.answer) {
                        Ok(record) => self.rows_match(&record),
                        Err(error) => {
                            let foreign = RecordError::Foreign(id, error.to_string());
                            self.found.unread.get_or_insert_with(|| foreign.to_string());
                            false
                        }
                    };
                    if answers.len() < MAX_ANSWERS {
                        answers.insert(item.answer.clone(), is_on_party);
                    }
                    is_on_party
                }
            };
            if is_on_party && let Some(address) = item.address.text() {
                self.found.add(address);
            }
        }
    }

    fn rows_match(&self, record: &ItemRecord) -> bool {
        let mut findings = record.answer.iter().flat_map(|answer| &answer.findings);
        findings.any(|finding| {
            let rows = self.rows.get(finding.listing.list.as_str());
            rows.is_some_and(|rows| rows.contains(&finding.listing.row))
        })
    }

    pub(super) fn has(&self, record: &Record) -> bool {
        let mut found = Vec::new();
        if let Some(address) = &record.address {
            fingerprints(address, &mut found);
        }
        let is_followed = |by| self.own.contains(by) || self.found.fingerprints.contains(by);
        found.iter().any(is_followed) || self.rows_match(&record.item)
    }
}
