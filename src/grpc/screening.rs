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
use super::payment::CheckedPayment;
use super::request::{ScreeningOptions, ScreeningRequest, check, checked_query, not_an_address};
use super::status::Refusal;
use super::v1::screening_item::Outcome;
use super::v1::screening_service_server::ScreeningService;
use super::v1::{self, ErrorReason};
use super::{clusters, convert, decided_by, hubs, status, trace};
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::screening::Scope;
use crate::screening::policy::Decision;
use crate::screening::snapshot::Snapshot;
use crate::telemetry;

/// The most addresses in one batch.
pub const MAX_BATCH: usize = 10_000;

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

    fn count(&self, answered: Option<&v1::Screening>) {
        let Some(metrics) = &self.metrics else { return };
        let decided = answered.and_then(|screening| {
            let decision = match screening.decision() {
                v1::Decision::Allow => Decision::Allow,
                v1::Decision::Review => Decision::Review,
                v1::Decision::Block => Decision::Block,
                v1::Decision::Unspecified => return None,
            };
            Some((decision, screening))
        });
        match decided {
            Some((decision, screening)) => {
                let is_complete = screening.status() == v1::ScreeningStatus::Complete;
                metrics.screened(decision, is_complete, decided_by::of(screening));
            }
            None => metrics.not_screened(),
        }
    }

    fn count_items<'i>(&self, items: impl IntoIterator<Item = &'i v1::ScreeningItem>) {
        for item in items {
            match &item.outcome {
                Some(Outcome::Screening(screening)) => self.count(Some(screening)),
                Some(Outcome::Error(_)) | None => self.count(None),
            }
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
        options: &ScreeningOptions,
        mut room: Room,
        (snapshot, now): (&Arc<Snapshot>, Timestamp),
    ) -> Result<Vec<v1::ScreeningItem>, Status> {
        let scope = options.scope(snapshot, now)?;
        let turn = self.load.batches.turn().await?;
        let mut items = Vec::with_capacity(queries.len());
        for (place, query) in queries.into_iter().enumerate() {
            if place % ITEMS_PER_TURN == ITEMS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let item = to_item(screen_by_labels(&self.engine, &scope, query, now));
            if !room.takes(&item, items.is_empty())? {
                break;
            }
            items.push(item);
        }
        drop(turn);
        Ok(items)
    }

    async fn deep_items(
        &self,
        queries: Vec<v1::AddressQuery>,
        options: &ScreeningOptions,
        mut room: Room,
        (snapshot, now): (&Arc<Snapshot>, Timestamp),
    ) -> Result<Vec<v1::ScreeningItem>, Status> {
        if queries.len() > MAX_DEEP_BATCH {
            let message = format!(
                "{} addresses with evidence, or as of a past moment, at most {MAX_DEEP_BATCH}",
                queries.len()
            );
            return Err(Refusal::invalid(ErrorReason::TooManyItems, "queries", message).into());
        }
        let (engine, snapshot, options) = (self.engine.clone(), snapshot.clone(), options.clone());
        let items = in_turn(&self.load.searches, move |caller| {
            let scope = options.scope(&snapshot, now)?;
            let asked = (&scope, options.evidence);
            let mut items = Vec::new();
            for query in queries.into_iter().take_while(|_| !caller.is_gone()) {
                let item = to_item(screen_with_search(&engine, asked, query, now));
                if !room.takes(&item, items.is_empty())? {
                    break;
                }
                items.push(item);
            }
            Ok::<_, Refusal>(items)
        });
        Ok(items.await??)
    }
}

/// Answers from the exposure labels.
pub fn screen_by_labels(
    engine: &Engine,
    scope: &Scope<'_>,
    query: v1::AddressQuery,
    now: Timestamp,
) -> Result<v1::Screening, (String, Refusal)> {
    let ScreeningRequest { request_id, address, chain } = checked_query(query)?;
    match scope.screen(&address, chain.as_ref()) {
        Ok(screening) => {
            engine.count_shadow(&screening);
            Ok(convert::screening(&screening, request_id, scope.snapshot(), now))
        }
        Err(error) => Err((request_id, not_an_address(&error))),
    }
}

