//! One request and its answer, across redirects. A redirect target may be a signed URL: only its
//! host is kept or shown.

// Matches over errors of the HTTP client.
#![allow(clippy::wildcard_enum_match_arm)]

use std::io;
use std::time::{Duration, Instant};

use ureq::http::header::{self, HeaderName, HeaderValue};
use ureq::http::{Response, StatusCode, Uri};

use super::remote::{Headers, is_same_origin};
use super::shown_url;
use crate::refresh::FetchError;

/// The maximum length of a shown header, in characters.
const MAX_SHOWN: usize = 128;

/// A prepared request.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub agent: &'a ureq::Agent,
    pub url: &'a str,
    pub user_agent: &'a str,
    /// Sent only to the origin of `url`.
    pub headers: Option<&'a Headers>,
    /// Also sent to redirect targets.
    pub more: &'a [(HeaderName, HeaderValue)],
    /// Total, including all redirects and the body.
    pub timeout: Duration,
    pub max_redirects: u32,
}

/// The observed answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The hosts of the redirects, in order.
    pub redirect_hosts: Vec<String>,
    /// The last status; `None` without an answer.
    pub status: Option<u16>,
    /// The media type; may be empty.
    pub content_type: String,
    /// True if it has an `ETag` or `Last-Modified`, so that an unchanged file need not be sent.
    pub has_validator: bool,
    /// Bytes read of the body.
    pub bytes: u64,
}

impl Exchange<'_> {
    /// Sends the request and follows redirects. Returns the answer, whatever its status.
    pub fn send(&self, seen: &mut Seen) -> Result<Response<ureq::Body>, FetchError> {
        let first: Option<Uri> = self.url.parse().ok().filter(is_web);
        let first = first.ok_or_else(|| FetchError::Url { url: shown_url(self.url) })?;
        let headers = self.headers.map_or_else(|| Ok(Vec::new()), Headers::read);
        let headers = headers.map_err(|(path, what)| FetchError::Headers { path, what })?;
        let start = Instant::now();
        let mut at = first.clone();
        for _ in 0..=self.max_redirects {
            let left = self.timeout.saturating_sub(start.elapsed());
            let mut request = self.agent.get(&at).header(header::USER_AGENT, self.user_agent);
            let own = headers.iter().filter(|_| is_same_origin(&first, &at));
            for (name, value) in own.chain(self.more) {
                request = request.header(name, value);
            }
            let request = request.config().timeout_global(Some(left)).build();
            let answer = request.call().map_err(|error| self.failed(error, 0))?;
            seen.record(&answer);
            let Some(location) = redirected(&answer) else { return Ok(answer) };
            let away = |to| FetchError::RedirectedAway { url: shown_url(self.url), to };
            at = resolve(&at, location)
                .ok_or_else(|| away("to something other than an http or https URL"))?;
            // A redirect must not downgrade from https.
            if first.scheme_str() == Some("https") && at.scheme_str() != Some("https") {
                return Err(away("from https to http"));
            }
            seen.redirect_hosts.push(at.host().unwrap_or_default().to_owned());
        }
        Err(FetchError::Redirects { url: shown_url(self.url), limit: self.max_redirects })
    }

    /// Maps an unexpected status to an error.
    pub fn refused(&self, status: StatusCode) -> FetchError {
        let (url, code) = (shown_url(self.url), status.as_u16());
        match status {
            StatusCode::FORBIDDEN => FetchError::Blocked { url, agent: self.user_agent.to_owned() },
            StatusCode::NOT_FOUND | StatusCode::GONE => FetchError::NotFound { url, status: code },
            _ => FetchError::Status { url, status: code },
        }
    }

    /// Maps a failure after `got` bytes of a body to an error.
    pub fn failed(&self, error: ureq::Error, got: u64) -> FetchError {
        let url = shown_url(self.url);
        let reason = match error {
            ureq::Error::Timeout(_) => {
                return FetchError::TimedOut { url, after: self.timeout };
            }
            ureq::Error::Io(error) if got > 0 && error.kind() == io::ErrorKind::UnexpectedEof => {
                return FetchError::Truncated { url, got };
            }
            // These texts contain the redirect target, which may be signed.
            ureq::Error::BadUri(_) => "not a valid URL".to_owned(),
            ureq::Error::Protocol(_) => "the answer is not valid HTTP".to_owned(),
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        FetchError::Transport { url, reason }
    }
}

impl Seen {
    fn record(&mut self, answer: &Response<ureq::Body>) {
        self.status = Some(answer.status().as_u16());
        let headers = answer.headers();
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        self.content_type = content_type.unwrap_or_default().chars().take(MAX_SHOWN).collect();
        self.has_validator =
            headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
    }
}

/// Returns the redirect target of an answer.
fn redirected(answer: &Response<ureq::Body>) -> Option<&str> {
    let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = answer.headers().get(header::LOCATION).filter(|_| is_redirect)?;
    // A header that is not text is not a URL.
    Some(location.to_str().unwrap_or_default())
}

/// Resolves `location` against `base` (RFC 3986, section 5.2, without dot segments, which are left
/// to the server); `None` if it is not a web address.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let path = base.path();
    let whole = match location {
        "" => return None,
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ if location.starts_with('?') => format!("{scheme}://{authority}{path}{location}"),
        _ if has_scheme(location) => location.to_owned(),
        _ => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{scheme}://{authority}{folder}/{location}")
        }
    };
    whole.parse().ok().filter(is_web)
}

fn has_scheme(location: &str) -> bool {
    let scheme = location.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_web(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|it| !it.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    #[test]
    fn a_location_is_resolved_against_what_was_asked() {
        let base: Uri = "https://u:p@a.example:8443/x/y.xml?z=1".parse().unwrap();
        for (location, want) in [
            ("https://b.example/s?sig=1#f", Some("https://b.example/s?sig=1")),
            ("HTTP://b.example/s", Some("http://b.example/s")),
            ("//b.example/s", Some("https://b.example/s")),
            ("/s?sig=1", Some("https://u:p@a.example:8443/s?sig=1")),
            ("?sig=1", Some("https://u:p@a.example:8443/x/y.xml?sig=1")),
            ("s.xml", Some("https://u:p@a.example:8443/x/s.xml")),
            ("ftp://b.example/s", None),
            ("javascript:alert(1)", None),
            ("https:///s", None),
            ("", None),
            ("#f", None),
            ("http://b.example/a b", None),
        ] {
            let resolved = resolve(&base, location).map(|uri| uri.to_string());
            assert_eq!(resolved.as_deref(), want, "{location}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let check = |one: &str, other: &str, want: bool| {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(is_same_origin(&one, &other), want, "{one} {other}");
        };
        check("https://a.example/x", "https://A.example:443/y?z", true);
        check("https://a.example/x", "http://a.example/x", false);
        check("https://a.example/x", "https://a.example:8443/x", false);
        check("https://a.example/x", "https://b.a.example/x", false);
    }
}
