//! Reads records: one by its id, or those that a query wants.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::item::{fingerprint_of_text, fingerprints};
use super::{CallRecord, DecisionLog, ItemRecord, RecordClass, References};
use crate::audit::{self, AuditError, Field, Item, Leaf, Query, Reader, RecordId};
use crate::domain::party_name::NameQuery;
use crate::screening::policy::Decision;
use crate::screening::snapshot::Snapshot;

/// The most leaves that one page of a query reads: a second or so.
const LEAVES_PER_PAGE: u64 = 1 << 18;

/// The most addresses that a query of a party follows.
const MAX_ADDRESSES: usize = 1 << 16;

/// A record as the log keeps it.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: RecordId,
    /// The time of its leaf.
    pub time: Timestamp,
    pub call: CallRecord<'static>,
    pub item: ItemRecord,
    /// `None` where it was redacted.
    pub address: Option<String>,
    pub references: References,
}

/// What a query wants. Each field that is set narrows.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub decision: Option<Decision>,
    /// Whether the answer was complete.
    pub complete: Option<bool>,
    /// The address, or another form of the same key.
    pub address: Option<String>,
    pub identity: Option<String>,
    pub request_id: Option<String>,
    pub rule: Option<String>,
    pub list: Option<String>,
    /// The uid of a party, or a part of its name: records with a finding on it, and all other records of
    /// their addresses and of the party's own.
    pub party: Option<String>,
}

/// A page of records.
#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    pub records: Vec<Record>,
    /// The leaf and the item with which the next page begins; `None` at the end.
    pub next: Option<[u64; 2]>,
}

/// Why a record cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("no record {0} in the decision log")]
    NotFound(String),
    #[error("record {0} was removed by the retention of the decision log")]
    Removed(RecordId),
    #[error("record {0} was written by another version of the program: {1}")]
    Foreign(RecordId, String),
    #[error(transparent)]
    Log(#[from] AuditError),
}

impl DecisionLog {
    /// Returns the log that has a record: the present one, or an earlier one beside it.
    pub fn reader_of(&self, id: RecordId, now: Timestamp) -> Result<Reader, RecordError> {
        let present = self.log(now)?.reader();
        if present.tag() == id.tag {
            return Ok(present.clone());
        }
        for log in audit::logs(self.directory())? {
            if log.tag == id.tag {
                return Ok(Reader::open(&log.path)?);
            }
        }
        Err(RecordError::NotFound(id.to_string()))
    }

    /// Returns a record with its leaf and the log that has it.
    pub fn record(
        &self,
        id: RecordId,
        now: Timestamp,
    ) -> Result<(Record, Leaf, Reader), RecordError> {
        let reader = self.reader_of(id, now)?;
        let leaf = match reader.leaf(id.index) {
            Ok(leaf) => leaf,
            Err(AuditError::NoSuchLeaf { .. }) => {
                return Err(RecordError::NotFound(id.to_string()));
            }
            Err(AuditError::Removed { .. }) => return Err(RecordError::Removed(id)),
            Err(error) => return Err(error.into()),
        };
        let item = leaf.items.get(usize::from(id.item));
        let item = item.ok_or_else(|| RecordError::NotFound(id.to_string()))?;
        let record = Record::new(id, &leaf, item)?;
        Ok((record, leaf, reader))
    }

    /// Returns a page of the records of the present log that a query wants, from a leaf and an item on. Blocks.
    pub fn records(
        &self,
        wanted: &RecordQuery,
        snapshot: Option<&Snapshot>,
        (after, limit): (Option<[u64; 2]>, usize),
        now: Timestamp,
    ) -> Result<RecordPage, RecordError> {
        let reader = self.log(now)?.reader();
        let mut filter = RecordFilter::new(wanted, snapshot);
        filter.add_addresses_of_party(reader)?;
        let size = reader.size();
        let [first, item] = match after {
            Some(after) => after,
            None => [wanted.from.map_or(Ok(0), |from| reader.first_from(from))?, 0],
        };
        let end = first.saturating_add(LEAVES_PER_PAGE).min(size);
        let mut page = RecordPage::default();
        for leaf in reader.leaves(filter.query(first..end)) {
            let leaf = leaf?;
            for (place, kept) in leaf.items.iter().enumerate() {
                if leaf.index == first && (place as u64) < item {
                    continue;
                }
                let id = RecordId { tag: reader.tag(), index: leaf.index, item: place as u8 };
                let Some(record) = filter.record(id, &leaf, kept)? else { continue };
                if page.records.len() == limit {
                    page.next = Some([leaf.index, place as u64]);
                    return Ok(page);
                }
                page.records.push(record);
            }
        }
        page.next = (end < size).then_some([end, 0]);
        Ok(page)
    }
}

