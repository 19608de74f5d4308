//! Single cases, one a rule.

use super::*;

/// Without common inputs nothing is said of it, nor of who it pays.
#[test]
fn a_key_beside_a_listed_one_is_joined_with_it() {
    let mut facts = facts(&[spend(&[S, A], &[(P, 10)], 5), spend(&[A], &[(Q, 50)], 6)], &[S]);
    let found = labels(&facts);
    assert_eq!(tie(&found, A), Some(Tie::Beside(S)));
    assert_eq!(tie(&found, S), None, "it is listed");
    assert_eq!([tie(&found, P), tie(&found, Q)], [None, None]);
    assert_eq!(shown(&found, Q), [(RECEIVED, 1, S, true)]);
    facts.settings.no_common_input.insert(BTC);
    let found = labels(&facts);
    assert_eq!(tie(&found, A), None);
    assert_eq!([shown(&found, A), shown(&found, Q)], [[], []]);
}

#[test]
fn a_chain_of_transactions_joins_its_ends() {
    let facts = facts(&[join(&[B, C], 3), join(&[S, A], 5), join(&[A, B], 4)], &[S]);
    let found = labels(&facts);
    let wanted = [Some(Tie::Beside(S)), Some(Tie::JoinedKey(S)), Some(Tie::JoinedKey(S)), None];
    assert_eq!([A, B, C, D].map(|number| tie(&found, number)), wanted);
    let world = facts.world();
    let chain = |until, budget| world.join_chain(&[key(C, &BTC)], &key(S, &BTC), until, budget);
    let all = chain(5, BUDGET);
    let joins = all.joins.iter().map(|join| (join.row, join.from, join.to, join.time));
    let [s, a, b, c] = [S, A, B, C].map(|number| key(number, &BTC));
    assert_eq!(joins.collect::<Vec<_>>(), [(0, c, b, 3), (2, b, a, 4), (1, a, s, 5)]);
    assert!(!all.cut_short);
    assert_eq!((chain(4, BUDGET).joins, chain(4, BUDGET).cut_short), (Vec::new(), false));
    let cut = chain(5, 1);
    assert_eq!((cut.joins, cut.cut_short), (Vec::new(), true));
    let search = |until, budget| world.common_inputs_as_of(&[c], until, None, budget);
    assert_eq!(search(4, BUDGET).found, []);
    let joined = CommonInput { kind: ListKind::Sanctions, is_beside: false, is_cut: false };
    assert_eq!(search(5, BUDGET).found, [(joined, listed(S))]);
    assert!(search(5, 1).cut_short);
}

#[test]
fn a_coin_join_joins_nobody() {
    let three =
        |outputs: &[(u8, u64)]| tie(&labels(&facts(&[spend(&[S, A, B], outputs, 5)], &[S])), A);
    assert_eq!(three(&[(P, 60), (Q, 60), (R, 60), (C, 7)]), None);
    let beside = Some(Tie::Beside(S));
    assert_eq!(three(&[(P, 60), (Q, 60), (R, 61)]), beside, "two equal outputs");
    assert_eq!(three(&[(P, 60), (Q, 60), (Q, 60)]), beside, "to two keys");
    assert_eq!(three(&[(P, 0), (Q, 0), (R, 0)]), beside, "of nothing");
    let two = spend(&[S, A, A], &[(P, 60), (Q, 60), (R, 60)], 5);
    assert_eq!(tie(&labels(&facts(&[two], &[S])), A), beside, "two input keys");
    // A tagged input is one of three all the same.
    let coin_join = spend(&[S, A, B], &[(P, 60), (Q, 60), (R, 60)], 5);
    let stops = vec![(key(B, &BTC), StopReason::Service)];
    assert_eq!(tie(&labels(&Facts { stops, ..facts(&[coin_join], &[S]) }), A), None);
}

