//! What time it is, for every command and for the engine that it opens: the system's clock, or, in
//! builds with debug assertions alone, the moment that a test sets.
//!
//! A program that takes the time from its environment can be made to take a stale list for a fresh
//! one. So a build without debug assertions, as every release is, has no code that takes it, and
//! refuses to run where the variable is set.

use std::ffi::OsString;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

/// The variable that holds the moment, in RFC 3339.
const VARIABLE: &str = "LAZARETTO_TEST_NOW";

/// The moment that a test has set: it is that for as long as the process runs.
static SET: OnceLock<Timestamp> = OnceLock::new();

/// Takes the moment that a test has set; fails where one is set that is none, or may not be taken.
pub fn start() -> Result<()> {
    if let Some(moment) = read(std::env::var_os(VARIABLE), cfg!(debug_assertions))? {
        // A second start has the same environment.
        let _ = SET.set(moment);
    }
    Ok(())
}

pub fn now() -> Timestamp {
    match SET.get() {
        Some(moment) if cfg!(debug_assertions) => *moment,
        _ => Timestamp::now(),
    }
}

/// Whether a test has set the moment.
pub fn is_set() -> bool {
    SET.get().is_some()
}

fn read(value: Option<OsString>, may_be_set: bool) -> Result<Option<Timestamp>> {
    let Some(value) = value else { return Ok(None) };
    if !may_be_set {
        bail!(
            "{VARIABLE} is set: it is for tests, and this build takes the time from no variable: \
             unset it"
        );
    }
    let text = value.to_string_lossy();
    let moment = text
        .parse()
        .with_context(|| format!("{VARIABLE}: invalid time {text:?}; use 2026-02-01T12:00:00Z"));
    moment.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_taken_by_builds_for_development_alone() {
        let value = |text: &str| Some(OsString::from(text));
        let moment = "2026-02-01T12:00:00Z";
        assert_eq!(read(None, false).unwrap(), None);
        assert_eq!(read(None, true).unwrap(), None);
        assert_eq!(read(value(moment), true).unwrap().unwrap().to_string(), moment);
        for text in [moment, "", "x"] {
            let error = read(value(text), false).unwrap_err().to_string();
            assert!(error.contains("takes the time from no variable"), "{error}");
        }
        for text in ["", "yesterday", "2026-02-01"] {
            assert!(read(value(text), true).is_err(), "{text}");
        }
    }
}
