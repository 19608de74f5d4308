//! Reads lines, bounded and numbered.

use std::io::{BufRead, Read};

use super::error::{Fault, SourceError};
use super::unpack::Input;
use super::{Bounds, Format};

/// The lines of a text.
pub(super) struct Lines<'a, 'b> {
    input: &'a mut Input<'b>,
    format: Format,
    number: u64,
    max: usize,
    line: Vec<u8>,
}

impl<'a, 'b> Lines<'a, 'b> {
    pub(super) fn new(input: &'a mut Input<'b>, format: Format, bounds: &Bounds) -> Self {
        Self { input, format, number: 0, max: bounds.max_record, line: Vec::new() }
    }

    /// Returns the next line without its end (`\n` or `\r\n`), and its number from 1.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &str)>, SourceError> {
        self.line.clear();
        self.number += 1;
        let at = |fault: Fault| fault.at_line(self.format, self.number);
        let most = (self.max as u64).saturating_add(2);
        self.input
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut self.line)
            .map_err(SourceError::Read)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if let Some(line) = self.line.strip_suffix(b"\n") {
            let length = line.strip_suffix(b"\r").unwrap_or(line).len();
            self.line.truncate(length);
        }
        if self.line.len() > self.max {
            return Err(at(Fault::RecordTooLong(self.max)));
        }
        let line = std::str::from_utf8(&self.line).map_err(|_| at(Fault::NotUtf8))?;
        Ok(Some((self.number, line)))
    }

    /// Creates the error for the last line.
    pub(super) fn fault(&self, fault: Fault) -> SourceError {
        fault.at_line(self.format, self.number)
    }
}
