//! What holds of answers by any policy: no finding makes one milder, nothing INCOMPLETE is let
//! pass, and a shadow says what it would say if it were in force.

use super::super::policy::Policy;
use super::super::policy::tests::properties::policy;
use super::*;
use crate::screening::ListAge;

/// Lists of rows from the pool: their kind, and whether each row stands.
fn drawn() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
    prop::collection::vec((0..3_usize, 0..POOL.len(), any::<bool>()), 0..20)
}

fn lists(rows: &[(usize, usize, bool)], kinds: [ListKind; 3]) -> Vec<Arc<ListState>> {
    let of = |place: usize| {
        let own = rows.iter().filter(|(list, ..)| *list == place);
        own.map(|(_, pooled, stands)| {
            let (address, ticker) = POOL[*pooled];
            let until = (!stands).then(|| date(2025, 11, 1));
            TestRow { ticker: ticker.into(), ..stood(address, None, until) }
        })
        .collect()
    };
    let list_of =
        |(place, kind)| list(&format!("list-{place}"), kind, date(2025, 11, 19), of(place));
    kinds.into_iter().enumerate().map(list_of).collect()
}

fn by(lists: &[Arc<ListState>], policy: Policy, shadow: Option<Policy>) -> Snapshot {
    snapshot(lists, &[]).with_policies(Arc::new(policy), shadow.map(Arc::new))
}

/// The policy with further tables before its steps and rules.
fn requiring(policy: &Policy, tables: &str) -> Policy {
    let text = policy.text().replacen("[requires]\nmax_hops = 5\n", "", 1);
    let text = text.replacen("[base]", &format!("{tables}[base]"), 1);
    Policy::parse(&text).expect("it is valid")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_finding_that_is_added_makes_nothing_milder(
        policy in policy(),
        rows in drawn(),
        more in drawn(),
        kinds in prop::array::uniform3(prop::sample::select(&ListKind::ALL[..])),
    ) {
        let text = policy.text().to_owned();
        let again = || Policy::parse(&text).expect("it is valid");
        let fewer = by(&lists(&rows, kinds), policy, None);
        let all: Vec<_> = rows.iter().chain(&more).copied().collect();
        let more = by(&lists(&all, kinds), again(), None);
        let scope = |snapshot| Scope::new(snapshot, &ScopeFilter::default(), now()).expect("a scope");
        let (fewer, more) = (scope(&fewer), scope(&more));
        for question in questions() {
            let before = fewer.screen(&question, None, None).expect("an answer");
            let after = more.screen(&question, None, None).expect("an answer");
            // A row that stands takes the place of the same row removed; nothing else goes.
            prop_assert!(after.findings.len() >= before.findings.len());
            let stood = |s: &Screening<'_>| {
                s.findings.iter().filter(|f| f.state != ListingState::Removed).count()
            };
            if stood(&after) >= stood(&before) {
                prop_assert!(after.score >= before.score, "{}", question);
                prop_assert!(after.decision >= before.decision, "{}", question);
            }
            let largest = after.findings.iter().map(|f| f.score).max().unwrap_or(0);
            prop_assert_eq!(after.score, largest);
            let worst = after.findings.iter().map(|f| f.decision).max();
            prop_assert_eq!(Some(after.decision), worst.or(Some(Decision::Allow)).max(
                (!after.is_complete()).then_some(Decision::Review)
            ));
            prop_assert!(after.is_complete() || after.decision > Decision::Allow);
            for found in &after.findings {
                prop_assert!(found.state != ListingState::Removed || found.score == 0);
            }
        }
    }

    #[test]
    fn a_shadow_says_what_it_would_decide_and_changes_nothing(
        live in policy(),
        shadow in policy(),
        rows in drawn(),
        kinds in prop::array::uniform3(prop::sample::select(&ListKind::ALL[..])),
        required in any::<bool>(),
    ) {
        let shadow = if required { requiring(&shadow, "[requires]\nlists = [\"absent\"]\nmax_hops = 9\n") } else { shadow };
        let lists = lists(&rows, kinds);
        let text = (live.text().to_owned(), shadow.text().to_owned());
        let alone = |text: &str| by(&lists, Policy::parse(text).expect("valid"), None);
        let (live_alone, shadow_alone) = (alone(&text.0), alone(&text.1));
        let both = by(&lists, live, Some(shadow));
        prop_assert_eq!(both.id(), live_alone.id());
        let scope = |snapshot| Scope::new(snapshot, &ScopeFilter::default(), now()).expect("a scope");
        let (both, live_alone, shadow_alone) =
            (scope(&both), scope(&live_alone), scope(&shadow_alone));
        for question in questions() {
            let said = |s: &Screening<'_>| {
                (s.score, s.level, s.decision, s.is_complete(), s.rule().0.to_owned(), s.decision_text())
            };
            let answer = both.screen(&question, None, None).expect("an answer");
            let beside = answer.shadow.as_deref().expect("a shadow");
            let live = live_alone.screen(&question, None, None).expect("an answer");
            prop_assert_eq!(said(&answer), said(&live));
            let shadow = shadow_alone.screen(&question, None, None).expect("an answer");
            prop_assert_eq!(said(beside), said(&shadow));
            prop_assert!(live.shadow.is_none());
        }
    }
}

