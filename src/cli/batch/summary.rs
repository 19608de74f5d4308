//! The summary of a batch: counts over all rows, and the snapshots and policies of the answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cells::RowDecision;
use super::columns::ResultRow;
use crate::grpc::v1;
use crate::screening::DecidedBy;
use crate::source::rows::LineCounts;

/// The version of the form.
pub const VERSION: u32 = 1;

/// What `hops` counts rows under that have none.
const NO_HOPS: &str = "none";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of this form: [`VERSION`].
    pub lazaretto_batch: u32,
    /// The name of the input; `-` for standard input.
    pub input: String,
    /// The name of the result; `-` for standard output.
    pub result: String,
    /// When the batch began (of one that was resumed, the first time), RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub finished_at: String,
    /// Whether it was stopped before the input's end.
    #[serde(default)]
    pub interrupted: bool,
    /// What was read of the input; absent where the reader had no time to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<InputRead>,
    /// The counts over the rows that were answered.
    #[serde(flatten)]
    pub counts: Counts,
    /// What narrowed or dated the screenings.
    #[serde(default)]
    pub options: v1::ScreeningOptions,
    /// The chain of rows that name none, as asked for; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chain: String,
    /// The columns of the input that come back, by their names in the result.
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    pub kept_columns: Vec<String>,
    /// Every snapshot that answers rest on, in the order of their first answers.
    #[serde(default)]
    pub snapshots: Vec<v1::Snapshot>,
}

/// What was read of an input. Of a batch that was not interrupted, its rows are the rows answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRead {
    /// Rows read, whatever they came to.
    pub rows: u64,
    /// Rows of JSON lines with keys that the first has not, where all columns were to come back: they
    /// do not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_keys: u64,
    /// What became of the lines; absent of Parquet, which has none.
    #[serde(flatten)]
    pub lines: Option<LineCounts>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl InputRead {
    /// Fails if `answered` rows are others than those read, or than the lines make.
    pub fn check(&self, answered: u64) -> Result<()> {
        ensure!(self.rows == answered, "{} rows were read, {answered} answered", self.rows);
        self.lines.map_or(Ok(()), |lines| lines.check(answered))?;
        Ok(())
    }

    /// Fails if no row was read: nothing was asked, which must not pass for clean.
    pub fn check_not_empty(&self) -> Result<()> {
        let headings = self.lines.is_some_and(|lines| lines.heading_lines > 0);
        let what = if headings { "a heading and nothing else" } else { "no row" };
        ensure!(self.rows > 0, "no rows: the input holds {what}");
        Ok(())
    }
}

/// Counts over rows. Counts of levels, statuses, hops and rules leave out rows that are ERROR.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows, whatever they came to.
    pub rows: u64,
    pub errors: u64,
    pub decisions: BTreeMap<RowDecision, u64>,
    /// By level: NONE, LOW, ...
    pub levels: BTreeMap<String, u64>,
    /// By status: COMPLETE, INCOMPLETE.
    pub statuses: BTreeMap<String, u64>,
    /// By the fewest hops; `none` where nothing that scores was found.
    pub hops: BTreeMap<String, u64>,
    /// By the kind of the finding that decided; rows without one are not counted.
    pub findings: BTreeMap<String, u64>,
    /// By the deciding rule; rows that name none are not counted.
    pub rules: BTreeMap<String, u64>,
    /// By the code of a reason of being INCOMPLETE; a row counts once for each of its codes.
    pub incomplete: BTreeMap<String, u64>,
    /// By what the decision rests on, and the decision. Absent in summaries of earlier programs.
    #[serde(default)]
    pub decided_by: BTreeMap<DecidedBy, BTreeMap<RowDecision, u64>>,
    /// As `incomplete`, of the rows that rest on the data alone.
    #[serde(default)]
    pub data_reasons: BTreeMap<String, u64>,
    /// By the party of the finding that decided, worst first.
    pub parties: PartyCounts,
    /// By the list of the finding that decided.
    pub lists: BTreeMap<String, u64>,
    /// Rows with direct dealings in assets without a known value, by decision. Absent in summaries of
    /// earlier programs, and where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unvalued_direct: BTreeMap<RowDecision, u64>,
    /// By how the finding that decided rests on common input, as the column says it. Absent in summaries of
    /// earlier programs, and where none does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common_input: BTreeMap<String, u64>,
    /// Rows whose cluster by common input holds a listed address and is cut, by decision; likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cluster_cut: BTreeMap<RowDecision, u64>,
}

