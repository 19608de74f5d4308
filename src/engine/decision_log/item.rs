//! What a leaf of the decision log keeps of one address.

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use ring::hmac;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::PaymentItemRecord;
use crate::audit::NewItem;
use crate::domain::address::{Encoding, MAX_ADDRESS, Reading};
use crate::domain::chain::MAX_CHAIN;
use crate::domain::packed_key::PackedKey;
use crate::screening::policy::Decision;
use crate::screening::{AnswerRecord, RecordedStatus, Screening};

/// An answer as it is hashed and kept, beside the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRecord {
    /// The chain, as it was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chain: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerRecord>,
    /// What it is of a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentItemRecord>,
    /// What ComparePolicies answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonRecord>,
    /// What TraceExposure answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceRecord>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What two policies made of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonRecord {
    pub baseline: OutcomeRecord,
    pub candidate: OutcomeRecord,
}

/// What a policy made of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    pub decision: Decision,
    pub status: RecordedStatus,
    pub score: u8,
    pub rule: String,
}

impl From<&Screening<'_>> for OutcomeRecord {
    fn from(screening: &Screening<'_>) -> Self {
        Self {
            decision: screening.decision,
            status: RecordedStatus::of(screening.is_complete()),
            score: screening.score,
            rule: screening.rule().0.to_owned(),
        }
    }
}

/// What a search for paths came to; the paths are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRecord {
    pub paths: u32,
    pub common_inputs: u32,
    pub max_hops: u32,
    pub cut_short: bool,
}

/// The references of a record, which are kept and deleted with the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct References {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The transaction of a payment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tx: String,
    /// The keyed hash of the request without its idempotency key, in hex. In the first item of the call.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

/// What queries skip whole blocks of the log by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordClass(pub u8);

impl RecordClass {
    pub const INCOMPLETE: u8 = 1 << 3;
    /// Without a decision: refused, or the answer of a method that decides nothing.
    pub const UNDECIDED: u8 = 1 << 4;

    pub fn of(decision: Decision) -> u8 {
        match decision {
            Decision::Allow => 1,
            Decision::Review => 1 << 1,
            Decision::Block => 1 << 2,
        }
    }
}

/// An address and the chain that was named with it, as they were asked.
#[derive(Clone, Copy, Debug)]
pub struct QueriedAddress<'q> {
    pub address: &'q str,
    pub chain: &'q str,
}

/// An item that is about to be recorded.
#[derive(Clone, Debug)]
pub struct RecordedItem<'a> {
    answer: Arc<[u8]>,
    class: u8,
    address: Cow<'a, str>,
    reference: Option<String>,
    fingerprints: Fingerprints,
}

/// What an address is found by: nearly always one, which then needs no heap.
#[derive(Clone, Debug)]
pub enum Fingerprints {
    One(u64),
    Many(Vec<u64>),
}

impl Fingerprints {
    fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// Those of an answer.
    pub fn of(screening: &Screening<'_>, query: QueriedAddress<'_>) -> Self {
        if let (Some(understood), true) = (&screening.address, screening.other_addresses.is_empty())
            && let ([key], Encoding::Evm) = (understood.key_ids(), understood.encoding())
        {
            return Self::One(fingerprint(&PackedKey::from(key)));
        }
        let mut found = Vec::new();
        let mut is_by_chain = false;
        for understood in screening.address.iter().chain(&screening.other_addresses) {
            found.extend(understood.packed_keys().map(|key| fingerprint(&key)));
            is_by_chain |= matches!(understood.encoding(), Encoding::Verbatim | Encoding::Solana);
        }
        // Without its chain the text may be no address: then it is looked up as it is.
        if found.is_empty() || (is_by_chain && !query.chain.is_empty()) {
            found.push(fingerprint_of_text(query.address));
        }
        Self::Many(found)
    }
}

impl<'a> RecordedItem<'a> {
    /// The record of an answer.
    pub fn answered(
        screening: &Screening<'_>,
        query: QueriedAddress<'_>,
        references: &References,
    ) -> Self {
        let record = ItemRecord {
            chain: query.chain.to_owned(),
            answer: Some(AnswerRecord::from(screening)),
            ..ItemRecord::default()
        };
        let incomplete = if screening.is_complete() { 0 } else { RecordClass::INCOMPLETE };
        Self {
            answer: json(&record),
            class: RecordClass::of(screening.decision) | incomplete,
            address: Cow::Owned(query.address.to_owned()),
            reference: references.json(),
            fingerprints: Fingerprints::of(screening, query),
        }
    }

