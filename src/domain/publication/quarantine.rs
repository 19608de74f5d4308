//! Handles unparsed rows of a publication and their effect on removals. A row with only another
//! spelling is the same row, and an unparsed row may be one that seems to be missing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::Gates;
use crate::domain::address::{AddressError, Reading};
use crate::domain::list::{NotUnderstood, Row, RowFacts, RowKey};

/// This many unparsed rows are allowed, whatever their part of the list.
const ALWAYS_ALLOWED: usize = 10;

/// The maximum number of row pairs of one party compared by text. Beyond it every removal among
/// them waits.
const MAX_PAIRS: usize = 1_000_000;

/// Two texts that share this many bytes at their ends may be one address. Unrelated addresses share
/// three or four.
const MIN_ALIKE: usize = 12;

/// Returns true if a row, or a part of it, could not be parsed. A burn address counts as parsed.
pub(super) fn is_not_understood(key: &RowKey) -> bool {
    let fault = Reading::from_list_cell(&key.address, &key.ticker).fault;
    fault.is_some_and(|fault| !matches!(fault, AddressError::Uncontrolled(_)))
}

/// Identifies an accepted row: the first eight bytes of SHA-256 over the key.
fn row_digest(key: &RowKey) -> u64 {
    let mut digest = Sha256::new();
    for part in [&key.party_uid, &key.address, &key.ticker] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    u64::from_be_bytes(*digest.first_chunk().expect("32 bytes have a first eight"))
}

/// Returns true if an operator accepted the unparsed row.
fn is_accepted(key: &RowKey, known: &NotUnderstood) -> bool {
    known.accepted.binary_search(&row_digest(key)).is_ok()
}

/// Applies the quarantine gate to a publication of `rows` with the unparsed rows `faulty`. `forced`
/// accepts all of these from now on.
pub(super) fn apply_gate(
    rows: usize,
    faulty: &[&RowKey],
    known: &NotUnderstood,
    gates: &Gates,
    forced: Option<&str>,
) -> NotUnderstood {
    let mut judged = known.clone();
    if let Some(reason) = forced.filter(|_| !faulty.is_empty()) {
        let mut accepted: BTreeSet<u64> = judged.accepted.iter().copied().collect();
        accepted.extend(faulty.iter().map(|key| row_digest(key)));
        judged.accepted = accepted.into_iter().collect();
        judged.reason = reason.to_owned();
    }
    let open = faulty.iter().filter(|key| !is_accepted(key, &judged)).count();
    // Phrased so that a gate of NaN allows nothing.
    let is_within = open <= ALWAYS_ALLOWED || open as f64 <= gates.max_not_understood * rows as f64;
    judged.beyond_gate = if is_within { 0 } else { open as u64 };
    judged
}

/// Finds the rows of a publication that only have another spelling: the index of each among `old`,
/// by its new key. Two rows are the same if party, ticker and addresses are.
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

/// Returns party, ticker and addresses of a row that parses in full.
pub(super) fn meaning(key: &RowKey) -> Option<(&str, &str, Vec<String>)> {
    let reading = Reading::from_list_cell(&key.address, &key.ticker);
    let addresses = reading.addresses().map(|address| address.canonical().to_owned());
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_unstable();
    reading.is_understood().then_some((&key.party_uid, &key.ticker, addresses))
}

/// Returns the missing rows that may be among the unparsed ones. A row listed until now may be
/// among the newly `faulty` ones; a row with a pending removal may be among all of them. Rows that
/// an operator accepted hold none.
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

/// Selects as many `missing` rows per party as it has `faulty` ones, the most similar texts first.
/// Adds rows of any party whose text is very similar to that of a faulty one.
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
                suspects.iter().map(|suspect| shared_bytes(&key.address, &suspect.address)).max()
            };
            missing.sort_by_key(|key| std::cmp::Reverse(likeness(key)));
            missing.truncate(suspects.len());
        }
        held.extend(missing);
    }
    let is_bounded = missing.len() * faulty.len() <= MAX_PAIRS;
    let is_alike = |row: &&&'r Row| {
        !is_bounded
            || faulty.iter().any(|key| shared_bytes(&row.key.address, &key.address) >= MIN_ALIKE)
    };
    if !faulty.is_empty() {
        held.extend(missing.iter().filter(is_alike).map(|row| &row.key));
    }
    held
}

/// Counts the bytes that two texts share at their beginning and end.
fn shared_bytes(a: &str, b: &str) -> usize {
    let same = |pair: &(u8, u8)| pair.0 == pair.1;
    let begin = a.bytes().zip(b.bytes()).take_while(same).count();
    let end = a.bytes().rev().zip(b.bytes().rev()).take_while(same).count();
    begin + end.min(a.len().min(b.len()) - begin)
}
