//! The snapshot that answers a request and the moment at which it does: the one in force now, or a past
//! one that is put together again.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::Status;

use super::Screenings;
use crate::engine::{Engine, PastSnapshot};
use crate::grpc::blocking::in_turn;
use crate::grpc::convert;
use crate::grpc::request::{PastSnapshotRequest, ScreeningOptions};
use crate::grpc::status::{Refusal, invalid_field};
use crate::grpc::v1;
use crate::screening::NotKept;
use crate::screening::coverage::ExposureState;
use crate::screening::snapshot::{Snapshot, SnapshotRecord};

/// What a request is answered by.
#[derive(Debug)]
pub(super) struct Basis {
    pub snapshot: Arc<Snapshot>,
    pub now: Timestamp,
    /// The data versions, where the snapshot is a past one.
    past_message: Option<v1::Snapshot>,
}

impl Screenings {
    /// What `options` are answered by.
    pub(super) async fn basis(&self, options: &ScreeningOptions) -> Result<Basis, Status> {
        let Some(past) = options.past.clone() else {
            let (snapshot, now) = (self.snapshot()?, self.engine.now());
            return Ok(Basis { snapshot, now, past_message: None });
        };
        let (engine, options) = (self.engine.clone(), options.clone());
        let basis = in_turn(&self.load.searches, move |_| past_basis(&engine, &past, &options));
        Ok(basis.await??)
    }

    /// The snapshot of `basis` in full, where `options` ask for it.
    pub(super) async fn message_by(
        &self,
        basis: &Basis,
        options: &ScreeningOptions,
    ) -> Result<Option<v1::Snapshot>, Status> {
        if !options.include_snapshot {
            return Ok(None);
        }
        match &basis.past_message {
            Some(message) => Ok(Some(message.clone())),
            None => self.message_for(&basis.snapshot, basis.now, options).await.map(Some),
        }
    }
}

/// Blocks.
fn past_basis(
    engine: &Engine,
    past: &PastSnapshotRequest,
    options: &ScreeningOptions,
) -> Result<Basis, Refusal> {
    let PastSnapshot { mut snapshot, record, since } = engine.past_snapshot(&past.id)?;
    let now = past.evaluated_at.unwrap_or(since);
    if now < since {
        let message = format!(
            "the snapshot knows what was loaded or looked at until {since}: give that moment or a \
             later one, or none"
        );
        return Err(invalid_field("options.evaluated_at", message));
    }
    if options.scope(&snapshot, now)?.needs_search() {
        let exposure = snapshot.exposure().clone();
        let not_kept = Some(NotKept::Search);
        let exposure = ExposureState { labels: None, not_kept, ..exposure };
        snapshot = Arc::new(snapshot.with_exposure(exposure).named(&past.id));
    }
    let mut record = SnapshotRecord::clone(&record);
    if snapshot.exposure().not_kept.is_none() {
        record.transfers = snapshot.record().transfers.clone();
    }
    let mut message = convert::snapshot(engine, &past.id, &record);
    convert::set_ages(&mut message, &snapshot, now);
    if let Some(as_of) = options.narrowing.as_of {
        let lists = engine.lists_as_of(&snapshot, as_of)?;
        convert::past::set_past(&mut message, &snapshot, &lists, as_of);
    }
    Ok(Basis { snapshot, now, past_message: Some(message) })
}