impl Record {
    /// Reads an item of a leaf.
    pub fn new(id: RecordId, leaf: &Leaf, item: &Item) -> Result<Self, RecordError> {
        let foreign = |error: serde_json::Error| RecordError::Foreign(id, error.to_string());
        let references = item.reference.as_ref().and_then(Field::text);
        Ok(Self {
            id,
            time: leaf.time,
            call: serde_json::from_slice(&leaf.context).map_err(foreign)?,
            item: serde_json::from_slice(&item.answer).map_err(foreign)?,
            address: item.address.text().map(str::to_owned),
            references: references.and_then(References::parse).unwrap_or_default(),
        })
    }

    /// The moment at which its answer was evaluated.
    pub fn evaluated_at(&self) -> Timestamp {
        self.call.evaluated_at.unwrap_or(self.time)
    }
}

/// A query, prepared.
struct RecordFilter<'q> {
    wanted: &'q RecordQuery,
    fingerprints: Vec<u64>,
    /// What is asked for of a party.
    party: Option<PartyFilter>,
}

/// The records that a party is tied to.
#[derive(Default)]
struct PartyFilter {
    /// References of its rows, by list.
    rows: HashMap<String, BTreeSet<String>>,
    /// What its own addresses are found by, and those of records with a finding on it.
    addresses: HashSet<u64>,
}

impl<'q> RecordFilter<'q> {
    fn new(wanted: &'q RecordQuery, snapshot: Option<&Snapshot>) -> Self {
        let mut found = Vec::new();
        if let Some(address) = &wanted.address {
            fingerprints(address, &mut found);
            found.push(fingerprint_of_text(address));
            found.sort_unstable();
            found.dedup();
        }
        let party = wanted.party.as_deref().map(|party| PartyFilter::new(party, snapshot));
        Self { wanted, fingerprints: found, party }
    }

    /// Adds the addresses of the records that have a finding on the party. Reads the log.
    fn add_addresses_of_party(&mut self, reader: &Reader) -> Result<(), RecordError> {
        let Some(party) = &mut self.party else { return Ok(()) };
        let grave = RecordClass::of(Decision::Review) | RecordClass::of(Decision::Block);
        let query = Query { classes: grave, to: self.wanted.to, ..Query::default() };
        let mut found = Vec::new();
        for leaf in reader.leaves(query) {
            for item in leaf?.items.iter().filter(|item| item.class & grave != 0) {
                let Ok(record) = serde_json::from_slice::<ItemRecord>(&item.answer) else {
                    continue;
                };
                if party.rows_match(&record)
                    && let Some(address) = item.address.text()
                {
                    fingerprints(address, &mut found);
                }
            }
            if found.len() >= MAX_ADDRESSES {
                break;
            }
        }
        party.addresses.extend(found);
        if self.fingerprints.is_empty() {
            self.fingerprints = party.addresses.iter().copied().collect();
        }
        Ok(())
    }

    fn query(&self, indices: std::ops::Range<u64>) -> Query {
        Query {
            indices,
            from: self.wanted.from,
            to: self.wanted.to,
            classes: self.wanted.decision.map_or(0, RecordClass::of),
            fingerprints: self.fingerprints.clone(),
        }
    }

