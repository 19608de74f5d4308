//! docs/policy.md against the policy itself: its worked examples are computed, its keys exist, and
//! the example policy does what is said of it.

use std::path::Path;

use lazaretto::domain::list::{ListKind, StartBasis};
use lazaretto::exposure::{Direct, Direction, Timing};
use lazaretto::screening::categories::PathRole;
use lazaretto::screening::policy::{
    Decision, Factors, INCOMPLETE_FLOOR, NO_FINDING, NO_RULE, Policy, REMOVED, RiskLevel,
    SANCTIONS_FLOOR, SOURCE_FLOOR, ScoredExposure, Subject,
};
use lazaretto::screening::{FindingKind, ListingState, Scope, ScopeFilter};

use crate::support::desk::{Desk, list_id};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the table whose first heading is `first`: their cells.
fn table(text: &str, first: &str) -> Vec<Vec<String>> {
    let heading = format!("| {first} |");
    let rows = text.lines().skip_while(|line| !line.starts_with(&heading)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

fn by_name<T: Copy, const N: usize>(
    all: [T; N],
    name: impl Fn(T) -> &'static str,
    wanted: &str,
) -> T {
    let found = all.into_iter().find(|one| name(*one) == wanted);
    found.unwrap_or_else(|| panic!("{wanted:?} is no name"))
}

/// What the document leaves open as `?` is not known.
fn known<T: std::str::FromStr>(cell: &str) -> Option<T> {
    if cell == "?" { None } else { Some(cell.parse().ok().unwrap()) }
}

/// How an example is exposed; `None` where the address itself is listed.
fn exposed(kind: FindingKind, cells: &[String]) -> Option<ScoredExposure> {
    let [hops, timing, share, value] = cells else { panic!("{cells:?}") };
    let direction = match kind {
        FindingKind::SentTo => Direction::SentTo,
        FindingKind::ReceivedFrom | FindingKind::HubExposure => Direction::ReceivedFrom,
        _ => {
            assert_eq!(cells, ["-", "-", "-", "-"], "a listing of the address itself has none");
            return None;
        }
    };
    let direct = (share != "-").then(|| Direct {
        share: known::<f64>(share).map(|percent| (percent * 100.0).round() as u16),
        value: known(value),
    });
    let hops = hops.parse().unwrap();
    assert_eq!(direct.is_some(), hops == 1, "direct dealings are of one hop");
    let timing = match timing.as_str() {
        "-" => Timing::Before,
        timing => by_name(Timing::ALL, Timing::as_str, timing),
    };
    Some(ScoredExposure { hops, direction, timing, direct })
}

/// `60 x 120 % x 110 %`: the factors that are not 100 %.
fn made_of(factors: Option<Factors>) -> String {
    let Some(factors) = factors else { return "not scored".to_owned() };
    let Factors { base, list_kind, category, share, value, hub } = factors;
    let percents = [list_kind.into(), category.into(), share, value, hub.into()];
    let said = percents.iter().filter(|percent| **percent != 100);
    let said: String = said.map(|percent: &u16| format!(" x {percent} %")).collect();
    format!("{base}{said}")
}

fn level(level: RiskLevel) -> &'static str {
    match level {
        RiskLevel::None => "NONE",
        RiskLevel::Low => "LOW",
        RiskLevel::Medium => "MEDIUM",
        RiskLevel::High => "HIGH",
        RiskLevel::Severe => "SEVERE",
    }
}

#[test]
fn worked_examples_are_what_the_policy_computes() {
    let policy = Policy::built_in();
    let list = list_id("example");
    let examples = table(&document(), "finding");
    for cells in &examples {
        let kind = by_name(FindingKind::ALL, FindingKind::as_str, &cells[0]);
        let list_kind = by_name(ListKind::ALL, ListKind::as_str, &cells[1]);
        let verdict = policy.evaluate(&Subject {
            kind,
            state: ListingState::Standing,
            list: &list,
            list_kind,
            category: "",
            role: match list_kind {
                ListKind::Service => PathRole::Stop,
                _ => PathRole::Source,
            },
            category_percent: 100,
            exposure: exposed(kind, &cells[2..6]),
            basis: StartBasis::Unknown,
        });
        let said = [
            made_of(verdict.factors),
            verdict.score.to_string(),
            level(policy.level(verdict.score)).to_owned(),
            verdict.decision.as_str().to_owned(),
            format!("`{}`", policy.rule_id(verdict.by)),
        ];
        assert_eq!(said, cells[6..], "{cells:?}");
    }
    for rule in policy.rules() {
        let cell = format!("`{}`", rule.id());
        assert!(examples.iter().any(|cells| cells[10] == cell), "{cell} has no example");
    }
}

/// The built-in policy with other rules.
fn with_rules(rules: &str) -> Policy {
    let built_in = Policy::built_in();
    let text = built_in.text();
    let head = &text[..text.find("[[rules]]").unwrap()];
    Policy::parse(&format!("{head}{rules}")).unwrap()
}

/// Score, decision and what decided, of a finding on a list of kind SANCTIONS.
fn verdict(
    policy: &Policy,
    kind: FindingKind,
    state: ListingState,
    exposure: Option<ScoredExposure>,
) -> (u8, Decision, String) {
    judged_on(ListKind::Sanctions, policy, kind, state, exposure)
}

/// The same on a list of any kind.
fn judged_on(
    list_kind: ListKind,
    policy: &Policy,
    kind: FindingKind,
    state: ListingState,
    exposure: Option<ScoredExposure>,
) -> (u8, Decision, String) {
    let list = list_id("example");
    let verdict = policy.evaluate(&Subject {
        kind,
        state,
        list: &list,
        list_kind,
        category: "",
        role: PathRole::Source,
        category_percent: 100,
        exposure,
        basis: StartBasis::Unknown,
    });
    (verdict.score, verdict.decision, policy.rule_id(verdict.by).to_owned())
}

/// The same of an address that nobody lists, by the policy in force.
fn screened(desk: &Desk) -> (u8, Decision, String) {
    let snapshot = desk.engine().snapshot().unwrap();
    let scope = Scope::new(&snapshot, &ScopeFilter::default(), desk.engine().now()).unwrap();
    let screening = scope.screen("0x0d00000000000000000000000000000000000055", None, None).unwrap();
    (screening.score, screening.decision, screening.rule().0.to_owned())
}

#[test]
fn floors_and_what_holds_where_no_rule_fits_are_as_said() {
    let text = document();
    // The policy that says ALLOW to everything, as the document shows it.
    let shown = text.split("```toml\n").find(|part| part.contains("\"everything\"")).unwrap();
    let lenient = with_rules(shown.split("```").next().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lenient.toml");
    std::fs::write(&path, lenient.text()).unwrap();
    let policy = format!("policy={}", path.display());
    let list = "# published: 2025-11-20\naddress\n0xbad0000000000000000000000000000000000001\n";
    let advised = |set: &[&str]| {
        let set = [&["lists.other.kind=ADVISORY"], set].concat();
        let desk = Desk::new("2025-11-20", &set);
        desk.import_csv("other", list, None).unwrap();
        desk
    };
    let built_in = Policy::built_in();
    let listed = |policy, state| verdict(policy, FindingKind::Listed, state, None);
    let one = with_rules("[[rules]]\nid = \"one\"\ndecision = \"BLOCK\"\nfinding = [\"LISTED\"]\n");
    let mild = with_rules(
        "[[rules]]\nid = \"mild\"\ndecision = \"ALLOW\"\nfinding = [\"LISTED\"]\n\
         [[rules]]\nid = \"rest\"\ndecision = \"BLOCK\"\n",
    );
    let two_hops = exposed(FindingKind::ReceivedFrom, &["2", "-", "-", "-"].map(str::to_owned));
    let computed = [
        listed(&lenient, ListingState::Standing),
        judged_on(ListKind::Advisory, &mild, FindingKind::Listed, ListingState::Standing, None),
        screened(&advised(&[&policy])),
        listed(&built_in, ListingState::Removed),
        verdict(&one, FindingKind::ReceivedFrom, ListingState::Standing, two_hops),
        screened(&advised(&["lists.us-ofac-sdn.enabled=false"])),
    ];
    let ids = [SANCTIONS_FLOOR, SOURCE_FLOOR, INCOMPLETE_FLOOR, REMOVED, NO_RULE, NO_FINDING];
    let said = table(&text, "what decides");
    assert_eq!(said.len(), computed.len());
    for ((cells, (score, decision, by)), id) in said.iter().zip(computed).zip(ids) {
        assert_eq!(by, id, "{cells:?}");
        let want = [format!("`{by}`"), score.to_string(), decision.as_str().to_owned()];
        assert_eq!([&cells[0], &cells[2], &cells[3]], [&want[0], &want[1], &want[2]]);
    }
}

/// The keys that a table of a policy takes, as the reader itself names them where it meets another
/// one: `nonsense` is put in front of `before`, under `head`.
fn keys(head: &str, before: &str) -> Vec<String> {
    let text = Policy::built_in().text().to_owned();
    assert!(text.contains(before), "{before:?} is not in the policy");
    let text = text.replacen(before, &format!("{head}nonsense = 1\n{before}"), 1);
    let message = Policy::parse(&text).unwrap_err().0.remove(0).message;
    let names = message.strip_prefix("unknown field `nonsense`, expected").unwrap_or_else(|| {
        panic!("{before:?}: {message}");
    });
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_is_explained() {
    let text = document();
    let tables = [
        ("", "", "name = "),
        ("bands.", "", "low = "),
        ("weights.", "[weights]\n", "[weights.list_kind]"),
        ("base.", "", "listed_verbatim = "),
        ("share.", "", "at_least_percent = "),
        ("value.", "", "at_least_floors = "),
        ("staleness.", "[staleness]\n", "[[share]]"),
        ("requires.", "", "max_hops = "),
        ("", "", "id = "),
    ];
    // A key that holds others is explained by them.
    let holds = ["bands", "weights", "base", "share", "value", "staleness", "requires"];
    let mut explained = 0;
    for (table, head, before) in tables {
        for key in keys(head, before).into_iter().filter(|key| !holds.contains(&key.as_str())) {
            let shown = [format!("`{table}{key}`"), format!("`{table}{key}.<")];
            assert!(
                shown.iter().any(|shown| text.contains(shown)),
                "{table}{key} is not explained"
            );
            explained += 1;
        }
    }
    assert!(explained > 30, "{explained}");
}

#[test]
fn the_strict_example_blocks_what_is_near() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/example/strict-policy.toml");
    let policy = Policy::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let list = list_id("example");
    for list_kind in [ListKind::Sanctions, ListKind::Advisory] {
        for (hops, decision) in [(2, Decision::Block), (3, Decision::Review)] {
            for direction in [Direction::ReceivedFrom, Direction::SentTo] {
                let kind = match direction {
                    Direction::ReceivedFrom => FindingKind::ReceivedFrom,
                    Direction::SentTo => FindingKind::SentTo,
                };
                let (timing, direct) = (Timing::Before, None);
                let exposure = Some(ScoredExposure { hops, direction, timing, direct });
                let verdict = policy.evaluate(&Subject {
                    kind,
                    state: ListingState::Standing,
                    list: &list,
                    list_kind,
                    category: "",
                    role: PathRole::Source,
                    category_percent: 100,
                    exposure,
                    basis: StartBasis::Unknown,
                });
                assert_eq!(verdict.decision, decision, "{list_kind} {hops} {direction:?}");
            }
        }
    }
    // So does whoever is joined with a sanctioned address.
    let joined = |list_kind| {
        judged_on(list_kind, &policy, FindingKind::CoSpent, ListingState::Standing, None)
    };
    let blocked = (100, Decision::Block, "joined".to_owned());
    assert_eq!(joined(ListKind::Sanctions), blocked);
    // By an advisory it is a rule for all else, and what it may hide is blocked.
    assert_eq!(joined(ListKind::Advisory), (100, Decision::Block, SOURCE_FLOOR.to_owned()));
    assert_eq!(joined(ListKind::Seizure).1, Decision::Review);
}
