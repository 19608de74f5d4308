//! How the server of a source is requested: agent, headers, fallback URLs, and the publication
//! probe. Secret values are never shown.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Uri;
use ureq::http::header::{HeaderName, HeaderValue};

/// The default user agent. OFAC's firewall rejects agents that do not begin with `Mozilla/` and a
/// digit, or have fewer than 40 characters.
pub const USER_AGENT: &str = concat!(
    "Mozilla/5.0 (compatible; Lazaretto/",
    env!("CARGO_PKG_VERSION"),
    "; +",
    env!("CARGO_PKG_HOMEPAGE"),
    ")"
);

/// The maximum number of headers of a list.
const MAX_HEADERS: usize = 32;

/// The maximum length of a header file, in bytes.
const MAX_TEXT: u64 = 16 << 10;

/// Headers, or prefixes of them, that the program sets itself or that belong to the connection.
const FORBIDDEN: [&str; 16] = [
    "host",
    "content-",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-",
    "range",
    "if-",
    "accept-encoding",
    "user-agent",
    "cookie2",
    "http2-settings",
];

/// Configuration of a list's server besides the first URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// Fallback URLs, in order.
    pub more_urls: Vec<String>,
    /// Folders of one publisher with the same files: URLs in them that name the same file are one
    /// source. Any other URL is a separate source.
    pub same_folders: Vec<String>,
    /// Replaces [`USER_AGENT`].
    pub user_agent: Option<String>,
    /// Sent only to the origin of [`Self::headers_to`], never to redirect targets elsewhere.
    pub headers: Headers,
    /// The URL whose origin (scheme, host and port) gets the headers: a secret for a mirror is not
    /// for others. `None` sends them nowhere.
    pub headers_to: Option<String>,
    /// The publication probe.
    pub probe: Option<ProbeSettings>,
}

impl Remote {
    /// Returns the headers for `url`.
    pub(super) fn headers_for(&self, url: &str) -> Option<&Headers> {
        let to = self.headers_to.as_ref()?;
        are_of_one_origin(to, url).then_some(&self.headers)
    }
}

/// Endpoint and interval of a publication probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    /// An endpoint whose answer changes with every publication.
    pub url: String,
    /// Interval between probes, shortened by up to a tenth.
    pub interval: Duration,
}

/// Request headers. Their values may be secret: they are neither shown nor logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    given: Vec<(HeaderName, HeaderValue)>,
    /// A file with further headers, read for each request, so that a secret can be rotated.
    file: Option<PathBuf>,
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.given.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Headers").field("names", &names).field("file", &self.file).finish()
    }
}

impl Headers {
    /// Combines `given` headers with those of a file.
    pub fn new(given: Vec<(HeaderName, HeaderValue)>, file: Option<PathBuf>) -> Self {
        Self { given, file }
    }

    /// Returns the current headers. The error names the problem with the file.
    pub(super) fn read(&self) -> Result<Vec<(HeaderName, HeaderValue)>, (PathBuf, String)> {
        let mut headers = self.given.clone();
        if let Some(path) = &self.file {
            let of_file = read_file(path).map_err(|what| (path.clone(), what))?;
            headers.extend(of_file);
        }
        Ok(headers)
    }
}

fn read_file(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_TEXT + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    parse_headers(&text)
}

/// Parses headers, one `Name: value` per line. The error contains no value.
pub fn parse_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    if text.len() as u64 > MAX_TEXT {
        return Err(format!("headers of more than {MAX_TEXT} bytes"));
    }
    let mut headers = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: &str| format!("line {number} of the headers {what}");
        let (name, value) =
            line.split_once(':').ok_or_else(|| wrong("is not written `Name: value`"))?;
        let name: HeaderName =
            name.trim().parse().map_err(|_| wrong("has an invalid header name"))?;
        if is_forbidden(name.as_str()) {
            let message = format!("sets {name}, which the program sets by itself or refuses");
            return Err(wrong(&message));
        }
        let value = value.trim();
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if value.is_empty() || !value.bytes().all(printable) {
            return Err(wrong("has a value that is empty or not plain ASCII"));
        }
        let mut value: HeaderValue =
            value.parse().map_err(|_| wrong("has an invalid header value"))?;
        value.set_sensitive(true);
        headers.push((name, value));
    }
    if headers.len() > MAX_HEADERS {
        return Err(format!("{} headers, at most {MAX_HEADERS}", headers.len()));
    }
    Ok(headers)
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.iter().any(|forbidden| match forbidden.strip_suffix('-') {
        Some(_) => name.starts_with(forbidden),
        None => name == *forbidden,
    })
}

