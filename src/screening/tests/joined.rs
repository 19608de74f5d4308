//! Addresses that are joined with listed ones by common input, as a search says them: which finding they
//! make, what is cut, and what the policy makes of it.

use super::model::joined_model;
use super::*;
use crate::exposure::{CommonInput, Labels};
use crate::screening::coverage::ExposureState;
use crate::screening::matching::Joined;

/// A snapshot whose labels do not answer about a past moment.
fn snapshot_of(states: &[Arc<ListState>]) -> Snapshot {
    let exposure = ExposureState {
        labels: Some(Arc::new(Labels::default())),
        max_hops: 8,
        ..ExposureState::default()
    };
    snapshot(states, &[]).with_exposure(exposure)
}

fn past() -> ScopeFilter {
    narrowing(&[], Some("2025-11-20T11:00:00Z".parse().unwrap()))
}

fn common(kind: ListKind, is_beside: bool, is_cut: bool) -> CommonInput {
    CommonInput { kind, is_beside, is_cut }
}

/// Screens an address whose keys are joined so with the sources at these places of the scope's.
fn screened(
    snapshot: &Snapshot,
    address: &str,
    joined: &[(CommonInput, usize)],
    test: impl FnOnce(&Screening<'_>),
) {
    let scope = Scope::new(snapshot, &past(), now()).unwrap();
    let sources = scope.sources();
    let joined: Vec<_> =
        joined.iter().map(|(common, at)| (*common, sources[*at].clone())).collect();
    let search = |_: &[PackedKey]| Searched { joined: joined.clone(), ..Searched::default() };
    test(&scope.screen(address, None, Some(&search)).unwrap());
}

const LISTED: &str = "12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h";
const ASKED: &str = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2";

#[test]
fn an_address_beside_a_listed_one_is_95_and_reviewed() {
    let sdn = sanctions(vec![row(LISTED, "XBT")]);
    let snapshot = snapshot_of(&[sdn]);
    let check = |is_beside: bool, how: &str| {
        let joined = [(common(ListKind::Sanctions, is_beside, false), 0)];
        screened(&snapshot, ASKED, &joined, |screening| {
            assert_eq!((screening.decision, screening.score), (Decision::Review, 95));
            assert_eq!(screening.level, policy::RiskLevel::Severe);
            assert!(screening.is_complete() && screening.cluster_cuts.is_empty());
            let [found] = &screening.findings[..] else { panic!("{screening:?}") };
            assert_eq!((found.kind, found.exposure, found.about), (FindingKind::CoSpent, None, 0));
            let key = PackedKey::from(&Address::parse(LISTED, None).unwrap().key_ids()[0]);
            assert_eq!(found.joined, Some(Joined { with: key, is_beside }));
            assert_eq!(screening.rule(), ("common-input", false));
            let why = format!(
                "this address is joined with A party's listed address {LISTED} (us-ofac-sdn) by common \
                 input (an estimate){how}"
            );
            assert_eq!(screening.reason(None), format!("For review: {why} (rule common-input)."));
        });
    };
    check(true, ": it and a listed address are inputs of one transaction");
    check(false, ", over a chain of transactions");
}

#[test]
fn a_cut_cluster_is_shown_and_not_scored() {
    let snapshot = snapshot_of(&[sanctions(vec![row(LISTED, "XBT")])]);
    let note = "by common input (an estimate) holds an address of A party (us-ofac-sdn), but is larger \
                than the limit, so that it is not taken for one owner's; not scored.";
    let cut = [(common(ListKind::Sanctions, false, true), 0)];
    screened(&snapshot, ASKED, &cut, |screening| {
        assert_eq!((screening.decision, screening.score), (Decision::Allow, 0));
        assert!(screening.findings.is_empty() && screening.is_complete());
        assert_eq!(screening.cluster_cuts.len(), 1);
        assert_eq!(screening.cluster_cuts[0].reason(), format!("Its cluster {note}"));
        let reason = screening.reason(None);
        assert!(reason.ends_with(&format!(" Its cluster {note}")), "{reason}");
    });
    // Of several addresses it says which, and which place it has.
    let both = format!("{ASKED}, {LISTED}");
    screened(&snapshot, &both, &cut, |screening| {
        let places: Vec<_> = screening.cluster_cuts.iter().map(|cut| cut.about).collect();
        assert_eq!(places, [0], "the other is listed itself");
        let reason = screening.reason(None);
        assert!(reason.contains(&format!(" The cluster of {ASKED} {note}")), "{reason}");
    });
}

#[test]
fn a_listing_that_is_gone_or_of_the_address_itself_adds_nothing() {
    let sdn = sanctions(vec![row(LISTED, "XBT")]);
    let advisory = list("adv", ListKind::Advisory, date(2025, 11, 19), vec![row(ASKED, "XBT")]);
    let with_both = snapshot_of(&[advisory, sdn]);
    let sanctions = common(ListKind::Sanctions, true, false);
    // The scope has the advisory's sources first: under the key, and under its nested script.
    let scope = Scope::new(&with_both, &past(), now()).unwrap();
    let sources = scope.sources();
    let place = |list: &str| sources.iter().position(|of| of.list.as_str() == list).unwrap();
    let both = [
        (sanctions, place("us-ofac-sdn")),
        (common(ListKind::Advisory, true, false), place("adv")),
    ];
    screened(&with_both, ASKED, &both, |screening| {
        let kinds: Vec<_> = screening.findings.iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [FindingKind::CoSpent, FindingKind::Listed]);
    });
    let gone = sources[place("us-ofac-sdn")].clone();
    let without =
        snapshot_of(&[list("us-ofac-sdn", ListKind::Sanctions, date(2025, 11, 19), vec![])]);
    let scope = Scope::new(&without, &past(), now()).unwrap();
    let search = |_: &[PackedKey]| Searched {
        joined: vec![(sanctions, gone.clone())],
        ..Searched::default()
    };
    let screening = scope.screen(ASKED, None, Some(&search)).unwrap();
    assert_eq!((screening.findings.len(), screening.cluster_cuts.len()), (0, 0));
}

