//! What holds of every finding by every policy that is accepted.

use proptest::prelude::*;

use super::super::*;
use crate::exposure::MAX_HOPS;

/// A policy with other numbers: of any that `Policy::parse` accepts.
pub fn policy() -> impl Strategy<Value = Policy> {
    let falling = || {
        prop::collection::vec(0_u8..=100, MAX_HOPS as usize).prop_map(|mut scores| {
            scores.sort_unstable_by(|a, b| b.cmp(a));
            scores
        })
    };
    let rising = || {
        prop::collection::btree_map(0_u64..=10_000, 100_u16..=1_000, 0..4).prop_map(|steps| {
            let mut percents: Vec<_> = steps.values().copied().collect();
            percents.sort_unstable();
            steps.into_keys().zip(percents).collect::<Vec<_>>()
        })
    };
    let weights = prop::collection::vec(0_u8..=100, 5);
    // What CO_SPENT has above the least that it may have.
    let own = (1_u8..=100, prop::option::of(0_u64..=100));
    let numbers = (falling(), falling(), rising(), rising(), weights, 0_u8..=100, own);
    numbers.prop_map(|(received, sent, shares, values, weights, hub, (verbatim, above))| {
        let last = |steps: &[(u64, u16)]| steps.last().map_or(100, |step| u64::from(step.1));
        let highest = u64::from(received[0].max(sent[0])) * last(&shares) * last(&values);
        let least = highest.div_ceil(10_000).clamp(1, 100);
        let co_spent = above
            .map_or(String::new(), |above| format!("co_spent = {}\n", (least + above).min(100)));
        let mut text = format!(
            "name = \"chance\"\n[bands]\nlow = 1\nmedium = 25\nhigh = 50\nsevere = 85\n\
             [weights.list_kind]\nSANCTIONS = 100\nADVISORY = {}\nSEIZURE = {}\n\
             ISSUER_FREEZE = {}\nATTRIBUTION = {}\nSERVICE = 0\n\
             [weights.category]\nscam = {}\n\
             [base]\nlisted_verbatim = {verbatim}\n{co_spent}received_from = {received:?}\n\
             sent_to = {sent:?}\nhub_percent = {hub}\n",
            weights[0], weights[1], weights[2], weights[3], weights[4]
        );
        for (at_least, percent) in shares {
            let (whole, rest) = (at_least / 100, at_least % 100);
            text += &format!(
                "[[share]]\nat_least_percent = {whole}.{rest:02}\nscore_percent = {percent}\n"
            );
        }
        for (at_least, percent) in values {
            text +=
                &format!("[[value]]\nat_least_floors = {at_least}\nscore_percent = {percent}\n");
        }
        text += "[[rules]]\nid = \"high\"\ndecision = \"REVIEW\"\nscore_at_least = 50\n\
                 [[rules]]\nid = \"low\"\ndecision = \"ALLOW\"\nscore_below = 50\n";
        Policy::parse(&text).expect("it is within all bounds")
    })
}

fn any_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

static KINDS: [ListKind; 6] = ListKind::ALL;
static LISTED: [FindingKind; 4] =
    [FindingKind::Listed, FindingKind::SameKey, FindingKind::ListedVerbatim, FindingKind::CoSpent];
static STATES: [ListingState; 3] = ListingState::ALL;
static TIMINGS: [Timing; 3] = Timing::ALL;

/// A listing of the address itself, or one that it is joined with.
fn listed(list: &ListId) -> impl Strategy<Value = Subject<'_>> {
    let category = any_of(&["", "scam", "exchange", "scam, exchange"]);
    (any_of(&LISTED), any_of(&STATES), any_of(&KINDS), category).prop_map(
        move |(kind, state, list_kind, category)| Subject {
            kind,
            state,
            list,
            list_kind,
            category,
            role: match list_kind {
                ListKind::Service => PathRole::Stop,
                ListKind::Sanctions
                | ListKind::Advisory
                | ListKind::Seizure
                | ListKind::IssuerFreeze
                | ListKind::Attribution => PathRole::Source,
            },
            category_percent: 100,
            exposure: None,
            basis: StartBasis::Unknown,
        },
    )
}

