//! The command line against the real store and server: alone, beside a server, and at its end.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::place::Place;
use crate::support::program::{Running, Said, TODAY, program, run};
use crate::support::refusing::RefusingPort;

const LISTED: &str = "0x1111111111111111111111111111111111111111";
const WARNED_OF: &str = "0x2222222222222222222222222222222222222222";
const CLEAN: &str = "0x3333333333333333333333333333333333333333";

/// Two lists of our own and no built-in one, so that nothing is stale but what a test makes so.
const CONFIG: &str = r#"
starter_lists = false
offline = true
lists.us-ofac-sdn.enabled = false
lists.us-ofac-cons.enabled = false
lists.lazarus-advisories.enabled = false
[lists.sanctions]
kind = "SANCTIONS"
required = true
[lists.warnings]
kind = "ADVISORY"
"#;

/// With a sanctions list and an advisory, both published today.
fn with_lists() -> Place {
    let place = Place::with(CONFIG);
    let sanctions = place.file("sanctions.csv", &csv(&[(LISTED, "u1", "Evil Party")]));
    let warnings = place.file("warnings.csv", &csv(&[(WARNED_OF, "u2", "Doubtful Party")]));
    for (file, list) in [(sanctions, "sanctions"), (warnings, "warnings")] {
        let shown = import(&place, &file, list, &[]);
        assert_eq!(shown.status, 0, "{}", shown.err);
        assert!(shown.out.contains("1 added, 0 updated, 0 removed"), "{}", shown.out);
    }
    place
}

fn endpoint(place: &Place) -> PathBuf {
    place.data().join("endpoint")
}

fn import(place: &Place, file: &str, list: &str, more: &[&str]) -> Said {
    let fixed = ["lists", "import", file, "--list", list, "--published", TODAY];
    place.says(&[&fixed, more].concat())
}

fn csv(rows: &[(&str, &str, &str)]) -> String {
    let mut csv = String::from("address,ticker,party_uid,party_name\n");
    for (address, uid, name) in rows {
        csv.push_str(&format!("{address},ETH,{uid},{name}\n"));
    }
    csv
}

/// Screens with these arguments and looks at the exit status and at what is said.
fn check(place: &Place, arguments: &[&str], status: i32, words: &[&str]) {
    let arguments: Vec<&str> = ["screen"].iter().chain(arguments).copied().collect();
    let shown = place.says(&arguments);
    assert_eq!(shown.status, status, "{arguments:?}: {}{}", shown.out, shown.err);
    // Sentences are broken at the width of the terminal.
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let out = one_line(&shown.out);
    for word in words {
        assert!(out.contains(&one_line(word)), "{arguments:?}: {word:?} is not in\n{}", shown.out);
    }
}

fn check_every_decision(place: &Place, more: &[&str]) {
    let check = |addresses: &[&str], status: i32, words: &[&str]| {
        let arguments: Vec<&str> = addresses.iter().chain(more).copied().collect();
        check(place, &arguments, status, words);
    };
    check(&[CLEAN], 0, &["ALLOW  score 0", "Allowed: not listed.", "sanctions version 1 of "]);
    check(&[CLEAN, "-v"], 0, &["ALLOW  score 0", "status        COMPLETE"]);
    check(&[WARNED_OF], 10, &["REVIEW  score 75", "is Doubtful Party's", "Details: -v."]);
    check(&[WARNED_OF, "-v"], 10, &["REVIEW  score 75", "Doubtful Party", "warnings (ADVISORY)"]);
    check(
        &[LISTED],
        11,
        &["BLOCK  score 100", "is Evil Party's", "list          sanctions version"],
    );
    check(&[LISTED, "-v"], 11, &["BLOCK", "Evil Party", "sanctions (SANCTIONS)", "uid u1"]);
    check(&[""], 1, &["ERROR  \"\"", "Not screened: the address is empty."]);
    check(&["", WARNED_OF, CLEAN], 1, &["ERROR", "REVIEW", "ALLOW"]);
    check(&[CLEAN, "", LISTED, WARNED_OF], 11, &["BLOCK", "ERROR", "REVIEW", "ALLOW"]);
    check(&[CLEAN, "--list", "warnings"], 10, &["the request leaves out required list"]);
    check(&["nonsense!"], 10, &["but the answer is incomplete", "INCOMPLETE"]);
    check(&["nonsense!", "-v"], 10, &["not understood", "INCOMPLETE"]);
}