/// Any of them, or all, may have signed.
#[test]
fn the_holders_of_one_input_are_not_joined() {
    let found = labels(&facts(&[spend_on(BTC, &[&[S], &[A, B]], &[(P, 10)], 5)], &[S]));
    assert_eq!([tie(&found, A), tie(&found, B)], [None, None]);
    let transfer = spend_on(BTC, &[&[S], &[A, B], &[C]], &[(P, 10)], 5);
    let found = labels(&facts(&[transfer], &[S]));
    assert_eq!([A, B, C].map(|number| tie(&found, number)), [None, None, Some(Tie::Beside(S))]);
    // A holder of one input has the other alone.
    let found = labels(&facts(&[spend_on(BTC, &[&[S], &[A, B], &[A]], &[(P, 10)], 5)], &[S]));
    assert_eq!([tie(&found, A), tie(&found, B)], [Some(Tie::Beside(S)), None]);
}

#[test]
fn a_stop_is_not_joined_and_does_not_bridge() {
    let nobody = given::NOBODY;
    for stop in [A, nobody] {
        let rows = [join(&[S, stop], 5), join(&[stop, B], 6), join(&[stop, S, C], 7)];
        let mut facts = facts(&rows, &[S]);
        if stop != nobody {
            facts.stops = vec![(key(stop, &BTC), StopReason::Service)];
        }
        let found = labels(&facts);
        let wanted = [None, None, Some(Tie::Beside(S))];
        assert_eq!([stop, B, C].map(|number| tie(&found, number)), wanted);
        // Not if it is listed either.
        facts.sources = vec![listed(stop)];
        let found = labels(&facts);
        assert_eq!([S, B, C].map(|number| tie(&found, number)), [None, None, None]);
    }
    let mut world = facts(&[join(&[S, A], 5), join(&[A, B], 6)], &[S]).world();
    let tag = |stops: Vec<_>, world: &mut World| {
        world.set_parties(vec![listed(S)], stops);
        let found = world.relabel().labels;
        [A, B].map(|number| tie(&found, number))
    };
    let untagged = [Some(Tie::Beside(S)), Some(Tie::JoinedKey(S))];
    assert_eq!(tag(vec![(key(A, &BTC), StopReason::Service)], &mut world), [None, None]);
    assert_eq!(tag(Vec::new(), &mut world), untagged);
}

/// Whoever is joined while there are few stays so when there are many; who comes then is cut.
#[test]
fn a_cluster_that_is_blown_up_afterwards_clears_nobody() {
    let mut rows = vec![join(&[S, A], 5), join(&[A, B], 6), spend(&[B], &[(Q, 50)], 7)];
    let joined = [Some(Tie::Beside(S)), Some(Tie::JoinedKey(S))];
    let mut world = limited(3, facts(&rows, &[S])).world();
    let found = world.relabel().labels;
    assert_eq!([A, B].map(|number| tie(&found, number)), joined);
    rows.extend([join(&[B, C, D], 8), spend(&[C], &[(R, 50)], 9), join(&[S, E], 10)]);
    let facts = limited(3, facts(&rows, &[S]));
    world.append(3, &rows[3..]);
    let found = labels_of(&mut world, &facts.model());
    assert_eq!([A, B].map(|number| tie(&found, number)), joined);
    assert_eq!([C, D].map(|number| tie(&found, number)), [Some(Tie::Cut(S)), Some(Tie::Cut(S))]);
    assert_eq!(tie(&found, E), Some(Tie::Beside(S)), "at any size");
    assert_eq!(shown(&found, Q), [(RECEIVED, 1, S, true)]);
    assert_eq!(shown(&found, R), [], "no path begins at what is cut");
    // One step of time is one.
    let rows = [join(&[S, A], 5), join(&[A, B], 6), join(&[B, C], 6)];
    let found = labels(&limited(3, self::facts(&rows, &[S])));
    let wanted = [Some(Tie::Beside(S)), Some(Tie::Cut(S)), Some(Tie::Cut(S))];
    assert_eq!([A, B, C].map(|number| tie(&found, number)), wanted);
}