/// A direct dealing or more hops.
fn exposed(list: &ListId) -> impl Strategy<Value = Subject<'_>> {
    let direct = prop::option::of((
        prop::option::of(0_u16..=10_000),
        prop::option::of(prop_oneof![0_u64..20_000, Just(u64::from(u32::MAX))]),
    ));
    let received = any::<bool>();
    (direct, 2..=MAX_HOPS, received, any::<bool>(), any_of(&TIMINGS), any_of(&KINDS[..5])).prop_map(
        move |(direct, hops, received, hub, timing, list_kind)| {
            let direct = direct.filter(|_| !hub).map(|(share, value)| Direct { share, value });
            let hops = if direct.is_some() { 1 } else { hops };
            let direction = if received { Direction::ReceivedFrom } else { Direction::SentTo };
            let kind = match (hub, received) {
                (true, _) => FindingKind::HubExposure,
                (false, true) => FindingKind::ReceivedFrom,
                (false, false) => FindingKind::SentTo,
            };
            let exposed = ScoredExposure { hops, direction, timing, direct };
            Subject {
                kind,
                state: ListingState::Standing,
                list,
                list_kind,
                category: "",
                role: PathRole::Source,
                category_percent: 100,
                exposure: Some(exposed),
                basis: StartBasis::Unknown,
            }
        },
    )
}

fn with<'a>(subject: Subject<'a>, change: impl Fn(&mut ScoredExposure)) -> Subject<'a> {
    let mut exposed = subject.exposure.unwrap();
    change(&mut exposed);
    Subject { exposure: Some(exposed), ..subject }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_standing_sanctions_listing_is_100_and_blocks(
        policy in policy(),
        subject in listed(&"a".parse().unwrap()),
    ) {
        let verdict = policy.evaluate(&subject);
        let standing = subject.state != ListingState::Removed;
        let certain = standing
            && subject.list_kind == ListKind::Sanctions
            && matches!(subject.kind, FindingKind::Listed | FindingKind::SameKey);
        if certain {
            prop_assert_eq!((verdict.score, verdict.decision), (100, Decision::Block));
        }
        if !standing {
            prop_assert_eq!((verdict.score, verdict.decision), (0, Decision::Allow));
            prop_assert_eq!(verdict.by, DecidingRule::Removed);
        }
        // What a score is made of gives it, worked out anew.
        if let Some(f) = verdict.factors.filter(|_| !certain) {
            let raised = f64::from(f.base) * f64::from(f.share) / 100.0 * f64::from(f.value)
                / 100.0 * f64::from(f.hub) / 100.0;
            let product = raised.min(100.0) * f64::from(f.list_kind) / 100.0
                * f64::from(f.category) / 100.0;
            let expected = (product - 1e-9).ceil().clamp(0.0, 100.0);
            prop_assert_eq!(f64::from(verdict.score), expected);
        }
    }

    #[test]
    fn joined_with_a_listed_one_is_never_milder_than_a_dealing(
        policy in policy(),
        hidden in exposed(&"a".parse().unwrap()),
        category_percent in 0_u8..=100,
    ) {
        let hidden = Subject { category_percent, ..hidden };
        let joined = Subject { kind: FindingKind::CoSpent, exposure: None, ..hidden };
        let [joined, dealing] = [joined, hidden].map(|subject| policy.evaluate(&subject));
        prop_assert!(joined.score >= dealing.score, "{hidden:?}");
        prop_assert!(policy.level(joined.score) >= policy.level(dealing.score), "{hidden:?}");
        prop_assert!(joined.decision >= dealing.decision, "{hidden:?}");
    }

    #[test]
    fn farther_is_never_worse_and_more_is_never_better(
        policy in policy(),
        subject in exposed(&"a".parse().unwrap()),
        share in 0_u16..=10_000,
        value in 0_u64..1_000_000,
    ) {
        let verdict = policy.evaluate(&subject);
        let farther = policy.evaluate(&with(subject, |e| {
            (e.hops, e.direct) = (e.hops + 1, None);
        }));
        prop_assert!(farther.score <= verdict.score, "{subject:?}");
        prop_assert!(farther.decision <= verdict.decision, "{subject:?}");
        let Some(direct) = subject.exposure.unwrap().direct else { return Ok(()) };
        let more = with(subject, |e| {
            e.direct = Some(Direct {
                share: direct.share.map(|s| s.saturating_add(share).min(10_000)),
                value: direct.value.map(|v| v + value),
            });
        });
        prop_assert!(policy.evaluate(&more).score >= verdict.score, "{more:?}");
        // What is not known counts as the most.
        let unknown = with(subject, |e| e.direct = Some(Direct { share: None, value: None }));
        prop_assert!(policy.evaluate(&unknown).score >= verdict.score, "{unknown:?}");
    }
}

