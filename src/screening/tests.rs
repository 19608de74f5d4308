//! Screening against a slow obvious model, and the cases that the words of the design name.

mod dates;
mod dressed;
mod joined;
mod model;
mod policies;

use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use model::{POOL, model, questions};

use super::policy::Decision;
use super::snapshot::{ListTerms, Looks, Snapshot, parse_id};
use super::*;
use crate::domain::list::{
    ListCheck, ListCounts, ListKind, ListState, ListVersion, ListingPeriod, NotUnderstood, Party,
    Provenance, Row, RowFacts, RowKey, StartBasis, UncoveredSpan,
};
use crate::domain::packed_key::PackedKey;

const NOW: &str = "2025-11-20T12:00:00Z";
/// Lazarus Group's address of the Ronin theft, as OFAC writes it (SDN, uid 27307, 2022-04-14).
const RONIN: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";
const CLEAN: &str = "0x00000000219ab540356cbb839cbe05303d7705fa";

pub(super) fn now() -> Timestamp {
    NOW.parse().expect("a timestamp")
}

fn id(text: &str) -> ListId {
    text.parse().expect("a list id")
}

pub(super) struct TestRow {
    address: String,
    ticker: String,
    periods: Vec<ListingPeriod>,
    pending: bool,
}

pub(super) fn row(address: &str, ticker: &str) -> TestRow {
    let periods = vec![ListingPeriod { from: None, basis: StartBasis::Unknown, until: None }];
    TestRow { address: address.into(), ticker: ticker.into(), periods, pending: false }
}

pub(super) fn stood(address: &str, from: Option<Date>, until: Option<Date>) -> TestRow {
    let basis = if from.is_some() { StartBasis::FirstSeen } else { StartBasis::Unknown };
    TestRow { periods: vec![ListingPeriod { from, basis, until }], ..row(address, "ETH") }
}

pub(super) fn list(
    name: &str,
    kind: ListKind,
    published: Date,
    rows: Vec<TestRow>,
) -> Arc<ListState> {
    let party = Party { uid: "1".into(), name: "A party".into(), ..Party::default() };
    let rows = rows.into_iter().map(|row| Row {
        key: RowKey { party_uid: "1".into(), address: row.address, ticker: row.ticker },
        facts: RowFacts::default(),
        periods: row.periods,
        removal_pending_since: row.pending.then(now),
    });
    Arc::new(ListState {
        version: ListVersion {
            id: id(name),
            kind,
            version: 1,
            digest: [7; 32],
            published: Some(published),
            first_published: Some(published),
            uncovered: Vec::new(),
            loaded_at: now(),
            provenance: Provenance::Starter,
            force_reason: String::new(),
            counts: ListCounts::default(),
            not_understood: NotUnderstood::default(),
        },
        check: ListCheck { published: Some(published), ..ListCheck::default() },
        parties: Arc::new(vec![party]),
        rows: Arc::new(rows.collect()),
        baseline: Arc::default(),
    })
}

fn sanctions(rows: Vec<TestRow>) -> Arc<ListState> {
    list("us-ofac-sdn", ListKind::Sanctions, date(2025, 11, 19), rows)
}

pub(super) fn terms(name: &str, required: bool) -> ListTerms {
    ListTerms {
        id: id(name),
        name: None,
        kind: None,
        required,
        max_age: Some(SignedDuration::from_hours(48)),
    }
}

pub(super) fn snapshot(states: &[Arc<ListState>], terms: &[ListTerms]) -> Snapshot {
    let default_max_age = SignedDuration::from_hours(48);
    Snapshot::build(states, terms, default_max_age, false, Default::default(), None)
}

fn narrowing(lists: &[ListId], as_of: Option<Timestamp>) -> ScopeFilter {
    ScopeFilter { lists: lists.to_vec(), as_of, max_hops: None }
}

/// What a screening says, in short: decision, score, kinds of findings, reasons.
fn ask(snapshot: &Snapshot, address: &str, chain: Option<&str>, as_of: Option<&str>) -> String {
    let as_of = as_of.map(|text| text.parse().expect("a timestamp"));
    let scope = Scope::new(snapshot, &narrowing(&[], as_of), now()).expect("a scope");
    let chain = chain.map(|text| text.parse::<Chain>().expect("a chain"));
    let screening = scope.screen(address, chain.as_ref(), None).expect("an answer");
    let mut said = format!("{:?} {}", screening.decision, screening.score);
    for finding in &screening.findings {
        said += &format!(" {:?}:{:?}", finding.kind, finding.state);
    }
    for reason in screening.scope_incomplete.iter().chain(&screening.address_incomplete) {
        let text = format!("{reason:?}");
        let name = text.split([' ', '(', '{']).next().expect("a name").to_owned();
        said += &format!(" !{name}");
    }
    said
}