proptest! {
    #[test]
    fn joined_listings_equal_the_model(
        rows in prop::collection::btree_set((0..3_usize, 0..POOL.len()), 1..20),
        joined in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 0..6),
        asked in any::<prop::sample::Index>(),
    ) {
        let mut lists: [Vec<TestRow>; 3] = Default::default();
        for (list, pooled) in rows {
            let (address, ticker) = POOL[pooled];
            lists[list].push(row(address, ticker));
        }
        // As a publication has them.
        for list in &mut lists {
            list.sort_by(|a, b| (&a.address, &a.ticker).cmp(&(&b.address, &b.ticker)));
        }
        let kinds = [ListKind::Sanctions, ListKind::Advisory, ListKind::Sanctions];
        let lists: Vec<_> = (0..).zip(lists).zip(kinds)
            .map(|((n, rows), kind)| list(&format!("list-{n}"), kind, date(2025, 11, 19), rows))
            .collect();
        let snapshot = snapshot_of(&lists);
        let scope = Scope::new(&snapshot, &past(), now()).expect("a scope");
        let sources = scope.sources();
        let questions = questions();
        let question = asked.get(&questions);
        prop_assume!(!sources.is_empty());
        let joined: Vec<_> = joined.iter().map(|(at, is_beside, is_cut)| {
            let source = at.get(&sources);
            (common(source.kind, *is_beside, *is_cut), source.clone())
        }).collect();
        let search = |_: &[PackedKey]| Searched { joined: joined.clone(), ..Searched::default() };
        let screening = scope.screen(question, None, Some(&search)).expect("an answer");
        let mut found: Vec<_> = screening.findings.iter()
            .map(|f| (f.list.id().to_string(), f.row.key.clone(), f.kind, f.score))
            .collect();
        found.sort();
        let mut expected = model(&lists, question);
        let Ok(address) = Address::parse(question, None) else { return Ok(()) };
        let keys: Vec<_> = address.packed_keys().collect();
        let own: Vec<_> =
            sources.iter().filter(|of| keys.contains(&of.key)).map(|of| of.kind).collect();
        let (more, cut) = joined_model(&joined, &own);
        expected.extend(more);
        expected.sort();
        prop_assert_eq!(found, expected, "{}", question);
        let cuts: Vec<_> = screening.cluster_cuts.iter().map(|cut| cut.kind).collect();
        prop_assert_eq!(cuts, cut);
    }
}
