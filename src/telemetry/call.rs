//! The trace span and the log event of a call. Neither contains an address or a customer's name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::TraceContextExt;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::context;

/// The target of spans of calls, which go into traces and not into the log.
pub(super) const SPANS: &str = "lazaretto::spans";

/// Whether calls are traced; if not, spans cost nothing.
static TRACED: AtomicBool = AtomicBool::new(false);

/// Turns tracing of calls on.
pub(super) fn enable_tracing() {
    TRACED.store(true, Ordering::Relaxed);
}

fn is_traced() -> bool {
    TRACED.load(Ordering::Relaxed)
}

/// Creates the span of a call of `path` (`/SERVICE/METHOD`) with the parent in its headers; `None` if
/// calls are not traced.
pub fn call_span(headers: &HeaderMap, path: &'static str, request_id: &str) -> Option<Span> {
    if !is_traced() {
        return None;
    }
    let name = path.trim_start_matches('/');
    let (service, method) = name.split_once('/').unwrap_or((name, name));
    let span = tracing::info_span!(
        target: SPANS,
        "call",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        lazaretto.request_id = Empty,
        lazaretto.identity = Empty,
        lazaretto.decision = Empty,
    );
    if !request_id.is_empty() {
        span.record("lazaretto.request_id", request_id);
    }
    // Fails only for a span that has begun.
    if let Err(error) = span.set_parent(context::extract(headers)) {
        tracing::debug!(%error, "call traced without its parent");
    }
    Some(span)
}

/// Returns the trace id in the headers of a call, 32 hex digits, if calls are logged.
pub fn logged_trace_id(headers: &HeaderMap) -> Option<String> {
    if tracing::enabled!(tracing::Level::DEBUG) {
        context::trace_id(headers).map(str::to_owned)
    } else {
        None
    }
}

/// Creates the span for work of the current call on another thread.
pub fn work_span() -> Span {
    if is_traced() {
        tracing::info_span!(target: SPANS, "work", otel.kind = "internal")
    } else {
        Span::none()
    }
}

/// Records the decision of the current call, such as `DECISION_BLOCK`.
pub fn record_decision(decision: &'static str) {
    if is_traced() {
        Span::current().record("lazaretto.decision", decision);
    }
}

#[derive(Debug)]
pub struct Ended<'a> {
    pub method: &'static str,
    /// Name of the status, such as `NOT_FOUND`.
    pub code: &'static str,
    /// The same as a number.
    pub number: i32,
    pub took: Duration,
    /// The caller's request id.
    pub request_id: Option<&'a str>,
    /// The configured name of the caller's identity.
    pub caller: Option<&'a str>,
    /// The trace id in the headers; the one of `span` takes precedence.
    pub trace_id: Option<&'a str>,
    /// The call's span, if calls are traced.
    pub span: Option<&'a Span>,
}

/// Completes the span of a call and logs it: at error for internal failures, else at debug.
pub fn call_ended(ended: &Ended<'_>) {
    let is_failure = matches!(ended.code, "INTERNAL" | "UNKNOWN" | "DATA_LOSS");
    if let Some(span) = ended.span {
        span.record("rpc.grpc.status_code", ended.number);
        if let Some(caller) = ended.caller {
            span.record("lazaretto.identity", caller);
        }
        if is_failure {
            span.record("otel.status_code", "ERROR");
        }
    }
    let of_span = ended.span.and_then(trace_id);
    let trace_id = of_span.as_deref().or(ended.trace_id);
    let took_us = u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX);
    let Ended { method, code, request_id, caller, .. } = *ended;
    if is_failure {
        tracing::error!(method, code, took_us, request_id, caller, trace_id, "call failed");
    } else {
        tracing::debug!(method, code, took_us, request_id, caller, trace_id, "call ended");
    }
}

/// Returns the trace id of a span, 32 hex digits.
fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let known = span.span_context();
    known.is_valid().then(|| known.trace_id().to_string())
}