#[test]
fn of_a_cluster_that_is_blown_up_beforehand_only_keys_beside_are_joined() {
    let rows = [join(&[A, B, C, D], 5), join(&[S, A], 6), join(&[S, E], 7), join(&[E, Q], 8)];
    let found = labels(&limited(4, facts(&rows, &[S])));
    assert_eq!([A, E].map(|number| tie(&found, number)), [Some(Tie::Beside(S)); 2]);
    for number in [B, C, D, Q] {
        assert_eq!(tie(&found, number), Some(Tie::Cut(S)), "{number}");
    }
    // Of a listed key on the other side of it as well.
    let found = labels(&limited(4, facts(&rows, &[B])));
    for number in [A, C, D] {
        assert_eq!(tie(&found, number), Some(Tie::Beside(B)), "{number}");
    }
    assert_eq!([S, E].map(|number| tie(&found, number)), [Some(Tie::Cut(B)), Some(Tie::Cut(B))]);
}

/// As of a moment the cluster is that of then.
#[test]
fn as_of_a_moment_a_cluster_is_what_it_was() {
    let rows = [join(&[S, A], 5), join(&[A, B], 20), join(&[B, C], 30), join(&[C, S], 40)];
    let world = limited(3, facts(&rows, &[S])).world();
    let tie = |number, until| {
        let found = world.common_inputs_as_of(&[key(number, &BTC)], until, None, BUDGET).found;
        found.first().map(|(of, _)| (of.is_beside, of.is_cut))
    };
    assert_eq!(
        [4, 5, 30].map(|until| tie(A, until)),
        [None, Some((true, false)), Some((true, false))]
    );
    assert_eq!(
        [19, 20, 99].map(|until| tie(B, until)),
        [None, Some((false, false)), Some((false, false))]
    );
    let wanted = [None, Some((false, true)), Some((true, false))];
    assert_eq!([29, 30, 40].map(|until| tie(C, until)), wanted);
}

#[test]
fn a_payee_of_a_joined_key_is_as_near_as_one_of_the_listed_key() {
    let rows = [
        join(&[S, A], 5),
        spend(&[A], &[(Q, 50)], 10),
        spend(&[Q], &[(R, 40)], 11),
        spend(&[B], &[(A, 50)], 12),
        spend(&[S], &[(A, 50)], 13),
    ];
    let facts = facts(&rows, &[S]);
    let found = labels(&facts);
    assert_eq!(shown(&found, Q), [(RECEIVED, 1, S, true)]);
    assert_eq!(shown(&found, R), [(RECEIVED, 2, S, true)]);
    assert_eq!(shown(&found, B), [(Direction::SentTo, 1, S, true)]);
    assert_eq!(shown(&found, A), [], "none of its own, as a listed key");
    let label = found.of(&key(Q, &BTC)).next().unwrap();
    let direct = label.direct.unwrap();
    assert_eq!((direct.share, direct.value), (Some(10_000), Some(28)), "25 floors, rounded up");
    let world = facts.world();
    let query = PathQuery {
        direction: None,
        kinds: &[],
        max_hops: 5,
        max_paths: 10,
        window: (0, u64::MAX),
        allows: &|_| true,
        sources: None,
        budget: BUDGET,
    };
    let paths = world.paths(&[key(R, &BTC)], &query).found;
    let [path] = &paths[..] else { panic!("{paths:?}") };
    assert_eq!((path.common_input, &path.source), (true, &listed(S)));
    assert_eq!((path.hops[0].from, path.hops.len()), (key(A, &BTC), 2));
}

/// Of dealings that are as grave, whoever came first and whatever the order of sources.
#[test]
fn a_dealing_with_a_listed_key_is_shown_before_one_by_common_input() {
    let both = spend(&[A, S], &[(Q, 50)], 5);
    let found = labels(&facts(std::slice::from_ref(&both), &[S]));
    assert_eq!(shown(&found, Q), [(RECEIVED, 1, S, false)]);
    let estimate = [join(&[S, A], 3), spend(&[A], &[(Q, 50)], 4)];
    assert_eq!(shown(&labels(&facts(&estimate, &[S])), Q), [(RECEIVED, 1, S, true)]);
    let rows = [&estimate[..], &[both]].concat();
    assert_eq!(shown(&labels(&facts(&rows, &[S])), Q), [(RECEIVED, 1, S, false)]);
    let rows = [join(&[S, A], 3), spend(&[A, T], &[(Q, 50)], 4)];
    assert_eq!(shown(&labels(&facts(&rows, &[S, T])), Q), [(RECEIVED, 1, T, false)]);
}

