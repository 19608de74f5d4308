//! What every policy holds to, tried with policies by chance; and what files are refused for.

mod differences;
mod files;
pub mod properties;

use super::*;

/// The built-in policy's file with parts of it replaced; each must stand in it.
pub(super) fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = Policy::built_in().text().to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from:?} is not in the file");
        text = text.replacen(from, to, 1);
    }
    text
}

/// The rules at the end of the built-in file replaced.
pub(super) fn with_rules(rules: &str) -> String {
    let text = Policy::built_in().text().to_owned();
    let start = text.find("[[rules]]").expect("it has rules");
    format!("{}{rules}", &text[..start])
}

#[test]
fn the_built_in_policy_is_valid_and_named_by_its_digest() {
    let policy = Policy::built_in();
    let digest: String = policy.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(policy.version(), format!("built-in-3@{digest}"));
    // It requires no more hops than there are, as no other does.
    let required = [3, 5, 8, 15].map(|configured| policy.required_hops(configured));
    assert_eq!(required, [3, 5, 5, 5]);
    let own = Policy::parse(&edited(&[("built-in-3", "own")])).unwrap();
    assert_eq!([3, 8].map(|configured| own.required_hops(configured)), [5, 5]);
    let changed = Policy::parse(&edited(&[("low = 1", "low = 2")])).unwrap();
    assert_ne!(changed.digest(), policy.digest());
    let levels: Vec<_> = (0..=100).map(|score| policy.level(score)).collect();
    assert!(levels.is_sorted());
    let at = |score: usize| levels[score];
    assert_eq!([at(0), at(1), at(24)], [RiskLevel::None, RiskLevel::Low, RiskLevel::Low]);
    assert_eq!([at(25), at(49)], [RiskLevel::Medium, RiskLevel::Medium]);
    assert_eq!([at(50), at(84)], [RiskLevel::High, RiskLevel::High]);
    assert_eq!([at(85), at(100)], [RiskLevel::Severe, RiskLevel::Severe]);
}

/// What a policy makes of an exposure to a list of kind SANCTIONS: score, level, decision and rule.
fn exposed(policy: &Policy, kind: FindingKind, hops: u8) -> (u8, RiskLevel, Decision, String) {
    let list: ListId = "a".parse().unwrap();
    let direction = Direction::ReceivedFrom;
    let direct = (hops == 1).then(Direct::default);
    let verdict = policy.evaluate(&Subject {
        kind,
        state: ListingState::Standing,
        list: &list,
        list_kind: ListKind::Sanctions,
        category: "",
        role: PathRole::Source,
        category_percent: 100,
        exposure: Some(ScoredExposure { hops, direction, timing: Timing::Before, direct }),
        basis: StartBasis::Unknown,
    });
    let level = policy.level(verdict.score);
    (verdict.score, level, verdict.decision, policy.rule_id(verdict.by).to_owned())
}

#[test]
fn six_hops_and_more_are_low_and_allowed_by_the_built_in_policy() {
    let policy = Policy::built_in();
    for kind in [FindingKind::ReceivedFrom, FindingKind::SentTo, FindingKind::HubExposure] {
        let mut before = 100;
        for hops in 1..=crate::exposure::MAX_HOPS {
            let (score, level, decision, rule) = exposed(&policy, kind, hops);
            assert!(score <= before && score > 0, "{kind:?} over {hops} hops: {score}");
            before = score;
            let (want, by) = if hops < 6 {
                (Decision::Review, if hops == 1 { rule.as_str() } else { "exposure" })
            } else {
                assert_eq!(level, RiskLevel::Low, "{kind:?} over {hops} hops");
                (Decision::Allow, "far-exposure")
            };
            assert_eq!((decision, rule.as_str()), (want, by), "{kind:?} over {hops} hops");
        }
    }
}

/// What a policy makes of an address that is joined with one of a list: score, decision and rule.
fn joined(policy: &Policy, list_kind: ListKind) -> (u8, Decision, String) {
    let list: ListId = "a".parse().unwrap();
    let verdict = policy.evaluate(&Subject {
        kind: FindingKind::CoSpent,
        state: ListingState::Standing,
        list: &list,
        list_kind,
        category: "",
        role: PathRole::Source,
        category_percent: 80,
        exposure: None,
        basis: StartBasis::Unknown,
    });
    (verdict.score, verdict.decision, policy.rule_id(verdict.by).to_owned())
}

