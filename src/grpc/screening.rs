//! `ScreeningService`: translates requests and answers; `screening` decides.

mod basis;
mod batch;
mod stream;
mod unary;

use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use basis::Basis;
use batch::{Batch, Room};
use stream::Session;
use unary::NoAnswer;

use super::blocking::{blocking, in_turn, with_engine_in_turn};
use super::call::{AnswerLimit, CallHeaders};
use super::concurrency::ConcurrencyLimits;
use super::payment::{AnsweredPayment, CheckedPayment};
use super::recording::{CallOrigin, RecordedCall};
use super::refused_call::{RefusableCall, RefusedQueries, record_refusal};
use super::request::ScreeningOptions;
use super::screener::{Answered, AnsweredItem, Screener, Unanswered};
use super::status::Refusal;
use super::v1::screening_service_server::ScreeningService;
use super::v1::{self, ErrorReason};
use super::{access, clusters, convert, hubs, status, trace};
use crate::engine::Engine;
use crate::engine::decision_log::RecordedItems;
use crate::metrics::Metrics;
use crate::screening::ScreeningSummary;
use crate::screening::snapshot::Snapshot;

/// The most addresses in one batch where each takes a search.
const MAX_DEEP_BATCH: usize = 1_000;

/// After so many items a batch lets other calls go on.
const ITEMS_PER_TURN: usize = 64;

#[derive(Clone, Debug)]
pub struct Screenings {
    engine: Arc<Engine>,
    load: Arc<ConcurrencyLimits>,
    /// `None` where the process asks itself: many threads would meet at the counters.
    metrics: Option<Arc<Metrics>>,
    template: Arc<ArcSwapOption<Template>>,
}

/// A snapshot and its message, made once per snapshot.
#[derive(Debug)]
struct Template {
    snapshot: Arc<Snapshot>,
    message: v1::Snapshot,
}

impl Screenings {
    /// The service over `engine`, with the turns of `load`.
    pub fn new(engine: Arc<Engine>, load: Arc<ConcurrencyLimits>) -> Self {
        Self { engine, load, metrics: None, template: Arc::default() }
    }

    pub fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    fn count(&self, answered: Option<ScreeningSummary>) {
        let Some(metrics) = &self.metrics else { return };
        match answered {
            Some(summary) => metrics.screened(summary),
            None => metrics.not_screened(),
        }
    }

    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, Refusal> {
        self.engine.snapshot().ok_or_else(status::not_loaded)
    }

    pub(super) fn message(&self, snapshot: &Arc<Snapshot>, at: Timestamp) -> v1::Snapshot {
        let template = self.template.load();
        let mut message = match &*template {
            Some(template) if Arc::ptr_eq(&template.snapshot, snapshot) => template.message.clone(),
            _ => {
                let message = convert::snapshot(&self.engine, snapshot.id(), snapshot.record());
                let template = Template { snapshot: snapshot.clone(), message: message.clone() };
                self.template.store(Some(Arc::new(template)));
                message
            }
        };
        convert::set_ages(&mut message, snapshot, at);
        message
    }

    /// The same for the moment that `options` ask for. Blocks where that is a past one.
    pub(super) fn dated_message(
        &self,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        options: &ScreeningOptions,
    ) -> Result<v1::Snapshot, Refusal> {
        let mut message = self.message(snapshot, now);
        if let Some(as_of) = options.narrowing.as_of {
            let lists = self.engine.lists_as_of(snapshot, as_of)?;
            convert::past::set_past(&mut message, snapshot, &lists, as_of);
        }
        Ok(message)
    }

    /// The same, away from the thread that serves where it blocks.
    async fn message_for(
        &self,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        options: &ScreeningOptions,
    ) -> Result<v1::Snapshot, Status> {
        if options.narrowing.as_of.is_none() {
            return Ok(self.message(snapshot, now));
        }
        let (service, snapshot, options) = (self.clone(), snapshot.clone(), options.clone());
        Ok(blocking(move || service.dated_message(&snapshot, now, &options)).await??)
    }
}

/// A snapshot and the moment of evaluation.
#[derive(Clone, Copy, Debug)]
struct Moment<'s> {
    snapshot: &'s Arc<Snapshot>,
    now: Timestamp,
}