#[test]
fn what_a_policy_requires_is_asked_for_beside_the_configuration() {
    let lists = [
        sanctions(vec![row(RONIN, "ETH")]),
        list("mine", ListKind::Advisory, date(2025, 1, 1), vec![]),
    ];
    let said = |tables: &str, narrowing: &ScopeFilter| {
        let policy = requiring(&Policy::built_in(), tables);
        let snapshot = snapshot(&lists, &[]).with_policies(Arc::new(policy), None);
        let scope = Scope::new(&snapshot, narrowing, now()).expect("a scope");
        let answer = scope.screen(CLEAN, None, None).expect("an answer");
        let (id, floor) = answer.rule();
        assert_eq!(floor, !answer.is_complete(), "{answer:?}");
        (answer.decision, id.to_owned(), answer.scope_incomplete.to_vec())
    };
    let all = ScopeFilter::default();
    let complete = (Decision::Allow, "no-finding".to_owned(), vec![]);
    let incomplete = |why| (Decision::Review, "incomplete".to_owned(), vec![why]);
    assert_eq!(said("", &all), complete);
    // The list is of yesterday: 36 hours old.
    assert_eq!(said("[staleness.list_kind]\nSANCTIONS = \"37h\"\n", &all), complete);
    let stale = Incomplete::ListStale {
        list: id("us-ofac-sdn"),
        age: ListAge::Known(SignedDuration::from_hours(36)),
        max_age_seconds: 35 * 3600,
    };
    assert_eq!(said("[staleness.list_kind]\nSANCTIONS = \"35h\"\n", &all), incomplete(stale));
    let missing = Incomplete::RequiredListMissing(id("eu-fsf"));
    assert_eq!(said("[requires]\nlists = [\"eu-fsf\"]\n", &all), incomplete(missing));
    let narrow = narrowing(&[id("us-ofac-sdn")], None);
    assert_eq!(said("[requires]\nlists = [\"us-ofac-sdn\"]\n", &narrow), complete);
    let narrowed = Incomplete::Narrowed(id("mine"));
    assert_eq!(said("[requires]\nlists = [\"mine\"]\n", &narrow), incomplete(narrowed));
    let shallow = ScopeFilter { max_hops: Some(2), ..ScopeFilter::default() };
    assert_eq!(said("[requires]\nmax_hops = 2\n", &shallow), complete);
    let narrowed = |asked, required| Incomplete::DepthNarrowed { asked, required };
    assert_eq!(said("[requires]\nmax_hops = 3\n", &shallow), incomplete(narrowed(2, 3)));
    assert_eq!(said("", &shallow), incomplete(narrowed(2, 8)));
    // More than is configured cannot be looked for.
    assert_eq!(said("[requires]\nmax_hops = 9\n", &all), incomplete(narrowed(8, 9)));
}

#[test]
fn a_shadow_refuses_no_question() {
    let requiring = || requiring(&Policy::built_in(), "[requires]\nlists = [\"absent\"]\n");
    let plain = || Policy::parse(Policy::built_in().text()).expect("it is valid");
    let lists = [sanctions(vec![row(RONIN, "ETH")])];
    let asked = narrowing(&[id("absent")], None);
    let both = by(&lists, requiring(), Some(plain()));
    let scope = Scope::new(&both, &asked, now()).expect("the list is required, and missing");
    let answer = scope.screen(CLEAN, None, None).expect("an answer");
    assert_eq!(answer.scope_incomplete, [Incomplete::RequiredListMissing(id("absent"))]);
    assert!(answer.shadow.is_some());
    // Nor does it let one pass that the policy in force does not know.
    let both = by(&lists, plain(), Some(requiring()));
    assert!(Scope::new(&both, &asked, now()).is_err());
}
