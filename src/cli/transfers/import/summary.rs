//! What an import did, for people and programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::gathered::shown_heights;
use crate::cli::text::{SUMMARY_COLUMN, escape, field, line_counts};
use crate::cli::transfers::sink::Outcome;
use crate::domain::chain::Chain;
use crate::domain::coverage::{Spans, union};
use crate::domain::digits::grouped;
use crate::domain::duration::span;
use crate::domain::transfer::MovementKind;
use crate::source::rows::LineCounts;
use crate::source::transfers::ReadReport;

/// The most spans of heights that are shown.
const MOST_SPANS: usize = 8;

/// What an import did. No message of the proto: the server sees batches only.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    files: usize,
    read: u64,
    /// The lines of the files that have lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<LineCounts>,
    stored: u64,
    duplicates: u64,
    /// Of `stored`, those that count in the place of others.
    replaced: u64,
    /// Of `stored`, those that contradict others.
    conflicts: u64,
    derived: u64,
    left_out: BTreeMap<String, u64>,
    rejected: u64,
    /// The heights of rejected rows and of those around rows whose height could not be read.
    rejected_at: Vec<RejectedAt>,
    /// Transactions of which an input or output names nobody.
    unnamed: u64,
    /// Transfers of account chains that do not name who paid or was paid.
    unnamed_accounts: u64,
    empty_files: Vec<String>,
    /// Assets that are not in the asset table, where nothing of their chain could count.
    unvalued: Vec<Unvalued>,
    milliseconds: u64,
    rows: u64,
    labelled_rows: u64,
}

/// Heights of one chain and kind that are not covered.
#[derive(Debug, Serialize)]
struct RejectedAt {
    chain: String,
    kind: MovementKind,
    heights: Spans,
}

#[derive(Debug, Serialize)]
struct Unvalued {
    chain: String,
    asset: String,
}

impl Summary {
    /// Of so many files, before the first.
    pub fn of(files: usize) -> Self {
        Self { files, ..Self::default() }
    }

    pub fn add(
        &mut self,
        path: &Path,
        report: ReadReport,
        rejected_at: BTreeMap<(Chain, MovementKind), Spans>,
    ) {
        self.read += report.rows_read;
        if let Some(lines) = report.lines {
            self.lines.get_or_insert_default().add(lines);
        }
        self.rejected += report.rejected;
        self.unnamed += report.unnamed_inputs + report.unnamed_outputs;
        self.unnamed_accounts += report.unnamed_accounts;
        if report.rows_read == 0 {
            self.empty_files.push(path.display().to_string());
        }
        for (reason, count) in report.left_out {
            *self.left_out.entry(reason.to_string()).or_default() += count;
        }
        for ((chain, kind), heights) in rejected_at {
            let chain = chain.to_string();
            let same = |known: &&mut RejectedAt| (&known.chain, known.kind) == (&chain, kind);
            match self.rejected_at.iter_mut().find(same) {
                Some(known) => known.heights = union(&known.heights, &heights),
                None => self.rejected_at.push(RejectedAt { chain, kind, heights }),
            }
        }
    }

    /// Takes what became of the transfers.
    pub fn finish(&mut self, outcome: Outcome, elapsed: Duration) {
        let Outcome { done, rows, labelled_rows, unvalued } = outcome;
        self.stored = done.stored;
        self.duplicates = done.duplicates;
        self.replaced = done.replaced;
        self.conflicts = done.conflicts;
        self.derived = done.derived;
        self.rows = rows;
        self.labelled_rows = labelled_rows;
        let unvalued = unvalued.into_iter();
        self.unvalued = unvalued.map(|(chain, asset)| Unvalued { chain, asset }).collect();
        self.milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    }

