//! What a leaf of the decision log says of the call: JSON, so that it can be read without this program.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::PaymentRecord;
use super::json::LastJson;
use crate::domain::list::ListId;

thread_local! {
    static LAST: RefCell<Option<LastJson<CallRecord<'static>>>> = const { RefCell::new(None) };
}

/// What was asked, by whom, and by which data it was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord<'c> {
    /// The method, such as `ScreenAddress`; `screen` for a batch on the command line.
    pub method: Cow<'c, str>,
    pub identity: Cow<'c, str>,
    /// The snapshot's id.
    pub snapshot: Cow<'c, str>,
    /// The only lists asked for; empty: all.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub lists: Cow<'c, [ListId]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_hops: Option<u8>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evidence: bool,
    /// The moment of evaluation, where a past snapshot was asked for; else that of the leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated_at: Option<Timestamp>,
    /// Of a call that was refused as a whole: how many addresses it had. The first are recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_queries: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedPolicies>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Box<PaymentRecord>>,
    /// The keyed hash of the identity and its idempotency key, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The record of an earlier answer under the key, which no longer held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<String>,
}

#[expect(clippy::ptr_arg, reason = "serde gives a reference")]
fn is_empty(lists: &Cow<'_, [ListId]>) -> bool {
    lists.is_empty()
}

impl CallRecord<'_> {
    /// The context of its leaves.
    pub fn to_json(&self) -> Arc<[u8]> {
        LAST.with_borrow_mut(|last| {
            let known = LastJson::find(last.as_ref(), |last| last == self);
            known.unwrap_or_else(|| LastJson::write(last, self.to_owned_record()))
        })
    }

    fn to_owned_record(&self) -> CallRecord<'static> {
        CallRecord {
            method: Cow::Owned(self.method.clone().into_owned()),
            identity: Cow::Owned(self.identity.clone().into_owned()),
            snapshot: Cow::Owned(self.snapshot.clone().into_owned()),
            lists: Cow::Owned(self.lists.clone().into_owned()),
            compared: self.compared.clone(),
            payment: self.payment.clone(),
            idempotency_key: self.idempotency_key.clone(),
            repeats: self.repeats.clone(),
            ..*self
        }
    }
}

/// The versions of the policies that ComparePolicies compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedPolicies {
    pub baseline: String,
    pub candidate: String,
}

/// What an officer did with a record: a leaf without items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum OfficerEvent {
    /// Retention keeps the record from now on.
    Held { record: String, identity: String, reason: String },
    /// And no longer.
    Released { record: String, identity: String, reason: String },
}
