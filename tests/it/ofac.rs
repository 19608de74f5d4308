//! The four real publications of OFAC's list, through the engine: what is loaded, what changes,
//! and what is answered, now and as of the past.

mod backfill;
mod dressed;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::SignedDuration;
use lazaretto::domain::address::{Address, Encoding, Reading};
use lazaretto::domain::list::{ChangeKind, ListKind, NoteKind, Provenance};
use lazaretto::domain::publication::listed_digest;
use lazaretto::engine::{EngineError, Publication};
use lazaretto::screening::ListAge;
use lazaretto::screening::policy::Decision;
use lazaretto::screening::{FindingKind, Incomplete, ListingState, ScopeError};

use crate::support::desk::{Desk, list_id};
use crate::support::needs::data;
use scan::{Key, Scan};

const SDN: &str = "us-ofac-sdn";
/// The publications: file, and the day that it states (the first was collected a day later).
const FILES: [(&str, &str); 4] = [
    ("ofac/sdn_advanced_20240529T1352.xml.bz2", "2024-05-28"),
    ("ofac/sdn_advanced_20250304T1547.xml.bz2", "2025-03-04"),
    ("ofac/sdn_advanced_20250321T1459.xml.bz2", "2025-03-21"),
    ("ofac/sdn_advanced_20251119T1644.xml.bz2", "2025-11-19"),
];
/// The day after the last of them.
const NEXT_DAY: &str = "2025-11-20";

const TORNADO_CASH: &str = "0x8589427373D6D84E98730D7795D8f6f8731FDA16";
const LAZARUS: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";
/// A valid address that is on no list: the first vector of EIP-55.
const CLEAN: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/// Everything loaded once: what the publications hold by the plain scan, what each import said,
/// and the data directory after the last one.
struct History {
    scans: Vec<Scan>,
    publications: Vec<Publication>,
    /// Version number, published, counts (listings, quarantined, parties, duplicates, removed) and
    /// standing rows by ticker, after each import.
    loaded: Vec<Loaded>,
    /// The data directory: paths within it, `None` for a folder.
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
}

struct Loaded {
    version: u64,
    published: String,
    first_published: String,
    counts: [u64; 6],
    by_ticker: BTreeMap<String, u64>,
}

/// `None`, reported for each test that asks, without the data.
fn history() -> Option<&'static History> {
    static HISTORY: OnceLock<History> = OnceLock::new();
    let root = data("")?;
    Some(HISTORY.get_or_init(|| load_history(&root)))
}

fn load_history(root: &Path) -> History {
    let files = FILES.map(|(file, _)| root.join(file));
    let paths = files.clone();
    let scans = std::thread::spawn(move || paths.iter().map(|path| scan::scan(path)).collect());
    let desk = Desk::new("2024-05-30", &[]);
    let (mut publications, mut loaded) = (Vec::new(), Vec::new());
    for (path, (_, day)) in files.iter().zip(FILES) {
        desk.set_clock(&format!("{day}T20:00:00Z"));
        publications.push(desk.import(SDN, None, path, None).unwrap());
        loaded.push(loaded_now(&desk));
    }
    let dir = desk.closed();
    let mut kept = Vec::new();
    keep(dir.path(), dir.path(), &mut kept);
    History { scans: scans.join().unwrap(), publications, loaded, files: kept }
}

fn loaded_now(desk: &Desk) -> Loaded {
    let list = desk.list(SDN);
    let version = &list.state().version;
    let counts = version.counts;
    let mut by_ticker = BTreeMap::new();
    for row in list.state().rows.iter().filter(|row| row.is_listed()) {
        *by_ticker.entry(row.key.ticker.clone()).or_default() += 1;
    }
    Loaded {
        version: version.version,
        published: version.published.unwrap().to_string(),
        first_published: version.first_published.unwrap().to_string(),
        counts: [
            counts.listings,
            counts.quarantined,
            counts.parties,
            counts.duplicates,
            counts.removed,
            counts.removals_pending,
        ],
        by_ticker,
    }
}

fn keep(root: &Path, dir: &Path, kept: &mut Vec<(PathBuf, Option<Vec<u8>>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if path.is_dir() {
            kept.push((name, None));
            keep(root, &path, kept);
        } else {
            kept.push((name, Some(std::fs::read(&path).unwrap())));
        }
    }
}

