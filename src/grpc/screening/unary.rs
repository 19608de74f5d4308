//! `ScreenAddress` and `ScreenPayment`, also under an idempotency key: what is recorded before an answer
//! leaves, and which answer a repeat gets.

use tonic::Status;

use super::basis::Basis;
use super::{Moment, Screenings};
use crate::engine::decision_log::{KnownAnswer, RecordedItem};
use crate::grpc::idempotency::{IdempotencyKey, KeyedCall, is_recorded};
use crate::grpc::payment::{AnsweredPayment, CheckedPayment};
use crate::grpc::recording::{CallOrigin, RecordedCall};
use crate::grpc::request::{ScreeningOptions, check};
use crate::grpc::screener::{Answered, Unanswered};
use crate::grpc::status::{self, Refusal};
use crate::grpc::v1;
use crate::telemetry;

/// What a request for one address is answered by.
pub(super) struct CheckedAddress {
    keyed: Option<KeyedCall>,
    options: ScreeningOptions,
    basis: Basis,
}

/// Why an address has no answer.
pub(super) enum NoAnswer {
    /// The address or its options are refused; on record.
    Refused(Box<Unanswered>),
    Failed(Status),
}

impl From<Box<Unanswered>> for NoAnswer {
    fn from(unanswered: Box<Unanswered>) -> Self {
        Self::Refused(unanswered)
    }
}

impl From<Unanswered> for NoAnswer {
    fn from(unanswered: Unanswered) -> Self {
        Self::Refused(Box::new(unanswered))
    }
}

impl From<Status> for NoAnswer {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

impl From<Refusal> for NoAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

impl Screenings {
    /// Checks all of a request but the address; takes its idempotency key.
    pub(super) async fn check_address(
        &self,
        identity: &str,
        request: &mut v1::ScreenAddressRequest,
    ) -> Result<CheckedAddress, Status> {
        let key = std::mem::take(&mut request.idempotency_key);
        // Rare, and large: what every call carries is copied with it.
        let keyed = match &*key {
            "" => None,
            key => {
                let key = IdempotencyKey { identity, key };
                Box::pin(KeyedCall::claim(&self.engine, key, request)).await?
            }
        };
        let query = request.query.as_ref();
        let query = query.ok_or_else(|| status::invalid_field("query", "missing"));
        let options = ScreeningOptions::check_past(request.options.as_ref(), Some(&self.engine));
        let options = match (query, options) {
            (Ok(_), Ok(options)) => options,
            (Err(refusal), Ok(_)) => return Err(refusal.into()),
            (query, Err(refusal)) => return Err(refusal.after(query.and_then(check)).into()),
        };
        let basis = self.basis(&options).await?;
        Ok(CheckedAddress { keyed, options, basis })
    }

    pub(super) async fn screen_checked(
        &self,
        origin: CallOrigin<'_>,
        checked: CheckedAddress,
        query: v1::AddressQuery,
    ) -> Result<v1::ScreenAddressResponse, Status> {
        let CheckedAddress { keyed, options, basis } = checked;
        let moment = Moment { snapshot: &basis.snapshot, now: basis.now };
        let known = keyed.as_ref().and_then(KeyedCall::known);
        let known = known.filter(|known| known.snapshot == moment.snapshot.id());
        let again = known.map(|_| query.clone());
        let answered = self.answer_one(moment, &options, query).await;
        self.count(answered.as_ref().ok().map(|answered| answered.summary));
        let call = RecordedCall::new(origin, &options, moment.snapshot.id(), moment.now);
        let answered = match answered {
            Ok(answered) => answered,
            Err(NoAnswer::Failed(status)) => return Err(status),
            Err(NoAnswer::Refused(unanswered)) => {
                let Unanswered { refusal, record, .. } = *unanswered;
                let call = call.with(|call| keyed.iter().for_each(|keyed| keyed.add_to(call)));
                call.record(&self.engine, record.iter().map(RecordedItem::as_new)).await?;
                return Err(refusal.into());
            }
        };
        if let (Some(known), Some(again)) = (known, again)
            && let Some(then) =
                Box::pin(self.address_again(known, again, &options, moment, &answered)).await?
        {
            return Ok(v1::ScreenAddressResponse {
                screening: Some(then.screening),
                snapshot: self.message_by(&basis, &options).await?,
                record_id: known.record.to_string(),
                repeats_record_id: String::new(),
            });
        }
        let Answered { screening, summary, mut record } = answered;
        let records = record.as_mut_slice();
        let record_id = call.record_keyed(&self.engine, records, keyed.as_ref()).await?;
        telemetry::record_decision(summary.decision.as_str());
        Ok(v1::ScreenAddressResponse {
            screening: Some(screening),
            snapshot: self.message_by(&basis, &options).await?,
            record_id,
            repeats_record_id: keyed.as_ref().map(KeyedCall::repeats).unwrap_or_default(),
        })
    }

