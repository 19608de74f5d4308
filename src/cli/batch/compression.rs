//! Compression of a result. Every chunk is a gzip member or a zstd frame of its own, so that a torn file
//! can be cut behind the last whole one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::Path;

use flate2::Compression as GzipLevel;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use memchr::memchr2_iter;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::form::Lines;

/// How much is read at once, in bytes.
const BUFFER: usize = 256 << 10;

/// How a result is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// `bytes` as they go to the file.
    pub fn pack(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            _ if bytes.is_empty() => bytes,
            Self::None => bytes,
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), GzipLevel::fast());
                let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
                packed.expect("a vector takes what is written")
            }
            Self::Zstd => compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest),
        }
    }

    /// How many bytes of the file are whole: up to the end of the last whole line, or part. What
    /// follows was torn. Packed data that are broken before the file's end are an error.
    pub fn whole(self, path: &Path, lines: Lines) -> io::Result<u64> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
        match self {
            Self::None => whole_lines(&mut file, lines),
            Self::Gzip => whole_parts(&mut file, |file| {
                io::copy(&mut GzDecoder::new(file), &mut io::sink()).map(drop)
            }),
            Self::Zstd => whole_parts(&mut file, zstd_frame),
        }
    }
}

/// Behind the last end of a line that stands in no quotes.
fn whole_lines(file: &mut BufReader<File>, lines: Lines) -> io::Result<u64> {
    let (mut offset, mut whole, mut quoted) = (0, 0, false);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(whole);
        }
        for at in memchr2_iter(b'"', b'\n', bytes) {
            match bytes[at] {
                b'"' => quoted = !quoted && lines == Lines::Csv,
                _ if !quoted => whole = offset + at as u64 + 1,
                _ => {}
            }
        }
        let count = bytes.len();
        offset += count as u64;
        file.consume(count);
    }
}

fn whole_parts(
    file: &mut BufReader<File>,
    mut part: impl FnMut(&mut BufReader<File>) -> io::Result<()>,
) -> io::Result<u64> {
    let mut whole = 0;
    while !file.fill_buf()?.is_empty() {
        match part(file) {
            Ok(()) => whole = file.stream_position()?,
            // What was being written when the end came.
            Err(_) if file.fill_buf()?.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(whole)
}

fn zstd_frame(file: &mut BufReader<File>) -> io::Result<()> {
    let failed = |error: ruzstd::decoding::errors::FrameDecoderError| io::Error::other(error);
    let mut decoder = FrameDecoder::new();
    let mut file = file;
    decoder.reset(&mut file).map_err(failed)?;
    while !decoder.is_finished() {
        let step = BlockDecodingStrategy::UptoBytes(BUFFER);
        decoder.decode_blocks(&mut file, step).map_err(failed)?;
        io::copy(&mut decoder.by_ref().take(u64::MAX), &mut io::sink())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(compression: Compression, lines: Lines, bytes: &[u8]) -> io::Result<u64> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        compression.whole(file.path(), lines)
    }

    #[test]
    fn a_torn_line_is_not_whole() {
        let check = |lines: Lines, text: &str, want: &str| {
            let found = whole(Compression::None, lines, text.as_bytes()).unwrap();
            assert_eq!(&text[..found as usize], want);
        };
        check(Lines::Csv, "", "");
        check(Lines::Csv, "a,b", "");
        check(Lines::Csv, "a,b\n1,2\n3", "a,b\n1,2\n");
        check(Lines::Csv, "a,b\n1,\"x\ny", "a,b\n");
        check(Lines::Csv, "a,b\n1,\"x\ny\"\n", "a,b\n1,\"x\ny\"\n");
        check(Lines::Csv, "a,b\n1,\"x\"\"\ny\"\n2", "a,b\n1,\"x\"\"\ny\"\n");
        check(Lines::Json, "{\"a\":\"\\\"\"}\n{", "{\"a\":\"\\\"\"}\n");
        let long = format!("{}\n", "x".repeat(3 * BUFFER));
        check(Lines::Csv, &format!("{long}y"), &long);
    }

    #[test]
    fn a_file_of_parts_is_whole_up_to_the_last_whole_one() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let parts = ["a\n".repeat(300_000), "b\n".to_owned(), "c\n".repeat(7)];
            let parts: Vec<_> =
                parts.iter().map(|part| compression.pack(part.clone().into_bytes())).collect();
            let all = parts.concat();
            let ends = [0, parts[0].len(), parts[0].len() + parts[1].len(), all.len()];
            for length in [0, 1, 5, ends[1] - 1, ends[1], ends[1] + 1, ends[2] + 3, ends[3]] {
                let want = ends.iter().rfind(|end| **end <= length).copied();
                let found = whole(compression, Lines::Csv, &all[..length]).unwrap();
                assert_eq!(Some(found as usize), want, "{compression:?} {length}");
            }
            // Broken where nothing was torn.
            let mut broken = all.clone();
            broken[0] ^= 0xff;
            assert!(whole(compression, Lines::Csv, &broken).is_err(), "{compression:?}");
        }
    }
}
