//! CSV records as spans of their bytes, with the line that each begins on.
//!
//! Fields are separated by one character. A field that begins with a quote ends at the next quote
//! that is not doubled; [`LineBreaks`] decides whether it may span lines. A record without a quote,
//! as nearly all are, is not copied.

use std::io;

use memchr::{memchr, memchr_iter};

use super::error::RowShapeFault;
use super::{LineBreaks, LineCounts};
use crate::source::lines::{LineError, Lines};

/// The span of a field in the text of its record.
pub(super) type Span = (usize, usize);

/// The records of a CSV.
pub(super) struct CsvRows<'a> {
    lines: Lines<'a>,
    delimiter: u8,
    max: usize,
    line_breaks: LineBreaks,
    /// The line that the record begins on.
    line: u64,
    heading_lines: u64,
    empty_lines: u64,
    lines_in_cells: u64,
    /// The spans of the fields, in the line or in `unquoted`.
    spans: Vec<Span>,
    has_quotes: bool,
    /// A record with quotes: verbatim, and without them.
    verbatim: Vec<u8>,
    unquoted: Vec<u8>,
    fault: Option<RowShapeFault>,
}

/// The state of splitting a record with quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SplitState {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of two.
    Quote,
}

impl<'a> CsvRows<'a> {
    /// Reads the records of `lines`, each at most `max` bytes.
    pub(super) fn new(
        lines: Lines<'a>,
        delimiter: u8,
        max: usize,
        line_breaks: LineBreaks,
    ) -> Self {
        Self {
            lines,
            delimiter,
            max,
            line_breaks,
            line: 0,
            heading_lines: 0,
            empty_lines: 0,
            lines_in_cells: 0,
            spans: Vec::new(),
            has_quotes: false,
            verbatim: Vec::new(),
            unquoted: Vec::new(),
            fault: None,
        }
    }

