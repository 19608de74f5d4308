//! Goldens of every form, hostile names, and that no form leaves an address or transaction out.

use pbjson_types::Timestamp;
use proptest::prelude::*;

use super::layout::{Item, LABEL_HEIGHT, NODE_HEIGHT, What, layout};
use super::trace_subject::TraceSubject;
use super::{PathDiagram, all_paths, dot, html, svg, text};
use crate::cli::render::tests::check;
use crate::cli::text::Style;
use crate::grpc::v1;

const ASKED: &str = "0xd90e2f925da726b50c4ed8d0fb90ad053324f31b";
const LISTED: &str = "0x098b716b8aaf21512996dc57eb0615e2383e2f96";
const MIXER: &str = "0x722122df12d4e14e13ac3b6895a86e84145b6967";

fn address(number: u64) -> String {
    format!("0x{:040x}", u128::from(number) * 0x9e37_79b9_7f4a_7c15_f39c_c060)
}

fn tx(number: u64) -> String {
    format!("{:064x}", u128::from(number + 1) * 0xc2b2_ae3d_27d4_eb4f_1656_67b1)
}

fn end(address: &str) -> Option<v1::HopEnd> {
    Some(v1::HopEnd { address: address.to_owned(), is_stop: false })
}

fn hop(from: &str, to: &str, number: u64, eth: f64) -> v1::Hop {
    v1::Hop {
        sender: end(from),
        receiver: end(to),
        chain: "eip155:1".to_owned(),
        tx: tx(number),
        position: Some(v1::ChainPosition {
            height: 14_442_835 + number,
            tx_index: number as u32 % 200,
            index: 0,
        }),
        time: Some(Timestamp { seconds: 1_648_036_840 + 86_400 * number as i64, nanos: 0 }),
        asset: "native".to_owned(),
        symbol: "ETH".to_owned(),
        amount: format!("{}", (eth * 1e6) as u128 * 1_000_000_000_000),
        decimals: Some(18),
    }
}

fn listing(canonical: &str, name: &str) -> Option<v1::Listing> {
    Some(v1::Listing {
        list_id: "us-ofac-sdn".to_owned(),
        list_kind: v1::ListKind::Sanctions.into(),
        list_version: 3,
        party: Some(v1::Party { name: name.to_owned(), ..Default::default() }),
        address: canonical.to_owned(),
        canonical_address: canonical.to_owned(),
        listed_on: "2022-04-14".to_owned(),
        listed_from: Some(pbjson_types::Timestamp { seconds: 1_649_894_400, nanos: 0 }),
        unlisted_until: Some(pbjson_types::Timestamp { seconds: 1_646_092_800, nanos: 0 }),
        ..Default::default()
    })
}

/// The path over these addresses, in the order in which funds moved.
fn path(over: &[&str], first_tx: u64, sent: bool) -> v1::ExposurePath {
    let hops: Vec<_> = over
        .windows(2)
        .enumerate()
        .map(|(place, pair)| {
            let number = first_tx + place as u64;
            hop(pair[0], pair[1], number, 1_733.123_456 / (number + 1) as f64)
        })
        .collect();
    let (direction, theirs) = if sent {
        (v1::ExposureDirection::SentTo, over[over.len() - 1])
    } else {
        (v1::ExposureDirection::ReceivedFrom, over[0])
    };
    let name = if theirs == LISTED { "LAZARUS GROUP" } else { "TORNADO CASH" };
    let timing = match first_tx % 2 {
        0 => v1::DesignationTiming::Before,
        _ => v1::DesignationTiming::After,
    };
    v1::ExposurePath {
        direction: direction.into(),
        listing: listing(theirs, name),
        timing: timing.into(),
        timing_basis: v1::ListedOnBasis::FirstSeen.into(),
        hops,
        common_input: false,
        common_input_chain: None,
    }
}