#[test]
fn a_listed_address_blocks_in_every_way_of_writing_it() {
    let snapshot = snapshot(&[sanctions(vec![row(RONIN, "ETH")])], &[terms("us-ofac-sdn", true)]);
    let lower = RONIN.to_lowercase();
    let upper = format!("0x{}", RONIN[2..].to_uppercase());
    for (address, chain, said) in [
        (RONIN, None, "Block 100 Listed:Standing"),
        (&lower, None, "Block 100 Listed:Standing"),
        (&upper, None, "Block 100 Listed:Standing"),
        (&format!(" {lower} "), None, "Block 100 Listed:Standing"),
        (&lower, Some("eip155:137"), "Block 100 Listed:Standing"),
        (&lower, Some("bitcoin"), "Block 100 Listed:Standing !ChainMismatch"),
        (CLEAN, None, "Allow 0"),
    ] {
        assert_eq!(ask(&snapshot, address, chain, None), said, "{address} on {chain:?}");
    }
}

#[test]
fn a_wrong_checksum_or_an_unknown_form_is_never_allowed() {
    let snapshot = snapshot(&[sanctions(vec![row(RONIN, "ETH")])], &[]);
    let wrong = RONIN.replace("716B8A", "716b8A");
    assert_eq!(ask(&snapshot, &wrong, None, None), "Block 100 Listed:Standing !ChecksumWrong");
    let clean = "0x00000000219AB540356cbb839cbe05303d7705fa";
    assert_eq!(ask(&snapshot, clean, None, None), "Review 0 !ChecksumWrong");
    assert_eq!(ask(&snapshot, "not-an-address", None, None), "Review 0 !AddressNotUnderstood");
    let unknown = ask(&snapshot, "addr1xyz", Some("cardano:mainnet"), None);
    assert_eq!(unknown, "Review 0 !ChainNotKnown");
}

#[test]
fn input_that_no_address_could_be_is_an_error() {
    let snapshot = snapshot(&[sanctions(vec![])], &[]);
    let scope = Scope::new(&snapshot, &ScopeFilter::default(), now()).expect("a scope");
    assert_eq!(scope.screen("", None, None).map(|_| ()), Err(AddressError::Empty));
    assert_eq!(scope.screen("  ", None, None).map(|_| ()), Err(AddressError::Empty));
    let refused = scope.screen("certainly not an address", None, None).map(|_| ());
    assert!(matches!(refused, Err(AddressError::NotAscii { position: 9, .. })), "{refused:?}");
    let long = "a".repeat(crate::domain::address::MAX_ADDRESS + 1);
    assert!(matches!(scope.screen(&long, None, None), Err(AddressError::TooLong(_))));
}

#[test]
fn the_same_key_is_found_in_other_forms() {
    // OFAC lists 12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h (XBT, Yan Xiaobing, uid 25308).
    let listed = "12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h";
    let snapshot = snapshot(&[sanctions(vec![row(listed, "XBT")])], &[]);
    let address = Address::parse(listed, None).expect("an address");
    assert_eq!(ask(&snapshot, listed, None, None), "Block 100 Listed:Standing");
    assert_eq!(
        ask(&snapshot, listed, Some("bitcoin-cash"), None),
        "Block 100 SameKey:Standing",
        "on another chain it is the same key"
    );
    let forms = address.other_forms();
    assert!(forms.len() > 5, "{forms:?}");
    for (chain, encoding, text) in forms {
        let said = ask(&snapshot, &text, None, None);
        let expected = if text == listed { "Listed" } else { "SameKey" };
        assert_eq!(said, format!("Block 100 {expected}:Standing"), "{text} {encoding} {chain}");
    }
}

