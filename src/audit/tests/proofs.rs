//! Proofs of records: what they hold, that they verify by the documented bytes alone, and how long
//! they are as messages.

use std::path::Path;
use std::process::Command;

use data_encoding::BASE64;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::support::*;
use crate::audit::merkle::root_of;
use crate::audit::*;

/// The bound of the issue for the message `GetInclusionProofResponse`.
const MAX_MESSAGE: usize = 2_048;

/// Hashes on the way from a leaf to the root of 2^38 leaves.
const DEEPEST: usize = 38;

/// Bytes of a field of protobuf with a number below 16.
fn field(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=127 => 2 + bytes,
        _ => 3 + bytes,
    }
}

/// Bytes of a message without context and answer, with `depth` hashes of the tree, at the largest
/// numbers. Fields 16 and above take one byte more.
fn smallest_message(proof: &RecordProof, note: &str, depth: usize) -> usize {
    let value = |value: &Field| match value {
        Field::Open { salt, text } => field(salt.len()) + field(text.len()),
        Field::Redacted { commitment } => 1 + field(commitment.len()),
    };
    let numbers = 2 * 7 + 2 * 2;
    numbers
        + field(note.len())
        + (depth + proof.record_hashes.len()) * field(32)
        + field(proof.entry_head.len())
        + field(proof.answer_hash.len())
        + value(&proof.address)
        + proof.reference.as_ref().map_or(0, value)
}