    /// The recorded answer, if the address would have the same one now.
    async fn address_again(
        &self,
        known: &KnownAnswer,
        query: v1::AddressQuery,
        options: &ScreeningOptions,
        moment: Moment<'_>,
        answered: &Answered,
    ) -> Result<Option<Answered>, Status> {
        let moment = Moment { now: known.evaluated_at, ..moment };
        let then = match self.answer_one(moment, options, query).await {
            Ok(then) => then,
            Err(NoAnswer::Refused(_)) => return Ok(None),
            Err(NoAnswer::Failed(status)) => return Err(status),
        };
        let records = then.record.iter().cloned().collect();
        let is_same = then.is_alike(answered)
            && is_recorded(&self.engine, known.record, records, None).await?;
        Ok(is_same.then_some(then))
    }

    pub(super) async fn screen_one_payment(
        &self,
        origin: CallOrigin<'_>,
        mut request: v1::ScreenPaymentRequest,
    ) -> Result<v1::ScreenPaymentResponse, Status> {
        let key = std::mem::take(&mut request.idempotency_key);
        let key = IdempotencyKey { identity: origin.identity, key: &key };
        let keyed = KeyedCall::claim(&self.engine, key, &request).await?;
        let now = self.engine.now();
        let is_snapshot_wanted = request.options.as_ref().is_some_and(|it| it.include_snapshot);
        let asked = CheckedPayment::check(request, &self.engine)?;
        let known = keyed.as_ref().and_then(KeyedCall::known);
        let again = known.map(|_| asked.clone());
        let answered = self.answer_payment(asked, now).await?;
        if let (Some(known), Some(again)) = (known, again)
            && let Some(then) = self.payment_again(known, again, &answered).await?
        {
            let record_id = known.record.to_string();
            let snapshot = is_snapshot_wanted.then(|| self.message(&then.snapshot, now));
            return Ok(v1::ScreenPaymentResponse { snapshot, record_id, ..then.response });
        }
        let AnsweredPayment {
            response,
            snapshot,
            decision,
            summaries,
            options,
            recorded,
            mut records,
        } = answered;
        summaries.into_iter().for_each(|summary| self.count(summary));
        let call = RecordedCall::new(origin, &options, snapshot.id(), now);
        let call = call.with(|call| call.payment = Some(Box::new(recorded)));
        let record_id = call.record_keyed(&self.engine, &mut records, keyed.as_ref()).await?;
        telemetry::record_decision(decision.as_str());
        Ok(v1::ScreenPaymentResponse {
            snapshot: is_snapshot_wanted.then(|| self.message(&snapshot, now)),
            record_id,
            repeats_record_id: keyed.as_ref().map(KeyedCall::repeats).unwrap_or_default(),
            ..response
        })
    }

    /// The recorded answer, if the payment would have the same one now.
    async fn payment_again(
        &self,
        known: &KnownAnswer,
        asked: CheckedPayment,
        answered: &AnsweredPayment,
    ) -> Result<Option<AnsweredPayment>, Status> {
        if known.snapshot != answered.snapshot.id() {
            return Ok(None);
        }
        let then = self.answer_payment(asked, known.evaluated_at).await?;
        let (records, recorded) = (then.records.clone(), then.recorded.clone());
        let is_same = then.is_alike(answered)
            && is_recorded(&self.engine, known.record, records, Some(recorded)).await?;
        Ok(is_same.then_some(then))
    }
}
