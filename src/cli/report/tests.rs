//! The page of a small made-up result (written by `tests/it/report.rs`), and what is refused.

mod hostile;
mod refused;

use std::path::{Path, PathBuf};

use super::gathered::Gathered;
use super::{Arguments, beside, digest, made};
use crate::cli::batch::cells::RowDecision;
use crate::cli::batch::columns::{COLUMNS, Column, Kind, ResultRow};
use crate::cli::batch::results;
use crate::cli::render::tests::check;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report")
}

fn arguments(result: PathBuf, max_rows: u32) -> Arguments {
    Arguments { result, summary: None, out: None, title: None, max_rows }
}

fn moment() -> Timestamp {
    "2026-03-05T09:00:00Z".parse().unwrap()
}

/// The page of the small result, with its summary changed.
fn page_of(rows: &str, summary: Option<&str>, max_rows: u32) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let result = dir.path().join("customers.jsonl");
    std::fs::write(&result, rows).unwrap();
    if let Some(summary) = summary {
        std::fs::write(dir.path().join("customers.jsonl.summary.json"), summary).unwrap();
    }
    let made = made(&arguments(result, max_rows), moment());
    made.map_err(|error| format!("{error:#}"))
}

fn small(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// A row as a line of JSON; its path is a string there, however broken.
fn line(row: &ResultRow) -> String {
    let value = |column: &Column| match ((column.text)(row), column.kind) {
        (text, Kind::Text | Kind::Json) => Value::String(text.into_owned()),
        (text, Kind::RowNumber | Kind::Number | Kind::Decimal) => {
            serde_json::from_str(&text).unwrap()
        }
    };
    let columns = COLUMNS.iter().filter(|column| !(column.text)(row).is_empty());
    let fields = columns.map(|column| (column.name.to_owned(), value(column))).collect();
    Value::Object(fields).to_string() + "\n"
}

fn small_rows() -> Vec<ResultRow> {
    let result = folder().join("customers.jsonl");
    results::read(&result).unwrap().map(Result::unwrap).collect()
}

#[test]
fn golden() {
    let result = folder().join("customers.jsonl");
    let page = made(&arguments(result.clone(), 4), moment()).unwrap();
    check("report.html", &page);
    assert_eq!(page, made(&arguments(result, 4), moment()).unwrap());
}

#[test]
fn a_result_of_0_1_0_gives_the_same_page() {
    // Without the head and the digests of the files.
    let page = |folder: PathBuf| {
        let result = folder.join("customers.jsonl");
        let mut page = made(&arguments(result.clone(), 4), moment()).unwrap();
        for file in [&result, &beside(&result)] {
            let digest = digest(file).unwrap();
            page = page.replace(&digest, "digest").replace(&digest[..16], "digest");
        }
        page.split_once("<body>").unwrap().1.to_owned()
    };
    assert_eq!(page(folder().join("0.1.0")), page(folder()));
}

#[test]
fn what_is_not_shown_is_said() {
    let rows = small("customers.jsonl");
    let summary = small("customers.jsonl.summary.json");
    let page = page_of(&rows, Some(&summary), 2).unwrap();
    for said in [
        "2 more BLOCK rows are not shown here.</strong> Shown are 2 of 4: those of the largest \
         scores, down to 100.",
        "6 more REVIEW rows are not shown here.</strong> Shown are 2 of 8: those of the largest \
         scores, down to 52.",
        "1 more ERROR row is not shown here.</strong> Shown are 2 of 3: the first, up to row 23.",
        "<code>customers.jsonl</code> as the rows whose column <code>decision</code> is REVIEW",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let whole = page_of(&rows, Some(&summary), 8).unwrap();
    assert!(!whole.contains("not shown here"));
}

#[test]
fn an_interrupted_batch_is_told_first() {
    let rows = small("customers.jsonl");
    let first = |page: &str, warning: &str| {
        let (before, _) = page.split_once("<dl class=\"totals\"").unwrap();
        assert!(before.contains(&format!("<p class=\"warning\"><strong>{warning}")), "{before}");
    };
    first(&page_of(&rows, None, 9).unwrap(), "No summary stands beside this result.");
    let summary = small("customers.jsonl.summary.json");
    let summary = summary.replacen('{', "{\"interrupted\": true,", 1);
    first(&page_of(&rows, Some(&summary), 9).unwrap(), "The batch was interrupted.");
}

#[test]
fn rows_without_evidence_say_so() {
    let rows: String = small_rows()
        .into_iter()
        .map(|row| ResultRow { path: String::new(), ..row })
        .map(|row| line(&row))
        .collect();
    let summary = small("customers.jsonl.summary.json");
    let summary = summary.replace("\"include_evidence\": true", "\"include_evidence\": false");
    let page = page_of(&rows, Some(&summary), 9).unwrap();
    let count = |said: &str| page.matches(said).count();
    assert_eq!(
        count("No path is drawn: the batch was run without --evidence."),
        8,
        "each exposure"
    );
    assert_eq!(count("No path: the address is listed itself."), 3);
    assert_eq!(count("No path: no tie with a listed address was found."), 1);
    assert!(!page.contains("<svg xmlns"));
}

/// The page of the small result, and the case of one of its rows.
fn case(number: u64) -> (String, String) {
    let page = made(&arguments(folder().join("customers.jsonl"), 9), moment()).unwrap();
    let (_, case) =
        page.split_once(&format!("<article class=\"c-block\" id=\"row-{number}\"")).unwrap();
    let (case, _) = case.split_once("</article>").unwrap();
    let case = case.to_owned();
    (page, case)
}

#[test]
fn a_case_names_its_listing_and_has_room_to_sign() {
    let (_, case) = case(4);
    let fact = |name: &str, value: &str| {
        let shown = format!("<dt class=\"own\">{name}</dt><dd class=\"all\">{value}</dd>");
        assert!(case.contains(&shown), "{shown} in {case}");
    };
    fact("Party", "<strong><bdi>LAZARUS GROUP</bdi></strong>");
    // Four other names stand open, and the other six are folded.
    let named = |name: &str| format!("<bdi>{name}</bdi>");
    let open =
        ["&quot;HIDDEN COBRA&quot;", "&quot;GUARDIANS OF PEACE&quot;", "APPLEWORM", "APT-C-26"];
    let folded = ["GROUP 77", "OFFICE 91", "RED DOT", "TEMP.HERMIT", "WHOIS HACKING TEAM", "ZINC"];
    let (open, folded) = (open.map(named).join("; "), folded.map(named).join("; "));
    let folded = format!("<details><summary>and 6 more</summary>{folded}</details>");
    fact("Also known as", &format!("{open}{folded}"));
    fact("Programs", "<bdi>DPRK3</bdi>; <bdi>CYBER2</bdi>");
    let list = "us-ofac-sdn &lt;as configured&gt;";
    fact("List", &format!("<bdi>{list}</bdi> (<bdi>us-ofac-sdn</bdi>, <bdi>SANCTIONS</bdi>)"));
    let basis = "the first publication loaded here in which the address newly appeared";
    fact("Listed on", &format!("<bdi>2022-04-14</bdi>: {basis}"));
    assert!(case.contains("<p class=\"reason\"><bdi>a SANCTIONS listing of the address</bdi></p>"));
    for line in ["Decision", "Reviewed by", "Date", "Signature"] {
        assert!(case.contains(&format!("<div><dt>{line}</dt><dd></dd>")), "{line}");
    }
}

#[test]
fn amounts_are_in_display_units() {
    let (_, case) = case(5);
    let shown = "Amounts moved</dt><dd class=\"all\"><bdi>";
    let (_, amounts) = case.split_once(shown).unwrap();
    let (amount, _) = amounts.split_once("</bdi></dd>").unwrap();
    let number = amount.strip_suffix(" ETH").unwrap();
    let (whole, part) = number.split_once('.').unwrap();
    assert!(whole.len() < 4 && part.len() == 18, "{amount}");
}

/// Cases first, figures after them, provenance and the sign-off last; every link leads somewhere.
#[test]
fn the_contents_lead_to_every_case() {
    let (page, _) = case(4);
    let (contents, _) = page.split_once("</nav>").unwrap();
    for row in [4, 5, 7, 8, 10, 12, 13, 15, 19, 21, 31, 42] {
        assert!(contents.contains(&format!("<a href=\"#row-{row}\">row {row}</a>")), "row {row}");
    }
    let sections = ["block", "review", "error", "review-data", "figures", "basis", "sign"];
    let places = sections.map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap());
    assert!(places.is_sorted(), "{places:?}");
    let links: Vec<_> = page.split(" href=\"#").skip(1).collect();
    assert!(links.len() > 30);
    for link in links {
        let (id, _) = link.split_once('"').unwrap();
        assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
    }
}

/// A result of an earlier program, which has none of the columns that were added since.
#[test]
fn a_result_without_the_added_columns_is_reported() {
    let bare = |row: ResultRow| ResultRow {
        programs: String::new(),
        aliases: String::new(),
        listed_on: String::new(),
        listed_on_basis: String::new(),
        ..row
    };
    let lines = small_rows().into_iter().map(bare);
    let lines: String = lines.map(|row| line(&row)).collect();
    let page = page_of(&lines, None, 9).unwrap();
    assert!(page.contains("Listed on</dt><dd class=\"all\">the result does not say</dd>"));
    assert!(!page.contains("Also known as") && !page.contains("Programs</dt>"));
    // Without a summary a list has its id alone.
    assert!(page.contains("List</dt><dd class=\"all\"><bdi>us-ofac-sdn</bdi>, <bdi>SANCTIONS"));
}

/// A path too long for one row goes on in the next, and stays whole.
#[test]
fn long_paths_are_drawn_whole() {
    let page = made(&arguments(folder().join("customers.jsonl"), 9), moment()).unwrap();
    let (_, case) = page.split_once("id=\"row-19\"").unwrap();
    let (case, _) = case.split_once("</article>").unwrap();
    assert_eq!(case.matches("class=\"lz-listed\"").count(), 1);
    assert_eq!(case.matches("class=\"lz-asked\"").count(), 1);
    // The middle of five addresses ends one row and begins the next.
    assert_eq!(case.matches("class=\"lz-passed\"").count(), 4);
    assert_eq!(case.matches("class=\"lz-head\"").count(), 4, "an arrow a hop");
    assert_eq!(case.matches("<th scope=\"row\">").count(), 4, "a line a hop");
}

/// The contrast of text is at least 4.5 to 1 and that of drawings 3 to 1 (WCAG 2.2, 1.4.3, 1.4.11).
#[test]
fn colours_can_be_told_from_the_paper() {
    let page = page_of(&small("customers.jsonl"), None, 1).unwrap();
    let colour = |name: &str, scheme: usize| {
        let values: Vec<_> = page.split(&format!("--{name}:#")).skip(1).collect();
        assert_eq!(values.len(), 2, "{name} in both schemes");
        let hex: String = values[scheme].chars().take_while(char::is_ascii_hexdigit).collect();
        let wide = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex };
        let channel =
            |at: usize| f64::from(u8::from_str_radix(&wide[at..at + 2], 16).unwrap()) / 255.0;
        let linear =
            |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(channel(0)) + 0.7152 * linear(channel(2)) + 0.0722 * linear(channel(4))
    };
    for scheme in [0, 1] {
        let contrast = |one: &str, other: &str| {
            let (one, other) = (colour(one, scheme), colour(other, scheme));
            (one.max(other) + 0.05) / (one.min(other) + 0.05)
        };
        for name in ["ink", "dim", "bad", "good", "doubt"] {
            assert!(contrast(name, "paper") >= 4.5, "{name}: {}", contrast(name, "paper"));
        }
        assert!(contrast("ink", "bad-soft") >= 4.5);
        for name in ["block", "review", "allow", "bad-line"] {
            assert!(contrast(name, "paper") >= 3.0, "{name}: {}", contrast(name, "paper"));
        }
    }
}

proptest! {
    /// What is held is what sorting all rows would show.
    #[test]
    fn the_largest_scores_are_held(
        scores in prop::collection::vec(0_u8..=9, 0..60), most in 1_usize..9
    ) {
        let mut gathered = Gathered::new(most);
        let mut all = Vec::new();
        for (score, number) in scores.iter().zip(1..) {
            let row = ResultRow {
                row: number,
                decision: RowDecision::Review,
                score: Some(*score),
                level: "LOW".to_owned(),
                status: "COMPLETE".to_owned(),
                snapshot: "s".to_owned(),
                evaluated_at: "2026-03-04T12:00:00Z".to_owned(),
                ..ResultRow::default()
            };
            all.push((100 - *score, number));
            gathered.add(row).unwrap();
        }
        all.sort_unstable();
        all.truncate(most);
        let shown = gathered.reviewed.rows();
        let shown: Vec<_> = shown.iter().map(|row| (100 - row.score.unwrap(), row.row)).collect();
        prop_assert_eq!(shown, all);
        prop_assert_eq!(gathered.reviewed.all, scores.len() as u64);
    }
}
