//! Draws paths as one self-contained SVG without scripts or references, from left to right as funds
//! moved.

use std::fmt::Write;

use maud::{Markup, PreEscaped, Render, html};

use super::layout::{
    Column, Item, LABEL_HEIGHT, LABEL_WIDTH, Layout, NODE_HEIGHT, NODE_WIDTH, What, layout,
};
use super::legend::{Part, marks, part};
use super::{ESTIMATE, Hop, Link, PathDiagram, all_paths, shortened};
use crate::cli::render::page;
use crate::cli::render::words;
use crate::grpc::v1;

/// White space around the drawing.
const MARGIN: f64 = 20.0;

/// The height of the captions above the columns.
const HEAD: f64 = 34.0;

/// The distance between two lines of the key.
const LINE: f64 = 17.0;

/// The least width of a drawing with its key: a full transaction id beside its number.
const KEY_WIDTH: f64 = 620.0;

/// The longest line in a node, and of a label, in characters.
const NODE_TEXT: usize = 20;
const LABEL_TEXT: usize = 22;

/// Colours: paper and ink by the reader's scheme, and always light on paper. A file has it within; a
/// page with drawings has it once.
pub const STYLE: &str = "\
.lz-paper{fill:#fff}.lz-band{fill:#f4f5f7}\
.lz-node{fill:#fff;stroke:#5b6472;stroke-width:1.2}\
.lz-listed .lz-node{fill:#fde7e7;stroke:#b3161b;stroke-width:2.2}\
.lz-asked .lz-node{fill:#e4effc;stroke:#1558a8;stroke-width:2.2}\
.lz-stop .lz-node{fill:#fff6dd;stroke:#8a6100;stroke-dasharray:5 3}\
.lz-joined .lz-node{fill:#fff;stroke:#b3161b;stroke-width:1.6;stroke-dasharray:2 3}\
.lz-join{fill:none;stroke:#b3161b;stroke-width:1.6;stroke-dasharray:2 4}\
.lz-edge{fill:none;stroke:#5b6472;stroke-width:1.4}.lz-head{fill:#5b6472}\
.lz-text{font:12px ui-sans-serif,\"Liberation Sans\",Arial,sans-serif;fill:#1b1f26}\
.lz-mono{font-family:ui-monospace,\"DejaVu Sans Mono\",\"Liberation Mono\",monospace}\
.lz-small{font-size:10px}.lz-dim{fill:#4d5562}.lz-strong{font-weight:600}\
.lz-mark{fill:#4d5562}.lz-listed .lz-mark,.lz-asked .lz-mark,.lz-joined .lz-mark,.lz-stop .lz-mark{font-weight:600}\
.lz-listed .lz-mark,.lz-joined .lz-mark{fill:#9c1216}.lz-asked .lz-mark{fill:#124a8e}.lz-stop .lz-mark{fill:#6f4e00}\
@media screen and (prefers-color-scheme:dark){\
.lz-paper{fill:#14171c}.lz-band{fill:#1b1f26}\
.lz-node{fill:#20252d;stroke:#9aa4b2}\
.lz-listed .lz-node{fill:#45171a;stroke:#ff7b7b}\
.lz-asked .lz-node{fill:#162d4a;stroke:#79b4ff}\
.lz-stop .lz-node{fill:#3a2f10;stroke:#e5bd54}\
.lz-joined .lz-node{fill:#20252d;stroke:#ff7b7b}.lz-join{stroke:#ff7b7b}\
.lz-edge{stroke:#9aa4b2}.lz-head{fill:#9aa4b2}\
.lz-text{fill:#e8ebf0}.lz-dim,.lz-mark{fill:#b4bcc8}\
.lz-listed .lz-mark,.lz-joined .lz-mark{fill:#ffb0b0}.lz-asked .lz-mark{fill:#b5d5ff}.lz-stop .lz-mark{fill:#f2d98f}}";

