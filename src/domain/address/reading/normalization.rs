//! What a text is dressed in, and how the ends of one are bared.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

/// The most characters that one piece of dress shows.
const MAX_SHOWN: usize = 16;

/// Something that was taken off a text, or a way of writing that was read as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Characters that cannot be seen, each once, in the order of the text.
    Invisible(Vec<char>),
    /// Quotes, brackets, punctuation and symbols at the ends.
    Punctuation(String),
    /// Other text beside the address.
    Text,
    /// Blanks inside the address.
    BlanksInside,
    /// A URI with that scheme.
    Uri(String),
    /// A URI for a transfer of the token with that contract (EIP-681): its receiver was read.
    TokenTransfer(String),
    /// A decentralized identifier (did:pkh).
    Did,
    /// The URL of a block explorer.
    Url,
    /// `0X` for `0x`.
    UpperPrefix,
    /// `xdc` for `0x`.
    Xdc,
    /// `\x` for `0x`, as PostgreSQL writes bytes.
    Bytea,
    /// 32 bytes of which the first twelve are zero, as log topics are written.
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
            Self::Text => f.write_str("other text beside it"),
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

/// Whether a character is no letter of its own: Unicode's Default_Ignorable_Code_Point, which the
/// skeleton of TS 39 leaves out, or a mark that is set upon the letter before it.
pub(super) fn is_ignorable(character: char) -> bool {
    !character.is_ascii()
        && (is_combining_mark(character)
            || skeleton(character.encode_utf8(&mut [0; 4])).next().is_none())
}

/// Whether a character shows as a blank: white space, a control character, the Braille blank.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\u{2800}'
}

/// The text without invisible characters and without punctuation, symbols and blanks at its ends.
pub(super) struct Bared {
    /// What is left.
    pub(super) text: String,
    /// Whether an ignorable character stood inside.
    pub(super) is_joined: bool,
    /// What was taken off.
    pub(super) normalizations: Vec<Normalization>,
}

/// `text` with blanks where ignorable characters stood.
pub(super) fn parted(text: &str) -> String {
    text.chars().map(|c| if is_ignorable(c) { ' ' } else { c }).collect()
}

/// Bares `input`. A backslash before `x` stays: it is a spelling.
pub(super) fn strip(input: &str) -> Bared {
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
    Bared { text, is_joined, normalizations }
}

/// Whether a character may be the first or last of an address, or of a look-alike.
fn is_inner(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric()
    } else {
        character.is_alphanumeric() && !is_ignorable(character)
    }
}

/// Without blanks and invisible characters, and without quotes and brackets around; what it borrows
/// has none.
pub(super) fn comparison_text(text: &str) -> Cow<'_, str> {
    let is_wrapping = |c: char| is_blank(c) || is_ignorable(c) || "\"'`()[]{}<>".contains(c);
    if text.is_ascii() {
        return Cow::Borrowed(text.trim_matches(is_wrapping));
    }
    let inner = text.trim_matches(|c| is_wrapping(c) || "“”„‟‘’‚‛«»‹›＂＇「」『』".contains(c));
    Cow::Owned(inner.chars().filter(|c| !is_ignorable(*c)).collect())
}
