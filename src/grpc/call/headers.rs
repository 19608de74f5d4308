//! Reads what a request's headers say about its call, in one pass: a look-up of one header costs as much
//! as a pass over the few that there are.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use tonic::Code;
use tonic::body::Body;

use super::deadline;
use crate::grpc::bounds::MAX_RESPONSE;
use crate::grpc::status::Refusal;
use crate::grpc::v1::ErrorReason;

/// The media type of gRPC, which may go on with the form of messages and with parameters (gRPC over
/// HTTP/2, "Content-Type").
const GRPC: &[u8] = b"application/grpc";
const PROTO: &[u8] = b"+proto";

/// The header by which a caller names the compression of its messages (gRPC over HTTP/2,
/// "Message-Encoding").
const ENCODING: &str = "grpc-encoding";

/// The header by which a caller says how many bytes of an answer it takes.
pub const ANSWER_LIMIT: &str = "x-max-response-bytes";

/// The header by which a caller names a call; it comes back with the answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest such name, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// The most bytes of an answer whose caller does not state its limit: the default receive limit of gRPC
/// clients.
const DEFAULT_LIMIT: usize = 4 << 20;

/// The answer to a request that is not gRPC.
pub const NOT_GRPC: &str = "this port takes gRPC alone: HTTP/2 with content-type application/grpc and messages of protobuf\n";

/// The headers that a call rests on, the first of each.
#[derive(Debug, Default)]
pub struct CallHeaders<'h> {
    content_type: Option<&'h HeaderValue>,
    encoding: Option<&'h HeaderValue>,
    timeout: Option<&'h HeaderValue>,
    answer_limit: Option<&'h HeaderValue>,
    request_id: Option<&'h HeaderValue>,
}

impl<'h> CallHeaders<'h> {
    pub fn read(headers: &'h HeaderMap) -> Self {
        let mut read = Self::default();
        for (name, value) in headers {
            let place = match name.as_str() {
                "content-type" => &mut read.content_type,
                ENCODING => &mut read.encoding,
                deadline::HEADER => &mut read.timeout,
                ANSWER_LIMIT => &mut read.answer_limit,
                "x-request-id" => &mut read.request_id,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        read
    }

    /// Whether the request is one of gRPC.
    pub fn is_grpc(&self) -> bool {
        let rest = self.content_type.and_then(|value| value.as_bytes().strip_prefix(GRPC));
        let rest = rest.map(|rest| rest.strip_prefix(PROTO).unwrap_or(rest));
        rest.is_some_and(|rest| matches!(rest, [] | [b';' | b' ', ..]))
    }

    /// Whether messages may be compressed by gzip. Any other compression is refused by the services.
    pub fn is_gzip(&self) -> bool {
        self.encoding.is_some_and(|value| value == "gzip")
    }

    /// How long the caller waits; `None` where it does not say.
    pub fn patience(&self) -> Result<Option<Duration>, Refusal> {
        self.timeout.map(deadline::patience).transpose()
    }

    /// How many bytes of an answer the caller takes.
    pub fn answer_limit(&self) -> Result<usize, Refusal> {
        let Some(value) = self.answer_limit else { return Ok(DEFAULT_LIMIT) };
        let named = value.to_str().ok().and_then(|text| text.parse::<usize>().ok());
        let refused = || {
            let message = format!("{ANSWER_LIMIT} {value:?} is no number of bytes");
            Refusal::new(Code::InvalidArgument, ErrorReason::InvalidField, message)
        };
        Ok(named.filter(|&bytes| bytes > 0).ok_or_else(refused)?.min(MAX_RESPONSE))
    }

    /// What the caller calls the call, where that is short and printable.
    pub fn request_id(&self) -> Option<HeaderValue> {
        let id = self.request_id?;
        let fits = id.len() <= MAX_REQUEST_ID && id.as_bytes().iter().all(u8::is_ascii_graphic);
        fits.then(|| id.clone())
    }
}

/// Takes the header of compression out: the services get messages decompressed.
pub fn without_encoding(headers: &mut HeaderMap) {
    headers.remove(ENCODING);
}

/// The answer to what is no request of gRPC.
pub fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::new(NOT_GRPC.to_owned()));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_grpc_are_told_by_their_media_type() {
        let check = |value: &'static str, want: bool| {
            let headers = [(CONTENT_TYPE, HeaderValue::from_static(value))];
            let headers: HeaderMap = headers.into_iter().collect();
            assert_eq!(CallHeaders::read(&headers).is_grpc(), want, "{value}");
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("application/grpc; charset=utf-8", true);
        check("application/grpc+proto;v=1", true);
        check("application/grpc+json", false);
        check("application/grpc-web", false);
        check("application/grpcx", false);
        check("application/json", false);
        check("application/x-protobuf", false);
        assert!(!CallHeaders::default().is_grpc());
    }

    #[test]
    fn the_first_of_each_header_counts() {
        let pairs = [
            ("x-request-id", "a"),
            ("grpc-timeout", "1S"),
            ("x-request-id", "b"),
            ("grpc-encoding", "gzip"),
            ("x-max-response-bytes", "70000"),
            ("content-type", "application/grpc"),
            ("grpc-encoding", "identity"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        let read = CallHeaders::read(&headers);
        assert!(read.is_grpc() && read.is_gzip());
        assert_eq!(read.patience(), Ok(Some(Duration::from_secs(1))));
        assert_eq!(read.answer_limit(), Ok(70_000));
        assert_eq!(read.request_id().unwrap(), "a");
    }
}
