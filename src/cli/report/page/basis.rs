//! What a result rests on: the files with their digests, the program, policies, and every snapshot
//! with the versions of its lists and transfers.

use std::collections::BTreeMap;
use std::path::Path;

use maud::{Markup, Render, html};

use super::words::{code, heading, joined, or_dash, or_dash_of, outside, rows, section_heading};
use super::{File, Report};
use crate::cli::batch::cells::RowDecision;
use crate::cli::batch::summary::Summary;
use crate::cli::batch::text::input_read;
use crate::cli::render::{snapshot, words};
use crate::cli::report::gathered::Gathered;
use crate::cli::text::Style;
use crate::domain::digits::grouped;
use crate::grpc::v1;

/// The line at the head of a report: what was screened, when, and the digest of the result.
pub fn brief(report: &Report<'_>) -> Markup {
    let day = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%d").to_string();
    let screened = match report.gathered.evaluated {
        None => String::new(),
        Some((first, last)) if day(first) == day(last) => format!("Screened on {}. ", day(first)),
        Some((first, last)) => format!("Screened from {} to {}. ", day(first), day(last)),
    };
    let digest: String = report.result.sha256.chars().take(16).collect();
    html! {
        p class="dim" {
            (screened) "Report made on " (day(report.made_at)) " of the result "
            (code(&report.result.name)) ", SHA-256 " code { (digest) } "… Days are UTC; "
            a href="#basis" { "Provenance" } " has all in full."
        }
    }
}

/// One fact of a report, by its name.
fn fact(name: &str, value: impl Render) -> Markup {
    html! { tr { th scope="row" { (name) } td { (value) } } }
}

/// The facts of a report.
fn facts(report: &Report<'_>) -> Markup {
    let moment = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let screened = report.gathered.evaluated.map(|(first, last)| match [first, last].map(moment) {
        [first, last] if first == last => first,
        [first, last] => format!("{first} to {last}"),
    });
    let file = |file: &File| {
        html! { (code(&file.name)) br; span class="dim" { "SHA-256" } " " (code(&file.sha256)) }
    };
    let summary = report.beside.as_ref().map(|beside| beside.summary);
    let written = summary.map(|summary| &summary.result);
    let renamed = written.filter(|written| !Path::new(written).ends_with(&report.result.name));
    let mut engines: Vec<&str> =
        report.snapshots().iter().map(|snapshot| snapshot.engine_version.as_str()).collect();
    engines.dedup();
    let engines = engines.iter().map(|engine| html! { "Lazaretto " (outside(engine)) });
    let engines = joined(engines, html! { br; });
    html! {
        table class="facts" {
            caption { "What is reported" }
            tbody {
                @if let Some(screened) = screened { (fact("Screened (UTC)", screened)) }
                (fact("Report made (UTC)", moment(report.made_at)))
                @if let Some(Summary { input, read, started_at, finished_at, .. }) = summary {
                    (fact("Input", code(input)))
                    @if let Some(read) = read { (fact("Read of it", input_read(read))) }
                    (fact("Batch ran", html! { (or_dash(started_at)) " to " (or_dash(finished_at)) }))
                }
                (fact("Result", html! {
                    (file(report.result))
                    @if let Some(written) = renamed { br; "written as " (code(written)) }
                }))
                (fact("Summary", html! {
                    @if let Some(beside) = &report.beside { (file(beside.file)) } @else { "none" }
                }))
                (fact("Rows", grouped(report.gathered.counts.rows)))
                @if let Some(unvalued) = unvalued(report.gathered) { (fact("Not scored", unvalued)) }
                @if let Some(cut) = cluster_cut(report.gathered) { (fact("Not scored", cut)) }
                (fact("Paths", if report.has_evidence() { "with evidence" } else { "without --evidence" }))
                @if let Some(options) = summary.and_then(options) { (fact("Narrowed or dated", options)) }
                @if !report.snapshots().is_empty() { (fact("Screened by", engines)) }
                (fact("Report made by", concat!("Lazaretto ", env!("CARGO_PKG_VERSION"))))
                (fact("Policy", policies(report)))
            }
        }
    }
}

/// Which rows dealt directly with listed addresses in assets without a known value; `None` where none
/// did.
fn unvalued(gathered: &Gathered) -> Option<Markup> {
    let all = by_decision(&gathered.counts.unvalued_direct)?;
    Some(html! {
        (all) " with transfers of assets without a known value, directly with listed addresses: anybody \
               can forge the events of a token. Column " code { "unvalued_direct" } " has the numbers."
    })
}

/// Which rows' clusters hold a listed address and are cut; `None` where none are.
fn cluster_cut(gathered: &Gathered) -> Option<Markup> {
    let all = by_decision(&gathered.counts.cluster_cut)?;
    Some(html! {
        (all) " whose cluster by common input (an estimate) holds a listed address, but is larger than \
               the limit. Column " code { "cluster_cut" } " has the listed addresses."
    })
}

/// `3 rows (ALLOW 2, REVIEW 1)`; `None` of none.
fn by_decision(counts: &BTreeMap<RowDecision, u64>) -> Option<String> {
    let each = counts.iter().map(|(decision, rows)| format!("{decision} {}", grouped(*rows)));
    let each = each.collect::<Vec<_>>().join(", ");
    let all = counts.values().sum::<u64>();
    (all > 0).then(|| format!("{} ({each})", rows(all)))
}

