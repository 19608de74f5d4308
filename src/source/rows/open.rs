//! Opens a file, unpacks it by its magic bytes, and counts its bytes against the bound.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use super::{RowsError, zipped};
use crate::source::foreign::COMPOUND;
use crate::source::packing::Packing;
use crate::source::unpack::{Bounded, Failure, ReadFailure, decoder};

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
    total: Option<u64>,
    failure: Failure,
    /// The path, the name of the data and the bound, for errors.
    path: String,
    what: &'static str,
    limit: u64,
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
        let path = self.path.clone();
        Some(match self.failure.take()? {
            ReadFailure::TooLarge => RowsError::TooLarge { path, limit: self.limit },
            ReadFailure::Broken(source) => RowsError::Read { path, what: self.what, source },
        })
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
    let packing = Packing::detect(head);
    let is_zip = packing == Some(Packing::Zip);
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
    let (packing, unpacked) = if is_zip {
        let what = "a zip is read from wherever its parts stand: give a file, not a stream";
        let file = again.ok_or_else(|| unfit(what))?;
        stored.set(0);
        let count = Rc::clone(&stored);
        let count = move |read| count.set(count.get() + read);
        let member = zipped::open(file, &shown, part, count)?;
        let mut member = BufReader::with_capacity(BUFFER, member);
        let packing = Packing::detect(member.fill_buf().map_err(failed)?);
        (packing, decoder(packing, member))
    } else {
        (packing, decoder(packing, bytes))
    };
    let failure = Failure::default();
    let bounded = Bounded::new(unpacked, limit, failure.clone());
    let what = shown_data(packing, is_zip);
    let meter = Meter { stored, total, failure, path: shown, what, limit };
    Ok(Opened::Text(Box::new(bounded), meter))
}

/// The name of the data in errors.
fn shown_data(packing: Option<Packing>, in_zip: bool) -> &'static str {
    match packing {
        Some(Packing::Gzip) => "the gzip data",
        Some(Packing::Bzip2) => "the bzip2 data",
        Some(Packing::Zstd) => "the zstd data",
        None | Some(Packing::Zip) if in_zip => "the zip",
        None | Some(Packing::Zip) => "the file",
    }
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
