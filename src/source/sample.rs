//! A sample of addresses to ask about: one a line, or CSV with a column `address`. Refuses lines one
//! by one, so that none is dropped; must not understand addresses.

use std::io::{self, BufRead, Read};

use super::error::excerpt;

/// The most bytes of a line.
const MAX_LINE: usize = 4 << 10;

/// The most lines, headings, comments and empty ones among them.
pub const MAX_LINES: u64 = 1_000_000;

/// How much of a refused line is looked at for its excerpt, in bytes.
const EXCERPT: usize = 256;

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One line that asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The line, from 1.
    pub line: u64,
    /// What it asks, or the beginning of it and why it is refused.
    pub asked: Result<Asked, Refused>,
}

/// An address that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The address, without white space around it.
    pub address: String,
    /// The chain as it stands there; empty where none does.
    pub chain: String,
}

/// A line that asks for nothing that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The beginning of the line.
    pub excerpt: String,
    /// Why.
    pub why: &'static str,
}

/// Why a sample ends early.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// It cannot be read.
    #[error("line {line} cannot be read")]
    Read {
        /// Where, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// It has more lines than [`MAX_LINES`].
    #[error("more than {MAX_LINES} lines")]
    TooLong,
}

/// Where the columns stand in a CSV.
#[derive(Clone, Copy, Debug)]
struct Columns {
    count: usize,
    address: usize,
    chain: Option<usize>,
}

/// The lines of a sample, one after the other; ends after an error.
pub struct Sample<R> {
    input: R,
    line: u64,
    /// Whether a line was met that is neither empty nor a comment.
    begun: bool,
    columns: Option<Columns>,
    ended: bool,
}

impl<R: BufRead> Sample<R> {
    /// A sample over bytes. A first line with a field `address` makes it a CSV, in which no field
    /// spans lines; otherwise each line is an address. Empty lines and those that begin with `#` ask
    /// for nothing.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, begun: false, columns: None, ended: false }
    }

    /// The next line of bytes without its end, and whether it is whole; `None` at the end.
    fn bytes(&mut self) -> io::Result<Option<(Vec<u8>, bool)>> {
        let mut line = Vec::new();
        let most = MAX_LINE as u64 + 2;
        self.input.by_ref().take(most).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let ended = line.pop_if(|last| *last == b'\n').is_some();
        line.pop_if(|last| ended && *last == b'\r');
        if !ended && line.len() > MAX_LINE {
            self.input.skip_until(b'\n')?;
        }
        let whole = line.len() <= MAX_LINE;
        line.truncate(MAX_LINE);
        Ok(Some((line, whole)))
    }

    /// What a line asks; `None` where it asks for nothing.
    fn understood(&mut self, mut bytes: &[u8], whole: bool) -> Option<Result<Asked, Refused>> {
        if self.line == 1 {
            bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        }
        let refused = |why| {
            let beginning = &bytes[..bytes.len().min(EXCERPT)];
            let excerpt = excerpt(&String::from_utf8_lossy(beginning));
            Some(Err(Refused { excerpt, why }))
        };
        if !whole {
            self.begun = true;
            return refused("the line is longer than 4096 bytes");
        }
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            return None;
        }
        let first = !std::mem::replace(&mut self.begun, true);
        let Ok(text) = std::str::from_utf8(trimmed) else {
            return refused("the line is not UTF-8");
        };
        if first && let Some(columns) = headings(text) {
            self.columns = Some(columns);
            return None;
        }
        let Some(columns) = self.columns else {
            return Some(Ok(Asked { address: text.to_owned(), chain: String::new() }));
        };
        match fields(text) {
            Some(fields) if fields.len() == columns.count => {
                let field = |place: usize| fields.get(place).unwrap_or("").trim().to_owned();
                let chain = columns.chain.map(field).unwrap_or_default();
                Some(Ok(Asked { address: field(columns.address), chain }))
            }
            _ => refused("the line has another number of fields than the headings"),
        }
    }
}

impl<R: BufRead> Iterator for Sample<R> {
    type Item = Result<Sampled, SampleError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            self.line += 1;
            let line = self.line;
            let (bytes, whole) = match self.bytes() {
                Ok(Some(found)) => found,
                Ok(None) => {
                    self.ended = true;
                    return None;
                }
                Err(source) => {
                    self.ended = true;
                    return Some(Err(SampleError::Read { line, source }));
                }
            };
            if line > MAX_LINES {
                self.ended = true;
                return Some(Err(SampleError::TooLong));
            }
            if let Some(asked) = self.understood(&bytes, whole) {
                return Some(Ok(Sampled { line, asked }));
            }
        }
        None
    }
}

/// The fields of a line of CSV.
fn fields(line: &str) -> Option<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).ok().filter(|found| *found).map(|_| record)
}

/// Where the columns stand, if the line is headings.
fn headings(line: &str) -> Option<Columns> {
    let fields = fields(line)?;
    let find = |name: &str| fields.iter().position(|field| field.trim() == name);
    Some(Columns { count: fields.len(), address: find("address")?, chain: find("chain") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample in short: `line address chain`, or `line !why`.
    fn said(bytes: &[u8]) -> Vec<String> {
        let said = Sample::new(bytes).map(|sampled| {
            let Sampled { line, asked } = sampled.unwrap();
            match asked {
                Ok(Asked { address, chain }) => format!("{line} {address} {chain}"),
                Err(Refused { why, .. }) => format!("{line} !{why}"),
            }
        });
        said.collect()
    }

    #[test]
    fn an_address_a_line() {
        assert_eq!(said(b""), [""; 0]);
        assert_eq!(said(b"\xef\xbb\xbf a \r\n\n# b\nc,d"), ["1 a ", "4 c,d "]);
    }

    #[test]
    fn csv_by_its_headings() {
        let csv = b"# made up\nname,address,chain\nx,a,bitcoin\n\"y, z\", b ,\nonly\n\"open,a,b\n";
        let fields = "the line has another number of fields than the headings";
        let want = ["3 a bitcoin", "4 b ", &format!("5 !{fields}"), &format!("6 !{fields}")];
        assert_eq!(said(csv), want);
        assert_eq!(said(b"address\na\nb"), ["2 a ", "3 b "]);
    }

    #[test]
    fn bad_lines_are_refused_one_by_one() {
        let mut bytes = vec![b'x'; MAX_LINE];
        bytes.push(b'\n');
        bytes.extend(vec![b'y'; MAX_LINE + 1]);
        bytes.push(b'\n');
        bytes.extend(vec![b'z'; 3 * MAX_LINE]);
        bytes.extend(b"\n\xff\nlast");
        let found = said(&bytes);
        let long = "the line is longer than 4096 bytes";
        assert_eq!(found[0].len(), MAX_LINE + 3);
        let rest = [format!("2 !{long}"), format!("3 !{long}")];
        assert_eq!(found[1..3], rest);
        assert_eq!(found[3..], ["4 !the line is not UTF-8", "5 last "]);
        let refused = Sample::new(&bytes[MAX_LINE + 1..]).next().unwrap().unwrap().asked;
        assert!(refused.unwrap_err().excerpt.len() < 200);
    }

    #[test]
    fn an_endless_sample_ends() {
        let lines = io::BufReader::new(io::repeat(b'\n'));
        let mut sample = Sample::new(lines);
        assert!(matches!(sample.next(), Some(Err(SampleError::TooLong))));
        assert!(sample.next().is_none());
    }
}
