//! A database that forgot what was acknowledged is refused by its heads.

use super::*;

/// The files of an open store, as a killed process would leave them.
fn copy_open(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    let (from, into) = (from.join("store"), to.path().join("store"));
    std::fs::create_dir(&into).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), into.join(entry.file_name())).unwrap();
        }
    }
    to
}

#[test]
fn what_was_acknowledged_does_not_vanish_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    publish(&store, "a", 1, 40);
    publish(&store, "b", 2, 40);
    let log = || copy_open(dir.path());
    let undamaged = log();
    let lists = store.lists().unwrap();
    let reopened = open(undamaged.path());
    assert_eq!(reopened.lists().unwrap(), lists);
    drop(reopened);

    let db = |copy: &Path| copy.join("store/db");
    let written = std::fs::read(db(log().path())).unwrap();
    let used = written.iter().rposition(|byte| *byte != 0).unwrap();
    let (mut lost, mut refused) = (0, 0);
    // A flipped bit, or a sector of nothing, at places all over the log.
    for place in (0..used).step_by(used / 60) {
        for zeroed in [false, true] {
            let copy = log();
            let mut bytes = written.clone();
            match zeroed {
                true => bytes.chunks_mut(512).nth(place / 512).unwrap().fill(0),
                false => bytes[place] ^= 4,
            }
            std::fs::write(db(copy.path()), bytes).unwrap();
            let at = format!("place {place} of {used}, zeroed {zeroed}");
            match Store::open(copy.path(), DEFAULT_CACHE).and_then(|store| store.lists()) {
                // What was damaged is not read any more.
                Ok(found) => assert_eq!(found, lists, "{at}"),
                Err(StoreError::Lost { list, version, .. }) => {
                    assert!([("a", 1), ("b", 2)].contains(&(list.as_str(), version)), "{at}");
                    lost += 1;
                }
                Err(error) => {
                    eprintln!("{at}: {error}");
                    refused += 1;
                }
            }
        }
    }
    eprintln!("{lost} times lost, {refused} times refused otherwise");
    assert!(lost > 0, "no damage made sled forget anything");
}

#[test]
fn a_database_behind_its_heads_is_refused_before_anything_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    publish(&store, "a", 1, 3);
    let earlier = copy_open(dir.path());
    publish(&store, "b", 2, 3);
    publish(&store, "a", 3, 3);
    let heads = || std::fs::read_to_string(dir.path().join("store/heads")).unwrap();
    assert_eq!(heads(), "lazaretto heads 1\na 3\nb 2\n= 2\n");
    let tail = "it is damaged; restore the directory from a backup, or move it away and import the lists again";
    let fresh = tempfile::tempdir().unwrap();
    std::fs::create_dir(fresh.path().join("store")).unwrap();
    let whole = "lazaretto heads 1\na 1\n= 1\n";
    let table: [(&Path, &str, String); 10] = [
        (
            earlier.path(),
            &heads(),
            format!(
                "version 3 of list a was stored here, but the database has version 1 only: {tail}"
            ),
        ),
        (
            earlier.path(),
            "lazaretto heads 1\na 1\nb 2\n= 2\n",
            format!(
                "version 2 of list b was stored here, but the database has no version of it: {tail}"
            ),
        ),
        (
            fresh.path(),
            &heads(),
            format!(
                "version 3 of list a was stored here, but the database has no version of it: {tail}"
            ),
        ),
        (fresh.path(), "lazaretto heads 1\n= 0\n", "the store has schema unknown,".to_owned()),
        (earlier.path(), "", "heads, line 1: the file is damaged;".to_owned()),
        (
            earlier.path(),
            "lazaretto heads 2\n= 0\n",
            "heads, line 1: the file is damaged;".to_owned(),
        ),
        (
            earlier.path(),
            &whole[..whole.len() - 1],
            "heads, line 3: the file is damaged;".to_owned(),
        ),
        (
            earlier.path(),
            "lazaretto heads 1\na 1\n",
            "heads, line 3: the file is damaged;".to_owned(),
        ),
        (
            earlier.path(),
            "lazaretto heads 1\na 1\na 1\n= 2\n",
            "heads, line 3: the file is damaged;".to_owned(),
        ),
        (
            earlier.path(),
            "lazaretto heads 1\na 1\n= 1\nb 1\n",
            "heads, line 3: the file is damaged;".to_owned(),
        ),
    ];
    for (dir, heads, want) in table {
        std::fs::write(dir.join("store/heads"), heads).unwrap();
        let error = Store::open(dir, DEFAULT_CACHE).unwrap_err().to_string();
        assert!(error.contains(&want), "{heads:?}: {error}");
    }
    // As it was, it opens; and so does one that is ahead of its heads, which then follow.
    for heads in [whole, "lazaretto heads 1\n= 0\n"] {
        std::fs::write(earlier.path().join("store/heads"), heads).unwrap();
        assert_eq!(open(earlier.path()).next_version(), 2);
        let now = std::fs::read_to_string(earlier.path().join("store/heads")).unwrap();
        assert_eq!(now, whole);
    }
}
