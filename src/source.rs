//! Reads list files into [`crate::domain::list::ReadList`], or fails with a position. Rows stay
//! verbatim: addresses are not parsed here.
//!
//! A file is accepted or rejected as a whole. Every reader streams in bounded memory.
//!
//! ```
//! use lazaretto::source::{Bounds, Format, read};
//!
//! let csv = "\
//! ## published: 2025-11-19
//! address,ticker,party_uid,party_name
//! 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa,XBT,1,EXAMPLE
//! ";
//! let list = read(csv.as_bytes(), Format::Csv, &Bounds::default())?;
//! assert_eq!(list.published.map(|day| day.to_string()).as_deref(), Some("2025-11-19"));
//! assert_eq!(list.rows[0].0.ticker, "XBT");
//! assert_eq!(list.parties[0].name, "EXAMPLE");
//!
//! // An error names the format, the problem and the line.
//! let error = read("address,colour\n".as_bytes(), Format::Csv, &Bounds::default()).unwrap_err();
//! assert_eq!(error.to_string(), "csv: unknown field \"colour\" at line 1");
//! # Ok::<(), lazaretto::source::SourceError>(())
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use self::assembly::Assembled;
use self::unpack::{Bounded, Failure};
use crate::domain::list::{FileReport, ReadList};

mod assembly;
mod csv_form;
mod error;
mod excerpt;
mod foreign;
mod hostile;
mod include;
mod json_array;
mod json_lines;
mod lines;
mod ofac_advanced;
mod ofac_sdn;
mod ofac_types;
mod open_sanctions;
mod open_sanctions_csv;
mod own;
mod packing;
mod plain;
mod report;
pub mod rows;
#[cfg(test)]
mod slow;
mod sniff;
mod tagpack;
pub mod transfers;
mod unpack;
mod xml;
mod zstd;

pub use self::csv_form::{CsvHead, write_csv};
pub use self::error::{Fault, Position, SourceError};
pub use self::foreign::Foreign;
pub use self::hostile::is_hostile;
pub use self::include::Include;
pub use self::packing::Packing;
pub use self::report::ParsedFile;

/// A format of list files.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// OFAC `SDN_ADVANCED.XML`, `CONS_ADVANCED.XML`: `ofac-advanced`.
    OfacAdvanced,
    /// OFAC `SDN.XML`: `ofac-sdn`.
    OfacSdn,
    /// GraphSense TagPack, YAML: `tagpack`.
    #[strum(serialize = "tagpack")]
    TagPack,
    /// OpenSanctions FollowTheMoney entities, JSON lines: `opensanctions`.
    #[strum(serialize = "opensanctions")]
    OpenSanctions,
    /// OpenSanctions `targets.simple.csv`: `opensanctions-csv`.
    #[strum(serialize = "opensanctions-csv")]
    OpenSanctionsCsv,
    /// Lazaretto's own CSV: `csv`.
    Csv,
    /// Lazaretto's own JSON lines: `jsonl`.
    #[strum(serialize = "jsonl")]
    JsonLines,
    /// A JSON array of addresses, or of objects that each have one: `json`.
    #[strum(serialize = "json")]
    JsonArray,
    /// One address per line: `plain`.
    Plain,
}

impl Format {
    pub const ALL: [Self; 9] = [
        Self::OfacAdvanced,
        Self::OfacSdn,
        Self::TagPack,
        Self::OpenSanctions,
        Self::OpenSanctionsCsv,
        Self::Csv,
        Self::JsonLines,
        Self::JsonArray,
        Self::Plain,
    ];

    /// The name used in flags and configuration.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A string that is not a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no list format: ofac-advanced, ofac-sdn, tagpack, opensanctions, opensanctions-csv, \
     csv, jsonl, json or plain"
)]
pub struct FormatError(String);

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|format| format.as_str() == text);
        known.ok_or_else(|| FormatError(excerpt::excerpt(text)))
    }
}

