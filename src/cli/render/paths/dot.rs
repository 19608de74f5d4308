//! Paths as a Graphviz graph: every address and every transfer once. Hostile names stay in their
//! quotes.

use super::legend::{Part, marks, part};
use super::{ESTIMATE, Link, PathDiagram, all_paths, shortened};
use crate::cli::text::escape;
use crate::grpc::v1;

/// The graph of an answer.
pub fn dot(response: &v1::TraceExposureResponse) -> String {
    let paths = all_paths(response);
    let picture = PathDiagram::new(response, &paths);
    let mut dot = String::from(
        "digraph paths {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n  \
         edge [fontname=\"sans-serif\"];\n",
    );
    let title = format!("snapshot {}", response.snapshot_id);
    dot.push_str(&format!("  label={};\n", quoted(&[&title])));
    for place in 0..picture.vertices.len() {
        dot.push_str(&node(&picture, place));
    }
    let mut drawn = Vec::new();
    for step in picture.paths.iter().flat_map(|path| &path.hops) {
        let tx = step.tx.map_or("", |tx| picture.transactions[tx]);
        let short_tx = format!("tx {}", shortened(tx, 17));
        let label =
            quoted(&[&step.amount(), &step.time(), if tx.is_empty() { "" } else { &short_tx }]);
        let tip = quoted(&[&step.place(), &format!("tx {tx}")]);
        let edge = format!("  n{} -> n{} [label={label}, tooltip={tip}];\n", step.from, step.to);
        if !drawn.contains(&edge) {
            dot.push_str(&edge);
            drawn.push(edge);
        }
    }
    for link in picture.paths.iter().flat_map(|path| &path.links) {
        let edge = joined(&picture, link);
        if !drawn.contains(&edge) {
            dot.push_str(&edge);
            drawn.push(edge);
        }
    }
    dot.push_str("}\n");
    dot
}

/// The edge between two addresses that a transaction joins: no funds moved along it.
fn joined(picture: &PathDiagram<'_>, link: &Link<'_>) -> String {
    let tx = link.tx.map_or("", |tx| picture.transactions[tx]);
    let short_tx = format!("tx {}", shortened(tx, 17));
    let label = quoted(&[ESTIMATE, &link.time(), if tx.is_empty() { "" } else { &short_tx }]);
    let tip = quoted(&[&link.place(), &format!("tx {tx}")]);
    let (from, to) = (link.from, link.to);
    format!("  n{from} -> n{to} [dir=none, style=dotted, label={label}, tooltip={tip}];\n")
}

fn node(picture: &PathDiagram<'_>, place: usize) -> String {
    let looks = match part(picture, place) {
        Part::Listed => ", shape=octagon, style=filled, fillcolor=\"#ffd6d6\", color=\"#b00020\"",
        Part::Asked => ", peripheries=2",
        Part::Joined => ", style=dotted, color=\"#b00020\"",
        Part::Stop => ", style=dashed",
        Part::Passed => "",
    };
    let marks = marks(picture, place);
    let name = picture.vertices[place].listed.as_deref().unwrap_or_default();
    let mut lines: Vec<&str> =
        picture.vertices[place].addresses.iter().map(String::as_str).collect();
    lines.extend([marks.as_str(), name]);
    format!("  n{place} [label={}{looks}];\n", quoted(&lines))
}

/// A quoted string of several lines. Within quotes, Graphviz gives a meaning to the quote, the
/// backslash and the ampersand only.
fn quoted(lines: &[&str]) -> String {
    let harmless =
        |line: &&str| escape(line).replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"");
    let lines: Vec<_> = lines.iter().filter(|line| !line.is_empty()).map(harmless).collect();
    format!("\"{}\"", lines.join("\\n"))
}
