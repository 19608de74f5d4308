//! Paths as a page to file: what was asked, the drawing, and every hop in full. Self-contained, no
//! script; hostile names are text in it and nothing else.

use super::layout::layout;
use super::trace_subject::TraceSubject;
use super::{ESTIMATE, Link, Path, PathDiagram, all_paths, headline, legend, listing_words, svg};
use crate::cli::render::page::{self, xml};
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

const JOINED: &str = "\
<p class=\"dim\">A dotted line joins two addresses by common input: both are inputs of one transaction. \
That they have one owner is an estimate, and no funds moved along such a line.</p>\n";

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
    let mut page = page::head(&format!("Paths of funds: {subject}"), &style);
    page.push_str(&format!(
        "<h1>Paths of funds between <code>{}</code> and listed addresses</h1>\n",
        xml(subject)
    ));
    summary(&mut page, response, standing, &picture);
    if !picture.paths.is_empty() {
        page.push_str(
            "<h2>The paths in one drawing</h2>\n<p class=\"dim\">Funds moved from left to right. \
             Columns count hops from the address asked about; an address that stands at several \
             distances is drawn at each. a1, a2, ... and t1, t2, ... are the addresses and \
             transactions below; BEFORE, AFTER and AFTER? (perhaps) compare the transfer at the \
             listed address with its listing. Times are UTC.</p>\n",
        );
        if picture.paths.iter().any(|path| !path.links.is_empty()) {
            page.push_str(JOINED);
        }
        let fit = match layout(&picture).columns.len() {
            0..=2 => " fit short",
            3..=FIT_COLUMNS => " fit",
            _ => "",
        };
        page.push_str(&format!("<div class=\"drawing{fit}\">\n"));
        page.push_str(&svg::element(&picture, usize::MAX));
        page.push_str("</div>\n<h2>Every hop</h2>\n");
    }
    for (place, path) in picture.paths.iter().enumerate() {
        hops(&mut page, &picture, place + 1, path);
    }
    if !response.stops_met.is_empty() {
        page.push_str(
            "<h2>Stops met and not passed</h2>\n<p class=\"dim\">Services, hubs and token \
             contracts: paths through them are not followed.</p>\n<ul>\n",
        );
        for stop in &response.stops_met {
            page.push_str(&format!("<li><code>{}</code></li>\n", xml(stop)));
        }
        page.push_str("</ul>\n");
    }
    facts(&mut page, response, standing, asked);
    page.push_str(page::FOOT);
    page
}

/// The drawing of one path of the address `asked`, at most so many columns wide, and its hops in
/// full: for a page with [`STYLE`].
pub fn evidence(asked: &str, path: &v1::ExposurePath, most_columns: usize) -> String {
    let picture = PathDiagram::of(asked, std::slice::from_ref(path));
    let mut page = String::new();
    for path in &picture.paths {
        let listing = path.message.listing.clone().unwrap_or_default();
        let said = format!("{}: {}", headline(path), listing_words(&listing));
        let short = if path.hops.len() + path.links.len() == 1 { " short" } else { "" };
        page.push_str(&format!(
            "<p>{}.</p>\n<div class=\"drawing fit{short}\">\n",
            capital(&xml(&said))
        ));
        page.push_str(&svg::element(&picture, most_columns));
        page.push_str("</div>\n");
        if !path.links.is_empty() {
            page.push_str(JOINED);
        }
        table(&mut page, &picture, path);
    }
    page
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn summary(
    page: &mut String,
    response: &v1::TraceExposureResponse,
    standing: &TraceSubject,
    picture: &PathDiagram<'_>,
) {
    for listing in standing.listings() {
        page.push_str(&format!("<p class=\"warning\">{}.</p>\n", xml(&listing)));
    }
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
    page.push_str(&format!("<p>{found}</p>\n"));
    if !response.common_inputs.is_empty() {
        page.push_str(&format!(
            "<p class=\"warning\">The address is joined with a listed one by {ESTIMATE}.</p>\n"
        ));
    }
    for note in standing.notes(response) {
        let note = note.trim_end_matches('.');
        page.push_str(&format!("<p class=\"warning\">{}.</p>\n", xml(note)));
    }
    if response.cut_short {
        page.push_str(
            "<p class=\"warning\">The search was cut short: more may exist than is shown here.</p>\n",
        );
    }
}

fn facts(
    page: &mut String,
    response: &v1::TraceExposureResponse,
    standing: &TraceSubject,
    asked: &[(&str, String)],
) {
    page.push_str("<h2>What was asked, and of what data</h2>\n<table class=\"facts\">\n");
    let mut fact = |name: &str, value: &str| {
        page.push_str(&format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
    };
    for (name, value) in asked {
        fact(&xml(name), &xml(value));
    }
    if let Some(address) = &response.address {
        fact("understood as", &format!("<code>{}</code>", xml(&address.canonical)));
        fact("chains", &xml(&address.chains.join(", ")));
    }
    fact("snapshot", &format!("<code>{}</code>", xml(&words::or_dash(&response.snapshot_id))));
    fact("transfers looked at", &response.transfers_examined.to_string());
    if let moment @ Some(_) = standing.screening.evaluated_at.as_ref() {
        fact("asked at (UTC)", &words::moment(moment));
    }
    if let Some(snapshot) = &standing.snapshot {
        fact("most hops as configured", &snapshot.max_hops.to_string());
    }
    page.push_str("</table>\n");
    if let Some(snapshot) = standing.snapshot.as_ref().filter(|it| !it.transfers.is_empty()) {
        heads(page, snapshot);
    }
}

/// The transfers that the snapshot holds, chain by chain.
fn heads(page: &mut String, snapshot: &v1::Snapshot) {
    page.push_str(
        "<h3>Transfers of the snapshot</h3>\n<div class=\"wide\"><table class=\"heads\">\n<tr><th scope=\"col\">Chain</th>\
         <th scope=\"col\">Transfers</th><th scope=\"col\">Last block</th>\
         <th scope=\"col\">Last moment (UTC)</th><th scope=\"col\">By kind</th></tr>\n",
    );
    for chain in &snapshot.transfers {
        let height = chain.last_height.map_or_else(|| "-".to_owned(), |height| height.to_string());
        let last = match &chain.last_time {
            None if chain.required => "nothing loaded, though required".to_owned(),
            None => "nothing loaded".to_owned(),
            last => words::moment(last.as_ref()),
        };
        page.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{height}</td><td>{last}</td><td>{}</td></tr>\n",
            xml(&chain.chain),
            chain.transfers,
            xml(&words::whole_kinds(chain))
        ));
    }
    page.push_str("</table></div>\n");
}