impl Screenings {
    /// The answer to one address by a snapshot at a moment.
    async fn answer_one(
        &self,
        moment: Moment<'_>,
        options: &ScreeningOptions,
        query: v1::AddressQuery,
    ) -> Result<Answered, NoAnswer> {
        let Moment { snapshot, now } = moment;
        let scope = match options.scope(snapshot, now) {
            Ok(scope) => scope,
            Err(refusal) => return Err(Unanswered::new(&self.engine, query, refusal).into()),
        };
        let screener = Screener::new(&self.engine, scope, now);
        if !screener.is_deep(options.evidence) {
            return Ok(screener.answer(query, false)?);
        }
        drop(screener);
        let (engine, snapshot, options) = (self.engine.clone(), snapshot.clone(), options.clone());
        let answered = in_turn(&self.load.searches, move |_| {
            let scope = options.scope(&snapshot, now)?;
            let screener = Screener::new(&engine, scope, now);
            Ok(screener.answer(query, options.evidence)?)
        });
        // Large, and most answers take no search.
        Box::pin(answered).await?
    }

    async fn answer_payment(
        &self,
        asked: CheckedPayment,
        now: Timestamp,
    ) -> Result<AnsweredPayment, Status> {
        let work = move |engine: &Arc<Engine>| asked.answer(engine, now);
        with_engine_in_turn(&self.load.searches, &self.engine, work).await
    }

    /// The answers to a batch by labels, as far as there is room.
    async fn items(
        &self,
        queries: Vec<v1::AddressQuery>,
        screener: Screener<'_>,
        mut room: Room,
    ) -> Result<AnsweredItems, Status> {
        let turn = self.load.batches.turn().await?;
        let mut answers = AnsweredItems::with_capacity(queries.len());
        for (place, query) in queries.into_iter().enumerate() {
            if place % ITEMS_PER_TURN == ITEMS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            if !answers.push(screener.item(query, false), &mut room)? {
                break;
            }
        }
        drop(turn);
        Ok(answers)
    }

    async fn deep_items(
        &self,
        queries: Vec<v1::AddressQuery>,
        options: &ScreeningOptions,
        mut room: Room,
        moment: Moment<'_>,
    ) -> Result<AnsweredItems, Status> {
        let Moment { snapshot, now } = moment;
        if queries.len() > MAX_DEEP_BATCH {
            let message = format!(
                "{} addresses with evidence, or as of a past moment, at most {MAX_DEEP_BATCH}",
                queries.len()
            );
            return Err(Refusal::invalid(ErrorReason::TooManyItems, "queries", message).into());
        }
        let (engine, snapshot, options) = (self.engine.clone(), snapshot.clone(), options.clone());
        let items = in_turn(&self.load.searches, move |caller| {
            let screener = Screener::new(&engine, options.scope(&snapshot, now)?, now);
            let mut answers = AnsweredItems::default();
            for query in queries.into_iter().take_while(|_| !caller.is_gone()) {
                if !answers.push(screener.item(query, options.evidence), &mut room)? {
                    break;
                }
            }
            Ok::<_, Refusal>(answers)
        });
        Ok(items.await??)
    }
}

impl Screenings {
    async fn screen_batch(
        &self,
        origin: CallOrigin<'_>,
        request: v1::BatchScreenAddressesRequest,
        limit: usize,
    ) -> Result<Response<v1::BatchScreenAddressesResponse>, Status> {
        let mut batch = Batch::check(request, &self.engine)?;
        let basis = self.basis(&batch.options).await?;
        let message = self.message_by(&basis, &batch.options).await?;
        let Basis { snapshot, now, .. } = basis;
        let room = batch.room(message.as_ref(), snapshot.id(), limit);
        let queries = std::mem::take(&mut batch.queries);
        let scope = batch.options.scope(&snapshot, now)?;
        let screener = Screener::new(&self.engine, scope, now);
        let AnsweredItems { items, summaries, records } =
            if screener.is_deep(batch.options.evidence) {
                drop(screener);
                let moment = Moment { snapshot: &snapshot, now };
                self.deep_items(queries, &batch.options, room, moment).await?
            } else {
                self.items(queries, screener, room).await?
            };
        summaries.into_iter().for_each(|summary| self.count(summary));
        let call = RecordedCall::new(origin, &batch.options, snapshot.id(), now);
        let record_id = call.record(&self.engine, records.iter()).await?;
        let mut response = Response::new(v1::BatchScreenAddressesResponse {
            next_page_token: batch.token_after(items.len()),
            items,
            snapshot: message,
            snapshot_id: snapshot.id().to_owned(),
            record_id,
        });
        if let Some(most) = batch.most {
            response.extensions_mut().insert(AnswerLimit(most));
        }
        Ok(response)
    }
}

