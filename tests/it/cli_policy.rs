//! The commands on policies against the real store and server: checked, explained, compared,
//! reloaded, shown, and every hostile file refused.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use lazaretto::screening::policy::Policy;
use serde_json::Value;

use crate::support::program::{Running, Said, program};

/// Two hops and three hops from the listed address of the example, and a clean one.
const TWO_HOPS: &str = "0x0b00000000000000000000000000000000000022";
const THREE_HOPS: &str = "0x0c00000000000000000000000000000000000033";
const CLEAN: &str = "0x0d00000000000000000000000000000000000055";

/// A data directory with its configuration, and files.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let config = "starter_lists = false\noffline = true\nlists.us-ofac-sdn.enabled = false\n";
        place.file("lazaretto.toml", config);
        place
    }

    /// With the example's advisory and its transfers.
    fn loaded() -> Self {
        let place = Self::new();
        let (list, transfers) = (example("advisory.csv"), example("transfers.csv"));
        place.done(&["lists", "import", &list, "--list", "example", "--kind", "ADVISORY"]);
        let tags = example("tags.csv");
        place.done(&["tags", "import", &tags, "--list", "example-tags"]);
        let covers = "24000100-24007600";
        place.done(&["transfers", "import", &transfers, "--chain", "ethereum", "--covers", covers]);
        place
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        // Whole or not at all: a server may be reading it.
        let (new, path) = (self.0.path().join("new"), self.0.path().join(name));
        fs::write(&new, content).unwrap();
        fs::rename(new, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program(&self.0.path().join("data"));
        command.args(arguments).env("LAZARETTO_CONFIG", self.0.path().join("lazaretto.toml"));
        command
    }

    fn says(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let said = self.says(arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {}{}", said.out, said.err);
        said.out
    }
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/example").join(name);
    path.to_str().unwrap().to_owned()
}

fn strict() -> String {
    example("strict-policy.toml")
}

/// The built-in policy under another name.
fn named(name: &str) -> String {
    Policy::built_in().text().replace("name = \"built-in-3\"", &format!("name = \"{name}\""))
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn files_are_checked_without_a_store() {
    let place = Place::new();
    let good = place.file("good.toml", named("good"));
    let bad = named("bad").replace("severe = 85", "severe = 200").replace("\"BLOCK\"", "\"STOP\"");
    let [bands, stop] = ["severe = 200", "decision = \"STOP\""]
        .map(|wanted| 1 + bad.lines().position(|line| line == wanted).unwrap());
    let bad = place.file("bad\u{202e}.toml", bad);

    let said = place.says(&["policy", "check", &good, &strict()]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    holds(&said.out, &["good.toml: valid", "good@", "strict@", "7 rules", "5 hops"]);

    let said = place.says(&["policy", "check", &bad, &good]);
    assert_eq!(said.status, 1);
    holds(&said.out, &["good.toml: valid"]);
    let shown = bad.replace('\u{202e}', "\\u{202e}");
    let want = format!(
        "{shown}:{bands}: bands.severe: must be from 51 to 100, not 200\n\
         {shown}:{stop}: decision: must be ALLOW, REVIEW or BLOCK\n"
    );
    assert_eq!(said.err, want);
    assert!(!place.0.path().join("data").exists(), "no store was opened");
}

#[test]
fn hostile_files_are_refused() {
    let place = Place::new();
    let good = place.file("good.toml", named("good"));
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let folder = place.0.path().to_str().unwrap().to_owned();
    let cases = [
        (place.file("large", vec![b'#'; 10 << 20]), "has more than 262144 bytes"),
        (place.file("binary", b"name = 1\n\xff\xfe\0"), "binary:2: is not UTF-8"),
        (place.file("zeros", vec![0; 1_000]), "zeros:1: "),
        (place.file("deep", deep), "deep:1: "),
        (place.file("empty", ""), "empty:1: missing field"),
        (place.file("missing", "") + "-not", "missing-not: No such file"),
        (folder, "Is a directory"),
    ];
    for (file, words) in cases {
        for arguments in [
            ["policy", "check", &file].as_slice(),
            &["policy", "explain", &file],
            &["policy", "diff", &file, &good],
            &["policy", "diff", &good, &file],
            &["policy", "show", "--set", &format!("policy={file}")],
        ] {
            let said = place.says(arguments);
            assert_eq!((said.status, said.out.as_str()), (1, ""), "{arguments:?}");
            let shown = arguments[1] == "show";
            assert!(shown || said.err.contains(words), "{arguments:?}: {}", said.err);
            assert!(said.err.len() < 2_000 && !said.err.contains('\u{1b}'), "{}", said.err.len());
        }
    }
    let said = place.says(&["policy", "diff", &good, &good, "--sample", "/no/such"]);
    assert_eq!(said.status, 1);
    holds(&said.err, &["/no/such: cannot be opened: No such file"]);
    let said = place.says(&["policy", "diff", &good, &good, "--all"]);
    assert_eq!(said.status, 1);
    holds(&said.err, &["--sample"]);
}

#[test]
fn a_file_and_what_is_in_force_are_explained() {
    let place = Place::new();
    let out = place.done(&["policy", "explain", &strict()]);
    holds(
        &out,
        &["Policy strict@", "near: BLOCK", "hops_at_most = 2", "at least 5", "sanctions: BLOCK"],
    );
    assert!(!place.0.path().join("data").exists(), "no store was opened");

    let (live, shadow) = (place.file("live.toml", named("live")), strict());
    let set = format!("policy={live}");
    let beside = format!("shadow_policy={shadow}");
    let asked = ["policy", "explain", "--set", &set, "--set", &beside];
    let out = place.done(&asked);
    holds(&out, &["Policy live@", "in force", &live, "shadow", "strict@", &shadow]);
    let json: Value =
        serde_json::from_str(&place.done(&[&asked[..], &["--output", "json"]].concat())).unwrap();
    assert_eq!(json["explanation"]["rules"][0]["id"], "sanctions-listing");
    assert_eq!(json["explanation"]["exposure"][0]["by_hops"][1], 50);
    assert_eq!(json["in_force"]["policy"]["name"], "live");

    let out = place.done(&["policy", "show"]);
    assert_eq!(out, Policy::built_in().text(), "byte for byte");
    let out = place.done(&["policy", "show", Policy::built_in().version()]);
    assert_eq!(out, Policy::built_in().text());
    // It was in force a moment ago, and the store keeps it.
    let kept = place.done(&["policy", "show", Policy::parse(&named("live")).unwrap().version()]);
    assert_eq!(kept, named("live"));
    let said = place.says(&["policy", "show", "live@0000000000000000"]);
    assert_eq!(said.status, 1);
    holds(&said.err, &["was ever in force here"]);
}

#[test]
fn two_files_differ_without_a_store() {
    let place = Place::new();
    let built_in = place.file("built-in.toml", Policy::built_in().text());
    let said = place.says(&["policy", "diff", &built_in, &strict()]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let parts = [
        "bands.medium: 25 -> 20",
        "weights.list_kind.ADVISORY: 75 -> 100",
        "base.received_from: 60, 50, 40, 30, 25, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1 -> 80, 70, 50, 40, \
         30, 20, 15, 10, 10, 10, 10, 10, 10, 10, 10",
        "share from 50 %: 130 % -> -",
        "rule sanctions-listing removed",
        "rule near added",
    ];
    holds(&said.out, &parts);
    let out = place.done(&["policy", "diff", &built_in, &built_in]);
    holds(&out, &["no setting and no rule differs"]);
    assert!(!place.0.path().join("data").exists(), "no store was opened");
}

#[test]
fn a_sample_shows_whose_decision_changes() {
    let place = Place::loaded();
    let sample =
        format!("name,address,chain\na,{TWO_HOPS},ethereum\nb,{THREE_HOPS},\nc,{CLEAN},\n");
    let sample = place.file("sample.csv", sample);
    let strict = strict();
    let diff = ["policy", "diff", "live", &strict, "--sample", &sample];
    let said = place.says(&diff);
    assert_eq!((said.status, said.err.as_str()), (10, ""), "{}", said.out);
    let parts = [
        &format!("REVIEW -> BLOCK  score 38 (medium) -> 70 (high)  {TWO_HOPS} on ethereum (row 1)"),
        "rule exposure: ",
        "rule near: finding = RECEIVED_FROM or SENT_TO, list_kind = SANCTIONS or ADVISORY, hops_at_most = 2",
        "observed    finding = RECEIVED_FROM, list_kind = ADVISORY, hops = 2",
        "RECEIVED_FROM over 2 hops, Thieves of the example, 0xbad0",
        "REVIEW         0       1      1",
        "3 addresses screened by both, 0 rows refused; 1 decision changes, 2 scores change",
    ];
    holds(&said.out, &parts);
    assert!(!said.out.contains(THREE_HOPS), "its decision stays: {}", said.out);
    let said = place.says(&[&diff[..], &["--all"]].concat());
    assert_eq!(said.status, 10);
    holds(&said.out, &["REVIEW stays", "ALLOW stays", CLEAN]);

    // The other way around, by version, as JSON, and against a server.
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.wait_for("listening url=");
    let version = Policy::built_in().version().to_owned();
    let said =
        place.says(&["policy", "diff", &strict, &version, "--sample", &sample, "--output", "json"]);
    assert_eq!(said.status, 10, "{}", said.err);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["candidate_version"], version);
    let found = &json["sample"];
    assert_eq!((&found["decisions_changed"], &found["screened"]), (&1.into(), &3.into()));
    assert_eq!(found["items"][0]["comparison"]["baseline"]["decision"], "DECISION_BLOCK");
    assert_eq!(found["items"][0]["comparison"]["candidate"]["decision"], "DECISION_REVIEW");
    let out = place.done(&["policy", "diff", "live", &version, "--sample", &sample]);
    holds(&out, &["no setting and no rule differs", "0 decisions change, 0 scores change"]);
}

#[test]
fn bad_rows_of_a_sample_are_shown() {
    let place = Place::loaded();
    let mut lines = format!("address\n{CLEAN}\n\n\u{e9}\n").into_bytes();
    lines.extend(vec![b'x'; 10 << 20]);
    lines.extend(format!("\n\x1b[2J\n\u{202e}\nnonsense\n{TWO_HOPS}").as_bytes());
    let mut command = place.command(&["policy", "diff", "live", &strict(), "--sample", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&lines).unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!((said.status, said.err.as_str()), (1, ""));
    let parts = [
        "REFUSED  \u{e9} (row 2)",
        "(row 3)",
        "REFUSED  \\u{1b}[2J (row 4)",
        "REFUSED  \\u{202e} (row 5)",
        "REVIEW -> BLOCK",
        "3 addresses screened by both, 4 rows refused; 1 decision changes, 1 score changes",
    ];
    holds(&said.out, &parts);
    assert!(said.out.len() < 10_000, "{}", said.out.len());
}

/// A quote that opens in one row of a sample and closes in another hides no row between them.
#[test]
fn a_stray_quote_in_a_sample_hides_no_row() {
    let place = Place::loaded();
    let sample =
        format!("address,name\n{CLEAN},\"Ann\n{TWO_HOPS},Bob\n{THREE_HOPS},Cid\"\n{CLEAN},Dan\n");
    let sample = place.file("sample.csv", sample);
    let strict = strict();
    let diff = ["policy", "diff", "live", &strict, "--sample", &sample];
    let said = place.says(&diff);
    assert_eq!((said.status, said.err.as_str()), (1, ""), "{}", said.out);
    let parts = [
        "REFUSED",
        "(row 1)",
        "line 2: a quoted cell goes over the end of its line",
        "--allow-line-breaks",
        &format!("REVIEW -> BLOCK  score 38 (medium) -> 70 (high)  {TWO_HOPS} (row 2)"),
        "3 addresses screened by both, 1 row refused; 1 decision changes",
        "read 4 rows on 5 lines: 1 of headings, 0 empty, 0 further lines of cells",
    ];
    holds(&said.out, &parts);
    let out = place.done(&[&diff[..], &["--allow-line-breaks"]].concat());
    holds(&out, &["read 2 rows on 5 lines: 1 of headings, 0 empty, 2 further lines of cells"]);
    let none = place.file("none.csv", "address,name\n");
    let said = place.says(&["policy", "diff", "live", &strict, "--sample", &none]);
    assert_eq!(said.status, 1, "{}", said.out);
    holds(&said.err, &["the sample: no rows: the input holds a heading and nothing else"]);
}

#[test]
fn a_served_policy_is_reloaded_whole_or_not_at_all() {
    let place = Place::loaded();
    let policy = place.file("policy.toml", named("first"));
    let set = format!("policy={policy}");
    let mut server =
        Running::start(place.command(&["serve", "--listen", "127.0.0.1:0", "--set", &set]));
    server.wait_for("listening url=");
    let [first, second] =
        ["first", "second"].map(|name| Policy::parse(&named(name)).unwrap().version().to_owned());
    holds(&place.done(&["policy", "reload"]), &["as they were", &first, &policy]);

    let json = place.says(&["screen", TWO_HOPS, "--output", "json"]);
    assert_eq!(json.status, 10, "{}", json.err);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let snapshot = json["snapshot"]["id"].as_str().unwrap();

    // It is looked at by itself too, so that the command may come second.
    place.file("policy.toml", named("second"));
    holds(&place.done(&["policy", "reload"]), &["in force", &second]);
    assert_eq!(place.done(&["policy", "show", &first]), named("first"));
    holds(&place.done(&["snapshot", snapshot]), &[&first]);

    place.file("policy.toml", named("third").replace("low = 1", "low = 0"));
    let said = place.says(&["policy", "reload"]);
    assert_eq!(said.status, 1);
    holds(&said.err, &["policy.toml", "bands.low: must be from 1"]);
    let out = place.done(&["policy", "explain"]);
    holds(&out, &["NOT RELOADED", "bands.low", &second]);
    // As in a container, whose commands have the configuration of its server.
    let mut command = place.command(&["screen", TWO_HOPS, "-v"]);
    let said = Said::from(command.env("LAZARETTO_POLICY", &policy).output().unwrap());
    assert_eq!(said.status, 10, "what was in force stays: {}{}", said.out, said.err);
    holds(
        &said.out,
        &["decided by    rule exposure: ", "made of     38 = base 50 (2 hops) x ADVISORY 75 %"],
    );
}
