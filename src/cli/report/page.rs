//! The page of a batch's result: self-contained, without scripts, and the same bytes for the same result,
//! summary and time.

mod basis;
mod case;
mod cases;
mod charts;
mod contents;
mod sign;
mod style;
mod words;

use anyhow::Result;
use jiff::Timestamp;

use super::gathered::Gathered;
use crate::cli::batch::row::{ResultRow, RowDecision};
use crate::cli::batch::summary::Summary;
use crate::cli::render::page;
use crate::domain::digits::grouped;
use crate::grpc::v1;
use words::{outside, rows};

/// The link at the end of a section's heading; paper does not have it.
const UP: &str = " <a class=\"up\" href=\"#contents\">contents</a>";

#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    pub title: &'a str,
    pub made_at: Timestamp,
    pub result: &'a File,
    /// The summary; `None` where there is none.
    pub beside: Option<Beside<'a>>,
    pub gathered: &'a Gathered,
}

/// A file that a report was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without its folder.
    pub name: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// The summary that stands beside a result, and agrees with it.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    pub file: &'a File,
    pub summary: &'a Summary,
}

impl Report<'_> {
    fn snapshots(&self) -> &[v1::Snapshot] {
        self.beside.as_ref().map_or(&[], |beside| &beside.summary.snapshots)
    }

    /// The name for people of the list that a row names; `None` where the row's snapshot does not say
    /// one.
    fn list_name(&self, row: &ResultRow) -> Option<&str> {
        let snapshot = self.snapshots().iter().find(|snapshot| snapshot.id == row.snapshot)?;
        let list = snapshot.lists.iter().find(|list| list.list_id == row.list)?;
        (!list.name.is_empty() && list.name != list.list_id).then_some(list.name.as_str())
    }

    /// Whether rows could come with paths.
    fn has_evidence(&self) -> bool {
        let asked = |beside: &Beside<'_>| beside.summary.options.include_evidence;
        self.gathered.has_paths || self.beside.as_ref().is_some_and(asked)
    }
}

/// The page.
///
/// # Errors
/// Where the path of a row that is shown cannot be read.
pub fn html(report: &Report<'_>) -> Result<String> {
    let digest: String = report.result.sha256.chars().take(16).collect();
    let title: String = crate::cli::render::paths::shortened(report.title, 60);
    let running = format!("{title} · result SHA-256 {digest}");
    let mut page = page::head(report.title, &style::style(&running));
    page.push_str(charts::PATTERNS);
    page.push_str(&format!("<header>\n<h1>{}</h1>\n", outside(report.title)));
    warnings(&mut page, report);
    let counts = &report.gathered.counts;
    page.push_str(&format!(
        "<p class=\"sub\">{} screened against lists of sanctioned and otherwise listed addresses.</p>\n",
        rows(counts.rows)
    ));
    charts::totals(&mut page, report.gathered);
    basis::brief(&mut page, report);
    page.push_str("</header>\n");
    contents::contents(&mut page, report.gathered);
    page.push_str("<main>\n");
    let gathered = report.gathered;
    let sections = [
        (RowDecision::Block, &gathered.blocked),
        (RowDecision::Review, &gathered.reviewed),
        (RowDecision::Error, &gathered.errors),
    ];
    for (decision, shown) in sections {
        cases::section(&mut page, decision, shown, report)?;
    }
    cases::by_data(&mut page, gathered, &report.result.name);
    page.push_str(&format!(
        "<section id=\"figures\" aria-labelledby=\"h-figures\">\n\
         <h2 id=\"h-figures\">Figures{UP}</h2>\n"
    ));
    charts::charts(&mut page, gathered);
    charts::tables(&mut page, gathered);
    page.push_str("</section>\n");
    basis::provenance(&mut page, report);
    sign::section(&mut page, report);
    page.push_str(&format!(
        "</main>\n<footer>\n<p class=\"dim\">Every count was made from the rows of the result; \
         the summary was only compared with them. Decisions are those of the policy named above. \
         In drawings funds moved from left to right, and columns count hops from the address that \
         was screened. BEFORE and AFTER compare the transfer at the listed address with its \
         listing. Times are UTC.</p>\n</footer>\n{}",
        page::FOOT
    ));
    Ok(page)
}

/// What a reader must know before any number.
fn warnings(page: &mut String, report: &Report<'_>) {
    let mut warn = |text: &str| {
        page.push_str(&format!("<p class=\"warning\">{text}</p>\n"));
    };
    match &report.beside {
        None => warn(
            "<strong>No summary stands beside this result.</strong> The batch was interrupted, or \
             its summary was lost: rows of the input may be missing, and the versions of lists, \
             transfers and policy are not known.",
        ),
        Some(beside) if beside.summary.interrupted => warn(&format!(
            "<strong>The batch was interrupted.</strong> Only the first {} of the input were \
             screened; nothing is said of the others.",
            rows(report.gathered.counts.rows)
        )),
        Some(_) => {}
    }
    let errors = report.gathered.of(RowDecision::Error);
    if errors > 0 {
        warn(&format!(
            "<strong>{} not screened.</strong> They are listed under ERROR.",
            match errors {
                1 => "1 row was".to_owned(),
                errors => format!("{} rows were", grouped(errors)),
            }
        ));
    }
    if report.snapshots().iter().any(|snapshot| snapshot.stale_allowed) {
        warn("<strong>Stale lists could give ALLOW:</strong> a trial setting, never to decide by.");
    }
}