/// The bounds of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes, unpacked: 1 GiB.
    pub max_decompressed: u64,
    /// Bytes of one name, value, or token of XML: 64 KiB.
    pub max_field: usize,
    /// Bytes of one line, CSV record or YAML token: 4 MiB.
    pub max_record: usize,
    /// Nesting of XML and YAML: 64. JSON is bounded by `serde_json` at 128.
    pub max_depth: usize,
    /// Rows, including repeated ones: 500,000. A list being read takes up to 1 KiB per row, and
    /// some four times the text of [`Self::max_kept`].
    pub max_rows: usize,
    /// Bytes of entities held of an OpenSanctions file, wallets and their possible holders: 128
    /// MiB.
    pub max_held: usize,
    /// Bytes of text of parties and rows, counting every copy: 64 MiB.
    pub max_kept: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_decompressed: 1 << 30,
            max_field: 64 << 10,
            max_record: 4 << 20,
            max_depth: 64,
            max_rows: 500_000,
            max_held: 128 << 20,
            max_kept: 64 << 20,
        }
    }
}

/// The number of bytes at the beginning that are used to detect the format.
const HEAD: u64 = 64 << 10;

/// Reads a list file. Unpacks gzip, bzip2, zstd, and zip with exactly one file, recognised by the
/// first bytes. If no format is given, detects it from the content, or from the name where the
/// content is ambiguous. Parties come by uid and rows by key.
///
/// # Errors
///
/// Fails if the file cannot be read or unpacked, exceeds a bound, or violates its format.
pub fn read_file(
    path: &Path,
    format: Option<Format>,
    bounds: &Bounds,
) -> Result<ReadList, SourceError> {
    read_reported(path, format, Include::Refused, bounds).map(|reading| reading.list)
}

/// As [`read_file`], and reports how the file was read and what was skipped.
///
/// # Errors
///
/// As [`read_file`]; also fails if the header that a TagPack includes cannot be read from
/// `include`.
pub fn read_reported(
    path: &Path,
    format: Option<Format>,
    include: Include<'_>,
    bounds: &Bounds,
) -> Result<ParsedFile, SourceError> {
    let asked = ReadOptions { format, name: Some(path), include };
    unpack::open(path, |bytes, packing| read_bytes(bytes, packing, asked, bounds))
}

/// Detects the format of a list file by its content and, if that is ambiguous, its name.
///
/// # Errors
///
/// Fails if the file cannot be read or unpacked, or its content is ambiguous.
pub fn format_of(path: &Path, bounds: &Bounds) -> Result<Format, SourceError> {
    unpack::open(path, |bytes, packing| {
        let mut head = Vec::new();
        let limit = HEAD.min(bounds.max_decompressed);
        let read = bytes.take(limit).read_to_end(&mut head);
        read.map_err(|source| match packing {
            Some(packing) => SourceError::Unpack { packing, source },
            None => SourceError::Read(source),
        })?;
        sniff::sniff(&head, Some(path))
    })
}

/// Reads an uncompressed list. Parties come by uid and rows by key.
///
/// # Errors
///
/// Fails if the input cannot be read, exceeds a bound, or violates its format.
pub fn read(
    mut input: impl Read,
    format: Format,
    bounds: &Bounds,
) -> Result<ReadList, SourceError> {
    let asked = ReadOptions { format: Some(format), name: None, include: Include::Refused };
    read_bytes(&mut input, None, asked, bounds).map(|reading| reading.list)
}

/// Options for reading a file.
#[derive(Clone, Copy)]
struct ReadOptions<'a> {
    format: Option<Format>,
    name: Option<&'a Path>,
    include: Include<'a>,
}

fn read_bytes(
    bytes: &mut dyn Read,
    packing: Option<Packing>,
    asked: ReadOptions<'_>,
    bounds: &Bounds,
) -> Result<ParsedFile, SourceError> {
    let (failure, limit) = (Failure::default(), bounds.max_decompressed);
    let result = read_bounded(&mut Bounded::new(bytes, limit, failure.clone()), asked, bounds);
    if let Some(failure) = failure.take() {
        return Err(failure.of_list(packing, limit));
    }
    let (format, Assembled { list, rows, notes }) = result?;
    let (parties, published) = (list.parties.len() as u64, list.published);
    let (format, packing) = (format.as_str(), packing.map(Packing::as_str));
    Ok(ParsedFile { list, report: FileReport { format, packing, rows, parties, published, notes } })
}

