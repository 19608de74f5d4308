//! What of a publication is understood, and what follows for its removals: an address that is only
//! written otherwise is the same row, and a row that cannot be read may be one that seems to be gone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::Gates;
use crate::domain::address::{AddressError, Reading};
use crate::domain::list::{NotUnderstood, Row, RowFacts, RowKey};

/// So many rows that are not understood are let pass, whatever part of the list they are.
const LET_PASS: usize = 10;

/// The most pairs of rows of one party that are compared by their texts; beyond it every removal
/// among them waits.
const MAX_PAIRS: usize = 1_000_000;

/// From so many bytes that two texts share at their ends they may be one address: two addresses that
/// have nothing to do with each other share three or four.
const MIN_ALIKE: usize = 12;

/// Whether a row, or a part of it, is not understood as an address. A burn address is.
pub(super) fn is_not_understood(key: &RowKey) -> bool {
    let fault = Reading::from_list_cell(&key.address, &key.ticker).fault;
    fault.is_some_and(|fault| !matches!(fault, AddressError::Uncontrolled(_)))
}

/// What rows are remembered by: the first eight bytes of SHA-256 over the key.
fn mark(key: &RowKey) -> u64 {
    let mut digest = Sha256::new();
    for part in [&key.party_uid, &key.address, &key.ticker] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    u64::from_be_bytes(*digest.first_chunk().expect("32 bytes have a first eight"))
}

/// Whether an operator accepted that the row is not understood.
fn is_accepted(key: &RowKey, known: &NotUnderstood) -> bool {
    known.accepted.binary_search(&mark(key)).is_ok()
}

/// Holds the `rows` of a publication of which `faulty` are not understood against the gate. `forced`
/// accepts all of these from now on.
pub(super) fn judge(
    rows: usize,
    faulty: &[&RowKey],
    known: &NotUnderstood,
    gates: &Gates,
    forced: Option<&str>,
) -> NotUnderstood {
    let mut judged = known.clone();
    if let Some(reason) = forced.filter(|_| !faulty.is_empty()) {
        let mut accepted: BTreeSet<u64> = judged.accepted.iter().copied().collect();
        accepted.extend(faulty.iter().map(|key| mark(key)));
        judged.accepted = accepted.into_iter().collect();
        judged.reason = reason.to_owned();
    }
    let open = faulty.iter().filter(|key| !is_accepted(key, &judged)).count();
    // Written so that a gate that is no number lets nothing pass.
    let is_within = open <= LET_PASS || open as f64 <= gates.max_not_understood * rows as f64;
    judged.beyond_gate = if is_within { 0 } else { open as u64 };
    judged
}

/// Rows of a publication that stand already and are only written otherwise: the place of each among
/// `old`, by its new key. Two rows are the same where party, ticker and the addresses are.
pub(super) fn rewritten(
    old: &[Row],
    is_missing: &[bool],
    rows: &[(&RowKey, &RowFacts)],
) -> BTreeMap<RowKey, usize> {
    let missing = old.iter().zip(is_missing).enumerate();
    let missing = missing.filter(|(_, (row, is_missing))| **is_missing && row.is_listed());
    let mut missing: HashMap<_, usize> =
        missing.filter_map(|(place, (row, _))| Some((meaning(&row.key)?, place))).collect();
    if missing.is_empty() {
        return BTreeMap::new();
    }
    let is_new = |key: &RowKey| old.binary_search_by(|row| row.key.cmp(key)).is_err();
    let new = rows.iter().map(|(key, _)| *key).filter(|key| is_new(key));
    new.filter_map(|key| Some((key.clone(), missing.remove(&meaning(key)?)?))).collect()
}

/// Party, ticker and addresses of a row that is understood whole.
pub(super) fn meaning(key: &RowKey) -> Option<(&str, &str, Vec<String>)> {
    let reading = Reading::from_list_cell(&key.address, &key.ticker);
    let addresses = reading.addresses().map(|address| address.canonical().to_owned());
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_unstable();
    reading.is_understood().then_some((&key.party_uid, &key.ticker, addresses))
}

/// Missing rows that may be among those that are not understood. One that was there until now may be
/// among the `faulty` that were not; one whose removal is pending, among all of them. Rows that an
/// operator accepted hold none.
pub(super) fn held<'r>(
    missing: impl Iterator<Item = &'r Row>,
    old: &[Row],
    faulty: &[&RowKey],
    known: &NotUnderstood,
) -> HashSet<&'r RowKey> {
    let (pending, gone): (Vec<_>, Vec<_>) =
        missing.partition(|row| row.removal_pending_since.is_some());
    let open: Vec<&RowKey> =
        faulty.iter().copied().filter(|key| !is_accepted(key, known)).collect();
    let stood = |key: &RowKey| {
        let found = old.binary_search_by(|row| row.key.cmp(key));
        found.is_ok_and(|at| old[at].is_listed() && old[at].removal_pending_since.is_none())
    };
    let new: Vec<&RowKey> = open.iter().copied().filter(|key| !stood(key)).collect();
    let mut held = likely_among(&gone, &new);
    held.extend(likely_among(&pending, &open));
    held
}

/// Of each party as many of the `missing` rows as it has `faulty` ones, those first whose texts are
/// most alike; and whatever the party, rows whose text is much like that of a faulty one.
fn likely_among<'r>(missing: &[&'r Row], faulty: &[&RowKey]) -> HashSet<&'r RowKey> {
    let party = |key: &RowKey| key.party_uid.to_ascii_lowercase();
    let mut suspects: HashMap<String, Vec<&RowKey>> = HashMap::new();
    for key in faulty {
        suspects.entry(party(key)).or_default().push(key);
    }
    let mut groups: HashMap<String, Vec<&'r RowKey>> = HashMap::new();
    for row in missing.iter().filter(|_| !suspects.is_empty()) {
        groups.entry(party(&row.key)).or_default().push(&row.key);
    }
    let mut held = HashSet::new();
    for (of, mut missing) in groups {
        let Some(suspects) = suspects.get(&of) else { continue };
        if missing.len() > suspects.len() && missing.len() * suspects.len() <= MAX_PAIRS {
            let likeness = |key: &&RowKey| {
                suspects.iter().map(|suspect| alike(&key.address, &suspect.address)).max()
            };
            missing.sort_by_key(|key| std::cmp::Reverse(likeness(key)));
            missing.truncate(suspects.len());
        }
        held.extend(missing);
    }
    let is_bounded = missing.len() * faulty.len() <= MAX_PAIRS;
    let is_alike = |row: &&&'r Row| {
        !is_bounded || faulty.iter().any(|key| alike(&row.key.address, &key.address) >= MIN_ALIKE)
    };
    if !faulty.is_empty() {
        held.extend(missing.iter().filter(is_alike).map(|row| &row.key));
    }
    held
}

/// How many bytes two texts share at their beginning and at their end.
fn alike(a: &str, b: &str) -> usize {
    let same = |pair: &(u8, u8)| pair.0 == pair.1;
    let begin = a.bytes().zip(b.bytes()).take_while(same).count();
    let end = a.bytes().rev().zip(b.bytes().rev()).take_while(same).count();
    begin + end.min(a.len().min(b.len()) - begin)
}
