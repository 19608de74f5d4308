//! Unpacks bytes (gzip, bzip2, zstd, zip with one file) and counts them against the bound.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Read, Seek};
use std::path::Path;
use std::rc::Rc;

use zip::result::{ZipError, ZipResult};

use super::error::SourceError;
use super::foreign;
use super::packing::Packing;
use super::zstd::Zstd;

/// The read size, in bytes.
pub(super) const BUFFER: usize = 64 * 1024;

/// The input of every reader: the inspected head, then the rest.
pub(super) type Input<'a> = BufReader<Chain<&'a [u8], &'a mut (dyn Read + 'a)>>;

/// Opens and unpacks `path`, and passes the bytes to `then`.
pub(super) fn open<T>(
    path: &Path,
    then: impl FnOnce(&mut dyn Read, Option<Packing>) -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let failed = |source| SourceError::Open { path: path.display().to_string(), source };
    let file = File::open(path).map_err(failed)?;
    let mut file = BufReader::with_capacity(BUFFER, file);
    let packing = Packing::detect(file.fill_buf().map_err(failed)?);
    match packing {
        Some(Packing::Zip) => {
            then(&mut only_file(&mut zip_archive(file).map_err(zip_error)?)?, packing)
        }
        packing => then(&mut decoder(packing, file), packing),
    }
}

/// Decodes compressed bytes. A zip passes as it is: it is opened by its parts.
pub(super) fn decoder<'a, R: Read + 'a>(
    packing: Option<Packing>,
    bytes: BufReader<R>,
) -> Box<dyn Read + 'a> {
    match packing {
        Some(Packing::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        Some(Packing::Bzip2) => Box::new(bzip2::bufread::MultiBzDecoder::new(bytes)),
        Some(Packing::Zstd) => Box::new(Zstd::new(bytes)),
        Some(Packing::Zip) | None => Box::new(bytes),
    }
}

/// Opens a zip. Refuses two files of one name: only the last would be found.
pub(super) fn zip_archive<R: Read + Seek>(file: R) -> ZipResult<zip::ZipArchive<R>> {
    let archive = zip::ZipArchive::new(file)?;
    if archive.has_duplicate_names() {
        return Err(ZipError::InvalidArchive("two files have the same name".into()));
    }
    Ok(archive)
}

/// The only file of an archive, ignoring folders.
fn only_file<R: Read + Seek>(
    archive: &mut zip::ZipArchive<R>,
) -> Result<zip::read::ZipFile<'_, R>, SourceError> {
    let mut files = Vec::new();
    for at in 0..archive.len() {
        if !archive.by_index_raw(at).map_err(zip_error)?.is_dir() {
            files.push(at);
        }
    }
    match files[..] {
        [at] => archive.by_index(at).map_err(zip_error),
        _ => Err(match foreign::of_archive(archive.file_names().flatten()) {
            Some(foreign) => SourceError::Foreign(foreign),
            None => SourceError::ZipFiles(files.len()),
        }),
    }
}

fn zip_error(error: ZipError) -> SourceError {
    SourceError::Unpack { packing: Packing::Zip, source: io::Error::other(error) }
}

/// Why reading failed.
#[derive(Debug)]
pub(super) enum ReadFailure {
    /// There are more bytes than the bound.
    TooLarge,
    /// The bytes cannot be read, or the compressed data are damaged or truncated.
    Broken(io::Error),
}

impl ReadFailure {
    pub(super) fn of_list(self, packing: Option<Packing>, limit: u64) -> SourceError {
        match (self, packing) {
            (Self::TooLarge, _) => SourceError::TooLarge(limit),
            (Self::Broken(source), Some(packing)) => SourceError::Unpack { packing, source },
            (Self::Broken(source), None) => SourceError::Read(source),
        }
    }
}

/// Keeps why reading failed: a parser's error would hide it, or take it for the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure(Rc<RefCell<Option<ReadFailure>>>);

impl Failure {
    pub(super) fn take(&self) -> Option<ReadFailure> {
        self.0.borrow_mut().take()
    }
}

/// Counts the unpacked bytes and stops at the bound.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    failure: Failure,
    has_failed: bool,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R, limit: u64, failure: Failure) -> Self {
        Self { inner, left: limit, failure, has_failed: false }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.has_failed {
            return Err(io::Error::other("reading failed before"));
        }
        let failure = match self.inner.read(buf) {
            Ok(count) => match self.left.checked_sub(count as u64) {
                Some(left) => {
                    self.left = left;
                    return Ok(count);
                }
                None => ReadFailure::TooLarge,
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => ReadFailure::Broken(error),
        };
        self.has_failed = true;
        *self.failure.0.borrow_mut() = Some(failure);
        Err(io::Error::other("the input cannot be read"))
    }
}