impl History {
    /// A desk on a copy of the data directory as it stood after the last publication.
    fn desk(&self, now: &str, set: &[&str]) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in &self.files {
            let path = dir.path().join(name);
            match content {
                None => std::fs::create_dir_all(path).unwrap(),
                Some(bytes) => std::fs::write(path, bytes).unwrap(),
            }
        }
        Desk::on(dir, now, set)
    }

    fn newest(&self) -> &Scan {
        self.scans.last().unwrap()
    }
}

#[test]
fn every_publication_holds_what_a_plain_scan_counts() {
    let Some(history) = history() else { return };
    let mut ever: BTreeSet<&Key> = BTreeSet::new();
    for (place, (scan, loaded)) in history.scans.iter().zip(&history.loaded).enumerate() {
        let (_, day) = FILES[place];
        ever.extend(scan.rows.iter());
        let quarantined = scan.rows.iter().filter(|key| scan::is_no_address(key)).count() as u64;
        let parties: BTreeSet<&String> = scan.rows.iter().map(|key| &key.uid).collect();
        let standing = scan.rows.len() as u64;
        let expected = [
            standing - quarantined,
            quarantined,
            parties.len() as u64,
            scan.duplicates,
            ever.len() as u64 - standing,
            0,
        ];
        assert_eq!(loaded.version, place as u64 + 1);
        assert_eq!((scan.published.as_str(), loaded.published.as_str()), (day, day));
        assert_eq!(loaded.first_published, FILES[0].1);
        assert_eq!(loaded.counts, expected, "{day}");
        let mut by_ticker = BTreeMap::new();
        for key in &scan.rows {
            *by_ticker.entry(key.ticker.clone()).or_default() += 1;
        }
        assert_eq!(loaded.by_ticker, by_ticker, "{day}");
        eprintln!("{day}: {expected:?} {by_ticker:?}");
    }
    let totals: Vec<_> = history.scans.iter().map(|scan| scan.rows.len()).collect();
    assert_eq!(totals, [651, 716, 626, 760], "the scan itself");
}

#[test]
fn changes_are_exactly_the_differences() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let all = desk.changes(SDN, 0);
    let mut upto = 0;
    for (place, scan) in history.scans.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| &history.scans[before]);
        let expected = differences(before, scan);
        let count = |kind| {
            let named = |(found, _): &&(String, Key)| *found == format!("{kind:?}");
            expected.iter().filter(named).count() as u64
        };
        let published = &history.publications[place];
        let figures = [ChangeKind::Added, ChangeKind::Updated, ChangeKind::Removed].map(count);
        assert_eq!([published.added, published.updated, published.removed], figures);
        assert!(published.published);
        assert_eq!(published.removals_pending, 0);
        eprintln!("{}: added, updated, removed {figures:?}", scan.published);

        let above = desk.changes(SDN, place as u64);
        assert_eq!(above, all[upto..], "changes since {place} are the rest of all changes");
        let own = &all[upto..upto + expected.len()];
        let found: BTreeSet<_> = own
            .iter()
            .map(|(kind, [uid, address, ticker, _])| {
                let key = Key::new(uid, address, ticker);
                (format!("{kind:?}"), key)
            })
            .collect();
        assert_eq!(found, expected, "{}", scan.published);
        upto += expected.len();
    }
    assert_eq!(upto, all.len());

    // The delisting of Tornado Cash, and nothing but that.
    let removed: Vec<_> =
        all.iter().filter(|(kind, _)| *kind == ChangeKind::Removed).map(|(_, row)| row).collect();
    assert_eq!(removed.len(), 90);
    assert!(removed.iter().all(|row| row[3] == "TORNADO CASH"), "{removed:?}");
    assert_eq!(history.publications[2].removed, 90);
    let before = history.scans[1].rows.len();
    assert_eq!((before, 90_000_usize.div_ceil(before)), (716, 126), "12.6 % at once");
}

/// What must change from one publication to the next.
fn differences(before: Option<&Scan>, after: &Scan) -> BTreeSet<(String, Key)> {
    let none = BTreeSet::new();
    let old = before.map_or(&none, |scan| &scan.rows);
    let mut changes = BTreeSet::new();
    for key in after.rows.difference(old) {
        changes.insert((format!("{:?}", ChangeKind::Added), key.clone()));
    }
    for key in old.difference(&after.rows) {
        changes.insert((format!("{:?}", ChangeKind::Removed), key.clone()));
    }
    for key in after.rows.intersection(old) {
        if before.is_some_and(|before| before.parties[&key.uid] != after.parties[&key.uid]) {
            changes.insert((format!("{:?}", ChangeKind::Updated), key.clone()));
        }
    }
    changes
}

