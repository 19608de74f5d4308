//! Opens a file, unpacks it by its magic bytes, and counts its bytes against the bound.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{RowsError, zipped};
use crate::source::foreign::COMPOUND;

/// The read size, in bytes.
const BUFFER: usize = 256 << 10;

/// The first bytes of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// The origin of the bytes.
pub enum Origin<'p> {
    File(&'p Path),
    /// A stream, which can be read only once.
    Stream {
        /// Its name in errors.
        name: &'p str,
        /// The bytes.
        bytes: Box<dyn Read>,
    },
}

impl Origin<'_> {
    /// Its name in errors.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stream { name, .. } => (*name).to_owned(),
        }
    }
}

pub(super) enum Opened {
    /// A Parquet file, which needs random access.
    Parquet(File),
    /// A text, as a stream.
    Text(Box<dyn Read>, Meter),
}

/// Counters of a stream.
#[derive(Clone)]
pub(super) struct Meter {
    stored: Rc<Cell<u64>>,
    failure: Rc<RefCell<Option<RowsError>>>,
    total: Option<u64>,
}

impl Meter {
    /// Returns the stored bytes read so far.
    pub(super) fn stored(&self) -> u64 {
        self.stored.get()
    }

    /// Returns the stored size, if it is a file.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Returns the read error, if any.
    pub(super) fn failure(&self) -> Option<RowsError> {
        self.failure.borrow_mut().take()
    }
}

/// Opens `origin` and unpacks it by its first bytes, up to `limit` bytes; `part` selects a file of
/// a zip.
pub(super) fn open(
    origin: Origin<'_>,
    limit: u64,
    part: Option<&str>,
) -> Result<Opened, RowsError> {
    let shown = origin.name();
    let failed = |source| RowsError::Open { path: shown.clone(), source };
    let (inner, again, total): (Box<dyn Read>, _, _) = match origin {
        Origin::File(path) => {
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            let total = metadata.is_file().then_some(metadata.len());
            let again = file.try_clone().map_err(failed)?;
            (Box::new(file), Some(again), total)
        }
        Origin::Stream { bytes, .. } => (bytes, None, None),
    };
    let stored = Rc::new(Cell::new(0));
    let counted = Counted { inner, count: Rc::clone(&stored) };
    let mut bytes = BufReader::with_capacity(BUFFER, counted);
    let head = bytes.fill_buf().map_err(failed)?;
    let unfit = |what: &str| RowsError::Unfit { path: shown.clone(), what: what.to_owned() };
    let is_zip = zipped::MARKS.iter().any(|mark| head.starts_with(mark));
    if part.is_some() && !is_zip {
        return Err(unfit("it is no zip, of which --part names a file"));
    }
    if head.starts_with(PARQUET) {
        let what = "Parquet is read from wherever its parts stand: give a file, not a stream";
        return again.ok_or_else(|| unfit(what)).map(Opened::Parquet);
    }
    if head.starts_with(COMPOUND) {
        return Err(unfit("an old Excel workbook (.xls), which is not read: save it as CSV UTF-8"));
    }
    let (what, unpacked) = if is_zip {
        let what = "a zip is read from wherever its parts stand: give a file, not a stream";
        let file = again.ok_or_else(|| unfit(what))?;
        stored.set(0);
        let count = Rc::clone(&stored);
        let count = move |read| count.set(count.get() + read);
        let member = BufReader::with_capacity(BUFFER, zipped::open(file, &shown, part, count)?);
        match unpack(member).map_err(failed)? {
            ("the file", unpacked) => ("the zip", unpacked),
            packed => packed,
        }
    } else {
        unpack(bytes).map_err(failed)?
    };
    let meter = Meter { stored, failure: Rc::default(), total };
    let failure = Rc::clone(&meter.failure);
    let limited = Limited { inner: unpacked, path: shown, what, limit, taken: 0, failure };
    Ok(Opened::Text(Box::new(limited), meter))
}

/// Returns the name of the data in errors, and the data.
fn unpack<R: Read + 'static>(mut bytes: BufReader<R>) -> io::Result<(&'static str, Box<dyn Read>)> {
    Ok(match bytes.fill_buf()? {
        [0x1f, 0x8b, ..] => {
            ("the gzip data", Box::new(flate2::bufread::MultiGzDecoder::new(bytes)))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            ("the bzip2 data", Box::new(bzip2::bufread::MultiBzDecoder::new(bytes)))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            ("the zstd data", Box::new(Zstd::new(bytes)))
        }
        _ => ("the file", Box::new(bytes)),
    })
}

struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// Stops at the bound, and keeps the read error, since parsers report it in their own way.
struct Limited {
    inner: Box<dyn Read>,
    path: String,
    what: &'static str,
    limit: u64,
    taken: u64,
    failure: Rc<RefCell<Option<RowsError>>>,
}

impl Read for Limited {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let path = || self.path.clone();
        let failure = match self.inner.read(buf) {
            Ok(count) => {
                self.taken += count as u64;
                if self.taken <= self.limit {
                    return Ok(count);
                }
                RowsError::TooLarge { path: path(), limit: self.limit }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(source) => RowsError::Read { path: path(), what: self.what, source },
        };
        *self.failure.borrow_mut() = Some(failure);
        Err(io::Error::other("the input cannot be read"))
    }
}

/// Flattens an error and its causes into one text.
fn whole(error: &FrameDecoderError) -> io::Error {
    io::Error::other(error.to_string())
}

/// The frames of a zstd file in sequence. Rejects frames with a window above 128 MiB, and verifies
/// checksums.
pub(in crate::source) struct Zstd<R> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: Read> Zstd<R> {
    pub(in crate::source) fn new(source: BufReader<R>) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Begins the next frame; returns false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(length)?,
                Err(error) => return Err(whole(&error)),
            }
        }
        Ok(false)
    }

    fn skip(&mut self, length: u32) -> io::Result<()> {
        let length = u64::from(length);
        let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
        if skipped < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let stated = self.decoder.get_checksum_from_data();
        if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("the checksum is wrong"));
        }
        Ok(())
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| whole(&error))?;
            }
            match self.decoder.read(buf)? {
                0 => self.finish()?,
                count => return Ok(count),
            }
        }
    }
}
