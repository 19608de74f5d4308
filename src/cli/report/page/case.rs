//! One case in full: the decision with its reason, the listing, the tie with it, the path of funds, and
//! room to sign.

use anyhow::{Context, Result, ensure};
use maud::{Markup, Render, html};

use super::words::{code, joined, or_dash, or_dash_of, outside, reasons, sentence, values};
use super::{Report, sign};
use crate::cli::batch::cells::{BESIDE, CHAIN, PATH, split_values};
use crate::cli::batch::columns::ResultRow;
use crate::cli::batch::earlier;
use crate::cli::render::paths::{Amount, ESTIMATE, html as paths_html};
use crate::cli::render::words;
use crate::exposure::MAX_HOPS;
use crate::grpc::v1;

/// Columns of addresses side by side in a drawing, as many as can be read on A4.
const COLUMNS: usize = 3;

/// The longest address, transaction, chain, asset or amount of a path, in bytes.
const LONGEST: usize = 1_024;

/// The longest name that is drawn.
const LONGEST_NAME: usize = 320;

/// The most other names of a party that stand open; more are folded.
const OPEN_ALIASES: usize = 4;

/// The most other names of a party that are shown at all.
const MOST_ALIASES: usize = 100;

/// The most transactions of a chain by common input that are drawn.
const MOST_JOINS: usize = 24;

/// The most listed addresses of clusters that are cut that are shown.
const MOST_CUT: usize = 10;

/// The most programs of a party that are shown.
const MOST_PROGRAMS: usize = 20;

/// One row in full.
///
/// # Errors
/// Where its path cannot be read.
pub fn case(row: &ResultRow, report: &Report<'_>) -> Result<Markup> {
    let class = row.decision.as_str().to_lowercase();
    let number = row.row;
    let path = match row.path.as_str() {
        "" => None,
        json => {
            bounded("an address", &row.address).context("column address")?;
            Some(path(json).context("column path")?)
        }
    };
    Ok(html! {
        article class={ "c-" (class) } id={ "row-" (number) } aria-labelledby={ "h-" (number) } {
            h3 id={ "h-" (number) } { "Row " (number) ": " (code(&row.address)) }
            p class="verdict" {
                strong class={ "tag t-" (class) } { (row.decision) }
                " · score " (or_dash_of(row.score)) " · " (outside(&row.level))
                " · rule " (or_dash(&row.rule))
            }
            @if !row.sentence().is_empty() { p class="reason" { (sentence(row.sentence())) } }
            (listing(row, report))
            (tie(row, path.as_ref()))
            (answer(row))
            (drawn(row, path.as_ref(), report.has_evidence()))
            (sign::lines())
        }
    })
}

/// A fact of a case; two share a line.
fn fact(name: &str, value: impl Render) -> Markup {
    html! { dt { (name) } dd { (value) } }
}

/// A fact with a line of its own.
fn whole_fact(name: &str, value: impl Render) -> Markup {
    html! { dt class="own" { (name) } dd class="all" { (value) } }
}

/// Who is listed, where, and since when; nothing where nothing was found.
fn listing(row: &ResultRow, report: &Report<'_>) -> Markup {
    if row.list.is_empty() && row.party.is_empty() {
        return html! {};
    }
    let (names, programs) = (split_values(&row.aliases), split_values(&row.programs));
    let kind = html! { @if !row.list_kind.is_empty() { ", " (outside(&row.list_kind)) } };
    let list = match report.list_name(row) {
        Some(name) => html! { (outside(name)) " (" (outside(&row.list)) (kind) ")" },
        None => html! { (or_dash(&row.list)) (kind) },
    };
    let basis =
        v1::ListedOnBasis::from_str_name(&format!("LISTED_ON_BASIS_{}", row.listed_on_basis));
    let listed_on = match (row.listed_on.as_str(), basis) {
        ("", None) => html! { "the result does not say" },
        ("", Some(basis)) => html! { "unknown: " (words::basis(basis)) },
        (day, Some(basis)) => html! { (outside(day)) ": " (words::basis(basis)) },
        (day, None) => outside(day),
    };
    html! {
        dl class="about" {
            (whole_fact("Party", html! {
                strong {
                    @if row.party.is_empty() { "no party named" } @else { (outside(&row.party)) }
                }
            }))
            @if !names.is_empty() { (whole_fact("Also known as", aliases(&names))) }
            @if !programs.is_empty() {
                (whole_fact("Programs", values(&programs, MOST_PROGRAMS)))
            }
            (whole_fact("List", list))
            (whole_fact("Listed address", code(&row.listed_address)))
            (whole_fact("Listed on", listed_on))
        }
    }
}