#[test]
fn the_same_file_again_changes_nothing() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let id = desk.engine().snapshot().unwrap().id().to_owned();
    let before = desk.list(SDN).state().clone();
    let again = desk.import(SDN, None, &data(FILES[3].0).unwrap(), None).unwrap();
    assert_eq!(Publication { file: None, ..again }, unchanged());
    assert_eq!(*desk.list(SDN).state(), before);
    assert_eq!(desk.engine().snapshot().unwrap().id(), id);
    assert_eq!(desk.changes(SDN, 4), []);

    // An earlier one is refused, and that changes nothing either.
    let older = desk.import(SDN, None, &data(FILES[2].0).unwrap(), None).unwrap_err();
    assert_eq!(
        older.to_string(),
        "list us-ofac-sdn: the publication of 2025-03-21 is older than that of 2025-11-19, which \
         is loaded"
    );
    assert_eq!(*desk.list(SDN).state(), before);
}

fn unchanged() -> Publication {
    Publication {
        id: list_id(SDN),
        published: false,
        added: 0,
        updated: 0,
        removed: 0,
        removals_pending: 0,
        lost: Vec::new(),
        file: None,
    }
}

#[test]
fn types_in_other_spellings_lose_no_listing() {
    let desk = Desk::new("2026-11-28T12:00:00Z", &["starter_lists=false"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases/list-kinds/adv.xml");
    let done = desk.import(SDN, Some(ListKind::Sanctions), &path, None).unwrap();
    assert_eq!((done.added, done.published), (11, true));
    let counts = desk.list(SDN).state().version.counts;
    assert_eq!((counts.listings, counts.quarantined), (11, 0));
    let file = done.file.unwrap();
    assert_eq!((file.format, file.rows, file.parties), ("ofac-advanced", 11, 11));
    let unknown = file.notes.iter().filter(|note| note.kind == NoteKind::UnknownType);
    assert_eq!(unknown.map(|note| note.count).sum::<u64>(), 2);
}

#[test]
fn the_xml_over_the_starter_list_made_from_it_changes_nothing() {
    let Some(newest) = data(FILES[3].0) else { return };
    let starter = ["starter_lists=true"];
    let desk = Desk::new(NEXT_DAY, &starter);
    let before = desk.list(SDN).state().clone();
    assert_eq!(before.version.provenance, Provenance::Starter);
    assert_eq!(listed_digest(&before), before.version.digest);
    let again = desk.import(SDN, None, &newest, None).unwrap();
    assert_eq!(Publication { file: None, ..again }, unchanged());
    let after = desk.list(SDN).state().clone();
    assert_eq!(after, before);
    let id = desk.engine().snapshot().unwrap().id().to_owned();
    let desk = Desk::on(desk.closed(), NEXT_DAY, &starter);
    assert_eq!(*desk.list(SDN).state(), before, "the starter list is not loaded twice");
    assert_eq!(desk.engine().snapshot().unwrap().id(), id);
    assert_eq!(desk.screen(LAZARUS, None).decision, Decision::Block);
}

#[test]
fn the_starter_list_comes_not_over_newer_data_and_reopening_changes_no_answer() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let snapshot = desk.engine().snapshot().unwrap().id().to_owned();
    let answers = |desk: &Desk| -> Vec<String> {
        [LAZARUS, TORNADO_CASH, CLEAN, "nonsense"]
            .map(|address| format!("{:?}", desk.screen(address, None)))
            .to_vec()
    };
    let (before, state) = (answers(&desk), desk.list(SDN).state().clone());
    let desk = Desk::on(desk.closed(), NEXT_DAY, &[]);
    assert_eq!(desk.engine().snapshot().unwrap().id(), snapshot);
    assert_eq!(answers(&desk), before);
    assert!(desk.engine().stored_snapshot(&snapshot).unwrap().is_some());

    let desk = Desk::on(desk.closed(), NEXT_DAY, &["starter_lists=true"]);
    assert_eq!(*desk.list(SDN).state(), state);
    assert_eq!(state.version.version, 4);
    assert!(matches!(state.version.provenance, Provenance::Import(_)));
    let advisories = desk.list("lazarus-advisories");
    assert_eq!(advisories.state().version.version, 5, "what was not there is loaded");
}

#[test]
fn as_of_answers_with_what_stood() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let check = |address: &str, as_of: Option<&str>, decision, state, standing: &str| {
        let answer = desk.screen(address, as_of);
        let found = answer.on(address, "ETH").unwrap_or_else(|| panic!("{address} {answer:?}"));
        assert_eq!(answer.decision, decision, "{address} {as_of:?}");
        assert_eq!(found.kind, FindingKind::Listed);
        assert_eq!((found.state, found.standing.as_str()), (state, standing), "{as_of:?}");
        assert_eq!(found.score, if decision == Decision::Block { 100 } else { 0 });
        assert_eq!(answer.score, found.score);
        // Between two publications loaded by hand nobody looked, beyond the limit of 48 hours.
        let gap = |reason: &Incomplete| matches!(reason, Incomplete::AsOfNotCovered { .. });
        let looked = answer.incomplete.is_empty();
        assert_eq!(looked, !answer.incomplete.iter().any(gap), "{answer:?}");
        let unlooked = as_of.is_some_and(|at| {
            at.starts_with("2025-03-10") || at > "2025-03-20T" && at < "2025-03-21"
        });
        assert_eq!(looked, !unlooked, "{as_of:?}");
    };
    let stood = ListingState::Standing;
    let (block, allow) = (Decision::Block, Decision::Allow);

    // Tornado Cash's own date is the one that the first publication gives for the party.
    let first = &history.scans[0];
    let key = first.rows.iter().find(|key| key.address == TORNADO_CASH).unwrap();
    let since = first.parties[&key.uid].days.first().unwrap();
    let standing = format!("{since}..2025-03-21 PartyDate");
    check(TORNADO_CASH, Some("2025-03-10"), block, stood, &standing);
    check(TORNADO_CASH, Some("2025-03-20T23:59:59Z"), block, stood, &standing);
    for as_of in [Some("2025-03-21T00:00:00Z"), Some("2025-03-21"), Some(NEXT_DAY), None] {
        check(TORNADO_CASH, as_of, allow, ListingState::Removed, &standing);
    }

    check(LAZARUS, None, block, stood, "2019-09-13.. PartyDate");
    check(LAZARUS, Some(FILES[0].1), block, stood, "2019-09-13.. PartyDate");

    // Before anything was loaded, nobody knows.
    for (address, decision) in [(LAZARUS, block), (CLEAN, Decision::Review)] {
        let answer = desk.screen(address, Some("2024-01-01"));
        assert_eq!(answer.decision, decision);
        assert_eq!(
            answer.incomplete,
            [Incomplete::AsOfBeforeFirstPublication {
                list: list_id(SDN),
                first_published: Some(FILES[0].1.parse().unwrap()),
            }]
        );
    }
    let future = desk.try_screen(CLEAN, Some("2025-11-20T12:00:01Z")).unwrap_err();
    assert!(matches!(future, ScopeError::AsOfInFuture { .. }), "{future}");
}