fn sha(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

fn committed(field: &Field) -> Hash {
    match field {
        Field::Open { salt, text } => commitment(salt, text),
        Field::Redacted { commitment } => *commitment,
    }
}

/// As the offline verifier does it.
#[track_caller]
fn check(proof: &RecordProof, id: RecordId, size: u64, root: Hash) {
    assert_eq!(sha(&[&[proof.class], &proof.answer]), proof.answer_hash);
    let head = &proof.entry_head[..];
    assert_eq!(head[9..41], sha(&[&proof.context]));
    let (count, first) = (u64::from(head[41]), &head[44..]);
    let is_by_itself = u16::from_be_bytes([head[42], head[43]]) >> id.item & 1 == 1;
    let address = committed(&proof.address);
    let record = match &proof.reference {
        None if !is_by_itself => address,
        None => sha(&[&[2], &proof.answer_hash, &address]),
        Some(reference) => sha(&[&[2], &proof.answer_hash, &address, &committed(reference)]),
    };
    assert!(is_by_itself || proof.answer_hash == *first);
    let records = root_by(record, id.item.into(), count, &proof.record_hashes);
    let leaf = leaf_hash(&[head, &records].concat());
    assert!(verify_inclusion(leaf, id.index, size, &proof.hashes, root), "{id}");
}

/// The root of `count` records by the hashes that lead to it from one of them.
fn root_by(hash: Hash, place: u64, count: u64, path: &[Hash]) -> Hash {
    if count == 1 {
        assert!(path.is_empty());
        return hash;
    }
    let others = (count - (place - place % 4)).min(4) as usize - 1;
    let (others, rest) = path.split_at(others);
    let mut below = others.to_vec();
    below.insert((place % 4) as usize, hash);
    let node = sha(&[&[1], below.as_flattened()]);
    root_by(node, place / 4, count.div_ceil(4), rest)
}

#[derive(Clone, Debug)]
struct GivenItem {
    answer: Vec<u8>,
    class: u8,
    address: String,
    reference: Option<String>,
}

/// Addresses of up to 62 characters (`bc1p`), references of up to 53 bytes (a UUID as request id).
fn any_item() -> impl Strategy<Value = GivenItem> {
    let answer = prop_oneof![
        10 => Just(CLEAR.to_vec()),
        10 => prop::collection::vec(any::<u8>(), 0..300),
        1 => Just(vec![7; 65_536]),
    ];
    let reference = r#"\{"request_id":"[0-9a-f-]{36}"\}"#;
    (answer, 0..3u8, "(0x[0-9a-f]{40}|bc1p[02-9ac-hj-np-z]{58})", prop::option::of(reference))
        .prop_map(|(answer, class, address, reference)| GivenItem {
            answer,
            class,
            address,
            reference,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the call says and whatever the other records of the leaf are.
    #[test]
    fn any_leaf_is_proved_within_two_kilobytes(
        items in prop::collection::vec(any_item(), 1..=40),
        context in prop::collection::vec(any::<u8>(), 0..2_000),
        redacted in any::<prop::sample::Index>(),
    ) {
        let fixture = Fixture::new();
        fixture.append(3);
        let new: Vec<NewItem<'_>> = items
            .iter()
            .map(|item| NewItem {
                answer: &item.answer,
                class: item.class,
                address: &item.address,
                reference: item.reference.as_deref(),
                fingerprints: &[],
            })
            .collect();
        let log = fixture.log();
        let leaves = log.append_batch(time(3), &context, new.iter().copied()).unwrap();
        log.write(leaves.end).unwrap();
        let redacted = redacted.index(items.len());
        log.redact(log.record_id(leaves.start, redacted), time(4)).unwrap();
        let signed = log.sign_checkpoint().unwrap();
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        for (number, item) in items.iter().enumerate() {
            let id = log.record_id(leaves.start, number);
            let proof = log.reader().record_proof(id, size).unwrap();
            check(&proof, id, size, root);
            prop_assert_eq!((&proof.answer, proof.class), (&item.answer, item.class));
            let is_open = proof.address.text() == Some(&*item.address);
            prop_assert_eq!(is_open, number != redacted);
            let bytes = smallest_message(&proof, &signed.note, DEEPEST);
            prop_assert!(bytes <= MAX_MESSAGE, "{} bytes", bytes);
        }
    }
}

/// The message of a clean record has room for the context and the answer up to 2^30 leaves; with
/// two signatures as well, as of the checkpoint at which a key is changed.
#[test]
fn clean_record_is_proved_with_all_its_texts() {
    let fixture = Fixture::new();
    let answer = [b'a'; 51];
    let item = NewItem {
        answer: &answer,
        class: 1,
        address: &address(1),
        reference: None,
        fingerprints: &[],
    };
    let leaf = NewLeaf { time: time(1), context: &[b'c'; 105], items: &[item; 16] };
    let index = fixture.log().append(&leaf).unwrap();
    fixture.log().write(index + 1).unwrap();
    fixture.log().rotate_key(time(2)).unwrap();
    let both = fixture.log().reader().checkpoint().unwrap();
    let proof = fixture.log().reader().record_proof(fixture.log().record_id(index, 5), 3).unwrap();
    let texts = field(proof.answer.len()) + field(proof.context.len());
    let bytes = smallest_message(&proof, &both.note, 30) - field(32) + texts;
    assert!(bytes <= MAX_MESSAGE, "{bytes}");
    let one = both.note.len() - 138;
    eprintln!("2^30 leaves, all texts, two signatures: {bytes}; note {}, {one}", both.note.len());
}

/// The bound of docs/audit.md at 2^30 leaves: of all that may be in the references, and of 387 bytes.
#[test]
fn proof_with_all_references_has_at_most_the_bound() {
    let fixture = Fixture::new();
    let address = format!("bc1p{}", "q".repeat(58));
    let hex = "a".repeat(64);
    let request_id = "0d6dbd0e-6d3e-4f5b-9c0e-2a1d3f4b5c6d";
    let all = format!(
        r#"{{"request_id":"{request_id}","customer":"{hex}","tx":"0x{hex}","content":"{hex}"}}"#
    );
    assert_eq!(all.len(), 282);
    for reference in [all, "x".repeat(387 - address.len())] {
        let item = NewItem {
            answer: CLEAR,
            class: 1,
            address: &address,
            reference: Some(&reference),
            fingerprints: &[],
        };
        let leaf = NewLeaf { time: time(1), context: CONTEXT, items: &[item; 16] };
        let index = fixture.log().append(&leaf).unwrap();
        let signed = fixture.log().sign_checkpoint().unwrap();
        let id = fixture.log().record_id(index, 5);
        let proof = fixture.log().reader().record_proof(id, signed.checkpoint.size).unwrap();
        assert_eq!(proof.record_hashes.len(), 6);
        // The number of leaves has up to nine digits more in the checkpoint.
        let bytes = smallest_message(&proof, &signed.note, 30) + 9;
        assert!(bytes <= MAX_MESSAGE, "{bytes}");
        eprintln!("address and references of {}: {bytes}", address.len() + reference.len());
    }
}

/// The bytes of the values, and they alone, may make a proof longer.
#[test]
fn long_address_adds_its_own_length_only() {
    let fixture = Fixture::new();
    let lengths = [40, 4_000].map(|length| {
        let address = "ä".repeat(length / 2);
        let item = NewItem {
            answer: CLEAR,
            class: 1,
            address: &address,
            reference: None,
            fingerprints: &[],
        };
        let index =
            fixture.log().append(&NewLeaf { time: time(1), context: CONTEXT, items: &[item] });
        let signed = fixture.log().sign_checkpoint().unwrap();
        let id = fixture.log().record_id(index.unwrap(), 0);
        let proof = fixture.log().reader().record_proof(id, signed.checkpoint.size).unwrap();
        smallest_message(&proof, &signed.note, DEEPEST)
    });
    assert_eq!(lengths[1] - lengths[0], 4_000 - 40 + 1);
}

#[test]
fn record_that_does_not_exist_has_no_proof() {
    let fixture = Fixture::new();
    fixture.append(2);
    let (log, reader) = (fixture.log(), fixture.log().reader());
    let other = RecordId { tag: [9; 4], ..log.record_id(1, 0) };
    for id in [log.record_id(0, 0), log.record_id(1, 1), other] {
        let proof = reader.record_proof(id, 3);
        assert!(matches!(proof, Err(AuditError::NoSuchRecord(_))), "{id}");
    }
    assert!(matches!(
        reader.record_proof(log.record_id(3, 0), 3),
        Err(AuditError::NoSuchLeaf { .. })
    ));
    assert_eq!(root_of(&[]), reader.root(0).unwrap());
}

/// The message as the command line prints it.
fn as_json(proof: &RecordProof, id: RecordId, signed: &SignedCheckpoint) -> Value {
    let hashes = |hashes: &[Hash]| -> Vec<String> {
        hashes.iter().map(|hash| BASE64.encode(hash)).collect()
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut message = json!({
        "checkpoint": signed.note,
        "leaf_index": id.index.to_string(),
        "tree_size": signed.checkpoint.size.to_string(),
        "hashes": hashes(&proof.hashes),
        "entry": BASE64.encode(&proof.entry_head),
        "item": id.item,
        "record_hashes": hashes(&proof.record_hashes),
        "class": proof.class,
        "answer": text(&proof.answer),
        "context": text(&proof.context),
    });
    let values = [("address", Some(&proof.address)), ("reference", proof.reference.as_ref())];
    for (name, field) in values {
        match field {
            Some(Field::Open { salt, text }) => {
                message[name] = text.as_str().into();
                message[format!("{name}_salt")] = BASE64.encode(salt).into();
            }
            Some(Field::Redacted { commitment }) => {
                message[format!("{name}_hash")] = BASE64.encode(commitment).into();
            }
            None => {}
        }
    }
    message
}

/// Runs docs/audit/verify.py. Returns what it says; `None` if there is no Python.
fn run_verifier(folder: &Path, proof: &Value, key: &str, record: &str) -> Option<String> {
    let path = folder.join("proof.json");
    std::fs::write(&path, proof.to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit/verify.py");
    let mut run = Command::new("python3");
    match run.args(["-B", script]).arg(&path).args([key, "--record", record]).output() {
        Ok(run) => {
            let text = String::from_utf8(run.stdout).unwrap();
            let error = String::from_utf8(run.stderr).unwrap();
            assert_eq!(run.status.success(), text.starts_with("PROVED"), "{text}{error}");
            Some(text + &error)
        }
        Err(_) if std::env::var_os("CI").is_none() => {
            eprintln!("not looked at: python3 is missing");
            None
        }
        Err(error) => panic!("python3: {error}"),
    }
}

/// A leaf with a clean record, a clean one with a reference, one that is blocked, and one redacted
/// with its reference.
fn mixed_leaf(fixture: &Fixture) -> RecordId {
    let texts: Vec<String> = (0..4).map(address).collect();
    let item = |number: usize, answer, class, reference| NewItem {
        answer,
        class,
        address: &texts[number],
        reference,
        fingerprints: &[],
    };
    let reference = Some(r#"{"request_id":"4711"}"#);
    let items = [
        item(0, CLEAR, ALLOW_CLASS, None),
        item(1, CLEAR, ALLOW_CLASS, reference),
        item(2, BLOCKED, BLOCK_CLASS, None),
        item(3, CLEAR, ALLOW_CLASS, reference),
    ];
    let leaf = NewLeaf { time: time(5), context: CONTEXT, items: &items };
    let index = fixture.log().append(&leaf).unwrap();
    fixture.log().redact(fixture.log().record_id(index, 3), time(6)).unwrap();
    fixture.log().record_id(index, 0)
}

/// The script, over the leaf of [`mixed_leaf`].
struct Script {
    fixture: Fixture,
    first: RecordId,
    signed: SignedCheckpoint,
    key: String,
}

impl Script {
    fn proof(&self, item: u8) -> Value {
        let id = RecordId { item, ..self.first };
        let size = self.signed.checkpoint.size;
        let proof = self.fixture.log().reader().record_proof(id, size).unwrap();
        as_json(&proof, id, &self.signed)
    }

    /// Returns what the script says of a proof after a change.
    fn says(&self, item: u8, change: impl Fn(&mut Value)) -> Option<String> {
        let mut proof = self.proof(item);
        change(&mut proof);
        let record = RecordId { item, ..self.first }.to_string();
        run_verifier(self.fixture.folder.path(), &proof, &self.key, &record)
    }
}

fn script() -> Script {
    let fixture = Fixture::new();
    fixture.append(2);
    let first = mixed_leaf(&fixture);
    let signed = fixture.log().sign_checkpoint().unwrap();
    let key = fixture.log().reader().keys()[0].key.to_string();
    Script { fixture, first, signed, key }
}

#[test]
fn verifier_script_accepts_what_is_recorded() {
    let script = script();
    let Some(clean) = script.says(0, |_| {}) else { return };
    assert!(clean.contains(&address(0)) && clean.contains("\"ALLOW\""), "{clean}");
    assert!(script.says(1, |_| {}).unwrap().contains("4711"));
    assert!(script.says(2, |_| {}).unwrap().contains("BLOCK"));
    let redacted = script.says(3, |_| {}).unwrap();
    assert!(redacted.contains("redacted") && !redacted.contains(&address(3)), "{redacted}");
    // Without its texts: their hashes are shown.
    let hash = BASE64.encode(&sha(&[&[BLOCK_CLASS], BLOCKED]));
    let bare = script.says(2, |proof| {
        proof["context"] = "".into();
        proof["answer"] = "".into();
        proof["answer_hash"] = hash.as_str().into();
    });
    let bare = bare.unwrap();
    assert!(!bare.contains("BLOCK") && bare.contains("PROVED"), "{bare}");
}

#[test]
fn verifier_script_refuses_what_is_not_recorded() {
    let script = script();
    let (other, blocked) = (BASE64.encode(&[7; 32]), script.proof(2));
    let changed: [(&str, Value); 9] = [
        ("address", address(9).into()),
        ("answer", "{}".into()),
        ("context", "{}".into()),
        ("class", 2.into()),
        ("address_salt", BASE64.encode(&[1; 16]).into()),
        ("reference_hash", other.into()),
        ("record_hashes", blocked["record_hashes"].clone()),
        ("hashes", json!([])),
        ("item", 2.into()),
    ];
    for (name, value) in changed {
        let Some(text) = script.says(0, |proof| proof[name] = value.clone()) else { return };
        assert!(text.starts_with("FAILED"), "{name}: {text}");
    }
    // The hash of the blocked record, shown as the commitment of a redacted one that was allowed.
    let salt = BASE64.decode(blocked["address_salt"].as_str().unwrap().as_bytes()).unwrap();
    let committed = commitment(salt[..].try_into().unwrap(), &address(2));
    let record = sha(&[&[2], &sha(&[&[BLOCK_CLASS], BLOCKED]), &committed]);
    let text = script.says(2, |proof| {
        proof["answer"] = std::str::from_utf8(CLEAR).unwrap().into();
        proof["class"] = ALLOW_CLASS.into();
        proof["address"] = "".into();
        proof["address_salt"] = "".into();
        proof["address_hash"] = BASE64.encode(&record).into();
    });
    assert!(text.unwrap().starts_with("FAILED"));
}
