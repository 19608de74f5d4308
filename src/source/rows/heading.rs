//! Detects the delimiter of a CSV from its first lines.

use std::io;

use crate::source::lines::Lines;

/// Possible delimiters, the most usual first.
const CANDIDATES: [u8; 3] = [b',', b';', b'\t'];

/// The first lines of a CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstLines {
    pub(super) delimiter: u8,
    /// True if its first line is Excel's `sep=;` instead of a heading.
    pub(super) has_directive: bool,
}

/// Reads the first lines, at most `max` bytes; `named` overrides the detected delimiter.
pub(super) fn read_first_lines(
    lines: &mut Lines<'_>,
    max: usize,
    named: Option<u8>,
) -> io::Result<FirstLines> {
    let first = first_line(lines, max)?;
    if let Some(delimiter) = directive(&first) {
        return Ok(FirstLines { delimiter: named.unwrap_or(delimiter), has_directive: true });
    }
    Ok(FirstLines {
        delimiter: named.unwrap_or_else(|| detect_delimiter(&first)),
        has_directive: false,
    })
}

/// Returns the first non-empty line, without its end.
fn first_line(lines: &mut Lines<'_>, max: usize) -> io::Result<Vec<u8>> {
    let mut least = 4 << 10;
    loop {
        let head = lines.head(least)?;
        let is_all = head.len() < least || head.len() > max;
        let start = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
        let text = &head[start.unwrap_or(head.len())..];
        match end(text) {
            Some(end) => return Ok(text[..end].trim_ascii_end().to_vec()),
            None if is_all => return Ok(text.to_vec()),
            None => least *= 2,
        }
    }
}

/// Returns the end of the line; a line feed in quotes ends none.
fn end(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    text.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b'\n' && !quoted
    })
}

/// Returns the delimiter of Excel's `sep=;` line.
fn directive(line: &[u8]) -> Option<u8> {
    let bare = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (key, value) = bare.split_at_checked(4)?;
    if !key.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    match value {
        // A tab at the end of the line was trimmed with it.
        b"" | b"\\t" => Some(b'\t'),
        [byte] if is_delimiter(*byte) => Some(*byte),
        _ => None,
    }
}

/// Returns true if a byte may separate fields.
pub fn is_delimiter(byte: u8) -> bool {
    byte == b'\t' || byte == b' ' || (byte.is_ascii_punctuation() && byte != b'"')
}

/// Returns the most frequent delimiter in the heading outside quotes, the comma on a tie; a bar
/// only if there is no other.
fn detect_delimiter(heading: &[u8]) -> u8 {
    let count = |wanted: u8| {
        let mut quoted = false;
        let counts = |byte: &&u8| {
            quoted ^= **byte == b'"';
            **byte == wanted && !quoted
        };
        heading.iter().filter(counts).count()
    };
    // Of equals the last.
    let most = CANDIDATES.into_iter().rev().max_by_key(|delimiter| count(*delimiter));
    match most {
        Some(delimiter) if count(delimiter) > 0 => delimiter,
        _ if count(b'|') > 0 => b'|',
        _ => b',',
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_tell() {
        let check = |text: &str, delimiter: u8, has_directive: bool| {
            let mut lines = Lines::new(Box::new(text.as_bytes()), 1 << 20);
            let found = read_first_lines(&mut lines, 1 << 20, None).unwrap();
            assert_eq!(found, FirstLines { delimiter, has_directive }, "{text:?}");
        };
        check("address,chain\n", b',', false);
        check("address;chain\r\n", b';', false);
        check("\n\naddress\tchain\n", b'\t', false);
        check("address|chain", b'|', false);
        check("address", b',', false);
        check("", b',', false);
        check("address,\"a;b;c\"\n", b',', false);
        check("address;\"a,\nb,c\";x\n", b';', false);
        check("address,a|b|c\n", b',', false);
        check("address;amount, EUR\n", b',', false);
        check("address;x;amount, EUR\n", b';', false);
        check("sep=;\naddress,chain\n", b';', true);
        check("SEP=|\r\naddress,chain\n", b'|', true);
        check("\"sep=;\"\naddress\n", b';', true);
        check("sep=\t\naddress\n", b'\t', true);
        check("sep=\\t\naddress\n", b'\t', true);
        check("sep=ab\naddress\n", b',', false);
        check("sep=a\naddress\n", b',', false);
        check("separator;x\n", b';', false);
        check(&format!("{};b\n", "a".repeat(100_000)), b';', false);
        let mut lines = Lines::new(Box::new(&b"sep=;\na;b\n"[..]), 100);
        let found = read_first_lines(&mut lines, 100, Some(b'\t')).unwrap();
        assert_eq!(found, FirstLines { delimiter: b'\t', has_directive: true });
    }
}
