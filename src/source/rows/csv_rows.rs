//! Records of CSV as spans of their bytes, with the line that each begins on. Must not interpret
//! them.
//!
//! Fields are separated by commas; one that begins with a quote goes on to the quote that is not
//! doubled, over the ends of lines. A record without a quote, as nearly all are, is not copied.

use std::io;

use memchr::{memchr, memchr_iter};

use super::error::RowShapeFault;
use super::lines::{LineError, Lines};

/// Where a field stands in the text of its record.
pub(super) type Span = (usize, usize);

/// The records of a CSV.
pub(super) struct CsvRows<'a> {
    lines: Lines<'a>,
    max: usize,
    /// The line that the record begins on.
    line: u64,
    /// Where the fields stand: in the line, or in `unquoted`.
    spans: Vec<Span>,
    has_quotes: bool,
    /// A record with quotes: as it stands, and without them.
    verbatim: Vec<u8>,
    unquoted: Vec<u8>,
    fault: Option<RowShapeFault>,
}

/// Where in a record with quotes the splitting stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: its end, or the first of two.
    Quote,
}

impl<'a> CsvRows<'a> {
    /// The records of `lines`, none longer than `max` bytes.
    pub(super) fn new(lines: Lines<'a>, max: usize) -> Self {
        Self {
            lines,
            max,
            line: 0,
            spans: Vec::new(),
            has_quotes: false,
            verbatim: Vec::new(),
            unquoted: Vec::new(),
            fault: None,
        }
    }

    /// Goes to the next record; whether there is one. Empty lines are none.
    pub(super) fn advance(&mut self) -> Result<bool, LineError> {
        loop {
            if !self.lines.advance()? {
                return Ok(false);
            }
            if !self.lines.line().is_empty() {
                break;
            }
        }
        self.line = self.lines.number();
        self.fault = None;
        self.spans.clear();
        let line = self.lines.line();
        self.has_quotes = memchr(b'"', line).is_some();
        if self.has_quotes {
            self.split_quoted()?;
            return Ok(true);
        }
        let mut start = 0;
        for comma in memchr_iter(b',', line) {
            self.spans.push((start, comma));
            start = comma + 1;
        }
        self.spans.push((start, line.len()));
        Ok(true)
    }

    /// Leaves a record behind that was found to be longer than the bound; of one with an open quote
    /// the lines up to the bound.
    pub(super) fn skip_long(&mut self) -> io::Result<()> {
        self.spans.clear();
        self.lines.skip_long()?;
        self.line = self.line.max(self.lines.number());
        Ok(())
    }

    /// The line that the record begins on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The record as it stands, without the end of its line.
    pub(super) fn verbatim(&self) -> &[u8] {
        if self.has_quotes { &self.verbatim } else { self.lines.line() }
    }

    /// The text that the spans are of, and the spans of the fields.
    pub(super) fn fields(&self) -> Result<(&[u8], &[Span]), RowShapeFault> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None if self.has_quotes => Ok((&self.unquoted, &self.spans)),
            None => Ok((self.lines.line(), &self.spans)),
        }
    }

    fn split_quoted(&mut self) -> Result<(), LineError> {
        self.verbatim.clear();
        self.unquoted.clear();
        let mut at = At::FieldStart;
        let mut start = 0;
        loop {
            for &byte in self.lines.line() {
                at = match (at, byte) {
                    (At::FieldStart, b'"') => At::Quoted,
                    (At::Quoted, b'"') => At::Quote,
                    (At::FieldStart | At::Plain | At::Quote, b',') => {
                        self.spans.push((start, self.unquoted.len()));
                        start = self.unquoted.len();
                        At::FieldStart
                    }
                    (At::FieldStart | At::Plain, _) => {
                        self.unquoted.push(byte);
                        At::Plain
                    }
                    (At::Quoted, _) | (At::Quote, b'"') => {
                        self.unquoted.push(byte);
                        At::Quoted
                    }
                    (At::Quote, _) => {
                        self.fault =
                            Some(RowShapeFault::Syntax("text behind a closing quote".into()));
                        At::Plain
                    }
                };
            }
            self.verbatim.extend_from_slice(self.lines.line());
            if at != At::Quoted {
                break;
            }
            if self.verbatim.len() >= self.max {
                return Err(LineError::TooLong { line: self.line, max: self.max });
            }
            let line_end = self.lines.line_end();
            if !self.lines.advance()? {
                self.fault = Some(RowShapeFault::Syntax("a quote is not closed".into()));
                break;
            }
            self.verbatim.extend_from_slice(line_end);
            self.unquoted.extend_from_slice(line_end);
        }
        self.spans.push((start, self.unquoted.len()));
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(
        text: &str,
        max: usize,
    ) -> Result<Vec<Result<Vec<String>, RowShapeFault>>, LineError> {
        let mut rows = CsvRows::new(Lines::new(Box::new(text.as_bytes()), max), max);
        let mut records = Vec::new();
        while rows.advance()? {
            records.push(rows.fields().map(|(text, spans)| {
                let field =
                    |&(from, to): &Span| String::from_utf8(text[from..to].to_vec()).unwrap();
                spans.iter().map(field).collect()
            }));
        }
        Ok(records)
    }

    proptest! {
        /// What the csv crate writes is read as it was, whatever the fields hold.
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(prop::collection::vec("[a-c,\" \r\n]{0,6}", 2..5), 0..6),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let read: Vec<_> = records(&text, 1000).unwrap().into_iter().map(Result::unwrap).collect();
            prop_assert_eq!(read, rows);
        }

        /// What is not refused is what the csv crate reads.
        #[test]
        fn what_is_read_is_what_the_csv_crate_reads(text in "([a-c,\"]{0,4}(\r?\n)?){0,9}") {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            let read: Result<Vec<_>, _> = records(&text, 1000).unwrap().into_iter().collect();
            if let Ok(read) = read {
                prop_assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn faults_are_of_their_record() {
        let read = records("a,\"b\"c\nd,e\n\"f", 1000).unwrap();
        assert_eq!(read[0], Err(RowShapeFault::Syntax("text behind a closing quote".into())));
        assert_eq!(read[1], Ok(vec!["d".into(), "e".into()]));
        assert_eq!(read[2], Err(RowShapeFault::Syntax("a quote is not closed".into())));
    }

    #[test]
    fn a_record_of_many_lines_is_bounded() {
        let text = format!("\"{}\"", "a\n".repeat(100));
        assert!(records(&text, 1000).is_ok());
        let error = records(&text, 50).unwrap_err();
        assert!(matches!(error, LineError::TooLong { line: 1, max: 50 }), "{error:?}");
    }
}