#[test]
fn a_key_is_found_by_its_listed_nested_form() {
    // HASH160 of the nested script of the BIP-173 key, P2WPKH and P2WSH.
    let rows = vec![
        row("3JvL6Ymt8MVWiCNHC7oWU6nLeHNJKLZGLN", "XBT"),
        row("3NVZWnhKt53ukKw4Qm217Zk57FE8VnKjH2", "XBT"),
    ];
    let snapshot = snapshot(&[sanctions(rows)], &[]);
    for address in [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
    ] {
        assert_eq!(ask(&snapshot, address, None, None), "Block 100 SameKey:Standing", "{address}");
    }
}

#[test]
fn a_chain_written_with_the_address_counts_as_asked_for() {
    let snapshot = snapshot(&[sanctions(vec![row(RONIN, "ETH")])], &[]);
    let on = |chain: &str| ask(&snapshot, &format!("{chain}:{CLEAN}"), None, None);
    assert_eq!(on("eip155:1"), "Allow 0");
    assert_eq!(on("tron:0x2b6653dc"), "Review 0 !ChainMismatch");
    assert_eq!(on("starknet:SN_MAIN"), "Review 0 !ChainMismatch");
    let twice = ask(&snapshot, &format!("eip155:1:{CLEAN}"), Some("eip155:137"), None);
    assert_eq!(twice, "Review 0 !ChainMismatch", "two chains that differ");
}

#[test]
fn listed_evm_addresses_are_understood_in_every_spelling() {
    for spelling in [RONIN.replace("0x", "0X"), RONIN.replace("0x", "xdc"), RONIN[2..].to_owned()] {
        let snapshot = snapshot(&[sanctions(vec![row(&spelling, "ETH")])], &[]);
        assert_eq!(ask(&snapshot, RONIN, None, None), "Block 100 Listed:Standing", "{spelling}");
    }
    let burn = "0x000000000000000000000000000000000000dEaD";
    let snapshot = snapshot(&[sanctions(vec![row(burn, "ETH")])], &[]);
    let said = ask(&snapshot, &burn.to_lowercase(), None, None);
    assert_eq!(said, "Review 75 ListedVerbatim:Standing", "quarantined, in another case");
}

#[test]
fn the_stricter_of_the_loaded_and_the_configured_kind_counts() {
    let advisory = list("mine", ListKind::Advisory, date(2025, 11, 19), vec![row(RONIN, "ETH")]);
    let mut terms = terms("mine", false);
    for (kind, said) in [
        (None, "Review 75 Listed:Standing"),
        (Some(ListKind::Attribution), "Review 75 Listed:Standing"),
        (Some(ListKind::Sanctions), "Block 100 Listed:Standing"),
    ] {
        terms.kind = kind;
        let snapshot = snapshot(std::slice::from_ref(&advisory), std::slice::from_ref(&terms));
        assert_eq!(ask(&snapshot, RONIN, None, None), said, "{kind:?}");
    }
}

#[test]
fn quarantined_strings_match_letter_for_letter() {
    let hex = "5be5543ff73456ab9f2d207887e2af87322c651ea1a873c5b25b7ffae456c320";
    let null = "0x0000000000000000000000000000000000000000";
    let rows = vec![row(hex, "XMR"), row(null, "ETH")];
    let snapshot = snapshot(&[sanctions(rows)], &[]);
    let said = ask(&snapshot, hex, None, None);
    assert_eq!(said, "Review 75 ListedVerbatim:Standing !AddressNotUnderstood");
    let upper = ask(&snapshot, &hex.to_uppercase(), None, None);
    assert_eq!(upper, said, "a lower-case row may have lost its letters' case");
    let other = hex.replacen("5be", "5bf", 1);
    assert_eq!(ask(&snapshot, &other, None, None), "Review 0 !AddressNotUnderstood");
    assert_eq!(ask(&snapshot, null, None, None), "Review 75 ListedVerbatim:Standing");
    let one = "0x0000000000000000000000000000000000000001";
    assert_eq!(ask(&snapshot, one, None, None), "Allow 0", "all-zero keys match nothing");
}

#[test]
fn a_listing_on_a_chain_that_is_not_known_is_found_with_any_chain_or_none() {
    let ada = "Ae2tdPwUPEZKmwoy3AU3cXb5Chnasj6mvVNxV1H11997q3VW5ihbSfQwGpm";
    let snapshot = snapshot(&[sanctions(vec![row(ada, "ADA")])], &[]);
    let said = ask(&snapshot, ada, None, None);
    assert_eq!(said, "Block 100 Listed:Standing !AddressNotUnderstood");
    let said = ask(&snapshot, ada, Some("cardano:mainnet"), None);
    assert_eq!(said, "Block 100 Listed:Standing !ChainNotKnown");
    let said = ask(&snapshot, ada, Some("bitcoin"), None);
    assert_eq!(said, "Block 100 Listed:Standing !AddressNotUnderstood");
}

