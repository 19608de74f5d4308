//! Counts of a result, and the rows that the page shows, each checked first. The numbers of rows and names
//! in memory are bounded.

use std::collections::{BTreeMap, BinaryHeap, HashSet};

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;

use crate::cli::batch::cells::RowDecision;
use crate::cli::batch::columns::{COLUMNS, ResultRow};
use crate::cli::batch::summary::{Counts, Tally};
use crate::exposure::MAX_HOPS;
use crate::grpc::v1;
use crate::screening::DecidedBy;

pub const LEVELS: [&str; 5] = ["SEVERE", "HIGH", "MEDIUM", "LOW", "NONE"];

/// The most different names (parties, rules, reasons, snapshots) that a result may have.
const MAX_NAMES: usize = 500_000;

/// The most bytes of them all.
const MAX_NAME_BYTES: usize = 128 << 20;

/// The most bytes of the rows of one decision that are shown.
const MAX_SHOWN_BYTES: usize = 512 << 20;

/// The rows of one decision that are shown: those of the largest scores, then the first.
#[derive(Clone, Debug)]
pub struct ShownCases {
    most: usize,
    bytes: usize,
    /// How many there are in the result.
    pub all: u64,
    rows: BinaryHeap<Ranked>,
}

/// A row by its place on the page: a larger one stands further below.
#[derive(Clone, Debug)]
struct Ranked(ResultRow);

impl Ranked {
    fn rank(&self) -> (std::cmp::Reverse<u8>, u64) {
        (std::cmp::Reverse(self.0.score.unwrap_or(0)), self.0.row)
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl ShownCases {
    fn new(most: usize) -> Self {
        Self { most, bytes: 0, all: 0, rows: BinaryHeap::new() }
    }

    fn add(&mut self, row: ResultRow) -> Result<()> {
        let number = row.row;
        self.all += 1;
        self.bytes += size(&row);
        self.rows.push(Ranked(row));
        while self.rows.len() > self.most {
            self.bytes -= self.rows.pop().map_or(0, |Ranked(row)| size(&row));
        }
        // To drop more of them would be to show others than are said to be shown.
        ensure!(
            self.bytes <= MAX_SHOWN_BYTES,
            "row {number}: with it the rows to show have more than {MAX_SHOWN_BYTES} bytes: ask for \
             fewer by --max-rows"
        );
        Ok(())
    }

    /// The rows to show, in their order.
    pub fn rows(&self) -> Vec<&ResultRow> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_unstable();
        rows.into_iter().map(|ranked| &ranked.0).collect()
    }
}

/// The bytes of a row's texts.
fn size(row: &ResultRow) -> usize {
    COLUMNS.iter().map(|column| (column.text)(row).len()).sum()
}

#[derive(Clone, Debug)]
pub struct Gathered {
    /// The counts that a summary has too.
    pub counts: Counts,
    /// By level, in the order of [`LEVELS`].
    pub levels: [Tally; LEVELS.len()],
    /// By the fewest hops; `None` where nothing that scores was found.
    pub hops: BTreeMap<Option<u32>, Tally>,
    pub rules: BTreeMap<String, Tally>,
    /// Rows by the snapshot and the policy that they rest on.
    pub bases: BTreeMap<(String, String), u64>,
    /// The first and the last moment of an answer.
    pub evaluated: Option<(Timestamp, Timestamp)>,
    /// Whether any row has a drawn path.
    pub has_paths: bool,
    /// The rows that are BLOCK.
    pub blocked: ShownCases,
    /// The rows that are REVIEW by a finding or a doubt about the address.
    pub reviewed: ShownCases,
    /// The rows that are REVIEW only because of the data.
    pub reviewed_by_data: ShownCases,
    /// The rows that are ERROR.
    pub errors: ShownCases,
    names: Names,
}

impl Gathered {
    /// Of no row yet; at most `most` rows of each decision will be held.
    pub fn new(most: usize) -> Self {
        Self {
            counts: Counts::default(),
            levels: [Tally::default(); LEVELS.len()],
            hops: BTreeMap::new(),
            rules: BTreeMap::new(),
            bases: BTreeMap::new(),
            evaluated: None,
            has_paths: false,
            blocked: ShownCases::new(most),
            reviewed: ShownCases::new(most),
            reviewed_by_data: ShownCases::new(most),
            errors: ShownCases::new(most),
            names: Names::default(),
        }
    }

