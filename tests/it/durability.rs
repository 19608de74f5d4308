//! What the server acknowledged survives its being killed at once after, and a server that is
//! killed amid an import leaves the old or the new version whole.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Instant;

use lazaretto::domain::publication::listed_digest;

use crate::support::desk::Desk;
use crate::support::program::NOW;

const LIST: &str = "test";
const ROWS: usize = 2000;
const ROUNDS: u64 = 10;
const KILLS: u64 = 30;

/// Two thousand rows, each of which says of which generation it is.
fn csv(generation: u64) -> String {
    let mut csv = "address,ticker,party_uid,party_name,reference\n".to_owned();
    for row in 1..=ROWS {
        let party = row / 10;
        csv += &format!("0x{:040x},ETH,{party},Party {party},{generation}\n", row << 20);
    }
    csv
}

/// The program with nothing of this process's environment.
fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazaretto"));
    command
        .env_clear()
        .env("LAZARETTO_TEST_NOW", NOW)
        .arg("--data-dir")
        .arg(dir)
        .stdin(Stdio::null());
    command
}

/// A server that contacts nobody, and where to ask it.
struct Server {
    child: Child,
    url: String,
    /// Kept open: a server whose log nobody reads must not end of that.
    _log: BufReader<ChildStderr>,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let mut child = program(dir)
            .args(["--set", "starter_lists=false", "serve", "--offline", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let url = loop {
            let from = said.len();
            assert!(log.read_line(&mut said).unwrap() > 0, "the server ended: {said}");
            if said[from..].contains("listening url=") {
                break std::fs::read_to_string(dir.join("endpoint")).unwrap().trim().to_owned();
            }
        };
        Self { child, url, _log: log }
    }

    /// Begins the import of a generation through the server.
    fn import(&self, dir: &Path, generation: u64) -> Child {
        let file = dir.join(format!("{generation}.csv"));
        std::fs::write(&file, csv(generation)).unwrap();
        program(dir)
            .args(["--server", &self.url, "lists", "import"])
            .arg(file)
            .args(["--list", LIST, "--kind", "SANCTIONS", "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The version in force and the generation of its rows, which must be whole; zeros where none is.
fn whole(dir: &Path) -> (u64, u64) {
    let desk = Desk::at(dir, "2025-11-20", &[]);
    if desk.engine().snapshot().is_none() {
        return (0, 0);
    }
    let list = desk.list(LIST);
    let state = list.state();
    assert_eq!(listed_digest(state), state.version.digest);
    assert_eq!(state.version.counts.listings, ROWS as u64);
    let generation: u64 = state.rows[0].facts.reference.parse().unwrap();
    let said = generation.to_string();
    assert_eq!(state.rows.len(), ROWS);
    assert!(state.rows.iter().all(|row| row.facts.reference == said), "rows of two generations");
    let changes = desk.changes(LIST, state.version.version - 1);
    assert_eq!(changes.len(), ROWS, "the changes of the version are whole too");
    (state.version.version, generation)
}

#[test]
fn an_acknowledged_import_survives_kill_at_once_after() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let server = Server::start(dir.path());
        let mut import = server.import(dir.path(), round);
        // The first byte of the answer is the acknowledgement.
        let mut answer = [0];
        let acknowledged = import.stdout.as_mut().unwrap().read(&mut answer).unwrap();
        server.kill();
        let import = import.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&import.stderr);
        assert!(acknowledged == 1 && import.status.success(), "{error}");
        assert_eq!(whole(dir.path()), (round, round));
    }
}

#[test]
fn a_server_killed_amid_imports_leaves_the_old_or_the_new_version() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let begun = Instant::now();
    let first = server.import(dir.path(), 1).wait_with_output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let mut usual = begun.elapsed();
    server.kill();
    let (mut version, mut generation) = whole(dir.path());
    assert_eq!((version, generation), (1, 1));

    let (mut old, mut new, mut unacknowledged) = (0, 0, 0);
    for kill in 0..KILLS {
        let next = kill + 2;
        let server = Server::start(dir.path());
        let begun = Instant::now();
        let import = server.import(dir.path(), next);
        let delay = usual.mul_f64(fastrand::f64() * 1.3);
        while begun.elapsed() < delay {
            std::hint::spin_loop();
        }
        server.kill();
        let acknowledged = import.wait_with_output().unwrap().status.success();
        if acknowledged {
            usual = (usual + begun.elapsed()) / 2;
        }
        let found = whole(dir.path());
        match found {
            (same, of) if (same, of) == (version, generation) => {
                assert!(!acknowledged, "kill {kill}: acknowledged, and lost");
                old += 1;
            }
            (one_more, of) if (one_more, of) == (version + 1, next) => {
                unacknowledged += u64::from(!acknowledged);
                new += 1;
            }
            other => panic!("kill {kill}: {other:?} after {:?}", (version, generation)),
        }
        (version, generation) = found;
    }
    eprintln!("{old} old, {new} new, of which {unacknowledged} not acknowledged; {usual:?} each");
}