/// Parses a user agent.
pub fn parse_user_agent(text: &str) -> Result<String, String> {
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.trim() != text || text.len() > 256 || !text.bytes().all(printable) {
        return Err("must be at most 256 characters of plain ASCII".to_owned());
    }
    Ok(text.to_owned())
}

/// Returns true if two URLs share scheme, host and port.
pub fn are_of_one_origin(one: &str, other: &str) -> bool {
    let parsed = one.parse().ok().zip(other.parse().ok());
    parsed.is_some_and(|(one, other)| is_same_origin(&one, &other))
}

pub(super) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let origin = |uri: &Uri| {
        let host = uri.host().map(str::to_ascii_lowercase);
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        (uri.scheme_str().map(str::to_owned), host, uri.port_u16().unwrap_or(usual))
    };
    origin(one) == origin(other)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_one_that_firewalls_let_pass() {
        let rest = USER_AGENT.strip_prefix("Mozilla/").unwrap();
        assert!(rest.starts_with(|character: char| character.is_ascii_digit()), "{USER_AGENT}");
        assert!(USER_AGENT.len() >= 40, "{USER_AGENT}");
        let named = concat!("Lazaretto/", env!("CARGO_PKG_VERSION"), "; +https://");
        assert!(USER_AGENT.contains(named), "{USER_AGENT}");
        assert_eq!(parse_user_agent(USER_AGENT).as_deref(), Ok(USER_AGENT));
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let headers = parse_headers("X-Api-Key: s3cret: 1\n\nAccept:text/xml\r\n").unwrap();
        let shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap(), value.is_sensitive()))
            .collect();
        let want = [("x-api-key", "s3cret: 1", true), ("accept", "text/xml", true)];
        assert_eq!(shown, want);
        let debug = format!("{:?}", Headers::new(headers, Some("h.txt".into())));
        assert!(debug.contains("x-api-key") && debug.contains("h.txt"), "{debug}");
        assert!(!debug.contains("s3cret"), "{debug}");
    }

    #[test]
    fn what_is_no_header_is_refused_without_its_value() {
        let check = |text: &str, want: &str| {
            let error = parse_headers(text).unwrap_err();
            assert!(error.contains(want) && !error.contains("s3cret"), "{text:?}: {error}");
        };
        for name in ["Host", "content-length", "Transfer-Encoding", "proxy-authorization"] {
            check(&format!("{name}: s3cret"), "refuses");
        }
        for name in ["User-Agent", "RANGE", "If-None-Match", "connection", "accept-encoding"] {
            check(&format!("A: 1\n{name}: s3cret"), "line 2 of the headers sets");
        }
        check("s3cret", "Name: value");
        check("na me: s3cret", "invalid header name");
        check("a:", "empty");
        check("a: s3cret\u{7f}", "plain ASCII");
        check("a: s3cret\rb: c", "plain ASCII");
        check(&"a: 1\n".repeat(33), "33 headers, at most 32");
        check(&"a: 1\n".repeat(4_000), "more than 16384 bytes");
    }

    #[test]
    fn headers_of_a_file_are_read_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headers");
        let headers = Headers::new(parse_headers("A: 1").unwrap(), Some(path.clone()));
        assert_eq!(headers.read().unwrap_err().0, path);
        for secret in ["one", "two"] {
            std::fs::write(&path, format!("X-Key: {secret}\n")).unwrap();
            let read = headers.read().unwrap();
            assert_eq!(read.len(), 2);
            assert_eq!(read[1].1, secret);
        }
        std::fs::write(&path, "a: 1\n".repeat(100_000)).unwrap();
        assert!(headers.read().unwrap_err().1.contains("more than"));
    }
}
