//! The summary of a batch for people.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cells::RowDecision;
use super::summary::{Counts, InputRead, Summary};
use crate::cli::render::paths::ESTIMATE;
use crate::cli::text::{SUMMARY_COLUMN, escape, field, line_counts};
use crate::domain::digits::grouped;
use crate::domain::duration::span;
use crate::screening::{DecidedBy, IncompleteCode};

/// The parties that are named; the summary's file has them all.
const PARTIES: usize = 10;

/// What a batch came to; `rows` of it were screened now, in `elapsed`.
pub fn text(summary: &Summary, rows: u64, elapsed: Duration) -> String {
    let counts = &summary.counts;
    let mut text = String::new();
    let mut line = |name: &str, value: String| field(&mut text, 0, SUMMARY_COLUMN, name, value);
    let seconds = elapsed.as_secs_f64();
    let speed = if seconds > 0.0 { rows as f64 / seconds } else { 0.0 };
    let took = match elapsed.as_secs() {
        0..10 => format!("{seconds:.1} s"),
        whole => span(whole),
    };
    let before = match counts.rows - rows {
        0 => String::new(),
        before => format!(", after {} before", grouped(before)),
    };
    let rate = grouped(speed as u64);
    line("screened", format!("{} rows in {took} ({rate} rows/s){before}", grouped(rows)));
    if let Some(read) = &summary.read {
        line("read", input_read(read));
        if read.other_keys > 0 {
            let rows = grouped(read.other_keys);
            let how = "name them by --keep-columns";
            line("", format!("{rows} rows have keys that the first has not, and lose them: {how}"));
        }
    }
    if summary.interrupted {
        line("", "INTERRUPTED: --resume goes on".to_owned());
    }
    line("decisions", decisions(counts));
    for decision in RowDecision::ALL.into_iter().rev() {
        if let Some(parts) = resting_on(counts, decision) {
            line("", parts);
        }
    }
    line("levels", each(&counts.levels));
    line("hops", each(&counts.hops));
    if !counts.incomplete.is_empty() {
        line("incomplete", each_reason(&counts.incomplete));
    }
    if !counts.rules.is_empty() {
        line("rules", each(&counts.rules));
    }
    if !counts.lists.is_empty() {
        line("lists", each(&counts.lists));
    }
    if !counts.unvalued_direct.is_empty() {
        let rows = by_decision(&counts.unvalued_direct);
        let what = "with assets without a known value, directly with listed addresses: not scored";
        line("unvalued", format!("{rows}  {what}"));
    }
    if !counts.common_input.is_empty() {
        line("by input", format!("{}  joined by {ESTIMATE}", each(&counts.common_input)));
    }
    if !counts.cluster_cut.is_empty() {
        let what = "whose cluster by common input holds a listed address and is larger than the \
                    limit: not scored";
        line("cluster cut", format!("{}  {what}", by_decision(&counts.cluster_cut)));
    }
    let parties = counts.parties.worst_first();
    for party in parties.iter().take(PARTIES) {
        let who = escape(&party.party);
        let [block, review, allow] =
            [party.rows.block, party.rows.review, party.rows.allow].map(grouped);
        let list = escape(&party.list);
        line("party", format!("BLOCK {block}  REVIEW {review}  ALLOW {allow}  {who} [{list}]"));
    }
    if parties.len() > PARTIES {
        line("", format!("and {} more parties", grouped((parties.len() - PARTIES) as u64)));
    }
    text
}

/// The rows and the lines of an input.
pub fn input_read(read: &InputRead) -> String {
    let rows = format!("{} rows", grouped(read.rows));
    match &read.lines {
        Some(lines) => format!("{rows} on {}", line_counts(lines)),
        None => rows,
    }
}

fn by_decision(counts: &BTreeMap<RowDecision, u64>) -> String {
    let rows = counts.iter().map(|(decision, rows)| format!("{decision} {}", grouped(*rows)));
    rows.collect::<Vec<_>>().join("  ")
}

fn decisions(counts: &Counts) -> String {
    let count = |decision: &RowDecision| counts.decisions.get(decision).copied().unwrap_or(0);
    let shown = RowDecision::ALL.iter().map(|it| format!("{it} {}", grouped(count(it))));
    shown.collect::<Vec<_>>().join("  ")
}