    /// Adds the next row.
    ///
    /// # Errors
    /// Where it is not the next one, says what no screening says, or brings more different names
    /// than are held.
    pub fn add(&mut self, row: ResultRow) -> Result<()> {
        let next = self.counts.rows + 1;
        ensure!(
            row.row == next,
            "row {} stands where row {next} should: rows are missing, doubled or out of order",
            row.row
        );
        if row.decision != RowDecision::Error {
            self.answered(&row)?;
        }
        self.counts.add(&row);
        self.has_paths |= !row.path.is_empty();
        match row.decision {
            RowDecision::Block => self.blocked.add(row),
            RowDecision::Review => match row.decided_by() {
                DecidedBy::Data => self.reviewed_by_data.add(row),
                DecidedBy::Findings | DecidedBy::Address => self.reviewed.add(row),
            },
            RowDecision::Error => self.errors.add(row),
            RowDecision::Allow => Ok(()),
        }
    }

    fn answered(&mut self, row: &ResultRow) -> Result<()> {
        let wrong = |column: &str, value: &str| {
            let value: String = value.chars().take(100).collect();
            format!("row {}: column {column}: {value:?} is nothing that an answer says", row.row)
        };
        let Some(level) = LEVELS.iter().position(|level| *level == row.level) else {
            bail!(wrong("level", &row.level));
        };
        match row.score {
            Some(0..=100) => {}
            Some(score) => bail!(wrong("score", &score.to_string())),
            None => bail!(wrong("score", "")),
        }
        ensure!(["COMPLETE", "INCOMPLETE"].contains(&&*row.status), wrong("status", &row.status));
        ensure!(
            row.decision != RowDecision::Allow || row.status == "COMPLETE",
            "row {}: ALLOW though INCOMPLETE, which no answer is",
            row.row
        );
        let kind = v1::FindingKind::from_str_name(&format!("FINDING_KIND_{}", row.finding));
        ensure!(row.finding.is_empty() || kind.is_some(), wrong("finding", &row.finding));
        ensure!(
            row.hops.is_none_or(|hops| hops <= u32::from(MAX_HOPS)),
            wrong("hops", &row.hops.unwrap_or_default().to_string())
        );
        ensure!(
            row.exposure_hops.is_none_or(|hops| (1..=u32::from(MAX_HOPS)).contains(&hops)),
            wrong("exposure_hops", &row.exposure_hops.unwrap_or_default().to_string())
        );
        ensure!(!row.snapshot.is_empty(), wrong("snapshot", ""));
        let Ok(moment) = row.evaluated_at.parse::<Timestamp>() else {
            bail!(wrong("evaluated_at", &row.evaluated_at));
        };
        let known = [&row.rule, &row.list, &row.snapshot, &row.policy];
        let codes = row.incomplete().map(|(code, _)| code);
        for name in known.into_iter().map(String::as_str).chain(codes) {
            self.names.note(name, row.row)?;
        }
        if !row.party.is_empty() {
            self.names.note(&format!("{}\0{}", row.list, row.party), row.row)?;
        }
        self.levels[level].add(row.decision, 1);
        self.hops.entry(row.hops).or_default().add(row.decision, 1);
        match self.rules.get_mut(&row.rule) {
            Some(tally) => tally.add(row.decision, 1),
            None => self.rules.entry(row.rule.clone()).or_default().add(row.decision, 1),
        }
        *self.bases.entry((row.snapshot.clone(), row.policy.clone())).or_default() += 1;
        let (first, last) = self.evaluated.unwrap_or((moment, moment));
        self.evaluated = Some((first.min(moment), last.max(moment)));
        Ok(())
    }

    /// How many rows are of a decision.
    pub fn of(&self, decision: RowDecision) -> u64 {
        self.counts.decisions.get(&decision).copied().unwrap_or(0)
    }
}

/// The different names of a result, so that a hostile one cannot fill memory.
#[derive(Clone, Debug, Default)]
struct Names {
    seen: HashSet<String>,
    bytes: usize,
}

impl Names {
    fn note(&mut self, name: &str, row: u64) -> Result<()> {
        if self.seen.contains(name) {
            return Ok(());
        }
        self.bytes += name.len();
        ensure!(
            self.seen.len() < MAX_NAMES && self.bytes <= MAX_NAME_BYTES,
            "row {row}: more than {MAX_NAMES} different parties, rules, lists and snapshots, or \
             {MAX_NAME_BYTES} bytes of them"
        );
        self.seen.insert(name.to_owned());
        Ok(())
    }
}
