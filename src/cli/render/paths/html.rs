//! Paths as a page to file: what was asked, the drawing, and every hop in full. Self-contained, no
//! script.

use maud::{Markup, Render, html};

use super::layout::layout;
use super::trace_subject::TraceSubject;
use super::{ESTIMATE, Link, Path, PathDiagram, all_paths, headline, legend, listing_words, svg};
use crate::cli::render::page;
use crate::cli::render::words;
use crate::grpc::v1;

/// The most columns of a drawing that is shrunk to the page; more would be too small to read.
const FIT_COLUMNS: usize = 5;

/// The look of what [`evidence`] shows, beside [`page::STYLE`] and [`svg::STYLE`].
pub const STYLE: &str = "\
.drawing{overflow-x:auto;border:1px solid var(--line);border-radius:6px}\
.drawing svg{display:block}.drawing.fit svg{max-width:100%;height:auto}\
.wide{overflow-x:auto}\
table.hops{table-layout:fixed}.hops td{overflow-wrap:anywhere}\
.hops th:nth-child(1){width:1.2rem}.hops th:nth-child(4){width:12%}.hops th:nth-child(5){width:10.5rem}\
.hops td:nth-child(5){white-space:nowrap}\
.hops th:nth-child(6){width:26%}\
.listed{color:var(--bad);font-weight:600}.asked{color:var(--good);font-weight:600}\
.stop{color:var(--doubt);font-weight:600}.joined{color:var(--bad)}\
@media screen and (max-width:44rem){.drawing.fit svg{max-width:none}.drawing.short svg{max-width:100%}\
.hops thead{display:none}.heads th,.heads td{padding:.3rem}.heads td:first-child{overflow-wrap:anywhere;min-width:8rem}\
table.hops,.hops tbody,.hops tr,.hops tr th,.hops td{display:block;border:0;padding:.1rem 0}\
.hops tr th:nth-child(n),.hops td:nth-child(n){width:auto}\
.hops tr{border-bottom:1px solid var(--line);padding:.5rem 0}\
.hops th::before{content:\"Hop \"}.hops th.join::before{content:\"\"}\
.hops tr td{padding-left:7rem}.hops td::before{content:attr(data-of);display:block;float:left;\
margin-left:-7rem;color:var(--dim)}}\
@media print{.drawing{overflow:visible;border:0;break-inside:avoid}\
.drawing svg{max-width:100%;height:auto}}";

/// The paper of a page that is all drawing.
const PAPER: &str = "@media print{@page{size:A4 landscape;margin:12mm}}";

/// What a dotted line of a drawing means.
fn joined_note() -> Markup {
    html! {
        p class="dim" {
            "A dotted line joins two addresses by common input: both are inputs of one transaction. That \
             they have one owner is an estimate, and no funds moved along such a line."
        }
    }
}

/// The page of an answer; `asked` says what was asked, as names and values.
pub fn html(
    response: &v1::TraceExposureResponse,
    standing: &TraceSubject,
    asked: &[(&str, String)],
) -> String {
    let paths = all_paths(response);
    let picture = PathDiagram::new(response, &paths);
    let subject = picture.vertices[picture.asked].address();
    let style = [page::STYLE, STYLE, svg::STYLE, PAPER].concat();
    let body = html! {
        h1 { "Paths of funds between " code { (subject) } " and listed addresses" }
        (summary(response, standing, &picture))
        @if !picture.paths.is_empty() { (drawing(&picture)) }
        @for (place, path) in picture.paths.iter().enumerate() {
            h3 { "Path " (place + 1) ": " (headline(path)) }
            p class="dim" { (listing_words(&path.message.listing.clone().unwrap_or_default())) }
            (table(&picture, path))
        }
        @if !response.stops_met.is_empty() {
            h2 { "Stops met and not passed" }
            p class="dim" {
                "Services, hubs and token contracts: paths through them are not followed."
            }
            ul {
                @for stop in &response.stops_met { li { code { (stop) } } }
            }
        }
        (facts(response, standing, asked))
    };
    page::page(&format!("Paths of funds: {subject}"), &style, &body)
}

