//! Dates on the command line. Takes the present moment as an argument: no clock of its own.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Where `lists changes` begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// Above a list version.
    Version(u64),
    /// On or after a day.
    Day(Date),
}

/// A day written YYYY-MM-DD.
pub fn day(text: &str) -> Result<Date, String> {
    let refusal = || format!("{text:?} is no day written YYYY-MM-DD");
    let date: Date = text.parse().map_err(|_| refusal())?;
    // The parser takes other ISO 8601 forms too, and date-times.
    if date.to_string() == text { Ok(date) } else { Err(refusal()) }
}

/// A number of a list version, or a day.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(version) = text.parse() {
        return Ok(Since::Version(version));
    }
    day(text).map(Since::Day).map_err(|error| format!("{error}, and no list version"))
}

/// The moment to screen for: RFC 3339, or a day, which means its end (UTC) or `now` where that is
/// earlier. A day or moment in the future is refused.
pub fn as_of(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let future = || format!("{text:?} is in the future");
    if let Ok(moment) = text.parse::<Timestamp>() {
        return if moment <= now { Ok(moment) } else { Err(future()) };
    }
    let date = day(text).map_err(|error| format!("{error}, and no RFC 3339 date and time"))?;
    if date > now.to_zoned(TimeZone::UTC).date() {
        return Err(future());
    }
    let end = date.at(23, 59, 59, 0).to_zoned(TimeZone::UTC);
    let end = end.map_err(|error| error.to_string())?.timestamp();
    Ok(end.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_of_is_the_end_of_the_day_or_now() {
        let now: Timestamp = "2026-03-04T12:00:00Z".parse().unwrap();
        let check = |text: &str, want: Result<&str, &str>| {
            let found = as_of(text, now).map(|moment| moment.to_string());
            assert_eq!(found, want.map(str::to_owned).map_err(str::to_owned), "{text:?}");
        };
        check("2026-03-03", Ok("2026-03-03T23:59:59Z"));
        check("2026-03-04", Ok("2026-03-04T12:00:00Z"));
        check("2026-03-05", Err("\"2026-03-05\" is in the future"));
        check("2024-02-29", Ok("2024-02-29T23:59:59Z"));
        check("2026-03-04T13:00:00+02:00", Ok("2026-03-04T11:00:00Z"));
        check("2026-03-04T12:00:01Z", Err("\"2026-03-04T12:00:01Z\" is in the future"));
        let neither = "is no day written YYYY-MM-DD, and no RFC 3339 date and time";
        for text in ["2025-02-29", "20250101", "2025-1-1", "yesterday", "", "2025-01-01T00:00:00"] {
            check(text, Err(&format!("{text:?} {neither}")));
        }
    }

    #[test]
    fn since_is_a_version_or_a_day() {
        let check =
            |text: &str, want: Option<Since>| assert_eq!(since(text).ok(), want, "{text:?}");
        check("0", Some(Since::Version(0)));
        check("17", Some(Since::Version(17)));
        check("2025-03-21", Some(Since::Day(jiff::civil::date(2025, 3, 21))));
        for text in ["-1", "v3", "2025-13-01", "18446744073709551616", ""] {
            check(text, None);
        }
    }
}
