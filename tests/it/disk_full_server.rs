//! The server on a disk that is full or read-only: it answers from what it holds, refuses changes,
//! and takes them again by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::support::mounted::Mounted;
use crate::support::place::three;
use crate::support::program::{Running, Said, program, run};

/// An address of the Lazarus Group that the starter list has.
const LISTED: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

/// A server, where to ask it, and its operations port.
pub struct Served {
    pub log: Running,
    url: String,
    operations: u16,
}

impl Served {
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &["--offline"])
    }

    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        let mut command = program(data);
        command.args(["serve", "--listen", "127.0.0.1:0", "--set", "operations=127.0.0.1:0"]);
        command.args(arguments);
        let mut log = Running::start(command);
        let line = log.wait_for("operations port listening address=");
        let operations = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        let url = log.wait_for("listening url=").trim().rsplit('=').next().unwrap().to_owned();
        log.wait_for("server started");
        Self { log, url, operations }
    }

    /// What a command says that asks the server.
    pub fn says(&self, data: &Path, arguments: &[&str]) -> Said {
        run(data, [&["--server", &self.url], arguments].concat())
    }

    /// A page of the operations port.
    pub fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.operations)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[track_caller]
    pub fn check_writable(&self, want: bool) {
        let line = format!("\nlazaretto_store_writable {}\n", u8::from(want));
        assert!(self.page("/metrics").contains(&line), "not {want}");
    }

    /// What the server holds is answered from.
    #[track_caller]
    pub fn check_answers(&self, data: &Path) {
        let said = self.says(data, &["screen", LISTED]);
        assert!(said.out.contains("BLOCK"), "{} {}", said.out, said.err);
        assert_eq!(self.says(data, &["lists", "ls"]).status, 0);
    }

    /// Ends the server; its log.
    pub fn end(self) -> String {
        self.log.signal("TERM");
        let said = self.log.end();
        assert_eq!(said.status, 0, "{}", said.err);
        said.err
    }
}

#[test]
fn a_server_whose_disk_is_full_for_a_while_takes_changes_again_by_itself() {
    let Some(disk) = Mounted::new(48) else { return };
    let data = disk.path().join("data");
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("transfers.csv");
    std::fs::write(&file, three()).unwrap();
    let import = ["transfers", "import", file.to_str().unwrap()];
    let mut server = Served::start(&data);
    server.check_writable(true);
    let filler = disk.fill();
    let said = server.says(&data, &import);
    assert!(said.err.contains("No space left on device"), "{}", said.err);
    server.log.wait_for("store refuses changes");
    server.check_writable(false);
    server.check_answers(&data);
    for _ in 0..3 {
        let said = server.says(&data, &import);
        assert!(said.err.contains("an earlier write failed"), "{}", said.err);
    }
    let said = server.says(&data, &["lists", "import", file.to_str().unwrap(), "--list", "x"]);
    assert!(said.err.contains("an earlier write failed"), "{}", said.err);

    std::fs::remove_file(filler).unwrap();
    server.log.wait_for("store accepts changes again");
    server.check_writable(true);
    let said = server.says(&data, &[&import[..], &["--output", "json"]].concat());
    let summary: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.status, &summary["rows"]), (0, &3.into()), "{summary}");
    server.check_answers(&data);
    let log = server.end();
    for said in ["store refuses changes", "store accepts changes again"] {
        assert_eq!(log.matches(said).count(), 1, "each is said once: {log}");
    }
    let heads = run(&data, ["transfers", "heads", "--output", "json"]);
    assert!(
        heads.out.contains("\"rows\":\"3\"") || heads.out.contains("\"rows\": \"3\""),
        "{}",
        heads.out
    );
}

