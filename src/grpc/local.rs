//! Answers of `ScreeningService` within the process that holds the store, from any number of threads:
//! the same messages as a call returns, without the call.

use std::sync::Arc;

use jiff::Timestamp;

use super::client::CallError;
use super::concurrency::ConcurrencyLimits;
use super::request::ScreeningOptions;
use super::screening::{self, Screenings};
use super::v1;
use crate::config::Limits;
use crate::domain::chain::Chain;
use crate::engine::Engine;
use crate::screening::policy::Decision;
use crate::screening::snapshot::Snapshot;
use crate::screening::{Scope, Screening};

/// Answers queries under fixed options.
#[derive(Clone, Debug)]
pub struct Local {
    engine: Arc<Engine>,
    screenings: Screenings,
    options: ScreeningOptions,
}

/// The moment and the snapshot that answers use; taken anew every few thousand queries.
#[derive(Clone, Debug)]
pub struct PinnedSnapshot {
    snapshot: Arc<Snapshot>,
    now: Timestamp,
}

/// Screens against a [`PinnedSnapshot`] under the options.
#[derive(Debug)]
pub struct ScopedScreener<'g> {
    local: &'g Local,
    pinned: &'g PinnedSnapshot,
    scope: Scope<'g>,
}

/// Everything that can differ between answers without findings, from one pinned snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClearAnswer {
    covered: bool,
    decision: Decision,
}

impl PinnedSnapshot {
    pub fn snapshot_id(&self) -> &str {
        self.snapshot.id()
    }
}

impl Local {
    /// Answers by `engine`; refuses options as the service does.
    pub fn new(
        engine: Arc<Engine>,
        options: Option<&v1::ScreeningOptions>,
    ) -> Result<Self, CallError> {
        let options = ScreeningOptions::check(options, Some(&engine)).map_err(refused)?;
        let screenings =
            Screenings::new(engine.clone(), Arc::new(ConcurrencyLimits::new(&Limits::default())));
        let local = Self { engine, screenings, options };
        // Options that fit no snapshot are refused now, and not row by row.
        local.screener(&local.pin()?)?;
        Ok(local)
    }

    /// Pins the snapshot in force.
    pub fn pin(&self) -> Result<PinnedSnapshot, CallError> {
        let snapshot = self.screenings.snapshot().map_err(refused)?;
        Ok(PinnedSnapshot { snapshot, now: self.engine.now() })
    }

    pub fn screener<'g>(
        &'g self,
        pinned: &'g PinnedSnapshot,
    ) -> Result<ScopedScreener<'g>, CallError> {
        let scope = self.options.scope(&pinned.snapshot, pinned.now).map_err(refused)?;
        Ok(ScopedScreener { local: self, pinned, scope })
    }

    /// The message of `pinned` in full.
    pub fn snapshot(&self, pinned: &PinnedSnapshot) -> Result<v1::Snapshot, CallError> {
        let message = self.screenings.dated_message(&pinned.snapshot, pinned.now, &self.options);
        message.map_err(refused)
    }
}

impl ScopedScreener<'_> {
    /// Whether every answer takes a search.
    pub fn take_searches(&self) -> bool {
        self.scope.needs_search()
    }

    /// The answer, or why there is none. With `evidence`, or where the answer takes a search, this
    /// blocks.
    pub fn answer(&self, query: v1::AddressQuery, evidence: bool) -> v1::ScreeningItem {
        let now = self.pinned.now;
        screening::to_item(if evidence || self.scope.needs_search() {
            screening::screen_with_search(&self.local.engine, (&self.scope, evidence), query, now)
        } else {
            screening::screen_by_labels(&self.local.engine, &self.scope, query, now)
        })
    }

    /// The answer to an address without findings or doubts: all such answers from one pinned snapshot are
    /// alike. `None` for any other address, or where a search is needed: use [`ScopedScreener::answer`].
    #[inline]
    pub fn clear_answer(&self, address: &str, chain: Option<&Chain>) -> Option<ClearAnswer> {
        if self.scope.needs_search() {
            return None;
        }
        let screening = self.scope.screen(address, chain).ok()?;
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

fn refused(refusal: super::status::Refusal) -> CallError {
    tonic::Status::from(refusal).into()
}
