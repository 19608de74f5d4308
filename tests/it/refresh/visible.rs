//! From visible at OFAC's service, as replayed with its real publications, to BLOCK: the program
//! itself, and what its questions cost while nothing is new.

use std::io::Read;
use std::time::Instant;

use super::replay::{DOCUMENTED, FORMER, LATEST, Replay};
use super::*;
use crate::support::needs::data;
use crate::support::program::{Running, run};

/// On the publication of 2025-11-19, and not on that of 2024-05-28.
const NEW: &str = "0x0931cA4D13BB4ba75D9B7132AB690265D749a5E7";

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    bzip2::read::MultiBzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_publication_blocks_within_seconds_of_being_visible() {
    let files = ["20240529T1352", "20251119T1644"]
        .map(|moment| data(&format!("ofac/sdn_advanced_{moment}.xml.bz2")));
    let [Some(old), Some(new)] = files else { return };
    let replay = Replay::start(vec![unpacked(&old), unpacked(&new)]);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("lazaretto.toml");
    let interval = 1;
    let text = format!(
        "starter_lists = false\nlisten = \"127.0.0.1:0\"\n[lists.us-ofac-cons]\nenabled = false\n\
         [lists.us-ofac-sdn]\nurl = \"{} {}\"\nprobe_url = \"{}\"\nprobe_interval = \"{interval}s\"\n",
        replay.url(DOCUMENTED),
        replay.url(FORMER),
        replay.url(LATEST)
    );
    std::fs::write(&config, text).unwrap();
    let data_dir = dir.path().join("data");
    let mut command = program(&data_dir);
    command.arg("serve").env("LAZARETTO_CONFIG", &config);
    let mut server = Running::start(command);
    server.wait_for("list version published");
    let screened = || run(&data_dir, ["screen", NEW, "--output", "json"]);
    let blocks = |said: &Said| said.out.contains("DECISION_BLOCK");
    let before = screened();
    assert!(!blocks(&before), "{}{}", before.out, before.err);

    // Nothing new: what the questions cost.
    let asked = replay.asked().len();
    replay.wait_for_probes(4);
    let idle: Vec<_> = replay.asked().split_off(asked);
    let questions = idle.iter().filter(|asked| asked.target == LATEST).count();
    let bytes: usize = idle.iter().map(|asked| asked.body).sum();
    // Every minute, and up to a tenth more often.
    let a_day = bytes as f64 / questions as f64 * 1_440.0 / 0.9;
    assert!(idle.iter().all(
        |asked| asked.target.starts_with(LATEST) || asked.target.starts_with("/storage/Delta")
    ));
    assert!(a_day < 1_000_000.0, "{bytes} bytes of {questions} questions");

    let visible = Instant::now();
    replay.publish(1);
    server.wait_for("new publication announced");
    let announced = visible.elapsed();
    server.wait_for("list version published");
    let after = screened();
    let blocked = visible.elapsed();
    assert!(blocks(&after), "{}{}", after.out, after.err);
    eprintln!(
        "visible to BLOCK: {blocked:.1?}, of which {announced:.1?} until it was announced \
         (interval {interval} s); {bytes} bytes of {questions} questions without news: {a_day:.0} a day"
    );
    // Without optimisation the file alone takes that long to read.
    if !cfg!(debug_assertions) {
        assert!(blocked < Duration::from_secs(5 + interval), "{blocked:?}");
    }
    // And what an operator sees on the first day.
    let checked = run(&data_dir, ["lists", "check-source", "us-ofac-sdn"]);
    let all = [
        "status 200, application/xml",
        "taken for",
        "ofac-advanced",
        "in nothing",
        "Nothing was published.",
    ];
    for words in all {
        assert!(checked.out.contains(words), "{words}: {}{}", checked.out, checked.err);
    }
    assert_eq!(checked.status, 0);
    eprintln!("{}", checked.out);
}
