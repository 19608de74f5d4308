//! Goldens of policies: explained, checked, compared, and what decided a screening.

use super::{ETHER, answers, check, finding, listing, screening, snapshot, text};
use crate::cli::batch::summary::InputRead;
use crate::cli::policy::differences::{
    ChangedDecision, Compared, Differences, Item, Rule, Setting,
};
use crate::cli::policy::explanation::Explanation;
use crate::cli::render::{policy, policy_check, policy_diff};
use crate::cli::text::Style;
use crate::grpc::v1;
use crate::screening::policy::Policy;
use crate::source::rows::LineCounts;
use v1::screening_item::Outcome;

/// A policy with everything that a file can say.
fn full() -> Policy {
    let text = Policy::built_in().text().replace("name = \"built-in-3\"", "name = \"full\"").replace(
        "[weights.category]",
        "[weights.category]\nscam = 60\n\"hostile \\u001B[2J\" = 80\n[staleness]\ntransfers = \"1h\"\nlist_kind = { SANCTIONS = \"1d\" }\n",
    );
    let text = text.replace("[requires]\n", "[requires]\nlists = [\"us-ofac-sdn\"]\n");
    Policy::parse(&text.replace("Property of", "Property\\u202E of")).unwrap()
}

fn known(name: &str, path: &str) -> Option<v1::Policy> {
    let since = Some(pbjson_types::Timestamp { seconds: 1_763_600_000, nanos: 0 });
    Some(v1::Policy {
        version: text(name),
        path: text(path),
        in_force_since: since,
        ..Default::default()
    })
}

#[test]
fn a_policy_in_plain_words() {
    let built_in = Explanation::new(&Policy::built_in());
    check("policy-built-in.txt", &policy::text(&built_in, None, Style::PLAIN));
    let counts = |live: v1::Decision, shadow: v1::Decision, count| v1::ShadowCount {
        in_force: live.into(),
        shadow: shadow.into(),
        count,
    };
    let stands = v1::GetPolicyResponse {
        policy: known("full@0123456789abcdef", "/etc/lazaretto/\u{1b}policy.toml"),
        shadow: known("strict@0123456789abcdef", "strict.toml"),
        shadow_counts: vec![
            counts(v1::Decision::Allow, v1::Decision::Allow, 120),
            counts(v1::Decision::Review, v1::Decision::Block, 1),
        ],
        reload_problems: vec![text(
            "policy.toml: line 3: \u{202e}bands.low: must be from 1\nand so",
        )],
    };
    let full = Explanation::new(&full());
    check("policy-in-force.txt", &policy::text(&full, Some(&stands), Style::PLAIN));
}

#[test]
fn a_valid_file_in_a_few_lines() {
    let mut shown = policy_check::text("policy.toml", &Policy::built_in());
    shown.push_str(&policy_check::text("hostile\u{1b}[2J.toml", &full()));
    check("policy-check.txt", &shown);
}

#[test]
fn policies_read_again() {
    let response = |changed| v1::ReloadPolicyResponse {
        policy: known("full@0123456789abcdef", "policy.toml"),
        shadow: known("strict\u{202e}@0123456789abcdef", "strict.toml"),
        changed,
    };
    let mut shown = policy::reloaded(&response(true));
    let alone = v1::ReloadPolicyResponse {
        policy: known("built-in-3@0123456789abcdef", ""),
        shadow: None,
        ..response(false)
    };
    shown.push_str(&policy::reloaded(&alone));
    check("policy-reload.txt", &shown);
}

fn outcome(decision: v1::Decision, score: u32, rule: &str) -> v1::PolicyOutcome {
    let exposed = v1::Finding {
        exposure: Some(v1::Exposure { hops: 2, ..Default::default() }),
        ..finding(v1::FindingKind::ReceivedFrom, score, listing())
    };
    v1::PolicyOutcome {
        status: v1::ScreeningStatus::Complete.into(),
        decision: decision.into(),
        score,
        level: v1::RiskLevel::Medium.into(),
        rule: Some(deciding(rule)),
        finding: Some(exposed),
        incomplete_reasons: Vec::new(),
    }
}

fn deciding(id: &str) -> v1::DecidingRule {
    v1::DecidingRule {
        id: text(id),
        floor: id == "incomplete",
        threshold: text("finding = RECEIVED_FROM or SENT_TO, hops_at_most = 2\u{1b}"),
        observed: text("finding = RECEIVED_FROM, list_kind = SANCTIONS, hops = 2\u{202e}"),
    }
}

fn item(row: u64, old: v1::PolicyOutcome, new: v1::PolicyOutcome) -> Item {
    let comparison =
        v1::ComparedItem { baseline: Some(old), candidate: Some(new), ..Default::default() };
    Item { row, address: text(ETHER), chain: String::new(), comparison }
}

