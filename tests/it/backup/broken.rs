//! Backups and restores that are broken off: by SIGKILL on either side, or by a reader that stops.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use lazaretto::engine::check_named_record;
use lazaretto::grpc::client::Client;
use lazaretto::grpc::v1;
use lazaretto::store::{Store, verify_backup};
use tonic::Code;

use super::{CACHE, transfers_in};
use crate::support::program::{program, run};
use crate::support::server::ServerChild;

/// Some 7 MB, more than waits on the way from a server to a reader that does not read.
const ROWS: u64 = 200_000;

fn backup(dir: &Path) -> std::path::PathBuf {
    let data = dir.join("data");
    transfers_in(&data, ROWS);
    let file = dir.join("a.backup");
    let said = run(&data, ["store", "backup", "--out", file.to_str().unwrap()]);
    assert_eq!(said.status, 0, "{}", said.err);
    file
}

fn restoring(data: &Path, file: &Path) -> Child {
    let mut command = program(data);
    command.args(["store", "restore"]).arg(file);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_restore_leaves_no_store_or_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = backup(dir.path());
    let bytes = fs::read(&file).unwrap();
    let (into, pipe) = (dir.path().join("into"), dir.path().join("pipe"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Certainly amid it: the rest of the file never comes.
    for part in [10, bytes.len() / 3, bytes.len() - 1] {
        let child = restoring(&into, &pipe);
        let mut end = OpenOptions::new().write(true).open(&pipe).unwrap();
        end.write_all(&bytes[..part]).unwrap();
        killed(child);
        drop(end);
        assert!(!into.join("store").exists(), "{part}");
    }
    // At any moment, the last ones among them.
    let begun = Instant::now();
    assert!(restoring(&dir.path().join("first"), &file).wait().unwrap().success());
    let usual = begun.elapsed();
    let (mut none, mut whole) = (0, 0);
    for turn in 0..12 {
        let begun = Instant::now();
        let child = restoring(&into, &file);
        let delay = usual.mul_f64(0.7 + 0.15 * f64::from(turn));
        while begun.elapsed() < delay {
            std::hint::spin_loop();
        }
        killed(child);
        if !into.join("store").exists() {
            none += 1;
            continue;
        }
        whole += 1;
        let store = Store::open(&into, CACHE).unwrap();
        let found = store.verify(&check_named_record).unwrap();
        assert!(found.is_whole() && found.transfers == ROWS, "{found:?}");
        drop(store);
        fs::remove_dir_all(into.join("store")).unwrap();
    }
    eprintln!("{none} kills left no store, {whole} the whole");
    // What a kill left goes when the directory is used.
    let mut child = restoring(&into, &pipe);
    let mut end = OpenOptions::new().write(true).open(&pipe).unwrap();
    end.write_all(&bytes[..bytes.len() / 2]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(into.join("restore").exists());
    assert!(restoring(&into, &file).wait().unwrap().success());
    assert!(into.join("store").exists() && !into.join("restore").exists());
    fs::create_dir(into.join("restore")).unwrap();
    assert_eq!(run(&into, ["lists", "ls"]).status, 0);
    assert!(!into.join("restore").exists());
}

#[test]
fn a_stalled_backup_holds_up_nobody_and_a_killed_server_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = backup(dir.path());
    let data = dir.path().join("data");
    let server = ServerChild::start(&data, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = || v1::BackupStoreRequest {};
    let (mut stalled, mut client) = runtime.block_on(async {
        let mut client = Client::connect(server.endpoint()).await.unwrap();
        let mut stalled = client.store.backup_store(ask()).await.unwrap().into_inner();
        let first = stalled.message().await.unwrap().unwrap();
        assert!(first.chunk.starts_with(b"LAZARETTO BACKUP"));
        (stalled, client)
    });
    // Imports, questions and a second backup while the first waits for its reader.
    let url = server.endpoint();
    let list = dir.path().join("list.csv");
    for generation in 1..4 {
        let rows = format!("address,ticker\n0x{generation:040x},ETH\n");
        fs::write(&list, rows).unwrap();
        let import = ["lists", "import", list.to_str().unwrap(), "--list", "x", "--kind"];
        let forced = ["ADVISORY", "--force", "a test", "--force-gate", "quarantine", "--yes"];
        let said = run(&data, [&["--server", url], &import[..], &forced].concat());
        assert_eq!(said.status, 0, "{}", said.err);
    }
    let other = dir.path().join("b.backup");
    let said = run(&data, ["--server", url, "store", "backup", "--out", other.to_str().unwrap()]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("another backup is being made"), "{}", said.err);
    assert!(!other.exists());

    runtime.block_on(async {
        // The rest of it is as the store was when it began.
        let mut rest = vec![0; 0];
        while let Some(part) = stalled.message().await.unwrap() {
            rest.extend(part.chunk);
        }
        assert!(rest.len() > 4 << 20);
        drop(stalled);
        // A reader that goes away frees the way for the next.
        let mut left = client.store.backup_store(ask()).await.unwrap().into_inner();
        left.message().await.unwrap().unwrap();
        drop(left);
        let mut whole = Vec::new();
        'again: loop {
            whole.clear();
            let mut parts = client.store.backup_store(ask()).await.unwrap().into_inner();
            loop {
                match parts.message().await {
                    Ok(Some(part)) => whole.extend(part.chunk),
                    Ok(None) => break 'again,
                    Err(status) => {
                        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                        break;
                    }
                }
            }
        }
        let found = verify_backup(&*whole, &check_named_record).unwrap();
        assert!(found.is_whole() && found.transfers == ROWS, "{found:?}");
        // Killed amid one.
        let mut cut = client.store.backup_store(ask()).await.unwrap().into_inner();
        cut.message().await.unwrap().unwrap();
        drop(server);
        while let Ok(part) = cut.message().await {
            assert!(part.is_some(), "a backup that was cut off ended as if it were whole");
        }
    });
    assert_eq!(fs::read_dir(data.join("upload")).unwrap().count(), 1, "what it had noted");
    let said = run(&data, ["lists", "changes", "--list", "x"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(fs::read_dir(data.join("upload")).unwrap().count(), 0);
    let said = run(&data, ["store", "verify"]);
    assert_eq!(said.status, 0, "{}", said.out);
    assert!(file.exists());
}