#[test]
fn every_address_counts_from_the_publication_that_added_it() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let days_before = ["", "2025-03-03", "2025-03-20", "2025-11-18"];
    for place in 1..FILES.len() {
        let added: Vec<&Key> =
            history.scans[place].rows.difference(&history.scans[place - 1].rows).collect();
        let day = FILES[place].1;
        for key in &added {
            let (address, ticker) = (key.address.as_str(), key.ticker.as_str());
            let before = desk.screen(address, Some(days_before[place]));
            assert!(before.on_row(&key.uid, address, ticker).is_none(), "{key:?} {before:?}");
            let answer = desk.screen(address, Some(day));
            let found = answer.on_row(&key.uid, address, ticker);
            let found = found.unwrap_or_else(|| panic!("{key:?} {answer:?}"));
            assert_eq!(found.standing, format!("{day}.. FirstSeen"), "{key:?}");
            assert_eq!(answer.decision, Decision::Block);
        }
        assert_eq!(added.len(), [0, 65, 0, 134][place], "{day}");
    }
    // One that nothing else ties to the list: the first under SOL.
    let new = history.newest().rows.iter().find(|key| key.ticker == "SOL").unwrap();
    let answer = desk.screen(&new.address, Some("2025-03-22"));
    assert_eq!((answer.decision, answer.findings.len()), (Decision::Allow, 0), "{answer:?}");
    assert!(answer.is_complete());
    let answer = desk.screen(&new.address, Some("2025-06-01"));
    assert_eq!((answer.decision, answer.findings.len()), (Decision::Review, 0), "{answer:?}");
    assert!(matches!(answer.incomplete[..], [Incomplete::AsOfNotCovered { .. }]), "{answer:?}");
}

