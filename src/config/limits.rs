//! The limits and timeouts of the server, and its shutdown times.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::settings::table;
use super::values::{Kind, duration, integer};

/// The longest timeout, so that sums of timeouts do not overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The memory that a limit may allow, in MiB. The largest message needs 8 times its 16 MiB, and 2 MiB.
const MEBIBYTES: RangeInclusive<u64> = 130..=1 << 20;

table! {
    /// What the server takes at once, and how long it waits. What exceeds a limit is refused with
    /// RESOURCE_EXHAUSTED (`OVERLOADED`) or closed, so that other calls stay fast.
    pub struct Limits {
        /// Open connections; one more is closed at once. Fewer if the limit of open files (`ulimit -n`,
        /// raised as far as allowed) leaves less than 256 beside them.
        connections: usize = integer::<usize>(1..=100_000).or(1_000);
        /// Calls in flight; one more is refused. Health checks are not counted.
        calls: usize = integer::<usize>(1..=1_000_000).or(512);
        /// Open streams, which are calls too; one more is refused.
        streams: usize = integer::<usize>(1..=100_000).or(256);
        /// Calls in flight on one connection. HTTP/2 tells the client to wait.
        calls_per_connection: u32 = integer::<u32>(1..=10_000).or(256);
        /// Batches at work. Others queue, 8 for each at work.
        batches: usize = integer::<usize>(1..=1_000).or(2);
        /// Searches of the graph at work: evidence, past moments, traces, payments, counterparties, hubs,
        /// clusters, comparisons. Others queue, 64 for each at work.
        searches: usize = integer::<usize>(1..=256)
            .or(spare_processors())
            .without("one less than the processors, at least 1");
        /// From accepting a connection to its first bytes of HTTP/2, TLS included. Then it is closed.
        handshake_timeout: Duration = timeout().or("10s");
        /// How long a peer may take no bytes of an answer, or pause within a message. Then its call is
        /// reset, or its connection closed.
        stall_timeout: Duration = timeout().or("30s");
        /// The deadline of calls, unless the client's is shorter. Streams, refreshes, retractions and
        /// comparisons have none.
        call_timeout: Duration = timeout().or("60s");
        /// The interval of HTTP/2 pings on an idle connection. Without an answer in 10 s it is closed.
        keepalive: Duration = timeout().or("30s");
        /// Memory of messages and answers in flight, in MiB, each of more than 16 KiB. Beyond it the
        /// slowest peers lose their calls, then new calls are refused.
        message_mib: usize = integer::<usize>(MEBIBYTES).or(384);
        /// The same for each caller.
        message_mib_per_caller: usize = integer::<usize>(MEBIBYTES).or(192);
        /// Memory of one list with its superseded rows, in MiB. A larger publication is refused.
        list_mib: usize = integer::<usize>(MEBIBYTES).or(768);
        /// The same for all manually imported lists together, checked at each import.
        lists_mib: usize = integer::<usize>(MEBIBYTES).or(1_024);
    }
}

table! {
    /// Graceful shutdown.
    pub struct Drain {
        /// How long the server still accepts calls after SIGTERM while it reports that it is not ready.
        /// Load balancers stop sending calls meanwhile.
        delay: Duration = duration(check_bound).or("0s");
        /// How long calls in flight may take after that.
        timeout: Duration = duration(check_bound).or("30s");
    }
}

/// Returns the number of processors without the one that serves; at least 1.
fn spare_processors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    processors.saturating_sub(1).max(1)
}

/// A timeout; zero would reject every call.
fn timeout() -> Kind<Duration> {
    duration(|time| match check_bound(time)? {
        Duration::ZERO => Err("must not be zero".to_owned()),
        time => Ok(time),
    })
}

fn check_bound(time: Duration) -> Result<Duration, String> {
    if time > MAX_TIMEOUT { Err("must be at most 1d".to_owned()) } else { Ok(time) }
}
