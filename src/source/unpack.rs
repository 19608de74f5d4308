//! Unpacks a file (gzip, bzip2, zstd, zip with one file) and counts its bytes against the bound.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Read, Seek};
use std::path::Path;

use super::error::SourceError;
use super::foreign;
use super::rows::Zstd;

/// The read size, in bytes.
pub(super) const BUFFER: usize = 64 * 1024;

/// The input of every reader: the inspected head, then the rest.
pub(super) type Input<'a> = BufReader<Chain<&'a [u8], &'a mut (dyn Read + 'a)>>;

/// The compression of a file, detected by its first bytes, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952, `1f 8b`; several members are read one after the other.
    Gzip,
    /// `BZh`; several streams are read one after the other.
    Bzip2,
    /// RFC 8878, `28 b5 2f fd`; several frames are read one after the other.
    Zstd,
    /// `PK`; must hold exactly one file.
    Zip,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Packing {
    /// The name used in errors and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
            Self::Zip => "zip",
        }
    }

    /// Detects the compression, if any.
    fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            _ => None,
        }
    }
}

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