#[test]
fn a_list_that_nobody_checked_is_stale() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let fresh = desk.screen(CLEAN, None);
    assert_eq!((fresh.decision, fresh.score), (Decision::Allow, 0));
    assert!(fresh.is_complete() && fresh.findings.is_empty(), "{fresh:?}");
    desk.set_clock("2025-11-21T00:00:00Z");
    assert_eq!(desk.screen(CLEAN, None).decision, Decision::Allow, "48 hours to the second");
    desk.set_clock("2025-11-21T00:00:01Z");
    assert_eq!(desk.screen(CLEAN, None).decision, Decision::Review);

    desk.set_clock("2025-12-01T00:00:00Z");
    let stale = desk.screen(CLEAN, None);
    assert_eq!((stale.decision, stale.score), (Decision::Review, 0));
    let reason = Incomplete::ListStale {
        list: list_id(SDN),
        age: ListAge::Known(SignedDuration::from_hours(12 * 24)),
        max_age_seconds: 48 * 3600,
    };
    assert_eq!(stale.incomplete, [reason]);
    assert_eq!(desk.screen(LAZARUS, None).decision, Decision::Block);

    let desk = Desk::on(desk.closed(), "2025-12-01", &["allow_stale=true"]);
    let let_pass = desk.screen(CLEAN, None);
    assert_eq!(let_pass.decision, Decision::Allow);
    assert!(let_pass.is_complete(), "{let_pass:?}");
}

#[test]
fn one_key_under_two_forms_is_found_by_either() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let (eth, tron) =
        ("0xE950DC316b836e4EeFb8308bf32Bf7C72a1358FF", "TXEsK1sEsKjZ1xtHitnyAAoqw3WLdYdRNW");
    for (asked, kinds) in [
        (eth, [FindingKind::Listed, FindingKind::SameKey]),
        (tron, [FindingKind::SameKey, FindingKind::Listed]),
    ] {
        let answer = desk.screen(asked, None);
        let found = [(eth, "ETH"), (tron, "USDT")]
            .map(|(address, ticker)| answer.on(address, ticker).unwrap());
        assert_eq!(found.map(|found| found.kind), kinds, "{asked}");
        assert_eq!(found.map(|found| found.score), [100, 100]);
        assert_eq!((answer.findings.len(), answer.decision), (2, Decision::Block));
    }
}

#[test]
fn every_other_form_of_a_listed_address_is_found() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let (mut forms_seen, mut public_key_hashes) = (0, 0);
    for key in &history.newest().rows {
        let Ok(address) = Reading::from_list_cell(&key.address, &key.ticker).into_single() else {
            continue;
        };
        let forms = address.other_forms();
        for (chain, _, form) in &forms {
            forms_seen += 1;
            let answer = desk.screen(form, None);
            let found = answer.on_row(&key.uid, &key.address, &key.ticker);
            let found = found.unwrap_or_else(|| panic!("{form} of {key:?}: {answer:?}"));
            assert_eq!((found.score, answer.decision), (100, Decision::Block), "{form} on {chain}");
            // Asked for without its chain, what is written the same is the listed address.
            let parsed = Address::parse(form, None).unwrap();
            let same = parsed.canonical() == address.canonical();
            let kind = if same { FindingKind::Listed } else { FindingKind::SameKey };
            assert_eq!(found.kind, kind, "{form} of {key:?}");
        }
        if address.encoding() == Encoding::P2pkh && key.ticker == "XBT" {
            public_key_hashes += 1;
            for beginning in ["bc1q", "3", "bitcoincash:q", "L", "ltc1q"] {
                let has = forms.iter().any(|(_, _, form)| form.starts_with(beginning));
                assert!(has, "{key:?} has no {beginning} form: {forms:?}");
            }
        }
    }
    eprintln!("{forms_seen} other forms, {public_key_hashes} P2PKH addresses under XBT");
    assert!(public_key_hashes > 100 && forms_seen > 1000);
}

