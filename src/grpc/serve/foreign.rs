//! Clients that speak another protocol than the port, by the first bytes that they send: they are
//! told which one to speak, in theirs. Serves none of them.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::grpc::call::NOT_GRPC;

/// The answer to a client that speaks plain text to a TLS port.
const USE_TLS: &str = "this port takes TLS: use https://\n";

/// The first bytes of HTTP/2 (RFC 9113, section 3.4).
const HTTP2: &[u8] = b"PRI";

/// How many bytes tell the protocols apart.
pub const TELLING: usize = 4;

/// How long such a client may take to read the answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// The answer to a client before its connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint(Vec<u8>);

/// The answer to a connection that begins with these bytes; `None` where it speaks as the port does, or
/// too little is there to tell.
pub fn hint(first: &[u8], is_tls: bool) -> Option<Hint> {
    let is_http1 = [&b"GET "[..], b"POST", b"PUT ", b"HEAD", b"PATC", b"DELE", b"OPTI"]
        .iter()
        .any(|method| first.starts_with(method));
    match is_tls {
        true if is_http1 => Some(Hint::http1("400 Bad Request", USE_TLS)),
        true if first.starts_with(HTTP2) => Some(Hint::go_away(USE_TLS.trim_end())),
        false if is_http1 => Some(Hint::not_grpc()),
        // An alert of TLS has no words: the client sees its handshake fail.
        _ => None,
    }
}

impl Hint {
    /// That the port takes gRPC alone, for who speaks HTTP/1.1 within TLS.
    pub fn not_grpc() -> Self {
        Self::http1("415 Unsupported Media Type", NOT_GRPC)
    }

    fn http1(status: &str, words: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            words.len()
        );
        Self([head.as_bytes(), words.as_bytes()].concat())
    }

    /// Empty SETTINGS, and GOAWAY with INADEQUATE_SECURITY and the words as its debug data (RFC
    /// 9113, sections 6.5, 6.8 and 7).
    fn go_away(words: &str) -> Self {
        const INADEQUATE_SECURITY: u8 = 0xc;
        let length = u8::try_from(8 + words.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
        bytes.extend([0, 0, length, 7, 0, 0, 0, 0, 0]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, INADEQUATE_SECURITY]);
        bytes.extend(&words.as_bytes()[..usize::from(length) - 8]);
        Self(bytes)
    }

    /// Says it, and waits a moment for the client to read it and close.
    pub async fn say(self, mut connection: impl AsyncRead + AsyncWrite + Unpin) {
        let said = async {
            connection.write_all(&self.0).await?;
            connection.shutdown().await?;
            let mut rest = [0; 1024];
            // To close with bytes unread would reset the connection before the hint is read.
            while connection.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        };
        match timeout(FAREWELL, said).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "client of another protocol disconnected"),
            Err(_) => tracing::debug!("client of another protocol does not close"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first byte of a handshake of TLS (RFC 8446, section 5.1).
    const HANDSHAKE: u8 = 22;

    #[test]
    fn who_speaks_as_the_port_does_gets_no_hint() {
        assert_eq!(hint(b"PRI *", false), None);
        assert_eq!(hint(&[HANDSHAKE, 3, 1, 2], true), None);
        assert_eq!(hint(&[HANDSHAKE, 3, 1, 2], false), None);
        assert_eq!(hint(b"P", false), None);
        assert_eq!(hint(b"P", true), None);
        assert!(hint(b"POST /", false).unwrap().0.starts_with(b"HTTP/1.1 415 "));
        assert!(hint(b"GET /", true).unwrap().0.ends_with(b"https://\n"));
        assert!(hint(b"PRI *", true).unwrap().0.ends_with(b"https://"));
    }
}