/// The drawing of an answer, as a file: with its style, and every address and transaction in full
/// below.
pub fn svg(response: &v1::TraceExposureResponse) -> String {
    let paths = all_paths(response);
    let picture = PathDiagram::new(response, &paths);
    let graph = layout(&picture);
    let key = key_lines(&picture, &response.snapshot_id);
    let width = graph.width.max(KEY_WIDTH) + 2.0 * MARGIN;
    let drawn = MARGIN + HEAD + graph.height + MARGIN;
    let height = drawn + key.len() as f64 * LINE + MARGIN;
    let body = html! {
        (row(&picture, &graph, 0.0))
        @for (place, (class, words)) in key.iter().enumerate() {
            @let y = drawn + MARGIN / 2.0 + (place as f64 + 0.5) * LINE;
            text class={ "lz-text " (class) } x=(MARGIN) y=(y) { (words) }
        }
    };
    let drawing = drawing(&picture, width, height, Some(STYLE), &body);
    ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", &page::finish(&drawing), "\n"].concat()
}

/// The drawing as an element of a page, which has [`STYLE`], and addresses and transactions in full
/// elsewhere. A path of more columns than `most_columns` goes on in further rows.
pub fn element(picture: &PathDiagram<'_>, most_columns: usize) -> Markup {
    let rows = layout(picture).rows(most_columns);
    let width = rows.iter().map(|row| row.width).fold(0.0, f64::max) + 2.0 * MARGIN;
    let mut next = 0.0;
    let tops = rows.iter().map(|row| {
        let top = next;
        next += MARGIN + HEAD + row.height + MARGIN;
        top
    });
    let tops: Vec<_> = tops.collect();
    let body = html! {
        @for (graph, top) in rows.iter().zip(tops) { (row(picture, graph, top)) }
    };
    drawing(picture, width, next, None, &body)
}

/// A drawing, and its name for those who do not see it.
fn drawing(
    picture: &PathDiagram<'_>,
    width: f64,
    height: f64,
    style: Option<&str>,
    body: &Markup,
) -> Markup {
    let asked = picture.vertices[picture.asked].address();
    html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" width=(format_args!("{width:.0}"))
            height=(format_args!("{height:.0}")) viewBox=(format_args!("0 0 {width:.0} {height:.0}"))
        {
            title { "Paths of funds between " (asked) " and listed addresses" }
            @if let Some(style) = style { style { (PreEscaped(style)) } }
            rect class="lz-paper" width="100%" height="100%" {}
            (body)
        }
    }
}

/// One row of columns, from the height `top` on.
fn row(picture: &PathDiagram<'_>, graph: &Layout, top: f64) -> Markup {
    let shift = top + MARGIN + HEAD;
    html! {
        (columns(graph, top, shift + graph.height + MARGIN / 2.0))
        g transform={ "translate(" (MARGIN) " " (shift) ")" } {
            (edges(graph))
            @for item in &graph.items {
                @match item.what {
                    What::Node { place } => (node(picture, item, place)),
                    What::Label { path, step } => {
                        (label(picture, item, &picture.paths[path].hops[step]))
                    }
                    What::Link { path, link } => {
                        (link_label(picture, item, &picture.paths[path].links[link]))
                    }
                }
            }
        }
    }
}

/// The bands behind the columns, from the height `above` to `bottom`.
fn columns(graph: &Layout, above: f64, bottom: f64) -> Markup {
    html! {
        @for column in &graph.columns {
            @let x = column.x + MARGIN;
            @let height = bottom - above - MARGIN / 2.0;
            rect class="lz-band" x=(x - 8.0) y=(above + MARGIN / 2.0) width=(NODE_WIDTH + 16.0)
                height=(format_args!("{height:.1}")) rx="6" {}
            text class="lz-text lz-small lz-dim" x=(x + NODE_WIDTH / 2.0) y=(above + MARGIN + 8.0)
                text-anchor="middle" { (caption(column)) }
        }
    }
}