type Answers =
    Pin<Box<dyn Stream<Item = Result<v1::StreamScreenAddressesResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ScreeningService for Screenings {
    async fn screen_address(
        &self,
        request: Request<v1::ScreenAddressRequest>,
    ) -> Result<Response<v1::ScreenAddressResponse>, Status> {
        let identity = access::identity(&request);
        let origin = CallOrigin { method: "ScreenAddress", identity: &identity };
        let mut request = request.into_inner();
        let checked = match self.check_address(&identity, &mut request).await {
            Ok(checked) => checked,
            Err(status) => {
                let first = request.query.as_slice();
                let queries = RefusedQueries { first, count: first.len() };
                return Err(record_refusal(&self.engine, origin, queries, status).await);
            }
        };
        let query = request.query.unwrap_or_default();
        self.screen_checked(origin, checked, query).await.map(Response::new)
    }

    async fn batch_screen_addresses(
        &self,
        request: Request<v1::BatchScreenAddressesRequest>,
    ) -> Result<Response<v1::BatchScreenAddressesResponse>, Status> {
        let limit = CallHeaders::read(request.metadata().as_ref()).answer_limit()?;
        let identity = access::identity(&request);
        let origin = CallOrigin { method: "BatchScreenAddresses", identity: &identity };
        let request = request.into_inner();
        let refusable = RefusableCall::new(&self.engine, origin, request.queries.iter());
        let answered = self.screen_batch(origin, request, limit).await;
        refusable.record(&self.engine, answered).await
    }

    async fn trace_exposure(
        &self,
        request: Request<v1::TraceExposureRequest>,
    ) -> Result<Response<v1::TraceExposureResponse>, Status> {
        let identity = access::identity(&request);
        trace::trace(&self.engine, &self.load, &identity, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_hubs(
        &self,
        request: Request<v1::ListHubsRequest>,
    ) -> Result<Response<v1::ListHubsResponse>, Status> {
        hubs::list(&self.engine, &self.load, request.into_inner()).await.map(Response::new)
    }

    async fn list_cluster(
        &self,
        request: Request<v1::ListClusterRequest>,
    ) -> Result<Response<v1::ListClusterResponse>, Status> {
        clusters::list(&self.engine, &self.load, request.into_inner()).await.map(Response::new)
    }

    async fn screen_payment(
        &self,
        request: Request<v1::ScreenPaymentRequest>,
    ) -> Result<Response<v1::ScreenPaymentResponse>, Status> {
        let identity = access::identity(&request);
        let origin = CallOrigin { method: "ScreenPayment", identity: &identity };
        let request = request.into_inner();
        let addresses: Vec<_> = request.sources.iter().chain(&request.destinations).collect();
        let refusable = RefusableCall::new(&self.engine, origin, addresses.into_iter());
        let answered = self.screen_one_payment(origin, request).await;
        refusable.record(&self.engine, answered).await.map(Response::new)
    }

    type StreamScreenAddressesStream = Answers;

    async fn stream_screen_addresses(
        &self,
        request: Request<Streaming<v1::StreamScreenAddressesRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let identity = access::identity(&request);
        let session = Session::new(self.clone(), identity);
        Ok(Response::new(Box::pin(session.answers(request.into_inner()))))
    }
}

/// The answers to a batch, and what is counted of each.
#[derive(Default)]
struct AnsweredItems {
    items: Vec<v1::ScreeningItem>,
    summaries: Vec<Option<ScreeningSummary>>,
    /// One for each item where a log is kept.
    records: RecordedItems,
}

impl AnsweredItems {
    fn with_capacity(count: usize) -> Self {
        Self {
            items: Vec::with_capacity(count),
            summaries: Vec::with_capacity(count),
            records: RecordedItems::default(),
        }
    }

    /// Adds an answer if there is room for it.
    fn push(&mut self, answer: AnsweredItem, room: &mut Room) -> Result<bool, Refusal> {
        let fits = room.takes(&answer.item, self.items.is_empty())?;
        if fits {
            self.items.push(answer.item);
            self.summaries.push(answer.summary);
            answer.record.iter().for_each(|record| self.records.push(record));
        }
        Ok(fits)
    }
}