/// All paths in one drawing, and what it shows.
fn drawing(picture: &PathDiagram<'_>) -> Markup {
    let fit = match layout(picture).columns.len() {
        0..=2 => " fit short",
        3..=FIT_COLUMNS => " fit",
        _ => "",
    };
    html! {
        h2 { "The paths in one drawing" }
        p class="dim" {
            "Funds moved from left to right. Columns count hops from the address asked about; an address \
             that stands at several distances is drawn at each. a1, a2, ... and t1, t2, ... are the \
             addresses and transactions below; BEFORE, AFTER and AFTER? (perhaps) compare the transfer \
             at the listed address with its listing. Times are UTC."
        }
        @if picture.paths.iter().any(|path| !path.links.is_empty()) { (joined_note()) }
        div class={ "drawing" (fit) } { (svg::element(picture, usize::MAX)) }
        h2 { "Every hop" }
    }
}

/// The drawing of one path of the address `asked`, at most so many columns wide, and its hops in
/// full: for a page with [`STYLE`].
pub fn evidence(asked: &str, path: &v1::ExposurePath, most_columns: usize) -> Markup {
    let picture = PathDiagram::of(asked, std::slice::from_ref(path));
    html! {
        @for path in &picture.paths {
            @let listing = path.message.listing.clone().unwrap_or_default();
            @let said = format!("{}: {}", headline(path), listing_words(&listing));
            @let short = if path.hops.len() + path.links.len() == 1 { " short" } else { "" };
            p { (capital(&said)) "." }
            div class={ "drawing fit" (short) } { (svg::element(&picture, most_columns)) }
            @if !path.links.is_empty() { (joined_note()) }
            (table(&picture, path))
        }
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn warning(text: impl Render) -> Markup {
    html! { p class="warning" { (text) "." } }
}

fn summary(
    response: &v1::TraceExposureResponse,
    standing: &TraceSubject,
    picture: &PathDiagram<'_>,
) -> Markup {
    let by_hops = picture.paths.iter().filter(|path| !path.hops.is_empty());
    let fewest = by_hops.clone().map(|path| path.hops.len()).min();
    let found = match fewest {
        None => format!("No path was found{}.", words::within(response.max_hops)),
        Some(hops) => format!(
            "{} found; the shortest has {}.",
            words::count(by_hops.count(), "path was", "paths were"),
            words::count(hops, "hop", "hops")
        ),
    };
    let joined = format!("The address is joined with a listed one by {ESTIMATE}");
    html! {
        @for listing in standing.listings() { (warning(listing)) }
        p { (found) }
        @if !response.common_inputs.is_empty() { (warning(joined)) }
        @for note in standing.notes(response) { (warning(note.trim_end_matches('.'))) }
        @if response.cut_short {
            (warning("The search was cut short: more may exist than is shown here"))
        }
    }
}

fn facts(
    response: &v1::TraceExposureResponse,
    standing: &TraceSubject,
    asked: &[(&str, String)],
) -> Markup {
    let fact = |name: &str, value: Markup| {
        html! { tr { th scope="row" { (name) } td { (value) } } }
    };
    let evaluated_at = standing.screening.evaluated_at.as_ref();
    let snapshot = standing.snapshot.as_ref();
    html! {
        h2 { "What was asked, and of what data" }
        table class="facts" {
            @for (name, value) in asked { (fact(name, html! { (value) })) }
            @if let Some(address) = &response.address {
                (fact("understood as", html! { code { (address.canonical) } }))
                (fact("chains", html! { (address.chains.join(", ")) }))
            }
            (fact("snapshot", html! { code { (words::or_dash(&response.snapshot_id)) } }))
            (fact("transfers looked at", html! { (response.transfers_examined) }))
            @if evaluated_at.is_some() {
                (fact("asked at (UTC)", html! { (words::moment(evaluated_at)) }))
            }
            @if let Some(snapshot) = snapshot {
                (fact("most hops as configured", html! { (snapshot.max_hops) }))
            }
        }
        @if let Some(snapshot) = snapshot.filter(|it| !it.transfers.is_empty()) {
            (heads(snapshot))
        }
    }
}

/// The transfers that the snapshot holds, chain by chain.
fn heads(snapshot: &v1::Snapshot) -> Markup {
    let last = |chain: &v1::SnapshotTransfers| match &chain.last_time {
        None if chain.required => "nothing loaded, though required".to_owned(),
        None => "nothing loaded".to_owned(),
        last => words::moment(last.as_ref()),
    };
    html! {
        h3 { "Transfers of the snapshot" }
        div class="wide" {
            table class="heads" {
                tr {
                    @for name in ["Chain", "Transfers", "Last block", "Last moment (UTC)", "By kind"] {
                        th scope="col" { (name) }
                    }
                }
                @for chain in &snapshot.transfers {
                    tr {
                        td { (chain.chain) }
                        td { (chain.transfers) }
                        td {
                            @if let Some(height) = chain.last_height { (height) } @else { "-" }
                        }
                        td { (last(chain)) }
                        td { (words::whole_kinds(chain)) }
                    }
                }
            }
        }
    }
}

/// The hops of a path in full.
fn table(picture: &PathDiagram<'_>, path: &Path<'_>) -> Markup {
    let is_listed_last = path.is_listed_last();
    html! {
        table class="hops" {
            thead {
                tr {
                    th scope="col" aria-label="Hop" {}
                    @for name in ["From", "To", "Amount", "Time (UTC)", "Transaction"] {
                        th scope="col" { (name) }
                    }
                }
            }
            tbody {
                @for link in path.links.iter().rev().filter(|_| !is_listed_last) {
                    (link_row(picture, link))
                }
                @for (place, step) in path.hops.iter().enumerate() {
                    tr {
                        th scope="row" { (place + 1) }
                        (hop_cells(picture, step.from, step.to, &step.amount(), &step.time()))
                        td data-of="Transaction" { (transaction(picture, step.tx, &step.place())) }
                    }
                }
                @for link in path.links.iter().filter(|_| is_listed_last) {
                    (link_row(picture, link))
                }
            }
        }
    }
}

/// A line of a transaction that joins two addresses.
fn link_row(picture: &PathDiagram<'_>, link: &Link<'_>) -> Markup {
    let amount = format!("none: joined by {ESTIMATE}");
    html! {
        tr {
            th scope="row" class="join" aria-label="joined" { "~" }
            (hop_cells(picture, link.from, link.to, &amount, &link.time()))
            td data-of="Transaction" { (transaction(picture, link.tx, &link.place())) }
        }
    }
}

fn hop_cells(
    picture: &PathDiagram<'_>,
    from: usize,
    to: usize,
    amount: &str,
    time: &str,
) -> Markup {
    html! {
        td data-of="From" { (holder(picture, from)) }
        td data-of="To" { (holder(picture, to)) }
        td data-of="Amount" { (amount) }
        td data-of="Time (UTC)" { (time) }
    }
}

fn transaction(picture: &PathDiagram<'_>, tx: Option<usize>, place: &str) -> Markup {
    html! {
        @if let Some(tx) = tx {
            "t" (tx + 1) " " code { (picture.transactions[tx]) }
        } @else {
            "not in the data"
        }
        br; span class="dim" { (place) }
    }
}

/// Every writing of a place, and what it is.
fn holder(picture: &PathDiagram<'_>, place: usize) -> Markup {
    let shown = &picture.vertices[place];
    let class = match legend::part(picture, place) {
        legend::Part::Listed => Some("listed"),
        legend::Part::Asked => Some("asked"),
        legend::Part::Joined => Some("joined"),
        legend::Part::Stop => Some("stop"),
        legend::Part::Passed => None,
    };
    html! {
        "a" (place + 1) " "
        @for (at, address) in shown.addresses.iter().enumerate() {
            @if at > 0 { br; }
            code { (address) }
        }
        @if let Some(class) = class {
            br; span class=(class) { (legend::marks(picture, place)) } " "
            (shown.listed.as_deref().unwrap_or_default())
        }
    }
}