/// How rows were decided; those that are ERROR are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Tally {
    pub allow: u64,
    pub review: u64,
    pub block: u64,
}

impl Tally {
    pub fn add(&mut self, decision: RowDecision, rows: u64) {
        match decision {
            RowDecision::Allow => self.allow += rows,
            RowDecision::Review => self.review += rows,
            RowDecision::Block => self.block += rows,
            RowDecision::Error => {}
        }
    }

    pub fn total(self) -> u64 {
        self.block + self.review + self.allow
    }
}

/// Rows by the party, and the list that it stands on; written as an array, worst first: most BLOCK,
/// then most REVIEW, then most ALLOW, then by name and list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartyCounts(BTreeMap<(String, String), Tally>);

/// How the rows of one party came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyCount<'p> {
    pub party: Cow<'p, str>,
    /// The list that it stands on.
    pub list: Cow<'p, str>,
    #[serde(flatten)]
    pub rows: Tally,
}

impl Counts {
    pub fn add(&mut self, row: &ResultRow) {
        self.add_times(row, 1);
    }

    /// Counts `times` rows that say the same, but for what they have of the input.
    pub fn add_times(&mut self, row: &ResultRow, times: u64) {
        if times == 0 {
            return;
        }
        self.rows += times;
        *self.decisions.entry(row.decision).or_default() += times;
        if row.decision == RowDecision::Error {
            self.errors += times;
            return;
        }
        count(&mut self.levels, &row.level, times);
        count(&mut self.statuses, &row.status, times);
        match row.hops {
            Some(hops) => count(&mut self.hops, &hops.to_string(), times),
            None => count(&mut self.hops, NO_HOPS, times),
        }
        count(&mut self.findings, &row.finding, times);
        count(&mut self.rules, &row.rule, times);
        let mut codes: Vec<&str> = row.incomplete().map(|(code, _)| code).collect();
        codes.sort_unstable();
        codes.dedup();
        let decided_by = row.decided_by();
        for code in codes {
            count(&mut self.incomplete, code, times);
            if decided_by == DecidedBy::Data {
                count(&mut self.data_reasons, code, times);
            }
        }
        *self.decided_by.entry(decided_by).or_default().entry(row.decision).or_default() += times;
        count(&mut self.lists, &row.list, times);
        if row.unvalued_direct.is_some() {
            *self.unvalued_direct.entry(row.decision).or_default() += times;
        }
        count(&mut self.common_input, &row.common_input, times);
        if !row.cluster_cut.is_empty() {
            *self.cluster_cut.entry(row.decision).or_default() += times;
        }
        if !row.party.is_empty() || !row.list.is_empty() {
            self.parties.entry(&row.party, &row.list).add(row.decision, times);
        }
    }

