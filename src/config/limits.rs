//! The limits of the server: how much it takes at once, how long it waits for whom, and how it
//! ends. Enforces none of them.

use std::time::Duration;

use super::given::Given;

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

/// The longest of the times, so that sums of them stay small.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What the server takes at once, and for whom it waits how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once; more are closed at once.
    pub connections: usize,
    /// Calls under way at once; more are refused.
    pub calls: usize,
    /// Calls under way at once on one connection; HTTP/2 tells the client.
    pub calls_per_connection: u32,
    /// Batches in work at once; others wait for their turn.
    pub batches: usize,
    /// Calls that search the graph in work at once; others wait for their turn.
    pub searches: usize,
    /// Streams open at once; more are refused.
    pub streams: usize,
    /// From the accepted connection to the first bytes of HTTP/2, TLS included.
    pub handshake_timeout: Duration,
    /// How long a reader may take nothing, or a writer pause within a message.
    pub stall_timeout: Duration,
    /// The most time for a call that is no stream.
    pub call_timeout: Duration,
    /// How often a connection on which nothing is heard is asked whether it is alive.
    pub keepalive: Duration,
    /// The memory of messages on their way in and answers on their way out, in MiB; beyond it the
    /// slowest peers lose their calls, and then more is refused.
    pub message_mib: usize,
    /// The same for one caller.
    pub message_mib_per_caller: usize,
    /// The memory of one list with the rows that it keeps, in MiB; a publication beyond it is refused.
    pub list_mib: usize,
    /// The same for all lists that came by hand, after an import by hand.
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
    pub fn apply(&mut self, key: &str, given: &Given) -> Result<(), String> {
        match key {
            "connections" => self.connections = count(given, 100_000)?,
            "calls" => self.calls = count(given, 1_000_000)?,
            "calls_per_connection" => self.calls_per_connection = count(given, 10_000)? as u32,
            "batches" => self.batches = count(given, 1_000)?,
            "searches" => self.searches = count(given, 256)?,
            "streams" => self.streams = count(given, 100_000)?,
            "handshake_timeout" => self.handshake_timeout = time(given)?,
            "stall_timeout" => self.stall_timeout = time(given)?,
            "call_timeout" => self.call_timeout = time(given)?,
            "keepalive" => self.keepalive = time(given)?,
            "message_mib" => self.message_mib = mebibytes(given)?,
            "message_mib_per_caller" => self.message_mib_per_caller = mebibytes(given)?,
            "list_mib" => self.list_mib = mebibytes(given)?,
            "lists_mib" => self.lists_mib = mebibytes(given)?,
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long the server goes on as before after it was asked to end and said that it is not
    /// ready any more, so that nobody is sent there when it stops.
    pub delay: Duration,
    /// How long calls under way may take after that.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, timeout: Duration::from_secs(30) }
    }
}

impl Drain {
    pub fn apply(&mut self, key: &str, given: &Given) -> Result<(), String> {
        match key {
            "delay" => self.delay = bounded(given.duration()?)?,
            "timeout" => self.timeout = bounded(given.duration()?)?,
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }
}

/// One processor serves; searches have the others.
fn spare_processors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    processors.saturating_sub(1).max(1)
}

fn count(given: &Given, most: u64) -> Result<usize, String> {
    Ok(given.integer(1..=most)? as usize)
}

/// An amount of memory: the largest message needs 8 times its 16 MiB, and 2 MiB.
fn mebibytes(given: &Given) -> Result<usize, String> {
    Ok(given.integer(130..=1 << 20)? as usize)
}

/// A time that is not zero: zero would refuse everybody.
fn time(given: &Given) -> Result<Duration, String> {
    let time = bounded(given.duration()?)?;
    if time.is_zero() { Err("must not be zero".to_owned()) } else { Ok(time) }
}

fn bounded(time: Duration) -> Result<Duration, String> {
    if time > LONGEST { Err("must be at most 1d".to_owned()) } else { Ok(time) }
}
