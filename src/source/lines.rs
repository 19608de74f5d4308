//! Reads lines in one buffer, without copying each.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

use super::Format;
use super::error::{Fault, SourceError};

/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Lines of bytes from a reader.
pub(super) struct Lines<'a> {
    reader: Box<dyn Read + 'a>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The current line.
    line: Range<usize>,
    at_end: bool,
    /// Lines read so far.
    count: u64,
    max: usize,
    /// True if the next line exceeds the bound.
    is_long: bool,
}

/// Why the next line cannot be read.
#[derive(Debug)]
pub(super) enum LineError {
    /// The bytes cannot be read.
    Io(io::Error),
    /// It exceeds the bound.
    TooLong {
        /// The line, from 1.
        line: u64,
        /// The bound, in bytes.
        max: usize,
    },
}

impl<'a> Lines<'a> {
    /// Reads the lines of `reader`, each at most `max` bytes.
    pub(super) fn new(reader: Box<dyn Read + 'a>, max: usize) -> Self {
        let buffer = vec![0; CHUNK];
        Self {
            reader,
            buffer,
            start: 0,
            end: 0,
            line: 0..0,
            at_end: false,
            count: 0,
            max,
            is_long: false,
        }
    }

    /// Replaces the remaining bytes by the output of `recode`.
    pub(super) fn recode(&mut self, recode: impl FnOnce(Box<dyn Read + 'a>) -> Box<dyn Read + 'a>) {
        let left = io::Cursor::new(self.buffer[self.start..self.end].to_vec());
        let reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        // A terminal may return more after its end.
        let reader = if self.at_end { Box::new(io::empty()) } else { reader };
        self.reader = recode(Box::new(left.chain(reader)));
        (self.start, self.end, self.at_end) = (0, 0, false);
    }

    /// Sets the bound.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// The number of the line, from 1.
    pub(super) fn number(&self) -> u64 {
        self.count
    }

    /// Returns the beginning of the remaining bytes: `least` bytes or all.
    pub(super) fn head(&mut self, least: usize) -> io::Result<&[u8]> {
        while self.end - self.start < least && self.fill()? {}
        Ok(&self.buffer[self.start..self.end])
    }

    /// Drops `count` bytes returned by [`Lines::head`].
    pub(super) fn skip(&mut self, count: usize) {
        self.start += count;
    }

    /// Advances to the next line; returns false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, LineError> {
        let mut seen = 0;
        let length = loop {
            match memchr(b'\n', &self.buffer[self.start + seen..self.end]) {
                Some(found) => break seen + found,
                None => {
                    seen = self.end - self.start;
                    self.check(seen)?;
                    if !self.fill().map_err(LineError::Io)? {
                        break seen;
                    }
                }
            }
        };
        let terminated = self.start + length < self.end;
        if length == 0 && !terminated {
            return Ok(false);
        }
        self.check(length)?;
        self.line = self.start..self.start + length;
        self.start += length + usize::from(terminated);
        self.count += 1;
        if terminated && self.line().ends_with(b"\r") {
            self.line.end -= 1;
        }
        Ok(true)
    }

    /// Advances to the next line and returns it as text, with its number; `None` at the end.
    pub(super) fn next(&mut self, format: Format) -> Result<Option<(u64, &str)>, SourceError> {
        match self.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(LineError::Io(error)) => return Err(SourceError::Read(error)),
            Err(LineError::TooLong { line, max }) => {
                return Err(Fault::RecordTooLong(max).at_line(format, line));
            }
        }
        let number = self.count;
        let line = std::str::from_utf8(self.line());
        line.map(|line| Some((number, line))).map_err(|_| Fault::NotUtf8.at_line(format, number))
    }

    /// The line, without its end (`\n` or `\r\n`).
    pub(super) fn line(&self) -> &[u8] {
        &self.buffer[self.line.clone()]
    }

    /// Returns the line end, verbatim; `\n` if there is none.
    pub(super) fn line_end(&self) -> &'static [u8] {
        match self.buffer.get(self.line.end) {
            Some(b'\r') if self.line.end + 2 == self.start => b"\r\n",
            _ => b"\n",
        }
    }

    /// Drops the rest of a line that exceeds the bound, and counts it.
    pub(super) fn skip_long(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.is_long) {
            return Ok(());
        }
        self.count += 1;
        self.line = 0..0;
        loop {
            if let Some(found) = memchr(b'\n', &self.buffer[self.start..self.end]) {
                self.start += found + 1;
                return Ok(());
            }
            self.start = self.end;
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    fn check(&mut self, length: usize) -> Result<(), LineError> {
        if length <= self.max {
            return Ok(());
        }
        self.is_long = true;
        Err(LineError::TooLong { line: self.count + 1, max: self.max })
    }

    /// Reads more; returns false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(!self.at_end);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::slow::Slow;

    fn lines(text: &[u8], step: usize, max: usize) -> Result<Vec<Vec<u8>>, LineError> {
        let mut lines = Lines::new(Box::new(Slow(text, step)), max);
        let mut all = Vec::new();
        while lines.advance()? {
            all.push(lines.line().to_vec());
        }
        assert_eq!(lines.number(), all.len() as u64);
        Ok(all)
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_standard_library(
            text in "([a-c]{0,5}\r?\n?){0,20}",
            step in 1usize..20,
        ) {
            let expected: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(lines(text.as_bytes(), step, 1000).unwrap(), expected);
        }
    }

    #[test]
    fn a_long_line_can_be_left_behind() {
        let long = "x".repeat(3 * CHUNK);
        for (text, step) in [(format!("a\n{long}\nb\r\n{long}"), 1 << 20), (long.clone(), 1 << 10)]
        {
            let mut lines = Lines::new(Box::new(Slow(text.as_bytes(), step)), 10);
            let mut all = Vec::new();
            loop {
                match lines.advance() {
                    Ok(true) => all.push(String::from_utf8(lines.line().to_vec()).unwrap()),
                    Ok(false) => break,
                    Err(LineError::TooLong { line, .. }) => {
                        lines.skip_long().unwrap();
                        assert_eq!(lines.number(), line);
                        all.push(format!("long {line}"));
                    }
                    Err(LineError::Io(error)) => panic!("{error}"),
                }
            }
            match text.starts_with('a') {
                true => assert_eq!(all, ["a", "long 2", "b", "long 4"]),
                false => assert_eq!(all, ["long 1"]),
            }
            assert!(lines.buffer.len() <= 2 * CHUNK, "{}", lines.buffer.len());
        }
    }

    #[test]
    fn long_lines_are_given_up_to_the_bound() {
        let long = "x".repeat(3 * CHUNK);
        let text = format!("a\n{long}\nb");
        let all = lines(text.as_bytes(), 1 << 20, long.len()).unwrap();
        assert_eq!(all, [b"a".to_vec(), long.clone().into_bytes(), b"b".to_vec()]);
        let error = lines(text.as_bytes(), 1 << 20, long.len() - 1).unwrap_err();
        assert!(matches!(error, LineError::TooLong { line: 2, .. }), "{error:?}");
        let endless = "y".repeat(2 * CHUNK);
        assert!(matches!(lines(endless.as_bytes(), 1 << 20, 10), Err(LineError::TooLong { .. })));
    }
}