    /// The record of the same answer to another address.
    #[inline]
    pub fn of_another<'b>(
        &self,
        address: Cow<'b, str>,
        references: &References,
        fingerprints: Fingerprints,
    ) -> RecordedItem<'b> {
        RecordedItem {
            answer: self.answer.clone(),
            class: self.class,
            address,
            reference: references.json(),
            fingerprints,
        }
    }

    /// The record of an answer that decides nothing.
    pub fn undecided(
        record: &ItemRecord,
        query: QueriedAddress<'_>,
        references: &References,
    ) -> Self {
        let mut found = Vec::new();
        fingerprints(query.address, &mut found);
        Self {
            answer: json(record),
            class: RecordClass::UNDECIDED,
            address: Cow::Owned(query.address.to_owned()),
            reference: references.json(),
            fingerprints: Fingerprints::Many(found),
        }
    }

    /// The record of a query that was refused. Its texts may be of any length: they are cut.
    pub fn refused(why: &str, query: QueriedAddress<'_>, references: &References) -> Self {
        let QueriedAddress { address, chain } = query;
        let end = address.floor_char_boundary(MAX_ADDRESS);
        let record = ItemRecord {
            chain: chain[..chain.floor_char_boundary(MAX_CHAIN)].to_owned(),
            refused: Some(why.to_owned()),
            ..ItemRecord::default()
        };
        Self {
            answer: json(&record),
            class: RecordClass::UNDECIDED,
            address: Cow::Owned(address[..end].to_owned()),
            reference: references.json(),
            fingerprints: Fingerprints::One(fingerprint_of_text(&address[..end])),
        }
    }

    /// The answer, as it is kept.
    pub(super) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// Whether the answer is the same.
    pub fn is_alike(&self, other: &RecordedItem<'_>) -> bool {
        self.answer == other.answer
    }

    /// The same as an address of a payment, with the customer's reference and the transaction.
    pub fn of_payment(
        mut self,
        payment: PaymentItemRecord,
        customer: Option<String>,
        tx: &str,
    ) -> Self {
        if let Ok(record) = serde_json::from_slice::<ItemRecord>(&self.answer) {
            self.answer = json(&ItemRecord { payment: Some(payment), ..record });
        }
        self.refer(|references| {
            references.customer = customer;
            tx.clone_into(&mut references.tx);
        });
        self
    }

    /// Adds references.
    pub fn refer(&mut self, add: impl FnOnce(&mut References)) {
        let known = self.reference.as_deref().and_then(References::parse);
        let mut references = known.unwrap_or_default();
        add(&mut references);
        self.reference = references.json();
    }

    pub(super) fn as_new(&self) -> NewItem<'_> {
        NewItem {
            answer: &self.answer,
            class: self.class,
            address: &self.address,
            reference: self.reference.as_deref(),
            fingerprints: self.fingerprints.as_slice(),
        }
    }
}

fn json(record: &ItemRecord) -> Arc<[u8]> {
    serde_json::to_vec(record).expect("a record is text, numbers and lists").into()
}

impl References {
    fn json(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        Some(serde_json::to_string(self).expect("references are text"))
    }

    /// Those of a query.
    pub fn of_request(request_id: &str) -> Self {
        Self { request_id: request_id.to_owned(), ..Self::default() }
    }

    /// Reads what [`References::json`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The fingerprints of an address as it was asked: one for each of its keys, so that every form of a
/// key has the same.
pub fn fingerprints(address: &str, found: &mut Vec<u64>) {
    let before = found.len();
    let reading = Reading::from_query(address, None);
    for address in reading.addresses() {
        found.extend(address.packed_keys().map(|key| fingerprint(&key)));
    }
    if found.len() == before {
        found.push(fingerprint_of_text(address));
    }
}

/// Bytes of a hash, but for addresses that somebody chose.
fn fingerprint(key: &PackedKey) -> u64 {
    let last = key.0.last_chunk::<8>().expect("a key has 21 bytes");
    u64::from_le_bytes(*last)
}

pub(super) fn fingerprint_of_text(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    u64::from_le_bytes(*digest.first_chunk::<8>().expect("a digest has 32 bytes"))
}

/// HMAC-SHA-256 (RFC 2104) in hex.
pub(super) fn keyed_hash(key: &[u8], text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}
