//! Records answers in the decision log before they leave.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use super::idempotency::KeyedCall;
use super::request::ScreeningOptions;
use super::status::{Refusal, not_recorded};
use crate::audit::{NewItems, RecordId};
use crate::engine::Engine;
use crate::engine::decision_log::{CallRecord, Recorded, RecordedItem};

#[derive(Clone, Copy, Debug)]
pub struct CallOrigin<'c> {
    pub method: &'c str,
    pub identity: &'c str,
}

/// What is recorded of a call, beside its items. Borrows: without a log nothing is made of it.
#[derive(Debug)]
pub struct RecordedCall<'c> {
    call: CallRecord<'c>,
    /// The moment of evaluation.
    now: Timestamp,
}

impl<'c> RecordedCall<'c> {
    /// A call that is answered by a snapshot at `now`.
    pub fn new(
        origin: CallOrigin<'c>,
        options: &'c ScreeningOptions,
        snapshot: &'c str,
        now: Timestamp,
    ) -> Self {
        let call = CallRecord {
            method: Cow::Borrowed(origin.method),
            identity: Cow::Borrowed(origin.identity),
            snapshot: Cow::Borrowed(snapshot),
            lists: Cow::Borrowed(&options.narrowing.lists),
            as_of: options.narrowing.as_of,
            max_hops: options.narrowing.max_hops,
            evidence: options.evidence,
            evaluated_at: options.past.as_ref().map(|_| now),
            ..CallRecord::default()
        };
        Self { call, now }
    }

    /// The same with more that was asked.
    pub fn with(mut self, add: impl FnOnce(&mut CallRecord<'c>)) -> Self {
        add(&mut self.call);
        self
    }

    /// The context of its leaves.
    pub fn context(&self) -> Arc<[u8]> {
        self.call.to_json()
    }

    /// Records items that `engine` answered; the id of the first, empty where no log is kept. Returns
    /// when the answers may leave. What is waited with is small: every call carries it.
    pub fn record<'e, 'i, I: NewItems<'i>>(
        self,
        engine: &'e Engine,
        items: I,
    ) -> impl Future<Output = Result<String, Refusal>> + use<'e, 'i, I> {
        let recorded = self.append(engine, self.time(engine), items);
        async move { finish(engine, recorded?).await.map(id_text) }
    }

    /// The same of a call under an idempotency key, if it has one.
    pub fn record_keyed<'e>(
        mut self,
        engine: &'e Engine,
        items: &mut [RecordedItem<'_>],
        keyed: Option<&'e KeyedCall>,
    ) -> impl Future<Output = Result<String, Refusal>> + use<'e> {
        if let Some(keyed) = keyed {
            keyed.add_to(&mut self.call);
            keyed.add_content(items);
        }
        let at = self.time(engine);
        let recorded = self.append(engine, at, items.iter().map(RecordedItem::as_new));
        let remembered = keyed.zip(recorded.as_ref().ok().and_then(Option::as_ref));
        let remembered = remembered.map(|(keyed, recorded)| {
            keyed.remember(recorded.first, &self.call, at);
            keyed
        });
        async move {
            let first = finish(engine, recorded?).await;
            if let Some(keyed) = remembered.filter(|_| !matches!(first, Ok(Some(_)))) {
                keyed.forget();
            }
            first.map(id_text)
        }
    }

    /// The same, blocking; the id of the first.
    pub fn record_blocking<'i>(
        self,
        engine: &Engine,
        items: impl NewItems<'i>,
    ) -> Result<Option<RecordId>, Refusal> {
        let recorded = self.append(engine, self.time(engine), items)?;
        let Some(log) = engine.decision_log() else { return Ok(None) };
        let recorded = log.finish_blocking(recorded).map_err(not_recorded)?;
        Ok(recorded.map(|recorded| recorded.first))
    }

    fn append<'i>(
        &self,
        engine: &Engine,
        at: Timestamp,
        items: impl NewItems<'i>,
    ) -> Result<Option<Recorded>, Refusal> {
        if items.len() == 0 || engine.decision_log().is_none() {
            return Ok(None);
        }
        append(engine, &self.context(), at, items)
    }

    /// The time of the leaves.
    fn time(&self, engine: &Engine) -> Timestamp {
        if self.call.evaluated_at.is_some() { engine.now() } else { self.now }
    }
}

fn id_text(first: Option<RecordId>) -> String {
    first.map(|first| first.to_string()).unwrap_or_default()
}

/// Appends items that `engine` answered at `now`. They may leave once [`finish`] returns.
pub fn append<'i>(
    engine: &Engine,
    context: &[u8],
    now: Timestamp,
    items: impl NewItems<'i>,
) -> Result<Option<Recorded>, Refusal> {
    let Some(log) = engine.decision_log().filter(|_| items.len() > 0) else {
        return Ok(None);
    };
    log.append(context, now, items).map_err(not_recorded)
}

/// Waits until appended items may leave; the id of the first.
pub async fn finish(
    engine: &Engine,
    recorded: Option<Recorded>,
) -> Result<Option<RecordId>, Refusal> {
    let Some(log) = engine.decision_log() else { return Ok(None) };
    let recorded = log.finish(recorded).await.map_err(not_recorded)?;
    Ok(recorded.map(|recorded| recorded.first))
}
