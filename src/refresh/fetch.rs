//! Fetches one file over HTTP, completely or not at all, within bounds of size and time.

mod exchange;
mod post;
mod probe;
mod remote;

use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use ureq::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ureq::http::{StatusCode, Uri, Version};

use self::exchange::Exchange;
pub use self::exchange::Seen;
pub use self::post::post_text;
pub use self::probe::ProbeReport;
pub use self::remote::{
    Headers, ProbeSettings, Remote, USER_AGENT, are_of_one_origin, parse_headers, parse_user_agent,
};
use super::cause::FetchError;
use super::fetch_dir;
use crate::domain::list::ListCheck;

/// The longest `ETag` or `Last-Modified` that is kept, in bytes.
const MAX_TAG: usize = 1024;

/// How every temporary file's name begins.
const PREFIX: &str = "fetch-";

/// The bounds of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// The maximum body size in bytes.
    pub max_bytes: u64,
    /// The timeout from the beginning to the last byte, over all redirects.
    pub timeout: Duration,
    pub max_redirects: u32,
    /// The timeout between two reads.
    pub idle: Duration,
    /// How long a body may be slower than [`Self::min_rate`].
    pub slow_after: Duration,
    /// The fewest bytes of a body a second, on average.
    pub min_rate: u64,
    /// True if `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` apply.
    pub proxy_from_env: bool,
}

impl Default for FetchLimits {
    /// 512 MiB (OFAC's largest file has 127 MB), 5 redirects, proxy from the environment. OFAC's
    /// storage was measured at 190 KB a second, 11 minutes for that file, so the timeout is 30
    /// minutes. Stalled or slow transfers end after one minute, since other lists wait.
    fn default() -> Self {
        Self {
            max_bytes: 512 * 1024 * 1024,
            timeout: Duration::from_secs(1_800),
            max_redirects: 5,
            idle: Duration::from_secs(60),
            slow_after: Duration::from_secs(60),
            min_rate: 8 * 1024,
            proxy_from_env: true,
        }
    }
}

#[derive(Debug)]
pub enum Fetched {
    /// 304: not modified.
    NotModified,
    /// 200: the complete file.
    File {
        /// The bytes; removed when this is dropped.
        file: NamedTempFile,
        /// `ETag`, if it can be sent back.
        etag: Option<String>,
        /// `Last-Modified`, if it can be sent back.
        last_modified: Option<String>,
    },
}

/// An HTTP client with its bounds and a download directory.
#[derive(Debug)]
pub struct Fetcher {
    agent: ureq::Agent,
    limits: FetchLimits,
    dir: PathBuf,
}

