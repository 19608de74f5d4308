//! Room to sign on paper: for each case, and for the report as a whole.

use super::Report;
use super::words::{code, rows};
use crate::cli::batch::row::RowDecision;

/// What a reviewer fills in.
const LINES: [&str; 4] = ["Decision", "Reviewed by", "Date", "Signature"];

/// Adds the lines that are filled in by hand.
pub fn lines(page: &mut String) {
    page.push_str("<dl class=\"sign\">\n");
    for line in LINES {
        page.push_str(&format!("<div><dt>{line}</dt><dd></dd></div>\n"));
    }
    page.push_str("</dl>\n");
}

/// Adds the section in which the report as a whole is signed.
pub fn section(page: &mut String, report: &Report<'_>) {
    let gathered = report.gathered;
    let decisions = [RowDecision::Block, RowDecision::Review, RowDecision::Error];
    let counts = decisions.map(|decision| format!("{decision}: {}", rows(gathered.of(decision))));
    page.push_str(&format!(
        "<section id=\"sign\" aria-labelledby=\"h-sign\">\n<h2 id=\"h-sign\">Sign-off</h2>\n\
         <p>For the report as a whole: {}, of {}. It is about the result {} with the \
         SHA-256 {}.</p>\n<dl class=\"sign remarks\"><div><dt>Remarks</dt><dd></dd></div></dl>\n",
        counts.join(", "),
        rows(gathered.counts.rows),
        code(&report.result.name),
        code(&report.result.sha256),
    ));
    lines(page);
    page.push_str("</section>\n");
}
