//! Numbers, names and table parts as a page has them. Every text from outside becomes harmless here.

use crate::cli::batch::row::ResultRow;
use crate::cli::render::page::xml;
use crate::cli::render::words::incomplete;
use crate::domain::digits::grouped;
use crate::screening::IncompleteCode;

/// The longest text from outside that is shown whole, in characters.
const LONGEST: usize = 320;

/// How much of a longer one is shown, from its start.
const START: usize = 240;

/// The most reasons of being INCOMPLETE that are shown of a row.
const MOST_REASONS: usize = 40;

/// The longest sentence from outside that is shown whole, in characters: a reason names parties and
/// lists, which may be long.
const LONGEST_SENTENCE: usize = 2_000;

/// A text from outside, in its own writing direction; of a very long one its start and length.
pub fn outside(text: &str) -> String {
    format!("<bdi>{}</bdi>", cut(text, LONGEST))
}

/// As [`outside`], for a reason.
pub fn sentence(text: &str) -> String {
    format!("<bdi>{}</bdi>", cut(text, LONGEST_SENTENCE))
}

/// As [`outside`], for an address, a digest or an id; a dash where there is none.
pub fn code(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { format!("<code>{}</code>", cut(text, LONGEST)) }
}

/// As [`outside`], or a dash where there is nothing.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { outside(text) }
}

fn cut(text: &str, longest: usize) -> String {
    // The bytes first: most texts are short.
    let long = text.len() > longest && text.chars().nth(longest).is_some();
    if !long {
        return xml(text);
    }
    let start: String = text.chars().take(START).collect();
    let length = grouped(text.chars().count() as u64);
    format!("{}… ({length} characters; whole in the result file)", xml(&start))
}

/// Values from outside with semicolons between them, at most so many, and how many more there are.
pub fn values(values: &[String], most: usize) -> String {
    let mut shown: Vec<_> = values.iter().take(most).map(|value| outside(value)).collect();
    let more = values.len().saturating_sub(most);
    if more > 0 {
        shown.push(format!("and {} more in the result file", grouped(more as u64)));
    }
    shown.join("; ")
}

/// Why a row is INCOMPLETE, in words: `a list is older than its limit, or its age is not known
/// (us-ofac-sdn)`. The lists of one reason stand together, and at most [`MOST_REASONS`] of all.
pub fn reasons(row: &ResultRow) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for (code, list) in row.incomplete().take(MOST_REASONS) {
        let place = reasons.iter().position(|(known, _)| *known == code);
        let place = place.unwrap_or_else(|| {
            reasons.push((code, Vec::new()));
            reasons.len() - 1
        });
        if !list.is_empty() {
            reasons[place].1.push(outside(list));
        }
    }
    if reasons.is_empty() {
        return "the result does not say why".to_owned();
    }
    let reason = |(code, lists): &(&str, Vec<String>)| match (meaning(code), lists.is_empty()) {
        (Some(why), true) => why.to_owned(),
        (Some(why), false) => format!("{why} ({})", lists.join(", ")),
        (None, true) => outside(code),
        (None, false) => format!("{} ({})", outside(code), lists.join(", ")),
    };
    reasons.iter().map(reason).collect::<Vec<_>>().join("; ")
}

/// What a code of a reason of being INCOMPLETE means; `None` where this program does not know it.
fn meaning(code: &str) -> Option<&'static str> {
    IncompleteCode::named(code).map(IncompleteCode::meaning)
}

/// The code of a reason of being INCOMPLETE, with what it means.
pub fn explained(code: &str) -> String {
    let meaning = incomplete(IncompleteCode::named(code));
    format!("{}: {meaning}", outside(code))
}

/// A number of rows with its noun.
pub fn rows(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "row" } else { "rows" })
}

/// A part of a whole in per cent, rounded to one decimal; what is not nothing is never shown as
/// nothing, and what is not all never as all.
pub fn per_cent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let mille = (u128::from(part) * 2_000 + u128::from(whole)) / (2 * u128::from(whole));
    match mille {
        0 if part > 0 => "&lt; 0.1 %".to_owned(),
        1_000 if part < whole => "&gt; 99.9 %".to_owned(),
        mille => format!("{}.{} %", mille / 10, mille % 10),
    }
}

/// The head of a table: its columns, `#` before those of numbers.
pub fn heading(columns: &[&str]) -> String {
    let cells = columns.iter().map(|column| match column.strip_prefix('#') {
        Some(number) => format!("<th scope=\"col\" class=\"num\">{number}</th>"),
        None => format!("<th scope=\"col\">{column}</th>"),
    });
    format!("<thead><tr>{}</tr></thead>\n", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_whole() {
        let check = |part, whole, want: &str| assert_eq!(per_cent(part, whole), want);
        check(0, 10, "0.0 %");
        check(1, 3, "33.3 %");
        check(2, 3, "66.7 %");
        check(1, 1_000_000, "&lt; 0.1 %");
        check(999_999, 1_000_000, "&gt; 99.9 %");
        check(10, 10, "100.0 %");
        check(u64::MAX, u64::MAX, "100.0 %");
        check(0, 0, "-");
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        assert_eq!(outside("<b>"), "<bdi>&lt;b&gt;</bdi>");
        let long = outside(&"é".repeat(65_536));
        assert!(long.len() < 700 && long.contains("(65,536 characters; whole in"), "{long}");
        assert!(!outside(&"é".repeat(320)).contains("characters"));
        assert!(!sentence(&"é".repeat(2_000)).contains("characters"));
        assert!(sentence(&"é".repeat(2_001)).contains("(2,001 characters; whole in"));
    }

    #[test]
    fn numbers_are_grouped() {
        let check = |plain, want: &str| assert_eq!(grouped(plain), want);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(12_345_678, "12,345,678");
    }
}
