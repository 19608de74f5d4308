//! Records calls that are refused as a whole: method, identity, reason, and the first addresses.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::recording::{CallOrigin, RecordedCall};
use super::request::ScreeningOptions;
use super::screener::refused_record;
use super::v1;
use crate::audit::ITEMS_PER_LEAF;
use crate::engine::Engine;
use crate::engine::decision_log::RecordedItem;

/// The most addresses that are recorded of a refused call: one leaf, of at most 20 KiB.
const MAX_RECORDED: usize = ITEMS_PER_LEAF;

/// A call that may be refused as a whole.
#[derive(Debug)]
pub struct RefusableCall<'c> {
    origin: CallOrigin<'c>,
    /// The first addresses; none where no log is kept.
    queries: Vec<v1::AddressQuery>,
    /// How many there are.
    count: usize,
}

impl<'c> RefusableCall<'c> {
    pub fn new<'q>(
        engine: &Engine,
        origin: CallOrigin<'c>,
        queries: impl ExactSizeIterator<Item = &'q v1::AddressQuery>,
    ) -> Self {
        let count = queries.len();
        let most = engine.decision_log().map_or(0, |_| MAX_RECORDED);
        Self { origin, queries: queries.take(most).cloned().collect(), count }
    }

    /// Records that the call was refused, if it was. Load that is shed, and failures, are no refusals:
    /// the caller is to try again.
    pub async fn record<T>(
        self,
        engine: &Engine,
        answered: Result<T, Status>,
    ) -> Result<T, Status> {
        match answered {
            Ok(answered) => Ok(answered),
            Err(status) => {
                let queries = RefusedQueries { first: &self.queries, count: self.count };
                Err(record_refusal(engine, self.origin, queries, status).await)
            }
        }
    }
}

/// The addresses of a refused call.
#[derive(Clone, Copy, Debug)]
pub struct RefusedQueries<'q> {
    pub first: &'q [v1::AddressQuery],
    pub count: usize,
}

/// Records a refusal; returns the status to answer with.
pub async fn record_refusal(
    engine: &Engine,
    origin: CallOrigin<'_>,
    queries: RefusedQueries<'_>,
    status: Status,
) -> Status {
    if engine.decision_log().is_none() || !is_refusal(status.code()) {
        return status;
    }
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let none = [v1::AddressQuery::default()];
    let first = if queries.first.is_empty() { &none[..] } else { queries.first };
    let items: Vec<_> =
        first.iter().take(MAX_RECORDED).map(|query| refused_record(query, &reason)).collect();
    let snapshot = engine.snapshot();
    let snapshot = snapshot.as_ref().map_or("", |snapshot| snapshot.id());
    let options = ScreeningOptions::default();
    let call = RecordedCall::new(origin, &options, snapshot, engine.now());
    let call = call.with(|call| call.refused_queries = Some(queries.count as u32));
    match call.record(engine, items.iter().map(RecordedItem::as_new)).await {
        Ok(_) => status,
        Err(refusal) => refusal.into(),
    }
}

/// Whether a status refuses what was asked.
fn is_refusal(code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange => true,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}
