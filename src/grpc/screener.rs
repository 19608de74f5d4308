//! Checks queries, screens them in one scope and translates the answers: every method, and the
//! process that holds the store, screens addresses by this.

use std::borrow::Cow;
use std::cell::RefCell;

use jiff::Timestamp;

use super::convert;
use super::request::{ScreeningRequest, checked_query, not_an_address};
use super::status::Refusal;
use super::v1;
use super::v1::screening_item::Outcome;
use crate::domain::chain::Chain;
use crate::engine::Engine;
use crate::engine::decision_log::{Fingerprints, RecordedItem, References};
use crate::screening::policy::Decision;
use crate::screening::{Scope, Screening, ScreeningSummary};

#[derive(Debug)]
pub struct Screener<'s> {
    pub engine: &'s Engine,
    pub scope: Scope<'s>,
    pub now: Timestamp,
    /// Records of answers without findings, by chain as asked: most items of a batch share one.
    clear_records: RefCell<Vec<(ClearAnswer, String, RecordedItem<'static>)>>,
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
        Self { engine, scope, now, clear_records: RefCell::default() }
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
            let (v1::AddressQuery { request_id, address, chain }, refusal) = *refused;
            self.unanswered(request_id, (&address, &chain), refusal)
        })?;
        let ScreeningRequest { request_id, address, chain, chain_text } = asked;
        let screened = match self.engine.screen(&self.scope, &address, chain.as_ref(), evidence) {
            Ok(screened) => screened,
            Err(error) => {
                let refusal = not_an_address(&error);
                return Err(self.unanswered(request_id, (&address, &chain_text), refusal));
            }
        };
        let record = self.engine.decision_log().map(|_| {
            let references = References::of_request(&request_id);
            self.record(&screened.screening, (&address, &chain_text), &references)
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
        Ok(Answered { screening, summary: screened.screening.summary(), record })
    }

    fn record(
        &self,
        screening: &Screening<'_>,
        (address, chain): (&str, &str),
        references: &References,
    ) -> RecordedItem<'static> {
        let question = (address, chain);
        let Some(clear) = clear_answer(screening) else {
            return RecordedItem::answered(screening, question, references);
        };
        let mut known = self.clear_records.borrow_mut();
        let found = known.iter().find(|(of, on, _)| *of == clear && on == chain);
        if let Some((_, _, record)) = found {
            let by = Fingerprints::of(screening, question);
            return record.of_another(Cow::Owned(address.to_owned()), references, by);
        }
        let record = RecordedItem::answered(screening, question, references);
        if known.len() < MAX_CLEAR_RECORDS {
            known.push((clear, chain.to_owned(), record.clone()));
        }
        record
    }

    fn unanswered(
        &self,
        request_id: String,
        (address, chain): (&str, &str),
        refusal: Refusal,
    ) -> Box<Unanswered> {
        let record = self.engine.decision_log().map(|_| {
            let references = References::of_request(&request_id);
            RecordedItem::refused(refusal.reason_name(), (address, chain), &references)
        });
        Box::new(Unanswered { request_id, refusal, record })
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
        (address, chain_text): (&str, &str),
        chain: Option<&Chain>,
    ) -> Option<(ClearAnswer, Option<Fingerprints>)> {
        if self.scope.needs_search() {
            return None;
        }
        let screening = self.scope.screen(address, chain, None).ok()?;
        let clear = clear_answer(&screening)?;
        let log = self.engine.decision_log();
        let found_by = log.map(|_| Fingerprints::of(&screening, (address, chain_text)));
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
    /// A query that its options keep from being asked; no decision was to be made.
    pub fn unasked(request_id: String, refusal: Refusal) -> Self {
        Self { request_id, refusal, record: None }
    }
}

impl From<Unanswered> for AnsweredItem {
    fn from(Unanswered { request_id, refusal, record }: Unanswered) -> Self {
        let outcome = Outcome::Error(refusal.into_item_error(request_id));
        Self { item: v1::ScreeningItem { outcome: Some(outcome) }, summary: None, record }
    }
}
