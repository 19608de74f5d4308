//! What the command line says where no list is needed: addresses, wrong usage, wrong settings.

use std::path::Path;
use std::process::Stdio;

use crate::support::program::{Said, program, run};
use crate::support::refusing::RefusingPort;

/// In lower case, so that it carries no checksum.
const EVM: &str = "0x098b716b8aaf21512996dc57eb0615e2383e2f96";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Runs in a folder of its own.
fn says(arguments: &[&str]) -> Said {
    run(folder().path(), arguments)
}

#[test]
fn what_an_address_is() {
    let shown = says(&["address", EVM]);
    assert_eq!((shown.status, shown.err.as_str()), (0, ""));
    for part in [EVM, "eip155:*", "none: a typing error would not show", "key id"] {
        assert!(shown.out.contains(part), "{part:?} is not in\n{}", shown.out);
    }

    let shown = says(&["address", EVM, "--chain", "eip155:1", "--output", "json"]);
    assert_eq!(shown.status, 0, "{}", shown.err);
    let json: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(json["address"], EVM);
    assert_eq!(json["canonical"], EVM);
    assert_eq!(json["checksum"], "ABSENT");
    assert_eq!(json["fits_chain"], true);
    assert!(json["key_ids"][0].as_str().unwrap().contains(&EVM[2..]), "{json}");
}

#[test]
fn what_is_no_address() {
    let check = |address: &str, want: &str| {
        let shown = says(&["address", address]);
        assert_eq!((shown.status, shown.out.as_str()), (1, ""), "{address:?}");
        assert!(shown.err.starts_with("error: ") && shown.err.contains(want), "{}", shown.err);
        assert!(!shown.err.contains('\u{1b}'), "{:?}", shown.err);
    };
    check("", "the address is empty");
    check("nonsense\u{200b}here", "byte 8");
    check("\u{1b}[2J", "byte 0");
    check(&"a".repeat(5_000), "5000 bytes");
    check("nonsense!", "no known address form fits");
}