/// Of a decision: how many rows are by findings, and how many only because of the data; `None` where
/// all are by findings.
fn resting_on(counts: &Counts, decision: RowDecision) -> Option<String> {
    let of = |by: DecidedBy| counts.resting_on(by, decision);
    let (address, data) = (of(DecidedBy::Address), of(DecidedBy::Data));
    if address + data == 0 {
        return None;
    }
    let mut parts = vec![format!("{} by findings", grouped(of(DecidedBy::Findings)))];
    if address > 0 {
        parts.push(format!("{} by doubts about the address", grouped(address)));
    }
    if data > 0 {
        let reasons = each_reason(&counts.data_reasons);
        parts.push(format!("{} only because the data are incomplete ({reasons})", grouped(data)));
    }
    Some(format!("{decision}: {}", parts.join(", ")))
}

/// The reasons of being INCOMPLETE, in words in place of their codes.
fn each_reason(counts: &BTreeMap<String, u64>) -> String {
    let shown = counts.iter().map(|(code, rows)| {
        let words = IncompleteCode::named(code).map(|code| code.meaning().into());
        let words = words.unwrap_or_else(|| escape(code));
        format!("{words}: {}", grouped(*rows))
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn each(counts: &BTreeMap<String, u64>) -> String {
    let shown = counts.iter().map(|(name, rows)| format!("{} {}", escape(name), grouped(*rows)));
    if counts.is_empty() { "-".to_owned() } else { shown.collect::<Vec<_>>().join("  ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::columns::ResultRow;

    #[test]
    fn a_summary_in_words() {
        let mut summary = Summary { interrupted: true, ..Summary::default() };
        let clean = ResultRow {
            decision: RowDecision::Allow,
            level: "NONE".to_owned(),
            ..ResultRow::default()
        };
        summary.counts.add_times(&clean, 12_000);
        summary.counts.add(&ResultRow::default());
        summary.counts.add(&ResultRow {
            decision: RowDecision::Block,
            level: "SEVERE".to_owned(),
            hops: Some(0),
            list: "us".to_owned(),
            party: "A\u{1b}".to_owned(),
            ..ResultRow::default()
        });
        let want = "\
screened    12,001 rows in 2.5 s (4,800 rows/s), after 1 before
            INTERRUPTED: --resume goes on
decisions   ALLOW 12,000  REVIEW 0  ERROR 1  BLOCK 1
levels      NONE 12,000  SEVERE 1
hops        0 1  none 12,000
lists       us 1
party       BLOCK 1  REVIEW 0  ALLOW 0  A\\u{1b} [us]
";
        assert_eq!(text(&summary, 12_001, Duration::from_millis(2_500)), want);
    }

    #[test]
    fn staleness_is_counted_apart_from_findings() {
        let row = |rule: &str, reason: &str| ResultRow {
            decision: RowDecision::Review,
            status: "INCOMPLETE".to_owned(),
            level: "NONE".to_owned(),
            rule: rule.to_owned(),
            reason: reason.to_owned(),
            ..ResultRow::default()
        };
        let stale = "INCOMPLETE LIST_STALE us-ofac-sdn; x";
        let mut summary = Summary::default();
        summary.counts.add_times(&row("incomplete", stale), 4_931);
        summary.counts.add_times(&row("exposure", stale), 56);
        let said = |summary: &Summary| text(summary, summary.counts.rows, Duration::from_secs(1));
        let want = "\
decisions   ALLOW 0  REVIEW 4,987  ERROR 0  BLOCK 0
            REVIEW: 56 by findings, 4,931 only because the data are incomplete (a list is older than \
its limit, or its age is not known: 4,931)
levels ";
        assert!(said(&summary).contains(want), "{}", said(&summary));
        summary.counts.add(&row("incomplete", "INCOMPLETE CHECKSUM_WRONG, LIST_STALE a; x"));
        let want = "REVIEW: 56 by findings, 1 by doubts about the address, 4,931 only because";
        assert!(said(&summary).contains(want), "{}", said(&summary));
    }
}