fn read_bounded(
    bytes: &mut Bounded<&mut dyn Read>,
    asked: ReadOptions<'_>,
    bounds: &Bounds,
) -> Result<(Format, Assembled), SourceError> {
    let mut head = Vec::new();
    bytes.take(HEAD).read_to_end(&mut head).map_err(SourceError::Read)?;
    if let Some(foreign) = foreign::recognise(&head, asked.name) {
        return Err(SourceError::Foreign(foreign));
    }
    let format = match asked.format {
        Some(format) => format,
        None => sniff::sniff(&head, asked.name)?,
    };
    if head.is_empty() {
        return Err(Fault::Empty.at_line(format, 1));
    }
    let is_xml = matches!(format, Format::OfacAdvanced | Format::OfacSdn);
    if !is_xml && sniff::is_markup(&head) {
        return Err(Fault::Markup.at_line(format, 1));
    }
    let appended = match asked.include {
        Include::Beside(pack) if format == Format::TagPack => include::resolve(&mut head, pack)?,
        Include::Refused | Include::Beside(_) => None,
    };
    let start = if is_xml { &head } else { foreign::without_bom(&head) };
    let bytes = &mut bytes.chain(appended.as_deref().unwrap_or_default());
    let input = &mut BufReader::with_capacity(unpack::BUFFER, start.chain(bytes as &mut dyn Read));
    let list = match format {
        Format::OfacAdvanced => ofac_advanced::read(input, bounds),
        Format::OfacSdn => ofac_sdn::read(input, bounds),
        Format::TagPack => tagpack::read(input, bounds),
        Format::OpenSanctions => open_sanctions::read(input, bounds),
        Format::OpenSanctionsCsv => open_sanctions_csv::read(input, bounds),
        Format::Csv => csv_form::read(input, bounds),
        Format::JsonLines => json_lines::read(input, bounds),
        Format::JsonArray => json_array::read(input, bounds),
        Format::Plain => plain::read(input, bounds),
    }?;
    // Compressed data may end with a checksum that is only verified at the end.
    if !input.fill_buf().map_err(SourceError::Read)?.is_empty() {
        return Err(Fault::Misplaced("what follows the list").at_line(format, 1));
    }
    Ok((format, list))
}

/// Returns an unpacked copy of a TagPack with the header that it includes from its folder; `None`
/// if the file is no TagPack or includes none.
///
/// # Errors
///
/// Fails if the file cannot be read or unpacked, or its header cannot be read.
pub fn with_included_header(path: &Path, bounds: &Bounds) -> Result<Option<File>, SourceError> {
    unpack::open(path, |bytes, packing| {
        let (failure, limit) = (Failure::default(), bounds.max_decompressed);
        let copied = copy_with_header(&mut Bounded::new(bytes, limit, failure.clone()), path);
        failure.take().map_or(copied, |failure| Err(failure.of_list(packing, limit)))
    })
}

fn copy_with_header(
    bytes: &mut Bounded<&mut dyn Read>,
    path: &Path,
) -> Result<Option<File>, SourceError> {
    let mut head = Vec::new();
    bytes.take(HEAD).read_to_end(&mut head).map_err(SourceError::Read)?;
    if !matches!(sniff::sniff(&head, Some(path)), Ok(Format::TagPack)) {
        return Ok(None);
    }
    let Some(appended) = include::resolve(&mut head, path)? else { return Ok(None) };
    let mut copy = tempfile::tempfile().map_err(SourceError::Read)?;
    io::copy(&mut head.chain(bytes).chain(&appended[..]), &mut copy).map_err(SourceError::Read)?;
    copy.rewind().map_err(SourceError::Read)?;
    Ok(Some(copy))
}

/// As [`file_digest`]; for a TagPack that includes a header from its folder, the digest of both.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub fn digest_with_header(path: &Path) -> io::Result<[u8; 32]> {
    let digest = file_digest(path)?;
    let header = unpack::open(path, |bytes, _| {
        let mut head = Vec::new();
        bytes.take(HEAD).read_to_end(&mut head).map_err(SourceError::Read)?;
        Ok(include::included(&head, path))
    });
    // A file that cannot be unpacked fails when it is read.
    Ok(match header.ok().flatten() {
        Some(header) => Sha256::digest([&digest[..], header.as_bytes()].concat()).into(),
        None => digest,
    })
}

/// Returns SHA-256 of a file's bytes as stored, packed or not.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub fn file_digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buf = vec![0; unpack::BUFFER];
    loop {
        match file.read(&mut buf)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&buf[..count]),
        }
    }
}

#[cfg(test)]
mod tests;
