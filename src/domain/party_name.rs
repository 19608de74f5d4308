//! Names of parties, compared word by word. Case, accents and apostrophes do not count; everything
//! else does: there is no fuzzy matching.
//!
//! A name is folded before it is compared:
//!
//! - It is decomposed (Unicode NFKD, UAX #15) and its combining marks are removed, so that `Čhŏl`
//!   is `Chol` and a full-width letter is the plain one.
//! - Case is folded through lower and upper case, so that `ß` is `ss`, and `ı` is `i`.
//! - Latin letters that Unicode does not decompose, such as `ø` and `ł`, become the plain ones.
//! - Apostrophes of any form and characters that are not seen (soft hyphens, marks of writing
//!   direction) are dropped: `P'yongyang` is `Pyongyang`.
//!
//! What is left is cut into words, the runs of letters and digits. In scripts that put no space
//! between words a word is as long as the run.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::list::Party;

/// The longest text that names are compared with, in bytes. The longest name on OFAC's lists has
/// some 300.
pub const MAX_TEXT: usize = 512;

/// The folded words of a name query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameQuery {
    /// Sorted, each once, never empty.
    words: Vec<String>,
}

/// A text that is not a name query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameQueryError {
    /// It is longer than [`MAX_TEXT`].
    #[error("the name has {0} bytes, more than {MAX_TEXT}: use fewer words")]
    TooLong(usize),
    /// It has neither a letter nor a digit.
    #[error("the name has no word: use at least one letter or digit")]
    NoWord,
}

impl NameQuery {
    /// Parses the words of a text. Fails if it is longer than [`MAX_TEXT`] or has no word.
    pub fn parse(text: &str) -> Result<Self, NameQueryError> {
        if text.len() > MAX_TEXT {
            return Err(NameQueryError::TooLong(text.len()));
        }
        let folded = fold(text);
        let mut words: Vec<_> = folded.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        if words.is_empty() { Err(NameQueryError::NoWord) } else { Ok(Self { words }) }
    }

    /// Returns the first of the party's names (the primary one, then the aliases in their order) in
    /// which every word occurs as a word.
    pub fn find_in<'p>(&self, party: &'p Party) -> Option<&'p str> {
        let names = std::iter::once(&party.name).chain(&party.aliases);
        names.map(String::as_str).find(|name| self.matches(name))
    }

    fn matches(&self, name: &str) -> bool {
        let folded = fold(name);
        let occurs = |word: &String| folded.split_whitespace().any(|other| other == word);
        self.words.iter().all(occurs)
    }
}

/// The folded words of a text, with a space after each.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 1);
    // Also before the decomposition, which turns a lone acute accent into a space.
    let kept = text.chars().filter(|letter| !is_dropped(*letter)).nfkd();
    for letter in kept.filter(|letter| !is_dropped(*letter) && !is_mark(*letter)) {
        push_folded(letter, &mut folded);
    }
    folded.push(' ');
    folded
}

/// Adds a letter of a decomposed text, or a space for what is neither letter nor digit.
fn push_folded(letter: char, folded: &mut String) {
    if letter.is_ascii_alphanumeric() {
        folded.push(letter.to_ascii_lowercase());
        return;
    }
    // Lower case first: a capital sharp s has no other upper case, a small one becomes SS.
    let lower = letter.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    for letter in lower.filter(|letter| !is_mark(*letter)) {
        match plain(letter) {
            Some(plain) => folded.push_str(plain),
            None if letter.is_alphanumeric() => folded.push(letter),
            None => folded.push(' '),
        }
    }
}

/// The plain form of a small Latin letter that Unicode does not decompose.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ł' => "l",
        'ŧ' => "t",
        'þ' => "th",
        _ => return None,
    })
}

/// Returns true for an accent or the like, except the iota subscript, which is a letter in upper
/// case.
fn is_mark(letter: char) -> bool {
    is_combining_mark(letter) && letter != '\u{345}'
}

/// Returns true for a character inside words that is not part of them.
fn is_dropped(letter: char) -> bool {
    matches!(
        letter,
        // Apostrophes, and the accents and modifier letters that are written for them.
        '\'' | '`' | '\u{b4}' | '\u{1ffd}' | '\u{2b9}'..='\u{2bf}' | '\u{2018}'..='\u{201b}' | '\u{2032}'
        // Invisible: soft hyphen, zero width, writing direction.
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests;