fn caption(column: &Column) -> String {
    let hops = words::count(column.hops.unsigned_abs() as usize, "hop", "hops");
    match (column.hops, column.has_hops, column.has_links) {
        (0, _, _) => "asked about".to_owned(),
        (_, false, true) => "joined".to_owned(),
        (_, true, true) => format!("{hops}, or joined"),
        (_, _, false) => hops,
    }
}

fn edges(graph: &Layout) -> Markup {
    html! {
        @for (from, to) in &graph.bends { (edge(&graph.items[*from], &graph.items[*to])) }
    }
}

fn edge(from: &Item, to: &Item) -> Markup {
    let ends = matches!(to.what, What::Node { .. });
    // No funds moved along a link: it is dotted, and has no head.
    let is_link = [from, to].iter().any(|item| matches!(item.what, What::Link { .. }));
    let class = if is_link { "lz-join" } else { "lz-edge" };
    let (x1, y1) = (from.x + from.width, from.y);
    let (x2, y2) = (if ends && !is_link { to.x - 6.0 } else { to.x }, to.y);
    let middle = (x1 + x2) / 2.0;
    html! {
        path class=(class) d=(format_args!(
            "M{x1:.1} {y1:.1}C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}"
        )) {}
        @if ends && !is_link {
            path class="lz-head" d=(format_args!("M{:.1} {:.1}l-8 -4v8z", to.x - 1.0, to.y)) {}
        } @else if !ends {
            path class=(class) d=(format_args!("M{:.1} {y2:.1}h{:.1}", to.x, to.width)) {}
        }
    }
}

/// A line of text about the middle `x`.
fn centred(class: &str, x: f64, y: f64, text: impl Render) -> Markup {
    html! {
        text class={ "lz-text " (class) } x=(format_args!("{x:.1}")) y=(format_args!("{y:.1}"))
            text-anchor="middle" { (text) }
    }
}

fn node(picture: &PathDiagram<'_>, item: &Item, place: usize) -> Markup {
    let part = part(picture, place);
    let (class, corner) = match part {
        Part::Listed => ("lz-listed", 0.0),
        Part::Asked => ("lz-asked", NODE_HEIGHT / 2.0),
        Part::Joined => ("lz-joined", 4.0),
        Part::Stop => ("lz-stop", 4.0),
        Part::Passed => ("lz-passed", 4.0),
    };
    let (x, top) = (item.x, item.y - NODE_HEIGHT / 2.0);
    let middle = x + NODE_WIDTH / 2.0;
    let shown = &picture.vertices[place];
    let marks = match (part, shown.listed.as_deref()) {
        (Part::Listed, Some(name)) if place == picture.asked => format!("ASKED, LISTED {name}"),
        (Part::Listed, Some(name)) => format!("LISTED {name}"),
        (Part::Stop, _) => "STOP".to_owned(),
        (Part::Asked, _) if shown.is_joined => "ASKED, JOINED (est.)".to_owned(),
        (Part::Asked, _) => "ASKED ABOUT".to_owned(),
        (Part::Joined, _) => "JOINED (estimate)".to_owned(),
        (Part::Listed | Part::Passed, _) => format!("a{}", place + 1),
    };
    html! {
        g class=(class) {
            title { (shown.addresses.join(", ")) }
            @if part == Part::Listed {
                path class="lz-node" d=(octagon(x, top)) {}
            } @else {
                rect class="lz-node" x=(format_args!("{x:.1}")) y=(format_args!("{top:.1}"))
                    width=(NODE_WIDTH) height=(NODE_HEIGHT) rx=(corner) {}
            }
            (centred("lz-mono", middle, item.y - 3.0, shortened(shown.address(), 15)))
            @let marks = shortened(marks.trim(), NODE_TEXT);
            (centred("lz-small lz-mark", middle, item.y + 13.0, marks))
        }
    }
}

/// Eight corners: known from signs as the shape that says stop.
fn octagon(x: f64, top: f64) -> String {
    let c = 11.0;
    let (left, across, down) = (x + c, NODE_WIDTH - 2.0 * c, NODE_HEIGHT - 2.0 * c);
    format!(
        "M{left:.1} {top:.1}h{across:.1}l{c} {c}v{down:.1}l-{c} {c}h-{across:.1}l-{c} -{c}v-{down:.1}z"
    )
}

