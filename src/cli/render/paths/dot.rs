//! Paths as a Graphviz graph: every address and every transfer once. Hostile names stay in their
//! quotes.

use super::legend::{Part, marks, part};
use super::{Picture, shortened};
use crate::cli::text::escape;
use crate::grpc::v1;

/// The graph of an answer.
pub fn dot(response: &v1::TraceExposureResponse) -> String {
    let picture = Picture::new(response);
    let mut dot = String::from(
        "digraph paths {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n  \
         edge [fontname=\"sans-serif\"];\n",
    );
    let title = format!("snapshot {}", response.snapshot_id);
    dot.push_str(&format!("  label={};\n", quoted(&[&title])));
    for place in 0..picture.places.len() {
        dot.push_str(&node(&picture, place));
    }
    let mut drawn = Vec::new();
    for step in picture.paths.iter().flat_map(|path| &path.steps) {
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
    dot.push_str("}\n");
    dot
}

fn node(picture: &Picture<'_>, place: usize) -> String {
    let looks = match part(picture, place) {
        Part::Listed => ", shape=octagon, style=filled, fillcolor=\"#ffd6d6\", color=\"#b00020\"",
        Part::Asked => ", peripheries=2",
        Part::Stop => ", style=dashed",
        Part::Passed => "",
    };
    let marks = marks(picture, place);
    let name = picture.places[place].listed.as_deref().unwrap_or_default();
    let mut lines: Vec<&str> = picture.places[place].addresses.iter().map(String::as_str).collect();
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
