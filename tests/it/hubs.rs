//! Untagged hubs from the first look to the tag, by the command line: what is listed of them, what
//! their counterparties are told, what a tag makes of one, and that no tag is lost.

use std::process::Stdio;

use serde_json::Value;

use crate::support::place::{FAR, LISTED, NEAR, Place, SERVICE, transfers};
use crate::support::program::{Said, check};

/// Nobody of interest.
fn other(number: u64) -> String {
    format!("0x0c{number:038x}")
}

/// A place where four counterparties make a hub. The one next to the listed address deals with three
/// others, and then pays one who is two hops away.
fn place() -> Place {
    let place = Place::new();
    let path = place.data().with_file_name("lazaretto.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{config}\n[exposure]\nhub_limit = 3\n")).unwrap();
    let others: Vec<String> = (1..4).map(other).collect();
    let mut rows = vec![(100, LISTED, NEAR)];
    rows.extend((101..).zip(&others).map(|(at, other)| (at, NEAR, other.as_str())));
    rows.push((110, NEAR, FAR));
    // A hub that has nothing to do with it.
    rows.extend((120..).zip(&others).map(|(at, other)| (at, SERVICE, other.as_str())));
    let last = other(9);
    rows.push((130, &last, SERVICE));
    let file = place.file("hub.csv", &transfers(&rows));
    place.json(&["transfers", "import", &file]);
    place
}