fn label(picture: &PathDiagram<'_>, item: &Item, step: &Hop<'_>) -> Markup {
    let tx = step.tx.map_or("not in the data", |tx| picture.transactions[tx]);
    let full = format!("{}, {}, {}, tx {tx}", step.amount(), step.time(), step.place());
    let timing = match step.timing {
        Some(v1::DesignationTiming::Before) => Some("BEFORE"),
        Some(v1::DesignationTiming::After) => Some("AFTER"),
        Some(v1::DesignationTiming::Unknown) => Some("AFTER?"),
        Some(v1::DesignationTiming::Unspecified) | None => None,
    };
    let below = html! {
        (below(step.time(), step.tx))
        @if let Some(timing) = timing { " " tspan class="lz-strong" { (timing) } }
    };
    two_lines(item, &full, &shortened(&step.short_amount(), LABEL_TEXT), &below)
}

/// What stands on the line between two addresses that a transaction joins.
fn link_label(picture: &PathDiagram<'_>, item: &Item, link: &Link<'_>) -> Markup {
    let tx = link.tx.map_or("not in the data", |tx| picture.transactions[tx]);
    let full = format!("joined by {ESTIMATE}, {}, {}, tx {tx}", link.time(), link.place());
    let below = html! { @if link.join.is_some() { (below(link.time(), link.tx)) } };
    two_lines(item, &full, "joined (estimate)", &below)
}

/// `2025-11-20 12:00 t3`
fn below(moment: String, tx: Option<usize>) -> String {
    let number = tx.map_or_else(|| "no tx".to_owned(), |tx| format!("t{}", tx + 1));
    let minute = match moment.get(..16) {
        Some(minute) if moment.len() == 20 => minute.replace('T', " "),
        _ => moment,
    };
    shortened(&format!("{minute} {number}"), LABEL_TEXT)
}

/// A label of two lines, above its line and below, with what it says in full.
fn two_lines(item: &Item, full: &str, above: &str, below: &Markup) -> Markup {
    let middle = item.x + LABEL_WIDTH / 2.0;
    html! {
        g {
            title { (full) }
            (centred("lz-strong", middle, item.y - 5.0, above))
            (centred("lz-small lz-dim", middle, item.y + LABEL_HEIGHT / 3.0 + 2.0, below))
        }
    }
}

/// The full addresses and transactions, each line with its class.
fn key_lines(picture: &PathDiagram<'_>, snapshot_id: &str) -> Vec<(&'static str, String)> {
    let mut lines = vec![("lz-strong", "Addresses".to_owned())];
    for (place, shown) in picture.vertices.iter().enumerate() {
        let mut words = format!("a{:<3} {}", place + 1, shown.addresses.join("  =  "));
        let marks = marks(picture, place);
        if !marks.is_empty() {
            let _ = write!(words, "  {marks}");
        }
        if let Some(name) = shown.listed.as_deref().filter(|name| !name.is_empty()) {
            let _ = write!(words, "  {name}");
        }
        lines.push(("lz-small lz-mono", words));
    }
    if !picture.transactions.is_empty() {
        lines.push(("lz-strong", "Transactions".to_owned()));
    }
    for (place, tx) in picture.transactions.iter().enumerate() {
        lines.push(("lz-small lz-mono", format!("t{:<3} {tx}", place + 1)));
    }
    if picture.paths.iter().any(|path| !path.links.is_empty()) {
        let note = "Dotted: joined, as inputs of one transaction. That is an estimate of one owner; no \
                    funds moved along such a line.";
        lines.push(("lz-small lz-dim", note.to_owned()));
    }
    let note = "BEFORE, AFTER, AFTER? (perhaps): the transfer at the listed address against its \
                listing. Times are UTC. Rests on snapshot";
    lines.push(("lz-small lz-dim", format!("{note} {snapshot_id}.")));
    lines
}
