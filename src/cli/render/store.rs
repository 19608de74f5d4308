//! What a store or a backup holds, and what is wrong with it, for people.

use crate::cli::text::{SUMMARY_COLUMN, escape, field};
use crate::domain::digits::grouped;
use crate::store::Verified;

/// What was found, a line a fact; problems at the end.
pub fn text(verified: &Verified) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| field(&mut out, 0, SUMMARY_COLUMN, name, text);
    if let Some(header) = &verified.backup {
        let program = escape(&header.program);
        let (made, format, schema) = (header.made, header.format, header.schema);
        line("made", format!("{made} by lazaretto {program} (format {format}, schema {schema})"));
    }
    if let Some(size) = &verified.size {
        line("size", format!("{} bytes", grouped(size.bytes)));
        line("SHA-256", size.sha256.clone());
    }
    let all = |count: u64, what: &str| format!("{} {what}", grouped(count));
    line(
        "lists",
        format!(
            "{} ({}, {} and {} in force, {})",
            grouped(verified.lists),
            all(verified.versions, "versions"),
            all(verified.parties, "parties"),
            all(verified.rows, "rows"),
            all(verified.changes, "changes")
        ),
    );
    line(
        "transfers",
        format!(
            "{} ({}, {}, {})",
            grouped(verified.transfers),
            all(verified.segments, "segments"),
            all(verified.chains, "chains"),
            all(verified.retractions, "retractions")
        ),
    );
    line("policies", grouped(verified.policies));
    line("snapshots", grouped(verified.snapshots));
    if let Some(bytes) = verified.label_bytes {
        line("labels", format!("{} bytes", grouped(bytes)));
    }
    let count = verified.problems.len() as u64 + verified.further_problems;
    match count {
        0 => line("problems", "none: all of it was read and checked".to_owned()),
        count => line("problems", grouped(count)),
    }
    for problem in &verified.problems {
        line("", escape(problem).into_owned());
    }
    if verified.further_problems > 0 {
        line("", format!("and {} more", grouped(verified.further_problems)));
    }
    out
}