#[test]
fn nothing_that_is_listed_is_lost_or_allowed() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let (mut blocked, mut reviewed) = (0, 0);
    for key in &history.newest().rows {
        let answer = desk.screen(&key.address, None);
        let found = answer.on_row(&key.uid, &key.address, &key.ticker);
        let found = found.unwrap_or_else(|| panic!("{key:?}: {answer:?}"));
        assert_eq!(found.list, SDN);
        assert_eq!(found.party_name, history.newest().parties[&key.uid].name(), "{key:?}");
        match (found.kind, answer.decision) {
            (FindingKind::Listed, Decision::Block) => blocked += 1,
            (FindingKind::ListedVerbatim, Decision::Review) => reviewed += 1,
            other => panic!("{key:?}: {other:?}"),
        }
    }
    assert_eq!((blocked, reviewed), (759, 1));

    // One address under two parties: both are named.
    let answer = desk.screen("LeKvNdNEzgQkzVVnRdV3fAu2DSF1nLsNw6", None);
    let names: BTreeSet<&str> = answer.findings.iter().map(|f| f.party_name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["RAZA, Mujtaba Ali", "Secondeye Solution"]));

    // The odd ones: an XBT entry of TRON's form, a BCH entry of the legacy form, an XMR entry that
    // is no address.
    let check = |address: &str, ticker: &str, kind, decision| {
        let answer = desk.screen(address, None);
        assert_eq!(answer.on(address, ticker).unwrap().kind, kind);
        assert_eq!(answer.decision, decision, "{address}");
    };
    let verbatim = "5be5543ff73456ab9f2d207887e2af87322c651ea1a873c5b25b7ffae456c320";
    check("TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq", "XBT", FindingKind::Listed, Decision::Block);
    check("18M8bJWMzWHDBMxoLqjHHAffdRy4SrzkfB", "BCH", FindingKind::Listed, Decision::Block);
    check(verbatim, "XMR", FindingKind::ListedVerbatim, Decision::Review);
    let padded = format!("  {verbatim}\n");
    assert_eq!(desk.screen(&padded, None).score, 75, "white space around it");
}

/// The export of the newest publication, dated anew, with a row in three cut and three rows more;
/// and the addresses that were cut.
fn shrunk(desk: &Desk, day: &str) -> (String, Vec<String>) {
    let export = String::from_utf8(desk.engine().export(&list_id(SDN)).unwrap()).unwrap();
    let (mut head, mut rows) = (Vec::new(), Vec::new());
    for line in export.lines() {
        let into = if line.starts_with('#') || line.starts_with("address,") {
            &mut head
        } else {
            &mut rows
        };
        into.push(line);
    }
    assert_eq!(rows.len(), 760, "no cell holds a line break");
    let is_cut = |place: &usize| place.is_multiple_of(3);
    let address = |row: &str| row.split(',').next().unwrap().to_owned();
    let cut = (0..rows.len()).filter(is_cut).map(|place| address(rows[place])).collect();
    let mut kept: Vec<String> = (0..rows.len())
        .filter(|place| !is_cut(place))
        .map(|place| rows[place].to_owned())
        .collect();
    kept.extend(
        (1..=3_u64).map(|n| format!("0x{:040x},ETH,new,New Party,,Entity,TEST,,,,", n << 40)),
    );
    let csv = [dated(&head, day, kept.len()), kept.join("\n"), String::new()].join("\n");
    (csv, cut)
}

