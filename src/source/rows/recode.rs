//! Converts texts of other encodings and line ends to UTF-8 with `\n` while reading.

use std::io::{self, Read};

/// How much is decoded at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The order of the two bytes of a UTF-16 unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// The low byte first, as Excel writes "Unicode Text".
    Little,
    /// The high byte first.
    Big,
}

impl ByteOrder {
    /// Detects the byte order mark of UTF-16.
    pub(super) fn marked(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, 0, 0, ..] => None,
            [0xff, 0xfe, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            _ => None,
        }
    }

    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }
}

/// Converts UTF-16 to UTF-8. Half a surrogate pair becomes U+FFFD.
pub(super) struct Utf16<R> {
    inner: R,
    order: ByteOrder,
    /// Undecoded bytes: an odd one, and a unit that begins a pair.
    rest: Vec<u8>,
    decoded: Vec<u8>,
    given: usize,
    at_end: bool,
}

impl<R: Read> Utf16<R> {
    /// Decodes the text after the byte order mark.
    pub(super) fn new(inner: R, order: ByteOrder) -> Self {
        let (rest, decoded) = (Vec::new(), Vec::new());
        Self { inner, order, rest, decoded, given: 0, at_end: false }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        let kept = self.rest.len();
        self.rest.resize(kept + CHUNK, 0);
        let read = self.inner.read(&mut self.rest[kept..]);
        self.rest.truncate(kept + *read.as_ref().unwrap_or(&0));
        self.at_end = read? == 0;
        let (pairs, odd) = self.rest.as_chunks::<2>();
        if self.at_end && !odd.is_empty() {
            return Err(io::Error::other("the UTF-16 text ends within a character"));
        }
        let mut units: Vec<u16> = pairs.iter().map(|pair| self.order.unit(*pair)).collect();
        // The other half may come with the next bytes.
        if !self.at_end {
            units.pop_if(|last| (0xd800..0xdc00).contains(last));
        }
        self.decoded.clear();
        self.given = 0;
        let mut text = [0; 4];
        for character in char::decode_utf16(units.iter().copied()) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.decoded.extend_from_slice(character.encode_utf8(&mut text).as_bytes());
        }
        self.rest.drain(..2 * units.len());
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given == self.decoded.len() {
            if self.at_end {
                return Ok(0);
            }
            self.decode_more()?;
        }
        let count = buf.len().min(self.decoded.len() - self.given);
        buf[..count].copy_from_slice(&self.decoded[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// Replaces the carriage returns of old Macs by line feeds. A line feed after one belongs to the
/// same line end.
pub(super) struct CarriageReturns<R> {
    inner: R,
    after_return: bool,
}

impl<R: Read> CarriageReturns<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, after_return: false }
    }
}

impl<R: Read> Read for CarriageReturns<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.inner.read(buf)?;
            let mut kept = 0;
            for at in 0..read {
                let byte = buf[at];
                if !(byte == b'\n' && self.after_return) {
                    buf[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.after_return = byte == b'\r';
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Returns true if the first line ends with a carriage return only, outside quotes.
pub(super) fn ends_with_return(head: &[u8]) -> bool {
    let mut quoted = false;
    for pair in head.windows(2) {
        match *pair {
            [b'"', _] => quoted = !quoted,
            [b'\n', _] | [b'\r', b'\n'] if !quoted => return false,
            [b'\r', _] if !quoted => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::slow::Slow;

    fn all(mut reader: impl Read) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    proptest! {
        #[test]
        fn utf16_is_what_the_standard_library_decodes(
            units in prop::collection::vec(any::<u16>(), 0..40),
            step in 1usize..7,
        ) {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let bytes = |unit: &u16| match order {
                    ByteOrder::Little => unit.to_le_bytes(),
                    ByteOrder::Big => unit.to_be_bytes(),
                };
                let bytes: Vec<u8> = units.iter().flat_map(bytes).collect();
                let found = all(Utf16::new(Slow(&bytes, step), order)).unwrap();
                prop_assert_eq!(found, String::from_utf16_lossy(&units).into_bytes());
            }
        }

        #[test]
        fn every_end_of_a_line_becomes_a_line_feed(text in "[ab\r\n]{0,30}", step in 1usize..7) {
            let found = all(CarriageReturns::new(Slow(text.as_bytes(), step))).unwrap();
            prop_assert_eq!(found, text.replace("\r\n", "\n").replace('\r', "\n").into_bytes());
        }
    }

    #[test]
    fn half_a_character_at_the_end_is_an_error() {
        assert!(all(Utf16::new(&b"a\0b"[..], ByteOrder::Little)).is_err());
    }

    #[test]
    fn the_first_line_tells_its_end() {
        let check = |head: &str, want: bool| {
            assert_eq!(ends_with_return(head.as_bytes()), want, "{head:?}");
        };
        check("a,b\r1,2", true);
        check("a,\"b\rc\"\r1,2", true);
        check("a,\"b\rc\"\n1,2", false);
        check("a,b\r\n1\r2", false);
        check("a,b\n1\r2", false);
        check("a,b", false);
        check("a,b\r", false);
    }
}
