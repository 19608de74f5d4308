//! Damage and killed changes: named or cleaned away, never a gap.

use super::*;

/// Damages a store of three segments, the last of them small, and reads all of it.
fn damaged(damage: impl Fn(&Path, &sled::Tree, &sled::Tree)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..9000);
    drop(store);
    let db = crate::store::tests::raw(dir.path());
    let file = dir.path().join("store/segments");
    damage(&file, &db.open_tree("transfers").unwrap(), &db.open_tree("segments").unwrap());
    drop(db);
    let found = Store::open(dir.path(), DEFAULT_CACHE).and_then(|store| {
        let random = store.rows(&[4100, 8200]).map(drop);
        let whole = read(&store, 0).map(drop);
        random.and(whole)
    });
    found.unwrap_err().to_string()
}

#[test]
fn damage_is_named_and_never_a_gap() {
    let piece = |id: u64, number: u32| [&id.to_be_bytes()[..], &number.to_be_bytes()].concat();
    let header = |first: u64| [&numbered(log::HEADER, first)[..], &[0; 4]].concat();
    let flip = |tree: &sled::Tree, key: &[u8]| {
        let mut value = tree.get(key).unwrap().unwrap().to_vec();
        let last = value.len() - 1;
        value[last] ^= 1;
        tree.insert(key, value).unwrap();
    };
    type Damage = Box<dyn Fn(&Path, &sled::Tree, &sled::Tree)>;
    let table: Vec<(Damage, &str)> = vec![
        (
            Box::new(move |_, _, s| flip(s, &piece(2, 2))),
            r"tree segments, key \x00\x00\x00\x00\x00\x00\x00\x02: the stored value is damaged: transfers 8192 to 8999: the checksum is wrong",
        ),
        (
            Box::new(move |_, _, s| drop(s.remove(piece(2, 0)).unwrap())),
            r"\x02\x00\x00\x00\x00: the stored value is damaged: the piece is missing",
        ),
        (
            Box::new(move |_, _, s| {
                let last = s.scan_prefix(2_u64.to_be_bytes()).keys().next_back().unwrap().unwrap();
                s.remove(last).unwrap();
            }),
            "the piece is missing: ",
        ),
        (
            Box::new(move |_, _, s| drop(s.insert(piece(2, 1), b"short").unwrap())),
            "tree segments, key ",
        ),
        (
            Box::new(move |_, _, s| drop(s.insert(piece(2, 999), b"more").unwrap())),
            "tree segments, key ",
        ),
        (Box::new(move |_, _, s| s.clear().unwrap()), "the piece is missing: 0 of "),
        (
            Box::new(move |file, _, _| {
                let mut bytes = std::fs::read(file).unwrap();
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                std::fs::write(file, bytes).unwrap();
            }),
            "the file is damaged: transfers 4096 to 8191: the checksum is wrong",
        ),
        // A segment in the place of another.
        (
            Box::new(move |file, _, _| {
                let bytes = std::fs::read(file).unwrap();
                let half = bytes.len() / 2;
                std::fs::write(file, [&bytes[half..], &bytes[..half]].concat()).unwrap();
            }),
            "store/segments, byte ",
        ),
        (
            Box::new(move |file, _, _| {
                let length = std::fs::metadata(file).unwrap().len();
                std::fs::File::options()
                    .write(true)
                    .open(file)
                    .unwrap()
                    .set_len(length - 1)
                    .unwrap();
            }),
            "the file is damaged: it ends here, but transfers reach to byte ",
        ),
        (
            Box::new(move |file, _, _| std::fs::remove_file(file).unwrap()),
            "store/segments, byte 0: the file is damaged: it ends here",
        ),
        (
            Box::new(move |_, t, _| flip(t, &header(4096))),
            r"tree transfers, key s\x00\x00\x00\x00\x00\x00\x10\x00: the stored value is damaged: its checksum is wrong",
        ),
        (
            Box::new(move |_, t, _| drop(t.remove(header(4096)).unwrap())),
            r"tree transfers, key s\x00\x00\x00\x00\x00\x00 \x00: the stored value is damaged: the header of transfer 4096 is missing before it",
        ),
        (
            Box::new(move |_, t, _| drop(t.remove(header(0)).unwrap())),
            "the header of transfer 0 is missing before it",
        ),
        (
            Box::new(move |_, t, _| drop(t.remove(header(8192)).unwrap())),
            "the headers of transfers 8192 to 8999 are missing",
        ),
        (
            Box::new(move |_, t, _| t.clear().unwrap()),
            "9000 transfers were stored here by 1 changes, but the database has 0 by 0: it is damaged;",
        ),
        (
            Box::new(move |_, t, _| {
                for key in t.scan_prefix([log::HEAD]).keys() {
                    t.remove(key.unwrap()).unwrap();
                }
            }),
            "it counts 0 transfers, but the headers have ",
        ),
        (
            Box::new(move |_, t, _| flip(t, b"n\0\0\0\0")),
            "tree transfers, key n: the stored value is damaged: its checksum is wrong",
        ),
    ];
    for (number, (damage, want)) in table.iter().enumerate() {
        let found = damaged(damage);
        assert!(found.contains(want), "{number}: {found}\n{want}");
    }
}

