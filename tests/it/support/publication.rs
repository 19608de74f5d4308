//! A publication of a list by its version number, to be known again after a crash.

use std::sync::Arc;

use jiff::Timestamp;
use lazaretto::domain::list::{
    ListCheck, ListCounts, ListId, ListKind, ListState, ListVersion, ListingPeriod, NotUnderstood,
    Party, Provenance, Row, RowFacts, RowKey, StartBasis,
};
use lazaretto::domain::publication::listed_digest;

/// Rows of a publication.
pub const ROWS: usize = 1500;

/// What `run` publishes as `version`.
pub fn publication(id: &ListId, version: u64, run: &str) -> ListState {
    let row = |n: usize| Row {
        key: RowKey {
            party_uid: format!("{:03}", n / 10),
            address: format!("{n:05} {version} {run}"),
            ticker: "XBT".to_owned(),
        },
        facts: RowFacts::default(),
        periods: vec![ListingPeriod { from: None, basis: StartBasis::Unknown, until: None }],
        removal_pending_since: None,
    };
    let party =
        |n: usize| Party { uid: format!("{n:03}"), name: run.to_owned(), ..Party::default() };
    let mut state = ListState {
        version: ListVersion {
            id: id.clone(),
            kind: ListKind::Sanctions,
            version,
            digest: [0; 32],
            published: None,
            first_published: None,
            uncovered: Vec::new(),
            loaded_at: Timestamp::UNIX_EPOCH,
            provenance: Provenance::Starter,
            force_reason: run.to_owned(),
            counts: ListCounts::default(),
            not_understood: NotUnderstood::default(),
        },
        check: ListCheck::default(),
        parties: Arc::new((0..ROWS / 10).map(party).collect()),
        rows: Arc::new((0..ROWS).map(row).collect()),
        baseline: Arc::default(),
    };
    state.version.digest = listed_digest(&state);
    state
}