/// One answer, with searches. Blocks.
pub fn screen_with_search(
    engine: &Engine,
    (scope, with_evidence): (&Scope<'_>, bool),
    query: v1::AddressQuery,
    now: Timestamp,
) -> Result<v1::Screening, (String, Refusal)> {
    let ScreeningRequest { request_id, address, chain } = checked_query(query)?;
    let snapshot = scope.snapshot();
    let deep = match engine.screen_deep(scope, &address, chain.as_ref(), with_evidence) {
        Ok(deep) => deep,
        Err(error) => return Err((request_id, not_an_address(&error))),
    };
    engine.count_shadow(&deep.screening);
    let mut message = convert::screening(&deep.screening, request_id, snapshot, now);
    for (finding, evidence) in message.findings.iter_mut().zip(&deep.evidence) {
        if let (Some(exposure), Some(evidence)) = (&mut finding.exposure, evidence) {
            exposure.evidence = Some(convert::exposure::evidence(snapshot, evidence));
        }
    }
    for (finding, chain) in message.findings.iter_mut().zip(&deep.joins) {
        finding.common_input_chain = chain.as_ref().map(convert::common_input::chain);
    }
    Ok(message)
}

pub fn to_item(outcome: Result<v1::Screening, (String, Refusal)>) -> v1::ScreeningItem {
    let outcome = match outcome {
        Ok(screening) => Outcome::Screening(screening),
        Err((request_id, refusal)) => Outcome::Error(refusal.into_item_error(request_id)),
    };
    v1::ScreeningItem { outcome: Some(outcome) }
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
        let scope = options.scope(snapshot, now)?;
        let answered = if options.is_deep(&scope) {
            drop(scope);
            let (engine, snapshot, options) =
                (self.engine.clone(), snapshot.clone(), options.clone());
            in_turn(&self.load.searches, move |_| {
                let scope = options.scope(&snapshot, now).map_err(|r| (String::new(), r))?;
                screen_with_search(&engine, (&scope, options.evidence), query, now)
            })
            .await?
        } else {
            let answered = screen_by_labels(&self.engine, &scope, query, now);
            drop(scope);
            answered
        };
        self.count(answered.as_ref().ok());
        let screening = answered.map_err(|(_, refusal)| refusal)?;
        telemetry::record_decision(decision_name(screening.decision()));
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
        let is_deep = batch.options.is_deep(&batch.options.scope(&snapshot, now)?);
        let items = if is_deep {
            self.deep_items(queries, &batch.options, room, (&snapshot, now)).await?
        } else {
            self.items(queries, &batch.options, room, (&snapshot, now)).await?
        };
        self.count_items(&items);
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
        let (response, snapshot) =
            with_engine_in_turn(&self.load.searches, &self.engine, work).await?;
        self.count_items(response.addresses.iter().filter_map(|address| address.item.as_ref()));
        telemetry::record_decision(decision_name(response.decision()));
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
        let load = self.load.clone();
        let counting = self.clone();
        let answers = request.into_inner().map(move |question| session.prepare(question?));
        let answers = answers.then(move |prepared| {
            let load = load.clone();
            async move {
                let Prepared { message, answer } = prepared?;
                let snapshot = match message {
                    Some(MessageWork { service, snapshot, now, options }) => {
                        Some(service.message_for(&snapshot, now, &options).await?)
                    }
                    None => None,
                };
                let item = match answer {
                    PreparedAnswer::Ready(item) => *item,
                    PreparedAnswer::Deep(work) => in_turn(&load.searches, |_| work()).await?,
                };
                Ok(v1::StreamScreenAddressesResponse { item: Some(item), snapshot })
            }
        });
        let answers = answers.map(move |answer: Result<v1::StreamScreenAddressesResponse, _>| {
            counting.count_items(answer.iter().filter_map(|response| response.item.as_ref()));
            answer
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn decision_name(decision: v1::Decision) -> &'static str {
    let name = decision.as_str_name();
    name.strip_prefix("DECISION_").unwrap_or(name)
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
        let scope =
            options.and_then(|options| Ok((options.scope(&snapshot, now)?, options.clone())));
        let answer = match scope {
            Ok((scope, options)) if options.is_deep(&scope) => {
                drop(scope);
                let engine = self.service.engine.clone();
                PreparedAnswer::Deep(Box::new(move || match options.scope(&snapshot, now) {
                    Ok(scope) => {
                        to_item(screen_with_search(&engine, (&scope, options.evidence), query, now))
                    }
                    Err(refusal) => to_item(Err((query.request_id, refusal))),
                }))
            }
            Ok((scope, _)) => PreparedAnswer::Ready(Box::new(to_item(screen_by_labels(
                &self.service.engine,
                &scope,
                query,
                now,
            )))),
            Err(refusal) => {
                PreparedAnswer::Ready(Box::new(to_item(Err((query.request_id, refusal)))))
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
        Some(MessageWork {
            service: self.service.clone(),
            snapshot: snapshot.clone(),
            now,
            options,
        })
    }
}

struct Prepared {
    message: Option<MessageWork>,
    answer: PreparedAnswer,
}

struct MessageWork {
    service: Screenings,
    snapshot: Arc<Snapshot>,
    now: Timestamp,
    options: ScreeningOptions,
}

enum PreparedAnswer {
    Ready(Box<v1::ScreeningItem>),
    Deep(Box<dyn FnOnce() -> v1::ScreeningItem + Send>),
}