#[test]
fn common_inputs_are_reviewed_by_a_rule_of_their_own() {
    let policy = Policy::built_in();
    let review = |score| (score, Decision::Review, "common-input".to_owned());
    assert_eq!(joined(&policy, ListKind::Sanctions), review(95));
    assert_eq!(policy.level(95), RiskLevel::Severe);
    assert_eq!(joined(&policy, ListKind::Advisory), review(72));
    // The heaviest category that paths begin at, whichever the first listing has.
    assert_eq!(joined(&policy, ListKind::Attribution), review(57));
    let lax = "[[rules]]\nid = \"lax\"\ndecision = \"ALLOW\"\nfinding = [\"CO_SPENT\"]\n\
               [[rules]]\nid = \"rest\"\ndecision = \"BLOCK\"\nfinding = [\"HUB_EXPOSURE\"]\n";
    let lax = Policy::parse(&with_rules(lax)).unwrap();
    let by_floor = (95, Decision::Block, SOURCE_FLOOR.to_owned());
    assert_eq!(joined(&lax, ListKind::Sanctions), by_floor, "as what it may hide is decided on");
    let least = Policy::parse(&edited(&[("co_spent = 95", "co_spent = 94")])).unwrap();
    let by_rule = (94, Decision::Review, "common-input".to_owned());
    assert_eq!(joined(&least, ListKind::Sanctions), by_rule, "as the worst dealing scores");
}

#[test]
fn without_a_base_common_inputs_score_as_the_worst_direct_dealing_at_least() {
    let check = |edits: &[(&str, &str)], score: u8| {
        let text = edited(&[&[("co_spent = 95\n", "")], edits].concat());
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(joined(&policy, ListKind::Sanctions).0, score, "{edits:?}");
    };
    check(&[], 95);
    check(&[("received_from = [60", "received_from = [61")], 96);
    check(&[("sent_to = [60", "sent_to = [62")], 97);
    check(&[("score_percent = 130", "score_percent = 135")], 98);
    check(&[("sent_to = [60", "sent_to = [80")], 100);
}

#[test]
fn the_last_policy_is_valid_and_says_what_it_said() {
    let policy = Policy::parse(include_str!("../../../data/policy-2.toml")).unwrap();
    assert_eq!(policy.version(), "built-in-2@7d97363d493458ad", "answers name it so");
    for hops in 1..=crate::exposure::MAX_HOPS {
        let said = exposed(&policy, FindingKind::SentTo, hops);
        assert_eq!(said, exposed(&Policy::built_in(), FindingKind::SentTo, hops), "{hops} hops");
    }
    assert_eq!(joined(&policy, ListKind::Sanctions), (95, Decision::Review, NO_RULE.to_owned()));
}

#[test]
fn the_policy_before_is_valid_and_says_what_it_said() {
    let policy = Policy::parse(include_str!("../../../data/policy-1.toml")).unwrap();
    assert_eq!(policy.version(), "built-in@8c5cf7c8d3df1eb6", "answers name it so");
    assert_eq!(joined(&policy, ListKind::Sanctions), (95, Decision::Review, NO_RULE.to_owned()));
    assert_eq!([5, 8].map(|configured| policy.required_hops(configured)), [5, 8]);
    // Made for eight hops: what lies farther scores as they do, and is not clean.
    let want = [60, 50, 40, 30, 25, 20, 15, 10, 10, 10, 10, 10, 10, 10, 10];
    for (hops, score) in (2..).zip(&want[1..]) {
        let level = if *score < 25 { RiskLevel::Low } else { policy.level(*score) };
        let want = (*score, level, Decision::Review, "exposure".to_owned());
        assert_eq!(exposed(&policy, FindingKind::SentTo, hops), want, "{hops} hops");
    }
}

#[test]
fn hops_without_a_score_have_the_last_that_is_given() {
    let text = |scores: &str| {
        let row = "sent_to = [60, 50, 40, 30, 25, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1]";
        edited(&[(row, &format!("sent_to = [{scores}]"))])
    };
    let scores = |given: &str| {
        let policy = Policy::parse(&text(given)).unwrap();
        policy.exposure_scores(FindingKind::SentTo, ListKind::Sanctions, 100)
    };
    let nine = [9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 1, 1];
    assert_eq!(scores("9, 8, 7, 6, 5, 4, 3, 2, 1"), nine);
    assert_eq!(scores("9, 8, 7, 6, 5, 4, 3, 2"), [9, 8, 7, 6, 5, 4, 3, 2, 2, 2, 2, 2, 2, 2, 2]);
    for (count, given) in [(7, "7, 6, 5, 4, 3, 2, 1"), (16, &"1, ".repeat(16)), (0, "")] {
        let error = Policy::parse(&text(given)).unwrap_err().to_string();
        let says = format!("base.sent_to: must have 8 to 15 scores, for 1 hop and on, not {count}");
        assert!(error.contains(&says), "{error}");
    }
}
