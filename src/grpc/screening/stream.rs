//! `StreamScreenAddresses`: answers in the order of the questions, with the options in force. Questions
//! that are ready together are recorded together.

use std::borrow::Borrow;
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt, stream};

use jiff::Timestamp;
use tonic::{Status, Streaming};

use super::Screenings;
use crate::audit::RecordId;
use crate::engine::decision_log::{RecordedItem, RecordedItems};
use crate::grpc::blocking::in_turn;
use crate::grpc::recording::{self, CallOrigin, RecordedCall};
use crate::grpc::request::ScreeningOptions;
use crate::grpc::screener::{AnsweredItem, ClearRecords, Screener, Unanswered};
use crate::grpc::status::Refusal;
use crate::grpc::v1;
use crate::screening::snapshot::Snapshot;

pub(super) struct Session {
    service: Screenings,
    identity: Arc<str>,
    /// Options that were refused stay in force as a refusal: to go on with those before would
    /// answer another question than was asked.
    options: Result<Arc<ScreeningOptions>, Refusal>,
    /// The snapshot that was sent last, and the moment that its versions are of.
    sent: Option<(String, Option<Timestamp>)>,
    /// What records share under the options in force, by the last snapshot.
    shared: Option<SharedRecords>,
}

/// What records by one snapshot, under one set of options, share.
struct SharedRecords {
    snapshot: Arc<Snapshot>,
    context: Arc<[u8]>,
    /// The moment of evaluation, on which reasons depend.
    now: Timestamp,
    clear: ClearRecords,
}

impl Session {
    pub(super) fn new(service: Screenings, identity: Arc<str>) -> Self {
        Self { service, identity, options: Ok(Arc::default()), sent: None, shared: None }
    }

    fn prepare(
        &mut self,
        question: v1::StreamScreenAddressesRequest,
        now: Timestamp,
    ) -> Result<Prepared, Status> {
        if question.options.is_some() {
            self.options = ScreeningOptions::check(question.options.as_ref(), None).map(Arc::new);
            self.shared = None;
        }
        let snapshot = self.service.snapshot()?;
        let query = question.query.unwrap_or_default();
        let options = self.options.clone();
        let dated = options.clone().unwrap_or_default();
        self.share(&snapshot, &dated, now);
        let message = self.message_of(&snapshot, now, dated);
        let engine = self.service.engine.clone();
        let scope =
            options.and_then(|options| Ok((options.scope(&snapshot, now)?, options.clone())));
        let answer = match scope {
            Ok((scope, options)) if options.evidence || scope.needs_search() => {
                drop(scope);
                PreparedAnswer::Deep(Box::new(move || match options.scope(&snapshot, now) {
                    Ok(scope) => Screener::new(&engine, scope, now).item(query, options.evidence),
                    Err(refusal) => Unanswered::new(&engine, query, refusal).into(),
                }))
            }
            Ok((scope, _)) => {
                let mut screener = Screener::new(&engine, scope, now);
                let mut clear = self.shared.as_mut().map(|shared| &mut shared.clear);
                clear.iter_mut().for_each(|clear| screener.swap_clear_records(clear));
                let item = screener.item(query, false);
                clear.iter_mut().for_each(|clear| screener.swap_clear_records(clear));
                PreparedAnswer::Ready(Box::new(item))
            }
            Err(refusal) => {
                let unanswered = Unanswered::new(&engine, query, refusal);
                PreparedAnswer::Ready(Box::new(unanswered.into()))
            }
        };
        Ok(Prepared { message, answer, recording: self.shared.as_ref().map(Recording::from) })
    }

    /// Makes `shared` that of a snapshot and a moment, under the options in force. `None` where no log is
    /// kept.
    fn share(&mut self, snapshot: &Arc<Snapshot>, options: &ScreeningOptions, now: Timestamp) {
        if self.service.engine.decision_log().is_none() {
            return;
        }
        let known = self.shared.take().filter(|of| Arc::ptr_eq(&of.snapshot, snapshot));
        if let Some(known) = known {
            let clear = if known.now == now { known.clear } else { ClearRecords::default() };
            self.shared = Some(SharedRecords { now, clear, ..known });
            return;
        }
        let origin = CallOrigin { method: "StreamScreenAddresses", identity: &self.identity };
        let call = RecordedCall::new(origin, options, snapshot.id(), now);
        let (snapshot, context) = (snapshot.clone(), call.context());
        let clear = ClearRecords::default();
        self.shared = Some(SharedRecords { snapshot, context, now, clear });
    }

    /// Answers as the transport asks for them, so that a slow reader holds back the reading of its own
    /// questions and nothing piles up here but a few ready answers.
    pub(super) fn answers(self, questions: Questions) -> impl Stream<Item = StreamedAnswer> {
        let state = Conversation { session: self, questions, next: None };
        let parts = stream::unfold(state, |mut state| async {
            let part = state.next_part().await?;
            let answers = state.session.service.answer_part(part).await;
            Some((stream::iter(answers), state))
        });
        parts.flatten()
    }