/// Of all listings that it is joined with, as a key with several listings.
#[test]
fn a_joined_key_has_the_gravest_timing_of_any_listing() {
    let rows = [join(&[S, A], 3), join(&[T, A], 4), spend(&[A], &[(Q, 50)], 10)];
    let mut facts = facts(&rows, &[S, T]);
    let timing = |facts: &Facts| {
        let found = labels(facts);
        let label = found.of(&key(Q, &BTC)).next().unwrap();
        (found.source(label.source).key, label.timing)
    };
    assert_eq!(timing(&facts), (key(S, &BTC), Timing::Before));
    facts.sources[1].listed_from = Some(7);
    facts.sources[1].unlisted_until = Some(7);
    assert_eq!(timing(&facts), (key(T, &BTC), Timing::After));
    // A list of another kind does not count for it.
    facts.sources[1].kind = ListKind::Advisory;
    facts.sources[1].list = "other".parse().unwrap();
    assert_eq!(timing(&facts), (key(S, &BTC), Timing::Before));
    let found = labels(&facts);
    assert_eq!(found.find(&key(A, &BTC)).common_inputs().count(), 2);
    assert_eq!(found.find(&key(S, &BTC)).common_inputs().count(), 1, "of the other kind");
}

#[test]
fn the_first_source_that_joins_is_named_before_one_that_is_cut() {
    let rows = [join(&[S, B, C, D], 5), join(&[A, B], 6), join(&[T, A], 7)];
    let found = labels(&limited(3, facts(&rows, &[S, T])));
    assert_eq!(tie(&found, A), Some(Tie::Beside(T)));
    assert_eq!(tie(&found, E), None);
    let found = labels(&limited(3, facts(&rows, &[S])));
    assert_eq!([A, T].map(|number| tie(&found, number)), [Some(Tie::Cut(S)), Some(Tie::Cut(S))]);
}

/// What comes late stands where it would have, whether or not its block is known.
#[test]
fn a_late_transaction_joins_and_blows_up_as_if_it_had_come_in_time() {
    let rows = [
        spend(&[A], &[(Q, 50)], 10),
        join(&[A, B], 20),
        join(&[S, A], 5),
        join(&[A, C], 7),
        join(&[A, D], 6),
    ];
    let [beside, joined, cut] = [Tie::Beside(S), Tie::JoinedKey(S), Tie::Cut(S)].map(Some);
    let wanted = [
        (3, [beside, joined, None, None]),
        (4, [beside, cut, joined, None]),
        (5, [beside, cut, cut, joined]),
    ];
    let unplaced = rows.clone().map(|row| Transfer { placement: Placement::Unknown, ..row });
    for rows in [rows, unplaced] {
        let mut world = limited(3, facts(&rows[..2], &[S])).world();
        for (many, wanted) in wanted {
            world.append(many as u64 - 1, &rows[many - 1..many]);
            let found = labels_of(&mut world, &limited(3, facts(&rows[..many], &[S])).model());
            assert_eq!([A, B, C, D].map(|number| tie(&found, number)), wanted);
            assert_eq!(shown(&found, Q), [(RECEIVED, 1, S, true)]);
        }
    }
}

