//! Changes of schema 5, which say what is other, and of older ones, which do not.

use super::*;
use crate::domain::list_change::{ChangedField, FieldChange};
use crate::store::changes::{OldChange, OldChunk, key};
use crate::store::value;

fn updated(address: &str, fields: Vec<FieldChange>) -> ListingChange {
    let key = RowKey { address: address.to_owned(), ..RowKey::default() };
    ListingChange { kind: ChangeKind::Updated, key, party_name: "Party".to_owned(), fields }
}

#[test]
fn what_is_other_is_kept_and_older_records_open_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (first, _) = state("a", 1, 3);
    store.publish(&first, Changes::Publication(&[])).unwrap();
    // As schema 4 wrote them.
    let old = |address: &str| {
        let ListingChange { kind, key, party_name, .. } = updated(address, Vec::new());
        OldChange { kind, key, party_name }
    };
    let chunk = OldChunk { list: id("a"), changes: vec![old("x"), old("y")] };
    value::write(&store.changes, &key(1, 0), &value::encode(&chunk).unwrap()).unwrap();
    let database = store.dir.clone();
    drop(store);
    let db = sled::open(&database).unwrap();
    db.open_tree("meta").unwrap().insert("schema", &4_u32.to_be_bytes()).unwrap();
    drop(db);

    let store = open(dir.path());
    let fields = vec![FieldChange {
        field: ChangedField::PartyAliases,
        from: vec!["A".to_owned()],
        to: Vec::new(),
        omitted: 2,
    }];
    let (second, _) = state("a", 2, 3);
    store.publish(&second, Changes::Publication(&[updated("x", fields.clone())])).unwrap();
    let found = store.changes(None, None, 10).unwrap().changes;
    let found: Vec<_> = found.into_iter().map(|it| (it.version, it.change)).collect();
    let expected =
        [(1, updated("x", Vec::new())), (1, updated("y", Vec::new())), (2, updated("x", fields))];
    assert_eq!(found, expected);
    let verified = store.verify(&|_: OpaqueRecord<'_>| Ok(())).unwrap();
    assert_eq!((verified.changes, verified.problems.len()), (3, 0), "{verified:?}");
}
