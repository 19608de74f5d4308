//! What a leaf of the decision log keeps of one address.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use ring::hmac;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::PaymentItemRecord;
use super::json::LastJson;
use crate::audit::NewItem;
use crate::domain::address::{Address, Encoding, MAX_ADDRESS, Reading};
use crate::domain::chain::MAX_CHAIN;
use crate::domain::packed_key::PackedKey;
use crate::screening::policy::Decision;
use crate::screening::{AnswerRecord, RecordedStatus, Screening};

thread_local! {
    static LAST: RefCell<Option<LastJson<ItemRecord>>> = const { RefCell::new(None) };
}

/// An answer as it is hashed and kept, beside the address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRecord {
    /// The chain, as it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Box<str>>,
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
pub enum RecordClass {}

impl RecordClass {
    pub const INCOMPLETE: u8 = 1 << 3;
    /// Without a decision: refused, or the answer of a method that decides nothing.
    pub const UNDECIDED: u8 = 1 << 4;
    /// The first of a call under an idempotency key.
    pub const KEYED: u8 = 1 << 5;

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

impl<'q> QueriedAddress<'q> {
    /// The chain, if one was named. To compare two empty texts takes some 100 ns: glibc reads what an
    /// empty `String` points to, which is nowhere, by a masked load.
    pub fn named_chain(&self) -> Option<&'q str> {
        (!self.chain.is_empty()).then_some(self.chain)
    }
}

/// An item that is about to be recorded.
#[derive(Clone, Debug)]
pub struct RecordedItem<'a> {
    answer: RecordedAnswer,
    address: Cow<'a, str>,
}

/// What is recorded of an answer but the address.
#[derive(Clone, Debug)]
pub struct RecordedAnswer {
    json: Arc<[u8]>,
    class: u8,
    reference: Option<Box<str>>,
    fingerprints: Fingerprints,
}

/// What an address is found by: nearly always one, which then needs no heap.
#[derive(Clone, Debug)]
pub enum Fingerprints {
    One(u64),
    Many(Box<[u64]>),
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
        let is_by_chain = |address: &Address<'_>| {
            matches!(address.encoding(), Encoding::Verbatim | Encoding::Solana)
        };
        if let (Some(address), true) = (&screening.address, screening.other_addresses.is_empty())
            && !is_by_chain(address)
        {
            let mut keys = address.packed_keys();
            if let (Some(key), None) = (keys.next(), keys.next()) {
                return Self::One(fingerprint(&key));
            }
        }
        let mut found = Vec::new();
        let mut has_one_by_chain = false;
        for understood in screening.address.iter().chain(&screening.other_addresses) {
            found.extend(understood.packed_keys().map(|key| fingerprint(&key)));
            has_one_by_chain |= is_by_chain(understood);
        }
        // Without its chain the text may be no address: then it is looked up as it is.
        if found.is_empty() || (has_one_by_chain && !query.chain.is_empty()) {
            found.push(fingerprint_of_text(query.address));
        }
        Self::Many(found.into())
    }
}

impl RecordedAnswer {
    pub fn new(
        screening: &Screening<'_>,
        query: QueriedAddress<'_>,
        references: &References,
    ) -> Self {
        let record = ItemRecord {
            chain: query.named_chain().map(Box::from),
            answer: Some(AnswerRecord::from(screening)),
            ..ItemRecord::default()
        };
        let incomplete = if screening.is_complete() { 0 } else { RecordClass::INCOMPLETE };
        Self {
            json: json_of(record),
            class: RecordClass::of(screening.decision) | incomplete,
            reference: references.json(),
            fingerprints: Fingerprints::of(screening, query),
        }
    }

    /// The same answer to another address.
    #[inline]
    pub fn of_another(&self, references: &References, fingerprints: Fingerprints) -> Self {
        let reference = references.json();
        Self { json: self.json.clone(), class: self.class, reference, fingerprints }
    }

    pub fn to<'a>(self, address: impl Into<Cow<'a, str>>) -> RecordedItem<'a> {
        RecordedItem { answer: self, address: address.into() }
    }
}

