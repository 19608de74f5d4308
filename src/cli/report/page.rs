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
use maud::{Markup, html};

use super::gathered::Gathered;
use crate::cli::batch::cells::RowDecision;
use crate::cli::batch::columns::ResultRow;
use crate::cli::batch::summary::Summary;
use crate::cli::render::page;
use crate::domain::digits::grouped;
use crate::grpc::v1;
use words::{outside, rows, section_heading};

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
    let gathered = report.gathered;
    let sections = [
        cases::section(RowDecision::Block, &gathered.blocked, report)?,
        cases::section(RowDecision::Review, &gathered.reviewed, report)?,
        cases::section(RowDecision::Error, &gathered.errors, report)?,
        cases::by_data(gathered, &report.result.name),
    ];
    let body = html! {
        (charts::patterns())
        header {
            h1 { (outside(report.title)) }
            (warnings(report))
            p class="sub" {
                (rows(gathered.counts.rows))
                " screened against lists of sanctioned and otherwise listed addresses."
            }
            (charts::totals(gathered))
            (basis::brief(report))
        }
        (contents::contents(gathered))
        main {
            @for section in &sections { (section) }
            section id="figures" aria-labelledby="h-figures" {
                (section_heading("figures", "Figures"))
                (charts::charts(gathered))
                (charts::tables(gathered))
            }
            (basis::provenance(report))
            (sign::section(report))
        }
        footer {
            p class="dim" {
                "Every count was made from the rows of the result; the summary was only compared with \
                 them. Decisions are those of the policy named above. In drawings funds moved from left \
                 to right, and columns count hops from the address that was screened. BEFORE and AFTER \
                 compare the transfer at the listed address with its listing. Times are UTC."
            }
        }
    };
    Ok(page::page(report.title, &style::style(&running), &body))
}

/// What a reader must know before any number.
fn warnings(report: &Report<'_>) -> Markup {
    let errors = report.gathered.of(RowDecision::Error);
    html! {
        @match &report.beside {
            None => {
                p class="warning" {
                    strong { "No summary stands beside this result." }
                    " The batch was interrupted, or its summary was lost: rows of the input may be \
                     missing, and the versions of lists, transfers and policy are not known."
                }
            }
            Some(beside) if beside.summary.interrupted => {
                p class="warning" {
                    strong { "The batch was interrupted." }
                    " Only the first " (rows(report.gathered.counts.rows))
                    " of the input were screened; nothing is said of the others."
                }
            }
            Some(_) => {}
        }
        @if errors > 0 {
            p class="warning" {
                strong {
                    @if errors == 1 { "1 row was" } @else { (grouped(errors)) " rows were" }
                    " not screened."
                }
                " They are listed under ERROR."
            }
        }
        @if report.snapshots().iter().any(|snapshot| snapshot.stale_allowed) {
            p class="warning" {
                strong { "Stale lists could give ALLOW:" } " a trial setting, never to decide by."
            }
        }
    }
}