    /// Adds the counts of other rows.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.errors += other.errors;
        let by_decision = [
            (&mut self.decisions, other.decisions),
            (&mut self.unvalued_direct, other.unvalued_direct),
            (&mut self.cluster_cut, other.cluster_cut),
        ];
        for (into, from) in by_decision {
            from.iter().for_each(|(decision, rows)| *into.entry(*decision).or_default() += rows);
        }
        let counts = [
            (&mut self.levels, other.levels),
            (&mut self.statuses, other.statuses),
            (&mut self.hops, other.hops),
            (&mut self.findings, other.findings),
            (&mut self.rules, other.rules),
            (&mut self.incomplete, other.incomplete),
            (&mut self.data_reasons, other.data_reasons),
            (&mut self.lists, other.lists),
            (&mut self.common_input, other.common_input),
        ];
        for (into, from) in counts {
            from.iter().for_each(|(name, rows)| count(into, name, *rows));
        }
        for (by, decisions) in other.decided_by {
            for (decision, rows) in decisions {
                *self.decided_by.entry(by).or_default().entry(decision).or_default() += rows;
            }
        }
        for ((party, list), found) in other.parties.0 {
            let into = self.parties.entry(&party, &list);
            into.allow += found.allow;
            into.review += found.review;
            into.block += found.block;
        }
    }

    /// How many rows of a decision rest on `by`.
    pub fn resting_on(&self, by: DecidedBy, decision: RowDecision) -> u64 {
        let decisions = self.decided_by.get(&by);
        decisions.and_then(|decisions| decisions.get(&decision)).copied().unwrap_or(0)
    }

    /// The worst decision of all rows: BLOCK, then ERROR, REVIEW, ALLOW; ALLOW of none.
    pub fn worst(&self) -> RowDecision {
        let found = self.decisions.iter().filter(|(_, rows)| **rows > 0);
        found.map(|(decision, _)| *decision).max().unwrap_or(RowDecision::Allow)
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str, rows: u64) {
    if name.is_empty() {
        return;
    }
    match counts.get_mut(name) {
        Some(count) => *count += rows,
        None => {
            counts.insert(name.to_owned(), rows);
        }
    }
}

impl PartyCounts {
    pub fn worst_first(&self) -> Vec<PartyCount<'_>> {
        let parties = self.0.iter().map(|((party, list), rows)| PartyCount {
            party: Cow::from(party),
            list: Cow::from(list),
            rows: *rows,
        });
        let mut parties: Vec<_> = parties.collect();
        // The sort is stable, and the map has them by name.
        parties.sort_by_key(|PartyCount { rows, .. }| {
            std::cmp::Reverse((rows.block, rows.review, rows.allow))
        });
        parties
    }

    fn entry(&mut self, party: &str, list: &str) -> &mut Tally {
        self.0.entry((party.to_owned(), list.to_owned())).or_default()
    }
}

impl Serialize for PartyCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.worst_first())
    }
}

