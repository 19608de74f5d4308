//! Metrics: read by a slow, obvious parser, held against what was done, against the table of
//! docs/metrics.md, and by Prometheus' own linter.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use super::operations::get;
use super::transfers::{batch, ingest, payment};
use super::*;
use crate::support::needs::{Need, tool};

/// A family: its type, its help and its samples by name and labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

/// Reads the text form of Prometheus, and panics where it is not what the form says.
fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            let family = Family { help: help.to_owned(), ..Family::default() };
            assert!(families.insert(name.to_owned(), family).is_none(), "{name} twice");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current, "the type stands below the help");
            kind.clone_into(&mut families.get_mut(name).unwrap().kind);
        } else {
            let (name, labels, value) = sample(line);
            let family = families.get_mut(&current).unwrap();
            let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{current}{part}"));
            let fits = name == current || family.kind == "histogram" && parts.contains(&name);
            assert!(fits, "{line} is in {current}");
            assert!(family.samples.insert((name, labels), value).is_none(), "{line} twice");
        }
    }
    families
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = line.find(|c| !is_name(c)).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(label.chars().all(is_name) && !label.is_empty(), "{line}");
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        c => panic!("{line}: \\{c}"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}: {label} twice");
            rest = &after[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap();
    }
    let value = rest.strip_prefix(' ').unwrap().parse().unwrap();
    (name.to_owned(), labels, value)
}

/// What is shown now.
async fn shown(desk: &Desk) -> (String, BTreeMap<String, Family>) {
    let (status, headers, text) = get(desk.operations, "/metrics").await;
    assert_eq!(status, 200);
    assert!(headers.contains("text/plain; version=0.0.4"), "{headers}");
    let families = parse(&text);
    (text, families)
}

/// The value of a sample, written as `name{label="value",...}` with labels in any order; `None`
/// where it is not shown.
fn value(families: &BTreeMap<String, Family>, written: &str) -> Option<f64> {
    let (name, labels, _) = sample(&format!("lazaretto_{written} 0"));
    families
        .values()
        .find_map(|family| family.samples.get(&(name.clone(), labels.clone())).copied())
}

#[track_caller]
fn check(families: &BTreeMap<String, Family>, written: &str, want: f64) {
    assert_eq!(value(families, written), Some(want), "{written}");
}

/// Lists, one of them with a row that is not understood; transfers; answers and refusals.
async fn busy(desk: &Desk) {
    desk.sanction(OFAC, csv("2025-11-19", &made_up(0..3))).await;
    let rows = [evm(1) + ",ETH,u,P", "nonsense,ETH,v,Q".to_owned()];
    desk.import(header("doubts", v1::ListKind::Advisory), csv("", &rows)).await.unwrap();
    for address in [CLEAN, CLEAN, &evm(0)] {
        desk.screen(address).await;
    }
    desk.ask(question("")).await.unwrap_err();
    let queries = vec![query(CLEAN), query(""), query(&evm(2)), query("nonsense")];
    let asked = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
    desk.client.screening.clone().batch_screen_addresses(asked).await.unwrap();
    ingest(desk, vec![batch("", vec![payment(100, 7, 8), payment(102, 7, 9)])]).await;
    let engine = desk.engine.clone();
    tokio::task::spawn_blocking(move || engine.wait_for_exposure(false)).await.unwrap().unwrap();
}

#[test]
fn what_was_done_is_counted() {
    run(vec![ofac()], async |desk| {
        let (_, before) = shown(desk).await;
        check(&before, "ready", 0.0);
        check(&before, "list_loaded{list=\"us-ofac-sdn\"}", 0.0);
        check(&before, "list_required{list=\"us-ofac-sdn\"}", 1.0);
        busy(desk).await;
        let (_, after) = shown(desk).await;
        let screen = "service=\"lazaretto.v1.ScreeningService\",method=\"ScreenAddress\"";
        check(&after, &format!("calls_total{{{screen},code=\"OK\"}}"), 3.0);
        check(&after, &format!("calls_total{{{screen},code=\"INVALID_ARGUMENT\"}}"), 1.0);
        check(&after, &format!("call_duration_seconds_count{{{screen}}}"), 4.0);
        check(&after, &format!("call_duration_seconds_bucket{{{screen},le=\"+Inf\"}}"), 4.0);
        check(&after, "screenings_total{decision=\"ALLOW\",status=\"COMPLETE\"}", 3.0);
        check(&after, "screenings_total{decision=\"BLOCK\",status=\"COMPLETE\"}", 2.0);
        check(&after, "screenings_total{decision=\"REVIEW\",status=\"INCOMPLETE\"}", 1.0);
        check(&after, "screenings_total{decision=\"ERROR\",status=\"INCOMPLETE\"}", 2.0);
        check(&after, "reviews_total{by=\"findings\"}", 1.0);
        check(&after, "reviews_total{by=\"address\"}", 0.0);
        check(&after, "reviews_total{by=\"data\"}", 0.0);
        check(&after, "connections", 1.0);
        check(&after, "connections_total", 1.0);
        let day = 24.0 * 3_600.0;
        check(&after, "list_age_seconds{list=\"us-ofac-sdn\"}", 1.5 * day);
        check(&after, "list_max_age_seconds{list=\"us-ofac-sdn\"}", 2.0 * day);
        check(&after, "list_stale{list=\"us-ofac-sdn\"}", 0.0);
        check(&after, "list_loaded{list=\"us-ofac-sdn\"}", 1.0);
        check(&after, "list_listings{list=\"us-ofac-sdn\"}", 3.0);
        check(&after, "list_quarantined{list=\"doubts\"}", 1.0);
        check(&after, "list_required{list=\"doubts\"}", 0.0);
        assert_eq!(value(&after, "list_max_age_seconds{list=\"doubts\"}"), None);
        check(&after, "store_writable", 1.0);
        assert!(value(&after, "store_size_bytes").unwrap() > 1_000.0);
        check(&after, "exposure_behind", 0.0);
        check(&after, "exposure_waiting_transfers", 0.0);
        check(&after, "transfers", 2.0);
        check(&after, "transfer_head_height{chain=\"eip155:1\",kind=\"native\"}", 102.0);
        check(&after, "transfer_head_timestamp_seconds{chain=\"eip155:1\"}", 1_700_000_102.0);
        check(&after, "transfer_gaps{chain=\"eip155:1\",kind=\"native\"}", 1.0);
        check(&after, "transfers_whole{chain=\"eip155:1\",kind=\"tokens\"}", 0.0);
        check(&after, "transfer_conflicts{chain=\"eip155:1\"}", 0.0);
        check(&after, "policy_reload_problems", 0.0);
        check(&after, "draining", 0.0);
        check(&after, "ready", 1.0);
        check(&after, "calls_under_way", 0.0);
        desk.clock.fetch_add(DAY, Ordering::SeqCst);
        desk.screen(CLEAN).await;
        let (_, later) = shown(desk).await;
        check(&later, "list_stale{list=\"us-ofac-sdn\"}", 1.0);
        check(&later, "reviews_total{by=\"data\"}", 1.0);
    });
}