    /// The record, if the query wants it.
    fn record(
        &self,
        id: RecordId,
        leaf: &Leaf,
        item: &Item,
    ) -> Result<Option<Record>, RecordError> {
        let wanted = self.wanted;
        if wanted.decision.is_some_and(|decision| item.class & RecordClass::of(decision) == 0) {
            return Ok(None);
        }
        if wanted.address.is_some() && !self.is_address(item) {
            return Ok(None);
        }
        let record = Record::new(id, leaf, item)?;
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|it| it == found);
        let answer = record.item.answer.as_ref();
        let fits = is(&wanted.identity, &record.call.identity)
            && is(&wanted.request_id, &record.references.request_id)
            && is(&wanted.rule, answer.map_or("", |answer| &answer.rule))
            && wanted.complete.is_none_or(|complete| {
                answer.is_some_and(|answer| answer.status.is_complete() == complete)
            })
            && self.is_on_list(&record)
            && self.party.as_ref().is_none_or(|party| party.has(&record, item));
        Ok(fits.then_some(record))
    }

    fn is_address(&self, item: &Item) -> bool {
        let Some(text) = item.address.text() else { return false };
        if self.wanted.address.as_deref() == Some(text) {
            return true;
        }
        let mut found = Vec::new();
        fingerprints(text, &mut found);
        found.iter().any(|fingerprint| self.fingerprints.contains(fingerprint))
    }

    /// Whether a finding is on the list that is asked for.
    fn is_on_list(&self, record: &Record) -> bool {
        let Some(wanted) = self.wanted.list.as_deref() else { return true };
        let mut findings = record.item.answer.iter().flat_map(|answer| &answer.findings);
        findings.any(|finding| finding.listing.list.as_str() == wanted)
    }
}

impl PartyFilter {
    fn new(party: &str, snapshot: Option<&Snapshot>) -> Self {
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
            let references = filter.rows.entry(list.id().to_string()).or_default();
            for row in rows {
                references.insert(row.key.reference());
                fingerprints(&row.key.address, &mut found);
            }
        }
        filter.addresses.extend(found);
        filter
    }

    fn rows_match(&self, record: &ItemRecord) -> bool {
        let mut findings = record.answer.iter().flat_map(|answer| &answer.findings);
        findings.any(|finding| {
            let rows = self.rows.get(finding.listing.list.as_str());
            rows.is_some_and(|rows| rows.contains(&finding.listing.row))
        })
    }

    fn has(&self, record: &Record, item: &Item) -> bool {
        let mut found = Vec::new();
        if let Some(address) = item.address.text() {
            fingerprints(address, &mut found);
        }
        found.iter().any(|by| self.addresses.contains(by)) || self.rows_match(&record.item)
    }
}

/// The most records that are named.
const MAX_NAMED: usize = 100;

/// Returns records whose class is not that of their answer, at most 100: queries would pass them by. The
/// tree does not hold classes. Reads the whole log.
pub fn check_classes(reader: &Reader) -> Result<Vec<RecordId>, RecordError> {
    let mut known: HashMap<Vec<u8>, u8> = HashMap::new();
    let mut misfiled = Vec::new();
    for leaf in reader.leaves(Query::default()) {
        let leaf = leaf?;
        for (place, item) in leaf.items.iter().enumerate() {
            let class = match known.get(&item.answer) {
                Some(class) => *class,
                None => {
                    let class = class_of(&item.answer);
                    if known.len() < MAX_ADDRESSES {
                        known.insert(item.answer.clone(), class);
                    }
                    class
                }
            };
            if class != item.class && misfiled.len() < MAX_NAMED {
                misfiled.push(RecordId { tag: reader.tag(), index: leaf.index, item: place as u8 });
            }
        }
    }
    Ok(misfiled)
}

/// The class of a recorded answer.
fn class_of(answer: &[u8]) -> u8 {
    let Ok(ItemRecord { answer: Some(answer), .. }) = serde_json::from_slice(answer) else {
        return RecordClass::UNDECIDED;
    };
    let incomplete = if answer.status.is_complete() { 0 } else { RecordClass::INCOMPLETE };
    RecordClass::of(answer.decision) | incomplete
}
