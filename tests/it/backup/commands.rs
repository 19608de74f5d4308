//! The commands on the store: what they write, restore, find and refuse; answers before and after.

use std::path::Path;

use serde_json::Value;

use super::transfers_in;
use crate::support::mounted::Mounted;
use crate::support::program::{Said, program};
use crate::support::server::ServerChild;

const STRICT: &str = "data/example/strict-policy.toml";

/// Two and three hops from the listed address of the example, that address, and a clean one.
const ADDRESSES: [&str; 4] = [
    "0x0b00000000000000000000000000000000000022",
    "0x0c00000000000000000000000000000000000033",
    "0xbad0000000000000000000000000000000000001",
    "0x0d00000000000000000000000000000000000055",
];

fn says(data: &Path, arguments: &[&str]) -> Said {
    let mut command = program(data);
    command.args(["--set", "starter_lists=false", "--set", "offline=true"]).args(arguments);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap().into()
}

#[track_caller]
fn done(data: &Path, arguments: &[&str]) -> String {
    let said = says(data, arguments);
    assert!([0, 10, 11].contains(&said.status), "{arguments:?}: {}", said.err);
    said.out
}

#[track_caller]
fn refused(data: &Path, arguments: &[&str], want: &str) {
    let said = says(data, arguments);
    assert_eq!(said.status, 1, "{arguments:?}: {}", said.out);
    assert!(said.err.contains(want), "{arguments:?}: {}\n{want}", said.err);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The example: a list, transfers, and a policy that was in force before the built-in one.
fn load(data: &Path) {
    let advisory = ["lists", "import", "data/example/advisory.csv", "--list", "example"];
    done(data, &[&advisory[..], &["--kind", "ADVISORY"]].concat());
    done(data, &["tags", "import", "data/example/tags.csv", "--list", "example-tags"]);
    let transfers = ["transfers", "import", "data/example/transfers.csv", "--chain", "ethereum"];
    done(data, &[&transfers[..], &["--covers", "24000100-24007600"]].concat());
    done(data, &["--set", &format!("policy={STRICT}"), "screen", ADDRESSES[0]]);
    done(data, &["screen", ADDRESSES[0]]);
}

/// Takes out what differs with the moment at which is asked.
fn timeless(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["evaluated_at", "age_seconds", "since", "in_force_since", "record_id"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(timeless);
        }
        Value::Array(items) => items.iter_mut().for_each(timeless),
        _ => {}
    }
}

/// What a store answers, each with its question.
fn answers(data: &Path) -> Vec<(Vec<String>, Value)> {
    let strict = lazaretto::screening::policy::Policy::parse(
        &std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(STRICT)).unwrap(),
    );
    let strict = strict.unwrap().version().to_owned();
    let screen = [&["screen", "--evidence"], &ADDRESSES[..]].concat();
    let mut questions: Vec<Vec<&str>> = vec![
        screen,
        vec!["lists", "ls"],
        vec!["lists", "changes"],
        vec!["transfers", "heads"],
        vec!["transfers", "counterparties", ADDRESSES[0]],
        vec!["policy", "show"],
        vec!["policy", "show", &strict],
        vec!["snapshot"],
    ];
    let ask = |question: &[&str]| {
        let out = done(data, &[question, &["--output", "json"]].concat());
        let mut value: Value = serde_json::from_str(&out).unwrap();
        timeless(&mut value);
        (question.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(), value)
    };
    let (_, snapshot) = ask(&["snapshot"]);
    let id = snapshot["snapshot"]["id"].as_str().unwrap().to_owned();
    questions.push(vec!["snapshot", &id]);
    questions.iter().map(|question| ask(question)).collect()
}

#[test]
fn a_restored_store_answers_as_the_one_that_was_served() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    load(&data);
    let before = answers(&data);
    let file = dir.path().join("a.backup");
    let served = ["--set", "starter_lists=false"];
    let server = ServerChild::start(&data, &served);
    let out = done(&data, &["store", "backup", "--out", text(&file), "--output", "json"]);
    let backup: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(backup["lists"], 2);
    assert_eq!(backup["transfers"], 9);
    assert_eq!(backup["policies"], 2);
    assert_eq!(backup["problems"], Value::Array(Vec::new()));
    assert_eq!(backup["size"]["bytes"], std::fs::metadata(&file).unwrap().len());
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds what the store holds");
    // By another way, of the same store.
    let other = dir.path().join("b.backup");
    done(dir.path(), &["--server", server.endpoint(), "store", "backup", "--out", text(&other)]);
    refused(&data, &["store", "verify"], "the store is in use by another process");
    refused(&data, &["store", "restore", text(&file)], "the store is in use by another process");
    drop(server);

    for file in [&file, &other] {
        let checked = done(&data, &["store", "verify", text(file)]);
        assert!(checked.contains("problems    none: all of it was read and checked"), "{checked}");
    }
    done(&copy, &["store", "restore", text(&file)]);
    assert_eq!(names(&copy), ["store"]);
    let labels = |data: &Path| {
        let out = done(data, &["store", "verify", "--output", "json"]);
        serde_json::from_str::<Value>(&out).unwrap()["label_bytes"].as_u64().unwrap()
    };
    assert_eq!(labels(&copy), 0, "labels are not in a backup");
    for ((question, before), (_, after)) in before.into_iter().zip(answers(&copy)) {
        assert_eq!(after, before, "{question:?}");
    }
    assert!(labels(&copy) > 0, "they are built anew");
    refused(&copy, &["store", "restore", text(&file)], "holds a store already");
}