impl Fetcher {
    /// Creates a fetcher that writes under `data_dir`, and removes the leftovers of a killed
    /// process there. `data_dir` must belong to this process alone: hold the store open.
    pub fn new(data_dir: &Path, limits: FetchLimits) -> Result<Self, FetchError> {
        let dir = fetch_dir(data_dir);
        if let Err(error) = clear(&dir) {
            tracing::warn!(dir = %dir.display(), %error, "download directory not emptied");
        }
        // Redirects are followed manually, so that secret headers are not forwarded.
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_per_read(Some(limits.idle));
        if !limits.proxy_from_env {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), limits, dir })
    }

    /// Fetches `url`, always the URL itself and never an earlier redirect target. With `known`,
    /// fetches only if it changed since that answer. Fills `seen` with the observed answer, even on
    /// an error.
    pub fn fetch(
        &self,
        url: &str,
        remote: &Remote,
        known: Option<&ListCheck>,
        seen: &mut Seen,
    ) -> Result<Fetched, FetchError> {
        let tags = known.map_or_else(Vec::new, |known| {
            conditions(known.etag.as_deref(), known.last_modified.as_deref())
        });
        let conditional = !tags.is_empty();
        let exchange = self.exchange(url, remote, &tags, self.limits.timeout);
        let mut answer = exchange.send(seen)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if conditional => return Ok(Fetched::NotModified),
            status => return Err(exchange.refused(status)),
        }
        let headers = answer.headers();
        if let Some(found) = web_page(headers) {
            return Err(FetchError::WebPage { url: shown_url(url), found });
        }
        let (etag, last_modified) =
            (validator(headers, header::ETAG), validator(headers, header::LAST_MODIFIED));
        let length = answer.body().content_length();
        if length.is_some_and(|length| length > self.limits.max_bytes) {
            return Err(self.too_large(url));
        }
        if length.is_none() && !has_delimited_end(answer.version(), answer.headers()) {
            return Err(FetchError::Unbounded { url: shown_url(url) });
        }
        let file = self.spool(&exchange, answer.body_mut().as_reader(), length, seen)?;
        Ok(Fetched::File { file, etag, last_modified })
    }

    /// Prepares a request for `url` with further headers and a timeout.
    fn exchange<'a>(
        &'a self,
        url: &'a str,
        remote: &'a Remote,
        more: &'a [(HeaderName, HeaderValue)],
        timeout: Duration,
    ) -> Exchange<'a> {
        let user_agent = remote.user_agent.as_deref().unwrap_or(USER_AGENT);
        Exchange {
            agent: &self.agent,
            url,
            user_agent,
            headers: remote.headers_for(url),
            more,
            timeout,
            max_redirects: self.limits.max_redirects,
        }
    }

    /// Writes a body to a file; `length` is its size, if known.
    fn spool(
        &self,
        exchange: &Exchange<'_>,
        mut body: impl Read,
        length: Option<u64>,
        seen: &mut Seen,
    ) -> Result<NamedTempFile, FetchError> {
        let url = exchange.url;
        let start = Instant::now();
        let disk = |source| FetchError::Disk { path: self.dir.clone(), source };
        let mut file = tempfile::Builder::new()
            .prefix(PREFIX)
            .suffix(&suffix(url))
            .tempfile_in(&self.dir)
            .map_err(disk)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut got = 0_u64;
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(exchange.failed(error.into(), got)),
            };
            if got == 0
                && let Some(found) = begins_as_web_page(&buffer[..read])
            {
                return Err(FetchError::WebPage { url: shown_url(url), found });
            }
            got += read as u64;
            seen.bytes = got;
            if got > self.limits.max_bytes {
                return Err(self.too_large(url));
            }
            let (after, least) = (start.elapsed(), self.limits.min_rate);
            if after > self.limits.slow_after && got < after.as_secs().saturating_mul(least) {
                return Err(FetchError::TooSlow { url: shown_url(url), got, after, least });
            }
            file.write_all(&buffer[..read]).map_err(disk)?;
        }
        if length.is_some_and(|length| length != got) {
            return Err(FetchError::Truncated { url: shown_url(url), got });
        }
        if got == 0 {
            return Err(FetchError::Empty { url: shown_url(url) });
        }
        Ok(file)
    }

    fn too_large(&self, url: &str) -> FetchError {
        FetchError::TooLarge { url: shown_url(url), limit: self.limits.max_bytes }
    }
}

/// Returns a URL without credentials, query and fragment, for display.
pub fn shown_url(url: &str) -> String {
    let parsed = url.parse::<Uri>().ok();
    let shown = parsed.as_ref().and_then(|uri| {
        let host = uri.host()?;
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{host}{port}{}", uri.scheme_str()?, uri.path()))
    });
    shown.unwrap_or_else(|| "(invalid URL)".to_owned())
}

/// Returns the media type if it is that of a web page. No list format is one, but error pages and
/// captive portals are.
fn web_page(headers: &HeaderMap) -> Option<&'static str> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].into_iter().find(|page| kind.eq_ignore_ascii_case(page))
}

/// Returns the beginning of a web page if `head` is one, whatever its media type.
fn begins_as_web_page(head: &[u8]) -> Option<&'static str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if !head.starts_with(b"<") {
        return None;
    }
    let head = head[..head.len().min(512)].to_ascii_lowercase();
    let holds = |mark: &&str| head.windows(mark.len()).any(|part| part == mark.as_bytes());
    ["<!doctype html", "<html"].into_iter().find(holds)
}

/// Returns the headers of a conditional request with these validators.
fn conditions(etag: Option<&str>, last_modified: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    let tags = [(header::IF_NONE_MATCH, etag), (header::IF_MODIFIED_SINCE, last_modified)];
    let valid = |(name, value): (HeaderName, Option<&str>)| Some((name, value?.parse().ok()?));
    tags.into_iter().filter_map(valid).collect()
}

/// Returns true if a body without a known length marks its own end: it is chunked, or empty.
fn has_delimited_end(version: Version, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let last = text(header::TRANSFER_ENCODING).rsplit(',').next().unwrap_or_default();
    let chunked = last.trim().eq_ignore_ascii_case("chunked") && version == Version::HTTP_11;
    chunked || text(header::CONTENT_LENGTH).trim() == "0"
}

/// Returns a header that can be sent back unchanged.
fn validator(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty() && value.len() <= MAX_TAG).then(|| value.to_owned())
}

/// Returns the suffix of the temporary file's name: the file name in the URL, which may identify
/// the format, reduced to letters, digits, dot, dash and underscore.
fn suffix(url: &str) -> String {
    let parsed = url.parse::<Uri>().ok();
    let name = parsed.as_ref().and_then(|uri| uri.path().rsplit('/').next()).unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().filter(plain).collect();
    let from = name.len().saturating_sub(64);
    format!("-{}", &name[from..])
}

fn clear(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
