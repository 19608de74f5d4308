//! The server as a process among others: how many files it may have open, and that it ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use crate::support::program::{Running, program};

/// The server, started by a shell that first does `before`.
fn serve_after(before: &str, data_dir: &Path, settings: &[&str]) -> Running {
    let program = program(data_dir);
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("LAZARETTO_DATA_DIR", data_dir);
    shell.args(["-c", &format!("{before}; exec \"$@\""), "sh"]);
    shell.arg(program.get_program()).args(["serve", "--set", "listen=127.0.0.1:0"]).args(settings);
    Running::start(shell)
}

fn port_of(server: &mut Running) -> u16 {
    let line = server.wait_for("listening url=");
    line.trim().rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn the_limit_of_open_files_is_raised() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = serve_after("ulimit -Sn 300", dir.path(), &["--offline"]);
    port_of(&mut server);
    server.wait_for("server started");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut words = line.split_whitespace().skip(3);
    assert_eq!(words.next(), words.next(), "{line}");
}

#[test]
fn connections_leave_descriptors_to_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = serve_after("ulimit -n 260", dir.path(), &["--offline"]);
    server.wait_for("connections reduced by the limit of open files");
    let port = port_of(&mut server);
    let mut open: Vec<_> =
        (0..5).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    // Four fit. The server says its settings to whom it takes in, and nothing to the fifth.
    for stream in &mut open {
        // A refused one is gone already, perhaps.
        let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    }
    let taken = open.iter_mut().map(|stream| stream.read(&mut [0; 1]).is_ok_and(|read| read > 0));
    assert_eq!(taken.collect::<Vec<_>>(), [true, true, true, true, false]);
}

#[test]
fn pages_of_metrics_are_made_one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ["--offline", "--set", "operations=127.0.0.1:0"];
    let mut server = serve_after("true", dir.path(), &settings);
    let line = server.wait_for("operations port listening address=");
    let port: u16 = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    server.wait_for("server started");
    let asks = (0..90).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap());
    let mut asks: Vec<_> = asks.collect();
    for stream in &mut asks {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    for stream in &mut asks {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // Threads that blocked stay for some seconds.
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap().count();
    assert!(threads < 25, "{threads} threads");
}

#[test]
fn a_source_that_says_nothing_does_not_keep_the_process() {
    // Takes requests, tells which, and never answers.
    let source = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = source.local_addr().unwrap();
    let (asked, is_asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = source.accept() {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            if asked.send(line.split(' ').nth(1).unwrap().to_owned()).is_err() {
                return;
            }
            held.push(stream);
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let lists = ["us-ofac-sdn", "us-ofac-cons"];
    let urls = lists.map(|id| format!("lists.{id}.url=http://{at}/{id}"));
    let mut server = serve_after("true", dir.path(), &["--set", &urls[0], "--set", &urls[1]]);
    server.wait_for("server started");
    // The server itself is at one of them, and is told to read the other.
    let first = is_asked.recv().unwrap();
    let other = lists.iter().find(|id| first != format!("/{id}")).unwrap();
    let mut refresh = program(dir.path());
    refresh.args(["lists", "refresh", other]);
    let client = Running::start(refresh);
    let both = BTreeSet::from([first, is_asked.recv().unwrap()]);
    assert_eq!(both, lists.map(|id| format!("/{id}")).into());
    drop(client);
    server.signal("TERM");
    server.wait_for("background work aborted");
    assert_eq!(server.end().status, 0);
}
