//! Pointers of schema 6, which know declared looks, and of older ones, which do not.

use super::*;
use crate::domain::list::DeclaredCheck;
use crate::store::lists::OldPointer;
use crate::store::value;

#[test]
fn a_declared_look_is_kept_and_older_pointers_open_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut first, _) = state("a", 1, 3);
    first.check.succeeded_at = Some(Timestamp::UNIX_EPOCH);
    first.check.published = Some("2025-03-21".parse().unwrap());
    first.check.file_digest = Some([7; 32]);
    store.publish(&first, Changes::Publication(&[])).unwrap();
    // As schema 5 wrote it.
    let check = first.check.clone();
    let old = OldPointer {
        version: 1,
        parties: 1,
        rows: 1,
        succeeded_at: check.succeeded_at,
        published: check.published,
        file_digest: check.file_digest,
        etag: check.etag,
        last_modified: check.last_modified,
        source: check.source,
    };
    let sealed = value::seal(b"a", &value::encode(&old).unwrap());
    store.lists.insert("a", sealed).unwrap();
    let database = store.dir.clone();
    drop(store);
    let db = sled::open(&database).unwrap();
    db.open_tree("meta").unwrap().insert("schema", &5_u32.to_be_bytes()).unwrap();
    drop(db);

    let store = open(dir.path());
    assert_eq!(store.list(&id("a")).unwrap().unwrap(), first);
    let look = DeclaredCheck {
        at: "2025-05-30T08:00:00Z".parse().unwrap(),
        by: "anna".to_owned(),
        declared_at: "2025-06-01T12:00:00Z".parse().unwrap(),
    };
    let check = ListCheck { declared: Some(look), ..first.check.clone() };
    store.record_check(&id("a"), &check).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.list(&id("a")).unwrap().unwrap().check, check);
    let known = store.list_ages_at(store.check_count()).unwrap().unwrap();
    assert_eq!(known[&id("a")].current_at, check.fresh_as_of());
}
