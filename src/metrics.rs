//! What is counted while serving, and its form for Prometheus. Counting costs an atomic addition or
//! two; what the engine knows by itself is read off it at a scrape. Decides nothing.
//!
//! The text is written here, not by a library: `promtool check metrics` reads the plain text form
//! (version 0.0.4), and the counters on the way of a call are to be plain atomics.

mod engine;
mod histogram;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;
mod text;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::Engine;
use crate::screening::DecidedBy;
use crate::screening::policy::Decision;
use histogram::Histogram;
use text::{Kind, Text};

/// The media type of [`Metrics::encode`].
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The names of `google.rpc.Code`, each at its number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The code of numbers that are none.
const CODE_UNKNOWN: usize = 2;

/// Why a call or a connection was turned away, or cut off, before anything answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No identity, or none that is known.
    Unauthenticated,
    /// The identity's roles do not allow the method.
    PermissionDenied,
    /// Too much is under way.
    Overloaded,
    Draining,
    /// The call took longer than it may.
    Deadline,
    /// A reader took nothing, or a writer sent nothing.
    Stalled,
    /// TLS or the HTTP/2 preface failed, or took too long.
    Handshake,
    /// Too many connections are open.
    Connections,
    /// A slow peer lost its call, since messages and answers hold all the memory that they may.
    MessageMemory,
}

impl Rejection {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::Overloaded,
        Self::Draining,
        Self::Deadline,
        Self::Stalled,
        Self::Handshake,
        Self::Connections,
        Self::MessageMemory,
    ];

    /// The name of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Deadline => "deadline",
            Self::Stalled => "stalled",
            Self::Handshake => "handshake",
            Self::Connections => "connections",
            Self::MessageMemory => "message_memory",
        }
    }
}

/// What was counted of one method.
#[derive(Debug)]
struct OfMethod {
    service: &'static str,
    name: &'static str,
    codes: [AtomicU64; CODES.len()],
    took: Histogram,
}

/// What is counted while serving. Any thread may count.
#[derive(Debug)]
pub struct Metrics {
    /// By the number of the method; one more for those that are not known.
    methods: Box<[OfMethod]>,
    under_way: AtomicI64,
    /// By decision, complete before incomplete; the last is no answer.
    screenings: [AtomicU64; 7],
    /// Those that are REVIEW, by what they rest on.
    reviews: [AtomicU64; DecidedBy::ALL.len()],
    turned: [AtomicU64; Rejection::ALL.len()],
    connections: AtomicI64,
    connections_total: AtomicU64,
    message_bytes: AtomicU64,
    tls_reloads: [AtomicU64; 2],
    /// Unix seconds; [`NO_CERTIFICATE`] where there is none.
    tls_expiry: AtomicI64,
    ready: AtomicBool,
    draining: AtomicBool,
}

const NO_CERTIFICATE: i64 = i64::MIN;

impl Metrics {
    /// Nothing counted yet. A method's number is the place of its path (`/SERVICE/METHOD`) in
    /// `paths`; any greater one is that of a method that is not known.
    pub fn new(paths: impl Iterator<Item = &'static str>) -> Self {
        let named = paths.map(|path| {
            let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
            named.unwrap_or((path, path))
        });
        let methods = named.chain([("unknown", "unknown")]).map(|(service, name)| OfMethod {
            service,
            name,
            codes: Default::default(),
            took: Histogram::default(),
        });
        Self {
            methods: methods.collect(),
            under_way: AtomicI64::new(0),
            screenings: Default::default(),
            reviews: Default::default(),
            turned: Default::default(),
            connections: AtomicI64::new(0),
            connections_total: AtomicU64::new(0),
            message_bytes: AtomicU64::new(0),
            tls_reloads: Default::default(),
            tls_expiry: AtomicI64::new(NO_CERTIFICATE),
            ready: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }
    }

    /// A call began; [`Self::call_ended`] must follow.
    pub fn call_began(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    /// A call ended with `code` (`google.rpc.Code`) after `took`; `method` is its number
    /// ([`Self::new`]).
    pub fn call_ended(&self, method: usize, code: i32, took: Duration) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let of_method = &self.methods[method.min(self.methods.len() - 1)];
        let code = usize::try_from(code).ok().filter(|code| *code < CODES.len());
        of_method.codes[code.unwrap_or(CODE_UNKNOWN)].fetch_add(1, Ordering::Relaxed);
        of_method.took.observe(took);
    }