/// The transactions that join these addresses, each with the next.
fn chain(over: &[&str], first_tx: u64) -> v1::CommonInputChain {
    let join = |(pair, number): (&[&str], u64)| v1::CommonInputJoin {
        address: pair[0].to_owned(),
        other_address: pair[1].to_owned(),
        chain: "bip122:000000000019d6689c085ae165831e93".to_owned(),
        tx: tx(number),
        position: Some(v1::ChainPosition { height: 800_000 + number, tx_index: 3, index: 0 }),
        time: Some(Timestamp { seconds: 1_648_036_840 + 86_400 * number as i64, nanos: 0 }),
    };
    let joins = over.windows(2).zip(first_tx..).map(join).collect();
    v1::CommonInputChain { joins, cut_short: false }
}

/// The same path, with the last of these addresses listed: the first is its end.
fn behind(path: v1::ExposurePath, over: &[&str], first_tx: u64) -> v1::ExposurePath {
    v1::ExposurePath {
        listing: listing(over[over.len() - 1], "LAZARUS GROUP"),
        common_input: true,
        common_input_chain: Some(chain(over, first_tx)),
        ..path
    }
}

/// What the address asked about is joined with.
fn joined(over: &[&str], first_tx: u64) -> v1::CommonInput {
    v1::CommonInput {
        list_kind: v1::ListKind::Sanctions.into(),
        same_transaction: over.len() == 2,
        listing: listing(over[over.len() - 1], "LAZARUS GROUP"),
        chain: Some(chain(over, first_tx)),
    }
}

/// Joined itself over two transactions; a path from an address that is joined with a listed one, one to
/// such an address by a chain that is not told, and an ordinary one.
fn by_common_input() -> v1::TraceExposureResponse {
    let [one, two, three] = [1, 2, 3].map(address);
    let from = behind(path(&[&two, &one, ASKED], 0, false), &[&two, LISTED], 70);
    let mut to = behind(path(&[ASKED, &three], 11, true), &[&three, MIXER], 80);
    to.common_input_chain = Some(v1::CommonInputChain { joins: Vec::new(), cut_short: true });
    v1::TraceExposureResponse {
        common_inputs: vec![joined(&[ASKED, &address(9), LISTED], 60)],
        ..response(vec![from, to, path(&[ASKED, MIXER], 21, true)])
    }
}

fn response(paths: Vec<v1::ExposurePath>) -> v1::TraceExposureResponse {
    v1::TraceExposureResponse {
        address: Some(v1::UnderstoodAddress {
            canonical: ASKED.to_owned(),
            chains: vec!["eip155:*".to_owned()],
            ..Default::default()
        }),
        snapshot_id: "8f3a61c09b2e".to_owned(),
        paths,
        cut_short: false,
        record_id: String::new(),
        transfers_examined: 1_204,
        stops_met: vec![address(77)],
        max_hops: 8,
        common_inputs: Vec::new(),
        cluster_cuts: Vec::new(),
    }
}

/// Both directions, a shared address, a transfer without transaction or position, a stop.
fn both_ways() -> v1::TraceExposureResponse {
    let (one, two) = (address(1), address(2));
    let mut stopped = path(&[LISTED, &two, ASKED], 10, false);
    stopped.hops[1].tx = String::new();
    stopped.hops[1].position = None;
    stopped.hops[1].decimals = None;
    stopped.hops[1].symbol = String::new();
    stopped.hops[1].asset = address(500);
    let mut hub = path(&[ASKED, MIXER], 20, true);
    hub.hops[0].receiver.as_mut().unwrap().is_stop = true;
    response(vec![
        path(&[LISTED, ASKED], 0, false),
        stopped,
        path(&[LISTED, &one, &two, ASKED], 5, false),
        hub,
        path(&[ASKED, &one, &address(3), MIXER], 31, true),
    ])
}

