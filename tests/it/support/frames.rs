//! HTTP/2, requests and fields of protobuf written by hand: what no client does by itself. Reads
//! nothing.

use http::request::Builder;
use prost::encoding::encode_varint;

/// The client's preface (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client begins with that takes `window` bytes of each answer unasked, and 1 GiB in all.
pub fn opening(window: u32) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
    frame(&mut bytes, 4, 0, 0, &setting);
    frame(&mut bytes, 8, 0, 0, &(1_u32 << 30).to_be_bytes());
    bytes
}

/// Begins a call of gRPC. HPACK is spoken in literals only.
pub fn call(bytes: &mut Vec<u8>, stream: u32, path: &str) {
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "by.hand"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("x-max-response-bytes", "67108864"),
    ] {
        // A literal without indexing, with a new name (RFC 7541, section 6.2.2).
        headers.extend([0, name.len() as u8]);
        headers.extend(name.as_bytes());
        headers.push(value.len() as u8);
        headers.extend(value.as_bytes());
    }
    frame(bytes, 1, 4, stream, &headers);
}

/// Bytes of a call's request, in frames of the size that every server takes.
pub fn data(bytes: &mut Vec<u8>, stream: u32, request: &[u8], is_whole: bool) {
    let pieces: Vec<_> = request.chunks(16 << 10).collect();
    for (place, piece) in pieces.iter().enumerate() {
        let is_last = is_whole && place + 1 == pieces.len();
        frame(bytes, 0, u8::from(is_last), stream, piece);
    }
}

/// Any frame.
pub fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

/// The head of a request of gRPC whose caller takes 64 MiB, and whose messages are packed or not.
pub fn request(path: &str, is_gzip: bool) -> Builder {
    let request = http::Request::post(path)
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("x-max-response-bytes", "67108864");
    if is_gzip { request.header("grpc-encoding", "gzip") } else { request }
}

/// A field of protobuf that holds bytes.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}
