//! The contents of a report: a link to every section, and to every case that is shown.

use super::words::{outside, rows};
use crate::cli::batch::row::ResultRow;
use crate::cli::render::paths::shortened;
use crate::cli::report::gathered::{Gathered, ShownCases};
use crate::domain::digits::grouped;

/// The most links to cases of a section that stand open; more are folded.
const MOST_OPEN: usize = 40;

/// The longest name of a case, in characters: what fits beside its number in a column.
const LONGEST: usize = 28;

/// Adds the contents, one entry a section, in the order of the page.
pub fn contents(page: &mut String, gathered: &Gathered) {
    page.push_str("<nav id=\"contents\" aria-labelledby=\"h-contents\">\n");
    page.push_str("<h2 id=\"h-contents\">Contents</h2>\n<ol>\n");
    section(page, ("block", "BLOCK"), &gathered.blocked, true);
    section(page, ("review", "REVIEW"), &gathered.reviewed, true);
    section(page, ("error", "ERROR"), &gathered.errors, false);
    let data = ("review-data", "REVIEW only because of the data");
    section(page, data, &gathered.reviewed_by_data, false);
    for (id, name) in [("figures", "Figures"), ("basis", "Provenance"), ("sign", "Sign-off")] {
        page.push_str(&format!("<li><a href=\"#{id}\">{name}</a></li>\n"));
    }
    page.push_str("</ol>\n</nav>\n");
}

/// A section with its count and, where each row is a case of its own, the links to these.
fn section(page: &mut String, (id, name): (&str, &str), shown: &ShownCases, has_cases: bool) {
    page.push_str(&format!(
        "<li><a href=\"#{id}\">{name}</a> <span class=\"dim\">{}</span>",
        rows(shown.all)
    ));
    let held = shown.rows();
    if has_cases && !held.is_empty() {
        let links: String = held.iter().map(|row| link(row)).collect();
        let links = format!("<ul class=\"jumps\">\n{links}</ul>\n");
        if held.len() > MOST_OPEN {
            let count = grouped(held.len() as u64);
            page.push_str(&format!("<details><summary>{count} cases</summary>\n{links}</details>"));
        } else {
            page.push_str(&format!("\n{links}"));
        }
    }
    page.push_str("</li>\n");
}

/// `row 4 LAZARUS GROUP`; the address where no party is named.
fn link(row: &ResultRow) -> String {
    let name = if row.party.is_empty() { &row.address } else { &row.party };
    format!(
        "<li><a href=\"#row-{0}\">row {1}</a> {2}</li>\n",
        row.row,
        grouped(row.row),
        outside(&shortened(name, LONGEST))
    )
}