/// Ten paths of up to eight hops that share addresses here and there, one of them in another order.
fn large() -> v1::TraceExposureResponse {
    let paths = (0..10_u64).map(|number| {
        let hops = 8 - number % 3;
        let mut over = vec![if number % 4 == 3 { MIXER.to_owned() } else { LISTED.to_owned() }];
        for step in 1..hops {
            let shared = (number * step) % 5 < 2;
            over.push(address(if shared { 1_000 + step } else { 100 * (number + 1) + step }));
        }
        if number == 9 {
            over[1..].reverse();
        }
        over.push(ASKED.to_owned());
        let over: Vec<_> = over.iter().map(String::as_str).collect();
        path(&over, 50 * number, false)
    });
    response(paths.collect())
}

fn asked() -> Vec<(&'static str, String)> {
    vec![("address", ASKED.to_owned()), ("direction", "both".to_owned())]
}

/// Every form of an answer.
fn forms(response: &v1::TraceExposureResponse) -> [(&'static str, String); 4] {
    [
        ("txt", text::text(response, &TraceSubject::default(), 100, Style::PLAIN)),
        ("dot", dot::dot(response)),
        ("svg", svg::svg(response)),
        ("html", html::html(response, &standing(), &asked())),
    ]
}

#[test]
fn goldens() {
    for (ending, form) in forms(&both_ways()) {
        check(&format!("trace-both.{ending}"), &form);
    }
    for (ending, form) in forms(&by_common_input()) {
        check(&format!("trace-joined.{ending}"), &form);
    }
    check("trace-large.svg", &svg::svg(&large()));
    check(
        "trace-narrow.txt",
        &text::text(&both_ways(), &TraceSubject::default(), 50, Style::PLAIN),
    );
    let none = response(Vec::new());
    check("trace-none.txt", &text::text(&none, &TraceSubject::default(), 100, Style::PLAIN));
    // A note that the screening has as well is said once.
    let kept = standing().screening.cluster_cuts.remove(0);
    let other =
        v1::ClusterCut { reason: kept.reason.replace("TORNADO", "ANOTHER"), ..kept.clone() };
    let cut = v1::TraceExposureResponse { cluster_cuts: vec![kept, other], ..none.clone() };
    check("trace-cut.txt", &text::text(&cut, &standing(), 100, Style::PLAIN));
    let page = html::html(&cut, &TraceSubject::default(), &asked());
    assert!(page.contains("Its cluster by common input (an estimate) holds an address of ANOTHER"));
    check("trace-listed.txt", &text::text(&none, &standing(), 100, Style::PLAIN));
    check("trace-listed.html", &html::html(&none, &standing(), &asked()));
}

/// Listed itself and behind a hub, with transfers that have gaps.
fn standing() -> TraceSubject {
    let finding = |kind: v1::FindingKind| v1::Finding {
        kind: kind.into(),
        listing: listing(ASKED, "TORNADO CASH"),
        ..Default::default()
    };
    let cut = v1::ClusterCut {
        reason:
            "Its cluster by common input (an estimate) holds an address of TORNADO\u{202e} CASH."
                .to_owned(),
        ..Default::default()
    };
    let screening = v1::Screening {
        cluster_cuts: vec![cut],
        findings: vec![finding(v1::FindingKind::Listed), finding(v1::FindingKind::HubExposure)],
        evaluated_at: Some(Timestamp { seconds: 1_763_640_000, nanos: 0 }),
        ..Default::default()
    };
    let ethereum = v1::SnapshotTransfers {
        chain: "eip155:1".to_owned(),
        transfers: 123_456,
        last_height: Some(14_442_900),
        last_time: Some(Timestamp { seconds: 1_763_553_600, nanos: 0 }),
        kinds: vec![v1::SnapshotMovementKind {
            kind: v1::MovementKind::Native.into(),
            complete: true,
            ..Default::default()
        }],
        ..Default::default()
    };
    let bitcoin = v1::SnapshotTransfers {
        chain: "bip122:000000000019d6689c085ae165831e93".to_owned(),
        required: true,
        ..Default::default()
    };
    let transfers = vec![bitcoin, ethereum];
    let snapshot = v1::Snapshot { max_hops: 4, transfers, ..Default::default() };
    TraceSubject { screening, snapshot: Some(snapshot) }
}

/// Names that try to leave their place in every form.
#[test]
fn hostile_names_stay_text() {
    let evil = "\"]; evil -> x [label=\"</text><script>alert(1)</script>&amp;'\\\u{1b}[2J\u{202e}\n<img src=//e onerror=1>";
    let mut answer = response(vec![path(&[evil, evil, ASKED], 0, false)]);
    let mut hostile = joined(&[evil, evil, evil], 3);
    for join in &mut hostile.chain.as_mut().unwrap().joins {
        (join.tx, join.chain) = (evil.to_owned(), evil.to_owned());
    }
    let mut other = hostile.clone();
    other.chain.as_mut().unwrap().joins[0].other_address = address(8);
    answer.common_inputs = vec![hostile, other];
    answer.cluster_cuts = vec![v1::ClusterCut { reason: evil.to_owned(), ..Default::default() }];
    answer.address.as_mut().unwrap().canonical = evil.to_owned();
    answer.address.as_mut().unwrap().chains = vec![evil.to_owned()];
    answer.snapshot_id = evil.to_owned();
    answer.stops_met = vec![evil.to_owned()];
    let path = &mut answer.paths[0];
    path.listing = listing(evil, evil);
    let listing = path.listing.as_mut().unwrap();
    listing.list_id = evil.to_owned();
    listing.listed_on = evil.to_owned();
    for hop in &mut path.hops {
        for field in [&mut hop.chain, &mut hop.tx, &mut hop.asset, &mut hop.symbol, &mut hop.amount]
        {
            *field = evil.to_owned();
        }
        hop.time = Some(Timestamp { seconds: i64::MAX, nanos: -1 });
    }
    let mut beside = standing();
    beside.screening.findings[0].listing = answer.paths[0].listing.clone();
    beside.snapshot.as_mut().unwrap().transfers[0].chain = evil.to_owned();
    let asked = [(evil, evil.to_owned())];
    let [text, dot, svg, html] = [
        text::text(&answer, &beside, 80, Style::PLAIN),
        dot::dot(&answer),
        svg::svg(&answer),
        html::html(&answer, &beside, &asked),
    ];
    for form in [&text, &dot, &svg, &html] {
        assert!(!form.contains(['\u{1b}', '\u{202e}']), "{form}");
    }
    for markup in [&svg, &html] {
        assert!(!markup.contains("<script") && !markup.contains("<img"), "{markup}");
    }
    well_formed(&svg);
    // Outside of quotes nothing of the name is left.
    let mut quoted = false;
    let mut bare = String::new();
    let mut characters = dot.chars();
    while let Some(character) = characters.next() {
        match (quoted, character) {
            (true, '\\') => drop(characters.next()),
            (_, '"') => quoted = !quoted,
            (false, character) => bare.push(character),
            (true, _) => {}
        }
    }
    assert!(!quoted && !bare.contains("evil") && !bare.contains("script"), "{bare}");
}

fn well_formed(xml: &str) {
    let mut reader = quick_xml::Reader::from_str(xml);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return,
            Ok(_) => {}
            Err(error) => panic!("{error}: {xml}"),
        }
    }
}

