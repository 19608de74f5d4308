//! Connects to a server over HTTP/2, with or without TLS, or through its owner's socket, with the token
//! that calls carry.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Request, Status};

use super::MAX_ANSWER;
use super::marks::Marks;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest token, in bytes: a server looks at 512 bytes with the scheme.
const MAX_TOKEN: usize = 512 - "Bearer ".len();

/// What the services are asked over.
pub type Connection = InterceptedService<Channel, Carried>;

/// A bearer token. It shows itself in no log and no error.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// The token, unless it cannot stand in a header.
    pub fn new(text: &str) -> Result<Self, ConnectError> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if text.is_empty() || text.len() > MAX_TOKEN || !text.bytes().all(letter) {
            return Err(ConnectError::Token);
        }
        let header = HeaderValue::try_from(format!("Bearer {text}"));
        let mut header = header.map_err(|_| ConnectError::Token)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// How a client proves itself, and whom it trusts.
#[derive(Clone, Default)]
pub struct Credentials {
    pub token: Option<Token>,
    /// The authorities of servers, PEM; `None` for those that browsers trust.
    pub ca: Option<Vec<u8>>,
    /// Its own certificate and key, PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether the token may go over a network in clear text.
    pub allow_plaintext: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, ca, identity, allow_plaintext } = self;
        f.debug_struct("Credentials")
            .field("token", token)
            .field("ca", &ca.is_some())
            .field("identity", &identity.is_some())
            .field("allow_plaintext", allow_plaintext)
            .finish()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not `http://HOST:PORT` or `https://HOST:PORT`.
    #[error("{0:?} is no server address: http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    #[error("the token is not 1 to {MAX_TOKEN} of letters, digits and -._~+/=")]
    Token,
    /// The token would be readable on the network.
    #[error(
        "the token would go to {0} in clear text: ask over https://, or set \
         LAZARETTO_ALLOW_PLAINTEXT=true where the way there is safe"
    )]
    Plaintext(String),
    /// A certificate or key cannot be used.
    #[error("the certificates given for {url} cannot be used")]
    Certificates {
        url: String,
        /// What is wrong with them.
        source: tonic::transport::Error,
    },
    #[error("no server answers at {url} (start one by `lazaretto serve`, or correct the address)")]
    Unreachable { url: String, source: tonic::transport::Error },
    /// No server answers at the socket.
    #[error("no server answers at {}", path.display())]
    NoSocket { path: PathBuf, source: tonic::transport::Error },
}

/// What each call carries beside its message: marks, and the token.
#[derive(Clone, Debug)]
pub struct Carried {
    marks: Marks,
    token: Option<Token>,
}

impl Carried {
    /// This process's marks and `token`.
    fn new(token: Option<Token>) -> Self {
        Self { marks: Marks::of_process(), token }
    }

    pub fn without_token() -> Self {
        Self::new(None)
    }
}

impl Interceptor for Carried {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        self.marks.mark(&mut request);
        request.metadata_mut().insert("x-max-response-bytes", AsciiMetadataValue::from(MAX_ANSWER));
        if let Some(Token(header)) = &self.token {
            request.metadata_mut().as_mut().insert(AUTHORIZATION, header.clone());
        }
        Ok(request)
    }
}

/// Connects to `url`, waiting until the connection stands or failed.
pub async fn connect(url: &str, credentials: &Credentials) -> Result<Connection, ConnectError> {
    let refused = || ConnectError::Url(url.to_owned());
    let secure = match url.split_once("://") {
        Some(("http", _)) => false,
        Some(("https", _)) => true,
        _ => return Err(refused()),
    };
    let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| refused())?;
    let host = endpoint.uri().host().unwrap_or_default().to_owned();
    if secure {
        let unusable = |source| ConnectError::Certificates { url: url.to_owned(), source };
        endpoint = endpoint.tls_config(tls(credentials)).map_err(unusable)?;
    } else if credentials.token.is_some() && !credentials.allow_plaintext && !is_loopback(&host) {
        return Err(ConnectError::Plaintext(host));
    }
    let channel = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .connect()
        .await
        .map_err(|source| ConnectError::Unreachable { url: url.to_owned(), source })?;
    Ok(InterceptedService::new(channel, Carried::new(credentials.token.clone())))
}

/// Connects to the socket of a server's owner.
pub async fn connect_socket(path: &Path) -> Result<Channel, ConnectError> {
    let owned = path.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let path = owned.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://socket.invalid")
        .connect_timeout(CONNECT_TIMEOUT)
        .connect_with_connector(connector)
        .await
        .map_err(|source| ConnectError::NoSocket { path: path.to_owned(), source })
}

fn tls(credentials: &Credentials) -> ClientTlsConfig {
    let config = ClientTlsConfig::new();
    let config = match &credentials.ca {
        Some(ca) => config.ca_certificate(Certificate::from_pem(ca)),
        None => config.with_webpki_roots(),
    };
    match &credentials.identity {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        None => config,
    }
}

/// Whether a host is this machine by its name alone.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(url: &str, credentials: &Credentials) -> Result<Connection, ConnectError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(connect(url, credentials))
    }

    #[test]
    fn what_is_no_address() {
        for url in ["ftp://127.0.0.1:1", "127.0.0.1:1", "http://", "http://a b", "https://", ""] {
            let error = connected(url, &Credentials::default()).unwrap_err();
            assert!(matches!(error, ConnectError::Url(_)), "{url:?}: {error}");
        }
    }

    #[test]
    fn a_token_goes_in_clear_text_to_this_machine_alone() {
        // Nobody listens at port 1: who gets past the check is told so.
        let check = |url: &str, allow_plaintext: bool, refused: bool| {
            let token = Some(Token::new("abc").unwrap());
            let credentials = Credentials { token, allow_plaintext, ..Credentials::default() };
            let error = connected(url, &credentials).unwrap_err();
            assert_eq!(matches!(error, ConnectError::Plaintext(_)), refused, "{url}: {error}");
            assert!(!format!("{error} {credentials:?}").contains("abc"));
        };
        check("http://0.0.0.0:1", false, true);
        check("http://localhost.invalid:1", false, true);
        check("http://127.0.0.1.invalid:1", false, true);
        check("http://0.0.0.0:1", true, false);
        check("https://0.0.0.0:1", false, false);
        check("http://127.0.0.1:1", false, false);
        check("http://[::1]:1", false, false);
        check("http://localhost:1", false, false);
    }

    #[test]
    fn what_is_no_token() {
        for text in ["", "a b", "a\nb", "ä", &"a".repeat(MAX_TOKEN + 1)] {
            assert!(matches!(Token::new(text), Err(ConnectError::Token)), "{text:?}");
        }
        Token::new(&"a".repeat(MAX_TOKEN)).unwrap();
    }
}
