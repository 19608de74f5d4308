//! One case in full: the decision with its reason, the listing, the tie with it, the path of funds, and
//! room to sign.

use anyhow::{Context, Result, ensure};

use super::words::{code, or_dash, outside, reasons, sentence, values};
use super::{Report, sign};
use crate::cli::batch::earlier;
use crate::cli::batch::row::{BESIDE, CHAIN, PATH, ResultRow, split_values};
use crate::cli::render::paths::{Amount, ESTIMATE, html};
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

/// Adds one row in full.
///
/// # Errors
/// Where its path cannot be read.
pub fn case(page: &mut String, row: &ResultRow, report: &Report<'_>) -> Result<()> {
    let class = row.decision.as_str().to_lowercase();
    let path = match row.path.as_str() {
        "" => None,
        json => {
            bounded("an address", &row.address).context("column address")?;
            Some(path(json).context("column path")?)
        }
    };
    page.push_str(&format!(
        "<article class=\"c-{class}\" id=\"row-{0}\" aria-labelledby=\"h-{0}\">\n\
         <h3 id=\"h-{0}\">Row {0}: {1}</h3>\n\
         <p class=\"verdict\"><strong class=\"tag t-{class}\">{2}</strong> · score {3} · {4} · rule {5}</p>\n",
        row.row,
        code(&row.address),
        row.decision,
        row.score.map_or_else(|| "-".to_owned(), |score| score.to_string()),
        outside(&row.level),
        or_dash(&row.rule)
    ));
    if !row.sentence().is_empty() {
        page.push_str(&format!("<p class=\"reason\">{}</p>\n", sentence(row.sentence())));
    }
    listing(page, row, report);
    tie(page, row, path.as_ref());
    answer(page, row);
    drawn(page, row, path.as_ref(), report.has_evidence());
    sign::lines(page);
    page.push_str("</article>\n");
    Ok(())
}

/// Facts of a case, by name and value; two share a line.
struct Facts<'p> {
    page: &'p mut String,
}

impl<'p> Facts<'p> {
    /// Begins a group; [`Facts::finish`] ends it.
    fn new(page: &'p mut String) -> Self {
        page.push_str("<dl class=\"about\">\n");
        Self { page }
    }

    fn add(&mut self, name: &str, value: &str) {
        self.page.push_str(&format!("<dt>{name}</dt><dd>{value}</dd>\n"));
    }

    /// Adds a fact with a line of its own.
    fn add_whole(&mut self, name: &str, value: &str) {
        self.page
            .push_str(&format!("<dt class=\"own\">{name}</dt><dd class=\"all\">{value}</dd>\n"));
    }

    fn finish(self) {
        self.page.push_str("</dl>\n");
    }
}

/// Who is listed, where, and since when; nothing where nothing was found.
fn listing(page: &mut String, row: &ResultRow, report: &Report<'_>) {
    if row.list.is_empty() && row.party.is_empty() {
        return;
    }
    let mut facts = Facts::new(page);
    let party =
        if row.party.is_empty() { "no party named".to_owned() } else { outside(&row.party) };
    facts.add_whole("Party", &format!("<strong>{party}</strong>"));
    let names = split_values(&row.aliases);
    if !names.is_empty() {
        facts.add_whole("Also known as", &aliases(&names));
    }
    let programs = split_values(&row.programs);
    if !programs.is_empty() {
        facts.add_whole("Programs", &values(&programs, MOST_PROGRAMS));
    }
    let kind = if row.list_kind.is_empty() {
        String::new()
    } else {
        format!(", {}", outside(&row.list_kind))
    };
    let list = match report.list_name(row) {
        Some(name) => format!("{} ({}{kind})", outside(name), outside(&row.list)),
        None => format!("{}{kind}", or_dash(&row.list)),
    };
    facts.add_whole("List", &list);
    facts.add_whole("Listed address", &code(&row.listed_address));
    let basis =
        v1::ListedOnBasis::from_str_name(&format!("LISTED_ON_BASIS_{}", row.listed_on_basis));
    let listed_on = match (row.listed_on.as_str(), basis) {
        ("", None) => "the result does not say".to_owned(),
        ("", Some(basis)) => format!("unknown: {}", words::basis(basis)),
        (day, Some(basis)) => format!("{}: {}", outside(day), words::basis(basis)),
        (day, None) => outside(day),
    };
    facts.add_whole("Listed on", &listed_on);
    facts.finish();
}

/// Other names: the first ones, and the rest folded.
fn aliases(names: &[String]) -> String {
    if names.len() <= OPEN_ALIASES {
        return values(names, OPEN_ALIASES);
    }
    let (first, rest) = names.split_at(OPEN_ALIASES);
    format!(
        "{}<details><summary>and {} more</summary>{}</details>",
        values(first, OPEN_ALIASES),
        rest.len(),
        values(rest, MOST_ALIASES)
    )
}

