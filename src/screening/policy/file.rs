//! The file of a policy: TOML, read whole or refused with every problem and its line. Reads no
//! disk; what the numbers and rules do is said beside them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Span, SpanRelativeTo};
use toml::Spanned;

use super::consistency::{self, Place};
use super::name_of;
use super::rule::{Conditions, Rule};
use super::score::{Scale, Step};
use super::tables::{
    Asked, BandsTable, File, RequiresTable, RuleTable, ShareStep, StalenessTable, ValueStep,
};
use super::{Bands, Decision, FindingKind, ListingState, Policy, RESERVED, Requirements};
use crate::domain::list::{ListId, ListKind};
use crate::exposure::{MAX_HOPS, Timing};

/// The largest file, in bytes.
pub const MAX_FILE: usize = 256 << 10;

/// The most rules, steps of a scale, and values of one condition.
const MAX_RULES: usize = 1_000;
const MAX_STEPS: usize = 100;
const MAX_VALUES: usize = 1_000;

/// The fewest scores by hops: files of programs that went no further have as many.
const LEAST_SCORES: usize = 8;

/// The least that CO_SPENT begins at where a file does not say.
const DEFAULT_CO_SPENT: u8 = 95;

/// The most problems that are named.
const MAX_PROBLEMS: usize = 100;

/// The most that share or value may raise a score to, in per cent.
const MAX_STEP_PERCENT: u64 = 1_000;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    pub message: String,
}

/// Why a file is no policy: never empty, in the order of lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy is not valid:{}", .0.iter().map(|p| format!("\n  line {}: {}", p.line, p.message)).collect::<String>())]
pub struct PolicyError(pub Vec<PolicyProblem>);

impl Policy {
    /// Reads a file. The policy is whole, or every problem is named with its line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_FILE {
            let message = format!("has {} bytes, more than {MAX_FILE}", text.len());
            return Err(PolicyError(vec![PolicyProblem { line: 0, message }]));
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            let message = error.message().replace('\n', ", ");
            PolicyError(vec![PolicyProblem { line, message }])
        })?;
        let mut reading = Reading { text, problems: Vec::new() };
        let policy = reading.policy(file);
        reading.problems.sort_by_key(|problem| problem.line);
        if reading.problems.is_empty() { Ok(policy) } else { Err(PolicyError(reading.problems)) }
    }
}

/// The line of an offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Where a place stands in the file.
fn offset_of(place: Place, file: &File) -> usize {
    let rules = &file.rules;
    let found = match place {
        Place::CoSpent => file.base.co_spent.as_ref().map(Spanned::span),
        Place::Rule(place) => rules.get_ref().get(place).map(|rule| rule.id.span()),
        Place::Rules => None,
    };
    found.unwrap_or_else(|| rules.span()).start
}

/// A file while it is read.
struct Reading<'t> {
    text: &'t str,
    problems: Vec<PolicyProblem>,
}

