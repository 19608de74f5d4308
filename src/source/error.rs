//! Errors of list readers, with positions. They quote only short excerpts, because the input is
//! untrusted.

use std::fmt;
use std::io;

use super::Format;
use super::excerpt::excerpt;
use super::foreign::Foreign;
use super::packing::Packing;

/// The position of a fault in the unpacked input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Line, from 1 (text, YAML, CSV, JSON lines).
    Line(u64),
    /// Byte offset, from 0 (XML).
    Byte(u64),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Byte(offset) => write!(f, "byte {offset}"),
        }
    }
}

/// Why a file could not be read as a list. No part of such a file is used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened.
    #[error("{path}: cannot be opened: {source}")]
    Open { path: String, source: io::Error },
    /// The bytes cannot be read.
    #[error("the input cannot be read: {0}")]
    Read(io::Error),
    /// The compressed data are damaged or truncated.
    #[error("the {packing} data are damaged or truncated: {source}")]
    Unpack {
        /// The compression.
        packing: Packing,
        source: io::Error,
    },
    /// A zip archive without exactly one file.
    #[error("a zip archive must hold exactly one file, this one holds {0}")]
    ZipFiles(usize),
    /// More bytes than [`super::Bounds::max_decompressed`].
    #[error("the input holds more than {0} bytes unpacked")]
    TooLarge(u64),
    /// A known kind of file that cannot be read as a list.
    #[error("this is {}, which cannot be read: {}", .0.what, .0.instead)]
    Foreign(Foreign),
    /// The header that a TagPack includes cannot be used.
    #[error("the included header {name:?} cannot be used: {fault}")]
    Include {
        /// The name in the pack.
        name: String,
        fault: IncludeFault,
    },
    /// No format was given and the content is ambiguous.
    #[error("the format cannot be detected from the content ({0}): specify it")]
    UnknownFormat(&'static str),
    /// The content violates its format.
    #[error("{format}: {fault} at {at}")]
    Malformed {
        /// The format that it was read as.
        format: Format,
        at: Position,
        fault: Fault,
    },
}

/// The problem with the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No bytes at all.
    #[error("the input is empty")]
    Empty,
    /// Markup (usually an HTML error page) instead of a list.
    #[error("this is an HTML page or other markup, not a list")]
    Markup,
    /// The XML root element is wrong.
    #[error("the root element is {found:?}, not {expected:?}")]
    WrongRoot {
        /// The root of the format.
        expected: &'static str,
        /// The beginning of the actual name.
        found: String,
    },
    /// A document type declaration, which could declare entities.
    #[error("document type declarations are not allowed")]
    Doctype,
    /// The input is truncated.
    #[error("the input ends early: {0}")]
    Truncated(&'static str),
    /// Invalid XML, YAML, CSV or JSON; the parser's message.
    #[error("{0}")]
    Syntax(String),
    /// Bytes that are not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// Deeper than [`super::Bounds::max_depth`].
    #[error("nested deeper than {0}")]
    TooDeep(usize),
    /// A name, value or other token longer than [`super::Bounds::max_field`].
    #[error("a field is longer than {0} bytes")]
    FieldTooLong(usize),
    /// A line or record longer than [`super::Bounds::max_record`].
    #[error("a line or record is longer than {0} bytes")]
    RecordTooLong(usize),
    /// More rows than [`super::Bounds::max_rows`].
    #[error("more than {0} rows")]
    TooManyRows(usize),
    /// More bytes to hold in memory than [`super::Bounds::max_held`].
    #[error("more than {0} bytes of wallets and possible holders")]
    TooMuchHeld(usize),
    /// More than [`super::Bounds::max_kept`] bytes of parties and rows.
    #[error("more than {0} bytes of parties and rows")]
    TooMuchKept(usize),
    /// A required part is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part is repeated or misplaced.
    #[error("{0} is misplaced or repeated")]
    Misplaced(&'static str),
    /// An unknown column or field.
    #[error("unknown field {0:?}")]
    UnknownField(String),
    /// An invalid day.
    #[error("invalid date {0:?}")]
    BadDate(String),
    /// An invalid value: its field, and its beginning.
    #[error("{0} cannot be {1:?}")]
    BadValue(&'static str, String),
    /// The file states another number of rows or entries.
    #[error("the file states {stated} entries but has {found}")]
    Count { stated: u64, found: u64 },
    /// Two rows describe the same party differently.
    #[error("party {0:?} is described differently in an earlier row")]
    PartyDiffers(String),
    /// A line break in a cell of a CSV that does not state its numbers of rows and line breaks.
    #[error(
        "a line break in a cell: is a quote missing or one too many? Where cells hold line breaks, \
         state above the header line how many rows and how many line breaks in cells there are: \
         `# rows: N` and `# line breaks: K`"
    )]
    LineBreak,
    /// The file states another number of line breaks in cells.
    #[error("the file states {stated} line breaks in cells but has {found}")]
    LineBreakCount { stated: u64, found: u64 },
    /// An id missing from the file's reference values; the attribute and its value.
    #[error("{0} {1:?} is not among the file's reference values")]
    UnknownId(&'static str, String),
    /// A YAML anchor or alias.
    #[error("YAML anchors and aliases are not allowed")]
    Anchor,
    /// An unresolved YAML `!include`.
    #[error(
        "`!include` is resolved only as `header: !include NAME` in the first 64 KiB of a pack that is \
         read from its own folder, not of one that is downloaded: put the keys of that file into the \
         pack"
    )]
    Include,
    /// A GraphSense actor pack, which has no addresses.
    #[error("this is a GraphSense actor pack, not a tag pack: it holds no addresses")]
    ActorPack,
}

impl Fault {
    /// The fault at a line.
    pub(super) fn at_line(self, format: Format, line: u64) -> SourceError {
        SourceError::Malformed { format, at: Position::Line(line), fault: self }
    }

    /// The fault at a byte.
    pub(super) fn at_byte(self, format: Format, offset: u64) -> SourceError {
        SourceError::Malformed { format, at: Position::Byte(offset), fault: self }
    }

    /// Converts an error of `serde_json`, without its own line number, which is always 1.
    pub(super) fn json(error: serde_json::Error) -> Self {
        let said = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        match said.strip_suffix(&place) {
            Some(said) => Self::Syntax(format!("{} (column {})", excerpt(said), error.column())),
            None => Self::Syntax(excerpt(&said)),
        }
    }

    pub(super) fn syntax(said: impl fmt::Display) -> Self {
        Self::Syntax(excerpt(&said.to_string()))
    }
}

/// The largest file of a header, in bytes.
pub(super) const MAX_HEADER: u64 = 64 << 10;

/// Why a header was not included.
#[derive(Debug, thiserror::Error)]
pub enum IncludeFault {
    /// Its name is not a plain file name.
    #[error("only a file in the folder of the pack is taken, by its plain name")]
    Name,
    /// It is not a regular file, or a symbolic link out of the folder.
    #[error("it is no regular file of that folder")]
    Kind,
    /// It is larger than [`MAX_HEADER`].
    #[error("it is larger than {MAX_HEADER} bytes")]
    Size,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    Text,
    #[error("{0}")]
    Read(io::Error),
}
