//! `StreamScreenAddresses`: prepares answers in the order of the questions, with the options in force.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::Status;

use super::Screenings;
use crate::grpc::recording::RecordedCall;
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

    pub(super) fn prepare(
        &mut self,
        question: v1::StreamScreenAddressesRequest,
    ) -> Result<Prepared, Status> {
        if question.options.is_some() {
            self.options = ScreeningOptions::check(question.options.as_ref(), None);
        }
        let snapshot = self.service.snapshot()?;
        let now = self.service.engine.now();
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

pub(super) struct Prepared {
    pub(super) message: Option<MessageWork>,
    pub(super) answer: PreparedAnswer,
    pub(super) call: RecordedCall,
}

pub(super) struct MessageWork {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: Timestamp,
    pub(super) options: ScreeningOptions,
}

pub(super) enum PreparedAnswer {
    Ready(Box<AnsweredItem>),
    Deep(Box<dyn FnOnce() -> AnsweredItem + Send>),
}
