//! What the reader removes from a text or rewrites in it.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

/// The maximum number of characters that one normalization shows.
const MAX_SHOWN: usize = 16;

/// Something that was removed from a text, or a spelling that was rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Invisible characters, each once, in the order of the text.
    Invisible(Vec<char>),
    /// Quotes, brackets, punctuation and symbols at the ends.
    Punctuation(String),
    /// Other text next to the address.
    Text,
    BlanksInside,
    /// A URI with this scheme.
    Uri(String),
    /// A URI for a transfer of the token with this contract (EIP-681); the receiver was read.
    TokenTransfer(String),
    Did,
    /// The URL of a block explorer.
    Url,
    /// `0X` for `0x`.
    UpperPrefix,
    /// `xdc` for `0x`.
    Xdc,
    /// `\x` for `0x`, as PostgreSQL writes bytes.
    Bytea,
    /// 32 bytes with twelve leading zero bytes, as in log topics.
    Padded,
    /// 40 hex digits without `0x`.
    BareHex,
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invisible(characters) => {
                f.write_str("invisible characters (")?;
                for (place, character) in characters.iter().enumerate() {
                    let comma = if place > 0 { ", " } else { "" };
                    write!(f, "{comma}{}", code_point(*character))?;
                }
                f.write_str(")")
            }
            Self::Punctuation(characters) => write!(f, "punctuation around it ({characters})"),
            Self::Text => f.write_str("other text next to it"),
            Self::BlanksInside => f.write_str("blanks inside it"),
            Self::Uri(scheme) => write!(f, "URI of the scheme {scheme}"),
            Self::TokenTransfer(token) => {
                write!(f, "URI for a transfer of the token {token}, whose receiver was read")
            }
            Self::Did => f.write_str("did:pkh identifier"),
            Self::Url => f.write_str("URL of an explorer"),
            Self::UpperPrefix => f.write_str("0X read as 0x"),
            Self::Xdc => f.write_str("xdc read as 0x"),
            Self::Bytea => f.write_str(r"\x read as 0x"),
            Self::Padded => f.write_str("32 bytes, of which twelve zero bytes are padding"),
            Self::BareHex => f.write_str("40 hex digits without 0x, read as an EVM address"),
        }
    }
}

/// A character by its code point: `U+00A0`.
pub(super) fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

/// Returns true for Unicode's Default_Ignorable_Code_Point, which the skeleton of TS 39 leaves out,
/// and for combining marks.
pub(super) fn is_ignorable(character: char) -> bool {
    !character.is_ascii()
        && (is_combining_mark(character)
            || skeleton(character.encode_utf8(&mut [0; 4])).next().is_none())
}

/// Returns true if a character shows as a blank: white space, a control character, the Braille
/// blank.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\u{2800}'
}

/// A text without invisible characters and without punctuation, symbols and blanks at its ends.
pub(super) struct Stripped {
    pub(super) text: String,
    /// True if an ignorable character was removed from inside.
    pub(super) is_joined: bool,
    pub(super) normalizations: Vec<Normalization>,
}

/// Returns `text` with blanks in place of ignorable characters.
pub(super) fn parted(text: &str) -> String {
    text.chars().map(|c| if is_ignorable(c) { ' ' } else { c }).collect()
}

/// Strips `input`. A backslash before `x` stays: it is a spelling of `0x`.
pub(super) fn strip(input: &str) -> Stripped {
    let mut invisible = Vec::new();
    let mut punctuation = String::new();
    let mut see = |character: char| {
        if is_ignorable(character) || (is_blank(character) && !character.is_ascii_whitespace()) {
            if !invisible.contains(&character) && invisible.len() < MAX_SHOWN {
                invisible.push(character);
            }
        } else if !is_blank(character) && punctuation.chars().count() < MAX_SHOWN {
            punctuation.push(character);
        }
    };
    let mut middle = input;
    while let Some(first) = middle.chars().next().filter(|c| !is_inner(*c)) {
        if middle.starts_with(r"\x") {
            break;
        }
        see(first);
        middle = &middle[first.len_utf8()..];
    }
    let mut end = Vec::new();
    while let Some(last) = middle.chars().next_back().filter(|c| !is_inner(*c)) {
        end.push(last);
        middle = &middle[..middle.len() - last.len_utf8()];
    }
    end.into_iter().rev().for_each(&mut see);
    let is_joined = middle.chars().any(is_ignorable);
    middle.chars().filter(|c| is_ignorable(*c)).for_each(&mut see);
    let text = middle.chars().filter(|c| !is_ignorable(*c)).collect();
    let mut normalizations = Vec::new();
    if !invisible.is_empty() {
        normalizations.push(Normalization::Invisible(invisible));
    }
    if !punctuation.is_empty() {
        normalizations.push(Normalization::Punctuation(punctuation));
    }
    Stripped { text, is_joined, normalizations }
}

/// Returns true if a character may be the first or last of an address, or of a look-alike.
fn is_inner(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric()
    } else {
        character.is_alphanumeric() && !is_ignorable(character)
    }
}

/// Removes blanks and invisible characters, and quotes and brackets around the text. Borrows ASCII.
pub(super) fn comparison_text(text: &str) -> Cow<'_, str> {
    let is_wrapping = |c: char| is_blank(c) || is_ignorable(c) || "\"'`()[]{}<>".contains(c);
    if text.is_ascii() {
        return Cow::Borrowed(text.trim_matches(is_wrapping));
    }
    let inner = text.trim_matches(|c| is_wrapping(c) || "“”„‟‘’‚‛«»‹›＂＇「」『』".contains(c));
    Cow::Owned(inner.chars().filter(|c| !is_ignorable(*c)).collect())
}