fn hops() -> impl Strategy<Value = u8> {
    prop_oneof![1_u8..=3, 6..=MAX_HOPS]
}

/// Rules by chance, as text.
fn rules() -> impl Strategy<Value = String> {
    let number = |most: u64| prop::option::weighted(0.3, 0..=most);
    let timing = prop::option::weighted(0.3, prop::sample::select(&["AFTER", "BEFORE", "UNKNOWN"]));
    let decision = prop::sample::select(&["ALLOW", "REVIEW", "BLOCK"]);
    let share = (number(2), number(2));
    let value = (number(2), number(2));
    let hops = || prop::option::weighted(0.3, prop_oneof![0_u64..=3, 7_u64..=15]);
    let rule = (decision, hops(), hops(), share, value, (number(60), number(60)), timing);
    let rule = rule.prop_map(|(decision, from, to, share, value, score, timing)| {
        let mut text = format!("decision = \"{decision}\"\n");
        let to = if timing.is_some() { Some(1) } else { to };
        let numbers = [
            ("hops_at_least", from),
            ("hops_at_most", to),
            ("share_at_least_percent", share.0),
            ("share_below_percent", share.1),
            ("value_at_least_floors", value.0),
            ("value_below_floors", value.1),
            ("score_at_least", score.0),
            ("score_below", score.1),
        ];
        for (key, number) in numbers {
            text += &number.map_or(String::new(), |number| {
                if key.contains("percent") {
                    format!("{key} = {number}.0\n")
                } else {
                    format!("{key} = {number}\n")
                }
            });
        }
        if let Some(timing) = timing {
            text +=
                &format!("timing = [\"{timing}\"]\nfinding = [\"RECEIVED_FROM\", \"SENT_TO\"]\n");
        }
        text
    });
    prop::collection::vec(rule, 1..4).prop_map(|rules| {
        let named = |(at, rule)| format!("[[rules]]\nid = \"r{at}\"\n{rule}");
        rules.iter().enumerate().map(named).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn by_rules_that_are_accepted_no_exposure_hides_another(
        rules in rules(),
        list_kind in any_of(&KINDS[..5]),
        near in (hops(), any_of(&TIMINGS), prop::option::of(0_u16..300), prop::option::of(0_u64..4)),
        far in (hops(), any_of(&TIMINGS), prop::option::of(0_u16..300), prop::option::of(0_u64..4)),
    ) {
        let Ok(policy) = Policy::parse(&super::with_rules(&rules)) else { return Ok(()) };
        let list: ListId = "a".parse().unwrap();
        let evaluate = |(hops, timing, share, value): (u8, Timing, Option<u16>, Option<u64>)| {
            let direct = (hops == 1).then_some(Direct { share, value });
            let direction = Direction::SentTo;
            let exposure = Some(ScoredExposure { hops, direction, timing, direct });
            let (kind, state) = (FindingKind::SentTo, ListingState::Standing);
            policy.evaluate(&Subject {
                kind,
                state,
                list: &list,
                list_kind,
                category: "",
                role: PathRole::Source,
                category_percent: 100,
                exposure,
                basis: StartBasis::Unknown,
            })
        };
        // A listed address shows no exposure to others of its kind.
        let listed = policy.evaluate(&Subject {
            kind: FindingKind::Listed,
            state: ListingState::Standing,
            list: &list,
            list_kind,
            category: "",
            role: PathRole::Source,
            category_percent: 100,
            exposure: None,
            basis: StartBasis::Unknown,
        });
        // Nor does one that is joined with a listed one.
        let joined = policy.evaluate(&Subject {
            kind: FindingKind::CoSpent,
            state: ListingState::Standing,
            list: &list,
            list_kind,
            category: "",
            role: PathRole::Source,
            category_percent: 100,
            exposure: None,
            basis: StartBasis::Unknown,
        });
        for hidden in [evaluate(near), evaluate(far)] {
            prop_assert!(listed.decision >= hidden.decision && listed.score >= hidden.score);
            prop_assert!(joined.decision >= hidden.decision, "{rules}");
            prop_assert!(joined.score >= hidden.score, "{rules}");
        }
        // What an address shows that has both.
        let both = match near.0.cmp(&far.0) {
            std::cmp::Ordering::Less => near,
            std::cmp::Ordering::Greater => far,
            std::cmp::Ordering::Equal => (
                near.0,
                near.1.min(far.1),
                near.2.zip(far.2).map(|(a, b)| a.max(b)),
                near.3.zip(far.3).map(|(a, b)| a + b),
            ),
        };
        let worst = evaluate(near).decision.max(evaluate(far).decision);
        prop_assert!(evaluate(both).decision >= worst, "{rules}");
    }
}

#[test]
fn of_several_categories_all_must_be_let_pass() {
    let rules = |decision: &str| {
        format!(
            "[[rules]]\nid = \"named\"\ndecision = \"{decision}\"\nfinding = [\"LISTED\"]\n\
             category = [\"gambling\", \"exchange\"]\n"
        )
    };
    let list: ListId = "a".parse().unwrap();
    let check = |decision: &str, category: &str, fits: bool| {
        let policy = Policy::parse(&super::with_rules(&rules(decision))).unwrap();
        let verdict = policy.evaluate(&Subject {
            kind: FindingKind::Listed,
            state: ListingState::Standing,
            list: &list,
            list_kind: ListKind::Attribution,
            category,
            role: PathRole::None,
            category_percent: 100,
            exposure: None,
            basis: StartBasis::Unknown,
        });
        assert_eq!(policy.rule_id(verdict.by) == "named", fits, "{decision} {category}");
    };
    check("ALLOW", "gambling", true);
    check("ALLOW", "gambling, exchange", true);
    check("ALLOW", "gambling,scam", false);
    check("ALLOW", "", false);
    check("BLOCK", "gambling,scam", true);
    check("BLOCK", "scam", false);
}

#[test]
fn the_first_rule_that_fits_wins_and_is_explained() {
    let rules = "[[rules]]\nid = \"after\"\ndecision = \"BLOCK\"\ntiming = [\"AFTER\"]\n\
                 hops_at_most = 1\nfinding = [\"SENT_TO\"]\nshare_at_least_percent = 0.5\n\
                 [[rules]]\nid = \"gone\"\ndecision = \"REVIEW\"\nstate = [\"REMOVED\"]\n\
                 finding = [\"LISTED\"]\nlist = [\"a\"]\n\
                 [[rules]]\nid = \"far\"\ndecision = \"ALLOW\"\nhops_at_least = 4\n";
    let policy = Policy::parse(&super::with_rules(rules)).unwrap();
    let list: ListId = "a".parse().unwrap();
    let exposed = ScoredExposure {
        hops: 1,
        direction: Direction::SentTo,
        timing: Timing::After,
        direct: Some(Direct { share: Some(51), value: Some(7) }),
    };
    let subject = Subject {
        kind: FindingKind::SentTo,
        state: ListingState::Standing,
        list: &list,
        list_kind: ListKind::Advisory,
        category: "",
        role: PathRole::Source,
        category_percent: 100,
        exposure: Some(exposed),
        basis: StartBasis::FirstSeen,
    };
    let check = |subject: Subject<'_>, id: &str, decision: Decision, words: (&str, &str)| {
        let verdict = policy.evaluate(&subject);
        assert_eq!((policy.rule_id(verdict.by), verdict.decision), (id, decision), "{subject:?}");
        let found = policy.decision_text(verdict.by, &subject, verdict.score);
        assert_eq!((found.0.as_str(), found.1.as_str()), words, "{subject:?}");
    };
    let threshold = "finding = SENT_TO, timing = AFTER, hops_at_most = 1, \
                     share_at_least_percent = 0.5";
    let observed = "finding = SENT_TO, list_kind = ADVISORY, timing = AFTER, \
                    timing_basis = FIRST_SEEN, hops = 1, share_percent = 0.51";
    check(subject, "after", Decision::Block, (threshold, observed));
    let unknown = with(subject, |e| e.direct = Some(Direct { share: None, value: None }));
    let observed = "finding = SENT_TO, list_kind = ADVISORY, timing = AFTER, \
                    timing_basis = FIRST_SEEN, hops = 1, share_percent = unknown";
    check(unknown, "after", Decision::Block, (threshold, observed));
    let small = with(subject, |e| e.direct = Some(Direct { share: Some(49), value: Some(7) }));
    let observed = "finding = SENT_TO, list_kind = ADVISORY, list = a, state = STANDING, \
                    timing = AFTER, timing_basis = FIRST_SEEN, hops = 1, share_percent = 0.49, \
                    value_floors = 7, score = 45";
    check(small, NO_RULE, Decision::Review, ("no rule fits", observed));
    let far = with(subject, |e| (e.hops, e.direct) = (4, None));
    let observed = "finding = SENT_TO, list_kind = ADVISORY, hops = 4";
    check(far, "far", Decision::Allow, ("hops_at_least = 4", observed));
    let gone = Subject {
        kind: FindingKind::Listed,
        state: ListingState::Removed,
        exposure: None,
        ..subject
    };
    let observed = "finding = LISTED, list_kind = ADVISORY, list = a, state = REMOVED";
    check(
        gone,
        "gone",
        Decision::Review,
        ("finding = LISTED, list = a, state = REMOVED", observed),
    );
    // No rule lifts the floor, and none fits a removed listing that does not ask for it.
    let sanctioned = Subject { list_kind: ListKind::Sanctions, ..gone };
    let standing = Subject { state: ListingState::Standing, ..sanctioned };
    assert_eq!(policy.evaluate(&standing).by, DecidingRule::SanctionsFloor);
    assert_eq!(policy.evaluate(&standing).decision, Decision::Block);
    // A string that is matched letter for letter may be the very address: a person looks.
    let lax = "[[rules]]\nid = \"everything\"\ndecision = \"ALLOW\"\n";
    let lax = Policy::parse(&super::with_rules(lax)).unwrap();
    let verbatim = Subject { kind: FindingKind::ListedVerbatim, ..standing };
    let verdict = lax.evaluate(&verbatim);
    assert_eq!((verdict.decision, verdict.by), (Decision::Review, DecidingRule::SanctionsFloor));
    let (threshold, observed) = lax.decision_text(verdict.by, &verbatim, verdict.score);
    assert_eq!(threshold, format!("{observed}, not removed"));
    let advised = Subject { list_kind: ListKind::Advisory, ..verbatim };
    assert_eq!(lax.evaluate(&advised).decision, Decision::Allow);
    let gone = Subject { state: ListingState::Removed, ..verbatim };
    assert_eq!(lax.evaluate(&gone).by, DecidingRule::Removed);
    let other: ListId = "b".parse().unwrap();
    let removed = policy.evaluate(&Subject { list: &other, ..sanctioned });
    assert_eq!((removed.by, removed.score), (DecidingRule::Removed, 0));
}