/// The kinds of what is found of an address.
fn found(place: &Place, address: &str) -> Vec<String> {
    let shown = place.says(&["screen", address, "--output", "json"]);
    let answer: Value = serde_json::from_str(&shown.out).unwrap();
    let findings =
        answer["items"][0]["screening"]["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect()
}

fn hubs(place: &Place, narrowed: &[&str]) -> Vec<Value> {
    let shown = place.json(&[&["transfers", "hubs"], narrowed].concat());
    shown["hubs"].as_array().cloned().unwrap_or_default()
}

fn addresses(hubs: &[Value]) -> Vec<&str> {
    hubs.iter().map(|hub| hub["address"].as_str().unwrap()).collect()
}

#[test]
fn a_hub_is_seen_until_it_is_tagged() {
    let place = place();
    assert_eq!(found(&place, FAR), ["FINDING_KIND_HUB_EXPOSURE"]);
    let shown = place.says(&["screen", FAR]);
    check(
        &shown,
        10,
        &["`lazaretto transfers hubs` lists", "`lazaretto tags add ADDRESS --category exchange`"],
    );
    check(
        &place.says(&["screen", FAR, "-v"]),
        10,
        &["to do an untagged hub lies between: `lazaretto transfers hubs`"],
    );

    let all = hubs(&place, &[]);
    assert_eq!(addresses(&all), [NEAR, SERVICE]);
    let hub = &all[0];
    assert_eq!((&hub["chain"], &hub["counterparties"]), (&"eip155:1".into(), &"5".into()), "{hub}");
    // 1,767,000,000 is 2025-12-29T09:20:00Z; a block a minute.
    assert_eq!(hub["first_time"], "2025-12-29T11:00:00+00:00");
    assert_eq!(hub["since"], "2025-12-29T11:03:00+00:00");
    let volume = &hub["volumes"][0];
    let ether = |count: u64| format!("{count}000000000000000000");
    assert_eq!((&volume["symbol"], &volume["decimals"]), (&"ETH".into(), &18.into()), "{volume}");
    assert_eq!((&volume["received"], &volume["sent"]), (&ether(1).into(), &ether(4).into()));
    let own = &hub["exposures"][0];
    assert_eq!(own["hops"], 1, "{own}");
    assert_eq!(own["listing"]["party"]["name"], "Evil Party");
    // Narrowed by chain and by exposure; page by page the same.
    assert_eq!(addresses(&hubs(&place, &["--exposed"])), [NEAR]);
    assert_eq!(hubs(&place, &["--chain", "ethereum"]), all);
    assert_eq!(hubs(&place, &["--chain", "bitcoin"]), Vec::<Value>::new());
    assert_eq!(hubs(&place, &["--limit", "1"]), all[..1]);
    let table = place.says(&["transfers", "hubs"]);
    check(
        &table,
        0,
        &[NEAR, "2025-12-29", "1 ETH", "4 ETH", "1 hop from Evil Party (SANCTIONS)", "tags add"],
    );

    check_tagging(&place);
}

/// The hub becomes a service, and then a thief after all.
fn check_tagging(place: &Place) {
    let add = ["tags", "add", NEAR, "--category", "exchange", "--label", "The Exchange"];
    let asked = place.says(&add);
    check(&asked, 1, &["tags-own: a tag would be added", "STOP: paths", "--yes agrees"]);
    assert_eq!(addresses(&hubs(place, &[])), [NEAR, SERVICE], "nothing was published");
    let added = place.json(&[&add[..], &["--yes", "--reference", "file 7"]].concat());
    assert_eq!(added["outcome"], "TAG_OUTCOME_ADDED", "{added}");
    assert_eq!(added["path_role"], "PATH_ROLE_STOP");
    assert_eq!(added["report"]["list"]["number_on_list"], "1");
    assert_eq!(found(place, FAR), Vec::<String>::new());
    assert_eq!(addresses(&hubs(place, &[])), [SERVICE]);
    check(&place.says(&["transfers", "hubs", "--exposed"]), 0, &["no untagged hubs"]);

    // Again: nothing to do, and nothing to ask.
    check(&place.says(&add), 0, &["tags-own: the list has this tag already", "STOP"]);
    // Of another category: only in its place.
    let other = ["tags", "add", NEAR, "--category", "hack", "--yes"];
    check(&place.says(&other), 1, &["is tagged \"exchange\" (The Exchange)", "--replace"]);
    let replaced = place.says(&[&other[..], &["--replace"]].concat());
    check(&replaced, 0, &["tag replaced, version 2", "hack (it was exchange)", "SOURCE: paths"]);
    // Paths begin at the tag; they do not end there, so that the hub is one again.
    let want = ["FINDING_KIND_RECEIVED_FROM", "FINDING_KIND_HUB_EXPOSURE"];
    assert_eq!(found(place, FAR), want);
    let exposed = hubs(place, &["--exposed"]);
    assert_eq!((addresses(&exposed), &exposed[0]["listed"]), (vec![NEAR], &true.into()));
    let changes = place.json(&["lists", "changes", "--list", "tags-own"]);
    let kinds = changes["changes"].as_array().unwrap().iter().map(|it| it["kind"].clone());
    let want = ["LISTING_CHANGE_KIND_ADDED", "LISTING_CHANGE_KIND_UPDATED"];
    assert_eq!(kinds.collect::<Vec<_>>(), want);
}

/// A list of kind SERVICE is one of its own, and a category that nobody configured is neither.
#[test]
fn what_a_tag_makes_of_an_address_is_said() {
    let place = place();
    let add =
        |more: &[&str]| place.says(&[&["tags", "add", NEAR, "--yes", "--category"], more].concat());
    let neither = ["neither SOURCE nor STOP", "exposure.service_categories", "--kind SERVICE"];
    check(&add(&["whale"]), 0, &neither);
    assert_eq!(addresses(&hubs(&place, &[])), [NEAR, SERVICE], "a hub stays one");
    let service = add(&["whale", "--kind", "SERVICE", "--chain", "ethereum"]);
    check(&service, 0, &["services-own: tag added", "chain eip155:1", "of kind SERVICE"]);
    assert_eq!(addresses(&hubs(&place, &[])), [SERVICE]);
    let lists = place.says(&["lists", "ls"]).out;
    assert!(lists.contains("tags-own") && lists.contains("services-own"), "{lists}");
}

#[test]
fn what_takes_no_tag_is_refused_with_what_to_do() {
    let place = place();
    let check = |address: &str, more: &[&str], words: &str| {
        let tag = ["tags", "add", address, "--yes", "--category", "exchange"];
        check(&place.says(&[&tag[..], more].concat()), 1, &[words]);
    };
    check("nonsense!", &[], "address: no known address form fits");
    check("0x0000000000000000000000000000000000000000", &[], "address: no party controls it");
    check(NEAR, &["--chain", "bitcoin"], "chain: an address of this form cannot exist on");
    check(NEAR, &["--category", ""], "--category");
    check(NEAR, &["--label", ""], "label: 0 bytes");
    check(NEAR, &["--label", "a\u{202e}b"], "label: contains the invisible character '\\u{202e}'");
    check(NEAR, &["--list", "sanctions"], "the tag cannot be put on sanctions: it is of kind");
    check(NEAR, &["--list", "us-ofac-sdn"], "it is a starter list, which updates replace");
    check(NEAR, &["--list", "Mine"], "invalid list id");
    check(NEAR, &["--kind", "ADVISORY"], "ADVISORY lists take no tags; use ATTRIBUTION or SERVICE");
    let source = place.file("sourced.csv", &format!("address,category\n{SERVICE},exchange\n"));
    let configured = format!("lists.sourced.path={source}");
    let set = ["--set", &configured, "--set", "lists.sourced.kind=ATTRIBUTION"];
    check(NEAR, &[&set[..], &["--list", "sourced"]].concat(), "it has a configured source");
    place.json(&[&["lists", "refresh", "sourced"], &set[..]].concat());
    check(NEAR, &["--list", "sourced"], "its rows came from a source");
    assert_eq!(
        place.says(&["lists", "changes", "--list", "tags-own"]).status,
        1,
        "nothing was published"
    );
}

/// A list that was imported from a file takes a tag too, and keeps all of its rows as they were.
#[test]
fn an_imported_list_keeps_its_rows() {
    let place = place();
    let rows: Vec<String> = (1..50)
        .map(|number| {
            format!("{},ETH,u{number},Party {number},exchange,r{number}\n", other(number))
        })
        .collect();
    let heading = "address,ticker,party_uid,party_name,category,reference\n";
    let file = place.file("many.csv", &format!("{heading}{}", rows.concat()));
    let imported = place.says(&["tags", "import", &file, "--list", "many"]);
    assert_eq!(imported.status, 0, "{}", imported.err);
    let export = || {
        let shown = place.says(&["lists", "export", "--list", "many"]);
        assert_eq!(shown.status, 0, "{}", shown.err);
        let lines = shown.out.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    let before = export();
    let tag = ["tags", "add", NEAR, "--category", "exchange", "--list", "many", "--yes"];
    check(&place.says(&tag), 0, &["many: tag added, version 2"]);
    let after = export();
    assert_eq!(after.len(), before.len() + 1);
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    let [new] = &new[..] else { panic!("{new:?}") };
    assert!(new.starts_with(NEAR), "{new}");
}

/// Officers who add at once, as many as may wait for their turn: every tag is there in the end.
#[test]
fn no_tag_is_lost_where_several_add_at_once() {
    let place = place();
    let server = place.serve();
    let all: Vec<String> = (100..106).map(other).collect();
    let adding: Vec<_> = all
        .iter()
        .map(|address| {
            let tag = ["tags", "add", address, "--category", "exchange", "--yes"];
            let mut command = place.command(&tag);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for adding in adding {
        let said: Said = adding.wait_with_output().unwrap().into();
        check(&said, 0, &["tags-own: tag added"]);
    }
    let export = place.says(&["lists", "export", "--list", "tags-own"]).out;
    for address in &all {
        assert!(export.contains(address.as_str()), "{address} is not in\n{export}");
    }
    let changes = place.json(&["lists", "changes", "--list", "tags-own"]);
    assert_eq!(changes["changes"].as_array().unwrap().len(), all.len(), "one version each");
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}
