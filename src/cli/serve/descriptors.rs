//! How many files and connections the system lets this process have open. Opens none.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What is open beside the connections of the main port: those of the owner and of the operations
/// port, the files of the store, what is fetched and what is sent in.
const BESIDE: u64 = 256;

/// Raises the limit of this process as far as it may be, and says how many of `connections` fit
/// below it: where connections took the last descriptor, the store could not write any more.
pub fn room_for(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            warn!(%error, "the limit of open files could not be raised");
            limit.current
        }
    };
    let fits = fits(connections, now);
    if fits < connections {
        warn!(
            open_files = now,
            connections = fits,
            "fewer connections than limits.connections are taken: the limit of open files \
             (ulimit -n) leaves no room for more"
        );
    }
    fits
}

/// How many connections fit, at least one; `limit` is `None` where there is none.
fn fits(connections: usize, limit: Option<u64>) -> usize {
    let most = limit.map_or(u64::MAX, |limit| limit.saturating_sub(BESIDE).max(1));
    connections.min(usize::try_from(most).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits() {
        let check = |connections: usize, limit: Option<u64>, want: usize| {
            assert_eq!(fits(connections, limit), want, "{connections} {limit:?}");
        };
        check(1_000, None, 1_000);
        check(1_000, Some(1_256), 1_000);
        check(1_000, Some(1_255), 999);
        check(1_000, Some(1_024), 768);
        check(1_000, Some(64), 1);
        check(10, Some(1_024), 10);
    }
}
