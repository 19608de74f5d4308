//! The gate of later work: user instructions of a clean unary call and of a clean batch, one call
//! at a time, against the committed figures of `instructions.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::client::{Connections, Load, Messages, Method};
use crate::counter::Counter;
use crate::{BATCH_SIZE, GATED, labelled, servers};

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/screening/instructions.toml");

/// So much above its figure fails; with the threads of the decision log, whose work falls into one call
/// or the next, it varies by 1.5 %.
const MOST: f64 = 1.02;
const MOST_RECORDED: f64 = 1.10;

/// What the names of figures with the decision log end with.
const RECORDED: &str = "_recorded";

/// What is counted: a name in the file of figures, the method, and how many calls.
const COUNTED: [(&str, Method, usize); 2] =
    [("unary_call", Method::Unary, 2_000), ("batch_of_1000", Method::Batch, 20)];

/// The servers that are counted: what the names of their figures end with, and their arguments. The
/// decision log is counted with its threads, which hash, without the processor's own instructions for
/// SHA-256: callgrind has none.
const SERVERS: [(&str, &[&str]); 2] =
    [("", &["--set", "decision_log.enabled=false"]), (RECORDED, &[])];

const HEADING: &str = "\
# User instructions of the server in one call, clean addresses, by callgrind, in the profile of the
# tests (only dependencies are optimised): no build of its own, and steady. `_recorded`: with the decision
# log. The gate fails 2 % above, with the log 10 %. To write it anew, and the commit says why:
# `just instructions --update`.
";

/// Counts, prints and compares; with `is_update` writes the figures instead. Returns whether all
/// are within the gate.
pub async fn run(folder: &Path, is_update: bool) -> bool {
    let counter = Counter::Callgrind;
    let addresses = GATED.addresses(BATCH_SIZE, &[]);
    let mut counts = BTreeMap::new();
    for (ending, arguments) in SERVERS {
        let parent = folder.join(format!("server{ending}"));
        std::fs::create_dir_all(&parent).expect("the folder is writable");
        let data_dir = servers::store(&parent, 1_000);
        let ours = servers::ours_with(arguments, &data_dir, Some((counter, &parent)), None);
        labelled::graph_is_read_in(ours.endpoint(), &addresses[0]).await;
        counter.begin(ours.pid());
        let connections = Connections::open(ours.endpoint(), 1, None).await;
        for (name, method, calls) in COUNTED {
            let load = Load { name, method, connections: 1, in_flight: 1 };
            let messages = Arc::new(Messages::new(method, &addresses, BATCH_SIZE));
            connections.run(load, &messages, calls / 4).await;
            let work = async {
                connections.run(load, &messages, calls).await;
            };
            let counted = counter.count(ours.pid(), &parent, work).await;
            counts.insert(format!("{name}{ending}"), counted / calls as u64);
        }
    }
    if is_update {
        let text = toml::to_string(&counts).expect("a table of numbers");
        std::fs::write(FIGURES, format!("{HEADING}{text}")).expect("the file is writable");
    }
    let figures = std::fs::read_to_string(FIGURES).expect("the file of figures");
    let figures: BTreeMap<String, u64> = toml::from_str(&figures).expect("a table of numbers");
    let mut is_within = true;
    for (name, count) in counts {
        let figure = figures[&name];
        let ratio = count as f64 / figure as f64;
        let most = if name.ends_with(RECORDED) { MOST_RECORDED } else { MOST };
        let verdict = if ratio <= most { "PASS" } else { "FAIL" };
        println!("{verdict} {name}: {count} instructions, {ratio:.4} of {figure}, at most {most}");
        is_within &= ratio <= most;
    }
    is_within
}