    /// What the data versions are made of, unless the answer before had the same.
    fn message_of(
        &mut self,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        options: Arc<ScreeningOptions>,
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

/// What is recorded beside an item: the context, and the moment of evaluation.
struct Recording {
    context: Arc<[u8]>,
    now: Timestamp,
}

impl From<&SharedRecords> for Recording {
    fn from(shared: &SharedRecords) -> Self {
        Self { context: shared.context.clone(), now: shared.now }
    }
}

impl Recording {
    /// Whether items of both may share leaves.
    fn is_alike(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.context, &other.context) && self.now == other.now
    }
}

/// Items that may share leaves, with the places of their answers.
struct RecordedGroup {
    recording: Recording,
    items: RecordedItems,
    places: Vec<usize>,
}

/// The most questions that are answered and recorded together.
const MOST_TOGETHER: usize = 64;

type Questions = Streaming<v1::StreamScreenAddressesRequest>;

type StreamedAnswer = Result<v1::StreamScreenAddressesResponse, Status>;

/// A stream of questions while it is answered.
struct Conversation {
    session: Session,
    questions: Questions,
    /// Prepared already: it searches, and so is answered alone.
    next: Option<Prepared>,
}

impl Conversation {
    /// The next question, with those that are ready behind it; `None` at the end. The last is an error
    /// where the stream has one.
    async fn next_part(&mut self) -> Option<Vec<Result<Prepared, Status>>> {
        if let Some(next) = self.next.take() {
            return Some(vec![Ok(next)]);
        }
        let first = self.questions.next().await?;
        let now = self.session.service.engine.now();
        let mut part = vec![first.and_then(|question| self.session.prepare(question, now))];
        while part.len() < MOST_TOGETHER && part.last().is_some_and(is_ready) {
            let Some(Some(question)) = self.questions.next().now_or_never() else { break };
            match question.and_then(|question| self.session.prepare(question, now)) {
                Ok(deep) if !is_ready(&Ok(&deep)) => {
                    self.next = Some(deep);
                    break;
                }
                prepared => part.push(prepared),
            }
        }
        Some(part)
    }
}

fn is_ready<P: Borrow<Prepared>>(prepared: &Result<P, Status>) -> bool {
    prepared.as_ref().is_ok_and(|it| matches!(it.borrow().answer, PreparedAnswer::Ready(_)))
}

impl Screenings {
    /// Answers questions, and records the answers before any leaves.
    async fn answer_part(&self, part: Vec<Result<Prepared, Status>>) -> Vec<StreamedAnswer> {
        let mut answers = Vec::with_capacity(part.len());
        let mut records: Vec<RecordedGroup> = Vec::new();
        for prepared in part {
            let answered = match prepared {
                Ok(prepared) => self.answer_prepared(prepared).await,
                Err(status) => Err(status),
            };
            let place = answers.len();
            answers.push(answered.map(|AnsweredQuestion { response, recording, record }| {
                let Some((recording, record)) = recording.zip(record) else { return response };
                match records.last_mut().filter(|group| group.recording.is_alike(&recording)) {
                    Some(group) => {
                        group.items.push(&record);
                        group.places.push(place);
                    }
                    None => {
                        let mut items = RecordedItems::default();
                        items.push(&record);
                        records.push(RecordedGroup { recording, items, places: vec![place] });
                    }
                }
                response
            }));
        }
        match self.record_part(records).await {
            Ok(ids) => {
                for (place, id) in ids {
                    if let Some(Ok(response)) = answers.get_mut(place) {
                        response.record_id = id.to_string();
                    }
                }
                answers
            }
            Err(refusal) => vec![Err(refusal.into())],
        }
    }

    /// Records groups of items; the ids by the places of their answers.
    async fn record_part(
        &self,
        groups: Vec<RecordedGroup>,
    ) -> Result<Vec<(usize, RecordId)>, Refusal> {
        let mut ids = Vec::new();
        let mut last = None;
        for RecordedGroup { recording: Recording { context, now }, items, places } in groups {
            let recorded = recording::append(&self.engine, &context, now, items.iter())?;
            let Some(recorded) = recorded else { continue };
            let of_item = |(n, place)| (place, recorded.first.following(n));
            ids.extend(places.into_iter().enumerate().map(of_item));
            last = Some(recorded.after(last));
        }
        let is_recorded = last.is_some();
        let finished = recording::finish(&self.engine, last).await?;
        // Where answers go on without records, none is named.
        Ok(if is_recorded && finished.is_none() { Vec::new() } else { ids })
    }

    async fn answer_prepared(&self, prepared: Prepared) -> Result<AnsweredQuestion, Status> {
        let Prepared { message, answer, recording } = prepared;
        let snapshot = match message {
            Some(MessageWork { snapshot, now, options }) => {
                Some(self.message_for(&snapshot, now, &options).await?)
            }
            None => None,
        };
        let AnsweredItem { item, summary, record } = match answer {
            PreparedAnswer::Ready(item) => *item,
            PreparedAnswer::Deep(work) => in_turn(&self.load.searches, |_| work()).await?,
        };
        self.count(summary);
        let record_id = String::new();
        let item = Some(item);
        let response = v1::StreamScreenAddressesResponse { item, snapshot, record_id };
        Ok(AnsweredQuestion { response, recording, record })
    }
}

struct Prepared {
    message: Option<MessageWork>,
    answer: PreparedAnswer,
    /// `None` where no log is kept.
    recording: Option<Recording>,
}

struct AnsweredQuestion {
    response: v1::StreamScreenAddressesResponse,
    recording: Option<Recording>,
    record: Option<RecordedItem<'static>>,
}

struct MessageWork {
    snapshot: Arc<Snapshot>,
    now: Timestamp,
    options: Arc<ScreeningOptions>,
}

enum PreparedAnswer {
    Ready(Box<AnsweredItem>),
    Deep(Box<dyn FnOnce() -> AnsweredItem + Send>),
}
