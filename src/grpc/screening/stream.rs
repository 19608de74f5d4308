//! `StreamScreenAddresses`: answers in the order of the questions, with the options in force. Questions
//! that are ready together are recorded together.

use std::borrow::Borrow;
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt, stream};

use jiff::Timestamp;
use tonic::{Status, Streaming};

use super::Screenings;
use crate::audit::RecordId;
use crate::engine::decision_log::RecordedItem;
use crate::grpc::blocking::in_turn;
use crate::grpc::recording::{self, RecordedCall};
use crate::grpc::request::ScreeningOptions;
use crate::grpc::screener::{AnsweredItem, Screener, Unanswered};
use crate::grpc::status::Refusal;
use crate::grpc::v1;
use crate::screening::snapshot::Snapshot;

pub(super) struct Session {
    service: Screenings,
    identity: Arc<str>,
    /// Options that were refused stay in force as a refusal: to go on with those before would
    /// answer another question than was asked.
    options: Result<ScreeningOptions, Refusal>,
    /// The snapshot that was sent last, and the moment that its versions are of.
    sent: Option<(String, Option<Timestamp>)>,
}

impl Session {
    pub(super) fn new(service: Screenings, identity: Arc<str>) -> Self {
        Self { service, identity, options: Ok(ScreeningOptions::default()), sent: None }
    }

    fn prepare(
        &mut self,
        question: v1::StreamScreenAddressesRequest,
        now: Timestamp,
    ) -> Result<Prepared, Status> {
        if question.options.is_some() {
            self.options = ScreeningOptions::check(question.options.as_ref(), None);
        }
        let snapshot = self.service.snapshot()?;
        let query = question.query.unwrap_or_default();
        let options = self.options.clone();
        let dated = options.clone().unwrap_or_default();
        let call = ("StreamScreenAddresses", &*self.identity);
        let call = RecordedCall::new(call, &dated, snapshot.id(), now);
        let message = self.message_of(&snapshot, now, dated);
        let engine = self.service.engine.clone();
        let scope =
            options.and_then(|options| Ok((options.scope(&snapshot, now)?, options.clone())));
        let answer = match scope {
            Ok((scope, options)) if options.evidence || scope.needs_search() => {
                drop(scope);
                PreparedAnswer::Deep(Box::new(move || match options.scope(&snapshot, now) {
                    Ok(scope) => Screener::new(&engine, scope, now).item(query, options.evidence),
                    Err(refusal) => Unanswered::unasked(query.request_id, refusal).into(),
                }))
            }
            Ok((scope, _)) => {
                let screener = Screener::new(&engine, scope, now);
                PreparedAnswer::Ready(Box::new(screener.item(query, false)))
            }
            Err(refusal) => {
                let unanswered = Unanswered::unasked(query.request_id, refusal);
                PreparedAnswer::Ready(Box::new(unanswered.into()))
            }
        };
        Ok(Prepared { message, answer, call })
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

/// What may share leaves: a call, and its items with the places of their answers.
type RecordedGroup = (RecordedCall, Vec<(RecordedItem<'static>, usize)>);

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
            answers.push(answered.map(|(response, call, record)| {
                let Some(record) = record else { return response };
                match records.last_mut() {
                    Some((known, items)) if known.is_alike(&call) => items.push((record, place)),
                    _ => records.push((call, vec![(record, place)])),
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
        for (call, items) in groups {
            let (items, places): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            let Some(recorded) = call.append(&self.engine, &items)? else { continue };
            let of_item = |(n, place)| (place, recorded.first.following(n));
            ids.extend(places.into_iter().enumerate().map(of_item));
            last = Some(recorded);
        }
        let is_recorded = last.is_some();
        let finished = recording::finish(&self.engine, last).await?;
        // Where answers go on without records, none is named.
        Ok(if is_recorded && finished.is_none() { Vec::new() } else { ids })
    }

    async fn answer_prepared(
        &self,
        prepared: Prepared,
    ) -> Result<
        (v1::StreamScreenAddressesResponse, RecordedCall, Option<RecordedItem<'static>>),
        Status,
    > {
        let Prepared { message, answer, call } = prepared;
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
        Ok((v1::StreamScreenAddressesResponse { item, snapshot, record_id }, call, record))
    }
}

struct Prepared {
    message: Option<MessageWork>,
    answer: PreparedAnswer,
    call: RecordedCall,
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
