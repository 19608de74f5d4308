//! How the messages of a call are written, as its headers say: the media type, and compression.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use tonic::body::Body;

/// The media type of gRPC, which may go on with `+proto` or parameters.
const GRPC: &[u8] = b"application/grpc";

/// The header by which a caller names the compression of its messages (gRPC over HTTP/2,
/// "Message-Encoding").
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What whoever does not speak gRPC is told.
pub const NOT_GRPC: &str = "this port takes gRPC alone: HTTP/2 with content-type application/grpc and messages of protobuf\n";

/// Whether a request is one of gRPC.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(GRPC))
}

/// The answer to what is no request of gRPC.
pub fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::new(NOT_GRPC.to_owned()));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Whether messages may be compressed by gzip; the header is taken out then, since the services get
/// messages decompressed. Any other compression is refused by the services.
pub fn is_gzip(headers: &mut HeaderMap) -> bool {
    let is_gzip = headers.get(&ENCODING).is_some_and(|value| value == "gzip");
    if is_gzip {
        headers.remove(&ENCODING);
    }
    is_gzip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_grpc_are_told_by_their_media_type() {
        let check = |value: &'static str, want: bool| {
            let headers = [(CONTENT_TYPE, HeaderValue::from_static(value))];
            assert_eq!(is_grpc(&headers.into_iter().collect()), want, "{value}");
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("application/json", false);
        check("application/x-protobuf", false);
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