#[test]
fn histograms_hold_together() {
    run(vec![ofac()], async |desk| {
        busy(desk).await;
        let (_, families) = shown(desk).await;
        let family = &families["lazaretto_call_duration_seconds"];
        let mut last: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
        let bound = |le: &str| if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() };
        let mut buckets: Vec<_> = family
            .samples
            .iter()
            .filter(|((name, _), _)| name.ends_with("_bucket"))
            .map(|((_, labels), value)| {
                let key = (labels["service"].clone(), labels["method"].clone());
                (key, bound(&labels["le"]), *value)
            })
            .collect();
        buckets.sort_by(|a, b| a.partial_cmp(b).unwrap());
        for (key, bound, count) in buckets {
            if let Some((before, least)) = last.insert(key.clone(), (bound, count)) {
                assert!(before < bound && least <= count, "{key:?} at {bound}");
            }
        }
        assert_eq!(last.len(), 45, "44 methods and one for what is not known");
        assert!(last.values().all(|(bound, _)| bound.is_infinite()));
    });
}

#[test]
fn a_method_that_is_not_known_is_counted_as_that() {
    run(vec![], async |desk| {
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", desk.address));
        let channel = channel.unwrap().connect().await.unwrap();
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/made.Up/Service");
        let codec = tonic_prost::ProstCodec::<v1::AddressQuery, v1::AddressQuery>::default();
        let status = grpc.unary(tonic::Request::new(query(CLEAN)), path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        let (text, families) = shown(desk).await;
        let unknown = "service=\"unknown\",method=\"unknown\",code=\"UNIMPLEMENTED\"";
        check(&families, &format!("calls_total{{{unknown}}}"), 1.0);
        assert!(!text.contains("made.Up"));
    });
}

/// The rows of the table in docs/metrics.md: name, type and labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `lazaretto_")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 6, "{line}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{line}");
        let labels = cells[2].split(", ").filter(|label| *label != "none");
        let labels = labels.map(|label| label.trim_matches('`').to_owned()).collect();
        let row = (cells[1].to_owned(), labels);
        assert!(rows.insert(cells[0].trim_matches('`').to_owned(), row).is_none(), "{line}");
    }
    rows
}

#[test]
fn the_table_says_what_is_shown_and_no_more() {
    run(vec![ofac()], async |desk| {
        busy(desk).await;
        let (_, families) = shown(desk).await;
        let rows = documented();
        let kinds: Vec<_> = families.iter().map(|(name, it)| (name, &it.kind)).collect();
        let said: Vec<_> = rows.iter().map(|(name, (kind, _))| (name, kind)).collect();
        assert_eq!(kinds, said);
        for (name, family) in &families {
            assert!(family.help.ends_with('.'), "{name}: {}", family.help);
            for (_, labels) in family.samples.keys() {
                let labels = labels.keys().filter(|label| *label != "le").cloned();
                assert_eq!(labels.collect::<BTreeSet<_>>(), rows[name].1, "{name}");
            }
        }
    });
}

#[test]
fn promtool_finds_nothing_to_say() {
    let Some(promtool) = tool(Need::Promtool) else { return };
    run(vec![ofac()], async |desk| {
        busy(desk).await;
        let (text, _) = shown(desk).await;
        let mut linter = Command::new(&promtool);
        linter.args(["check", "metrics"]).stdin(Stdio::piped());
        let mut linter = linter.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        linter.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let ended = linter.wait_with_output().unwrap();
        let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8(said).unwrap());
        assert!(ended.status.success() && said.concat().is_empty(), "{said:?}");
    });
}
