//! The limit of open files, and how many connections it allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors reserved for everything but the connections of the main port: the owner's socket, the
/// operations port, the store, downloads and uploads.
const BESIDE: u64 = 256;

/// Raises the soft limit to the hard limit, and returns how many of `connections` fit. Connections must
/// not take the last descriptor, because the store could not write then.
pub fn room_for(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            warn!(%error, "limit of open files not raised");
            limit.current
        }
    };
    let fits = fits(connections, now);
    if fits < connections {
        warn!(
            open_files = now,
            connections = fits,
            "connections reduced by the limit of open files (ulimit -n)"
        );
    }
    fits
}

/// Returns how many connections fit, at least one; `limit` is `None` if there is no limit.
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
