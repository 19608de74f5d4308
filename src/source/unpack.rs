//! Unpacks a file (gzip, bzip2, zstd, zip with one file) and counts its bytes against the bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Read, Seek};
use std::path::Path;

use super::error::SourceError;
use super::foreign;
use super::packing::Packing;
use super::rows::Zstd;

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
        None => then(&mut file, packing),
        Some(Packing::Gzip) => then(&mut flate2::bufread::MultiGzDecoder::new(file), packing),
        Some(Packing::Bzip2) => then(&mut bzip2::bufread::MultiBzDecoder::new(file), packing),
        Some(Packing::Zstd) => then(&mut Zstd::new(file), packing),
        Some(Packing::Zip) => then(&mut only_file(&mut zip_archive(file)?)?, packing),
    }
}

fn zip_archive<R: Read + Seek>(file: R) -> Result<zip::ZipArchive<R>, SourceError> {
    zip::ZipArchive::new(file).map_err(zip_error)
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

fn zip_error(error: zip::result::ZipError) -> SourceError {
    SourceError::Unpack { packing: Packing::Zip, source: io::Error::other(error) }
}

/// Counts the unpacked bytes, stops at the bound, and keeps the read error, which a parser's error
/// would hide.
pub(super) struct Metered<'a> {
    inner: &'a mut dyn Read,
    packing: Option<Packing>,
    limit: u64,
    taken: u64,
    failure: Option<SourceError>,
}

impl<'a> Metered<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, packing: Option<Packing>, limit: u64) -> Self {
        Self { inner, packing, limit, taken: 0, failure: None }
    }

    /// Returns the read error, if any.
    pub(super) fn failure(&mut self) -> Option<SourceError> {
        self.failure.take()
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let again = || io::Error::other("reading failed before");
        if self.failure.is_some() {
            return Err(again());
        }
        match self.inner.read(buf) {
            Ok(count) => {
                self.taken += count as u64;
                if self.taken <= self.limit {
                    return Ok(count);
                }
                self.failure = Some(SourceError::TooLarge(self.limit));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(source) => {
                self.failure = Some(match self.packing {
                    Some(packing) => SourceError::Unpack { packing, source },
                    None => SourceError::Read(source),
                });
            }
        }
        Err(again())
    }
}
