//! Questions and their answers, in full and owned, by snapshot.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use lazaretto::domain::chain::Chain;
use lazaretto::engine::{Engine, PaymentContext, RebuildLimits};
use lazaretto::screening::payment::Payment;
use lazaretto::screening::snapshot::{Snapshot, SnapshotRecord};
use lazaretto::screening::{Finding, Scope, ScopeFilter, Screening};

use super::on_record::OnRecord;

/// What was asked, and when.
#[derive(Clone, Debug)]
pub struct Question {
    pub now: Timestamp,
    pub address: String,
    pub chain: Option<Chain>,
    pub filter: ScopeFilter,
    /// Asked besides.
    pub payment: Option<Payment>,
}

/// What a snapshot answered.
#[derive(Debug)]
struct OfSnapshot {
    /// What the snapshot said of itself, with the transfers that its id stands for.
    record: SnapshotRecord,
    answers: Vec<(Question, String)>,
}

/// All answers, by the id of their snapshot.
#[derive(Debug, Default)]
pub struct Answers {
    by_id: BTreeMap<String, OfSnapshot>,
    /// Ids in the order of their first answer.
    ids: Vec<String>,
    /// How many answers took a search.
    searched: usize,
    pub on_record: OnRecord,
}

impl Answers {
    pub fn count(&self) -> usize {
        self.by_id.values().map(|of| of.answers.len()).sum()
    }

    /// What was asked, in figures.
    pub fn tally(&self) -> String {
        let answers = || self.by_id.values().flat_map(|of| &of.answers);
        let with = |text: &str| answers().filter(|(_, answer)| answer.contains(text)).count();
        let policies: std::collections::BTreeSet<_> =
            self.by_id.values().map(|of| of.record.policy_version.clone()).collect();
        let behind = self.by_id.keys().filter(|id| id.contains("-b")).count();
        format!(
            "{} answers, {} snapshots ({behind} behind), {} policies; {} with exposure, {} behind, \
             {} joined, {} searched",
            self.count(),
            self.by_id.len(),
            policies.len(),
            with("exposure: Some"),
            with("ExposureBehind"),
            with("joined: Some"),
            self.searched,
        )
    }

    /// Asks a question of a snapshot, and keeps the answer.
    pub fn ask(&mut self, engine: &Engine, snapshot: &Snapshot, question: Question) {
        let scope = Scope::new(snapshot, &question.filter, question.now).unwrap();
        let (address, chain) = (&question.address, question.chain.as_ref());
        let deep = engine.screen(&scope, address, chain, false).unwrap();
        let mut answer = text_of(&deep.screening);
        if let Some(payment) = &question.payment {
            let context = engine.payment_context(question.now).unwrap();
            assert_eq!(context.snapshot().id(), snapshot.id());
            answer.push_str(&projection(&context, &question, payment));
        }
        self.on_record.record(engine, snapshot, &question, &deep.screening);
        self.searched += usize::from(scope.needs_search());
        let id = snapshot.id().to_owned();
        let of = self.by_id.entry(id.clone()).or_insert_with(|| {
            self.ids.push(id);
            OfSnapshot { record: snapshot.record().clone(), answers: Vec::new() }
        });
        assert_eq!(of.record, *snapshot.record(), "one id stands for two snapshots");
        of.answers.push((question, answer));
    }

    /// Rebuilds every snapshot, in the order of `arrange`, and compares every answer. Returns how many
    /// answers and snapshots.
    pub fn check(
        &self,
        engine: &Engine,
        context: &str,
        arrange: impl Fn(&mut Vec<String>),
    ) -> (usize, usize) {
        let mut ids = self.ids.clone();
        arrange(&mut ids);
        let mut rebuilder = engine.rebuilder(RebuildLimits::default());
        let mut replayed = 0;
        for id in &ids {
            let of = &self.by_id[id];
            let context = format!("{context}, snapshot {id}");
            let rebuilt = rebuilder.rebuild(id).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(*rebuilt.snapshot().record(), of.record, "{context}");
            for (question, answer) in &of.answers {
                let scope = Scope::new(rebuilt.snapshot(), &question.filter, question.now).unwrap();
                let (address, chain) = (&question.address, question.chain.as_ref());
                let screening = rebuilt.screen(&scope, address, chain).unwrap();
                let mut again = text_of(&screening);
                if let Some(payment) = &question.payment {
                    let context = rebuilt.payment_context(question.now);
                    again.push_str(&projection(&context, question, payment));
                }
                assert_eq!(again, *answer, "{context}: {question:?}");
                replayed += 1;
            }
        }
        (replayed, ids.len())
    }
}

fn projection(context: &PaymentContext<'_>, question: &Question, payment: &Payment) -> String {
    let scope = Scope::new(context.snapshot(), &question.filter, question.now).unwrap();
    let projection = context.project(&scope, payment);
    let mut text = format!("payment: {:?} {}\n", projection.effect, projection.incomplete);
    for (place, prospect) in &projection.found {
        let (now, then) = (prospect.now, finding_text(&prospect.then));
        writeln!(text, "{place} from {now:?} to {then} {}", prospect.then.reason()).unwrap();
    }
    for (place, prospect) in &projection.unvalued {
        let (now, then) = (prospect.now, prospect.then.dealt);
        writeln!(text, "{place} {now} {then:?} {}", prospect.then.reason()).unwrap();
    }
    text
}

/// Every field of an answer.
fn text_of(screening: &Screening<'_>) -> String {
    let Screening {
        address,
        other_addresses,
        normalizations,
        score,
        level,
        decision,
        decider,
        findings,
        cluster_cuts,
        unvalued,
        unvalued_cut_short,
        scope_incomplete,
        address_incomplete,
        covered,
        exposure_hops,
        uncovered,
        shadow,
        ..
    } = screening;
    assert!(shadow.is_none());
    let mut text = format!(
        "{address:?} {other_addresses:?} {normalizations:?}\n\
         {score} {level:?} {decision:?} {decider:?} {:?} {:?}\n\
         {scope_incomplete:?} {address_incomplete:?}\n\
         covered {covered} over {exposure_hops} hops, uncovered {uncovered:?}\n\
         unvalued_cut_short {unvalued_cut_short}\n{}\n",
        screening.rule(),
        screening.decision_text(),
        screening.reason(None),
    );
    for finding in findings {
        writeln!(text, "{} {}", finding_text(finding), finding.reason()).unwrap();
    }
    for cut in cluster_cuts {
        writeln!(text, "cut {:?} {} {}", cut.kind, cut.about, cut.reason()).unwrap();
    }
    for dealings in unvalued {
        let reason = dealings.reason();
        writeln!(text, "unvalued {:?} {} {reason}", dealings.dealt, dealings.about).unwrap();
    }
    text
}

/// Every field of a finding.
fn finding_text(finding: &Finding<'_>) -> String {
    let Finding {
        kind,
        score,
        factors,
        decision,
        by,
        state,
        list,
        row,
        party,
        standing,
        listing,
        key,
        about,
        exposure,
        exposed_key,
        joined,
    } = finding;
    let listing = listing.map(|listing| (listing.canonical(), listing.chains()));
    format!(
        "{kind:?} {score} {factors:?} {decision:?} {by:?} {state:?} {} {:?} {:?} {row:?} {party:?} \
         {standing:?} {listing:?} {key:?} {about} exposure: {exposure:?} {exposed_key:?} joined: \
         {joined:?}",
        list.id(),
        list.kind(),
        list.current_at(),
    )
}
