//! What an answer says of the transfers that it rests on: absent, gapped or stale where they are
//! required, narrowed where the request asks for less, and exact as of a past moment.

use jiff::Timestamp;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::transfer::MovementKind;
use lazaretto::exposure::Direction;
use lazaretto::ingest::CoverageDeclaration;
use lazaretto::screening::policy::Decision;
use lazaretto::screening::{Incomplete, ScopeFilter};

use crate::support::desk::{Desk, Look, at, list_id, sends, unplaced, wallet};

const NOW: &str = "2025-11-20T12:00:00Z";
const ETHER: u128 = 1_000_000_000_000_000_000;
const BITCOIN: &str = "138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ";
/// Neither listed nor near anything.
const CLEAN: u8 = 200;

fn import(desk: &Desk, id: &str, kind: ListKind, wallets: &[u8]) {
    let mut csv = "# published: 2025-11-20\naddress,ticker,party_uid,listed_on\n".to_owned();
    for &n in wallets {
        csv += &format!("{},ETH,p{n},2024-01-01\n", wallet(n));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    std::fs::write(&path, csv).unwrap();
    desk.import(id, Some(kind), &path, None).unwrap();
}

/// A desk with wallet 0 on an advisory list, and nothing else that it must have.
fn desk(set: &[&str]) -> Desk {
    let desk = Desk::new(NOW, &[&["lists.us-ofac-sdn.enabled=false"], set].concat());
    import(&desk, "adv", ListKind::Advisory, &[0]);
    desk
}

fn start() -> Timestamp {
    at("2025-11-20T11:00:00Z")
}

/// Somebody pays somebody at a height: neither is near anything.
fn block(height: u64) -> lazaretto::domain::transfer::Transfer {
    sends(height, &wallet(100), &wallet(101), start())
}

fn missing() -> Incomplete {
    Incomplete::TransfersMissing { chain: Chain::Evm(1), kind: MovementKind::Native }
}

fn cover(heights: std::ops::RangeInclusive<u64>) -> CoverageDeclaration {
    CoverageDeclaration::heights(Chain::Evm(1), &[MovementKind::Native], heights)
}

fn clean(desk: &Desk) -> Look {
    let look = desk.look(&wallet(CLEAN), None);
    assert!(look.near.is_empty(), "{look:?}");
    let decision = if look.incomplete.is_empty() { Decision::Allow } else { Decision::Review };
    assert_eq!(look.decision, decision, "{look:?}");
    look
}

#[test]
fn a_required_chain_without_transfers_is_missing() {
    let desk = desk(&["chains.ethereum.required=native"]);
    let look = clean(&desk);
    assert_eq!(look.incomplete, [missing()]);
    assert!(!look.covered);
    // What does not fit the chain is not asked of it.
    let other = desk.look(BITCOIN, None);
    assert_eq!((other.decision, other.incomplete.len()), (Decision::Allow, 0));
    // Nor do transfers of another chain help.
    desk.store(vec![unplaced(10, start(), &wallet(100), &wallet(101), ETHER)], &[]);
    let look = clean(&desk);
    assert_eq!(look.incomplete, [missing()]);
    assert!(!look.covered, "no kind of the other chain is whole");
    desk.store(vec![block(1)], &[]);
    assert_eq!(clean(&desk).incomplete, []);
    // As of before the first of them nothing is known.
    let before = desk.look(&wallet(CLEAN), Some("2025-11-20T11:00:01Z"));
    assert!(before.incomplete.contains(&missing()));
    let after = desk.look(&wallet(CLEAN), Some("2025-11-20T11:00:10Z"));
    assert!(!after.incomplete.contains(&missing()));
    // All of them taken back is as none.
    desk.engine().retract(&Chain::Evm(1), 0, None, "test").unwrap();
    assert_eq!(clean(&desk).incomplete, [missing()]);
}

#[test]
fn a_gap_in_heights_is_said_until_it_is_filled_or_declared_covered() {
    let desk = desk(&["chains.ethereum.required=native"]);
    desk.store(vec![block(100), block(101), block(104)], &[]);
    let gapped = Incomplete::TransfersGapped {
        chain: Chain::Evm(1),
        kind: MovementKind::Native,
        spans: 2,
        gaps: 0,
    };
    assert_eq!(clean(&desk).incomplete, std::slice::from_ref(&gapped));
    assert_eq!(desk.look(BITCOIN, None).incomplete, []);
    desk.store(Vec::new(), &[cover(102..=102)]);
    assert_eq!(clean(&desk).incomplete, std::slice::from_ref(&gapped), "103 is lacking still");
    desk.store(Vec::new(), &[cover(103..=103)]);
    assert_eq!(clean(&desk).incomplete, []);
    // Another one, which a late block fills.
    desk.store(vec![block(106)], &[]);
    assert_eq!(clean(&desk).incomplete, [gapped]);
    desk.store(vec![block(105)], &[]);
    assert_eq!(clean(&desk).incomplete, []);
}

/// The same through a session that stores in bulk, as imports of files do.
#[test]
fn coverage_declared_in_bulk_is_known_at_its_end() {
    let desk = desk(&["chains.ethereum.required=native"]);
    desk.store(vec![block(100), block(104)], &[]);
    assert_eq!(clean(&desk).incomplete.len(), 1);
    let mut session = desk.engine().begin_ingest();
    assert_eq!(session.append_many(Vec::new(), &[cover(101..=103)]).unwrap(), None);
    session.finish().unwrap();
    assert_eq!(clean(&desk).incomplete, []);
}

#[test]
fn a_stale_head_is_said() {
    let desk = desk(&["chains.ethereum.required=native", "chains.ethereum.max_age=1h"]);
    desk.store(vec![block(0)], &[]);
    assert_eq!(clean(&desk).incomplete, [], "an hour to the second");
    desk.set_clock("2025-11-20T12:00:01Z");
    let stale = Incomplete::TransfersStale {
        chain: Chain::Evm(1),
        age_seconds: 3601,
        max_age_seconds: 3600,
    };
    assert_eq!(clean(&desk).incomplete, [stale]);
    assert_eq!(desk.look(BITCOIN, None).incomplete, []);
    desk.store(vec![block(1)], &[]);
    assert_eq!(clean(&desk).incomplete, []);
}

#[test]
fn what_is_not_required_is_covered_or_not() {
    let desk = desk(&[]);
    let look = clean(&desk);
    assert_eq!((look.covered, look.incomplete), (false, Vec::new()));
    // Gapped: nobody asks for more, and it does not pass for covered.
    desk.store(vec![block(1), block(4)], &[]);
    let look = clean(&desk);
    assert_eq!((look.covered, look.incomplete), (false, Vec::new()));
    let kinds = [MovementKind::Native, MovementKind::Tokens];
    desk.store(Vec::new(), &[CoverageDeclaration::heights(Chain::Evm(1), &kinds[..1], 1..=4)]);
    assert!(!clean(&desk).covered, "tokens were never loaded");
    desk.store(Vec::new(), &[CoverageDeclaration::heights(Chain::Evm(1), &kinds[1..], 1..=3)]);
    assert!(!clean(&desk).covered, "tokens end before the rest does");
    desk.store(Vec::new(), &[CoverageDeclaration::heights(Chain::Evm(1), &kinds, 2..=4)]);
    // Old: no limit was set.
    desk.set_clock("2025-11-21T12:00:00Z");
    let look = clean(&desk);
    assert_eq!((look.covered, look.incomplete), (true, Vec::new()));
    let other = desk.look(BITCOIN, None);
    assert_eq!((other.covered, other.decision), (false, Decision::Allow));
}

#[test]
fn fewer_hops_than_configured_are_said() {
    let desk = desk(&[]);
    let hops = [(1, 0, 1), (2, 1, 2), (3, 2, 3)];
    let hops = hops.map(|(height, a, b)| sends(height, &wallet(a), &wallet(b), start()));
    desk.store(hops.to_vec(), &[]);
    let narrowly = |n: u8, hops: u8| {
        let narrowing = ScopeFilter { max_hops: Some(hops), ..ScopeFilter::default() };
        desk.look_narrowly(&wallet(n), &narrowing)
    };
    let narrowed = |asked: u8| Incomplete::DepthNarrowed { asked, required: 5 };
    let look = narrowly(2, 1);
    assert_eq!((look.near.len(), &look.incomplete[..]), (0, &[narrowed(1)][..]));
    assert_eq!(look.decision, Decision::Review, "not seeing it is not clearing it");
    let look = narrowly(2, 2);
    assert_eq!((look.near[0].0.hops, &look.incomplete[..]), (2, &[narrowed(2)][..]));
    let look = narrowly(3, 5);
    assert_eq!((look.near[0].0.hops, look.incomplete.len()), (3, 0));
}

/// One list of a kind is asked without the other: labels hold the nearer of both, so that a search
/// has to find the farther one.
#[test]
fn a_choice_of_lists_is_answered_exactly() {
    let desk = desk(&[]);
    import(&desk, "adv-2", ListKind::Advisory, &[1]);
    import(&desk, "seized", ListKind::Seizure, &[2]);
    // 0 -> 10 -> 1 -> 11, and 2 -> 12.
    let hops = [(1, 0, 10), (2, 10, 1), (3, 1, 11), (4, 2, 12)];
    let hops = hops.map(|(height, a, b)| sends(height, &wallet(a), &wallet(b), start()));
    desk.store(hops.to_vec(), &[]);
    let only = |n: u8, lists: &[&str]| {
        let lists = lists.iter().map(|id| list_id(id)).collect();
        let look = desk.look_narrowly(&wallet(n), &ScopeFilter { lists, ..ScopeFilter::default() });
        assert_eq!(look.incomplete, []);
        let exposed = look.exposed();
        exposed.into_iter().map(|e| (e.direction, e.listed.0, e.hops)).collect::<Vec<_>>()
    };
    let from = |list: &str, hops: u8| (Direction::ReceivedFrom, list.to_owned(), hops);
    assert_eq!(only(11, &[]), [from("adv-2", 1)]);
    assert_eq!(only(11, &["adv-2"]), [from("adv-2", 1)]);
    // The nearer listing is none of those asked; funds of the farther one passed it.
    assert_eq!(only(11, &["adv"]), [from("adv", 3)]);
    assert_eq!(only(11, &["seized"]), []);
    assert_eq!(only(12, &["seized"]), [from("seized", 1)]);
    assert_eq!(only(12, &["adv"]), []);
    assert_eq!(only(12, &["adv", "adv-2"]), []);
    assert_eq!(only(11, &["adv", "adv-2"]), [from("adv-2", 1)]);
    assert_eq!(only(10, &["adv"]), [from("adv", 1)]);
    let sent = (Direction::SentTo, "adv-2".to_owned(), 1);
    assert_eq!(only(10, &["adv-2"]), std::slice::from_ref(&sent));
    assert_eq!(only(10, &[]), [from("adv", 1), sent]);
}

/// A listing that is removed ties nobody to it any longer, and still does as of the days on which it
/// stood.
#[test]
fn a_removed_listing_counts_as_of_when_it_stood() {
    let desk = desk(&[]);
    import(&desk, "more", ListKind::Seizure, &[1, 2]);
    let hops = [(1, 1, 10), (2, 10, 11)];
    let hops = hops.map(|(height, a, b)| sends(height, &wallet(a), &wallet(b), start()));
    desk.store(hops.to_vec(), &[]);
    assert_eq!(desk.look(&wallet(11), None).near[0].0.hops, 2);
    desk.set_clock("2025-11-22T12:00:00Z");
    let csv = format!("address,ticker,party_uid\n{},ETH,p2\n", wallet(2));
    desk.import_csv("more", &csv, Some("test")).unwrap();
    let look = desk.look(&wallet(11), None);
    assert_eq!((look.near.len(), look.decision), (0, Decision::Allow), "{look:?}");
    let look = desk.look(&wallet(11), Some("2025-11-20T12:00:00Z"));
    let (exposed, evidence) = look.only(Direction::ReceivedFrom).unwrap();
    assert_eq!((exposed.hops, exposed.listed.1.clone()), (2, wallet(1)));
    assert_eq!(evidence.as_ref().unwrap().path.as_ref().unwrap().hops.len(), 2);
}

/// A service ends paths, whether its tag comes before the transfers or after them; it is itself as
/// near as it is.
#[test]
fn a_service_ends_paths() {
    let desk = desk(&[]);
    let hops = [(1, 0, 10), (2, 10, 11), (3, 11, 12)];
    let hops = hops.map(|(height, a, b)| sends(height, &wallet(a), &wallet(b), start()));
    desk.store(hops.to_vec(), &[]);
    let near = |n: u8| {
        let look = desk.look(&wallet(n), None);
        assert_eq!(look.incomplete, []);
        look.near.first().map(|(exposed, _)| exposed.hops)
    };
    assert_eq!([10, 11, 12].map(near), [Some(1), Some(2), Some(3)]);
    import(&desk, "tags", ListKind::Service, &[11]);
    assert_eq!([10, 11, 12].map(near), [Some(1), Some(2), None]);
    desk.store(vec![sends(4, &wallet(11), &wallet(13), start())], &[]);
    assert_eq!(near(13), None);
    desk.store(vec![sends(5, &wallet(10), &wallet(13), start())], &[]);
    assert_eq!(near(13), Some(2));
}

/// a sends x at 1, x sends the listed one at 10, a sends y at 5, y sends it at 20.
#[test]
fn exposure_is_exact_as_of_a_past_moment() {
    for placed in [false, true] {
        let desk = desk(&[]);
        let [a, x, y, listed] = [10, 11, 12, 0].map(wallet);
        let minute = |n: i64| start() + jiff::SignedDuration::from_mins(n);
        let moves = [(1, &a, &x), (10, &x, &listed), (5, &a, &y), (20, &y, &listed)];
        let moves = moves.map(|(n, from, to)| match placed {
            true => sends(6 * n, from, to, start()),
            false => unplaced(1, minute(n.try_into().unwrap()), from, to, ETHER),
        });
        desk.store(moves.to_vec(), &[]);
        let sent = |address: &str, as_of: Option<i64>| {
            let as_of = as_of.map(|n| minute(n).to_string());
            let look = desk.look(address, as_of.as_deref());
            assert!(
                !look.incomplete.iter().any(|why| matches!(why, Incomplete::SearchCutShort(_)))
            );
            assert!(look.only(Direction::ReceivedFrom).is_none());
            look.only(Direction::SentTo).cloned().map(|(exposed, evidence)| {
                let path = evidence.unwrap().path.unwrap();
                let from_start = |time: u64| (time as i64 - start().as_second()) / 60;
                let times = path.hops.iter().map(|hop| from_start(hop.transfer.time));
                (exposed.hops, times.collect::<Vec<_>>())
            })
        };
        assert_eq!(sent(&a, Some(9)), None);
        assert_eq!(sent(&a, Some(10)), Some((2, vec![1, 10])));
        assert_eq!(sent(&a, Some(12)), Some((2, vec![1, 10])));
        assert_eq!(sent(&y, Some(19)), None);
        assert_eq!(sent(&y, Some(20)), Some((1, vec![20])));
        let (hops, times) = sent(&a, None).unwrap();
        assert_eq!(hops, 2);
        assert!(times == [1, 10] || times == [5, 20], "{times:?}");
    }
}
