//! `ScreeningService`: translates requests and answers; `screening` decides.

mod basis;
mod batch;

use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use basis::Basis;
use batch::{Batch, Room};

use super::blocking::{blocking, in_turn, with_engine_in_turn};
use super::call::{AnswerLimit, CallHeaders};
use super::concurrency::ConcurrencyLimits;
use super::payment::{AnsweredPayment, CheckedPayment};
use super::request::{ScreeningOptions, check};
use super::screener::{Answered, AnsweredItem, Screener};
use super::status::Refusal;
use super::v1::screening_service_server::ScreeningService;
use super::v1::{self, ErrorReason};
use super::{clusters, convert, hubs, status, trace};
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::screening::ScreeningSummary;
use crate::screening::snapshot::Snapshot;
use crate::telemetry;

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

impl Screenings {
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
        (snapshot, now): (&Arc<Snapshot>, Timestamp),
    ) -> Result<AnsweredItems, Status> {
        if queries.len() > MAX_DEEP_BATCH {
            let message = format!(
                "{} addresses with evidence, or as of a past moment, at most {MAX_DEEP_BATCH}",
                queries.len()
            );
            return Err(Refusal::invalid(ErrorReason::TooManyItems, "queries", message).into());
        }
        let (engine, snapshot, options) = (self.engine.clone(), snapshot.clone(), options.clone());
        let items = in_turn(&self.load.searches, move |caller| {
            let screener = Screener { engine: &engine, scope: options.scope(&snapshot, now)?, now };
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

type Answers =
    Pin<Box<dyn Stream<Item = Result<v1::StreamScreenAddressesResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ScreeningService for Screenings {
    async fn screen_address(
        &self,
        request: Request<v1::ScreenAddressRequest>,
    ) -> Result<Response<v1::ScreenAddressResponse>, Status> {
        let v1::ScreenAddressRequest { query, options } = request.into_inner();
        let query = query.ok_or_else(|| status::invalid_field("query", "missing"));
        let (query, options) =
            match ScreeningOptions::check_past(options.as_ref(), Some(&self.engine)) {
                Ok(options) => (query?, options),
                Err(refusal) => {
                    let checked = query.and_then(|query| check(&query));
                    return Err(refusal.after(checked).into());
                }
            };
        let basis = self.basis(&options).await?;
        let Basis { snapshot, now, .. } = &basis;
        let now = *now;
        let screener = Screener { engine: &self.engine, scope: options.scope(snapshot, now)?, now };
        let answered = if screener.is_deep(options.evidence) {
            drop(screener);
            let (engine, snapshot, options) =
                (self.engine.clone(), snapshot.clone(), options.clone());
            in_turn(&self.load.searches, move |_| {
                let scope = options.scope(&snapshot, now).map_err(|r| (String::new(), r))?;
                Screener { engine: &engine, scope, now }.answer(query, options.evidence)
            })
            .await?
        } else {
            let answered = screener.answer(query, false);
            drop(screener);
            answered
        };
        self.count(answered.as_ref().ok().map(|answered| answered.summary));
        let Answered { screening, summary } = answered.map_err(|(_, refusal)| refusal)?;
        telemetry::record_decision(summary.decision.as_str());
        Ok(Response::new(v1::ScreenAddressResponse {
            screening: Some(screening),
            snapshot: self.message_by(&basis, &options).await?,
        }))
    }

    async fn batch_screen_addresses(
        &self,
        request: Request<v1::BatchScreenAddressesRequest>,
    ) -> Result<Response<v1::BatchScreenAddressesResponse>, Status> {
        let limit = CallHeaders::read(request.metadata().as_ref()).answer_limit()?;
        let mut batch = Batch::check(request.into_inner(), &self.engine)?;
        let basis = self.basis(&batch.options).await?;
        let message = self.message_by(&basis, &batch.options).await?;
        let Basis { snapshot, now, .. } = basis;
        let room = batch.room(message.as_ref(), snapshot.id(), limit);
        let queries = std::mem::take(&mut batch.queries);
        let scope = batch.options.scope(&snapshot, now)?;
        let screener = Screener { engine: &self.engine, scope, now };
        let AnsweredItems { items, summaries } = if screener.is_deep(batch.options.evidence) {
            drop(screener);
            self.deep_items(queries, &batch.options, room, (&snapshot, now)).await?
        } else {
            self.items(queries, screener, room).await?
        };
        summaries.into_iter().for_each(|summary| self.count(summary));
        let mut response = Response::new(v1::BatchScreenAddressesResponse {
            next_page_token: batch.token_after(items.len()),
            items,
            snapshot: message,
            snapshot_id: snapshot.id().to_owned(),
        });
        if let Some(most) = batch.most {
            response.extensions_mut().insert(AnswerLimit(most));
        }
        Ok(response)
    }

    async fn trace_exposure(
        &self,
        request: Request<v1::TraceExposureRequest>,
    ) -> Result<Response<v1::TraceExposureResponse>, Status> {
        trace::trace(&self.engine, &self.load, request.into_inner()).await.map(Response::new)
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
        let request = request.into_inner();
        let is_snapshot_wanted = request.options.as_ref().is_some_and(|it| it.include_snapshot);
        let asked = CheckedPayment::check(request, &self.engine)?;
        let now = self.engine.now();
        let work = move |engine: &Arc<Engine>| asked.answer(engine, now);
        let AnsweredPayment { response, snapshot, decision, summaries } =
            with_engine_in_turn(&self.load.searches, &self.engine, work).await?;
        summaries.into_iter().for_each(|summary| self.count(summary));
        telemetry::record_decision(decision.as_str());
        let snapshot = is_snapshot_wanted.then(|| self.message(&snapshot, now));
        Ok(Response::new(v1::ScreenPaymentResponse { snapshot, ..response }))
    }

    type StreamScreenAddressesStream = Answers;

    async fn stream_screen_addresses(
        &self,
        request: Request<Streaming<v1::StreamScreenAddressesRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut session =
            Session { service: self.clone(), options: Ok(ScreeningOptions::default()), sent: None };
        // Answers are made as the transport asks for them, so that a slow reader holds back the
        // reading of its own questions and nothing piles up here.
        let service = self.clone();
        let answers = request.into_inner().map(move |question| session.prepare(question?));
        let answers = answers.then(move |prepared| {
            let service = service.clone();
            async move {
                let Prepared { message, answer } = prepared?;
                let snapshot = match message {
                    Some(MessageWork { snapshot, now, options }) => {
                        Some(service.message_for(&snapshot, now, &options).await?)
                    }
                    None => None,
                };
                let AnsweredItem { item, summary } = match answer {
                    PreparedAnswer::Ready(item) => *item,
                    PreparedAnswer::Deep(work) => {
                        in_turn(&service.load.searches, |_| work()).await?
                    }
                };
                service.count(summary);
                Ok(v1::StreamScreenAddressesResponse { item: Some(item), snapshot })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// The answers to a batch, and what is counted of each.
#[derive(Default)]
struct AnsweredItems {
    items: Vec<v1::ScreeningItem>,
    summaries: Vec<Option<ScreeningSummary>>,
}

impl AnsweredItems {
    fn with_capacity(count: usize) -> Self {
        Self { items: Vec::with_capacity(count), summaries: Vec::with_capacity(count) }
    }

    /// Adds an answer if there is room for it.
    fn push(&mut self, answer: AnsweredItem, room: &mut Room) -> Result<bool, Refusal> {
        let fits = room.takes(&answer.item, self.items.is_empty())?;
        if fits {
            self.items.push(answer.item);
            self.summaries.push(answer.summary);
        }
        Ok(fits)
    }
}

struct Session {
    service: Screenings,
    /// Options that were refused stay in force as a refusal: to go on with those before would
    /// answer another question than was asked.
    options: Result<ScreeningOptions, Refusal>,
    /// The snapshot that was sent last, and the moment that its versions are of.
    sent: Option<(String, Option<Timestamp>)>,
}

impl Session {
    fn prepare(&mut self, question: v1::StreamScreenAddressesRequest) -> Result<Prepared, Status> {
        if question.options.is_some() {
            self.options = ScreeningOptions::check(question.options.as_ref(), None);
        }
        let snapshot = self.service.snapshot()?;
        let now = self.service.engine.now();
        let query = question.query.unwrap_or_default();
        let options = self.options.clone();
        let dated = options.clone().unwrap_or_default();
        let message = self.message_of(&snapshot, now, dated);
        let engine = self.service.engine.clone();
        let scope =
            options.and_then(|options| Ok((options.scope(&snapshot, now)?, options.clone())));
        let answer = match scope {
            Ok((scope, options)) if options.evidence || scope.needs_search() => {
                drop(scope);
                PreparedAnswer::Deep(Box::new(move || match options.scope(&snapshot, now) {
                    Ok(scope) => {
                        Screener { engine: &engine, scope, now }.item(query, options.evidence)
                    }
                    Err(refusal) => AnsweredItem::refused(query.request_id, refusal),
                }))
            }
            Ok((scope, _)) => {
                let screener = Screener { engine: &engine, scope, now };
                PreparedAnswer::Ready(Box::new(screener.item(query, false)))
            }
            Err(refusal) => {
                PreparedAnswer::Ready(Box::new(AnsweredItem::refused(query.request_id, refusal)))
            }
        };
        Ok(Prepared { message, answer })
    }

    /// What the data versions are made of, unless the answer before had the same.
    fn message_of(
        &mut self,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        options: ScreeningOptions,
    ) -> Option<MessageWork> {
        if !options.include_snapshot {
            return None;
        }
        let as_of = options.narrowing.as_of;
        let is_sent = |(id, at): &(String, _)| id == snapshot.id() && *at == as_of;
        if self.sent.as_ref().is_some_and(is_sent) {
            return None;
        }
        self.sent = Some((snapshot.id().to_owned(), as_of));
        Some(MessageWork { snapshot: snapshot.clone(), now, options })
    }
}

struct Prepared {
    message: Option<MessageWork>,
    answer: PreparedAnswer,
}

struct MessageWork {
    snapshot: Arc<Snapshot>,
    now: Timestamp,
    options: ScreeningOptions,
}

enum PreparedAnswer {
    Ready(Box<AnsweredItem>),
    Deep(Box<dyn FnOnce() -> AnsweredItem + Send>),
}