#[test]
fn exit_statuses_without_a_server() {
    check_every_decision(&with_lists(), &[]);
}

#[test]
fn exit_statuses_beside_a_server_on_the_same_folder() {
    let place = with_lists();
    let (server, url) = place.serve_at();
    assert_eq!(fs::read_to_string(endpoint(&place)).unwrap(), format!("{url}\n"));
    check_every_decision(&place, &[]);
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}

#[test]
fn a_named_server_is_asked_instead() {
    let (place, elsewhere) = (with_lists(), Place::with(CONFIG));
    let (_server, url) = place.serve_at();
    check_every_decision(&elsewhere, &["--server", &url]);
    assert!(!elsewhere.data().exists(), "its own folder was not opened");
}

#[test]
fn a_decision_can_be_expected() {
    let place = with_lists();
    check(&place, &[LISTED, "--expect", "BLOCK"], 0, &["BLOCK"]);
    check(&place, &[CLEAN, "--expect", "allow"], 0, &["ALLOW"]);
    for arguments in [[LISTED, CLEAN, "--expect", "BLOCK"], [CLEAN, LISTED, "--expect", "ALLOW"]] {
        let said = place.says(&[&["screen"], arguments.as_slice()].concat());
        assert_eq!(said.status, 1, "{}", said.err);
        assert!(said.err.contains("was expected, and "), "{}", said.err);
    }
    let said = place.says(&["screen", "--input", "-", "--expect", "BLOCK"]);
    assert!(said.status == 1 && said.err.contains("--expect"), "{}", said.err);
}

