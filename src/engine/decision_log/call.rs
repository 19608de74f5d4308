//! What a leaf of the decision log says of the call: JSON, so that it can be read without this program.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::list::ListId;

/// What was asked, by whom, and by which data it was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The method, such as `ScreenAddress`; `screen` for a batch on the command line.
    pub method: String,
    pub identity: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// The only lists asked for; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_hops: Option<u8>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evidence: bool,
    /// The moment of evaluation, where a past snapshot was asked for; else that of the leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentRecord>,
    /// The keyed hash of the identity and its idempotency key, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The record of an earlier answer under the key, which no longer held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<String>,
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

/// A payment, and what was decided of the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRecord {
    /// CAIP-2.
    pub chain: String,
    /// `native` or the token.
    pub asset: String,
    /// In the asset's smallest unit.
    pub amount: String,
    /// DEPOSIT or WITHDRAWAL.
    pub direction: String,
    pub decision: String,
    pub status: String,
    pub score: u8,
}
