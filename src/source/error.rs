//! Why a list file is refused, and where: the errors of every reader. Must not quote more than a
//! short excerpt of the input, which is hostile.

use std::fmt;
use std::io;

use super::foreign::Foreign;
use super::include::IncludeFault;
use super::{Format, Packing};

/// The most of an input that an error repeats, in characters.
const EXCERPT: usize = 80;

/// Where in the (unpacked) input the fault is.
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

/// Why a file could not be read as a list. Nothing of such a file is used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened.
    #[error("{path}: cannot be opened: {source}")]
    Open { path: String, source: io::Error },
    /// The bytes cannot be read.
    #[error("the input cannot be read: {0}")]
    Read(io::Error),
    /// The compressed data are broken or end early.
    #[error("the {packing} data are broken or end early: {source}")]
    Unpack {
        /// How the file is packed.
        packing: Packing,
        source: io::Error,
    },
    /// A zip archive with no file or with several.
    #[error("a zip archive must hold exactly one file, this one holds {0}")]
    ZipFiles(usize),
    /// More bytes than [`super::Bounds::max_decompressed`].
    #[error("the input holds more than {0} bytes unpacked")]
    TooLarge(u64),
    /// A file that is known and is no list that can be read.
    #[error("this is {}, which cannot be read: {}", .0.what, .0.instead)]
    Foreign(Foreign),
    /// The header that a TagPack includes cannot be taken.
    #[error("the header {name:?} that the pack includes cannot be taken: {fault}")]
    Include {
        /// The name as the pack has it.
        name: String,
        fault: IncludeFault,
    },
    /// No format was named and the content does not tell.
    #[error("the format cannot be told from the content ({0}): name it")]
    UnknownFormat(&'static str),
    /// The content is not what its format demands.
    #[error("{format}: {fault} at {at}")]
    Malformed {
        /// The format that it was read as.
        format: Format,
        at: Position,
        fault: Fault,
    },
}

/// What is wrong with the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No bytes at all.
    #[error("the input is empty")]
    Empty,
    /// Markup (an HTML error page, as a rule) where a list was expected.
    #[error("this is an HTML page or other markup, not a list")]
    Markup,
    /// The XML root element is another.
    #[error("the root element is {found:?}, not {expected:?}")]
    WrongRoot {
        /// The root of the format.
        expected: &'static str,
        /// The beginning of the name that stands there.
        found: String,
    },
    /// A document type declaration, which could declare entities.
    #[error("a document type declaration is refused")]
    Doctype,
    /// The input ends before it is whole.
    #[error("the input ends early: {0}")]
    Truncated(&'static str),
    /// The grammar of XML, YAML, CSV or JSON is broken; in the parser's words.
    #[error("{0}")]
    Syntax(String),
    /// Bytes that are no UTF-8.
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
    /// More than [`super::Bounds::max_held`] bytes would have to be held in memory.
    #[error("more than {0} bytes of wallets and possible holders")]
    TooMuchHeld(usize),
    /// More than [`super::Bounds::max_kept`] bytes of parties and rows.
    #[error("more than {0} bytes of parties and rows")]
    TooMuchKept(usize),
    /// Something that the format demands is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something that may stand once, or at another place only.
    #[error("{0} is out of place or stands twice")]
    Misplaced(&'static str),
    /// A column or field that the format does not know.
    #[error("{0:?} is no field of this format")]
    UnknownField(String),
    /// A value that is no day.
    #[error("{0:?} is no date of the form expected")]
    BadDate(String),
    /// A value that cannot be understood; which, and the value's beginning.
    #[error("{0} cannot be {1:?}")]
    BadValue(&'static str, String),
    /// The file states how many rows or entries it holds, and holds another number.
    #[error("the file says that it holds {stated} entries and holds {found}")]
    Count { stated: u64, found: u64 },
    /// Two rows describe the same party differently.
    #[error("party {0:?} is described differently in an earlier row")]
    PartyDiffers(String),
    /// A line break in a cell of a CSV that does not state how many rows and line breaks it holds.
    #[error(
        "a line break in a cell: is a quote missing or one too many? Where cells hold line breaks, \
         state above the header line how many rows and how many line breaks in cells there are: \
         `# rows: N` and `# line breaks: K`"
    )]
    LineBreak,
    /// The file states how many line breaks its cells hold, and they hold another number.
    #[error("the file says that its cells hold {stated} line breaks, and they hold {found}")]
    LineBreakCount { stated: u64, found: u64 },
    /// An id that stands in none of the file's reference values; the attribute and its value.
    #[error("{0} {1:?} is not among the file's reference values")]
    UnknownId(&'static str, String),
    /// A YAML anchor or alias.
    #[error("YAML anchors and aliases are refused")]
    Anchor,
    /// A YAML `!include` that is not resolved.
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

    /// What `serde_json` says of a line: its own line number is always 1 and is left out.
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

/// The beginning of an untrusted text, short enough for an error.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
