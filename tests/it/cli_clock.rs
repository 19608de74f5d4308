//! A machine whose clock is behind: it is named, and no age is made up.

use crate::support::place::{FAR, Place};
use crate::support::program::Said;

/// Three weeks before the list of sanctions was published.
const BEHIND: &str = "2026-11-01T12:00:00Z";

#[test]
fn a_clock_that_is_behind_is_named() {
    let place = Place::new();
    let at = |now: &str, arguments: &[&str]| {
        Said::from(place.command(arguments).env("LAZARETTO_TEST_NOW", now).output().unwrap())
    };
    let says = "this machine's clock is behind: it says 2026-11-01T12:00:00Z, the list was checked \
                at 2026-11-22";
    let screened = at(BEHIND, &["screen", FAR, "-v"]);
    assert_eq!(screened.status, 10, "{}{}", screened.out, screened.err);
    assert!(screened.out.contains("INCOMPLETE"), "{}", screened.out);
    let told = screened.out.matches(says).count();
    assert!(told >= 2, "as a reason and in place of the age:\n{}", screened.out);
    let lists = at(BEHIND, &["lists", "ls"]);
    assert!(lists.out.contains(says), "{}", lists.out);
    for said in [&screened, &lists] {
        let is_dated = [" s old", "minute old"].iter().any(|age| said.out.contains(age));
        assert!(!is_dated, "{}", said.out);
    }
    // Somewhere it is tomorrow already.
    let tomorrow = at("2026-11-21T12:00:00Z", &["lists", "ls"]);
    assert!(tomorrow.out.contains("less than a minute old (limit 2 d)"), "{}", tomorrow.out);
}