fn compared() -> Compared {
    use v1::Decision::{Allow, Block, Review};
    let incomplete = v1::PolicyOutcome {
        status: v1::ScreeningStatus::Incomplete.into(),
        finding: None,
        incomplete_reasons: vec![v1::IncompleteReason {
            code: v1::IncompleteReasonCode::RequiredListMissing.into(),
            list_id: text("house"),
            detail: text("the policy requires \u{1b}it"),
        }],
        ..outcome(Review, 0, "incomplete")
    };
    let clean = v1::PolicyOutcome {
        rule: Some(v1::DecidingRule { id: text("no-finding"), ..Default::default() }),
        finding: None,
        ..outcome(Allow, 0, "")
    };
    let error =
        v1::ScreeningError { message: text("the line is no\u{7}thing"), ..Default::default() };
    let refused = Item {
        row: 4,
        address: text("\u{202e}x"),
        chain: String::new(),
        comparison: v1::ComparedItem { error: Some(error), ..Default::default() },
    };
    let moved = |old, new, count| ChangedDecision { old, new, count };
    Compared {
        snapshot_ids: vec![text("8f3a61c09b2e"), text("9f3a61c09b2e")],
        read: InputRead {
            other_keys: 0,
            rows: 1_205,
            lines: Some(LineCounts { lines: 1_206, heading_lines: 1, ..LineCounts::default() }),
        },
        screened: 1_204,
        refused: 1,
        decisions_changed: 2,
        scores_changed: 1,
        matrix: vec![
            moved(Allow, Allow, 1_201),
            moved(Allow, Review, 1),
            moved(Review, Block, 1),
            moved(Block, Block, 1),
        ],
        items: vec![
            item(2, outcome(Review, 50, "exposure"), outcome(Block, 70, "near")),
            item(3, clean, incomplete),
            refused,
            Item {
                chain: text("eip155:1"),
                ..item(9, outcome(Block, 50, "a"), outcome(Block, 50, "a"))
            },
        ],
    }
}

#[test]
fn whose_decision_changes_and_why() {
    let same = Differences {
        baseline_version: text("a@0123456789abcdef"),
        candidate_version: text("b@0123456789abcdef"),
        settings: Vec::new(),
        rules: Vec::new(),
        sample: None,
    };
    let mut shown = policy_diff::text(&same, Style::PLAIN);
    let some = |said: &str| Some(text(said));
    let differences = Differences {
        settings: vec![
            Setting { key: text("bands.low"), old: some("1"), new: some("2") },
            Setting { key: text("weights.category.\u{1b}x"), old: None, new: some("80") },
        ],
        rules: vec![
            Rule {
                id: text("exposure"),
                change: "changed",
                old: some("REVIEW if a"),
                new: some("BLOCK if a\u{7}"),
            },
            Rule { id: text("near"), change: "added", old: None, new: some("BLOCK if b") },
        ],
        sample: Some(compared()),
        ..same
    };
    shown.push('\n');
    shown.push_str(&policy_diff::text(&differences, Style::PLAIN));
    check("policy-diff.txt", &shown);
}

#[test]
fn what_decided_a_screening() {
    let factors = v1::ScoreFactors {
        base: 60,
        list_kind_percent: 100,
        category_percent: 100,
        share_percent: 110,
        value_percent: 100,
        hub_percent: 100,
    };
    let with = |factors, score, kind, exposure| v1::Finding {
        factors: Some(factors),
        decision: v1::Decision::Review.into(),
        rule_id: text("exposure"),
        exposure,
        ..finding(kind, score, listing())
    };
    let exposure = |hops| {
        let list_kind = v1::ListKind::Attribution.into();
        Some(v1::Exposure { hops, list_kind, ..Default::default() })
    };
    let hub = v1::ScoreFactors {
        base: 30,
        list_kind_percent: 75,
        category_percent: 80,
        share_percent: 100,
        hub_percent: 50,
        ..factors
    };
    let most = v1::ScoreFactors { base: 100, share_percent: 1000, ..factors };
    let hostile = v1::ScoreFactors {
        base: u32::MAX,
        list_kind_percent: u32::MAX,
        category_percent: u32::MAX,
        share_percent: u32::MAX,
        value_percent: u32::MAX,
        hub_percent: u32::MAX,
    };
    let found = vec![
        with(most, 100, v1::FindingKind::Listed, None),
        with(hostile, 100, v1::FindingKind::Listed, None),
        with(factors, 66, v1::FindingKind::ReceivedFrom, exposure(1)),
        with(hub, 9, v1::FindingKind::HubExposure, exposure(4)),
    ];
    let shadow = v1::ShadowScreening {
        policy_version: text("strict\u{1b}@0123456789abcdef"),
        status: v1::ScreeningStatus::Incomplete.into(),
        decision: v1::Decision::Block.into(),
        score: 100,
        level: v1::RiskLevel::Severe.into(),
        rule: Some(deciding("near")),
    };
    let answer = v1::Screening {
        rule: Some(deciding("exposure")),
        shadow: Some(shadow),
        ..screening(v1::Decision::Review, 100, found)
    };
    let clean = v1::Screening {
        rule: Some(v1::DecidingRule { id: text("no-finding"), ..Default::default() }),
        ..screening(v1::Decision::Allow, 0, Vec::new())
    };
    let outcomes = [answer, clean].map(|answer| (ETHER, Outcome::Screening(answer)));
    check("screen-decided.txt", &answers(outcomes.into(), snapshot()));
}