#[test]
fn a_fault_that_nobody_reads_ends_with_its_own_status() {
    let mut command = program(folder().path());
    command.args(["address", ""]).stdin(Stdio::null()).stdout(Stdio::null());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    // To write to it fails, as it does where standard error is closed.
    let status = command.stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn an_address_on_a_chain_that_it_cannot_stand_on() {
    let shown = says(&["address", EVM, "--chain", "bitcoin"]);
    assert_eq!(shown.status, 1);
    assert!(shown.out.contains("eip155:*"), "it is shown all the same: {}", shown.out);
    assert!(shown.err.contains("cannot stand on the chain"), "{}", shown.err);
}

#[test]
fn wrong_usage_is_an_error_like_any_other() {
    let check = |arguments: &[&str], want: &str| {
        let shown = says(arguments);
        assert_eq!((shown.status, shown.out.as_str()), (1, ""), "{arguments:?}");
        assert!(shown.err.contains(want), "{arguments:?}: {}", shown.err);
    };
    check(&[], "Usage: lazaretto");
    check(&["scren"], "scren");
    check(&["screen"], "<ADDRESS>...");
    check(&["screen", EVM, "--output", "xml"], "xml");
    check(&["screen", EVM, "--as-of", "2999-01-01"], "is in the future");
    check(&["screen", EVM, "--as-of", "20250101"], "is no day written YYYY-MM-DD");
    check(&["lists", "import", "file"], "--list <ID>");
    check(&["lists", "import", "file", "--list", "Upper"], "invalid list id");
    check(&["lists", "import", "file", "--list", "x", "--kind", "BAD"], "invalid list kind");
    check(&["lists", "import", "file", "--list", "x", "--format", "pdf"], "pdf");
    check(&["lists", "import", "file", "--list", "x", "--published", "1.2.2025"], "YYYY-MM-DD");
    check(&["lists", "changes", "--since", "yesterday"], "and no list version");
    check(&["serve", "--server", "http://127.0.0.1:1"], "use --listen");
    check(&["lists", "ls", "--server", "ftp://localhost:1"], "is no server address");
}

#[test]
fn help_and_version_are_no_errors() {
    for (arguments, want) in [
        (["--help"].as_slice(), "exit status 0 ALLOW, 10 REVIEW, 11 BLOCK, 1 error"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["help", "lists", "import"], "--force <REASON>"),
    ] {
        let shown = says(arguments);
        assert_eq!((shown.status, shown.err.as_str()), (0, ""), "{arguments:?}");
        assert!(shown.out.contains(want), "{}", shown.out);
    }
}

#[test]
fn every_wrong_setting_is_named_with_its_place() {
    let dir = folder();
    let file = dir.path().join("lazaretto.toml");
    std::fs::write(&file, "offline = true\nlistne = \"x\"\n[lists.us-ofac-sdn]\nurls = 1\n")
        .unwrap();
    for command in [["serve"].as_slice(), &["lists", "ls"], &["screen", EVM]] {
        let output = program(dir.path())
            .args(command)
            .args(["--set", "cache_mib=much"])
            .env("LAZARETTO_CONFIG", &file)
            .env("LAZARETTO_LISTNE", "x")
            .env("LAZARETTO_TEST_ANYTHING", "x")
            .output();
        let shown = Said::from(output.unwrap());
        let want = format!(
            "error: invalid configuration:\n  \
             {file}:2: unknown key \"listne\"\n  \
             {file}:4: unknown key \"lists.us-ofac-sdn.urls\"\n  \
             variable LAZARETTO_LISTNE: unknown key \"listne\"\n  \
             flag --set cache_mib: cache_mib: must be an integer from 1 to 65536, not \"much\"\n",
            file = file.display()
        );
        assert_eq!((shown.status, shown.err), (1, want), "{command:?}");
    }
    assert!(!dir.path().join("endpoint").exists());
}

#[test]
fn a_policy_file_that_is_missing_is_named_with_its_key_and_place() {
    let dir = folder();
    let file = dir.path().join("lazaretto.toml");
    let missing = dir.path().join("policy.toml");
    std::fs::write(&file, format!("offline = true\npolicy = {missing:?}\n")).unwrap();
    for command in [["serve", "--listen", "127.0.0.1:0"].as_slice(), &["screen", EVM]] {
        let shown = program(dir.path())
            .args(command)
            .args(["--set", "shadow_policy=/nonexistent"])
            .env("LAZARETTO_CONFIG", &file)
            .output();
        let shown = Said::from(shown.unwrap());
        let (file, missing) = (file.display(), missing.display());
        let want = format!(
            "error: policy ({file}:2): {missing}: No such file or directory (os error 2)\n\
             shadow_policy (flag --set shadow_policy): /nonexistent: No such file or directory (os \
             error 2)\n",
        );
        assert_eq!(shown.status, 1, "{command:?}");
        assert!(shown.err.ends_with(&want), "{command:?}: {}", shown.err);
    }
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let port = RefusingPort::take();
    let url = format!("http://{}", port.address());
    let shown = says(&["lists", "ls", "--server", &url]);
    assert_eq!((shown.status, shown.out.as_str()), (1, ""));
    assert!(shown.err.contains(&format!("no server answers at {url}")), "{}", shown.err);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = folder();
    let shown = run(dir.path(), ["serve", "--offline", "--listen", &address]);
    assert_eq!((shown.status, shown.out.as_str()), (1, ""));
    assert!(shown.err.contains(&format!("error: listening on {address}")), "{}", shown.err);
    assert!(!Path::new(dir.path()).join("endpoint").exists());
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let mut command = program(folder().path());
    command.args(["address", EVM]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let shown = Said::from(child.wait_with_output().unwrap());
    assert_eq!((shown.status, shown.err.as_str()), (0, ""));
}
