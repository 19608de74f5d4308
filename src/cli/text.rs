//! Text for a terminal: escaping of hostile characters, wrapping, and colour.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal};

use data_encoding::HEXLOWER;

use crate::domain::digits::grouped;
use crate::source::is_hostile;
use crate::source::rows::LineCounts;

/// Bytes in lower-case hex.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// What became of the lines of a text.
pub fn line_counts(counts: &LineCounts) -> String {
    let LineCounts { lines, heading_lines, empty_lines, lines_in_cells } = *counts;
    let [lines, headings, empty, in_cells] =
        [lines, heading_lines, empty_lines, lines_in_cells].map(grouped);
    format!(
        "{lines} lines: {headings} of headings, {empty} empty, {in_cells} further lines of cells"
    )
}

/// `text` on one line, with every hostile character as its escape (`\n`, `\u{1b}`).
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_where(text, is_hostile)
}

/// As [`escape`], but lines stay lines.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |character| character != '\n' && is_hostile(character))
}

/// As [`escape_lines`], in JSON: there such characters stand in strings only.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let hostile = |character: char| character != '\n' && is_hostile(character);
    if !json.contains(hostile) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for character in json.chars() {
        if hostile(character) {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units);
            escaped.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn escape_where(text: &str, hostile: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hostile(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Where the values of a summary begin, in characters.
pub const SUMMARY_COLUMN: usize = 12;

/// How wide drawings are where standard output is no terminal, in characters.
const DEFAULT_WIDTH: usize = 100;

/// The width of the terminal on standard output, in characters.
fn width() -> usize {
    let known = terminal_size::terminal_size_of(io::stdout());
    known.map_or(DEFAULT_WIDTH, |(terminal_size::Width(width), _)| usize::from(width))
}

/// The narrowest text, in characters: a terminal may say that it has no width at all.
const NARROWEST: usize = 40;

/// Breaks a text at its blanks into lines of at most `width` characters, the later ones indented. A
/// longer word stands on a line of its own.
///
/// `first` is how many characters stand on the first line already.
pub fn wrapped(text: &str, width: usize, first: usize, indent: usize) -> String {
    let mut lines = String::with_capacity(text.len() + 16);
    let (mut used, mut is_first) = (first, true);
    for word in text.split(' ') {
        let length = shown_width(word);
        if !is_first && used + 1 + length > width && used > indent {
            lines.push_str(&format!("\n{:indent$}", ""));
            used = indent;
        } else if !is_first {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        (used, is_first) = (used + length, false);
    }
    lines
}

/// Adds a line `name   value`, indented, with the value behind `column` characters.
pub fn field(text: &mut String, indent: usize, column: usize, name: &str, value: impl Display) {
    let width = column - indent;
    let gap = if shown_width(name) < width { "" } else { " " };
    text.push_str(&format!("{:indent$}{name:<width$}{gap}{value}\n", ""));
}

/// How many characters a text takes on a terminal: those of a change of colour take none.
pub fn shown_width(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let plain = parts.next().map_or(0, |part| part.chars().count());
    let after_colour =
        |part: &str| part.split_once('m').map_or(part, |(_, rest)| rest).chars().count();
    plain + parts.map(after_colour).sum::<usize>()
}

/// Whether to colour, and how wide text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    colour: bool,
    width: usize,
}

/// The colours that are used, as SGR parameters (ECMA-48, 8.3.117).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Bad = 31,
    Good = 32,
    Doubtful = 33,
}

impl Style {
    pub const PLAIN: Self = Self { colour: false, width: DEFAULT_WIDTH };

    #[cfg(test)]
    pub const COLOURED: Self = Self { colour: true, width: DEFAULT_WIDTH };

    /// The same for a terminal of that width.
    #[cfg(test)]
    pub fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Colour where standard output is a terminal and `NO_COLOR` (no-color.org) is not set.
    pub fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: !refused && io::stdout().is_terminal(), width: width().max(NARROWEST) }
    }

    /// How many characters a line of text has at most.
    pub fn width(self) -> usize {
        self.width
    }

    /// `text`, which is harmless already, in a colour.
    pub fn paint(self, colour: Colour, text: &str) -> String {
        if self.colour { format!("\u{1b}[1;{}m{text}\u{1b}[0m", colour as u8) } else { text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_show_as_escapes() {
        let check = |text: &str, want: &str| assert_eq!(escape(text), want, "{text:?}");
        check("Kim Čhŏl (김철)", "Kim Čhŏl (김철)");
        check("a\u{1b}[2Jb", "a\\u{1b}[2Jb");
        check("a\r\nb\tc", "a\\r\\nb\\tc");
        check("\u{9b}31m", "\\u{9b}31m");
        assert_eq!(escape_json("\"a\u{9b}\u{e0001}\"\n"), "\"a\\u009b\\udb40\\udc01\"\n");
        check("\u{202e}txt\u{200b}", "\\u{202e}txt\\u{200b}");
        check("\0\u{7f}", "\\u{0}\\u{7f}");
        assert_eq!(escape_lines("a\nb\u{7}"), "a\nb\\u{7}");
    }

    #[test]
    fn lines_break_at_blanks() {
        let check = |text: &str, first, indent, want: &str| {
            assert_eq!(wrapped(text, 12, first, indent), want, "{text:?}");
        };
        check("", 0, 2, "");
        check("one two", 0, 2, "one two");
        check("one two three", 0, 2, "one two\n  three");
        check("one two three", 8, 2, "one\n  two three");
        check("a 0x0123456789abcdef b", 2, 2, "a\n  0x0123456789abcdef\n  b");
        check("0x0123456789abcdef", 2, 2, "0x0123456789abcdef");
        check("김정은 김정은 김정은 김정은", 0, 0, "김정은 김정은 김정은\n김정은");
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(shown_width(&Style::COLOURED.paint(Colour::Bad, "BLOCK")), 5);
        assert_eq!(shown_width("a\u{1b}[1;31mb\u{1b}[0mc김"), 4);
    }

    #[test]
    fn colour_only_where_wanted() {
        assert_eq!(Style::PLAIN.paint(Colour::Bad, "BLOCK"), "BLOCK");
        assert_eq!(Style::COLOURED.paint(Colour::Bad, "BLOCK"), "\u{1b}[1;31mBLOCK\u{1b}[0m");
    }
}
