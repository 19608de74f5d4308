//! What a result rests on: the files with their digests, the program, policies, and every snapshot
//! with the versions of its lists and transfers.

use std::collections::BTreeMap;
use std::path::Path;

use super::words::{code, heading, or_dash, outside, rows};
use super::{Report, UP};
use crate::cli::batch::row::RowDecision;
use crate::cli::batch::summary::Summary;
use crate::cli::batch::text::input_read;
use crate::cli::render::{snapshot, words};
use crate::cli::report::gathered::Gathered;
use crate::cli::text::Style;
use crate::domain::digits::grouped;
use crate::grpc::v1;

/// The line at the head of a report: what was screened, when, and the digest of the result.
pub fn brief(page: &mut String, report: &Report<'_>) {
    let day = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%d").to_string();
    let screened = match report.gathered.evaluated {
        None => String::new(),
        Some((first, last)) if day(first) == day(last) => format!("Screened on {}. ", day(first)),
        Some((first, last)) => format!("Screened from {} to {}. ", day(first), day(last)),
    };
    let digest: String = report.result.sha256.chars().take(16).collect();
    page.push_str(&format!(
        "<p class=\"dim\">{screened}Report made on {} of the result {}, SHA-256 <code>{}</code>… Days \
         are UTC; <a href=\"#basis\">Provenance</a> has all in full.</p>\n",
        day(report.made_at),
        code(&report.result.name),
        digest,
    ));
}

