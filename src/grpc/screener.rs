//! Checks queries, screens them in one scope and translates the answers: every method, and the
//! process that holds the store, screens addresses by this.

use jiff::Timestamp;

use super::convert;
use super::request::{ScreeningRequest, checked_query, not_an_address};
use super::status::Refusal;
use super::v1;
use super::v1::screening_item::Outcome;
use crate::domain::chain::Chain;
use crate::engine::Engine;
use crate::screening::policy::Decision;
use crate::screening::{Scope, Screening, ScreeningSummary};

#[derive(Debug)]
pub struct Screener<'s> {
    pub engine: &'s Engine,
    pub scope: Scope<'s>,
    pub now: Timestamp,
}

/// A translated answer, and what is counted of it.
#[derive(Debug)]
pub struct Answered {
    pub screening: v1::Screening,
    pub summary: ScreeningSummary,
}

/// The same as an item of a batch; nothing is counted of a refusal.
#[derive(Debug)]
pub struct AnsweredItem {
    pub item: v1::ScreeningItem,
    pub summary: Option<ScreeningSummary>,
}

/// Everything that can differ between answers without findings, from one pinned snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClearAnswer {
    covered: bool,
    decision: Decision,
}

impl Screener<'_> {
    /// Returns whether answers take a search, and so block.
    pub fn is_deep(&self, evidence: bool) -> bool {
        evidence || self.scope.needs_search()
    }

    /// Returns the answer, or the request id and why there is none. Blocks if [`Screener::is_deep`].
    pub fn answer(
        &self,
        query: v1::AddressQuery,
        evidence: bool,
    ) -> Result<Answered, (String, Refusal)> {
        let ScreeningRequest { request_id, address, chain } = checked_query(query)?;
        let screened = match self.engine.screen(&self.scope, &address, chain.as_ref(), evidence) {
            Ok(screened) => screened,
            Err(error) => return Err((request_id, not_an_address(&error))),
        };
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
        Ok(Answered { screening, summary: screened.screening.summary() })
    }

    /// Returns the answer as an item of a batch.
    pub fn item(&self, query: v1::AddressQuery, evidence: bool) -> AnsweredItem {
        match self.answer(query, evidence) {
            Ok(Answered { screening, summary }) => AnsweredItem {
                item: v1::ScreeningItem { outcome: Some(Outcome::Screening(screening)) },
                summary: Some(summary),
            },
            Err((request_id, refusal)) => AnsweredItem::refused(request_id, refusal),
        }
    }

    /// The answer to an address without findings or doubts: all such answers from one pinned snapshot are
    /// alike. `None` for any other address, or where a search is needed: use [`Screener::item`].
    #[inline]
    pub fn clear_answer(&self, address: &str, chain: Option<&Chain>) -> Option<ClearAnswer> {
        if self.scope.needs_search() {
            return None;
        }
        let screening = self.scope.screen(address, chain, None).ok()?;
        let Screening { findings, address_incomplete, covered, score, decision, shadow, .. } =
            &screening;
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
        (is_plain && shadow.is_none())
            .then_some(ClearAnswer { covered: *covered, decision: *decision })
    }
}

impl AnsweredItem {
    pub fn refused(request_id: String, refusal: Refusal) -> Self {
        let outcome = Outcome::Error(refusal.into_item_error(request_id));
        Self { item: v1::ScreeningItem { outcome: Some(outcome) }, summary: None }
    }
}
