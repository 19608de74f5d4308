//! Numbers, names and table parts as a page has them.

use std::borrow::Cow;
use std::fmt::Display;

use maud::{Markup, Render, html};

use crate::cli::batch::columns::ResultRow;
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
pub fn outside(text: &str) -> Markup {
    html! { bdi { (cut(text, LONGEST)) } }
}

/// As [`outside`], for a reason.
pub fn sentence(text: &str) -> Markup {
    html! { bdi { (cut(text, LONGEST_SENTENCE)) } }
}

/// As [`outside`], for an address, a digest or an id; a dash where there is none.
pub fn code(text: &str) -> Markup {
    html! { @if text.is_empty() { "-" } @else { code { (cut(text, LONGEST)) } } }
}

/// As [`outside`], or a dash where there is nothing.
pub fn or_dash(text: &str) -> Markup {
    html! { @if text.is_empty() { "-" } @else { (outside(text)) } }
}

/// A number, or a dash where there is none.
pub fn or_dash_of(number: Option<impl Display>) -> Markup {
    html! { @if let Some(number) = number { (number) } @else { "-" } }
}

fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    // The bytes first: most texts are short.
    let long = text.len() > longest && text.chars().nth(longest).is_some();
    if !long {
        return text.into();
    }
    let start: String = text.chars().take(START).collect();
    let length = grouped(text.chars().count() as u64);
    format!("{start}… ({length} characters; whole in the result file)").into()
}

/// Parts with a separator between them.
pub fn joined(parts: impl IntoIterator<Item = Markup>, separator: impl Render) -> Markup {
    html! {
        @for (place, part) in parts.into_iter().enumerate() {
            @if place > 0 { (separator) }
            (part)
        }
    }
}

/// Values from outside with semicolons between them, at most so many, and how many more there are.
pub fn values(values: &[String], most: usize) -> Markup {
    let more = values.len().saturating_sub(most);
    html! {
        (joined(values.iter().take(most).map(|value| outside(value)), "; "))
        @if more > 0 { "; and " (grouped(more as u64)) " more in the result file" }
    }
}

/// Why a row is INCOMPLETE, in words: `a list is older than its limit, or its age is not known
/// (us-ofac-sdn)`. The lists of one reason stand together, and at most [`MOST_REASONS`] of all.
pub fn reasons(row: &ResultRow) -> Markup {
    let mut reasons: Vec<(&str, Vec<Markup>)> = Vec::new();
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
        return html! { "the result does not say why" };
    }
    let reason = |(code, lists): (&str, Vec<Markup>)| {
        html! {
            @if let Some(why) = meaning(code) { (why) } @else { (outside(code)) }
            @if !lists.is_empty() { " (" (joined(lists, ", ")) ")" }
        }
    };
    joined(reasons.into_iter().map(reason), "; ")
}

/// What a code of a reason of being INCOMPLETE means; `None` where this program does not know it.
fn meaning(code: &str) -> Option<&'static str> {
    IncompleteCode::named(code).map(IncompleteCode::meaning)
}

/// The code of a reason of being INCOMPLETE, with what it means.
pub fn explained(code: &str) -> Markup {
    html! { (outside(code)) ": " (incomplete(IncompleteCode::named(code))) }
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
        0 if part > 0 => "< 0.1 %".to_owned(),
        1_000 if part < whole => "> 99.9 %".to_owned(),
        mille => format!("{}.{} %", mille / 10, mille % 10),
    }
}

/// The head of a table: its columns, `#` before those of numbers.
pub fn heading(columns: &[&str]) -> Markup {
    html! { thead { tr { (heading_cells(columns)) } } }
}

/// The cells of a head, as [`heading`] has them.
pub fn heading_cells(columns: &[&str]) -> Markup {
    html! {
        @for column in columns {
            @if let Some(number) = column.strip_prefix('#') {
                th scope="col" class="num" { (number) }
            } @else {
                th scope="col" { (column) }
            }
        }
    }
}

/// The heading of a section, which leads back to the contents; paper does not have the link.
pub fn section_heading(id: &str, title: impl Render) -> Markup {
    html! {
        h2 id={ "h-" (id) } { (title) " " a class="up" href="#contents" { "contents" } }
    }
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
        check(1, 1_000_000, "< 0.1 %");
        check(999_999, 1_000_000, "> 99.9 %");
        check(10, 10, "100.0 %");
        check(u64::MAX, u64::MAX, "100.0 %");
        check(0, 0, "-");
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let outside = |text: &str| outside(text).into_string();
        assert_eq!(outside("<b>"), "<bdi>&lt;b&gt;</bdi>");
        let long = outside(&"é".repeat(65_536));
        assert!(long.len() < 700 && long.contains("(65,536 characters; whole in"), "{long}");
        assert!(!outside(&"é".repeat(320)).contains("characters"));
        let sentence = |text: &str| sentence(text).into_string();
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