    pub fn screened(&self, decision: Decision, is_complete: bool, decided_by: DecidedBy) {
        let place = decision as usize * 2 + usize::from(!is_complete);
        self.screenings[place].fetch_add(1, Ordering::Relaxed);
        if decision == Decision::Review {
            self.reviews[decided_by as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An address of a batch, a stream or a payment got an error in the place of an answer, or a
    /// single one was refused for what it says.
    pub fn not_screened(&self) {
        self.screenings[6].fetch_add(1, Ordering::Relaxed);
    }

    /// A call or a connection was turned away or cut off.
    pub fn rejected(&self, why: Rejection) {
        self.turned[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was accepted; [`Self::connection_closed`] must follow.
    pub fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.connections_total.fetch_add(1, Ordering::Relaxed);
    }

    pub fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many bytes messages on their way in and answers on their way out hold.
    pub fn message_bytes(&self, bytes: usize) {
        self.message_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// The files of TLS were read, again or for the first time.
    pub fn tls_reloaded(&self, succeeded: bool) {
        self.tls_reloads[usize::from(!succeeded)].fetch_add(1, Ordering::Relaxed);
    }

    /// When the certificate in use ends, in Unix seconds.
    pub fn tls_expires(&self, at: i64) {
        self.tls_expiry.store(at, Ordering::Relaxed);
    }

    /// Whether the server is ready, as health says.
    pub fn ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    pub fn drains(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// All of it in the text form of Prometheus ([`CONTENT_TYPE`]), with what `engine` knows by
    /// itself. Blocks: the store's files are looked at.
    pub fn encode(&self, engine: &Engine) -> String {
        let mut text = Text::default();
        self.counted(&mut text);
        engine::read_off(engine, &mut text);
        text.finish()
    }

    fn counted(&self, text: &mut Text) {
        text.family("build_info", Kind::Gauge, "The program that runs; always 1.");
        let revision = option_env!("LAZARETTO_REVISION").unwrap_or("unknown");
        text.sample(&[("version", env!("CARGO_PKG_VERSION")), ("revision", revision)], 1);
        self.calls(text);
        text.family("screenings_total", Kind::Counter, "Addresses answered over gRPC.");
        for decision in Decision::ALL {
            for (incomplete, status) in ["COMPLETE", "INCOMPLETE"].into_iter().enumerate() {
                let count = &self.screenings[decision as usize * 2 + incomplete];
                let labels = [("decision", decision.as_str()), ("status", status)];
                text.sample(&labels, load(count));
            }
        }
        let labels = [("decision", "ERROR"), ("status", "INCOMPLETE")];
        text.sample(&labels, load(&self.screenings[6]));
        let help = "Addresses answered by REVIEW over gRPC, by what the decision rests on.";
        text.family("reviews_total", Kind::Counter, help);
        for by in DecidedBy::ALL {
            text.sample(&[("by", by.as_str())], load(&self.reviews[by as usize]));
        }
        let help = "Calls and connections that were turned away or cut off.";
        text.family("refusals_total", Kind::Counter, help);
        for why in Rejection::ALL {
            text.sample(&[("reason", why.as_str())], load(&self.turned[why as usize]));
        }
        text.family("connections", Kind::Gauge, "Connections open on the main port.");
        text.sample(&[], self.connections.load(Ordering::Relaxed));
        text.family("connections_total", Kind::Counter, "Connections accepted on the main port.");
        text.sample(&[], load(&self.connections_total));
        let help = "Memory of messages on their way in and of answers on their way out, each of \
                    more than 16 KiB.";
        text.family("message_bytes", Kind::Gauge, help);
        text.sample(&[], load(&self.message_bytes));
        let expiry = self.tls_expiry.load(Ordering::Relaxed);
        let help = "When the server's TLS certificate ends, in Unix seconds.";
        text.family("tls_certificate_expiry_timestamp_seconds", Kind::Gauge, help);
        if expiry != NO_CERTIFICATE {
            text.sample(&[], expiry);
        }
        let help = "How often the files of TLS were read, by how that ended.";
        text.family("tls_reloads_total", Kind::Counter, help);
        for (outcome, count) in ["succeeded", "failed"].iter().zip(&self.tls_reloads) {
            text.sample(&[("outcome", outcome)], load(count));
        }
        text.family("ready", Kind::Gauge, "1 where the server is ready, as health says.");
        text.sample(&[], u64::from(self.ready.load(Ordering::Relaxed)));
        text.family("draining", Kind::Gauge, "1 from the signal to end on.");
        text.sample(&[], u64::from(self.draining.load(Ordering::Relaxed)));
    }

    fn calls(&self, text: &mut Text) {
        text.family("calls_total", Kind::Counter, "Calls that ended, by their status.");
        for OfMethod { service, name, codes, .. } in &self.methods {
            for (code, count) in CODES.iter().zip(codes) {
                let count = load(count);
                // OK from the start, so that a rate is known from the first call on.
                if count > 0 || *code == "OK" {
                    text.sample(&[("service", service), ("method", name), ("code", code)], count);
                }
            }
        }
        let help = "How long calls took, from their headers to their end, streams among them.";
        text.family("call_duration_seconds", Kind::Histogram, help);
        for OfMethod { service, name, took, .. } in &self.methods {
            took.write(text, &[("service", service), ("method", name)]);
        }
        text.family("calls_under_way", Kind::Gauge, "Calls that have begun and not ended.");
        text.sample(&[], self.under_way.load(Ordering::Relaxed));
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