/// It is joined with one of two listed keys less: paths begin by the other.
#[test]
fn a_late_transaction_that_cuts_a_key_from_one_source_leaves_it_the_other() {
    let rows = [
        join(&[T, A], 5),
        join(&[S, B], 10),
        join(&[B, A], 11),
        spend(&[A], &[(Q, 50)], 12),
        spend(&[Q], &[(R, 50)], 13),
        join(&[S, C], 9),
    ];
    let rows = rows.map(|row| Transfer { placement: Placement::Unknown, ..row });
    let facts = limited(4, facts(&rows, &[S, T]));
    let mut world = World::new(facts.settings.clone());
    world.append(0, &rows[..5]);
    world.set_parties(facts.sources.clone(), Vec::new());
    let found = world.relabel().labels;
    let by = |number| [(RECEIVED, 1, number, true), (RECEIVED, 2, number, true)];
    assert_eq!(tie(&found, A), Some(Tie::Beside(S)));
    assert_eq!([shown(&found, Q), shown(&found, R)].concat(), by(S));
    world.append(5, &rows[5..]);
    let found = labels_of(&mut world, &facts.model());
    assert_eq!(tie(&found, A), Some(Tie::Beside(T)));
    assert_eq!([shown(&found, Q), shown(&found, R)].concat(), by(T));
}

#[test]
fn what_is_taken_back_joins_nobody() {
    let rows = [spend(&[A], &[(Q, 50)], 3), join(&[A, B], 4), join(&[S, A], 5)];
    let all = [Some(Tie::Beside(S)), Some(Tie::JoinedKey(S))];
    let tied = |world: &mut World| {
        let found = world.relabel().labels;
        let paid = if tie(&found, A).is_some() { vec![(RECEIVED, 1, S, true)] } else { Vec::new() };
        assert_eq!(shown(&found, Q), paid);
        [A, B].map(|number| tie(&found, number))
    };
    let facts = facts(&rows, &[S]);
    let mut world = facts.world();
    assert_eq!(tied(&mut world), all);
    world.retract(&BTC, 5, 3);
    assert_eq!(tied(&mut world), [None, None]);
    // It comes again, and is replaced by a telling of somebody else.
    world.append(3, &rows[2..]);
    assert_eq!(tied(&mut world), all);
    world.append(4, &[join(&[S, C], 5)]);
    world.remove(&[3].into());
    assert_eq!(tied(&mut world), [None, None]);
    let found = world.relabel().labels;
    assert_eq!(tie(&found, C), Some(Tie::Beside(S)));
    // A list that goes.
    let mut world = facts.world();
    assert_eq!(tied(&mut world), all);
    world.set_parties(Vec::new(), Vec::new());
    assert_eq!(tied(&mut world), [None, None]);
    world.set_parties(vec![listed(S)], Vec::new());
    assert_eq!(tied(&mut world), all);
}

#[test]
fn a_chain_that_is_switched_off_joins_nobody() {
    let on = |chain, numbers: &[u8], height| {
        let inputs: Vec<_> = numbers.chunks(1).collect();
        spend_on(chain, &inputs, &[(P, 10)], height)
    };
    let rows = [on(BTC, &[S, A], 5), on(Chain::Litecoin, &[A, B], 6)];
    let mut facts = facts(&rows, &[S]);
    let tied = |facts: &Facts| {
        let found = labels(facts);
        [A, B].map(|number| tie(&found, number))
    };
    // One key on both chains.
    assert_eq!(tied(&facts), [Some(Tie::Beside(S)), Some(Tie::JoinedKey(S))]);
    facts.settings.no_common_input = [Chain::Litecoin].into();
    assert_eq!(tied(&facts), [Some(Tie::Beside(S)), None]);
    facts.settings.no_common_input = [BTC].into();
    assert_eq!(tied(&facts), [None, None]);
}

/// Who signs an input has its key, whatever it is worth; but not of what failed.
#[test]
fn inputs_of_any_worth_join() {
    let mut rows = [join(&[S, A], 5), join(&[S, B], 6), join(&[S, C], 7), join(&[S, D], 8)];
    let mut edit = |at: usize, amount| {
        let Movement::Utxo(of) = &mut rows[at].movement else { unreachable!() };
        of.inputs.iter_mut().for_each(|leg| leg.amount = amount);
    };
    edit(0, Some(0));
    edit(1, None);
    edit(2, Some(1));
    rows[3].status = TxStatus::Failed;
    let beside = Some(Tie::Beside(S));
    let tied = |facts: &Facts| {
        let found = labels(facts);
        [A, B, C, D].map(|number| tie(&found, number))
    };
    let mut facts = facts(&rows, &[S]);
    assert_eq!(tied(&facts), [beside, beside, beside, None]);
    // Nor does the coin's value matter.
    facts.settings.assets = Default::default();
    assert_eq!(tied(&facts), [beside, beside, beside, None]);
    assert_eq!(facts.settings.cluster_limit, DEFAULT_CLUSTER_LIMIT);
}

