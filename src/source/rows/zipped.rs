//! Streams the file of rows in a zip.

// A match over the compressions of a zip.
#![allow(clippy::wildcard_enum_match_arm)]

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::CompressionMethod;
use zip::result::ZipResult;

use super::RowsError;
use crate::source::excerpt::excerpt;
use crate::source::unpack::zip_archive;

/// The maximum number of files named in an error.
const NAMED: usize = 20;

/// The read size, in bytes.
const BUFFER: usize = 256 << 10;

/// A file of a zip.
struct Found {
    name: String,
    start: u64,
    packed: u64,
    size: u64,
    crc: u32,
    method: CompressionMethod,
    is_encrypted: bool,
}

/// Opens the file `part` of a zip, or its only file; folders and macOS metadata are ignored.
/// `count` receives the stored bytes read.
pub(super) fn open(
    mut file: File,
    shown: &str,
    part: Option<&str>,
    count: impl Fn(u64) + 'static,
) -> Result<Box<dyn Read>, RowsError> {
    let unfit = |what: String| RowsError::Unfit { path: shown.to_owned(), what };
    let read = |source| RowsError::Read { path: shown.to_owned(), what: "the zip", source };
    let found = files(&mut file).map_err(|error| read(io::Error::other(error)))?;
    let names: Vec<_> = found.iter().map(|file| file.name.clone()).collect();
    if let Some(what) = other_kind(&names) {
        return Err(unfit(what.to_owned()));
    }
    let chosen: Vec<Found> =
        found.into_iter().filter(|file| part.is_none_or(|part| file.name == part)).collect();
    let found = match (<[Found; 1]>::try_from(chosen), part) {
        (Ok([found]), _) => found,
        (Err(_), _) if names.is_empty() => return Err(unfit("a zip without files".to_owned())),
        (Err(_), None) => {
            let how = "unpack the one that is meant, or name it where --part is taken";
            return Err(unfit(format!("a zip of several files: {}: {how}", listed(&names))));
        }
        (Err(_), Some(part)) => {
            let part = excerpt(part);
            return Err(unfit(format!("the zip has no file {part:?}; it has {}", listed(&names))));
        }
    };
    if found.is_encrypted {
        return Err(unfit(format!("{:?} in the zip is encrypted", excerpt(&found.name))));
    }
    file.seek(SeekFrom::Start(found.start)).map_err(read)?;
    let packed =
        BufReader::with_capacity(BUFFER, Counted { inner: file.take(found.packed), count });
    let inner: Box<dyn Read> = match found.method {
        CompressionMethod::Stored => Box::new(packed),
        CompressionMethod::Deflated => Box::new(DeflateDecoder::new(packed)),
        other => {
            let how = "only Deflate and none are read";
            return Err(unfit(format!("{:?} in the zip is packed by {other}: {how}", found.name)));
        }
    };
    Ok(Box::new(Checked { inner, crc: Crc::new(), taken: 0, size: found.size, sum: found.crc }))
}

fn files(file: &mut File) -> ZipResult<Vec<Found>> {
    let mut archive = zip_archive(BufReader::new(file))?;
    let mut files = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at)?;
        let name = entry.name()?.into_owned();
        let base = name.rsplit('/').next().unwrap_or_default();
        let is_of_a_mac = name.starts_with("__MACOSX/") || base.starts_with("._");
        if entry.is_dir() || is_of_a_mac || base == ".DS_Store" {
            continue;
        }
        files.push(Found {
            start: entry.data_start().unwrap_or_default(),
            packed: entry.compressed_size(),
            size: entry.size(),
            crc: entry.crc32(),
            method: entry.compression(),
            is_encrypted: entry.encrypted(),
            name,
        });
    }
    Ok(files)
}

/// Recognises other formats that are zip archives.
fn other_kind(names: &[String]) -> Option<&'static str> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has("xl/workbook.xml") {
        return Some("an Excel workbook (.xlsx), which is not read: save the sheet as CSV UTF-8");
    }
    if has("xl/workbook.bin") {
        return Some("an Excel workbook (.xlsb), which is not read: save the sheet as CSV UTF-8");
    }
    if has("[Content_Types].xml") {
        return Some("an Office document: save its table as CSV");
    }
    has("mimetype").then_some("an OpenDocument file, which is not read: save the sheet as CSV")
}

fn listed(names: &[String]) -> String {
    let shown: Vec<_> =
        names.iter().take(NAMED).map(|name| format!("{:?}", excerpt(name))).collect();
    let more = if names.len() > NAMED { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

struct Counted<R, C> {
    inner: R,
    count: C,
}

impl<R: Read, C: Fn(u64)> Read for Counted<R, C> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        (self.count)(read as u64);
        Ok(read)
    }
}

/// Verifies the size and checksum that the zip states.
struct Checked<R> {
    inner: R,
    crc: Crc,
    taken: u64,
    size: u64,
    sum: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buf)?;
        self.crc.update(&buf[..read]);
        self.taken += read as u64;
        if self.taken > self.size || (read == 0 && self.taken < self.size) {
            return Err(io::Error::other("the file has another size than the zip states"));
        }
        if read == 0 && self.crc.sum() != self.sum {
            return Err(io::Error::other("the checksum is wrong"));
        }
        Ok(read)
    }
}
