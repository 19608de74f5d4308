//! How long a caller waits: the header `grpc-timeout`, and the refusal once that has passed. Sets no
//! timer.

use std::time::Duration;

use http::HeaderValue;
use tonic::Code;

use crate::grpc::status::Refusal;
use crate::grpc::v1::ErrorReason;

/// The header, of gRPC over HTTP/2 (PROTOCOL-HTTP2.md, "Requests").
pub const HEADER: &str = "grpc-timeout";

/// How long the caller waits, by the value of the header.
pub fn patience(value: &HeaderValue) -> Result<Duration, Refusal> {
    let refused = || {
        let message =
            format!("{HEADER} {value:?} is not 1 to 8 digits and one of H, M, S, m, u, n");
        Refusal::new(Code::InvalidArgument, ErrorReason::InvalidField, message)
    };
    value.to_str().ok().and_then(parse).ok_or_else(refused)
}

/// The refusal of a call that is over its time.
pub fn passed() -> Refusal {
    let message = "the deadline of the caller, or the server's own for a call, has passed";
    Refusal::new(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, message)
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_protocol_writes_it() {
        let check = |text: &str, want: Option<Duration>| assert_eq!(parse(text), want, "{text:?}");
        check("1H", Some(Duration::from_secs(3_600)));
        check("2M", Some(Duration::from_secs(120)));
        check("99999999S", Some(Duration::from_secs(99_999_999)));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        check("5m", Some(Duration::from_millis(5)));
        check("6u", Some(Duration::from_micros(6)));
        check("0n", Some(Duration::ZERO));
        for text in ["", "S", "1", "1s", "100000000S", "-1S", "+1S", " 1S", "1.5S", "1ü"] {
            check(text, None);
        }
    }
}
