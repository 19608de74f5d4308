//! Clusters that meet, and what a newly joined key brings: by what is appended, as a build has it.

use super::*;
use crate::exposure::Relabelling;

/// Appends rows to a world that knows those before them; labels are changed and not built.
fn append(world: &mut World, rows: &[Transfer], first: usize, facts: &Facts) -> Labels {
    world.append(first as u64, &rows[first..]);
    let relabelled = world.relabel();
    assert_eq!(relabelled.was, Relabelling::Incremental);
    labels_of(world, &facts.model());
    (*relabelled.labels).clone()
}

#[test]
fn keys_that_are_cut_off_are_named_anew_where_two_such_clusters_meet() {
    let mut rows = vec![
        spend(&[S], &[(P, 50)], 1),
        spend(&[T], &[(P, 50)], 1),
        join(&[S, A], 2),
        join(&[A, B], 3),
        join(&[T, C], 2),
        join(&[C, D], 3),
    ];
    for bridge in [[B, D], [D, B]] {
        let known = rows.len();
        let before = limited(2, facts(&rows, &[S, T]));
        let mut world = before.world();
        let found = labels_of(&mut world, &before.model());
        assert_eq!(
            [B, D].map(|number| tie(&found, number)),
            [Some(Tie::Cut(S)), Some(Tie::Cut(T))]
        );
        rows.push(join(&bridge, 4));
        let after = limited(2, facts(&rows, &[S, T]));
        let found = append(&mut world, &rows, known, &after);
        assert_eq!(
            [B, D].map(|number| tie(&found, number)),
            [Some(Tie::Cut(S)), Some(Tie::Cut(S))]
        );
        rows.pop();
    }
}

/// A transaction that a listed key stood in is not summed again for one that comes to be joined.
#[test]
fn what_a_newly_joined_key_dealt_before_counts_once() {
    let mut rows = vec![
        spend(&[A], &[(P, 50)], 1),
        spend(&[S, A, B], &[(P, 40), (Q, 40), (R, 40)], 2),
        spend(&[Q], &[(A, 30), (S, 10)], 3),
        spend(&[A], &[(Q, 20)], 4),
    ];
    let before = facts(&rows, &[S]);
    let mut world = before.world();
    labels_of(&mut world, &before.model());
    let known = rows.len();
    rows.extend([spend(&[A, S], &[(C, 60), (P, 20)], 5), spend(&[A], &[(P, 25)], 6)]);
    let found = append(&mut world, &rows, known, &facts(&rows, &[S]));
    assert_eq!(tie(&found, A), Some(Tie::Beside(S)));
}

#[test]
fn a_search_that_did_not_find_who_is_joined_says_so() {
    let mut rows: Vec<_> = (3..9).map(|height| spend(&[A], &[(D, 20)], height)).collect();
    rows.extend([join(&[B, S], 2), join(&[A, B], 4), spend(&[A], &[(P, 50)], 9)]);
    let world = facts(&rows, &[S]).world();
    let keys = [key(P, &BTC)];
    let whole = world.exposure_as_of(&keys, 20, None, BUDGET);
    assert!(!whole.cut_short && whole.found.len() == 1);
    let mut were_cut = 0;
    for budget in 0..whole.examined + 3 {
        let search = world.exposure_as_of(&keys, 20, None, budget);
        assert!(search.cut_short || search.found == whole.found, "{budget}");
        were_cut += u64::from(search.cut_short);
    }
    assert!(were_cut > 5);
}