/// What narrowed or dated the screenings; `None` where nothing did.
fn options(summary: &Summary) -> Option<Markup> {
    let options = &summary.options;
    let mut said = Vec::new();
    if !options.lists.is_empty() {
        said.push(html! { "only the lists " (outside(&options.lists.join(", "))) });
    }
    if options.as_of.is_some() {
        said.push(html! { "as of " (words::moment(options.as_of.as_ref())) });
    }
    if options.max_hops > 0 {
        let hops = words::count(options.max_hops as usize, "hop", "hops");
        said.push(html! { "at most " (hops) " asked for" });
    }
    if !summary.chain.is_empty() {
        said.push(html! { "rows without a chain on " (outside(&summary.chain)) });
    }
    (!said.is_empty()).then(|| joined(said, "; "))
}

/// Every policy that rows name, with its digest.
fn policies(report: &Report<'_>) -> Markup {
    let mut versions: Vec<&str> =
        report.gathered.bases.keys().map(|(_, policy)| policy.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let policy = |version: &&str| {
        let known = report.snapshots().iter().find(|snapshot| snapshot.policy_version == *version);
        match known.map(|snapshot| snapshot.policy_digest.as_str()) {
            None | Some("") => or_dash(version),
            Some(digest) => html! {
                (outside(version)) br; span class="dim" { "SHA-256" } " " (code(digest))
            },
        }
    };
    html! {
        @if versions.is_empty() { "-" }
        (joined(versions.iter().map(policy), html! { br; }))
    }
}

/// The section on what the report rests on: the facts, and every snapshot in full.
pub fn provenance(report: &Report<'_>) -> Markup {
    let ids: Vec<_> = report.gathered.bases.keys().map(|(id, _)| code(id)).collect();
    html! {
        section id="basis" aria-labelledby="h-basis" {
            (section_heading("basis", "Provenance"))
            (facts(report))
            @if report.snapshots().is_empty() {
                p {
                    "The versions are not known: the result has no summary. The rows name "
                    @if ids.is_empty() { "no snapshot" }
                    (joined(ids, ", ")) "; " code { "lazaretto snapshot ID" }
                    " tells what a snapshot stands for."
                }
            }
            @for snapshot in report.snapshots() { (one(snapshot, report.gathered)) }
        }
    }
}

fn one(snapshot: &v1::Snapshot, gathered: &Gathered) -> Markup {
    let used = gathered.bases.iter().filter(|((id, _), _)| *id == snapshot.id);
    html! {
        h3 { "Snapshot " (code(&snapshot.id)) }
        p {
            @match used.map(|(_, rows)| rows).sum::<u64>() {
                1 => "1 row rests",
                count => { (rows(count)) " rest" }
            }
            " on it; program " (or_dash(&snapshot.engine_version))
            ", policy " (or_dash(&snapshot.policy_version)) "; exposure over at most "
            (words::count(snapshot.max_hops as usize, "hop", "hops")) ", of "
            (grouped(snapshot.labelled_rows)) " stored transfers."
        }
        @if !snapshot.exposure_settings_digest.is_empty() {
            p class="dim" {
                "Settings of exposure, SHA-256: " (code(&snapshot.exposure_settings_digest))
            }
        }
        @if snapshot.stale_allowed {
            p class="warning" {
                "Stale lists could give ALLOW: a trial setting, never to decide by."
            }
        }
        @for missing in &snapshot.missing_lists {
            p class="warning" { (code(missing)) " is required and was not loaded." }
        }
        (lists(snapshot))
        (transfers(snapshot))
    }
}

fn lists(snapshot: &v1::Snapshot) -> Markup {
    if snapshot.lists.is_empty() {
        return html! { p class="warning" { "No list was loaded." } };
    }
    html! {
        div class="wide" {
            table class="fine" {
                caption { "Lists" }
                (heading(&["List", "Kind", "#Version", "Published", "Age then", "SHA-256"]))
                tbody {
                    @for list in &snapshot.lists {
                        tr {
                            th scope="row" { (list_named(list)) }
                            td { (words::kind(list.kind())) @if list.required { ", required" } }
                            td class="num" { (words::version(list.number_on_list, list.version)) }
                            td class="day" { (or_dash(&list.published_on)) }
                            td { (outside(&snapshot::age(list, Style::PLAIN))) }
                            td { (code(&list.digest)) }
                        }
                    }
                }
            }
        }
    }
}

/// A list by its name for people and its id; by the id alone where it has no other name.
fn list_named(list: &v1::SnapshotList) -> Markup {
    let id = or_dash(&list.list_id);
    html! {
        @if list.name.is_empty() || list.name == list.list_id {
            (id)
        } @else {
            (outside(&list.name)) br; span class="dim" { (id) }
        }
    }
}

fn transfers(snapshot: &v1::Snapshot) -> Markup {
    if snapshot.transfers.is_empty() {
        return html! { p { "No transfers were loaded: only listings were looked for." } };
    }
    let columns =
        ["Chain", "#Transfers", "#Last block", "Last moment (UTC)", "Age then", "By kind"];
    html! {
        div class="wide" {
            table class="fine" {
                caption { "Transfers by chain" }
                (heading(&columns))
                tbody {
                    @for chain in &snapshot.transfers { (transfers_of(chain)) }
                }
            }
        }
    }
}

/// The transfers of one chain.
fn transfers_of(chain: &v1::SnapshotTransfers) -> Markup {
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
    html! {
        tr {
            th scope="row" { (or_dash(&chain.chain)) @if chain.required { ", required" } }
            td class="num" { (grouped(chain.transfers)) }
            td class="num" { (or_dash_of(chain.last_height.map(grouped))) }
            td { (outside(&last)) }
            td { (outside(&age)) }
            td { (outside(&words::whole_kinds(chain))) }
        }
    }
}
