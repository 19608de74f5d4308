//! Room to sign on paper: for each case, and for the report as a whole.

use maud::{Markup, html};

use super::Report;
use super::words::{code, rows};
use crate::cli::batch::cells::RowDecision;

/// What a reviewer fills in.
const LINES: [&str; 4] = ["Decision", "Reviewed by", "Date", "Signature"];

/// The lines that are filled in by hand.
pub fn lines() -> Markup {
    html! {
        dl class="sign" {
            @for line in LINES { div { dt { (line) } dd {} } }
        }
    }
}

/// The section in which the report as a whole is signed.
pub fn section(report: &Report<'_>) -> Markup {
    let gathered = report.gathered;
    let decisions = [RowDecision::Block, RowDecision::Review, RowDecision::Error];
    let counts = decisions.map(|decision| format!("{decision}: {}", rows(gathered.of(decision))));
    html! {
        section id="sign" aria-labelledby="h-sign" {
            h2 id="h-sign" { "Sign-off" }
            p {
                "For the report as a whole: " (counts.join(", ")) ", of " (rows(gathered.counts.rows))
                ". It is about the result " (code(&report.result.name)) " with the SHA-256 "
                (code(&report.result.sha256)) "."
            }
            dl class="sign remarks" { div { dt { "Remarks" } dd {} } }
            (lines())
        }
    }
}