/// Other names: the first ones, and the rest folded.
fn aliases(names: &[String]) -> Markup {
    let (first, rest) = names.split_at(names.len().min(OPEN_ALIASES));
    html! {
        (values(first, OPEN_ALIASES))
        @if !rest.is_empty() {
            details {
                summary { "and " (rest.len()) " more" }
                (values(rest, MOST_ALIASES))
            }
        }
    }
}

/// How the address is tied to the listing.
fn tie(row: &ResultRow, path: Option<&v1::ExposurePath>) -> Markup {
    let hops = row.hops.map(|hops| match hops {
        0 if is_joined(row) => "0 (joined)".to_owned(),
        0 => "0 (listed itself)".to_owned(),
        hops => hops.to_string(),
    });
    let unvalued = row.unvalued_direct.map(|transfers| {
        let transfers = words::count(transfers as usize, "transfer", "transfers");
        format!("{transfers} of assets without a known value, directly with listed addresses")
    });
    let cut = split_values(&row.cluster_cut);
    let hops_of_path = path.map(|path| &path.hops[..]).unwrap_or_default();
    let amounts = hops_of_path.iter().map(|hop| outside(&Amount::from(hop).exact()));
    let finding = if row.finding.is_empty() {
        html! { "none" }
    } else {
        outside(&row.finding)
    };
    html! {
        dl class="about" {
            (fact("Finding", finding))
            @if let Some(hops) = hops { (fact("Hops", hops)) }
            @if !row.timing.is_empty() { (whole_fact("Timing", timing(row))) }
            @if let Some(share) = row.share {
                (whole_fact("Direct share", format_args!("{share} % of one asset")))
            }
            @if let Some(unvalued) = unvalued { (whole_fact("Not scored", unvalued)) }
            @if let Some(how) = by_common_input(row) {
                (whole_fact("By common input (an estimate)", how))
            }
            @if !cut.is_empty() {
                (whole_fact("Not scored", html! {
                    "Its cluster by common input (an estimate) holds " (values(&cut, MOST_CUT))
                    ", but is larger than the limit"
                }))
            }
            @if !hops_of_path.is_empty() {
                (whole_fact("Amounts moved", joined(amounts, ", then ")))
            }
        }
    }
}

/// Whether the address is joined with the listed one that decided, and not listed itself.
fn is_joined(row: &ResultRow) -> bool {
    matches!(row.common_input.as_str(), BESIDE | CHAIN)
}

/// How the finding that decided rests on common input; `None` where it does not.
fn by_common_input(row: &ResultRow) -> Option<Markup> {
    Some(match row.common_input.as_str() {
        "" => return None,
        BESIDE => html! { "it and a listed address are inputs of one transaction" },
        CHAIN => html! { "joined with the listed address over a chain of transactions" },
        PATH => html! {
            "the path begins or ends at an address that is joined with the listed one"
        },
        other => outside(other),
    })
}

fn timing(row: &ResultRow) -> Markup {
    let basis = v1::ListedOnBasis::from_str_name(&format!("LISTED_ON_BASIS_{}", row.timing_basis));
    html! {
        @match row.timing.as_str() {
            "BEFORE" => "BEFORE the listing",
            "AFTER" => "AFTER the listing",
            "UNKNOWN" => "perhaps AFTER the listing",
            other => (outside(other)),
        }
        @if let Some(basis) = basis { ", " (words::timing_basis(basis)) }
    }
}

