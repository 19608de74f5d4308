//! Server metrics in the Prometheus text format. Counters are plain atomics; the state of the engine is
//! read at each scrape.
//!
//! The format is written here, not by a library: `promtool check metrics` reads the plain text format
//! (version 0.0.4), and counters in the path of a call must be plain atomics.

mod engine;
mod histogram;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;
mod text;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::Engine;
use crate::screening::policy::Decision;
use crate::screening::{DecidedBy, ScreeningSummary};
use histogram::Histogram;
use text::{Kind, Text};

/// The media type of [`Metrics::encode`].
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The names of `google.rpc.Code`, indexed by code.
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

/// The code for numbers outside of `google.rpc.Code`.
const CODE_UNKNOWN: usize = 2;

/// Why the server rejected a call or a connection, or cut it off, before a handler answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rejection {
    /// No known identity.
    Unauthenticated,
    /// The identity's roles do not allow the method.
    PermissionDenied,
    /// Load shedding: too many calls in flight.
    Overloaded,
    Draining,
    Deadline,
    /// The peer read nothing, or sent nothing, for too long.
    Stalled,
    /// TLS or the HTTP/2 preface failed, or took too long.
    Handshake,
    /// Too many connections are open.
    Connections,
    /// The call of a slow peer was cut off because messages in flight reached their memory limit.
    MessageMemory,
}

impl Rejection {
    /// In the order of their discriminants.
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

    /// Returns the value of the `reason` label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The counters of one method.
#[derive(Debug)]
struct MethodCounters {
    service: &'static str,
    name: &'static str,
    codes: [AtomicU64; CODES.len()],
    took: Histogram,
}

/// The server's metrics. Any thread may count.
#[derive(Debug)]
pub struct Metrics {
    /// By method index; the last is for unknown methods.
    methods: Box<[MethodCounters]>,
    in_flight: AtomicI64,
    /// By decision, complete ones first.
    screenings: [[AtomicU64; 2]; Decision::ALL.len()],
    /// Addresses that got an error in place of a decision.
    not_screened: AtomicU64,
    /// REVIEW decisions by what decided them.
    reviews: [AtomicU64; DecidedBy::ALL.len()],
    rejections: [AtomicU64; Rejection::ALL.len()],
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
    /// Creates counters for `paths` (`/SERVICE/METHOD`). A method's index is that of its path in `paths`;
    /// any greater index counts as an unknown method.
    pub fn new(paths: impl Iterator<Item = &'static str>) -> Self {
        let named = paths.map(|path| {
            let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
            named.unwrap_or((path, path))
        });
        let methods = named.chain([("unknown", "unknown")]).map(|(service, name)| MethodCounters {
            service,
            name,
            codes: Default::default(),
            took: Histogram::default(),
        });
        Self {
            methods: methods.collect(),
            in_flight: AtomicI64::new(0),
            screenings: Default::default(),
            not_screened: AtomicU64::new(0),
            reviews: Default::default(),
            rejections: Default::default(),
            connections: AtomicI64::new(0),
            connections_total: AtomicU64::new(0),
            message_bytes: AtomicU64::new(0),
            tls_reloads: Default::default(),
            tls_expiry: AtomicI64::new(NO_CERTIFICATE),
            ready: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }
    }

    /// Counts the start of a call; [`Self::call_ended`] must follow.
    pub fn call_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that ended with `code` (`google.rpc.Code`) after `took`. `method` is its index
    /// ([`Self::new`]).
    pub fn call_ended(&self, method: usize, code: i32, took: Duration) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let counters = &self.methods[method.min(self.methods.len() - 1)];
        let code = usize::try_from(code).ok().filter(|code| *code < CODES.len());
        counters.codes[code.unwrap_or(CODE_UNKNOWN)].fetch_add(1, Ordering::Relaxed);
        counters.took.observe(took);
    }

    pub fn screened(&self, of: ScreeningSummary) {
        let by_status = &self.screenings[of.decision as usize];
        by_status[usize::from(!of.is_complete)].fetch_add(1, Ordering::Relaxed);
        if of.decision == Decision::Review {
            self.reviews[of.decided_by as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an address that got an error instead of a decision.
    pub fn not_screened(&self) {
        self.not_screened.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a rejected call or connection.
    pub fn rejected(&self, why: Rejection) {
        self.rejections[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an accepted connection; [`Self::connection_closed`] must follow.
    pub fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.connections_total.fetch_add(1, Ordering::Relaxed);
    }

    pub fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sets the bytes held by messages and answers in flight.
    pub fn message_bytes(&self, bytes: usize) {
        self.message_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a load of the TLS files.
    pub fn tls_reloaded(&self, succeeded: bool) {
        self.tls_reloads[usize::from(!succeeded)].fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the expiry of the certificate in use, in Unix seconds.
    pub fn tls_expires(&self, at: i64) {
        self.tls_expiry.store(at, Ordering::Relaxed);
    }

    /// Sets whether the server is ready.
    pub fn ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    pub fn drains(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Writes all metrics, with those of `engine`, in the Prometheus text format ([`CONTENT_TYPE`]).
    /// Blocks: it reads the sizes of the store's files.
    pub fn encode(&self, engine: &Engine) -> String {
        let mut text = Text::default();
        self.write_counters(&mut text);
        engine::write_metrics(engine, &mut text);
        text.finish()
    }

    fn write_counters(&self, text: &mut Text) {
        text.family("build_info", Kind::Gauge, "The program that runs; always 1.");
        let revision = option_env!("LAZARETTO_REVISION").unwrap_or("unknown");
        text.sample(&[("version", env!("CARGO_PKG_VERSION")), ("revision", revision)], 1);
        self.write_calls(text);
        text.family("screenings_total", Kind::Counter, "Addresses answered over gRPC.");
        for decision in Decision::ALL {
            for (count, status) in
                self.screenings[decision as usize].iter().zip(["COMPLETE", "INCOMPLETE"])
            {
                let labels = [("decision", decision.as_str()), ("status", status)];
                text.sample(&labels, load(count));
            }
        }
        let labels = [("decision", "ERROR"), ("status", "INCOMPLETE")];
        text.sample(&labels, load(&self.not_screened));
        let help = "Addresses answered by REVIEW over gRPC, by what the decision rests on.";
        text.family("reviews_total", Kind::Counter, help);
        for by in DecidedBy::ALL {
            text.sample(&[("by", by.as_str())], load(&self.reviews[by as usize]));
        }
        let help = "Calls and connections that were rejected or cut off.";
        text.family("refusals_total", Kind::Counter, help);
        for why in Rejection::ALL {
            text.sample(&[("reason", why.as_str())], load(&self.rejections[why as usize]));
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

    fn write_calls(&self, text: &mut Text) {
        text.family("calls_total", Kind::Counter, "Calls that ended, by their status.");
        for MethodCounters { service, name, codes, .. } in &self.methods {
            for (code, count) in CODES.iter().zip(codes) {
                let count = load(count);
                // OK from the start, so that a rate exists from the first call on.
                if count > 0 || *code == "OK" {
                    text.sample(&[("service", service), ("method", name), ("code", code)], count);
                }
            }
        }
        let help = "How long calls took, from their headers to their end, streams among them.";
        text.family("call_duration_seconds", Kind::Histogram, help);
        for MethodCounters { service, name, took, .. } in &self.methods {
            took.write(text, &[("service", service), ("method", name)]);
        }
        text.family("calls_under_way", Kind::Gauge, "Calls that have begun and not ended.");
        text.sample(&[], self.in_flight.load(Ordering::Relaxed));
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