impl Reading<'_> {
    fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.problem_at(at.span().start, message);
    }

    fn problem_at(&mut self, offset: usize, message: impl Into<String>) {
        let problem = match self.problems.len() {
            MAX_PROBLEMS.. => return,
            before if before + 1 == MAX_PROBLEMS => {
                let message = "more is wrong than is named".to_owned();
                PolicyProblem { line: 0, message }
            }
            _ => PolicyProblem { line: line_of(self.text, offset), message: message.into() },
        };
        self.problems.push(problem);
    }

    fn policy(&mut self, file: File) -> Policy {
        let name = file.name.get_ref();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            self.problem(&file.name, "name: must be 1 to 64 of a-z, 0-9 and '-'");
        }
        let digest = Policy::digest_of(self.text);
        let rules = self.rules(&file.rules);
        let policy = Policy {
            version: name_of(name, &digest).into(),
            name: name.as_str().into(),
            digest,
            text: self.text.into(),
            bands: self.bands(&file.bands),
            scale: self.scale(&file),
            requirements: self.requirements(&file.staleness, &file.requires),
            rules,
        };
        // What numbers and rules do together says nothing while some of them are wrong.
        if self.problems.is_empty() {
            for (place, message) in consistency::problems(&policy) {
                self.problem_at(offset_of(place, &file), message);
            }
        }
        policy
    }

    /// An integer within bounds; the lower bound where it is not.
    fn number(&mut self, key: &str, given: &Spanned<u64>, least: u64, most: u64) -> u64 {
        let found = *given.get_ref();
        if (least..=most).contains(&found) {
            return found;
        }
        self.problem(given, format!("{key}: must be from {least} to {most}, not {found}"));
        least
    }

    fn small(&mut self, key: &str, given: &Spanned<u64>, least: u64, most: u8) -> u8 {
        self.number(key, given, least, most.into()).try_into().unwrap_or(most)
    }

    /// A percentage with up to two decimals, as basis points.
    fn basis_points(&mut self, key: &str, given: &Spanned<f64>) -> u16 {
        let points = given.get_ref() * 100.0;
        if (0.0..=10_000.0).contains(&points) && (points - points.round()).abs() < 1e-6 {
            return points.round() as u16;
        }
        self.problem(given, format!("{key}: must be from 0 to 100 with at most two decimals"));
        0
    }

    fn bands(&mut self, table: &BandsTable) -> Bands {
        let given = [&table.low, &table.medium, &table.high, &table.severe];
        let names = ["bands.low", "bands.medium", "bands.high", "bands.severe"];
        let mut bands = [0; 4];
        let mut least = 1;
        for ((band, given), name) in bands.iter_mut().zip(given).zip(names) {
            *band = self.small(name, given, least, 100);
            least = u64::from(*band) + 1;
        }
        Bands(bands)
    }

    fn scale(&mut self, file: &File) -> Scale {
        let mut list_kinds = [None; ListKind::ALL.len()];
        for (name, given) in file.weights.list_kind.get_ref() {
            let key = format!("weights.list_kind.{}", name.get_ref());
            let weight = self.small(&key, given, 0, 100);
            match exact(ListKind::ALL, ListKind::as_str, name.get_ref()) {
                Some(kind) => list_kinds[kind as usize] = Some((weight, given.span().start)),
                None => self.problem(name, format!("{key}: is no list kind")),
            }
        }
        for (kind, found) in ListKind::ALL.into_iter().zip(list_kinds) {
            match found {
                None => self.problem(
                    &file.weights.list_kind,
                    format!("weights.list_kind: {kind} has no weight"),
                ),
                Some((weight, at)) if kind == ListKind::Sanctions && weight != 100 => {
                    self.problem_at(at, "weights.list_kind.SANCTIONS: is the measure, 100");
                }
                Some(_) => {}
            }
        }
        let mut categories = BTreeMap::new();
        for (name, given) in &file.weights.category {
            let key = format!("weights.category.{}", name.get_ref());
            let weight = self.small(&key, given, 0, 100);
            if name.get_ref().is_empty() || name.get_ref().contains(',') {
                self.problem(name, format!("{key}: is no category"));
            }
            categories.insert(name.get_ref().clone(), weight);
        }
        let base = &file.base;
        let co_spent =
            base.co_spent.as_ref().map(|given| self.small("base.co_spent", given, 1, 100));
        let mut scale = Scale {
            list_kinds: list_kinds.map(|found| found.map_or(100, |(weight, _)| weight)),
            categories,
            verbatim: self.small("base.listed_verbatim", &base.listed_verbatim, 1, 100),
            co_spent: co_spent.unwrap_or(DEFAULT_CO_SPENT),
            received_from: self.by_hops("base.received_from", &base.received_from),
            sent_to: self.by_hops("base.sent_to", &base.sent_to),
            hub: self.small("base.hub_percent", &base.hub_percent, 0, 100),
            shares: self.shares(&file.share),
            values: self.values(&file.value),
        };
        if co_spent.is_none() {
            scale.co_spent = scale.co_spent.max(scale.highest_direct());
        }
        scale
    }

    /// Scores by hops; those that are not given are the last one that is.
    fn by_hops(&mut self, key: &str, given: &Spanned<Vec<u64>>) -> [u8; MAX_HOPS as usize] {
        let scores: Vec<u8> = given.get_ref().iter().map(|&s| s.min(255) as u8).collect();
        if scores.iter().any(|score| *score > 100) {
            self.problem(given, format!("{key}: scores are from 0 to 100"));
        }
        if !scores.is_sorted_by(|nearer, farther| nearer >= farther) {
            self.problem(given, format!("{key}: a score must not rise with more hops"));
        }
        let (count, most) = (scores.len(), usize::from(MAX_HOPS));
        if !(LEAST_SCORES..=most).contains(&count) {
            let message = format!(
                "{key}: must have {LEAST_SCORES} to {most} scores, for 1 hop and on, not {count}"
            );
            self.problem(given, message);
        }
        // Hops beyond those given must not be clean, nor score more.
        let last = scores.last().copied().unwrap_or(0);
        std::array::from_fn(|place| scores.get(place).copied().unwrap_or(last))
    }

    fn shares(&mut self, given: &[ShareStep]) -> Vec<Step> {
        let steps = given.iter().take(MAX_STEPS + 1).map(|step| {
            let at_least = self.basis_points("share.at_least_percent", &step.at_least_percent);
            self.step(
                "share",
                step.at_least_percent.span().start,
                at_least.into(),
                &step.score_percent,
            )
        });
        let steps: Vec<_> = steps.collect();
        self.rising("share", steps)
    }

    fn values(&mut self, given: &[ValueStep]) -> Vec<Step> {
        let steps = given.iter().take(MAX_STEPS + 1).map(|step| {
            let at_least = *step.at_least_floors.get_ref();
            self.step("value", step.at_least_floors.span().start, at_least, &step.score_percent)
        });
        let steps: Vec<_> = steps.collect();
        self.rising("value", steps)
    }

    fn step(
        &mut self,
        table: &str,
        at: usize,
        at_least: u64,
        percent: &Spanned<u64>,
    ) -> (usize, Step) {
        let key = format!("{table}.score_percent");
        let percent = self.number(&key, percent, 100, MAX_STEP_PERCENT) as u16;
        (at, Step { at_least, percent })
    }

    fn rising(&mut self, table: &str, steps: Vec<(usize, Step)>) -> Vec<Step> {
        for pair in steps.windows(2) {
            let [(_, before), (at, after)] = pair else { continue };
            if before.at_least >= after.at_least || before.percent > after.percent {
                self.problem_at(
                    *at,
                    format!("{table}: more must come after less, and not score less"),
                );
            }
        }
        if let Some((at, _)) = steps.get(MAX_STEPS) {
            self.problem_at(*at, format!("{table}: more than {MAX_STEPS} steps"));
        }
        steps.into_iter().map(|(_, step)| step).collect()
    }

    fn requirements(
        &mut self,
        staleness: &StalenessTable,
        requires: &RequiresTable,
    ) -> Requirements {
        let mut list_max_age = BTreeMap::new();
        for (name, given) in &staleness.list_kind {
            let age = self.age(&format!("staleness.list_kind.{}", name.get_ref()), given);
            match exact(ListKind::ALL, ListKind::as_str, name.get_ref()) {
                Some(kind) => drop(list_max_age.insert(kind, age)),
                None => {
                    let message =
                        format!("staleness.list_kind.{}: is no list kind", name.get_ref());
                    self.problem(name, message);
                }
            }
        }
        let lists: BTreeSet<ListId> =
            requires.lists.iter().filter_map(|id| self.list_id("requires.lists", id)).collect();
        let max_hops = &requires.max_hops;
        Requirements {
            lists: lists.into_iter().collect(),
            max_hops: max_hops
                .as_ref()
                .map(|given| self.small("requires.max_hops", given, 1, MAX_HOPS)),
            list_max_age,
            transfers_max_age: staleness
                .transfers
                .as_ref()
                .map(|given| self.age("staleness.transfers", given)),
        }
    }

    fn age(&mut self, key: &str, given: &Spanned<String>) -> SignedDuration {
        let span = given.get_ref().parse::<Span>();
        let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
        age.ok().filter(|age| age.is_positive()).unwrap_or_else(|| {
            let message =
                format!("{key}: must be a span of time such as \"90m\", \"6h\" or \"1d\"");
            self.problem(given, message);
            SignedDuration::MAX
        })
    }

    fn list_id(&mut self, key: &str, given: &Spanned<String>) -> Option<ListId> {
        match given.get_ref().parse() {
            Ok(id) => Some(id),
            Err(error) => {
                self.problem(given, format!("{key}: {error}"));
                None
            }
        }
    }

    fn rules(&mut self, given: &Spanned<Vec<RuleTable>>) -> Vec<Rule> {
        let mut ids = BTreeSet::new();
        if given.get_ref().len() > MAX_RULES {
            self.problem(given, format!("rules: more than {MAX_RULES}"));
        }
        let mut rules = Vec::new();
        for table in given.get_ref().iter().take(MAX_RULES) {
            let id = table.id.get_ref();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
                self.problem(&table.id, "id: must be 1 to 64 of a-z, 0-9 and '-'");
            }
            if RESERVED.contains(&id.as_str()) {
                self.problem(&table.id, format!("id: {id} is a name of the program's own"));
            }
            if !ids.insert(id.clone()) {
                self.problem(&table.id, format!("id: another rule is called {id} too"));
            }
            let decision =
                Decision::ALL.into_iter().find(|d| d.as_str() == table.decision.get_ref());
            if decision.is_none() {
                self.problem(&table.decision, "decision: must be ALLOW, REVIEW or BLOCK");
            }
            let conditions = self.conditions(table);
            self.check_reach(table, &conditions);
            rules.push(Rule {
                id: id.as_str().into(),
                decision: decision.unwrap_or(Decision::Block),
                note: table.note.as_str().into(),
                conditions,
            });
        }
        rules
    }

    fn conditions(&mut self, table: &RuleTable) -> Conditions {
        let score = |this: &mut Self, key, given: &Option<Spanned<u64>>| {
            given.as_ref().map(|given| this.small(key, given, 0, 101))
        };
        let hops = |this: &mut Self, key, given: &Option<Spanned<u64>>| {
            given.as_ref().map(|given| this.small(key, given, 0, MAX_HOPS))
        };
        let share = |this: &mut Self, key, given: &Option<Spanned<f64>>| {
            given.as_ref().map(|given| this.basis_points(key, given))
        };
        Conditions {
            findings: self.names("finding", &table.finding, FindingKind::ALL, FindingKind::as_str),
            list_kinds: self.names("list_kind", &table.list_kind, ListKind::ALL, ListKind::as_str),
            lists: self
                .bounded("list", &table.list)
                .iter()
                .filter_map(|id| self.list_id("list", id))
                .collect(),
            categories: self
                .bounded("category", &table.category)
                .iter()
                .map(|one| one.get_ref().clone())
                .collect(),
            states: self.names("state", &table.state, ListingState::ALL, ListingState::as_str),
            timings: self.names("timing", &table.timing, Timing::ALL, Timing::as_str),
            hops_at_least: hops(self, "hops_at_least", &table.hops_at_least),
            hops_at_most: hops(self, "hops_at_most", &table.hops_at_most),
            share_at_least: share(self, "share_at_least_percent", &table.share_at_least_percent),
            share_below: share(self, "share_below_percent", &table.share_below_percent),
            value_at_least: table.value_at_least_floors,
            value_below: table.value_below_floors,
            score_at_least: score(self, "score_at_least", &table.score_at_least),
            score_below: score(self, "score_below", &table.score_below),
        }
    }

    fn names<T: Copy, const N: usize>(
        &mut self,
        key: &str,
        given: &Asked,
        all: [T; N],
        name: impl Fn(T) -> &'static str,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for one in self.bounded(key, given) {
            match exact(all, &name, one.get_ref()) {
                Some(value) => found.push(value),
                None => {
                    let names = all.map(&name).join(", ");
                    self.problem(one, format!("{key}: must be one of {names}"));
                }
            }
        }
        found
    }

    /// The values of a condition, no more than are taken. Without any it would ask nothing, and
    /// not what its last value asked.
    fn bounded<'g>(&mut self, key: &str, given: &'g Asked) -> &'g [Spanned<String>] {
        let Some(all) = given else { return &[] };
        let given = all.get_ref();
        if given.is_empty() {
            self.problem(all, format!("{key}: is empty: leave it out to ask nothing"));
        }
        if let Some(one) = given.get(MAX_VALUES) {
            self.problem(one, format!("{key}: more than {MAX_VALUES}"));
        }
        &given[..given.len().min(MAX_VALUES)]
    }

    /// Refuses what a rule cannot know of exposure.
    fn check_reach(&mut self, table: &RuleTable, asked: &Conditions) {
        use FindingKind::{Listed, ListedVerbatim, ReceivedFrom, SameKey, SentTo};
        let only = |kinds: &[FindingKind]| {
            !asked.findings.is_empty() && asked.findings.iter().all(|kind| kinds.contains(kind))
        };
        if asked.hides_farther() && !only(&[Listed, SameKey, ListedVerbatim]) {
            let message = "list, category and state fit listings of the address itself alone, since \
                           of exposure only the nearest listing of a kind is kept, and of CO_SPENT \
                           only the first: give finding = [\"LISTED\", \"SAME_KEY\", \
                           \"LISTED_VERBATIM\"], or some of them";
            self.problem(&table.id, message);
        }
        let direct = only(&[ReceivedFrom, SentTo]) && asked.hops_at_most == Some(1);
        if !asked.timings.is_empty() && !direct {
            let message = "timing is exact for direct dealings alone: give hops_at_most = 1 and \
                           finding = [\"RECEIVED_FROM\", \"SENT_TO\"], or one of them";
            self.problem(&table.id, message);
        }
    }
}

/// The value of that very name.
fn exact<T: Copy, const N: usize>(
    all: [T; N],
    name: impl Fn(T) -> &'static str,
    given: &str,
) -> Option<T> {
    all.into_iter().find(|value| name(*value) == given)
}
