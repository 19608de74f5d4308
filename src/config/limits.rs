//! The limits and timeouts of the server, and its shutdown times.

use std::time::Duration;

use super::raw_value::RawValue;

/// The keys of `limits`, in the order of the example file.
pub const KEYS: [&str; 14] = [
    "connections",
    "calls",
    "calls_per_connection",
    "batches",
    "searches",
    "streams",
    "handshake_timeout",
    "stall_timeout",
    "call_timeout",
    "keepalive",
    "message_mib",
    "message_mib_per_caller",
    "list_mib",
    "lists_mib",
];

pub const DRAIN_KEYS: [&str; 2] = ["delay", "timeout"];

/// The longest timeout, so that sums of timeouts do not overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits and timeouts of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; further ones are closed immediately.
    pub connections: usize,
    /// Calls in flight; further ones are rejected.
    pub calls: usize,
    /// Calls in flight on one connection, announced to the client by HTTP/2.
    pub calls_per_connection: u32,
    /// Batches that run at once; others queue.
    pub batches: usize,
    /// Graph searches that run at once; others queue.
    pub searches: usize,
    /// Open streams; further ones are rejected.
    pub streams: usize,
    /// From accepting a connection to its first bytes of HTTP/2, TLS included.
    pub handshake_timeout: Duration,
    /// How long a peer may read nothing, or pause within a message.
    pub stall_timeout: Duration,
    /// The deadline of calls other than streams.
    pub call_timeout: Duration,
    /// The interval of HTTP/2 pings on an idle connection.
    pub keepalive: Duration,
    /// Memory of messages in flight, in MiB. Above it the calls of the slowest peers are cut off, then
    /// new calls are rejected.
    pub message_mib: usize,
    /// The same, per caller.
    pub message_mib_per_caller: usize,
    /// Memory of one list with its superseded rows, in MiB; a larger publication is rejected.
    pub list_mib: usize,
    /// The same for all manually imported lists, checked at each manual import.
    pub lists_mib: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            calls: 512,
            calls_per_connection: 256,
            batches: 2,
            searches: spare_processors(),
            streams: 256,
            handshake_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            keepalive: Duration::from_secs(30),
            message_mib: 384,
            message_mib_per_caller: 192,
            list_mib: 768,
            lists_mib: 1_024,
        }
    }
}

impl Limits {
    pub fn apply(&mut self, key: &str, given: &RawValue) -> Result<(), String> {
        match key {
            "connections" => self.connections = parse_count(given, 100_000)?,
            "calls" => self.calls = parse_count(given, 1_000_000)?,
            "calls_per_connection" => {
                self.calls_per_connection = parse_count(given, 10_000)? as u32
            }
            "batches" => self.batches = parse_count(given, 1_000)?,
            "searches" => self.searches = parse_count(given, 256)?,
            "streams" => self.streams = parse_count(given, 100_000)?,
            "handshake_timeout" => self.handshake_timeout = parse_timeout(given)?,
            "stall_timeout" => self.stall_timeout = parse_timeout(given)?,
            "call_timeout" => self.call_timeout = parse_timeout(given)?,
            "keepalive" => self.keepalive = parse_timeout(given)?,
            "message_mib" => self.message_mib = parse_mebibytes(given)?,
            "message_mib_per_caller" => self.message_mib_per_caller = parse_mebibytes(given)?,
            "list_mib" => self.list_mib = parse_mebibytes(given)?,
            "lists_mib" => self.lists_mib = parse_mebibytes(given)?,
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long the server keeps accepting calls after the signal while it reports not ready, so that
    /// load balancers stop sending calls.
    pub delay: Duration,
    /// How long calls in flight may take after that.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, timeout: Duration::from_secs(30) }
    }
}

impl Drain {
    pub fn apply(&mut self, key: &str, given: &RawValue) -> Result<(), String> {
        match key {
            "delay" => self.delay = check_bound(given.duration()?)?,
            "timeout" => self.timeout = check_bound(given.duration()?)?,
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }
}

/// Returns the number of processors without the one that serves; at least 1.
fn spare_processors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    processors.saturating_sub(1).max(1)
}

fn parse_count(given: &RawValue, most: u64) -> Result<usize, String> {
    Ok(given.integer(1..=most)? as usize)
}

/// Parses an amount of memory. At least 130: the largest message needs 8 times its 16 MiB, and 2 MiB.
fn parse_mebibytes(given: &RawValue) -> Result<usize, String> {
    Ok(given.integer(130..=1 << 20)? as usize)
}

/// Parses a timeout; fails for zero, which would reject every call.
fn parse_timeout(given: &RawValue) -> Result<Duration, String> {
    let time = check_bound(given.duration()?)?;
    if time.is_zero() { Err("must not be zero".to_owned()) } else { Ok(time) }
}

fn check_bound(time: Duration) -> Result<Duration, String> {
    if time > MAX_TIMEOUT { Err("must be at most 1d".to_owned()) } else { Ok(time) }
}