/// The lines above the rows, with another day of publication and number of rows.
fn dated(head: &[&str], day: &str, rows: usize) -> String {
    let line = |line: &&str| {
        if line.starts_with("# published:") {
            format!("# published: {day}")
        } else if line.starts_with("# rows:") {
            format!("# rows: {rows}")
        } else {
            (*line).to_owned()
        }
    };
    head.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_that_shrank_adds_at_once_and_removes_when_forced() {
    let Some(history) = history() else { return };
    let desk = history.desk("2025-11-20T12:00:00Z", &[]);
    let (csv, cut) = shrunk(&desk, "2025-11-20");
    let count = cut.len() as u64;
    assert!(count * 4 > 760);
    let published = |added, removed, removals_pending| Publication {
        published: true,
        added,
        removed,
        removals_pending,
        ..unchanged()
    };
    let kinds = |above| {
        let mut kinds = BTreeMap::new();
        for (kind, _) in desk.changes(SDN, above) {
            *kinds.entry(format!("{kind:?}")).or_insert(0_u64) += 1;
        }
        kinds
    };
    let of = |kinds: &[(&str, u64)]| -> BTreeMap<String, u64> {
        kinds.iter().map(|&(kind, count)| (kind.to_owned(), count)).collect()
    };

    let imported = desk.import_csv(SDN, &csv, None).unwrap();
    assert_eq!(Publication { file: None, ..imported }, published(3, 0, count));
    assert_eq!(kinds(4), of(&[("Added", 3), ("RemovalPending", count)]));
    assert_eq!(desk.screen(&format!("0x{:040x}", 1_u64 << 40), None).decision, Decision::Block);
    for address in &cut {
        let answer = desk.screen(address, None);
        assert_ne!(answer.decision, Decision::Allow, "{address}");
        let pending = |found: &&crate::support::desk::Found| {
            found.address == *address && found.state == ListingState::RemovalPending
        };
        let found = answer.findings.iter().find(pending).unwrap();
        assert!(found.score >= 75, "{address}");
    }
    assert_eq!(desk.list(SDN).state().version.counts.removals_pending, count);

    // Beyond the gate they do not confirm themselves.
    for time in ["2025-11-21T11:59:59Z", "2025-11-21T13:00:00Z", "2025-12-10T12:00:00Z"] {
        desk.set_clock(time);
        let again = desk.import_csv(SDN, &csv, None).unwrap();
        assert_eq!(Publication { file: None, ..again }, unchanged());
        assert_eq!(desk.list(SDN).state().version.counts.removals_pending, count);
    }
    let forced = desk.import_csv(SDN, &csv, Some("checked by hand")).unwrap();
    assert_eq!((forced.published, forced.added, forced.removed), (true, 0, count));
    assert_eq!(kinds(5), of(&[("Removed", count)]));
    let counts = desk.list(SDN).state().version.counts;
    assert_eq!((counts.removals_pending, counts.removed), (0, count + 90));
    let removed = |found: &crate::support::desk::Found| (found.state, found.score);
    for address in &cut {
        let answer = desk.screen(address, None);
        let own = answer.findings.iter().filter(|found| found.address == *address);
        let gone = own.map(removed).any(|found| found == (ListingState::Removed, 0));
        assert!(gone, "{address} {answer:?}");
    }
}

#[test]
fn force_removes_at_once_and_says_why() {
    let Some(history) = history() else { return };
    let desk = history.desk(NEXT_DAY, &[]);
    let (csv, cut) = shrunk(&desk, "2025-11-20");
    let done = desk.import_csv(SDN, &csv, Some("checked by hand")).unwrap();
    assert_eq!((done.added, done.removed, done.removals_pending), (3, cut.len() as u64, 0));
    let reason = desk.list(SDN).state().version.force_reason.clone();
    assert_eq!(reason, "empty, quarantine, kind, older, shrink: checked by hand");
}

#[test]
fn empty_and_older_files_are_refused_unless_forced() {
    let Some(history) = history() else { return };
    let check = |csv: &str, refusal: &str, removed: u64| {
        let desk = history.desk(NEXT_DAY, &[]);
        let before = desk.list(SDN).state().clone();
        for no_reason in [None, Some("  ")] {
            let error = desk.import_csv(SDN, csv, no_reason).unwrap_err();
            assert!(matches!(error, EngineError::Refused(_)), "{error:?}");
            assert!(error.to_string().contains(refusal), "{error}");
            assert_eq!(*desk.list(SDN).state(), before);
        }
        let done = desk.import_csv(SDN, csv, Some("a reason")).unwrap();
        assert_eq!((done.published, done.removed), (true, removed));
        let reopened = Desk::on(desk.closed(), NEXT_DAY, &[]);
        let list = reopened.list(SDN);
        let version = &list.state().version;
        assert_eq!(version.version, 5);
        assert!(version.force_reason.ends_with("shrink: a reason"), "{}", version.force_reason);
    };
    let desk = history.desk(NEXT_DAY, &[]);
    let (older, cut) = shrunk(&desk, "2025-11-18");
    let head: Vec<&str> = older.lines().take_while(|line| !line.starts_with("address,")).collect();
    let empty = format!("{}\naddress\n", dated(&head, "2025-11-20", 0));
    check(&empty, "the publication is empty", 760);
    check(&older, "the publication of 2025-11-18 is older than", cut.len() as u64);
}
