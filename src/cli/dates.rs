//! Parses dates and times of the command line.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    Version(u64),
    /// On or after a day.
    Day(Date),
}

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
    let end = end(text)?;
    Ok(end.min(now))
}

/// A moment in RFC 3339, or the first second of a day (UTC).
pub fn start(text: &str) -> Result<Timestamp, String> {
    moment(text, |date| date.at(0, 0, 0, 0))
}

/// A moment in RFC 3339, or the last second of a day (UTC).
pub fn end(text: &str) -> Result<Timestamp, String> {
    moment(text, |date| date.at(23, 59, 59, 0))
}

fn moment(text: &str, of_day: impl Fn(Date) -> DateTime) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let date = day(text).map_err(|error| format!("{error}, and no RFC 3339 date and time"))?;
    let moment = of_day(date).to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(moment.timestamp())
}

/// A moment as the proto has it.
pub fn message(moment: Timestamp) -> pbjson_types::Timestamp {
    // The proto counts nanoseconds forwards from the second below.
    let nanos = moment.as_nanosecond();
    pbjson_types::Timestamp {
        seconds: nanos.div_euclid(1_000_000_000) as i64,
        nanos: nanos.rem_euclid(1_000_000_000) as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_a_start_and_an_end() {
        let check = |text: &str, want: Option<[&str; 2]>| {
            let found = [start(text), end(text)].map(|moment| moment.map(|it| it.to_string()));
            let [Ok(start), Ok(end)] = found else { return assert_eq!(want, None, "{text:?}") };
            assert_eq!(Some([start.as_str(), end.as_str()]), want, "{text:?}");
        };
        check("2022-03-23", Some(["2022-03-23T00:00:00Z", "2022-03-23T23:59:59Z"]));
        check("2022-03-23T13:29:09+01:00", Some(["2022-03-23T12:29:09Z"; 2]));
        check("2022-3-23", None);
        check("1648036840", None);
    }

    #[test]
    fn moments_before_1970_count_forwards() {
        let message = message("1969-12-31T23:59:59.25Z".parse().unwrap());
        assert_eq!((message.seconds, message.nanos), (-1, 250_000_000));
    }

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