#[test]
fn what_killed_changes_left_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..1000);
    append(&store, 1000..2000);
    // Pieces without a header; a superseded segment whose pieces are still there.
    pieces::write(&store.segments, &segment_key(2), &[7; 20_000], pieces::LARGE).unwrap();
    store.segment_file.write(store.log().file_end, &[7; 20_000]).unwrap();
    pieces::write(&store.segments, &segment_key(9), &[7; 20_000], pieces::LARGE).unwrap();
    let garbage = numbered(log::GARBAGE, 77);
    value::write(&store.transfers, &garbage, &[]).unwrap();
    let pieces = store.segments.len();
    drop(store);
    let store = open(dir.path());
    assert!(store.segments.len() < pieces);
    assert_eq!(std::fs::metadata(dir.path().join("store/segments")).unwrap().len(), 0);
    assert_eq!(store.transfers.scan_prefix(&garbage).count(), 0);
    append(&store, 2000..7000);
    drop(store);
    assert_eq!(read(&open(dir.path()), 0).unwrap(), rows(0..7000));
}

#[test]
fn a_failed_change_is_the_last_until_reopening_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..5000);
    let heads = dir.path().join("store/heads.new");
    // The last step of a change fails: a directory is in the way.
    std::fs::create_dir(&heads).unwrap();
    assert!(matches!(store_rows(&store, &rows(5000..6000)), Err(StoreError::Io { .. })));
    assert_eq!(store.transfer_state().rows, 5000, "what was not acknowledged is not shown");
    std::fs::remove_dir(&heads).unwrap();
    assert!(matches!(store_rows(&store, &rows(5000..6000)), Err(StoreError::Broken)));
    assert_eq!(read(&store, 0).unwrap().len(), 5000);
    drop(store);
    let store = open(dir.path());
    let there = store.transfer_state().rows;
    assert!(there == 5000 || there == 6000, "{there}");
    assert_eq!(read(&store, 0).unwrap(), rows(0..there));
}

/// sled forgets without a word what follows damage in its log.
#[test]
fn a_database_behind_its_heads_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..5000);
    retract(&store, &Chain::Tron, 9, "a fork").unwrap();
    let copy = |name: &str, into: &Path| {
        std::fs::copy(dir.path().join("store").join(name), into.join("store").join(name)).unwrap();
    };
    let earlier = tempfile::tempdir().unwrap();
    std::fs::create_dir(earlier.path().join("store")).unwrap();
    for name in ["db", "conf", "segments", "heads"] {
        copy(name, earlier.path());
    }
    // Only a retraction, and then rows.
    retract(&store, &Chain::Evm(1), 9, "a fork").unwrap();
    copy("heads", earlier.path());
    let refused = || Store::open(earlier.path(), DEFAULT_CACHE).unwrap_err().to_string();
    let error = refused();
    let want = "5000 transfers were stored here by 3 changes, but the database has 5000 by 2: it is damaged;";
    assert!(error.contains(want), "{error}");
    append(&store, 5000..5001);
    copy("heads", earlier.path());
    assert!(refused().contains("5001 transfers were stored here by 4 changes"));
    std::fs::write(
        earlier.path().join("store/heads"),
        "lazaretto heads 1\n.transfers 2 5000\n= 0\n",
    )
    .unwrap();
    assert_eq!(read(&open(earlier.path()), 0).unwrap(), rows(0..5000));
}