/// Dealings without a known value count with listed keys only, and a joined key shows its own.
#[test]
fn a_joined_key_shows_its_unvalued_dealings() {
    let rows = [join(&[S, A], 5), spend(&[A], &[(Q, 50)], 6), spend(&[S], &[(A, 50)], 7)];
    let mut facts = facts(&rows, &[S]);
    facts.settings.assets = Default::default();
    let found = labels(&facts);
    facts.model().assert_unvalued(&found);
    let dealt = |number| {
        let dealt = found.find(&key(number, &BTC)).unvalued();
        dealt.map(|(of, _)| (of.direction, of.transfers)).collect::<Vec<_>>()
    };
    assert_eq!(dealt(A), [(RECEIVED, 1)]);
    assert_eq!((dealt(Q), dealt(P)), (Vec::new(), vec![(RECEIVED, 1)]));
}

/// Members, what is listed among them, and their number.
#[test]
fn a_cluster_is_listed_by_pages() {
    let rows = [
        join(&[S, A], 5),
        join(&[A, B], 6),
        join(&[B, T], 7),
        spend(&[Q], &[(R, 5)], 8),
        spend(&[S], &[(A, 30)], 9),
        spend_on(Chain::Litecoin, &[&[C]], &[(A, 40)], 5),
    ];
    let world = limited(3, facts(&rows, &[S, T])).world();
    let query = ClusterQuery { after: None, limit: 3, budget: BUDGET };
    let found = pages(&world, key(B, &BTC), query).unwrap();
    let sizes: Vec<_> = found.iter().map(|page| page.members.len()).collect();
    assert_eq!(sizes, [3, 1]);
    for page in &found {
        let said = (page.keys, page.is_cut, page.transactions, page.listed);
        assert_eq!(said, (4, true, Some(3), 2));
        let first = page.first_listed.iter().map(|(key, sources)| (*key, sources.len()));
        assert_eq!(first.collect::<Vec<_>>(), [(key(S, &BTC), 1), (key(T, &BTC), 1)]);
    }
    let member = found.iter().flat_map(|page| &page.members).find(|of| of.key == key(B, &BTC));
    let join = member.unwrap().joined_by.unwrap();
    assert_eq!((join.row, join.to, join.time), (1, key(A, &BTC), 6), "the first");
    // What moved between members counts on both sides; what one pays itself does not.
    let volumes = found[0].volumes.iter().map(|(chain, volume)| {
        let of = |amount: Option<Amount>| amount.unwrap().as_u64();
        (chain.clone(), of(volume.received), of(volume.sent))
    });
    assert_eq!(volumes.collect::<Vec<_>>(), [(BTC, 30, 700), (Chain::Litecoin, 40, 0)]);
    let alone = pages(&world, key(Q, &BTC), query).unwrap();
    let [page] = &alone[..] else { panic!("{alone:?}") };
    assert_eq!((page.keys, page.members.len(), page.transactions), (1, 1, Some(0)));
    assert_eq!(page.members[0].joined_by, None);
    assert_eq!(pages(&world, key(E, &BTC), query), None);
}

#[test]
fn a_limit_of_keys_counts_the_listed_one() {
    let rows = [join(&[S, A], 5), join(&[A, B], 6)];
    let tied = |limit| tie(&labels(&limited(limit, facts(&rows, &[S]))), B);
    assert_eq!([2, 3].map(tied), [Some(Tie::Cut(S)), Some(Tie::JoinedKey(S))]);
}
