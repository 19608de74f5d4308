//! Answers on record, and their replay through the decision log.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use lazaretto::audit::RecordId;
use lazaretto::domain::chain::Chain;
use lazaretto::engine::decision_log::{
    CallRecord, PaymentItemRecord, PaymentRecord, QueriedAddress, RecordedAnswer, RecordedItem,
    References,
};
use lazaretto::engine::{Engine, RebuildLimits};
use lazaretto::screening::payment::Overall;
use lazaretto::screening::snapshot::Snapshot;
use lazaretto::screening::{Scope, Screening};

use super::answers::Question;

/// The first record of each question, by snapshot, in the order of the snapshots.
#[derive(Debug, Default)]
pub struct OnRecord {
    by_snapshot: BTreeMap<String, Vec<RecordId>>,
    snapshots: Vec<String>,
}

impl OnRecord {
    /// Records the answer to a question, and that to its payment.
    pub fn record(
        &mut self,
        engine: &Engine,
        snapshot: &Snapshot,
        question: &Question,
        screening: &Screening<'_>,
    ) {
        let item = recorded(screening, question.chain.as_ref(), &question.address);
        self.append(engine, snapshot, question, &[item], None);
        let Some(payment) = &question.payment else { return };
        let scope = Scope::new(snapshot, &question.filter, question.now).unwrap();
        let context = engine.payment_context(question.now).unwrap();
        let projection = context.project(&scope, payment);
        let mut of_payment =
            PaymentItemRecord::all(payment, &projection, snapshot.policy()).into_iter();
        let (mut items, mut summaries, mut hops) = (Vec::new(), Vec::new(), u8::MAX);
        for address in payment.sources.iter().chain(&payment.destinations) {
            let screened = engine.screen(&scope, address, None, false).unwrap();
            let item = recorded(&screened.screening, None, address);
            items.push(item.of_payment(of_payment.next().unwrap(), None, ""));
            hops = hops.min(screened.screening.exposure_hops);
            summaries.push(Some(screened.screening.summary()));
        }
        let payment = PaymentRecord::new(payment, Overall::of(summaries), &projection, hops);
        self.append(engine, snapshot, question, &items, Some(payment));
    }

    fn append(
        &mut self,
        engine: &Engine,
        snapshot: &Snapshot,
        question: &Question,
        items: &[RecordedItem<'_>],
        payment: Option<PaymentRecord>,
    ) {
        let call = CallRecord {
            method: Cow::Borrowed("ScreenAddress"),
            snapshot: Cow::Borrowed(snapshot.id()),
            lists: Cow::Borrowed(&question.filter.lists),
            as_of: question.filter.as_of,
            max_hops: question.filter.max_hops,
            payment: payment.map(Box::new),
            ..CallRecord::default()
        };
        let log = engine.decision_log().unwrap();
        let appended = log
            .append(&call.to_json(), question.now, items.iter().map(RecordedItem::as_new))
            .unwrap();
        let recorded = log.finish_blocking(appended).unwrap().unwrap();
        let id = snapshot.id();
        if !self.by_snapshot.contains_key(id) {
            self.snapshots.push(id.to_owned());
        }
        self.by_snapshot.entry(id.to_owned()).or_default().push(recorded.first);
    }

    /// Replays every record. Returns how many.
    pub fn replay(&self, engine: &Engine, now: Timestamp) -> usize {
        let log = engine.decision_log().unwrap();
        let mut replayer = engine.replayer(RebuildLimits::default());
        let mut count = 0;
        for snapshot in &self.snapshots {
            let ids = &self.by_snapshot[snapshot];
            let records: Vec<_> = ids.iter().map(|id| log.record(*id, now).unwrap().0).collect();
            let replays = replayer.replay(snapshot, &records).unwrap();
            for (record, replay) in records.iter().zip(replays) {
                let replay = replay.unwrap_or_else(|error| panic!("{record:?}: {error}"));
                assert_eq!(replay.differences, [], "{record:?}");
                assert_eq!(replay.payment_not_replayed, None, "{record:?}");
                count += 1;
            }
        }
        count
    }
}

fn recorded(
    screening: &Screening<'_>,
    chain: Option<&Chain>,
    address: &str,
) -> RecordedItem<'static> {
    let chain = chain.map(|chain| chain.caip2().into_owned());
    let query = QueriedAddress { address, chain: chain.as_deref().unwrap_or_default() };
    RecordedAnswer::new(screening, query, &References::default()).to(address.to_owned())
}