    /// Whether everything was understood and agrees with what was stored before.
    pub fn is_whole(&self) -> bool {
        self.rejected == 0
            && self.unnamed == 0
            && self.unnamed_accounts == 0
            && self.conflicts == 0
            && self.empty_files.is_empty()
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| field(&mut text, 0, SUMMARY_COLUMN, name, value);
        let seconds = Duration::from_millis(self.milliseconds).as_secs_f64();
        let speed = if seconds > 0.0 { self.read as f64 / seconds } else { 0.0 };
        let took = match self.milliseconds {
            0..10_000 => format!("{seconds:.1} s"),
            _ => span(seconds as u64),
        };
        let files = match self.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        let (read, speed) = (grouped(self.read), grouped(speed as u64));
        line("read", format!("{read} rows of {files} in {took} ({speed} rows/s)"));
        if let Some(lines) = &self.lines {
            line("lines", line_counts(lines));
        }
        line("stored", grouped(self.stored));
        if self.replaced > 0 {
            let replaced = grouped(self.replaced);
            line("replaced", format!("{replaced} of these tell more of what was stored before"));
        }
        let duplicates = grouped(self.duplicates);
        line("duplicates", format!("{duplicates}, in the store or earlier in the files"));
        if self.derived > 0 {
            let derived = grouped(self.derived);
            line("derived", format!("{derived} state no place: told apart by their content"));
        }
        for (reason, count) in &self.left_out {
            line("left out", format!("{}, {reason}", grouped(*count)));
        }
        let (known, rows) = (grouped(self.labelled_rows), grouped(self.rows));
        line(
            "exposure",
            format!("knows {known} of {rows} rows in the store, those taken back among them"),
        );
        self.shortfalls(&mut line);
        text
    }

    /// What is not covered because of the files.
    fn shortfalls(&self, line: &mut dyn FnMut(&str, String)) {
        for file in &self.empty_files {
            let file = escape(file);
            line(
                "NO ROWS",
                format!(
                    "{file} covers nothing by itself; if its blocks truly hold nothing: transfers declare"
                ),
            );
        }
        if self.rejected > 0 {
            let rejected = grouped(self.rejected);
            let places = if self.rejected_at.is_empty() {
                "the blocks that they are of could not be read"
            } else {
                "not covered until they are:"
            };
            line("REJECTED", format!("{rejected} rows, not understood; {places}"));
            for RejectedAt { chain, kind, heights } in &self.rejected_at {
                let heights = shown_heights(heights, MOST_SPANS);
                line("", format!("{kind} of {chain} at {heights}"));
            }
        }
        if self.unnamed > 0 {
            let unnamed = grouped(self.unnamed);
            line(
                "NAMELESS",
                format!(
                    "{unnamed} transactions do not name who paid or was paid; their blocks are not \
                     covered until they do: run bitcoin-etl's enrich_transactions and import again"
                ),
            );
        }
        if self.unnamed_accounts > 0 {
            let unnamed = grouped(self.unnamed_accounts);
            line(
                "NAMELESS",
                format!(
                    "{unnamed} transfers do not name who paid or was paid; their blocks are not \
                     covered until they do: import again with --receipts, which names contracts \
                     that were created"
                ),
            );
        }
        if self.conflicts > 0 {
            let conflicts = grouped(self.conflicts);
            line(
                "CONFLICTS",
                format!(
                    "{conflicts} rows contradict what is stored: both count; transfers conflicts"
                ),
            );
        }
        for Unvalued { chain, asset } in &self.unvalued {
            line(
                "NO VALUE",
                format!(
                    "{} of {} is not in the asset table: nothing of that chain counts; configure \
                     [assets.{chain}.{asset}]",
                    escape(asset),
                    escape(chain)
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries() {
        let left_out = BTreeMap::from([("no value moved: delegatecall trace".to_owned(), 1_234)]);
        let mut summary = Summary {
            files: 2,
            read: 12_345,
            lines: Some(LineCounts {
                lines: 12_350,
                heading_lines: 2,
                empty_lines: 3,
                lines_in_cells: 0,
            }),
            stored: 11_000,
            duplicates: 100,
            derived: 5,
            left_out,
            milliseconds: 2_500,
            rows: 99_999,
            labelled_rows: 99_999,
            ..Summary::default()
        };
        let want = "\
read        12,345 rows of 2 files in 2.5 s (4,938 rows/s)
lines       12,350 lines: 2 of headings, 3 empty, 0 further lines of cells
stored      11,000
duplicates  100, in the store or earlier in the files
derived     5 state no place: told apart by their content
left out    1,234, no value moved: delegatecall trace
exposure    knows 99,999 of 99,999 rows in the store, those taken back among them
";
        assert_eq!(summary.text(), want);
        assert!(summary.is_whole());
        summary.rejected = 11;
        let (chain, kind) = ("eip155:1".to_owned(), MovementKind::Tokens);
        summary.rejected_at.push(RejectedAt { chain, kind, heights: vec![7..=7, 9..=10] });
        summary.conflicts = 1;
        assert!(!summary.is_whole());
        let more = "\
REJECTED    11 rows, not understood; not covered until they are:
            tokens of eip155:1 at 7, 9-10
CONFLICTS   1 rows contradict what is stored: both count; transfers conflicts
";
        assert_eq!(summary.text(), format!("{want}{more}"));
    }
}