#[test]
fn a_publication_that_finds_no_room_is_told_until_it_is_stored() {
    let Some(disk) = Mounted::new(48) else { return };
    let data = disk.path().join("data");
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("list.csv");
    let write = |rows: &str| {
        std::fs::write(&file, format!("address,ticker,party_uid,party_name\n{rows}")).unwrap();
    };
    write(&format!("{LISTED},ETH,1,Party\n"));
    let path = format!("lists.test.path={}", file.display());
    let mut set = vec![path.as_str(), "lists.test.kind=SANCTIONS", "lists.test.required=true"];
    set.extend(["lists.us-ofac-sdn.enabled=false", "lists.us-ofac-cons.enabled=false"]);
    set.extend(["lists.lazarus-advisories.enabled=false", "starter_lists=false"]);
    let set: Vec<&str> = set.into_iter().flat_map(|set| ["--set", set]).collect();
    let mut server = Served::start_with(&data, &set);
    let clean = "0x7a250d5630b4cf539739df2c5dacb4c659f248aa";
    // Read by the server itself, or here.
    server.says(&data, &["lists", "refresh", "test"]);
    assert!(server.says(&data, &["screen", clean]).out.contains("ALLOW"));
    assert!(server.page("/readyz").starts_with("HTTP/1.1 200"));

    let filler = disk.fill();
    write(&format!("{LISTED},ETH,1,Party\n{clean},ETH,2,Other\n"));
    let said = server.says(&data, &["lists", "refresh", "test"]);
    assert!(said.err.contains("No space left on device"), "{}", said.err);
    server.log.wait_for("not ready why=required and not stored: test");
    let page = server.page("/readyz");
    assert!(page.starts_with("HTTP/1.1 503") && page.contains("not stored: test"), "{page}");
    let said = server.says(&data, &["screen", clean, "--output", "json"]);
    for word in ["INCOMPLETE_REASON_CODE_LIST_NOT_STORED", "\"test\"", "DECISION_REVIEW"] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
    let said = server.says(&data, &["screen", clean, "-v"]);
    assert!(
        said.out.contains("a publication of a required list could not be stored"),
        "{}",
        said.out
    );

    std::fs::remove_file(filler).unwrap();
    server.log.wait_for("store accepts changes again");
    assert_eq!(server.says(&data, &["lists", "refresh", "test"]).status, 0);
    assert!(server.says(&data, &["screen", clean]).out.contains("BLOCK"));
    assert!(!server.says(&data, &["screen", clean]).out.contains("could not be stored"));
    server.end();
}

#[test]
fn a_start_on_a_full_or_read_only_disk_serves_what_it_has() {
    for is_read_only in [false, true] {
        let Some(disk) = Mounted::new(48) else { return };
        let data = disk.path().join("data");
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("transfers.csv");
        std::fs::write(&file, three()).unwrap();
        let import = ["transfers", "import", file.to_str().unwrap()];
        // The starter lists are loaded, and what killed processes leave lies about.
        assert_eq!(run(&data, ["lists", "ls"]).status, 0);
        for folder in ["restore/store", "fetch", "upload"] {
            std::fs::create_dir_all(data.join(folder)).unwrap();
        }
        std::fs::write(data.join("upload/lazaretto-upload-1"), "x").unwrap();
        std::fs::write(data.join("fetch/fetch-1"), "x").unwrap();
        let filler = (!is_read_only).then(|| disk.fill());
        disk.set_read_only(is_read_only);

        let unrecorded = run(&data, ["screen", LISTED]);
        assert_eq!(unrecorded.status, 1, "{}", unrecorded.out);
        assert!(unrecorded.err.contains("could not be recorded"), "{}", unrecorded.err);
        let go_on = ["--set", "decision_log.on_failure=answer"];
        let alone = run(&data, [&["screen", LISTED][..], &go_on].concat());
        assert!(alone.out.contains("BLOCK"), "{} {}", alone.out, alone.err);
        let backup = files.path().join("a.backup");
        let said = run(&data, ["store", "backup", "--out", backup.to_str().unwrap()]);
        assert_eq!(said.status, 0, "{}", said.err);
        let mut server = Served::start_with(&data, &[&["--offline"][..], &go_on].concat());
        server.check_answers(&data);
        server.check_writable(false);
        let said = server.says(&data, &import);
        assert!(said.err.contains("the store cannot be written to"), "{}", said.err);
        let list =
            ["lists", "import", file.to_str().unwrap(), "--list", "x", "--kind", "SANCTIONS"];
        let said = server.says(&data, &list);
        assert!(said.err.contains("the store cannot be written to"), "{}", said.err);

        filler.into_iter().for_each(|filler| std::fs::remove_file(filler).unwrap());
        disk.set_read_only(false);
        server.log.wait_for("store accepts changes again");
        server.check_writable(true);
        assert_eq!(server.says(&data, &import).status, 0);
        server.check_answers(&data);
        let log = server.end();
        assert_eq!(log.matches("serving a private read-only copy").count(), 1, "{log}");
        assert!(run(&data, ["transfers", "heads"]).out.contains("eip155:1"));
    }
}
