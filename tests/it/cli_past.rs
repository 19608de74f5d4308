//! The past on the command line: looks that were declared, the versions of a past day, and snapshots
//! that were once in force.

use crate::support::place::{LISTED, Place};
use crate::support::program::Said;

#[test]
fn an_import_is_declared_to_be_a_look() {
    let place = Place::new();
    let row = format!("{LISTED},eip155:1,u1,Evil Party,2026-01-01\n");
    let file =
        place.file("again.csv", &format!("address,ticker,party_uid,party_name,listed_on\n{row}"));
    let import = |checked: &[&str]| {
        let arguments = ["lists", "import", &file, "--list", "sanctions", "--checked"];
        place.says(&[&arguments, checked].concat())
    };
    let refused = import(&["2099-01-01"]);
    assert_eq!(refused.status, 1, "{}", refused.out);
    let words =
        "--checked: \"2099-01-01\" is later than now, 2026-11-22T12:00:00Z: give the moment";
    assert!(refused.err.contains(words), "{}", refused.err);
    let taken = import(&[]);
    assert_eq!(taken.status, 0, "{}", taken.err);
    let says = "by a look of 2026-11-22T12:00:00Z that owner declared by hand";
    assert!(taken.out.contains(says), "{}", taken.out);
    let lists = place.says(&["lists", "ls"]);
    assert!(lists.out.contains(says), "{}", lists.out);
    let snapshot = place.json(&["lists", "ls"]);
    assert!(snapshot.to_string().contains("declared_check"), "{snapshot}");
}

#[test]
fn a_screening_by_a_past_snapshot_and_of_a_past_day() {
    let place = Place::new();
    // Two answers would differ in their records.
    place.configure("decision_log.enabled = false");
    let then = place.json_with(11, &["screen", LISTED]);
    let id = then["snapshot"]["id"].as_str().unwrap();
    let clean = "address,ticker,party_uid,party_name\n0x0c00000000000000000000000000000000000033,eip155:1,u2,Other\n";
    let file = place.file("next.csv", clean);
    let forced =
        ["--force", "a test", "--force-gate", "shrink", "--yes", "--published", "2026-11-22"];
    let arguments = ["lists", "import", &file, "--list", "sanctions"];
    let next = place.says(&[&arguments[..], &forced].concat());
    assert_eq!(next.status, 0, "{}", next.err);
    assert_ne!(place.json_with(0, &["screen", LISTED]), then);
    assert_eq!(place.json_with(11, &["screen", LISTED, "--snapshot", id]), then);
    // Neither an id without its tail, nor one that had looked at nothing yet.
    let name = id.split('-').next().unwrap();
    for wrong in ["0123456789abcdef", name, &format!("{name}-c0")] {
        let unknown = place.says(&["screen", LISTED, "--snapshot", wrong]);
        assert_eq!(unknown.status, 1, "{wrong}");
        assert!(unknown.err.contains("was in force here"), "{}", unknown.err);
    }
    let early = ["screen", LISTED, "--as-of", "2026-01-02"];
    let early = Said::from(place.command(&early).output().unwrap());
    let told = early.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("publications are known since 2026-11-22"), "{}", early.out);
    assert!(told.contains("Lists: sanctions: no publication of that day"), "{}", early.out);
}