#[test]
fn another_kind_of_list_is_reviewed_and_the_worst_decides() {
    let advisory = list(
        "lazarus-advisories",
        ListKind::Advisory,
        date(2025, 2, 26),
        vec![row(CLEAN, "ETH"), row(RONIN, "ETH")],
    );
    let snapshot = snapshot(&[advisory, sanctions(vec![row(RONIN, "ETH")])], &[]);
    assert_eq!(ask(&snapshot, CLEAN, None, None), "Review 75 Listed:Standing");
    assert_eq!(ask(&snapshot, RONIN, None, None), "Block 100 Listed:Standing Listed:Standing");
}

#[test]
fn stale_missing_and_narrowed_lists_are_named_and_never_allowed() {
    let old = list("us-ofac-sdn", ListKind::Sanctions, date(2025, 11, 17), vec![]);
    let stale = snapshot(std::slice::from_ref(&old), &[terms("us-ofac-sdn", true)]);
    assert_eq!(ask(&stale, CLEAN, None, None), "Review 0 !ListStale");
    let trusted = Snapshot::build(
        &[old],
        &[],
        SignedDuration::from_hours(48),
        true,
        Default::default(),
        None,
    );
    assert_eq!(ask(&trusted, CLEAN, None, None), "Allow 0");

    let missing = snapshot(&[sanctions(vec![])], &[terms("eu-fsf", true)]);
    assert_eq!(ask(&missing, CLEAN, None, None), "Review 0 !RequiredListMissing");

    let other = list("mine", ListKind::Advisory, date(2025, 1, 1), vec![]);
    let both = snapshot(&[sanctions(vec![]), other], &[terms("us-ofac-sdn", true)]);
    let scope = Scope::new(&both, &narrowing(&[id("mine")], None), now()).expect("a scope");
    let narrowed = scope.screen(CLEAN, None, None).expect("an answer");
    assert_eq!(narrowed.decision, Decision::Review);
    assert_eq!(narrowed.scope_incomplete, [Incomplete::Narrowed(id("us-ofac-sdn"))]);
    let unknown = Scope::new(&both, &narrowing(&[id("nobody")], None), now()).map(|_| ());
    assert_eq!(unknown, Err(ScopeError::UnknownList(id("nobody"))));
}

#[test]
fn a_pending_removal_still_counts() {
    let pending = TestRow { pending: true, ..row(RONIN, "ETH") };
    let snapshot = snapshot(&[sanctions(vec![pending])], &[]);
    assert_eq!(ask(&snapshot, RONIN, None, None), "Block 100 Listed:RemovalPending");
}

