//! W3C trace context (<https://www.w3.org/TR/trace-context/>), read from the headers of a call and from
//! the environment.

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The header with the parent; in capitals, the environment variable.
pub const TRACEPARENT: &str = "traceparent";

const TRACESTATE: &str = "tracestate";

/// The most bytes of a `tracestate` that are accepted: every system must propagate as many (section
/// 3.3.1.5).
const MAX_STATE: usize = 512;

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// The headers of a call, limited to the two of trace context.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => parent(self.0),
            TRACESTATE => {
                let mut all = self.0.get_all(TRACESTATE).iter();
                let state = all.next().filter(|state| state.len() <= MAX_STATE)?;
                // Several would have to be combined; the standard allows to drop them.
                all.next().is_none().then(|| state.to_str().ok())?
            }
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// Returns the parent context in the headers of a call.
pub fn extract(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
}

/// Returns the trace id in the headers of a call, 32 hex digits.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    parent(headers).map(|parent| &parent[3..35])
}

/// Returns the `traceparent` of a call if there is exactly one and it is valid.
fn parent(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let only = all.next()?;
    let text = only.to_str().ok().filter(|text| is_valid(text))?;
    all.next().is_none().then_some(text)
}

/// Returns the parent in the variable `TRACEPARENT`, as `otel-cli` and others set it, for the calls of a
/// command. An invalid one is ignored.
pub fn from_environment() -> Option<HeaderValue> {
    let text = std::env::var(TRACEPARENT.to_ascii_uppercase()).ok()?;
    is_valid(&text).then(|| HeaderValue::from_str(&text).ok())?
}

/// Returns whether a `traceparent` is valid in version 00 (section 3.2). Later versions are rejected.
fn is_valid(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.bytes().all(is_hex).then_some(part)
    };
    let is_some = |part: &str| part.bytes().any(|byte| byte != b'0');
    text.len() == LENGTH
        && part(2) == Some("00")
        && part(32).is_some_and(is_some)
        && part(16).is_some_and(is_some)
        && part(2).is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_a_parent() {
        let check = |text: &str, valid: bool| assert_eq!(is_valid(text), valid, "{text:?}");
        check(PARENT, true);
        check(&PARENT.replace("-01", "-00"), true);
        check(&PARENT.replace("-01", "-ff"), true);
        check("", false);
        check(&PARENT.to_uppercase(), false);
        check(&PARENT.replace("00-4b", "01-4b"), false);
        check(&PARENT.replace("00-4b", "ff-4b"), false);
        check(&format!("{PARENT}-00"), false);
        check(&PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), false);
        check(&PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)), false);
        check(&PARENT.replace('-', "_"), false);
        check(&PARENT.replace("4bf9", "4bé"), false);
        check(&PARENT[..54], false);
    }

    #[test]
    fn headers_are_bounded_and_named_once() {
        let check = |parents: &[&str], states: &[&str], want: Option<(&str, &str)>| {
            let mut headers = HeaderMap::new();
            for (name, values) in [(TRACEPARENT, parents), (TRACESTATE, states)] {
                for value in values {
                    headers.append(name, HeaderValue::from_str(value).unwrap());
                }
            }
            let context = extract(&headers);
            let span = context.span().span_context().clone();
            let found =
                span.is_valid().then(|| (span.trace_id().to_string(), span.trace_state().header()));
            let want = want.map(|(id, state)| (id.to_owned(), state.to_owned()));
            assert_eq!(found, want, "{parents:?} {states:?}");
            assert_eq!(trace_id(&headers), want.as_ref().map(|(id, _)| id.as_str()));
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        check(&[PARENT], &[], Some((id, "")));
        check(&[PARENT], &["a=b,c=d"], Some((id, "a=b,c=d")));
        check(&[PARENT], &["a=b", "c=d"], Some((id, "")));
        let long = format!("a={}", "b".repeat(MAX_STATE));
        check(&[PARENT], &[&long], Some((id, "")));
        check(&[PARENT, PARENT], &[], None);
        check(&["nonsense"], &["a=b"], None);
        check(&[], &["a=b"], None);
    }
}