/// What was asked, and what the answer rests on.
fn answer(row: &ResultRow) -> Markup {
    let transfers = match row.coverage.as_str() {
        "COVERED" => html! { "loaded without gaps" },
        "NOT_COVERED" => html! { "not loaded without gaps" },
        other => or_dash(other),
    };
    let searched = row.exposure_hops.map(|hops| words::count(hops as usize, "hop", "hops"));
    html! {
        dl class="about" {
            @if row.status == "INCOMPLETE" {
                (whole_fact("Status", html! { "INCOMPLETE: " (reasons(row)) }))
            } @else {
                (fact("Status", or_dash(&row.status)))
            }
            (fact("Transfers", transfers))
            @if let Some(hops) = searched {
                (fact("Exposure looked for", format_args!("over at most {hops}")))
            }
            @if !row.chain.is_empty() { (fact("Chain asked", outside(&row.chain))) }
            @if !row.reference.is_empty() { (fact("Reference", outside(&row.reference))) }
            (fact("Screened", outside(&row.evaluated_at)))
            (fact("Snapshot", code(&row.snapshot)))
            (fact("Policy", outside(&row.policy)))
        }
    }
}

/// The path of funds, or why there is none.
fn drawn(row: &ResultRow, path: Option<&v1::ExposurePath>, has_evidence: bool) -> Markup {
    let Some(path) = path else {
        let why = match row.hops {
            Some(0) if is_joined(row) && !has_evidence => {
                "The transactions are not drawn: the batch was run without --evidence."
            }
            Some(0) if is_joined(row) => "The transactions did not come with this answer.",
            Some(0) => "No path: the address is listed itself.",
            None if row.finding.is_empty() => "No path: no tie with a listed address was found.",
            _ if !has_evidence => "No path is drawn: the batch was run without --evidence.",
            _ => "No path came with this answer.",
        };
        return html! { p class="dim" { (why) } };
    };
    let what = match path.hops.len() {
        0 => format!("Joined by {ESTIMATE}"),
        hops => format!("Path of funds, {}", words::count(hops, "hop", "hops")),
    };
    html! {
        details open {
            summary { (what) }
            (paths_html::evidence(&row.address, path, COLUMNS))
        }
    }
}

/// Holds a text that is drawn whole to its bound.
fn bounded(what: &str, text: &str) -> Result<()> {
    ensure!(text.len() <= LONGEST, "{what} of {} bytes, of at most {LONGEST}", text.len());
    Ok(())
}

/// Holds the transactions that join a path with the listed address to their bounds. Of a very long chain
/// the ends are drawn alone, with what joins them left out.
fn joins(path: &mut v1::ExposurePath) -> Result<()> {
    let Some(chain) = &mut path.common_input_chain else { return Ok(()) };
    for join in &chain.joins {
        bounded("an address", &join.address)?;
        bounded("an address", &join.other_address)?;
        bounded("a transaction", &join.tx)?;
        bounded("a chain", &join.chain)?;
    }
    if chain.joins.len() > MOST_JOINS {
        chain.joins.clear();
        chain.cut_short = true;
    }
    Ok(())
}

/// A path as it stands in a result, of a size that can be drawn.
fn path(json: &str) -> Result<v1::ExposurePath> {
    let mut path: v1::ExposurePath = earlier::read(json)?;
    let (hops, least) = (path.hops.len(), usize::from(!path.common_input));
    let most = usize::from(MAX_HOPS);
    ensure!((least..=most).contains(&hops), "{hops} hops, of {least} to {most}");
    joins(&mut path)?;
    for hop in &path.hops {
        for end in [&hop.sender, &hop.receiver].into_iter().flatten() {
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
