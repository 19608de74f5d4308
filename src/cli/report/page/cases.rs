//! The sections of rows that somebody has to look at: an overview of each, its cases, and the rows
//! that are told in a table alone.

use anyhow::{Context, Result};

use super::case::case;
use super::words::{code, explained, heading, or_dash, reasons, rows};
use super::{Report, UP};
use crate::cli::batch::row::{ResultRow, RowDecision};
use crate::cli::render::page::xml;
use crate::cli::report::gathered::{Gathered, ShownCases};
use crate::domain::digits::grouped;

/// The section of the rows of one decision.
///
/// # Errors
/// Where a path cannot be read.
pub fn section(
    page: &mut String,
    decision: RowDecision,
    shown: &ShownCases,
    report: &Report<'_>,
) -> Result<()> {
    let id = decision.as_str().to_lowercase();
    page.push_str(&format!(
        "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n<h2 id=\"h-{id}\">{decision}: {}{UP}</h2>\n",
        rows(shown.all)
    ));
    let held = shown.rows();
    more(page, (decision.as_str(), decision), shown, &held, &report.result.name);
    match decision {
        RowDecision::Error => errors(page, &held),
        RowDecision::Allow | RowDecision::Review | RowDecision::Block => {
            if !held.is_empty() {
                overview(page, decision, &held);
            }
            for row in held {
                case(page, row, report).with_context(|| format!("row {}", row.row))?;
            }
        }
    }
    page.push_str("</section>\n");
    Ok(())
}

/// How many rows are not shown, and where they are found.
fn more(
    page: &mut String,
    (named, decision): (&str, RowDecision),
    shown: &ShownCases,
    held: &[&ResultRow],
    result: &str,
) {
    let hidden = shown.all - held.len() as u64;
    let Some(last) = held.last().filter(|_| hidden > 0) else {
        if shown.all == 0 {
            page.push_str("<p>None.</p>\n");
        }
        return;
    };
    let which = match last.score {
        Some(score) => format!("those of the largest scores, down to {score}"),
        None => format!("the first, up to row {}", grouped(last.row)),
    };
    page.push_str(&format!(
        "<p class=\"warning\"><strong>{} more {named} {} not shown here.</strong> Shown are {} of \
         {}: {which}. The others stand in {} as the rows whose column <code>decision</code> is \
         {decision}; <code>--max-rows</code> shows more.</p>\n",
        grouped(hidden),
        if hidden == 1 { "row is" } else { "rows are" },
        grouped(held.len() as u64),
        grouped(shown.all),
        code(result),
    ));
}

/// The rows that are REVIEW only because of the data, after all others: in short, for current data
/// answer them together.
pub fn by_data(page: &mut String, gathered: &Gathered, result: &str) {
    let shown = &gathered.reviewed_by_data;
    page.push_str(&format!(
        "<section id=\"review-data\" aria-labelledby=\"h-review-data\">\n\
         <h2 id=\"h-review-data\">REVIEW only because of the data: {}{UP}</h2>\n",
        rows(shown.all)
    ));
    let held = shown.rows();
    more(page, ("such REVIEW", RowDecision::Review), shown, &held, result);
    if !held.is_empty() {
        page.push_str(
            "<p>No finding and no doubt about the address asks for a person: data were stale or \
             lacking. Bring them up to date and screen these rows again.</p>\n\
             <div class=\"wide\"><table>\n<caption>What is wrong with the data</caption>\n",
        );
        page.push_str(&heading(&["Reason", "#Rows"]));
        page.push_str("<tbody>\n");
        for (code, count) in &gathered.counts.data_reasons {
            page.push_str(&format!(
                "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td></tr>\n",
                explained(code),
                grouped(*count)
            ));
        }
        page.push_str(
            "</tbody>\n</table></div>\n\
             <div class=\"wide\"><table class=\"fine rows\">\n<caption>Rows to screen again</caption>\n",
        );
        page.push_str(&heading(&["#Row", "Reference", "Address", "Chain", "#Score", "Why"]));
        page.push_str("<tbody>\n");
        for row in held {
            page.push_str(&format!(
                "{}<td class=\"num\">{}</td><td class=\"said\">{}</td></tr>\n",
                row_of_table(row),
                score(row),
                reasons(row)
            ));
        }
        page.push_str("</tbody>\n</table></div>\n");
    }
    page.push_str("</section>\n");
}

/// The first cells of a row that is shown in a table alone: what was asked.
fn row_of_table(row: &ResultRow) -> String {
    format!(
        "<tr id=\"row-{0}\"><th scope=\"row\" class=\"num\">{0}</th><td>{1}</td><td>{2}</td>\
         <td class=\"id\">{3}</td>",
        row.row,
        or_dash(&row.reference),
        code(&row.address),
        or_dash(&row.chain)
    )
}

fn errors(page: &mut String, held: &[&ResultRow]) {
    if held.is_empty() {
        return;
    }
    page.push_str(
        "<p>These rows could not be asked. Nothing is known of their addresses: mend the input and \
         screen them again.</p>\n<div class=\"wide\"><table class=\"rows\">\n<caption>Rows in error</caption>\n",
    );
    page.push_str(&heading(&["#Row", "Reference", "Address", "Chain", "Error"]));
    page.push_str("<tbody>\n");
    for row in held {
        page.push_str(&format!(
            "{}<td class=\"said\">{}</td></tr>\n",
            row_of_table(row),
            or_dash(&row.reason)
        ));
    }
    page.push_str("</tbody>\n</table></div>\n");
}

/// Every shown row in a line, which leads to the whole of it.
fn overview(page: &mut String, decision: RowDecision, held: &[&ResultRow]) {
    page.push_str(&format!(
        "<div class=\"wide\"><table class=\"overview fine\">\n<caption>{decision} at a glance</caption>\n"
    ));
    let columns = ["#Row", "Reference", "Address", "#Score", "Level", "#Hops", "Party", "Rule"];
    page.push_str(&heading(&columns));
    page.push_str("<tbody>\n");
    for row in held {
        page.push_str(&format!(
            "<tr><th scope=\"row\" class=\"num\"><a href=\"#row-{0}\">{0}</a></th><td>{1}</td>\
             <td>{2}</td><td class=\"num\">{3}</td><td>{4}</td><td class=\"num\">{5}</td>\
             <td>{6}</td><td class=\"id\">{7}</td></tr>\n",
            row.row,
            or_dash(&row.reference),
            code(&row.address),
            score(row),
            xml(&row.level),
            hops(row),
            or_dash(&row.party),
            or_dash(&row.rule)
        ));
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn score(row: &ResultRow) -> String {
    row.score.map_or_else(|| "-".to_owned(), |score| score.to_string())
}

fn hops(row: &ResultRow) -> String {
    row.hops.map_or_else(|| "-".to_owned(), |hops| hops.to_string())
}