/// The facts of a report.
fn facts(page: &mut String, report: &Report<'_>) {
    page.push_str("<table class=\"facts\">\n<caption>What is reported</caption>\n<tbody>\n");
    let mut fact = |name: &str, value: &str| {
        page.push_str(&format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
    };
    let moment = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if let Some((first, last)) = report.gathered.evaluated {
        let (first, last) = (moment(first), moment(last));
        let screened = if first == last { first } else { format!("{first} to {last}") };
        fact("Screened (UTC)", &screened);
    }
    fact("Report made (UTC)", &moment(report.made_at));
    if let Some(beside) = &report.beside {
        let Summary { input, started_at, finished_at, .. } = beside.summary;
        fact("Input", &code(input));
        if let Some(read) = &beside.summary.read {
            fact("Read of it", &input_read(read));
        }
        fact("Batch ran", &format!("{} to {}", or_dash(started_at), or_dash(finished_at)));
    }
    let file = |file: &super::File| {
        format!("{}<br><span class=\"dim\">SHA-256</span> {}", code(&file.name), code(&file.sha256))
    };
    let mut result = file(report.result);
    let written = report.beside.as_ref().map(|beside| &beside.summary.result);
    let renamed = |written: &&String| !Path::new(written).ends_with(&report.result.name);
    if let Some(written) = written.filter(renamed) {
        result.push_str(&format!("<br>written as {}", code(written)));
    }
    fact("Result", &result);
    match &report.beside {
        Some(beside) => fact("Summary", &file(beside.file)),
        None => fact("Summary", "none"),
    }
    fact("Rows", &grouped(report.gathered.counts.rows));
    if let Some(unvalued) = unvalued(report.gathered) {
        fact("Not scored", &unvalued);
    }
    if let Some(cut) = cluster_cut(report.gathered) {
        fact("Not scored", &cut);
    }
    fact("Paths", if report.has_evidence() { "with evidence" } else { "without --evidence" });
    if let Some(options) = report.beside.as_ref().and_then(|beside| options(beside.summary)) {
        fact("Narrowed or dated", &options);
    }
    let mut engines: Vec<&str> =
        report.snapshots().iter().map(|snapshot| snapshot.engine_version.as_str()).collect();
    engines.dedup();
    if !engines.is_empty() {
        fact(
            "Screened by",
            &engines
                .iter()
                .map(|it| format!("Lazaretto {}", outside(it)))
                .collect::<Vec<_>>()
                .join("<br>"),
        );
    }
    fact("Report made by", concat!("Lazaretto ", env!("CARGO_PKG_VERSION")));
    fact("Policy", &policies(report));
    page.push_str("</tbody>\n</table>\n");
}

/// Which rows dealt directly with listed addresses in assets without a known value; `None` where none
/// did.
fn unvalued(gathered: &Gathered) -> Option<String> {
    let all = by_decision(&gathered.counts.unvalued_direct)?;
    Some(format!(
        "{all} with transfers of assets without a known value, directly with listed \
         addresses: anybody can forge the events of a token. Column <code>unvalued_direct</code> has \
         the numbers."
    ))
}

/// Which rows' clusters hold a listed address and are cut; `None` where none are.
fn cluster_cut(gathered: &Gathered) -> Option<String> {
    let all = by_decision(&gathered.counts.cluster_cut)?;
    Some(format!(
        "{all} whose cluster by common input (an estimate) holds a listed address, but is larger than the \
         limit. Column <code>cluster_cut</code> has the listed addresses."
    ))
}

/// `3 rows (ALLOW 2, REVIEW 1)`; `None` of none.
fn by_decision(counts: &BTreeMap<RowDecision, u64>) -> Option<String> {
    let each = counts.iter().map(|(decision, rows)| format!("{decision} {}", grouped(*rows)));
    let each = each.collect::<Vec<_>>().join(", ");
    let all = counts.values().sum::<u64>();
    (all > 0).then(|| format!("{} ({each})", rows(all)))
}

/// What narrowed or dated the screenings; `None` where nothing did.
fn options(summary: &Summary) -> Option<String> {
    let options = &summary.options;
    let mut said = Vec::new();
    if !options.lists.is_empty() {
        said.push(format!("only the lists {}", outside(&options.lists.join(", "))));
    }
    if options.as_of.is_some() {
        said.push(format!("as of {}", words::moment(options.as_of.as_ref())));
    }
    if options.max_hops > 0 {
        said.push(format!(
            "at most {} asked for",
            words::count(options.max_hops as usize, "hop", "hops")
        ));
    }
    if !summary.chain.is_empty() {
        said.push(format!("rows without a chain on {}", outside(&summary.chain)));
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// Every policy that rows name, with its digest.
fn policies(report: &Report<'_>) -> String {
    let mut versions: Vec<&str> =
        report.gathered.bases.keys().map(|(_, policy)| policy.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let shown = versions.iter().map(|version| {
        let digest = report.snapshots().iter().find(|snapshot| snapshot.policy_version == *version);
        match digest.map(|snapshot| snapshot.policy_digest.as_str()) {
            None | Some("") => or_dash(version),
            Some(digest) => {
                format!(
                    "{}<br><span class=\"dim\">SHA-256</span> {}",
                    outside(version),
                    code(digest)
                )
            }
        }
    });
    match shown.collect::<Vec<_>>().join("<br>") {
        none if none.is_empty() => "-".to_owned(),
        shown => shown,
    }
}

/// The section on what the report rests on: the facts, and every snapshot in full.
pub fn provenance(page: &mut String, report: &Report<'_>) {
    page.push_str(&format!(
        "<section id=\"basis\" aria-labelledby=\"h-basis\">\n\
         <h2 id=\"h-basis\">Provenance{UP}</h2>\n"
    ));
    facts(page, report);
    if report.snapshots().is_empty() {
        page.push_str("<p>The versions are not known: the result has no summary. The rows name ");
        let ids: Vec<_> = report.gathered.bases.keys().map(|(id, _)| code(id)).collect();
        page.push_str(&format!(
            "{}; <code>lazaretto snapshot ID</code> tells what a snapshot stands for.</p>\n",
            if ids.is_empty() { "no snapshot".to_owned() } else { ids.join(", ") }
        ));
    }
    for snapshot in report.snapshots() {
        one(page, snapshot, report.gathered);
    }
    page.push_str("</section>\n");
}

fn one(page: &mut String, snapshot: &v1::Snapshot, gathered: &Gathered) {
    let used = gathered.bases.iter().filter(|((id, _), _)| *id == snapshot.id);
    page.push_str(&format!(
        "<h3>Snapshot {}</h3>\n<p>{} on it; program {}, policy {}; exposure over at most {}, of {} \
         stored transfers.</p>\n",
        code(&snapshot.id),
        match used.map(|(_, rows)| rows).sum::<u64>() {
            1 => "1 row rests".to_owned(),
            count => format!("{} rest", rows(count)),
        },
        or_dash(&snapshot.engine_version),
        or_dash(&snapshot.policy_version),
        words::count(snapshot.max_hops as usize, "hop", "hops"),
        grouped(snapshot.labelled_rows)
    ));
    if !snapshot.exposure_settings_digest.is_empty() {
        page.push_str(&format!(
            "<p class=\"dim\">Settings of exposure, SHA-256: {}</p>\n",
            code(&snapshot.exposure_settings_digest)
        ));
    }
    if snapshot.stale_allowed {
        page.push_str(
            "<p class=\"warning\">Stale lists could give ALLOW: a trial setting, never to decide \
             by.</p>\n",
        );
    }
    for missing in &snapshot.missing_lists {
        page.push_str(&format!(
            "<p class=\"warning\">{} is required and was not loaded.</p>\n",
            code(missing)
        ));
    }
    lists(page, snapshot);
    transfers(page, snapshot);
}

fn lists(page: &mut String, snapshot: &v1::Snapshot) {
    if snapshot.lists.is_empty() {
        page.push_str("<p class=\"warning\">No list was loaded.</p>\n");
        return;
    }
    page.push_str("<div class=\"wide\"><table class=\"fine\">\n<caption>Lists</caption>\n");
    page.push_str(&heading(&["List", "Kind", "#Version", "Published", "Age then", "SHA-256"]));
    page.push_str("<tbody>\n");
    for list in &snapshot.lists {
        let required = if list.required { ", required" } else { "" };
        page.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}{required}</td><td class=\"num\">{}</td>\
             <td class=\"day\">{}</td><td>{}</td><td>{}</td></tr>\n",
            list_named(list),
            words::kind(list.kind()),
            words::version(list.number_on_list, list.version),
            or_dash(&list.published_on),
            outside(&snapshot::age(list, Style::PLAIN)),
            code(&list.digest)
        ));
    }
    page.push_str("</tbody>\n</table></div>\n");
}

/// A list by its name for people and its id; by the id alone where it has no other name.
fn list_named(list: &v1::SnapshotList) -> String {
    let id = or_dash(&list.list_id);
    if list.name.is_empty() || list.name == list.list_id {
        id
    } else {
        format!("{}<br><span class=\"dim\">{id}</span>", outside(&list.name))
    }
}

fn transfers(page: &mut String, snapshot: &v1::Snapshot) {
    if snapshot.transfers.is_empty() {
        page.push_str("<p>No transfers were loaded: only listings were looked for.</p>\n");
        return;
    }
    page.push_str(
        "<div class=\"wide\"><table class=\"fine\">\n<caption>Transfers by chain</caption>\n",
    );
    page.push_str(&heading(&[
        "Chain",
        "#Transfers",
        "#Last block",
        "Last moment (UTC)",
        "Age then",
        "By kind",
    ]));
    page.push_str("<tbody>\n");
    for chain in &snapshot.transfers {
        let required = if chain.required { ", required" } else { "" };
        let last = match &chain.last_time {
            None => "nothing loaded".to_owned(),
            last => words::moment(last.as_ref()),
        };
        let stale = matches!((chain.age_seconds, chain.max_age_seconds),
            (Some(age), Some(limit)) if age > limit);
        let age = match (&chain.last_time, chain.age_seconds) {
            (None, _) | (_, None) => "-".to_owned(),
            (_, age) => words::age(age, chain.max_age_seconds, stale),
        };
        page.push_str(&format!(
            "<tr><th scope=\"row\">{}{required}</th><td class=\"num\">{}</td>\
             <td class=\"num\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            or_dash(&chain.chain),
            grouped(chain.transfers),
            chain.last_height.map_or_else(|| "-".to_owned(), grouped),
            outside(&last),
            outside(&age),
            outside(&words::whole_kinds(chain))
        ));
    }
    page.push_str("</tbody>\n</table></div>\n");
}
