//! The end of a call, however it ends: answered, refused, or left by its caller.

use std::sync::Arc;

use http::HeaderValue;
use tokio::time::Instant;
use tonic::Code;
use tracing::Span as Trace;

use crate::grpc::client::code_name;
use crate::grpc::load::UnderWay;
use crate::grpc::method::{METHODS, Span};
use crate::metrics::{Metrics, Turned};
use crate::telemetry;

/// Counts a call as under way until it is dropped, and then knows how it ended.
#[derive(Debug)]
pub struct Finish {
    /// `None` for a call that was refused before it began, or that no limit counts.
    under_way: Option<UnderWay>,
    code: Code,
    told: Told,
}

/// What is told of a call besides how it ended.
#[derive(Debug)]
pub struct Told {
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// The place of its method; none of [`METHODS`] where that is not known.
    pub method: usize,
    /// When its headers were there.
    pub began: Instant,
    /// What its caller calls it.
    pub request_id: Option<HeaderValue>,
    /// Who asks: the name of an identity, where it is known.
    pub caller: Option<Arc<str>>,
    /// The trace that it says it belongs to, for the log.
    pub trace_id: Option<Box<str>>,
    /// Its span, where calls are traced.
    pub span: Option<Box<Trace>>,
}

impl Finish {
    /// A call that begins now. Until it is told otherwise its caller left it.
    pub fn new(told: Told) -> Self {
        told.metrics.call_began();
        Self { under_way: None, code: Code::Cancelled, told }
    }

    /// Counts the call as under way from now on; `caller` names who asks, where that is known.
    pub fn admitted(&mut self, caller: Option<Arc<str>>, under_way: Option<UnderWay>) {
        self.told.caller = caller;
        self.under_way = under_way;
    }

    /// The trace that the call belongs to.
    pub fn span(&self) -> Option<Trace> {
        self.told.span.as_deref().cloned()
    }

    /// What its caller calls it.
    pub fn request_id(&self) -> Option<HeaderValue> {
        self.told.request_id.clone()
    }

    /// Whether it is a question about health.
    pub fn is_probe(&self) -> bool {
        METHODS.get(self.told.method).is_some_and(|method| method.span == Span::Probe)
    }

    /// How the call ended.
    pub fn code(&mut self, code: Code) {
        self.code = code;
    }

    /// Says that the end of the server ended it.
    pub fn drained(&mut self) {
        self.told.metrics.turned(Turned::Draining);
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let Told { metrics, method, began, request_id, caller, trace_id, span } = &self.told;
        let took = began.elapsed();
        metrics.call_ended(*method, self.code as i32, took);
        let turned = match self.code {
            Code::Unauthenticated => Some(Turned::Unauthenticated),
            Code::PermissionDenied => Some(Turned::PermissionDenied),
            Code::ResourceExhausted => Some(Turned::Overloaded),
            Code::DeadlineExceeded => Some(Turned::Deadline),
            _ => None,
        };
        turned.into_iter().for_each(|why| metrics.turned(why));
        telemetry::call_ended(&telemetry::Ended {
            method: METHODS.get(*method).map_or("unknown", |method| method.path),
            code: code_name(self.code as i32),
            number: self.code as i32,
            took,
            request_id: request_id.as_ref().and_then(|id| id.to_str().ok()),
            caller: caller.as_deref(),
            trace_id: trace_id.as_deref(),
            span: span.as_deref(),
        });
    }
}