#[test]
fn what_is_not_whole_or_not_meant_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    load(&data);
    let file = dir.path().join("a.backup");
    let backup = ["store", "backup", "--out", text(&file)];
    // Nobody serves: the store is opened.
    let shown = done(&data, &backup);
    assert!(shown.contains("transfers   9 (1 segments, 1 chains, 0 retractions)"), "{shown}");
    refused(&data, &backup, "exists already: give another name, or --overwrite");
    done(&data, &[&backup[..], &["--overwrite"]].concat());
    let mistyped = dir.path().join("dta");
    refused(&mistyped, &["store", "backup", "--out", "x"], "has no store");
    refused(&mistyped, &["store", "verify"], "has no store");
    assert!(!mistyped.exists());
    let away = ["--server", "http://127.0.0.1:1", "store", "verify"];
    refused(&data, &away, "--server names a server to ask");

    let whole = std::fs::read(&file).unwrap();
    let broken = dir.path().join("broken");
    let check = |bytes: &[u8], want: &str| {
        std::fs::write(&broken, bytes).unwrap();
        refused(&data, &["store", "verify", text(&broken)], want);
        refused(&copy, &["store", "restore", text(&broken)], want);
        assert!(!copy.join("store").exists() && !copy.join("restore").exists());
    };
    let half = whole.len() / 2;
    check(&whole[..half], &format!("byte {half}: the backup is damaged: the file ends here"));
    check(
        &[&whole[..], b"\n"].concat(),
        &format!("byte {}: the backup is damaged: something follows", whole.len()),
    );
    let mut flipped = whole.clone();
    flipped[half] ^= 1;
    check(&flipped, "the checksum of the frame is wrong");
    check(b"PK\x03\x04", "byte 0: this is not a backup of a store");
    check(&newer(&whole), "was written by lazaretto 9.9.9 (backup format 1, store schema 9)");
    check(&newer(&whole), "use lazaretto 9.9.9 or later");
    let names = names(dir.path());
    assert!(names.iter().all(|name| !name.starts_with(".lazaretto")), "{names:?}");

    // A store that is damaged says so, and no backup of it is made.
    let segments = data.join("store/db");
    let mut bytes = std::fs::read(&segments).unwrap();
    let place = bytes.windows(9).position(|found| found == b"Fraudster").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&segments, bytes).unwrap();
    let said = says(&data, &["store", "verify"]);
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
}

/// The backup as a later program might have written it.
fn newer(whole: &[u8]) -> Vec<u8> {
    let length = 24 + u32::from_be_bytes(whole[20..24].try_into().unwrap()) as usize;
    let mut head = whole[..length].to_vec();
    let version = usize::from(head[24]);
    assert_eq!(version, 5, "the test puts 9.9.9 in the place of a version as long");
    head[25..30].copy_from_slice(b"9.9.9");
    head[30..34].copy_from_slice(&9_u32.to_be_bytes());
    let checksum = twox_hash::XxHash3_64::oneshot(&head);
    [&head[..], &checksum.to_be_bytes(), &whole[length + 8..]].concat()
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    let Some(disk) = Mounted::new(1) else { return };
    let dir = tempfile::tempdir().unwrap();
    transfers_in(dir.path(), 100_000);
    let out = disk.path().join("a.backup");
    let want = format!("writing {}: No space left on device", out.display());
    refused(dir.path(), &["store", "backup", "--out", text(&out)], &want);
    assert_eq!(names(disk.path()), [""; 0]);

    let file = dir.path().join("a.backup");
    done(dir.path(), &["store", "backup", "--out", text(&file)]);
    let data = disk.path().join("data");
    let said = says(&data, &["store", "restore", text(&file)]);
    assert_eq!(said.status, 1, "{}", said.out);
    assert!(said.err.contains("No space left on device"), "{}", said.err);
    assert!(said.err.contains(text(&data)), "{}", said.err);
    assert_eq!(names(&data), [""; 0]);
}