/// The numbers of a cell or key line may stand between; the strings themselves may not be cut.
fn leaves_nothing_out(answer: &v1::TraceExposureResponse) {
    let hops = answer.paths.iter().flat_map(|path| &path.hops);
    let mut strings: Vec<String> = vec![ASKED.to_owned()];
    for hop in hops {
        let ends = [&hop.sender, &hop.receiver].into_iter().flatten();
        strings.extend(ends.map(|end| end.address.clone()));
        strings.push(hop.tx.clone());
    }
    let own = answer.common_inputs.iter().filter_map(|joined| joined.chain.as_ref());
    let of_paths = answer.paths.iter().filter_map(|path| path.common_input_chain.as_ref());
    for join in own.chain(of_paths).flat_map(|chain| &chain.joins) {
        strings.extend([&join.address, &join.other_address, &join.tx].map(String::clone));
    }
    for (ending, form) in forms(answer) {
        for string in &strings {
            assert!(form.contains(string.as_str()), "{ending} lacks {string}:\n{form}");
        }
    }
    for width in [0, 40, 60, 79, 200] {
        let drawn = text::text(answer, &TraceSubject::default(), width, Style::PLAIN);
        for string in &strings {
            assert!(drawn.contains(string.as_str()), "width {width} lacks {string}:\n{drawn}");
        }
    }
}

