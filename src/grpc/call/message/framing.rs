//! The messages in the bytes of a request, as gRPC frames them: whether each is compressed, its
//! length, and its bytes. Decodes no message.

use std::io::Read;

use bytes::{Buf, Bytes, BytesMut};
use flate2::read::MultiGzDecoder;

use crate::grpc::status::{Refusal, malformed, too_large};
use crate::grpc::wire::SMALL;

/// The bytes before each message: whether it is compressed, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
pub const PREFIX: usize = 5;

/// Room is made for a message as it comes until so much of it is there, in bytes; then for all of
/// it at once, so that it is moved no more.
const FIRST: usize = 256 << 10;

/// The most bytes that a byte of deflate becomes: 258, the longest match, for two bits (RFC 1951,
/// section 3.2.5).
const MOST_UNPACKED: usize = 258 * 4;

/// Whether these bytes are one whole message, small and not compressed.
pub fn is_small(bytes: &[u8]) -> bool {
    bytes.split_first_chunk::<PREFIX>().is_some_and(|([flag, length @ ..], rest)| {
        *flag == 0 && rest.len() <= SMALL && u32::from_be_bytes(*length) as usize == rest.len()
    })
}

/// Whether these bytes are whole messages, each small and not compressed.
pub fn are_small(mut bytes: &[u8]) -> bool {
    while let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() {
        let [flag, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        if flag != 0 || length > SMALL || length > rest.len() {
            return false;
        }
        bytes = &rest[length..];
    }
    bytes.is_empty()
}

/// The messages of bytes that [`are_small`].
pub fn small(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let ([_, length @ ..], rest) = bytes.split_first_chunk::<PREFIX>()?;
        let (message, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        bytes = rest;
        Some(message)
    })
}

/// A message that is there as a whole.
#[derive(Debug)]
pub struct Message {
    /// With its prefix.
    framed: Bytes,
    /// The most bytes that it may have.
    most: usize,
}

impl Message {
    /// Its length as it came.
    pub fn len(&self) -> usize {
        self.framed.len() - PREFIX
    }

    pub fn is_compressed(&self) -> bool {
        self.framed[0] != 0
    }

    /// The most bytes that it unpacks to and that are taken; 0 if it is not compressed.
    pub fn unpacked(&self) -> usize {
        if self.is_compressed() {
            self.len().saturating_mul(MOST_UNPACKED).min(self.most)
        } else {
            0
        }
    }

    /// Whether it needs no check.
    pub fn is_small(&self) -> bool {
        !self.is_compressed() && self.len() <= SMALL
    }

    /// The message as it is framed, for who takes it so.
    pub fn into_frame(self) -> Result<Bytes, Refusal> {
        if !self.is_compressed() {
            return Ok(self.framed);
        }
        let most = self.most;
        let bytes = self.into_bytes()?;
        let length = u32::try_from(bytes.len()).map_err(|_| beyond(most))?;
        Ok([&[0][..], &length.to_be_bytes(), &bytes].concat().into())
    }

    /// Its own bytes, decompressed. Blocks for as long as that takes.
    pub fn into_bytes(mut self) -> Result<Bytes, Refusal> {
        if !self.is_compressed() {
            self.framed.advance(PREFIX);
            return Ok(self.framed);
        }
        // Room for all of it at once: to grow by doubling would take three times as much. What is not
        // written to is not held.
        let mut bytes = Vec::with_capacity(self.unpacked() + 1);
        let unpacked = MultiGzDecoder::new(&self.framed[PREFIX..]).take(self.most as u64 + 1);
        let read = { unpacked }.read_to_end(&mut bytes);
        read.map_err(|error| malformed(format!("the message is not valid gzip: {error}")))?;
        if bytes.len() > self.most {
            return Err(beyond(self.most));
        }
        Ok(bytes.into())
    }
}

/// What was read of the messages.
#[derive(Debug)]
pub struct Framing {
    read: BytesMut,
    /// The most bytes of a message.
    most: usize,
    is_gzip: bool,
}

impl Framing {
    /// Nothing read; messages have at most `most` bytes, and may be compressed if `is_gzip`.
    pub fn new(most: usize, is_gzip: bool) -> Self {
        Self { read: BytesMut::new(), most, is_gzip }
    }

    /// Whether no message has begun.
    pub fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    /// How many bytes were read of messages that are not whole.
    pub fn len(&self) -> usize {
        self.read.len()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let whole = self.length().map_or(0, |length| PREFIX + length.min(self.most));
        if self.read.len() >= FIRST && whole > self.read.len() {
            self.read.reserve((whole - self.read.len()).max(bytes.len()));
        }
        self.read.extend_from_slice(bytes);
    }

