//! Checks queries, screens them in one scope and translates the answers: every method, and the
//! process that holds the store, screens addresses by this.

use std::cell::RefCell;

use jiff::Timestamp;

use super::convert;
use super::request::{MAX_REQUEST_ID, ScreeningRequest, checked_query, not_an_address};
use super::status::Refusal;
use super::v1;
use super::v1::screening_item::Outcome;
use crate::domain::chain::Chain;
use crate::engine::Engine;
use crate::engine::decision_log::{
    Fingerprints, QueriedAddress, RecordedAnswer, RecordedItem, References,
};
use crate::screening::policy::Decision;
use crate::screening::{Scope, Screening, ScreeningSummary};

#[derive(Debug)]
pub struct Screener<'s> {
    pub engine: &'s Engine,
    pub scope: Scope<'s>,
    pub now: Timestamp,
    clear_records: ClearRecords,
}

/// Records of answers without findings in one scope, by chain as asked: most items of a batch share one.
#[derive(Debug, Default)]
pub struct ClearRecords(RefCell<Vec<ClearRecord>>);

/// The record of an answer without findings to an address on a chain.
#[derive(Debug)]
struct ClearRecord {
    answer: ClearAnswer,
    chain: Option<Box<str>>,
    record: RecordedAnswer,
}

/// The most records that are kept to be shared: a batch may name very many chains.
const MAX_CLEAR_RECORDS: usize = 16;

/// A translated answer, what is counted of it, and its record where a log is kept.
#[derive(Debug)]
pub struct Answered {
    pub screening: v1::Screening,
    pub summary: ScreeningSummary,
    pub record: Option<RecordedItem<'static>>,
}

impl Answered {
    /// Whether the record says the same.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.record.as_ref().zip(other.record.as_ref()).is_some_and(|(a, b)| a.is_alike(b))
    }
}

/// Why a query has no answer.
#[derive(Debug)]
pub struct Unanswered {
    pub request_id: String,
    pub refusal: Refusal,
    pub record: Option<RecordedItem<'static>>,
}

/// An answer or a refusal as an item of a batch; nothing is counted of a refusal.
#[derive(Debug)]
pub struct AnsweredItem {
    pub item: v1::ScreeningItem,
    pub summary: Option<ScreeningSummary>,
    pub record: Option<RecordedItem<'static>>,
}

/// Everything that can differ between answers without findings, from one pinned snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClearAnswer {
    covered: bool,
    decision: Decision,
}

impl<'s> Screener<'s> {
    pub fn new(engine: &'s Engine, scope: Scope<'s>, now: Timestamp) -> Self {
        Self { engine, scope, now, clear_records: ClearRecords::default() }
    }

    /// Exchanges the records that answers share: those of another screener must be of the same scope and
    /// moment.
    pub fn swap_clear_records(&mut self, other: &mut ClearRecords) {
        std::mem::swap(&mut self.clear_records, other);
    }

    /// Returns whether answers take a search, and so block.
    pub fn is_deep(&self, evidence: bool) -> bool {
        evidence || self.scope.needs_search()
    }

    /// Returns the answer. Blocks if [`Screener::is_deep`].
    pub fn answer(
        &self,
        query: v1::AddressQuery,
        evidence: bool,
    ) -> Result<Answered, Box<Unanswered>> {
        let asked = checked_query(query).map_err(|refused| {
            let (query, refusal) = *refused;
            self.unanswered(query, refusal)
        })?;
        let ScreeningRequest { request_id, address, chain, chain_text } = asked;
        let screened = match self.engine.screen(&self.scope, &address, chain.as_ref(), evidence) {
            Ok(screened) => screened,
            Err(error) => {
                let refusal = not_an_address(&error);
                let query = v1::AddressQuery { request_id, address, chain: chain_text };
                return Err(self.unanswered(query, refusal));
            }
        };
        let recorded = self.engine.decision_log().map(|_| {
            let references = References::of_request(&request_id);
            let query = QueriedAddress { address: &address, chain: &chain_text };
            self.record(&screened.screening, query, &references)
        });
        let snapshot = self.scope.snapshot();
        let mut screening = convert::screening(&screened.screening, request_id, snapshot, self.now);
        for (finding, evidence) in screening.findings.iter_mut().zip(&screened.evidence) {
            if let (Some(exposure), Some(evidence)) = (&mut finding.exposure, evidence) {
                exposure.evidence = Some(convert::exposure::evidence(snapshot, evidence));
            }
        }
        for (finding, chain) in screening.findings.iter_mut().zip(&screened.joins) {
            finding.common_input_chain = chain.as_ref().map(convert::common_input::chain);
        }
        let summary = screened.screening.summary();
        drop(screened);
        Ok(Answered { screening, summary, record: recorded.map(|recorded| recorded.to(address)) })
    }

