//! The contents of a report: a link to every section, and to every case that is shown.

use maud::{Markup, html};

use super::words::{outside, rows};
use crate::cli::batch::columns::ResultRow;
use crate::cli::render::paths::shortened;
use crate::cli::report::gathered::{Gathered, ShownCases};
use crate::domain::digits::grouped;

/// The most links to cases of a section that stand open; more are folded.
const MOST_OPEN: usize = 40;

/// The longest name of a case, in characters: what fits beside its number in a column.
const LONGEST: usize = 28;

/// The contents, one entry a section, in the order of the page.
pub fn contents(gathered: &Gathered) -> Markup {
    let last = [("figures", "Figures"), ("basis", "Provenance"), ("sign", "Sign-off")];
    html! {
        nav id="contents" aria-labelledby="h-contents" {
            h2 id="h-contents" { "Contents" }
            ol {
                (section("block", "BLOCK", &gathered.blocked, true))
                (section("review", "REVIEW", &gathered.reviewed, true))
                (section("error", "ERROR", &gathered.errors, false))
                @let by_data = &gathered.reviewed_by_data;
                (section("review-data", "REVIEW only because of the data", by_data, false))
                @for (id, name) in last { li { a href={ "#" (id) } { (name) } } }
            }
        }
    }
}

/// A section with its count and, where each row is a case of its own, the links to these.
fn section(id: &str, name: &str, shown: &ShownCases, has_cases: bool) -> Markup {
    let held = shown.rows();
    let links = html! {
        ul class="jumps" { @for row in &held { (link(row)) } }
    };
    html! {
        li {
            a href={ "#" (id) } { (name) } " " span class="dim" { (rows(shown.all)) }
            @if has_cases && held.len() > MOST_OPEN {
                details {
                    summary { (grouped(held.len() as u64)) " cases" }
                    (links)
                }
            } @else if has_cases && !held.is_empty() {
                (links)
            }
        }
    }
}

/// `row 4 LAZARUS GROUP`; the address where no party is named.
fn link(row: &ResultRow) -> Markup {
    let name = if row.party.is_empty() { &row.address } else { &row.party };
    html! {
        li {
            a href={ "#row-" (row.row) } { "row " (grouped(row.row)) }
            " " (outside(&shortened(name, LONGEST)))
        }
    }
}
