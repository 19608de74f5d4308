//! Probes an endpoint that announces new publications in few bytes.
//!
//! OFAC's `/changes/latest` redirects to a signed address of the latest publication's changes, XML
//! of up to megabytes with one name per day. So only its tag and a part of its beginning are
//! compared. Any other endpoint's answer is compared in the same way, parsed or not.

use std::io::Read;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Body;
use ureq::http::header::{self, HeaderValue};
use ureq::http::{Response, StatusCode};

use super::exchange::Seen;
use super::remote::{ProbeSettings, Remote};
use super::{Fetcher, begins_as_web_page, conditions, shown_url, validator, web_page};
use crate::refresh::watch::{Answer, AnswerMark};
use crate::refresh::{FetchError, Refresher, Source, lock};

/// How much of an answer is requested and read, in bytes.
const EXCERPT: u64 = 512;

/// How much of an answer may be in flight before the connection is closed, in bytes.
const IN_FLIGHT: u64 = 64 << 10;

/// The timeout of a probe: lists wait while another one is probed.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The result of a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// The endpoint, without credentials and query.
    pub url: String,
    /// The observed answer.
    pub seen: Seen,
    /// The publication as named by the answer; empty if it could not be parsed. A change is noticed
    /// anyway.
    pub publication: String,
    pub error: Option<String>,
}

impl Refresher {
    /// Probes a source for its latest publication; records and logs the result.
    pub(in crate::refresh) fn probe(&self, source: &Source, probe: &ProbeSettings) -> Answer {
        let settings = &source.settings;
        let known = lock(&source.watch).seen().cloned();
        let mut seen = Seen::default();
        let result = ask(&self.fetcher, &probe.url, &settings.remote, known.as_ref(), &mut seen);
        let mut status = lock(&source.status);
        let status = &mut status.probe;
        status.last_attempt = Some(self.publisher.now());
        let before = status.last_error.take();
        match &result {
            Ok(answer) => {
                let is_known = match answer {
                    Answer::Content(mark, _) => known.is_some_and(|it| it.digest == mark.digest),
                    Answer::NotModified | Answer::Failed => true,
                };
                let count = if is_known { &mut status.unchanged } else { &mut status.announced };
                *count += 1;
                if before.is_some() {
                    let list = &settings.id;
                    tracing::info!(%list, "publication probe recovered");
                }
            }
            Err(error) => {
                status.failed += 1;
                status.last_error = Some(error.to_string());
                if before.is_none() {
                    tracing::warn!(
                        list = %settings.id, %error, interval = ?settings.refresh_interval,
                        "publication probe failed, reading the list at its interval only",
                    );
                }
            }
        }
        result.unwrap_or(Answer::Failed)
    }

    /// Probes once without changing anything.
    pub(in crate::refresh) fn try_probe(
        &self,
        probe: &ProbeSettings,
        remote: &Remote,
    ) -> ProbeReport {
        let mut seen = Seen::default();
        let result = ask(&self.fetcher, &probe.url, remote, None, &mut seen);
        let (publication, error) = match result {
            Ok(Answer::Content(mark, _)) => (mark.publication, None),
            Ok(_) => (String::new(), None),
            Err(error) => (String::new(), Some(error.to_string())),
        };
        ProbeReport { url: shown_url(&probe.url), seen, publication, error }
    }
}

/// Requests a part of `url`, conditionally on the previous answer.
fn ask(
    fetcher: &Fetcher,
    url: &str,
    remote: &Remote,
    known: Option<&AnswerMark>,
    seen: &mut Seen,
) -> Result<Answer, FetchError> {
    let mut more = known.map_or_else(Vec::new, |known| {
        conditions(known.etag.as_deref(), known.last_modified.as_deref())
    });
    let conditional = !more.is_empty();
    more.push((header::RANGE, HeaderValue::from_static("bytes=0-511")));
    let exchange = fetcher.exchange(url, remote, &more, TIMEOUT);
    let mut answer = exchange.send(seen)?;
    match answer.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
        StatusCode::NOT_MODIFIED if conditional => return Ok(Answer::NotModified),
        status => return Err(exchange.refused(status)),
    }
    let mut excerpt = Vec::new();
    let read = answer.body_mut().as_reader().take(EXCERPT).read_to_end(&mut excerpt);
    read.map_err(|error| exchange.failed(error.into(), excerpt.len() as u64))?;
    seen.bytes = excerpt.len() as u64;
    if let Some(found) = web_page(answer.headers()).or_else(|| begins_as_web_page(&excerpt)) {
        return Err(FetchError::WebPage { url: shown_url(url), found });
    }
    if excerpt.is_empty() {
        return Err(FetchError::Empty { url: shown_url(url) });
    }
    let is_whole = answer.status() == StatusCode::OK;
    let length = answer.body().content_length();
    let cost = if is_whole && seen.bytes == EXCERPT {
        length.unwrap_or(IN_FLIGHT).min(IN_FLIGHT)
    } else {
        seen.bytes
    };
    Ok(Answer::Content(mark(&answer, is_whole.then_some(length).flatten(), &excerpt), cost))
}

/// Fingerprints the publication: its tag, or its date without one, its length and its beginning.
fn mark(answer: &Response<Body>, length: Option<u64>, excerpt: &[u8]) -> AnswerMark {
    let headers = answer.headers();
    let etag = validator(headers, header::ETAG);
    let last_modified = validator(headers, header::LAST_MODIFIED);
    let of_range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let of_range = of_range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let length: Option<u64> = length.or(of_range);
    let version = etag.as_ref().or(last_modified.as_ref());
    let mut hasher = Sha256::new();
    hasher.update(format!("{version:?} {length:?} "));
    hasher.update(excerpt);
    AnswerMark {
        digest: hasher.finalize().into(),
        etag,
        last_modified,
        publication: publication_name(excerpt),
    }
}

/// Returns the publication named in a JSON or XML answer; empty if there is none.
fn publication_name(excerpt: &[u8]) -> String {
    let text = String::from_utf8_lossy(excerpt);
    let lower = text.to_ascii_lowercase();
    let value = |key: &str| {
        let rest = &text[lower.find(key)? + key.len()..];
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+');
        let rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let value: String = rest.chars().take_while(|c| plain(*c)).take(40).collect();
        value.starts_with(|c: char| c.is_ascii_digit()).then_some(value)
    };
    match (value("publicationid"), value("datepublished")) {
        (Some(id), Some(date)) => format!("{id} of {date}"),
        (Some(id), None) => id,
        (None, Some(date)) => format!("of {date}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications_are_named_in_json_and_xml() {
        let check =
            |text: &str, want: &str| assert_eq!(publication_name(text.as_bytes()), want, "{text}");
        let date = "2026-01-16T10:01:44.740051";
        check(
            &format!("[{{\"publicationID\": 803, \"datePublished\": \"{date}\"}}]"),
            &format!("803 of {date}"),
        );
        check("{\"PublicationId\":\"803\"}", "803");
        check(
            "<publicationInfo>\r\n<datePublished>2026-08-20T00:00:00-04:00</datePublished>",
            "of 2026-08-20T00:00:00-04:00",
        );
        check("<publicationID>12</publicationID>", "12");
        check("{\"publicationID\": null}", "");
        check("\u{130}publicationID", "");
        check("publicationID", "");
        check("{\"latest\": 5}", "");
        check(&format!("publicationID:{}", "9".repeat(500)), &"9".repeat(40));
    }
}