fn half(item: &Item) -> f64 {
    match item.what {
        What::Node { .. } => NODE_HEIGHT / 2.0,
        What::Label { .. } | What::Link { .. } => LABEL_HEIGHT / 2.0,
    }
}

fn nothing_overlaps(answer: &v1::TraceExposureResponse) {
    let paths = all_paths(answer);
    let picture = PathDiagram::new(answer, &paths);
    let layout = layout(&picture);
    for (at, one) in layout.items.iter().enumerate() {
        assert!(one.y - half(one) > -0.01 && one.y + half(one) < layout.height + 0.01, "{one:?}");
        assert!(one.x >= 0.0 && one.x + one.width <= layout.width + 0.01, "{one:?}");
        for other in &layout.items[at + 1..] {
            let apart = (one.x - other.x).abs() >= one.width.max(other.width)
                || (one.y - other.y).abs() >= half(one) + half(other) - 0.01;
            assert!(apart, "{one:?} {other:?}");
        }
    }
    for (from, to) in &layout.bends {
        let (from, to) = (&layout.items[*from], &layout.items[*to]);
        assert!(from.x + from.width < to.x, "funds move to the right: {from:?} {to:?}");
    }
}

#[test]
fn the_large_one_is_whole_and_apart() {
    for answer in [both_ways(), large(), response(Vec::new()), by_common_input()] {
        leaves_nothing_out(&answer);
        nothing_overlaps(&answer);
        well_formed(&svg::svg(&answer));
    }
}

/// Few addresses, in any order.
fn any_addresses() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((0_u64..7).prop_map(address), 0..7)
}

prop_compose! {
    /// Paths over few addresses: many are shared, in any order, also within a path.
    fn any_answer()(
        paths in prop::collection::vec((any_addresses(), any::<bool>(), 0_u64..9, prop::option::of(any_addresses())), 0..8),
        own in prop::collection::vec(any_addresses(), 0..3)
    ) -> v1::TraceExposureResponse {
        let paths = paths.into_iter().map(|(inner, sent, first, joined)| {
            let end = joined.as_ref().map_or(LISTED.to_owned(), |_| address(3));
            let mut over: Vec<&str> = vec![&end];
            over.extend(inner.iter().map(String::as_str));
            over.push(ASKED);
            if sent {
                over.reverse();
            }
            let path = path(&over, first, sent);
            let Some(joined) = joined else { return path };
            let mut between: Vec<&str> = vec![&end];
            between.extend(joined.iter().map(String::as_str));
            between.push(LISTED);
            behind(path, &between, 20 + first)
        });
        let own = own.iter().zip(40..).map(|(inner, first)| {
            let mut over = vec![ASKED];
            over.extend(inner.iter().map(String::as_str));
            over.push(LISTED);
            joined(&over, first)
        });
        v1::TraceExposureResponse { common_inputs: own.collect(), ..response(paths.collect()) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_answer_is_drawn_whole(answer in any_answer()) {
        leaves_nothing_out(&answer);
        nothing_overlaps(&answer);
    }
}
