//! The answers of `ScreeningService` within the process that holds the store, on as many threads as
//! ask: the same messages as a call gives, without a call. Must not decide or know a command.

use std::sync::Arc;

use jiff::Timestamp;

use super::client::CallError;
use super::load::Load;
use super::question::Options;
use super::screening::{self, Screenings};
use super::v1;
use crate::config::Limits;
use crate::domain::chain::Chain;
use crate::engine::Engine;
use crate::screening::policy::Decision;
use crate::screening::snapshot::Snapshot;
use crate::screening::{Scope, Screening};

/// Answers questions under the same options.
#[derive(Clone, Debug)]
pub struct Local {
    engine: Arc<Engine>,
    screenings: Screenings,
    options: Options,
}

/// The moment and the data that answers rest on; taken anew for every few thousand questions.
#[derive(Clone, Debug)]
pub struct Ground {
    snapshot: Arc<Snapshot>,
    now: Timestamp,
}

/// A [`Ground`], narrowed and dated.
#[derive(Debug)]
pub struct Questions<'g> {
    local: &'g Local,
    ground: &'g Ground,
    scope: Scope<'g>,
}

/// All that may differ between answers by which nothing was found, on one ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    covered: bool,
    decision: Decision,
}

impl Ground {
    /// The snapshot's id.
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
        let options = Options::check(options, Some(&engine)).map_err(refused)?;
        let screenings = Screenings::new(engine.clone(), Arc::new(Load::new(&Limits::default())));
        let local = Self { engine, screenings, options };
        // Options that fit no snapshot are refused now, and not row by row.
        local.questions(&local.ground()?)?;
        Ok(local)
    }

    /// What is in force now.
    pub fn ground(&self) -> Result<Ground, CallError> {
        let snapshot = self.screenings.snapshot().map_err(refused)?;
        Ok(Ground { snapshot, now: self.engine.now() })
    }

    /// Questions on `ground`.
    pub fn questions<'g>(&'g self, ground: &'g Ground) -> Result<Questions<'g>, CallError> {
        let scope = self.options.scope(&ground.snapshot, ground.now).map_err(refused)?;
        Ok(Questions { local: self, ground, scope })
    }

    /// The data versions of `ground` in full.
    pub fn snapshot(&self, ground: &Ground) -> Result<v1::Snapshot, CallError> {
        let message = self.screenings.dated_message(&ground.snapshot, ground.now, &self.options);
        message.map_err(refused)
    }
}

impl Questions<'_> {
    /// Whether every answer takes a search.
    pub fn take_searches(&self) -> bool {
        self.scope.needs_search()
    }

    /// The answer, or why there is none. With `evidence`, or where the answer takes a search, this
    /// blocks.
    pub fn answer(&self, query: v1::AddressQuery, evidence: bool) -> v1::ScreeningItem {
        let now = self.ground.now;
        screening::item(match evidence || self.scope.needs_search() {
            true => screening::answer_deep(&self.local.engine, (&self.scope, evidence), query, now),
            false => screening::answer(&self.local.engine, &self.scope, query, now),
        })
    }

    /// What there is to say of an address by which nothing was found and of which nothing is in
    /// doubt: all such answers on one ground say the same. `None` where anything is to be told of
    /// this address, or a search would be needed; [`Questions::answer`] tells.
    #[inline]
    pub fn plain(&self, address: &str, chain: Option<&Chain>) -> Option<Plain> {
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
        (is_plain && shadow.is_none()).then_some(Plain { covered: *covered, decision: *decision })
    }
}

fn refused(refusal: super::status::Refusal) -> CallError {
    tonic::Status::from(refusal).into()
}
