//! The sections of rows that a person has to look at: an overview of each, its cases, and the rows
//! that are told in a table alone.

use anyhow::{Context, Result};
use maud::{Markup, html};

use super::Report;
use super::case::case;
use super::charts::count_table;
use super::words::{code, explained, heading, or_dash, or_dash_of, reasons, rows, section_heading};
use crate::cli::batch::cells::RowDecision;
use crate::cli::batch::columns::ResultRow;
use crate::cli::report::gathered::{Gathered, ShownCases};
use crate::domain::digits::grouped;

/// The section of the rows of one decision.
///
/// # Errors
/// Where a path cannot be read.
pub fn section(decision: RowDecision, shown: &ShownCases, report: &Report<'_>) -> Result<Markup> {
    let id = decision.as_str().to_lowercase();
    let held = shown.rows();
    let cases = match decision {
        RowDecision::Error => vec![errors(&held)],
        RowDecision::Allow | RowDecision::Review | RowDecision::Block => {
            let overview = (!held.is_empty()).then(|| Ok(overview(decision, &held)));
            let case =
                |row: &&ResultRow| case(row, report).with_context(|| format!("row {}", row.row));
            overview.into_iter().chain(held.iter().map(case)).collect::<Result<_>>()?
        }
    };
    Ok(html! {
        section id=(id) aria-labelledby={ "h-" (id) } {
            (section_heading(&id, format_args!("{decision}: {}", rows(shown.all))))
            (more(decision.as_str(), decision, shown, &report.result.name))
            @for case in &cases { (case) }
        }
    })
}

/// How many rows are not shown, and where they are found.
fn more(named: &str, decision: RowDecision, shown: &ShownCases, result: &str) -> Markup {
    let held = shown.rows();
    let hidden = shown.all - held.len() as u64;
    let Some(last) = held.last().filter(|_| hidden > 0) else {
        return html! { @if shown.all == 0 { p { "None." } } };
    };
    html! {
        p class="warning" {
            strong {
                (grouped(hidden)) " more " (named) " " (if hidden == 1 { "row is" } else { "rows are" })
                " not shown here."
            }
            " Shown are " (grouped(held.len() as u64)) " of " (grouped(shown.all)) ": "
            @if let Some(score) = last.score {
                "those of the largest scores, down to " (score)
            } @else {
                "the first, up to row " (grouped(last.row))
            }
            ". The others stand in " (code(result)) " as the rows whose column " code { "decision" }
            " is " (decision) "; " code { "--max-rows" } " shows more."
        }
    }
}

/// The rows that are REVIEW only because of the data, after all others: in short, for current data
/// answer them together.
pub fn by_data(gathered: &Gathered, result: &str) -> Markup {
    let shown = &gathered.reviewed_by_data;
    let title = format!("REVIEW only because of the data: {}", rows(shown.all));
    let held = shown.rows();
    let columns = ["#Row", "Reference", "Address", "Chain", "#Score", "Why"];
    let reasons_caption = "What is wrong with the data";
    html! {
        section id="review-data" aria-labelledby="h-review-data" {
            (section_heading("review-data", title))
            (more("such REVIEW", RowDecision::Review, shown, result))
            @if !held.is_empty() {
                p {
                    "No finding and no doubt about the address asks for a person: data were stale or \
                     lacking. Bring them up to date and screen these rows again."
                }
                div class="wide" {
                    table {
                        (count_table(reasons_caption, "Reason", &gathered.counts.data_reasons, explained))
                    }
                }
                div class="wide" {
                    table class="fine rows" {
                        caption { "Rows to screen again" }
                        (heading(&columns))
                        tbody {
                            @for row in &held {
                                tr id={ "row-" (row.row) } {
                                    (asked_cells(row))
                                    td class="num" { (or_dash_of(row.score)) }
                                    td class="said" { (reasons(row)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The first cells of a row that is shown in a table alone: what was asked.
fn asked_cells(row: &ResultRow) -> Markup {
    html! {
        th scope="row" class="num" { (row.row) }
        td { (or_dash(&row.reference)) }
        td { (code(&row.address)) }
        td class="id" { (or_dash(&row.chain)) }
    }
}

fn errors(held: &[&ResultRow]) -> Markup {
    html! {
        @if !held.is_empty() {
            p {
                "These rows could not be asked. Nothing is known of their addresses: mend the input and \
                 screen them again."
            }
            div class="wide" {
                table class="rows" {
                    caption { "Rows in error" }
                    (heading(&["#Row", "Reference", "Address", "Chain", "Error"]))
                    tbody {
                        @for row in held {
                            tr id={ "row-" (row.row) } {
                                (asked_cells(row))
                                td class="said" { (or_dash(&row.reason)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every shown row in a line, which leads to the whole of it.
fn overview(decision: RowDecision, held: &[&ResultRow]) -> Markup {
    let columns = ["#Row", "Reference", "Address", "#Score", "Level", "#Hops", "Party", "Rule"];
    html! {
        div class="wide" {
            table class="overview fine" {
                caption { (decision) " at a glance" }
                (heading(&columns))
                tbody {
                    @for row in held {
                        tr {
                            th scope="row" class="num" { a href={ "#row-" (row.row) } { (row.row) } }
                            td { (or_dash(&row.reference)) }
                            td { (code(&row.address)) }
                            td class="num" { (or_dash_of(row.score)) }
                            td { (row.level) }
                            td class="num" { (or_dash_of(row.hops)) }
                            td { (or_dash(&row.party)) }
                            td class="id" { (or_dash(&row.rule)) }
                        }
                    }
                }
            }
        }
    }
}