    /// The next message, if it is there as a whole. Refuses one by its prefix, before its bytes come.
    pub fn next(&mut self) -> Result<Option<Message>, Refusal> {
        let Some(length) = self.length() else { return Ok(None) };
        match self.read[0] {
            0 => {}
            1 if self.is_gzip => {}
            1 => {
                return Err(malformed(
                    "a message is compressed, and the header grpc-encoding names no compression",
                ));
            }
            other => {
                let message =
                    format!("a message begins with {other}: not compressed is 0, compressed 1");
                return Err(malformed(message));
            }
        }
        if length > self.most {
            return Err(beyond(self.most));
        }
        if self.read.len() < PREFIX + length {
            return Ok(None);
        }
        let framed = self.read.split_to(PREFIX + length).freeze();
        if framed.len() >= FIRST {
            // What follows is less than a frame, and would keep the room of the whole message.
            self.read = BytesMut::from(&self.read[..]);
        }
        Ok(Some(Message { framed, most: self.most }))
    }

    fn length(&self) -> Option<usize> {
        let [_, length @ ..] = *self.read.first_chunk::<PREFIX>()?;
        Some(u32::from_be_bytes(length) as usize)
    }
}

fn beyond(most: usize) -> Refusal {
    too_large(format!("a message has more than {most} bytes, the most that this method takes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn framed(flag: u8, bytes: &[u8]) -> Vec<u8> {
        [&[flag][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn messages_come_out_however_they_are_cut() {
        let lengths = [0_usize, 1, 300, 0, 700_000, 5];
        let bytes: Vec<u8> = lengths.iter().flat_map(|it| framed(0, &vec![7; *it])).collect();
        for cut in [1, 2, 3, 7, 64, 1_000, bytes.len()] {
            let mut framing = Framing::new(1 << 20, false);
            let mut found = Vec::new();
            for piece in bytes.chunks(cut) {
                framing.push(piece);
                while let Some(message) = framing.next().unwrap() {
                    found.push(message.into_bytes().unwrap().len());
                }
            }
            assert_eq!((found, framing.is_empty()), (lengths.to_vec(), true), "{cut}");
        }
    }

    #[test]
    fn what_follows_a_large_message_does_not_keep_its_room() {
        let mut framing = Framing::new(1 << 20, false);
        let bytes = [framed(0, &vec![7; 700_000]), vec![0; 3]].concat();
        bytes.chunks(16 << 10).for_each(|piece| framing.push(piece));
        drop(framing.next().unwrap().unwrap());
        assert_eq!(framing.len(), 3);
        framing.push(&[5]);
        assert!(framing.read.capacity() < 2_000, "{}", framing.read.capacity());
    }

    #[test]
    fn whole_small_messages_need_no_look() {
        let check = |bytes: &[u8], want: bool| {
            assert_eq!(are_small(bytes), want);
            let count = small(bytes).count();
            assert_eq!(is_small(bytes), want && count == 1, "{count}");
        };
        check(&[], true);
        check(&framed(0, &[]), true);
        check(&framed(0, &[1; SMALL]), true);
        check(&[framed(0, b"a"), framed(0, b"b")].concat(), true);
        check(&framed(0, &[1; SMALL + 1]), false);
        check(&framed(1, b"a"), false);
        check(&framed(0, b"abc")[..7], false);
        check(&[0, 0], false);
        check(&[0, 0xff, 0xff, 0xff, 0xff], false);
    }

    #[test]
    fn what_is_framed_or_compressed_wrongly_is_refused() {
        let read = |is_gzip: bool, bytes: &[u8]| {
            let mut framing = Framing::new(1_000, is_gzip);
            framing.push(bytes);
            let message = framing.next()?.expect("a whole message");
            message.into_bytes()
        };
        let refused = |is_gzip, bytes: &[u8], words: &str| {
            let status = tonic::Status::from(read(is_gzip, bytes).unwrap_err());
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains(words), "{status:?}");
        };
        assert_eq!(read(true, &framed(1, &packed(b"abc"))).unwrap(), "abc");
        assert_eq!(read(true, &framed(1, &packed(&[7; 1_000]))).unwrap().len(), 1_000);
        refused(true, &framed(1, &packed(&[7; 1_001])), "more than 1000 bytes");
        refused(true, &framed(1, &packed(&vec![7; 10 << 20])), "more than 1000 bytes");
        refused(true, &framed(1, b"abc"), "not valid gzip");
        refused(true, &framed(1, &packed(b"abc")[..15]), "not valid gzip");
        refused(false, &framed(1, &packed(b"abc")), "grpc-encoding");
        refused(true, &framed(2, b"abc"), "begins with 2");
        // By its prefix alone.
        refused(false, &[0, 0, 0, 3, 0xe9], "more than 1000 bytes");
    }
}