/// How the address is tied to the listing.
fn tie(page: &mut String, row: &ResultRow, path: Option<&v1::ExposurePath>) {
    let mut facts = Facts::new(page);
    facts.add("Finding", &or_none(&row.finding));
    match row.hops {
        None => {}
        Some(0) if is_joined(row) => facts.add("Hops", "0 (joined)"),
        Some(0) => facts.add("Hops", "0 (listed itself)"),
        Some(hops) => facts.add("Hops", &hops.to_string()),
    }
    if !row.timing.is_empty() {
        facts.add_whole("Timing", &timing(row));
    }
    if let Some(share) = row.share {
        facts.add_whole("Direct share", &format!("{share} % of one asset"));
    }
    if let Some(transfers) = row.unvalued_direct {
        let transfers = words::count(transfers as usize, "transfer", "transfers");
        facts.add_whole(
            "Not scored",
            &format!("{transfers} of assets without a known value, directly with listed addresses"),
        );
    }
    if let Some(how) = by_common_input(row) {
        facts.add_whole("By common input (an estimate)", &how);
    }
    let cut = split_values(&row.cluster_cut);
    if !cut.is_empty() {
        let listed = values(&cut, MOST_CUT);
        facts.add_whole(
            "Not scored",
            &format!(
                "Its cluster by common input (an estimate) holds {listed}, but is larger than the limit"
            ),
        );
    }
    if let Some(path) = path.filter(|path| !path.hops.is_empty()) {
        let amounts = path.hops.iter().map(|hop| outside(&Amount::from(hop).exact()));
        let amounts = amounts.collect::<Vec<_>>().join(", then ");
        facts.add_whole("Amounts moved", &amounts);
    }
    facts.finish();
}

/// Whether the address is joined with the listed one that decided, and not listed itself.
fn is_joined(row: &ResultRow) -> bool {
    matches!(row.common_input.as_str(), BESIDE | CHAIN)
}

/// How the finding that decided rests on common input; `None` where it does not.
fn by_common_input(row: &ResultRow) -> Option<String> {
    Some(match row.common_input.as_str() {
        "" => return None,
        BESIDE => "it and a listed address are inputs of one transaction".to_owned(),
        CHAIN => "joined with the listed address over a chain of transactions".to_owned(),
        PATH => {
            "the path begins or ends at an address that is joined with the listed one".to_owned()
        }
        other => outside(other),
    })
}

fn or_none(finding: &str) -> String {
    if finding.is_empty() { "none".to_owned() } else { outside(finding) }
}

fn timing(row: &ResultRow) -> String {
    let timing = match row.timing.as_str() {
        "BEFORE" => "BEFORE the listing".to_owned(),
        "AFTER" => "AFTER the listing".to_owned(),
        "UNKNOWN" => "perhaps AFTER the listing".to_owned(),
        other => outside(other),
    };
    let basis = v1::ListedOnBasis::from_str_name(&format!("LISTED_ON_BASIS_{}", row.timing_basis));
    match basis {
        Some(basis) => format!("{timing}, {}", words::timing_basis(basis)),
        None => timing,
    }
}

/// What was asked, and what the answer rests on.
fn answer(page: &mut String, row: &ResultRow) {
    let mut facts = Facts::new(page);
    if row.status == "INCOMPLETE" {
        facts.add_whole("Status", &format!("INCOMPLETE: {}", reasons(row)));
    } else {
        facts.add("Status", &or_dash(&row.status));
    }
    let transfers = match row.coverage.as_str() {
        "COVERED" => "loaded without gaps".to_owned(),
        "NOT_COVERED" => "not loaded without gaps".to_owned(),
        other => or_dash(other),
    };
    facts.add("Transfers", &transfers);
    if let Some(hops) = row.exposure_hops {
        let hops = words::count(hops as usize, "hop", "hops");
        facts.add("Exposure looked for", &format!("over at most {hops}"));
    }
    if !row.chain.is_empty() {
        facts.add("Chain asked", &outside(&row.chain));
    }
    if !row.reference.is_empty() {
        facts.add("Reference", &outside(&row.reference));
    }
    facts.add("Screened", &outside(&row.evaluated_at));
    facts.add("Snapshot", &code(&row.snapshot));
    facts.add("Policy", &outside(&row.policy));
    facts.finish();
}

/// The path of funds, or why there is none.
fn drawn(page: &mut String, row: &ResultRow, path: Option<&v1::ExposurePath>, has_evidence: bool) {
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
        page.push_str(&format!("<p class=\"dim\">{why}</p>\n"));
        return;
    };
    let what = match path.hops.len() {
        0 => format!("Joined by {ESTIMATE}"),
        hops => format!("Path of funds, {}", words::count(hops, "hop", "hops")),
    };
    page.push_str(&format!("<details open><summary>{what}</summary>\n"));
    page.push_str(&html::evidence(&row.address, path, COLUMNS));
    page.push_str("</details>\n");
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
