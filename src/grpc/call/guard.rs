//! The end of a call, however it ends: answered, refused, or left by its client.

use std::sync::Arc;

use http::HeaderValue;
use tokio::time::Instant;
use tonic::Code;
use tracing::Span as Trace;

use crate::grpc::client::code_name;
use crate::grpc::concurrency::CallPermit;
use crate::grpc::method::{CallClass, METHODS};
use crate::metrics::{Metrics, Rejection};
use crate::telemetry;

/// Counts a call as in flight until dropped, then records how it ended: metrics, log and trace.
#[derive(Debug)]
pub struct CallGuard {
    /// `None` for a call that was refused before it began, or that no limit counts.
    permit: Option<CallPermit>,
    code: Code,
    info: CallInfo,
}

/// Labels of a call for metrics and logs.
#[derive(Debug)]
pub struct CallInfo {
    pub metrics: Arc<Metrics>,
    /// The index of its method in [`METHODS`]; their number where the path is unknown.
    pub method: usize,
    /// When its headers were there.
    pub began: Instant,
    /// The caller's request id.
    pub request_id: Option<HeaderValue>,
    /// The name of the caller's identity, where known.
    pub caller: Option<Arc<str>>,
    /// The id of the trace that the client named, for the log.
    pub trace_id: Option<Box<str>>,
    /// Its span, where calls are traced.
    pub span: Option<Box<Trace>>,
}

impl CallGuard {
    /// Begins a call. Unless [`Self::code`] says otherwise, its client left it.
    pub fn new(info: CallInfo) -> Self {
        info.metrics.call_began();
        Self { permit: None, code: Code::Cancelled, info }
    }

    /// Counts the call against the limits from now on; `caller` is the name of its identity.
    pub fn admitted(&mut self, caller: Option<Arc<str>>, permit: Option<CallPermit>) {
        self.info.caller = caller;
        self.permit = permit;
    }

    /// The trace that the call belongs to.
    pub fn span(&self) -> Option<Trace> {
        self.info.span.as_deref().cloned()
    }

    /// The caller's request id.
    pub fn request_id(&self) -> Option<HeaderValue> {
        self.info.request_id.clone()
    }

    /// Whether it is a health check.
    pub fn is_probe(&self) -> bool {
        METHODS.get(self.info.method).is_some_and(|method| method.class == CallClass::Probe)
    }

    pub fn code(&mut self, code: Code) {
        self.code = code;
    }

    /// Records that the server's shutdown ended it.
    pub fn drained(&mut self) {
        self.info.metrics.rejected(Rejection::Draining);
    }
}

impl Drop for CallGuard {
    #[expect(clippy::wildcard_enum_match_arm, reason = "codes of gRPC; others are no rejections")]
    fn drop(&mut self) {
        let CallInfo { metrics, method, began, request_id, caller, trace_id, span } = &self.info;
        let took = began.elapsed();
        metrics.call_ended(*method, self.code as i32, took);
        let turned = match self.code {
            Code::Unauthenticated => Some(Rejection::Unauthenticated),
            Code::PermissionDenied => Some(Rejection::PermissionDenied),
            Code::ResourceExhausted => Some(Rejection::Overloaded),
            Code::DeadlineExceeded => Some(Rejection::Deadline),
            _ => None,
        };
        turned.into_iter().for_each(|why| metrics.rejected(why));
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
