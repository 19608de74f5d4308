//! Answers of `ScreeningService` within the process that holds the store, from any number of threads:
//! the same messages as a call returns, without the call.

use std::sync::Arc;

use jiff::Timestamp;

use super::access::OWNER;
use super::client::CallError;
use super::concurrency::ConcurrencyLimits;
use super::recording::{CallOrigin, RecordedCall};
use super::request::ScreeningOptions;
use super::screener::Screener;
use super::screening::Screenings;
use super::v1;
use crate::audit::{NewItems, RecordId};
use crate::config::Limits;
use crate::engine::Engine;
use crate::screening::snapshot::Snapshot;

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

    pub fn screener<'g>(&'g self, pinned: &'g PinnedSnapshot) -> Result<Screener<'g>, CallError> {
        let scope = self.options.scope(&pinned.snapshot, pinned.now).map_err(refused)?;
        Ok(Screener::new(&self.engine, scope, pinned.now))
    }

    /// Records answers by `pinned`; the record of the first, `None` where no log is kept.
    pub fn record<'i>(
        &self,
        pinned: &PinnedSnapshot,
        items: impl NewItems<'i>,
    ) -> Result<Option<RecordId>, CallError> {
        let origin = CallOrigin { method: "screen", identity: OWNER };
        let call = RecordedCall::new(origin, &self.options, pinned.snapshot_id(), pinned.now);
        call.record_blocking(&self.engine, items).map_err(refused)
    }

    /// The message of `pinned` in full.
    pub fn snapshot(&self, pinned: &PinnedSnapshot) -> Result<v1::Snapshot, CallError> {
        let message = self.screenings.dated_message(&pinned.snapshot, pinned.now, &self.options);
        message.map_err(refused)
    }
}

fn refused(refusal: super::status::Refusal) -> CallError {
    tonic::Status::from(refusal).into()
}