#[test]
fn json_is_the_proto() {
    let place = with_lists();
    let shown = place.says(&["screen", LISTED, CLEAN, "--output", "json"]);
    assert_eq!(shown.status, 11, "{}", shown.err);
    let json: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    let first = &json["items"][0]["screening"];
    assert_eq!(first["request_id"], LISTED);
    assert_eq!(first["decision"], "DECISION_BLOCK");
    assert_eq!(first["findings"][0]["listing"]["party"]["uid"], "u1");
    assert_eq!(json["items"][1]["screening"]["decision"], "DECISION_ALLOW");
    assert_eq!(json["snapshot"]["id"], first["snapshot_id"]);

    let shown = place.says(&["lists", "ls", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(json["lists"][0]["list_id"], "sanctions");
    assert_eq!(json["lists"][0]["counts"]["listings"], "1");
}

#[test]
fn an_import_counts_at_once_and_unchanged_facts_make_no_version() {
    let place = with_lists();
    let (_server, _) = place.serve_at();
    check(&place, &[CLEAN], 0, &[]);
    let both = csv(&[(LISTED, "u1", "Evil Party"), (CLEAN, "u3", "New Party")]);
    let file = place.file("both.csv", &both);
    let shown = import(&place, &file, "sanctions", &[]);
    assert!(shown.out.contains("1 added, 0 updated, 0 removed"), "{}{}", shown.out, shown.err);
    check(&place, &[CLEAN], 11, &["New Party"]);
    let again = import(&place, &file, "sanctions", &[]);
    assert!(again.out.contains("unchanged"), "{}{}", again.out, again.err);

    let changes = place.says(&["lists", "changes", "--list", "sanctions"]);
    assert_eq!(changes.out.matches("  added  ").count(), 2, "{}", changes.out);
    assert!(changes.out.contains("2 changes: 2 added\n"), "{}", changes.out);
    let since = place.says(&["lists", "changes", "--list", "sanctions", "--since", "1"]);
    assert_eq!(since.out.matches("  added  ").count(), 1, "{}", since.out);
    assert!(since.out.contains("\n      2  "), "the second version of this list: {}", since.out);
    let nothing = place.says(&["lists", "changes", "--list", "sanctions", "--since", "99"]);
    assert_eq!((nothing.status, nothing.out.as_str()), (0, "no changes\n"));
    let of_which = place.says(&["lists", "changes", "--since", "1"]);
    let says = of_which.err.contains("versions count by list: name one with --list");
    assert_eq!((of_which.status, says), (1, true), "{}", of_which.err);
}

/// Runs `lists changes --since-last` and returns its first line and its lines of changes.
#[track_caller]
fn look(place: &Place, state: &Path, arguments: &[&str]) -> (String, usize) {
    let mut command = program(&place.data());
    command.current_dir(place.folder()).env("XDG_STATE_HOME", state);
    command.args(["lists", "changes", "--since-last", "--config", "lazaretto.toml"]);
    let said: Said = command.args(arguments).output().unwrap().into();
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{}", said.out);
    let head = said.out.lines().next().unwrap_or_default().to_owned();
    (head, said.out.lines().filter(|line| line.contains("(uid ")).count())
}

#[test]
fn the_last_look_is_each_users_own_and_notices_another_store() {
    let place = with_lists();
    let (ours, theirs) = (place.folder().join("ours"), place.folder().join("theirs"));
    let first = "all changes, since this is the first look".to_owned();
    let again = "changes since the last look at 2026-11-22T12:00:00Z".to_owned();
    assert_eq!(look(&place, &ours, &[]), (first.clone(), 2));
    assert_eq!(look(&place, &ours, &[]), (again.clone(), 0));
    assert_eq!(look(&place, &theirs, &[]), (first.clone(), 2), "another user");
    assert_eq!(look(&place, &ours, &["--list", "warnings"]), (first, 1), "another question");

    let rows = csv(&[(LISTED, "u1", "Renamed Party"), (CLEAN, "u3", "New Party")]);
    let file = place.file("both.csv", &rows);
    assert_eq!(import(&place, &file, "sanctions", &[]).status, 0);
    let shown = place.says(&["lists", "changes", "--list", "sanctions", "--since", "1"]);
    let renamed = "name from \"Evil Party\" to \"Renamed Party\"";
    assert!(shown.out.contains(renamed), "{}", shown.out);
    assert_eq!(look(&place, &ours, &["--list", "warnings"]), (again.clone(), 0));
    assert_eq!(look(&place, &ours, &[]), (again.clone(), 2));
    assert_eq!(look(&place, &ours, &[]), (again, 0));

    // Another store in the same place, which is not behind by its numbers.
    fs::remove_dir_all(place.data()).unwrap();
    for name in ["Evil", "Worse", "Worst", "Least"] {
        let file = place.file("other.csv", &csv(&[(CLEAN, "u9", name)]));
        assert_eq!(import(&place, &file, "sanctions", &[]).status, 0);
    }
    let (head, changes) = look(&place, &ours, &[]);
    assert!(head.contains("which was replaced or restored: all changes are shown"), "{head}");
    assert_eq!(changes, 4);

    let homeless = place.says(&["lists", "changes", "--since-last"]);
    assert!(homeless.err.contains("set HOME or XDG_STATE_HOME"), "{}", homeless.err);
    assert_eq!(homeless.status, 1);
}

#[test]
fn what_cannot_be_understood_is_kept_and_shown() {
    let place = Place::with(CONFIG);
    let rows = csv(&[(LISTED, "u1", "Evil Party"), ("not\u{200b}ascii", "u1", "Evil Party")]);
    let file = place.file("rows.csv", &rows);
    let shown = import(&place, &file, "sanctions", &[]);
    assert!(shown.out.contains("1 quarantined"), "{}{}", shown.out, shown.err);
    let shown = place.says(&["lists", "quarantine"]);
    assert!(shown.out.contains("not\\u{200b}ascii"), "{}", shown.out);
    let party = place.says(&["lists", "party", "u1"]);
    assert!(party.out.starts_with("Evil Party on sanctions\n"), "{}{}", party.out, party.err);
    let unknown = place.says(&["lists", "party", "u9"]);
    assert_eq!(
        (unknown.status, unknown.err.contains("no loaded list has")),
        (1, true),
        "{}",
        unknown.err
    );
}

#[test]
fn a_party_is_found_by_a_name_and_nothing_found_says_what_was_compared() {
    let place = with_lists();
    let found = place.says(&["lists", "party", "--name", "PARTY evil"]);
    assert_eq!(found.status, 0, "{}", found.err);
    assert!(found.out.starts_with("Evil Party on sanctions\n"), "{}", found.out);
    let said =
        "1 party found by the name PARTY evil, compared word by word, without fuzzy matching";
    assert!(found.out.contains(said), "{}", found.out);

    let none = place.says(&["lists", "party", "--name", "Evi"]);
    assert_eq!((none.status, none.err.as_str()), (1, ""));
    assert!(
        none.out.starts_with("no party found by the name Evi, compared word by"),
        "{}",
        none.out
    );
    assert!(none.out.contains("names and aliases on sanctions (1 party)"), "{}", none.out);

    let by_uid = place.says(&["lists", "party", "Evil Party"]);
    assert_eq!((by_uid.status, by_uid.out.as_str()), (1, ""));
    assert!(by_uid.err.contains("names were not looked at"), "{}", by_uid.err);
    let hint = "to look for names and aliases: lazaretto lists party --name \"Evil Party\"";
    assert!(by_uid.err.contains(hint), "{}", by_uid.err);

    for arguments in [&["lists", "party"][..], &["lists", "party", "u1", "--name", "Evil"]] {
        assert_eq!(place.says(arguments).status, 1, "{arguments:?}");
    }
    let wordless = place.says(&["lists", "party", "--name", "..."]);
    assert!(wordless.err.contains("has no word"), "{}", wordless.err);
}

#[test]
fn an_export_can_be_imported() {
    let place = with_lists();
    let path = place.folder().join("export.csv");
    let to = path.to_str().unwrap();
    let shown = place.says(&["lists", "export", "--list", "sanctions", "--to", to]);
    assert_eq!((shown.status, shown.out.as_str()), (0, ""), "{}", shown.err);
    let exported = fs::read_to_string(&path).unwrap();
    assert!(exported.contains(LISTED), "{exported}");
    let shown = place.says(&["lists", "export", "--list", "sanctions"]);
    assert_eq!(shown.out, exported);
    let again = import(&place, path.to_str().unwrap(), "sanctions", &[]);
    assert!(again.out.contains("unchanged"), "{}{}", again.out, again.err);

    let unknown = place.says(&["lists", "export", "--list", "unknown", "--to", to]);
    assert_eq!(unknown.status, 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), exported, "a failure leaves the file");
}

#[test]
fn a_snapshot_can_be_asked_for_later() {
    let place = with_lists();
    let in_use = place.says(&["snapshot", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&in_use.out).unwrap();
    let id = json["snapshot"]["id"].as_str().unwrap();
    let file = place.file("more.csv", &csv(&[(WARNED_OF, "u2", "P"), (CLEAN, "u3", "P")]));
    assert_eq!(import(&place, &file, "warnings", &[]).status, 0);
    let later = place.says(&["snapshot", id]);
    assert!(later.out.starts_with(&format!("Snapshot {id}\n")), "{}{}", later.out, later.err);
    let unknown = place.says(&["snapshot", "0000"]);
    assert_eq!((unknown.status, unknown.out.as_str()), (1, ""), "{}", unknown.err);
}

#[test]
fn nothing_loaded_is_an_error_and_a_missing_list_is_no_allow() {
    let place = Place::with(CONFIG);
    let shown = place.says(&["screen", CLEAN]);
    assert_eq!((shown.status, shown.out.as_str()), (1, ""));
    assert_eq!(
        shown.err,
        "error: no list is loaded yet; load one by `lazaretto lists refresh` or \
         `lazaretto lists import`\n"
    );
    let file = place.file("w.csv", &csv(&[(WARNED_OF, "u2", "Doubtful Party")]));
    assert_eq!(import(&place, &file, "warnings", &[]).status, 0);
    check(&place, &[CLEAN], 10, &["required list sanctions is not loaded"]);
}

#[test]
fn a_refused_import_says_why_and_changes_nothing() {
    let place = with_lists();
    let malformed = place.file("bad.csv", "address,ticker\n\"unclosed,ETH\n");
    let shown = import(&place, &malformed, "sanctions", &["--format", "csv"]);
    assert_eq!((shown.status, shown.out.as_str()), (1, ""));
    assert!(shown.err.contains("where the header has 2 at line 2"), "{}", shown.err);
    let empty = place.file("empty.csv", "address,ticker,party_uid,party_name\n");
    let shown = import(&place, &empty, "sanctions", &["--format", "csv"]);
    assert_eq!(shown.status, 1);
    assert!(shown.err.contains("the publication is empty"), "{}", shown.err);
    let missing = import(&place, "/nonexistent.csv", "sanctions", &[]);
    assert!(missing.err.contains("reading /nonexistent.csv"), "{}", missing.err);
    check(&place, &[LISTED], 11, &[]);
}

#[test]
fn a_forced_import_shows_the_loss_and_takes_a_word_of_agreement() {
    let place = with_lists();
    let other = "0x00000000219ab540356cbb839cbe05303d7705fa";
    let file = place.file("other.csv", &csv(&[(other, "u2", "Other")]));
    let forced = ["--force", "the court said so", "--force-gate", "shrink"];
    let shown = import(&place, &file, "sanctions", &forced);
    assert_eq!((shown.status, shown.out.as_str()), (1, ""));
    for want in ["1 removed at once", LISTED, "Evil Party", "nothing was published", "--yes"] {
        assert!(shown.err.contains(want), "{want}: {}", shown.err);
    }
    check(&place, &[LISTED], 11, &[]);
    // Another gate than the one that holds removals back lets none pass.
    let older = ["--force", "the court said so", "--force-gate", "older", "--yes"];
    let shown = import(&place, &file, "sanctions", &older);
    assert!(shown.err.contains("0 removed at once"), "{}", shown.err);
    assert_eq!(shown.status, 0, "{}", shown.err);
    check(&place, &[LISTED], 11, &[]);
    let agreed = [&forced[..], &["--yes"]].concat();
    let shown = import(&place, &file, "sanctions", &agreed);
    assert_eq!(shown.status, 0, "{}", shown.err);
    assert!(shown.out.contains("1 removed"), "{}", shown.out);
    check(&place, &[LISTED], 0, &[]);
}

#[test]
fn a_start_says_what_is_loaded_and_how_old_it_is() {
    let place = with_lists();
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    let line = server.wait_for("list=sanctions");
    for word in ["loaded", "kind=SANCTIONS", "listings=1", TODAY, "age="] {
        assert!(line.contains(word), "{word:?} is not in {line}");
    }
    server.wait_for("list=warnings");
    server.wait_for("listening url=");

    let empty = Place::with(CONFIG);
    let mut server = Running::start(empty.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.wait_for("no list loaded");
}

#[test]
fn a_refresh_needs_a_source() {
    let place = with_lists();
    let all = place.says(&["lists", "refresh"]);
    assert_eq!((all.status, all.out.as_str()), (1, ""));
    assert!(all.err.contains("no list has a configured source"), "{}", all.err);
    let one = place.says(&["lists", "refresh", "sanctions"]);
    assert_eq!(
        (one.status, one.err.contains("has no configured source")),
        (1, true),
        "{}",
        one.err
    );
}

#[test]
fn a_refresh_of_all_sources_reports_each() {
    let place = Place::with(CONFIG);
    let file = place.file("s.csv", &csv(&[(LISTED, "u1", "Evil Party")]));
    let good = format!("lists.sanctions.path={file}");
    let bad = "lists.warnings.path=/nonexistent.csv";
    let arguments = ["lists", "refresh", "--set", "offline=false", "--set", &good, "--set", bad];
    let shown = place.says(&arguments);
    assert_eq!(shown.status, 1, "{}", shown.err);
    assert!(shown.out.starts_with("sanctions: version 1 published\n"), "{}", shown.out);
    assert!(shown.err.contains("warnings: "), "{}", shown.err);
    assert!(shown.err.ends_with("error: 1 of 2 sources failed\n"), "{}", shown.err);
}

#[test]
fn a_locked_folder_without_a_server_to_ask() {
    let place = with_lists();
    let (server, url) = place.serve_at();
    let second = place.says(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status, 1);
    let want = format!("is in use by another process, a server at {url}");
    assert!(second.err.contains(&want), "{}", second.err);
    assert!(endpoint(&place).exists(), "the first server's file stays");

    fs::remove_file(endpoint(&place)).unwrap();
    assert_eq!(place.says(&["screen", CLEAN]).status, 0, "by the socket");
    fs::remove_file(place.data().join("socket")).unwrap();
    let shown = place.says(&["screen", CLEAN]);
    assert_eq!(shown.status, 1);
    for word in ["is in use by another process", "endpoint does not exist"] {
        assert!(shown.err.contains(word), "{}", shown.err);
    }
    let port = RefusingPort::take();
    fs::write(endpoint(&place), format!("http://{}\n", port.address())).unwrap();
    let shown = place.says(&["screen", CLEAN]);
    assert_eq!(shown.status, 1);
    for word in ["is in use by another process", "names no server that answers"] {
        assert!(shown.err.contains(word), "{}", shown.err);
    }
    drop(server);
}

#[test]
fn a_killed_server_leaves_a_folder_that_opens() {
    let place = with_lists();
    let (server, _) = place.serve_at();
    server.signal("KILL");
    assert_eq!(server.end().status, -1);
    assert!(endpoint(&place).exists(), "its file stays behind");
    check_every_decision(&place, &[]);
}

/// The file cannot be written whole, so that the import stays under way until it is.
#[cfg(unix)]
fn import_under_way(place: &Place) -> (Running, fs::File) {
    let pipe = place.folder().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let arguments = [
        "lists",
        "import",
        pipe.to_str().unwrap(),
        "--list",
        "hand-made",
        "--kind",
        "SEIZURE",
        "--format",
        "plain",
        "--published",
        "2025-01-01",
    ];
    let import = Running::start(place.command(&arguments));
    let mut pipe = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    // More than all buffers on the way hold: once written, the server has begun to read.
    for number in 0..95_238_u32 {
        writeln!(pipe, "0xaa{number:038x}").unwrap();
    }
    (import, pipe)
}

#[test]
fn a_call_under_way_is_answered_before_the_end() {
    let place = with_lists();
    let (mut server, _) = place.serve_at();
    let (import, mut pipe) = import_under_way(&place);
    server.signal("TERM");
    server.wait_for("graceful shutdown started");
    writeln!(pipe, "{CLEAN}").unwrap();
    drop(pipe);
    let imported = import.end();
    assert_eq!(imported.status, 0, "{}", imported.err);
    assert!(imported.out.contains("95239 added"), "{}", imported.out);
    let ended = server.end();
    assert_eq!(ended.status, 0, "{}", ended.err);
    assert!(ended.err.contains("server stopped"), "{}", ended.err);
    assert!(!endpoint(&place).exists());
    check(&place, &[CLEAN, "-v"], 10, &["hand-made (SEIZURE)"]);
}

#[test]
fn a_second_signal_ends_at_once() {
    for (name, status) in [("TERM", 143), ("INT", 130)] {
        let place = with_lists();
        let (mut server, _) = place.serve_at();
        let (import, pipe) = import_under_way(&place);
        server.signal(name);
        server.wait_for("graceful shutdown started");
        server.signal(name);
        let ended = server.end();
        assert_eq!(ended.status, status, "{}", ended.err);
        assert!(!endpoint(&place).exists());
        drop(pipe);
        let cut = import.end();
        assert_eq!((cut.status, cut.out.as_str()), (1, ""), "{}", cut.err);
        check(&place, &["0xaa00000000000000000000000000000000000000"], 0, &[]);
    }
}

#[test]
fn a_server_beyond_this_machine_or_on_stale_lists_warns() {
    let place = with_lists();
    let arguments = ["serve", "--listen", "0.0.0.0:0", "--allow-stale", "--allow-anonymous"];
    let mut server = Running::start(place.command(&arguments));
    server.wait_for("reachable from other machines without authentication");
    server.wait_for("stale lists may give ALLOW");
    server.wait_for("offline");
    server.wait_for("listening url=http://127.0.0.1:");
    server.wait_for("screen ADDRESS");
    // The endpoint file names loopback: the commands on this machine find it.
    check(&place, &[LISTED], 11, &[]);
    server.signal("INT");
    assert_eq!(server.end().status, 0);
}

#[test]
fn the_built_in_lists_are_there_without_any_setting() {
    let dir = tempfile::tempdir().unwrap();
    let shown = run(dir.path(), ["lists", "ls", "--set", "offline=true"]);
    assert_eq!(shown.status, 0, "{}", shown.err);
    for list in ["us-ofac-sdn", "us-ofac-cons", "lazarus-advisories"] {
        assert!(shown.out.contains(list), "{}", shown.out);
    }
}
