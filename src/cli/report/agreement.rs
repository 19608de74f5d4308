//! Checks a summary against the rows: a filed page must not contradict its data.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::gathered::Gathered;
use crate::cli::batch::summary::{Counts, Summary, Tally};

/// The most differences that are named.
const MOST: usize = 20;

/// What the summary says otherwise than the rows; empty where they agree. A summary of a run that
/// was stopped is held to the rows too.
pub fn differences(summary: &Summary, gathered: &Gathered) -> Vec<String> {
    let mut found = Differences::default();
    let (theirs, ours): (&Counts, &Counts) = (&summary.counts, &gathered.counts);
    found.number("rows", theirs.rows, ours.rows);
    found.number("errors", theirs.errors, ours.errors);
    found.map("decisions", &theirs.decisions, &ours.decisions);
    found.map("levels", &theirs.levels, &ours.levels);
    found.map("statuses", &theirs.statuses, &ours.statuses);
    found.map("hops", &theirs.hops, &ours.hops);
    found.map("findings", &theirs.findings, &ours.findings);
    found.map("rules", &theirs.rules, &ours.rules);
    found.map("incomplete", &theirs.incomplete, &ours.incomplete);
    // Summaries of earlier programs do not say.
    if !theirs.decided_by.is_empty() {
        found.map("decided_by", &decided_by(theirs), &decided_by(ours));
        found.map("data_reasons", &theirs.data_reasons, &ours.data_reasons);
    }
    found.map("lists", &theirs.lists, &ours.lists);
    found.map("unvalued_direct", &theirs.unvalued_direct, &ours.unvalued_direct);
    found.map("common_input", &theirs.common_input, &ours.common_input);
    found.map("cluster_cut", &theirs.cluster_cut, &ours.cluster_cut);
    found.map("parties", &parties(theirs), &parties(ours));
    if let Some(read) = summary.read.filter(|_| !summary.interrupted)
        && let Err(error) = read.check(ours.rows)
    {
        found.say(format!("what was read of the input: {error}"));
    }
    for (snapshot, policy) in gathered.bases.keys() {
        match summary.snapshots.iter().find(|known| known.id == *snapshot) {
            None => found.say(format!("snapshots lack {snapshot}, which rows rest on")),
            Some(known) if known.policy_version != *policy => found.say(format!(
                "snapshot {snapshot} has policy {}, in rows {policy}",
                known.policy_version
            )),
            Some(_) => {}
        }
    }
    found.finish()
}

/// A count of each decision by what it rests on.
fn decided_by(counts: &Counts) -> BTreeMap<String, u64> {
    let all = counts.decided_by.iter().flat_map(|(by, decisions)| {
        decisions.iter().map(|(decision, rows)| (format!("{} {decision}", by.as_str()), *rows))
    });
    all.collect()
}

/// A count of each decision by the party, the list and the decision's name.
fn parties(counts: &Counts) -> BTreeMap<String, u64> {
    let parties = counts.parties.worst_first().into_iter().flat_map(|party| {
        let Tally { block, review, allow } = party.rows;
        [("BLOCK", block), ("REVIEW", review), ("ALLOW", allow)]
            .map(|(decision, rows)| (format!("{} on {} {decision}", party.party, party.list), rows))
    });
    parties.collect()
}

#[derive(Default)]
struct Differences {
    said: Vec<String>,
    more: usize,
}

impl Differences {
    fn say(&mut self, difference: String) {
        if self.said.len() < MOST {
            self.said.push(difference);
        } else {
            self.more += 1;
        }
    }

    fn number(&mut self, what: &str, summary: u64, rows: u64) {
        if summary != rows {
            self.say(format!("{what}: {summary} in the summary, {rows} by the rows"));
        }
    }

    fn map<K: Ord + Display>(
        &mut self,
        what: &str,
        summary: &BTreeMap<K, u64>,
        rows: &BTreeMap<K, u64>,
    ) {
        let count = |counts: &BTreeMap<K, u64>, key: &K| counts.get(key).copied().unwrap_or(0);
        let theirs_alone = summary.keys().filter(|key| !rows.contains_key(key));
        for key in rows.keys().chain(theirs_alone) {
            let name = crate::cli::render::paths::shortened(&key.to_string(), 100);
            self.number(&format!("{what}, {name}"), count(summary, key), count(rows, key));
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.said.push(format!("and {} more", self.more));
        }
        self.said
    }
}
