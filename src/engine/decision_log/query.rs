//! Finds the records that a query wants, page by page, in all logs of the directory.

use jiff::Timestamp;

use super::item::{fingerprint_of_text, fingerprints};
use super::party::PartyFilter;
use super::span::{LeafBudget, LeafPlace, LogSpan};
use super::{DecisionLog, Record, RecordClass, RecordError};
use crate::audit::{Item, Leaf, Query, RecordId};
use crate::screening::policy::Decision;
use crate::screening::snapshot::Snapshot;

/// The most leaves that one page of a query reads: a second or so.
const LEAVES_PER_PAGE: u64 = if cfg!(test) { 64 } else { 1 << 18 };

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

/// Where a query goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryCursor {
    pub next: LeafPlace,
    /// The item of the leaf.
    pub item: u64,
    /// Behind the last leaf when the query began: what came later is not searched.
    pub end: LeafPlace,
}

/// A page of records.
#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    pub records: Vec<Record>,
    /// `None` at the end.
    pub next: Option<QueryCursor>,
    /// What the search left out, and why; empty for nothing.
    pub incomplete: Vec<String>,
}

/// A page that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RecordPageRequest<'q> {
    pub wanted: &'q RecordQuery,
    /// `None` for the first page.
    pub after: Option<QueryCursor>,
    pub limit: usize,
}

impl DecisionLog {
    /// Returns a page of the records that a query wants, oldest log first. Blocks.
    pub fn records(
        &self,
        page: RecordPageRequest<'_>,
        snapshot: Option<&Snapshot>,
        now: Timestamp,
    ) -> Result<RecordPage, RecordError> {
        let mut found = RecordPage::default();
        let mut at = match page.after {
            Some(after) => after,
            None => {
                let log = self.logs(now)?.last().map_or(0, |log| log.number);
                let end = LeafPlace { log, leaf: self.log(now)?.reader().size() };
                QueryCursor { next: LeafPlace::default(), item: 0, end }
            }
        };
        let spans = self.spans(at.end, &mut found.incomplete, now)?;
        let mut budget = LeafBudget::new(LEAVES_PER_PAGE);
        let mut filter = RecordFilter::new(page.wanted);
        if let Some(party) = &page.wanted.party {
            let mut party = PartyFilter::new(party, snapshot);
            let is_ready = self.parties.add_addresses(&mut party, &spans, &mut budget)?;
            found.incomplete.extend(party.incomplete());
            if !is_ready {
                found.next = Some(at);
                return Ok(found);
            }
            if party.is_unknown() {
                return Ok(found);
            }
            filter.party = Some(party);
        }
        let first = at.next.log;
        for span in spans.iter().filter(|span| span.number >= first) {
            if span.number > at.next.log {
                at.next = LeafPlace { log: span.number, leaf: 0 };
                at.item = 0;
            }
            if let (0, Some(from)) = (at.next.leaf, page.wanted.from) {
                // Where the index cannot be read, the leaves tell.
                at.next.leaf = span.reader.first_from(from).unwrap_or(0);
            }
            let end = budget.take(at.next.leaf, span.end);
            if let Some(next) = filter.read(span, at, end, page.limit, &mut found)? {
                found.next = Some(next);
                return Ok(found);
            }
            at = QueryCursor { next: LeafPlace { log: span.number, leaf: end }, item: 0, ..at };
            if end < span.end {
                found.next = Some(at);
                return Ok(found);
            }
        }
        Ok(found)
    }

    /// Returns the leaves of all logs before `end`. A log that cannot be opened is named in `incomplete`.
    fn spans(
        &self,
        end: LeafPlace,
        incomplete: &mut Vec<String>,
        now: Timestamp,
    ) -> Result<Vec<LogSpan>, RecordError> {
        let mut spans = Vec::new();
        let unreadable = self.all_logs(now)?.unreadable.iter();
        incomplete.extend(unreadable.map(|damage| format!("not searched: {damage}")));
        for log in self.logs(now)?.iter().filter(|log| log.number <= end.log) {
            match self.reader(log, now) {
                Ok(reader) => {
                    let size = reader.size();
                    let end = if log.number == end.log { size.min(end.leaf) } else { size };
                    spans.push(LogSpan { number: log.number, reader, end });
                }
                Err(error) => {
                    tracing::error!(log = log.number, %error, "earlier decision log not searched");
                    incomplete.push(format!("log.{} was not searched: {error}", log.number));
                }
            }
        }
        Ok(spans)
    }
}

/// A query, prepared.
struct RecordFilter<'q> {
    wanted: &'q RecordQuery,
    /// Those of the address. Segments without any of them are skipped.
    fingerprints: Vec<u64>,
    /// Set where the query names a party.
    party: Option<PartyFilter>,
}

impl<'q> RecordFilter<'q> {
    fn new(wanted: &'q RecordQuery) -> Self {
        let mut found = Vec::new();
        if let Some(address) = &wanted.address {
            fingerprints(address, &mut found);
            found.push(fingerprint_of_text(address));
            found.sort_unstable();
            found.dedup();
        }
        Self { wanted, fingerprints: found, party: None }
    }

    /// Adds the records of a span from a place on, up to the leaf `end`. Returns where the next page begins
    /// if this one is full.
    fn read(
        &self,
        span: &LogSpan,
        from: QueryCursor,
        end: u64,
        limit: usize,
        found: &mut RecordPage,
    ) -> Result<Option<QueryCursor>, RecordError> {
        let (mut has_unread, mut has_foreign) = (false, false);
        let first = from.next.leaf;
        for leaf in span.reader.leaves(self.query(first..end)) {
            let leaf = match leaf {
                Ok(leaf) => leaf,
                Err(error) => {
                    if !has_unread {
                        let log = span.number;
                        tracing::error!(log, %error, "decision log cannot all be searched");
                        let what = format!("log.{log} was not all searched, among others: {error}");
                        found.incomplete.push(what);
                    }
                    has_unread = true;
                    continue;
                }
            };
            for (place, kept) in leaf.items.iter().enumerate() {
                if leaf.index == first && (place as u64) < from.item {
                    continue;
                }
                let tag = span.reader.tag();
                let id = RecordId { tag, index: leaf.index, item: place as u8 };
                let record = match self.record(id, &leaf, kept) {
                    Ok(None) => continue,
                    Ok(Some(record)) => record,
                    Err(error @ RecordError::Foreign(..)) => {
                        if !has_foreign {
                            let what = format!("left out, and others like it: {error}");
                            found.incomplete.push(what);
                        }
                        has_foreign = true;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if found.records.len() == limit {
                    let next = LeafPlace { log: span.number, leaf: leaf.index };
                    return Ok(Some(QueryCursor { next, item: place as u64, ..from }));
                }
                found.records.push(record);
            }
        }
        Ok(None)
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
            && self.party.as_ref().is_none_or(|party| party.has(&record));
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