    fn record(
        &self,
        screening: &Screening<'_>,
        query: QueriedAddress<'_>,
        references: &References,
    ) -> RecordedAnswer {
        let Some(answer) = clear_answer(screening) else {
            return RecordedAnswer::new(screening, query, references);
        };
        let mut known = self.clear_records.0.borrow_mut();
        let chain = query.named_chain();
        let found = known.iter().find(|of| of.answer == answer && of.chain.as_deref() == chain);
        if let Some(found) = found {
            return found.record.of_another(references, Fingerprints::of(screening, query));
        }
        let record = RecordedAnswer::new(screening, query, references);
        if known.len() < MAX_CLEAR_RECORDS {
            let chain = chain.map(Box::from);
            known.push(ClearRecord { answer, chain, record: record.clone() });
        }
        record
    }

    fn unanswered(&self, query: v1::AddressQuery, refusal: Refusal) -> Box<Unanswered> {
        Box::new(Unanswered::new(self.engine, query, refusal))
    }

    /// Returns the answer as an item of a batch.
    pub fn item(&self, query: v1::AddressQuery, evidence: bool) -> AnsweredItem {
        match self.answer(query, evidence) {
            Ok(Answered { screening, summary, record }) => AnsweredItem {
                item: v1::ScreeningItem { outcome: Some(Outcome::Screening(screening)) },
                summary: Some(summary),
                record,
            },
            Err(unanswered) => (*unanswered).into(),
        }
    }

    /// The answer to an address without findings or doubts: all such answers from one pinned snapshot are
    /// alike. `None` for any other address, or where a search is needed: use [`Screener::item`].
    ///
    /// With what its record is found by, where a log is kept.
    #[inline]
    pub fn clear_answer(
        &self,
        query: QueriedAddress<'_>,
        chain: Option<&Chain>,
    ) -> Option<(ClearAnswer, Option<Fingerprints>)> {
        if self.scope.needs_search() {
            return None;
        }
        let screening = self.scope.screen(query.address, chain, None).ok()?;
        let clear = clear_answer(&screening)?;
        let log = self.engine.decision_log();
        let found_by = log.map(|_| Fingerprints::of(&screening, query));
        Some((clear, found_by))
    }
}

/// What tells answers of one scope without findings or doubts apart; `None` of any other answer.
fn clear_answer(screening: &Screening<'_>) -> Option<ClearAnswer> {
    let Screening { findings, address_incomplete, covered, score, decision, shadow, .. } =
        screening;
    // What was taken off, and several addresses, stand in the reason.
    let is_read_plainly =
        screening.normalizations.is_empty() && screening.other_addresses.is_empty();
    let has_note = !screening.unvalued.is_empty()
        || screening.unvalued_cut_short
        || !screening.cluster_cuts.is_empty();
    let is_plain = findings.is_empty()
        && address_incomplete.is_empty()
        && *score == 0
        && is_read_plainly
        && !has_note;
    // What a shadow says is to be counted.
    (is_plain && shadow.is_none()).then_some(ClearAnswer { covered: *covered, decision: *decision })
}

impl Unanswered {
    /// A query that is refused, with its record where a log is kept.
    pub fn new(engine: &Engine, query: v1::AddressQuery, refusal: Refusal) -> Self {
        let record = engine.decision_log().map(|_| refused_record(&query, refusal.reason_name()));
        Self { request_id: query.request_id, refusal, record }
    }
}

/// The record of a query that is refused. A reference that is too long is left out.
pub fn refused_record(query: &v1::AddressQuery, reason: &str) -> RecordedItem<'static> {
    let v1::AddressQuery { request_id, address, chain } = query;
    let request_id = if request_id.len() > MAX_REQUEST_ID { "" } else { request_id };
    let references = References::of_request(request_id);
    RecordedItem::refused(reason, QueriedAddress { address, chain }, &references)
}

impl From<Unanswered> for AnsweredItem {
    fn from(Unanswered { request_id, refusal, record }: Unanswered) -> Self {
        let outcome = Outcome::Error(refusal.into_item_error(request_id));
        Self { item: v1::ScreeningItem { outcome: Some(outcome) }, summary: None, record }
    }
}