#[test]
fn the_snapshot_id_stands_for_all_that_an_answer_rests_on() {
    let base = || sanctions(vec![row(RONIN, "ETH")]);
    let build_on = |state: Arc<ListState>, terms: &[ListTerms], stale: bool, looks: Looks| {
        let built = Snapshot::build(
            &[state],
            terms,
            SignedDuration::from_hours(48),
            stale,
            Default::default(),
            None,
        );
        built.resting_on(looks).id().to_owned()
    };
    let build = |state: Arc<ListState>, terms: &[ListTerms], stale: bool| {
        build_on(state, terms, stale, Looks::default())
    };
    let same = build(base(), &[], false);
    assert_eq!(same, build(base(), &[], false));
    assert_eq!(same.len(), 16);
    let mut version = Arc::unwrap_or_clone(base());
    version.version.version = 2;
    // The ages of the lists are named by the number of looks at their sources.
    let looks = |count: u64, not_stored: &[&str]| {
        let not_stored = not_stored.iter().map(|name| id(name)).collect();
        build_on(base(), &[terms("us-ofac-sdn", true)], false, Looks { count, not_stored })
    };
    let ids = [looks(0, &[]), looks(1, &[]), looks(2, &[]), looks(2, &["us-ofac-sdn"])];
    assert!(ids.iter().all(|id| ids.iter().filter(|other| *other == id).count() == 1), "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with(&ids[0])), "one record: {ids:?}");
    assert_eq!(looks(2, &["eu-fsf"]), ids[2], "a list that is not required changes no answer");
    let parsed = parse_id(&ids[3]).expect("an id");
    assert_eq!((parsed.name, parsed.looks), (&*ids[0], Some(2)));
    assert_eq!(parse_id(&same).and_then(|parsed| parsed.looks), None);
    for wrong in ["", "-1", "a-", "a-c", "a-cx", "a-u", "a-uxyz", "a-1-x", "a-b"] {
        assert_eq!(parse_id(wrong), None, "{wrong:?}");
    }
    let others = [
        build(Arc::new(version), &[], false),
        build(base(), &[terms("us-ofac-sdn", true)], false),
        build(base(), &[terms("eu-fsf", true)], false),
        build(base(), &[], true),
    ];
    for other in &others {
        assert_ne!(*other, same);
    }
}

#[test]
fn a_required_list_that_could_not_be_stored_is_named_and_never_allowed() {
    let fresh = snapshot(&[sanctions(vec![row(RONIN, "ETH")])], &[terms("us-ofac-sdn", true)]);
    let not_stored = |names: &[&str]| Looks {
        count: 1,
        not_stored: names.iter().map(|name| id(name)).collect(),
    };
    let lost = fresh.resting_on(not_stored(&["mine", "us-ofac-sdn"]));
    assert_eq!(ask(&lost, CLEAN, None, None), "Review 0 !ListNotStored");
    assert_eq!(ask(&lost, RONIN, None, None), "Block 100 Listed:Standing !ListNotStored");
    assert_eq!(lost.not_stored(), [id("us-ofac-sdn")]);
    let other = lost.resting_on(not_stored(&["mine"]));
    assert_eq!(ask(&other, CLEAN, None, None), "Allow 0", "it is not required");
}

#[test]
fn tables_are_shared_between_snapshots_of_the_same_version() {
    let state = sanctions(vec![row(RONIN, "ETH")]);
    let first = snapshot(std::slice::from_ref(&state), &[]);
    let limit = SignedDuration::from_hours(48);
    let extra = list("mine", ListKind::Advisory, date(2025, 1, 1), vec![row(CLEAN, "ETH")]);
    let second =
        Snapshot::build(&[state, extra], &[], limit, false, Default::default(), Some(&first));
    let sdn = id("us-ofac-sdn");
    let (before, after) = (first.list(&sdn).expect("there"), second.list(&sdn).expect("there"));
    assert!(std::ptr::eq(before.index(), after.index()));
    assert_eq!(ask(&second, RONIN, None, None), "Block 100 Listed:Standing");
    assert_eq!(ask(&second, CLEAN, None, None), "Review 75 Listed:Standing");
}

proptest! {
    #[test]
    fn findings_equal_the_model(
        rows in prop::collection::vec((0..3_usize, 0..POOL.len(), any::<bool>()), 0..30),
        asked in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let mut lists: [Vec<TestRow>; 3] = Default::default();
        for (list, pooled, stands) in rows {
            let (address, ticker) = POOL[pooled];
            let until = (!stands).then(|| date(2025, 11, 1));
            lists[list].push(TestRow { ticker: ticker.into(), ..stood(address, None, until) });
        }
        let kinds = [ListKind::Sanctions, ListKind::Advisory, ListKind::Attribution];
        let lists: Vec<_> = (0..).zip(lists).zip(kinds)
            .map(|((n, rows), kind)| list(&format!("list-{n}"), kind, date(2025, 11, 19), rows))
            .collect();
        let snapshot = snapshot(&lists, &[]);
        let scope = Scope::new(&snapshot, &ScopeFilter::default(), now()).expect("a scope");
        let questions = questions();
        for place in asked {
            let question = place.get(&questions);
            let screening = scope.screen(question, None, None).expect("an answer");
            let mut found: Vec<_> = screening.findings.iter()
                .map(|f| (f.list.id().to_string(), f.row.key.clone(), f.kind, f.score))
                .collect();
            prop_assert!(found.iter().map(|f| std::cmp::Reverse(f.3)).is_sorted());
            found.sort();
            let expected = model(&lists, question);
            prop_assert_eq!(screening.score, expected.iter().map(|f| f.3).max().unwrap_or(0));
            prop_assert_eq!(found, expected, "{}", question);
        }
    }
}