impl<'de> Deserialize<'de> for PartyCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parties = Vec::<PartyCount<'_>>::deserialize(deserializer)?;
        let named = |party: PartyCount<'_>| {
            ((party.party.into_owned(), party.list.into_owned()), party.rows)
        };
        Ok(Self(parties.into_iter().map(named).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(decision: RowDecision, party: &str, hops: Option<u32>) -> ResultRow {
        let list = if party.is_empty() { "" } else { "us-ofac-sdn" };
        ResultRow {
            decision,
            hops,
            party: party.to_owned(),
            list: list.to_owned(),
            level: "HIGH".to_owned(),
            status: "INCOMPLETE".to_owned(),
            reason: "INCOMPLETE LIST_STALE a, LIST_STALE b, NARROWED c; x".to_owned(),
            ..ResultRow::default()
        }
    }

    fn counted(rows: &[ResultRow]) -> Counts {
        let mut counts = Counts::default();
        rows.iter().for_each(|row| counts.add(row));
        counts
    }

    #[test]
    fn counts_are_by_what_rows_say_and_leave_errors_out() {
        let unvalued = |row: ResultRow| ResultRow {
            unvalued_direct: Some(3),
            common_input: "CHAIN".to_owned(),
            cluster_cut: "1A".to_owned(),
            ..row
        };
        let rows = [
            unvalued(row(RowDecision::Review, "B", Some(2))),
            row(RowDecision::Error, "", None),
            row(RowDecision::Block, "A", Some(0)),
            row(RowDecision::Review, "B", Some(2)),
            unvalued(row(RowDecision::Review, "", None)),
        ];
        let counts = counted(&rows);
        assert_eq!((counts.rows, counts.errors, counts.worst()), (5, 1, RowDecision::Block));
        let json = serde_json::to_value(&counts).unwrap();
        assert_eq!(json["decisions"], serde_json::json!({"BLOCK": 1, "ERROR": 1, "REVIEW": 3}));
        assert_eq!(json["levels"], serde_json::json!({"HIGH": 4}));
        assert_eq!(json["hops"], serde_json::json!({"0": 1, "2": 2, "none": 1}));
        assert_eq!(json["incomplete"], serde_json::json!({"LIST_STALE": 4, "NARROWED": 4}));
        assert_eq!(json["lists"], serde_json::json!({"us-ofac-sdn": 3}));
        assert_eq!(json["unvalued_direct"], serde_json::json!({"REVIEW": 2}));
        assert_eq!(json["common_input"], serde_json::json!({"CHAIN": 2}));
        assert_eq!(json["cluster_cut"], serde_json::json!({"REVIEW": 2}));
        let names: Vec<_> =
            counts.parties.worst_first().iter().map(|p| p.party.to_string()).collect();
        assert_eq!(names, ["A", "B"]);
        // In parts as in whole.
        let mut merged = counted(&rows[..2]);
        merged.merge(counted(&rows[2..]));
        assert_eq!(merged, counts);
        assert_eq!(Counts::default().worst(), RowDecision::Allow);
    }

    #[test]
    fn what_was_read_is_what_was_answered() {
        let lines = LineCounts { lines: 6, heading_lines: 1, empty_lines: 1, lines_in_cells: 1 };
        let check = |read: InputRead, answered: u64, want: Option<&str>| {
            let said = read.check(answered).err().map(|error| error.to_string());
            match want {
                None => assert_eq!(said, None),
                Some(words) => assert!(said.as_ref().unwrap().contains(words), "{said:?}"),
            }
        };
        check(InputRead { rows: 3, other_keys: 0, lines: Some(lines) }, 3, None);
        check(InputRead { rows: 3, other_keys: 0, lines: None }, 3, None);
        check(
            InputRead { rows: 3, other_keys: 0, lines: None },
            2,
            Some("3 rows were read, 2 answered"),
        );
        check(InputRead { rows: 4, other_keys: 0, lines: Some(lines) }, 4, Some("do not add up"));
        let none = |lines: Option<LineCounts>| {
            InputRead { rows: 0, other_keys: 0, lines }.check_not_empty().unwrap_err().to_string()
        };
        assert_eq!(none(Some(lines)), "no rows: the input holds a heading and nothing else");
        assert_eq!(none(None), "no rows: the input holds no row");
        assert!(InputRead { rows: 1, other_keys: 0, lines: None }.check_not_empty().is_ok());
    }

    #[test]
    fn a_summary_is_read_back() {
        let snapshot = v1::Snapshot { id: "0123".to_owned(), ..v1::Snapshot::default() };
        let summary = Summary {
            lazaretto_batch: VERSION,
            input: "in.csv".to_owned(),
            interrupted: true,
            counts: counted(&[row(RowDecision::Review, "B", Some(2))]),
            options: v1::ScreeningOptions { max_hops: 2, ..Default::default() },
            snapshots: vec![snapshot],
            ..Summary::default()
        };
        let lines = LineCounts { lines: 2, heading_lines: 1, ..LineCounts::default() };
        let reads = [None, Some(InputRead { rows: 1, other_keys: 0, lines: None })];
        for read in
            [&reads[..], &[Some(InputRead { rows: 1, other_keys: 0, lines: Some(lines) })]].concat()
        {
            let summary = Summary { read, ..summary.clone() };
            let json = serde_json::to_string_pretty(&summary).unwrap();
            assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary, "{json}");
        }
    }
}
