//! One file over HTTP, whole or not at all, within bounds of size and time. Neither reads nor
//! judges what it says.

use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;
use ureq::http::header::{self, HeaderMap, HeaderName};
use ureq::http::{StatusCode, Uri, Version};

use super::fetch_dir;
use crate::domain::list::ListCheck;

/// The longest `ETag` or `Last-Modified` that is kept, in bytes.
const MAX_TAG: usize = 1024;

/// How every temporary file's name begins.
const PREFIX: &str = "fetch-";

/// The bounds of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// The most bytes of a body.
    pub max_bytes: u64,
    /// The most time from the beginning to the last byte, over all redirects.
    pub timeout: Duration,
    /// The most redirects.
    pub max_redirects: u32,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are heeded.
    pub proxy_from_env: bool,
}

impl Default for FetchLimits {
    /// 512 MiB (OFAC's largest file has 121 MB), 10 minutes, 5 redirects, the proxy heeded.
    fn default() -> Self {
        Self {
            max_bytes: 512 * 1024 * 1024,
            timeout: Duration::from_secs(600),
            max_redirects: 5,
            proxy_from_env: true,
        }
    }
}

/// Why a file was not fetched. A URL is named without credentials and query; one that it was
/// redirected to is never named.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an absolute `http` or `https` URL.
    #[error("{url}: not an http or https URL")]
    Url {
        /// What was asked for.
        url: String,
    },
    /// Neither 200 nor an expected 304.
    #[error("{url}: the server answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// A web page instead of a list.
    #[error("{url}: the server sent a web page ({found}) instead of a list")]
    ContentType {
        /// What was asked for.
        url: String,
        /// The media type.
        found: String,
    },
    /// More than the bound.
    #[error("{url}: the file has more than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// [`FetchLimits::max_bytes`].
        limit: u64,
    },
    /// The connection ended before the body did.
    #[error("{url}: the file was cut off after {got} bytes")]
    Truncated {
        /// What was asked for.
        url: String,
        /// How many arrived.
        got: u64,
    },
    /// A body that ends with its connection: cut short, it would look whole.
    #[error(
        "{url}: the server says neither the file's length nor its end (no Content-Length, not chunked), \
         so that a file cut short would look whole"
    )]
    Unbounded {
        /// What was asked for.
        url: String,
    },
    /// No bytes.
    #[error("{url}: the file is empty")]
    Empty {
        /// What was asked for.
        url: String,
    },
    /// Slower than the bound.
    #[error("{url}: not finished within {after:?}")]
    TimedOut {
        /// What was asked for.
        url: String,
        /// [`FetchLimits::timeout`].
        after: Duration,
    },
    /// Redirected too often.
    #[error("{url}: redirected more than {limit} times")]
    Redirects {
        /// What was asked for.
        url: String,
        /// [`FetchLimits::max_redirects`].
        limit: u32,
    },
    /// Not reached, or the connection broke.
    #[error("{url}: {reason}")]
    Transport {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// The bytes could not be written down.
    #[error("{path}: {source}", path = .path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// What a server answered.
#[derive(Debug)]
pub enum Fetched {
    /// 304: it has nothing newer.
    NotModified,
    /// 200, all of it.
    File {
        /// The bytes; removed when this is dropped.
        file: NamedTempFile,
        /// `ETag`, if it can be sent back.
        etag: Option<String>,
        /// `Last-Modified`, if it can be sent back.
        last_modified: Option<String>,
    },
}

/// A client with its bounds and a directory for what is on the way.
#[derive(Debug)]
pub struct Fetcher {
    agent: ureq::Agent,
    limits: FetchLimits,
    dir: PathBuf,
}

impl Fetcher {
    /// A fetcher that writes under `data_dir`, and removes there what a killed process left.
    /// `data_dir` must be this process's own: hold the store open.
    pub fn new(data_dir: &Path, limits: FetchLimits) -> Result<Self, FetchError> {
        let dir = fetch_dir(data_dir);
        if let Err(error) = clear(&dir) {
            tracing::warn!(dir = %dir.display(), %error, "the directory of downloads was not emptied");
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(limits.max_redirects)
            .max_redirects_will_error(true)
            .timeout_global(Some(limits.timeout))
            .user_agent(concat!("lazaretto/", env!("CARGO_PKG_VERSION")));
        if !limits.proxy_from_env {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), limits, dir })
    }

    /// Fetches `url`, which is asked for itself every time, never what it redirected to. With
    /// `known`, only if it changed since that answer.
    pub fn fetch(&self, url: &str, known: Option<&ListCheck>) -> Result<Fetched, FetchError> {
        let secure = match url.parse::<Uri>().ok().as_ref().and_then(Uri::scheme_str) {
            Some("https") => true,
            Some("http") => false,
            _ => {
                return Err(FetchError::Url { url: shown_url(url) });
            }
        };
        let mut request = self.agent.get(url);
        let mut conditional = false;
        if let Some(known) = known {
            let tags = [
                (header::IF_NONE_MATCH, &known.etag),
                (header::IF_MODIFIED_SINCE, &known.last_modified),
            ];
            for (name, value) in tags {
                if let Some(value) = value {
                    request = request.header(name, value);
                    conditional = true;
                }
            }
        }
        // What was asked for encrypted is not taken unencrypted after a redirect.
        let answer = request.config().https_only(secure).build().call();
        let mut answer = answer.map_err(|error| self.failed(url, error, 0))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if conditional => return Ok(Fetched::NotModified),
            status => {
                return Err(FetchError::Status { url: shown_url(url), status: status.as_u16() });
            }
        }
        let headers = answer.headers();
        refuse_web_page(url, headers)?;
        let (etag, last_modified) =
            (tag(headers, header::ETAG), tag(headers, header::LAST_MODIFIED));
        let length = answer.body().content_length();
        if length.is_some_and(|length| length > self.limits.max_bytes) {
            return Err(self.too_large(url));
        }
        if length.is_none() && !says_its_end(answer.version(), answer.headers()) {
            return Err(FetchError::Unbounded { url: shown_url(url) });
        }
        let file = self.spool(url, answer.body_mut().as_reader(), length)?;
        Ok(Fetched::File { file, etag, last_modified })
    }

    /// Writes a body of `length` bytes, if that is known, into a file.
    fn spool(
        &self,
        url: &str,
        mut body: impl Read,
        length: Option<u64>,
    ) -> Result<NamedTempFile, FetchError> {
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
                Err(error) => return Err(self.failed(url, error.into(), got)),
            };
            got += read as u64;
            if got > self.limits.max_bytes {
                return Err(self.too_large(url));
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

    fn failed(&self, url: &str, error: ureq::Error, got: u64) -> FetchError {
        let url = shown_url(url);
        let reason = match error {
            ureq::Error::Timeout(_) => {
                return FetchError::TimedOut { url, after: self.limits.timeout };
            }
            ureq::Error::TooManyRedirects => {
                return FetchError::Redirects { url, limit: self.limits.max_redirects };
            }
            ureq::Error::Io(error) if got > 0 && error.kind() == io::ErrorKind::UnexpectedEof => {
                return FetchError::Truncated { url, got };
            }
            // These say the address that it was redirected to, which may be signed.
            ureq::Error::BadUri(_) => "redirected to what is no http or https URL".to_owned(),
            ureq::Error::RequireHttpsOnly(_) => "redirected from https to http".to_owned(),
            ureq::Error::Protocol(_) => "the answer is not proper HTTP".to_owned(),
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        FetchError::Transport { url, reason }
    }
}

/// A URL as it may be shown: without credentials, query and fragment.
pub fn shown_url(url: &str) -> String {
    let parsed = url.parse::<Uri>().ok();
    let shown = parsed.as_ref().and_then(|uri| {
        let host = uri.host()?;
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{host}{port}{}", uri.scheme_str()?, uri.path()))
    });
    shown.unwrap_or_else(|| "(what is no URL)".to_owned())
}

/// No format of ours is a web page, but error pages and captive portals are.
fn refuse_web_page(url: &str, headers: &HeaderMap) -> Result<(), FetchError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page)) {
        return Err(FetchError::ContentType { url: shown_url(url), found: kind.to_owned() });
    }
    Ok(())
}

/// Whether a body without a known length says its own end: it is chunked, or there is none.
fn says_its_end(version: Version, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let last = text(header::TRANSFER_ENCODING).rsplit(',').next().unwrap_or_default();
    let chunked = last.trim().eq_ignore_ascii_case("chunked") && version == Version::HTTP_11;
    chunked || text(header::CONTENT_LENGTH).trim() == "0"
}

/// A header that can be sent back as it is.
fn tag(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty() && value.len() <= MAX_TAG).then(|| value.to_owned())
}

/// The end of the temporary file's name: the file name in the URL, from which a reader may tell
/// the format; only letters, digits, dot, dash and underscore of it.
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