fn hops(page: &mut String, picture: &PathDiagram<'_>, number: usize, path: &Path<'_>) {
    let listing = path.message.listing.clone().unwrap_or_default();
    page.push_str(&format!(
        "<h3>Path {number}: {}</h3>\n<p class=\"dim\">{}</p>\n",
        headline(path),
        xml(&listing_words(&listing))
    ));
    table(page, picture, path);
}

/// The hops of a path in full.
fn table(page: &mut String, picture: &PathDiagram<'_>, path: &Path<'_>) {
    page.push_str(
        "<table class=\"hops\">\n<thead><tr><th scope=\"col\" aria-label=\"Hop\"></th>\
         <th scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\">Amount</th>\
         <th scope=\"col\">Time (UTC)</th><th scope=\"col\">Transaction</th></tr></thead>\n<tbody>\n",
    );
    let is_listed_last = path.is_listed_last();
    for link in path.links.iter().rev().filter(|_| !is_listed_last) {
        link_row(page, picture, link);
    }
    for (place, step) in path.hops.iter().enumerate() {
        page.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td data-of=\"From\">{}</td><td data-of=\"To\">{}</td>\
             <td data-of=\"Amount\">{}</td><td data-of=\"Time (UTC)\">{}</td>\
             <td data-of=\"Transaction\">{}<br><span class=\"dim\">{}</span></td></tr>\n",
            place + 1,
            holder(picture, step.from),
            holder(picture, step.to),
            xml(&step.amount()),
            xml(&step.time()),
            transaction(picture, step.tx),
            xml(&step.place()),
        ));
    }
    for link in path.links.iter().filter(|_| is_listed_last) {
        link_row(page, picture, link);
    }
    page.push_str("</tbody>\n</table>\n");
}

/// A line of a transaction that joins two addresses.
fn link_row(page: &mut String, picture: &PathDiagram<'_>, link: &Link<'_>) {
    page.push_str(&format!(
        "<tr><th scope=\"row\" class=\"join\" aria-label=\"joined\">~</th><td data-of=\"From\">{}</td>\
         <td data-of=\"To\">{}</td><td data-of=\"Amount\">none: joined by {ESTIMATE}</td>\
         <td data-of=\"Time (UTC)\">{}</td>\
         <td data-of=\"Transaction\">{}<br><span class=\"dim\">{}</span></td></tr>\n",
        holder(picture, link.from),
        holder(picture, link.to),
        xml(&link.time()),
        transaction(picture, link.tx),
        xml(&link.place()),
    ));
}

fn transaction(picture: &PathDiagram<'_>, tx: Option<usize>) -> String {
    match tx {
        Some(tx) => format!("t{} <code>{}</code>", tx + 1, xml(picture.transactions[tx])),
        None => "not in the data".to_owned(),
    }
}

/// Every writing of a place, and what it is.
fn holder(picture: &PathDiagram<'_>, place: usize) -> String {
    let shown = &picture.vertices[place];
    let code = |address: &String| format!("<code>{}</code>", xml(address));
    let addresses: Vec<_> = shown.addresses.iter().map(code).collect();
    let addresses = format!("a{} {}", place + 1, addresses.join("<br>"));
    let class = match legend::part(picture, place) {
        legend::Part::Listed => "listed",
        legend::Part::Asked => "asked",
        legend::Part::Joined => "joined",
        legend::Part::Stop => "stop",
        legend::Part::Passed => return addresses,
    };
    let marks = xml(&legend::marks(picture, place));
    let name = xml(shown.listed.as_deref().unwrap_or_default());
    format!("{addresses}<br><span class=\"{class}\">{marks}</span> {name}")
}
