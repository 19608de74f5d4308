//! The rows that somebody has to look at: an overview, and each with its reason and drawn path.

use anyhow::{Context, Result, ensure};

use super::words::{code, explained, heading, or_dash, outside, rows};
use crate::cli::batch::row::{ResultRow, RowDecision};
use crate::cli::render::page::xml;
use crate::cli::render::{paths::html, words};
use crate::cli::report::gathered::{Gathered, Shown};
use crate::domain::digits::grouped;
use crate::exposure::MAX_HOPS;
use crate::grpc::v1;

/// Columns of addresses side by side in a drawing, as many as can be read on A4.
const COLUMNS: usize = 3;

/// The longest address, transaction, chain, asset or amount of a path, in bytes.
const LONGEST: usize = 1_024;

/// The longest name that is drawn.
const LONGEST_NAME: usize = 320;

/// The section of the rows of one decision.
///
/// # Errors
/// Where a path cannot be read.
pub fn section(
    page: &mut String,
    decision: RowDecision,
    shown: &Shown,
    result: &str,
    has_evidence: bool,
) -> Result<()> {
    let id = decision.as_str().to_lowercase();
    page.push_str(&format!(
        "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n<h2 id=\"h-{id}\">{decision}: {}</h2>\n",
        rows(shown.all)
    ));
    let held = shown.rows();
    more(page, (decision.as_str(), decision), shown, &held, result);
    match decision {
        RowDecision::Error => errors(page, &held),
        RowDecision::Allow | RowDecision::Review | RowDecision::Block => {
            if !held.is_empty() {
                overview(page, decision, &held);
            }
            for row in held {
                case(page, row, has_evidence).with_context(|| format!("row {}", row.row))?;
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
    shown: &Shown,
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
         <h2 id=\"h-review-data\">REVIEW only because of the data: {}</h2>\n",
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
             <div class=\"wide\"><table class=\"fine\">\n<caption>Rows to screen again</caption>\n",
        );
        page.push_str(&heading(&["#Row", "Reference", "Address", "Chain", "#Score", "Why"]));
        page.push_str("<tbody>\n");
        for row in held {
            page.push_str(&format!(
                "{}<td class=\"num\">{}</td><td class=\"said\">{}</td></tr>\n",
                row_of_table(row),
                score(row),
                or_dash(&reasons(row))
            ));
        }
        page.push_str("</tbody>\n</table></div>\n");
    }
    page.push_str("</section>\n");
}

/// `LIST_STALE us-ofac-sdn, NARROWED`
fn reasons(row: &ResultRow) -> String {
    let reason = |(code, list): (&str, &str)| format!("{code} {list}").trim_end().to_owned();
    row.incomplete().map(reason).collect::<Vec<_>>().join(", ")
}

/// The first cells of a row that is shown in a table alone: what was asked.
fn row_of_table(row: &ResultRow) -> String {
    format!(
        "<tr id=\"row-{0}\"><th scope=\"row\" class=\"num\">{0}</th><td>{1}</td><td>{2}</td>\
         <td>{3}</td>",
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
         screen them again.</p>\n<div class=\"wide\"><table>\n<caption>Rows in error</caption>\n",
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

/// One row in full.
fn case(page: &mut String, row: &ResultRow, has_evidence: bool) -> Result<()> {
    let class = row.decision.as_str().to_lowercase();
    page.push_str(&format!(
        "<article class=\"c-{class}\" id=\"row-{0}\" aria-labelledby=\"h-{0}\">\n\
         <h3 id=\"h-{0}\">Row {0}: {1}</h3>\n\
         <p class=\"verdict\"><strong class=\"tag t-{class}\">{2}</strong> · score {3} · {4} · rule {5}</p>\n",
        row.row,
        code(&row.address),
        row.decision,
        score(row),
        outside(&row.level),
        or_dash(&row.rule)
    ));
    page.push_str(&format!("<p class=\"reason\">{}</p>\n", or_dash(&row.reason)));
    about(page, row);
    drawn(page, row, has_evidence)?;
    page.push_str("</article>\n");
    Ok(())
}

/// What the row says, column by column.
fn about(page: &mut String, row: &ResultRow) {
    let kind = if row.list_kind.is_empty() {
        String::new()
    } else {
        format!(" ({})", outside(&row.list_kind))
    };
    let hops = match row.hops {
        Some(0) => "0 (listed itself)".to_owned(),
        _ => hops(row),
    };
    let timing = match row.timing.as_str() {
        "BEFORE" => "BEFORE the listing".to_owned(),
        "AFTER" => "AFTER the listing".to_owned(),
        "UNKNOWN" => "perhaps AFTER the listing".to_owned(),
        other => or_dash(other),
    };
    let basis = v1::ListedOnBasis::from_str_name(&format!("LISTED_ON_BASIS_{}", row.timing_basis));
    let timing = match basis {
        Some(basis) => format!("{timing}, {}", words::timing_basis(basis)),
        None => timing,
    };
    let share = row.share.map_or_else(|| "-".to_owned(), |share| format!("{share} %"));
    let about = [
        ("Reference", or_dash(&row.reference), true),
        ("Party", or_dash(&row.party), true),
        ("Listed address", code(&row.listed_address), true),
        ("List", format!("{}{kind}", or_dash(&row.list)), false),
        ("Finding", or_dash(&row.finding), false),
        ("Hops", hops, false),
        ("Timing", timing, false),
        ("Direct share", share, false),
        ("Status", or_dash(&row.status), false),
        ("Transfers", or_dash(&row.coverage), false),
        ("Chain asked", or_dash(&row.chain), false),
        ("Snapshot", code(&row.snapshot), false),
        ("Screened", outside(&row.evaluated_at), false),
        ("Policy", outside(&row.policy), true),
    ];
    page.push_str("<dl class=\"about\">\n");
    for (name, value, whole) in about {
        let class = if whole { " class=\"all\"" } else { "" };
        page.push_str(&format!("<dt>{name}</dt><dd{class}>{value}</dd>\n"));
    }
    page.push_str("</dl>\n");
}

/// The path of funds, or why there is none.
fn drawn(page: &mut String, row: &ResultRow, has_evidence: bool) -> Result<()> {
    if row.path.is_empty() {
        let why = match row.hops {
            _ if !has_evidence => "No path is drawn: the batch was run without --evidence.",
            Some(0) => "No path: the address is listed itself.",
            None if row.finding.is_empty() => "No path: no tie with a listed address was found.",
            _ => "No path came with this answer.",
        };
        page.push_str(&format!("<p class=\"dim\">{why}</p>\n"));
        return Ok(());
    }
    bounded("an address", &row.address).context("column address")?;
    let path = path(&row.path).context("column path")?;
    let hops = crate::cli::render::words::count(path.hops.len(), "hop", "hops");
    page.push_str(&format!("<details open><summary>Path of funds, {hops}</summary>\n"));
    page.push_str(&html::evidence(&row.address, &path, COLUMNS));
    page.push_str("</details>\n");
    Ok(())
}

/// Holds a text that is drawn whole to its bound.
fn bounded(what: &str, text: &str) -> Result<()> {
    ensure!(text.len() <= LONGEST, "{what} of {} bytes, of at most {LONGEST}", text.len());
    Ok(())
}

/// A path as it stands in a result, of a size that can be drawn.
fn path(json: &str) -> Result<v1::ExposurePath> {
    let mut path: v1::ExposurePath = serde_json::from_str(json)?;
    let hops = path.hops.len();
    ensure!((1..=usize::from(MAX_HOPS)).contains(&hops), "{hops} hops, of 1 to {MAX_HOPS}");
    for hop in &path.hops {
        for end in [&hop.from, &hop.to].into_iter().flatten() {
            bounded("an address", &end.address)?;
        }
        bounded("a transaction", &hop.tx)?;
        bounded("a chain", &hop.chain)?;
        bounded("an asset", &hop.asset)?;
        bounded("a symbol", &hop.symbol)?;
        bounded("an amount", &hop.amount)?;
    }
    if let Some(listing) = &mut path.listing {
        bounded("a listed address", &listing.canonical_address)?;
        bounded("a list", &listing.list_id)?;
        bounded("a date", &listing.listed_on)?;
        if let Some(party) = &mut listing.party {
            party.name = crate::cli::render::paths::shortened(&party.name, LONGEST_NAME);
        }
    }
    Ok(path)
}