impl<'a> RecordedItem<'a> {
    /// The record of an answer that decides nothing.
    pub fn undecided(
        record: ItemRecord,
        query: QueriedAddress<'_>,
        references: &References,
    ) -> Self {
        let record = ItemRecord { chain: query.named_chain().map(Box::from), ..record };
        let mut found = Vec::new();
        fingerprints(query.address, &mut found);
        let answer = RecordedAnswer {
            json: json_of(record),
            class: RecordClass::UNDECIDED,
            reference: references.json(),
            fingerprints: Fingerprints::Many(found.into()),
        };
        answer.to(query.address.to_owned())
    }

    /// The record of a query that was refused. Its texts may be of any length: they are cut.
    pub fn refused(why: &str, query: QueriedAddress<'_>, references: &References) -> Self {
        let address = query.address;
        let end = address.floor_char_boundary(MAX_ADDRESS);
        let cut = |chain: &str| Box::from(&chain[..chain.floor_char_boundary(MAX_CHAIN)]);
        let record = ItemRecord {
            chain: query.named_chain().map(cut),
            refused: Some(why.to_owned()),
            ..ItemRecord::default()
        };
        // As a text of its own too: it may be no address on the chain that was asked.
        let mut found = vec![fingerprint_of_text(&address[..end])];
        fingerprints(&address[..end], &mut found);
        let answer = RecordedAnswer {
            json: json_of(record),
            class: RecordClass::UNDECIDED,
            reference: references.json(),
            fingerprints: Fingerprints::Many(found.into()),
        };
        answer.to(address[..end].to_owned())
    }

    pub fn answer(&self) -> &RecordedAnswer {
        &self.answer
    }

    /// The answer, as it is kept.
    pub(super) fn json(&self) -> &Arc<[u8]> {
        &self.answer.json
    }

    /// Whether the answer is the same.
    pub fn is_alike(&self, other: &RecordedItem<'_>) -> bool {
        self.answer.json == other.answer.json
    }

    /// The same as an address of a payment, with the customer's reference and the transaction.
    pub fn of_payment(
        mut self,
        payment: PaymentItemRecord,
        customer: Option<String>,
        tx: &str,
    ) -> Self {
        if let Ok(record) = serde_json::from_slice::<ItemRecord>(&self.answer.json) {
            self.answer.json = json_of(ItemRecord { payment: Some(payment), ..record });
        }
        self.refer(|references| {
            references.customer = customer;
            tx.clone_into(&mut references.tx);
        });
        self
    }

    /// Makes it the first record of a call under an idempotency key; `content` is the hash of its request.
    pub fn mark_keyed(&mut self, content: String) {
        self.answer.class |= RecordClass::KEYED;
        self.refer(|references| references.content = content);
    }

    /// Adds references.
    fn refer(&mut self, add: impl FnOnce(&mut References)) {
        let known = self.answer.reference.as_deref().and_then(References::parse);
        let mut references = known.unwrap_or_default();
        add(&mut references);
        self.answer.reference = references.json();
    }

    pub fn as_new(&self) -> NewItem<'_> {
        NewItem {
            answer: &self.answer.json,
            class: self.answer.class,
            address: &self.address,
            reference: self.answer.reference.as_deref(),
            fingerprints: self.answer.fingerprints.as_slice(),
        }
    }
}

fn json_of(record: ItemRecord) -> Arc<[u8]> {
    LAST.with_borrow_mut(|last| {
        let known = LastJson::find(last.as_ref(), |last| *last == record);
        known.unwrap_or_else(|| LastJson::write(last, record))
    })
}

impl References {
    fn json(&self) -> Option<Box<str>> {
        let Self { request_id, customer, tx, content } = self;
        if request_id.is_empty() && customer.is_none() && tx.is_empty() && content.is_empty() {
            return None;
        }
        Some(serde_json::to_string(self).expect("references are text").into())
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

/// Bytes of a hash, unless the address was made up.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_address_is_found_by_each_of_its_forms() {
        let mixed = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";
        let query = QueriedAddress { address: mixed, chain: "no chain" };
        let refused = RecordedItem::refused("INVALID_CHAIN", query, &References::default());
        let found_by = refused.as_new().fingerprints.to_vec();
        for form in [mixed.to_owned(), mixed.to_ascii_lowercase()] {
            let mut wanted = Vec::new();
            fingerprints(&form, &mut wanted);
            assert!(wanted.iter().all(|one| found_by.contains(one)), "{form}");
        }
        assert!(found_by.contains(&fingerprint_of_text(mixed)));
    }
}
