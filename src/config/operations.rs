//! The settings of the operations port and of traces.

use std::net::SocketAddr;

use super::raw_value::RawValue;
use crate::telemetry::TraceSettings;

/// The keys of `traces`, in the order of the example file.
pub const TRACE_KEYS: [&str; 2] = ["endpoint", "sample"];

/// The longest endpoint, in bytes.
const MAX_ENDPOINT: usize = 1024;

/// Parses the address of the operations port, such as `127.0.0.1:50552`.
pub fn parse_address(given: &RawValue) -> Result<SocketAddr, String> {
    let text = given.text()?;
    let message = || format!("invalid address {text:?}; use IP:PORT, such as 127.0.0.1:50552");
    text.parse().map_err(|_| message())
}

pub fn apply(traces: &mut TraceSettings, key: &str, given: &RawValue) -> Result<(), String> {
    match key {
        "endpoint" => traces.endpoint = Some(parse_endpoint(given.text()?)?),
        "sample" => traces.sample = given.fraction()?,
        _ => return Err(format!("unknown key {key:?}")),
    }
    Ok(())
}

/// Parses `http://HOST:PORT`; OTLP over gRPC has no path.
fn parse_endpoint(text: &str) -> Result<String, String> {
    let message = || {
        format!("invalid endpoint {text:?}; use http://HOST:PORT, such as http://127.0.0.1:4317")
    };
    let uri: http::Uri = text.parse().map_err(|_| message())?;
    let is_whole = uri.scheme_str() == Some("http") && uri.port_u16().is_some();
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if is_whole && is_bare && has_host && plain && text.len() <= MAX_ENDPOINT {
        Ok(text.to_owned())
    } else {
        Err(message())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    #[test]
    fn collectors() {
        let check = |text: &str, fits: bool| {
            let mut traces = TraceSettings::default();
            let given = RawValue::Text(text.to_owned());
            let applied = apply(&mut traces, "endpoint", &given);
            assert_eq!(applied.is_ok(), fits, "{text:?}: {applied:?}");
            assert_eq!(traces.endpoint.as_deref(), fits.then_some(text));
        };
        check("http://127.0.0.1:4317", true);
        check("http://collector.tracing:4317/", true);
        check("http://[::1]:4317", true);
        for text in [
            "",
            "127.0.0.1:4317",
            "http://127.0.0.1",
            "https://127.0.0.1:4317",
            "http://127.0.0.1:4317/v1/traces",
            "http://127.0.0.1:4317?x",
            "http://user:secret@127.0.0.1:4317",
            "http://:4317",
            "http://a b:4317",
        ] {
            check(text, false);
        }
        let long = format!("http://{}:4317", "a".repeat(MAX_ENDPOINT));
        check(&long, false);
    }

    #[test]
    fn samples_and_addresses() {
        let sample = |text: &str| {
            let mut traces = TraceSettings::default();
            let given = RawValue::Text(text.to_owned());
            apply(&mut traces, "sample", &given).ok().map(|()| traces.sample)
        };
        assert_eq!(sample("0"), Some(0.0));
        assert_eq!(sample("1.0"), Some(1.0));
        assert_eq!(["-0.1", "1.1", "nan", "x", ""].map(sample), [None; 5]);
        let at = |text: &str| parse_address(&RawValue::Text(text.to_owned()));
        assert_eq!(at("[::]:50552").unwrap().port(), 50552);
        let refusal = "invalid address \"localhost:1\"; use IP:PORT, such as 127.0.0.1:50552";
        assert_eq!(at("localhost:1").unwrap_err(), refusal);
    }
}