    /// Advances to the next record, skipping empty lines; returns false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, LineError> {
        loop {
            match self.lines.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    if let LineError::TooLong { line, .. } = &error {
                        self.line = *line;
                    }
                    return Err(error);
                }
            }
            if !self.lines.line().is_empty() {
                break;
            }
            self.empty_lines += 1;
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
        for end in memchr_iter(self.delimiter, line) {
            self.spans.push((start, end));
            start = end + 1;
        }
        self.spans.push((start, line.len()));
        Ok(true)
    }

    /// Skips a record that exceeds the bound; with an open quote, the lines up to the bound.
    pub(super) fn skip_long(&mut self) -> io::Result<()> {
        self.spans.clear();
        self.lines.skip_long()
    }

    /// The line that the record begins on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Counts the lines so far as headings, except empty ones.
    pub(super) fn end_headings(&mut self) {
        self.heading_lines = self.lines.number() - self.empty_lines;
        self.lines_in_cells = 0;
    }

    /// Returns the line counts so far.
    pub(super) fn line_counts(&self) -> LineCounts {
        LineCounts {
            lines: self.lines.number(),
            heading_lines: self.heading_lines,
            empty_lines: self.empty_lines,
            lines_in_cells: self.lines_in_cells,
        }
    }

    /// Returns the record verbatim, without its line end.
    pub(super) fn verbatim(&self) -> &[u8] {
        if self.has_quotes { &self.verbatim } else { self.lines.line() }
    }

    /// Returns the text of the spans, and the spans of the fields.
    pub(super) fn fields(&self) -> Result<(&[u8], &[Span]), RowShapeFault> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None if self.has_quotes => Ok((&self.unquoted, &self.spans)),
            None => Ok((self.lines.line(), &self.spans)),
        }
    }

    /// Splits a record with a quote, across lines. Separate from [`CsvRows::advance`]: inlined,
    /// records without quotes take 5 % longer.
    #[inline(never)]
    fn split_quoted(&mut self) -> Result<(), LineError> {
        self.verbatim.clear();
        self.unquoted.clear();
        let (mut at, mut start) = self.split_line(SplitState::FieldStart, 0);
        while at == SplitState::Quoted {
            if self.line_breaks == LineBreaks::Refused {
                // The following lines are separate records: a stray quote hides none.
                self.fault = Some(RowShapeFault::LineBreak);
                break;
            }
            if self.verbatim.len() >= self.max {
                return Err(LineError::TooLong { line: self.line, max: self.max });
            }
            let line_end = self.lines.line_end();
            match self.lines.advance() {
                Ok(true) => self.lines_in_cells += 1,
                Ok(false) => {
                    self.fault = Some(RowShapeFault::Syntax("a quote is not closed".into()));
                    break;
                }
                Err(error) => {
                    // Skipped with the record.
                    self.lines_in_cells += u64::from(matches!(error, LineError::TooLong { .. }));
                    return Err(error);
                }
            }
            self.verbatim.extend_from_slice(line_end);
            self.unquoted.extend_from_slice(line_end);
            (at, start) = self.split_line(at, start);
        }
        self.spans.push((start, self.unquoted.len()));
        Ok(())
    }

    /// Splits one line of a record from the given state and field start; returns both at the end of
    /// the line.
    fn split_line(&mut self, mut at: SplitState, mut start: usize) -> (SplitState, usize) {
        for &byte in self.lines.line() {
            at = match (at, byte) {
                (SplitState::FieldStart, b'"') => SplitState::Quoted,
                (SplitState::Quoted, b'"') => SplitState::Quote,
                (SplitState::FieldStart | SplitState::Plain | SplitState::Quote, byte)
                    if byte == self.delimiter =>
                {
                    self.spans.push((start, self.unquoted.len()));
                    start = self.unquoted.len();
                    SplitState::FieldStart
                }
                (SplitState::FieldStart | SplitState::Plain, _) => {
                    self.unquoted.push(byte);
                    SplitState::Plain
                }
                (SplitState::Quoted, b'\r') if self.line_breaks == LineBreaks::Refused => {
                    // A line end of old programs.
                    self.fault.get_or_insert(RowShapeFault::LineBreak);
                    self.unquoted.push(byte);
                    SplitState::Quoted
                }
                (SplitState::Quoted, _) | (SplitState::Quote, b'"') => {
                    self.unquoted.push(byte);
                    SplitState::Quoted
                }
                (SplitState::Quote, _) => {
                    self.fault.get_or_insert_with(|| {
                        RowShapeFault::Syntax("text behind a closing quote".into())
                    });
                    SplitState::Plain
                }
            };
        }
        self.verbatim.extend_from_slice(self.lines.line());
        (at, start)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Record = Result<Vec<String>, RowShapeFault>;

    fn record(rows: &CsvRows<'_>) -> Record {
        let (text, spans) = rows.fields()?;
        let field = |&(from, to): &Span| String::from_utf8(text[from..to].to_vec()).unwrap();
        Ok(spans.iter().map(field).collect())
    }

    fn rows(text: &str, max: usize, line_breaks: LineBreaks) -> CsvRows<'_> {
        CsvRows::new(Lines::new(Box::new(text.as_bytes()), max), b',', max, line_breaks)
    }

    /// The records, where cells may hold line breaks.
    fn records(text: &str, max: usize) -> Result<Vec<Record>, LineError> {
        let mut rows = rows(text, max, LineBreaks::Allowed);
        let mut records = Vec::new();
        while rows.advance()? {
            records.push(record(&rows));
            let read = records.len() as u64;
            assert_eq!(rows.line_counts().check(read), Ok(()), "{text:?}");
        }
        let read = records.len() as u64;
        assert_eq!(rows.line_counts().check(read), Ok(()), "{text:?}");
        Ok(records)
    }

    /// Each line by itself, as the csv crate reads a text of one line; with the number of the line.
    /// A line whose quote is not closed, or that holds what old programs end a line with within
    /// quotes, is a fault.
    fn naive(text: &str) -> Vec<(u64, Option<Vec<String>>)> {
        let numbered = text.lines().zip(1..).filter(|(line, _)| !line.is_empty());
        let parsed = numbered.map(|(line, number)| {
            // A mark behind the line shows whether it was swallowed.
            let marked = format!("{line}\nmark,\n");
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .terminator(csv::Terminator::Any(b'\n'))
                .from_reader(marked.as_bytes());
            let mut records: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            let closed = records.pop().is_some_and(|last| last == ["mark", ""]);
            (number, records.pop().filter(|_| closed))
        });
        parsed.collect()
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

    proptest! {
        /// Where line breaks are refused every line is a record of its own, whatever quotes stand
        /// around it.
        #[test]
        fn without_line_breaks_each_line_is_read_by_itself(
            text in "([a-c,\"]{0,4}(\r?\n)?){0,12}",
        ) {
            let mut rows = rows(&text, 1000, LineBreaks::Refused);
            let expected = naive(&text);
            for (line, fields) in &expected {
                prop_assert!(rows.advance().unwrap());
                prop_assert_eq!(rows.line(), *line);
                match (record(&rows), fields) {
                    (Ok(read), Some(fields)) => prop_assert_eq!(&read, fields),
                    (Err(RowShapeFault::LineBreak), None) => {}
                    // What the csv crate guesses.
                    (Err(RowShapeFault::Syntax(_)), _) => {
                        prop_assert!(text.lines().nth(*line as usize - 1).unwrap().contains('"'));
                    }
                    (read, fields) => prop_assert!(false, "{read:?} for {fields:?}"),
                }
                prop_assert_eq!(rows.verbatim(), text.lines().nth(*line as usize - 1).unwrap().as_bytes());
            }
            prop_assert!(!rows.advance().unwrap());
            let counts = rows.line_counts();
            prop_assert_eq!(counts.check(expected.len() as u64), Ok(()));
            prop_assert_eq!((counts.lines, counts.lines_in_cells), (text.lines().count() as u64, 0));
        }
    }

    #[test]
    fn a_line_break_in_a_cell_is_a_fault_of_its_row_alone() {
        let check = |text: &str, want: &[(u64, Option<&[&str]>)]| {
            let mut rows = rows(text, 100, LineBreaks::Refused);
            for (line, fields) in want {
                assert!(rows.advance().unwrap(), "{text:?}");
                let fields: Option<Vec<String>> =
                    fields.map(|fields| fields.iter().map(|field| (*field).to_owned()).collect());
                let read = record(&rows);
                assert_eq!((rows.line(), read.clone().ok()), (*line, fields), "{text:?}");
                if let Err(fault) = read {
                    assert_eq!(fault, RowShapeFault::LineBreak, "{text:?}");
                }
            }
            assert!(!rows.advance().unwrap(), "{text:?}");
            assert_eq!(rows.line_counts().check(want.len() as u64), Ok(()), "{text:?}");
        };
        check(
            "a,\"b\nc,d\ne,f\"\n",
            &[(1, None), (2, Some(&["c", "d"])), (3, Some(&["e", "f\""]))],
        );
        check("a,\"b\r\n\r\nc,d\"\r\n", &[(1, None), (3, Some(&["c", "d\""]))]);
        // The last line; doubled quotes; a quote within a field; a closed one.
        check("a,\"b", &[(1, None)]);
        check("a,\"b\"\"\nc", &[(1, None), (2, Some(&["c"]))]);
        check("a\"b,c\nd", &[(1, Some(&["a\"b", "c"])), (2, Some(&["d"]))]);
        check("\"a,\"\"b\"\"\",c\n\"\"", &[(1, Some(&["a,\"b\"", "c"])), (2, Some(&[""]))]);
        // As old programs end a line.
        check("a,\"b\rc,d\"\ne", &[(1, None), (2, Some(&["e"]))]);
    }

    /// Every line of a record that is left behind is counted, and so is where it begins.
    #[test]
    fn long_records_are_left_behind_with_their_lines() {
        let long = "x".repeat(60);
        let check = |text: &str, line_breaks: LineBreaks, want: &[(u64, bool)]| {
            let mut rows = rows(text, 50, line_breaks);
            let mut found = Vec::new();
            loop {
                match rows.advance() {
                    Ok(true) => found.push((rows.line(), true)),
                    Ok(false) => break,
                    Err(LineError::TooLong { line, .. }) => {
                        rows.skip_long().unwrap();
                        assert!(line >= rows.line(), "{text:?}");
                        found.push((rows.line(), false));
                    }
                    Err(LineError::Io(error)) => panic!("{error}"),
                }
                let read = found.len() as u64;
                assert_eq!(rows.line_counts().check(read), Ok(()), "{text:?}");
            }
            assert_eq!(found, want, "{text:?} {line_breaks:?}");
        };
        let both = [LineBreaks::Refused, LineBreaks::Allowed];
        for line_breaks in both {
            let text = format!("a\n{long}\nb\n\"{long}\"\nc");
            check(&text, line_breaks, &[(1, true), (2, false), (3, true), (4, false), (5, true)]);
        }
        let within = format!("a\n\"b\n{long}\nc\n");
        check(&within, LineBreaks::Allowed, &[(1, true), (2, false), (4, true)]);
        let want = [(1, true), (2, true), (3, false), (4, true)];
        check(&within, LineBreaks::Refused, &want);
        // 25 lines of a record reach the bound; the rest is read as it stands.
        let many = format!("a\n\"{}b\n", "c\n".repeat(26));
        check(&many, LineBreaks::Allowed, &[(1, true), (2, false), (27, true), (28, true)]);
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
