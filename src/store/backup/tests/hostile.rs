//! Files of the right form whose contents are wrong: each is refused with the key, and nothing is
//! left behind.

use super::*;
use crate::store::transfers::tests::rows as transfer_rows;
use crate::store::value;

/// A backup taken apart.
#[derive(Clone)]
struct Parts {
    header: Header,
    heads: Vec<u8>,
    entries: Vec<(String, Vec<u8>, Vec<u8>)>,
    segments: Vec<u8>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let (mut reader, header) = Reader::new(bytes).unwrap();
        let trees = header.trees.clone();
        let (heads, entries, segments) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts = Self { header, heads, entries, segments };
        loop {
            match reader.next().unwrap() {
                Frame::Heads(part) => parts.heads.extend_from_slice(part),
                Frame::Entries(tree, entries) => parts.entries.extend(
                    entries.iter().map(|(k, v)| (trees[tree].clone(), k.to_vec(), v.to_vec())),
                ),
                Frame::Segments(part) => parts.segments.extend_from_slice(part),
                Frame::End(_) => return parts,
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &self.header).unwrap();
        writer.heads(&self.heads).unwrap();
        for (tree, key, value) in &self.entries {
            let number = self.header.trees.iter().position(|known| known == tree).unwrap();
            writer.entry(number as u8, key, value).unwrap();
        }
        self.segments.chunks(PART).for_each(|part| writer.segments(part).unwrap());
        writer.end().unwrap();
        bytes
    }

    /// The entries of a tree.
    fn of_tree(&self, tree: &str) -> Vec<usize> {
        let places = 0..self.entries.len();
        places.filter(|place| self.entries[*place].0 == tree).collect()
    }

    fn remove(&mut self, tree: &str, number: usize) {
        let place = self.of_tree(tree)[number];
        self.entries.remove(place);
    }

    /// Puts a value of one piece, sealed for its key, in the place of another.
    fn put(&mut self, tree: &str, number: usize, bytes: &[u8]) {
        let place = self.of_tree(tree)[number];
        let (_, key, value) = &mut self.entries[place];
        let end = key.len() - if tree == "lists" { 0 } else { 4 };
        *value = value::seal(&key[..end], bytes);
    }

    fn flip(&mut self, tree: &str, number: usize) {
        let place = self.of_tree(tree)[number];
        *self.entries[place].2.last_mut().unwrap() ^= 1;
    }
}

/// The problems found in an edited backup, which is refused with the first.
fn problems(edit: impl FnOnce(&mut Parts), whole: &Parts) -> Vec<String> {
    let mut parts = whole.clone();
    edit(&mut parts);
    let bytes = parts.bytes();
    let found = verify_backup(&*bytes, &judge).unwrap().problems;
    let dir = tempfile::tempdir().unwrap();
    let error = restore(dir.path(), &*bytes, DEFAULT_CACHE, &judge).unwrap_err().to_string();
    assert_eq!(names(dir.path()), [""; 0], "{error}");
    let first = found.first().unwrap_or_else(|| panic!("nothing was found, but {error}"));
    let want = format!("what the backup holds is damaged: {first}");
    assert!(error.starts_with(&want), "{error}\n{want}");
    found
}

type Edit = Box<dyn FnOnce(&mut Parts)>;

fn table() -> Vec<(Edit, &'static str)> {
    vec![
        (
            Box::new(|p| p.remove("meta", 0)),
            "tree meta, key schema: the stored value is damaged: it is missing",
        ),
        (Box::new(|p| p.entries[0].2 = vec![0, 0, 0, 1]), "it is not the schema of the store"),
        (
            Box::new(|p| p.flip("lists", 0)),
            "tree lists, key a: the stored value is damaged: its checksum is wrong",
        ),
        (Box::new(|p| p.remove("lists", 0)), "no pointer names list a"),
        (
            Box::new(|p| p.put("lists", 0, b"xyz")),
            "tree lists, key a: the stored value is damaged: ",
        ),
        (
            Box::new(|p| p.flip("versions", 0)),
            r"tree versions, key a\x00\x00\x00\x00\x00\x00\x00\x00\x02: the stored value is damaged: its checksum",
        ),
        (
            Box::new(|p| p.remove("versions", 0)),
            "tree lists, key a: the stored value is damaged: the header of its version 2 is missing",
        ),
        (Box::new(|p| p.remove("versions", 1)), "tree versions: 1 of 4 versions are missing"),
        (Box::new(|p| p.flip("rows", 3)), "tree rows, key b"),
        (
            Box::new(|p| p.remove("rows", 1)),
            "it counts 1 and 1 chunks of parties and rows, but 1 and 0 are there",
        ),
        (
            Box::new(|p| {
                let mut places = p.of_tree("rows").into_iter().rev();
                let is_row = |place: &usize| p.entries[*place].1[10] == b'r';
                let last = places.find(is_row).unwrap();
                let (tree, key, _) = p.entries[last].clone();
                let other = [&key[..key.len() - 8], &2_u32.to_be_bytes()].concat();
                let sealed = value::seal(&other, &[0]);
                p.entries.insert(last + 1, (tree, [&other[..], &[0; 4]].concat(), sealed));
            }),
            "it counts 1 and 2 chunks of parties and rows, but 1 and 3 are there",
        ),
        (
            Box::new(|p| p.flip("rows", 2)),
            r"tree rows, key a\x00\x00\x00\x00\x00\x00\x00\x00\x02s\x00\x00\x00\x00: the stored value is damaged: its checksum",
        ),
        (
            Box::new(|p| p.put("rows", 2, &[0, 5])),
            "the stored value is damaged: spans of its baseline are missing",
        ),
        // No rows at all in a chunk.
        (
            Box::new(|p| p.put("rows", 1, &[0])),
            "tree lists, key a: the stored value is damaged: the rows do not have the digest of the version",
        ),
        (Box::new(|p| p.flip("changes", 0)), "tree changes, key "),
        (
            Box::new(|p| {
                let of_first: Vec<_> = p
                    .of_tree("changes")
                    .into_iter()
                    .filter(|place| {
                        p.entries[*place].1[..12] == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
                    })
                    .collect();
                p.entries.drain(of_first[0]..=of_first[of_first.len() - 1]);
            }),
            "change 0 of the version should be here",
        ),
        (
            Box::new(|p| p.put("snapshots", 0, b"bad")),
            r"tree snapshots, key \x02s1: the stored value is damaged: it is bad",
        ),
        (
            Box::new(|p| p.flip("policies", 1)),
            r"tree policies, key \x02s1: the stored value is damaged: its checksum is wrong",
        ),
        (
            Box::new(|p| p.put("settings", 0, b"bad")),
            r"tree settings, key \x02s1: the stored value is damaged: it is bad",
        ),
        (
            Box::new(|p| p.put("bases", 0, b"bad")),
            r"tree bases, key \x02s1: the stored value is damaged: it is bad",
        ),
        (Box::new(|p| p.flip("coverage", 1)), "tree coverage, key "),
        (Box::new(|p| p.remove("coverage", 0)), "the first one must have all chains"),
        (Box::new(|p| p.remove("coverage", 1)), "change 2 is missing before it"),
        (
            Box::new(|p| p.remove("coverage", 3)),
            r"tree coverage, key \x00\x00\x00\x00\x00\x00\x00\x04: the stored value is damaged: it is missing",
        ),
        (
            Box::new(|p| {
                let of = p.of_tree("coverage");
                let first = p.entries[of[1]].2[8..].to_vec();
                p.put("coverage", 3, &first);
            }),
            "it knows less than the change before it",
        ),
        (
            Box::new(|p| p.heads = b"lazaretto heads 1\n= 0\n".to_vec()),
            "heads: it names other versions or transfers than are there",
        ),
        (Box::new(|p| p.heads = b"lazaretto".to_vec()), "heads, line 1: the file is damaged"),
        (Box::new(|p| p.heads.clear()), "heads, line 1: the file is damaged"),
        (Box::new(|p| p.segments.truncate(p.segments.len() - 1)), "store/segments, byte "),
        (Box::new(|p| p.segments.push(0)), ": no header leads here"),
        (
            Box::new(|p| p.segments[700] ^= 1),
            "store/segments, byte 0: the file is damaged: transfers 0 to 4095: the checksum is wrong",
        ),
        (
            Box::new(|p| p.segments.clear()),
            "store/segments, byte 0: the file ends here, but transfers 0 on should follow",
        ),
        (Box::new(|p| p.flip("segments", 0)), "the checksum is wrong"),
        (Box::new(|p| p.remove("segments", 0)), "bytes are there"),
        (
            Box::new(|p| {
                let small = p.of_tree("segments");
                p.entries.drain(small[0]..=small[small.len() - 1]);
            }),
            "tree segments, key \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02: the stored value is damaged: it is missing",
        ),
    ]
}

#[test]
fn wrong_contents_are_named_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Parts::of(&written(begin(&full(dir.path()))));
    assert!(verify_backup(&*whole.bytes(), &judge).unwrap().is_whole());
    for (number, (edit, want)) in table().into_iter().enumerate() {
        let found = problems(edit, &whole);
        assert!(found.iter().any(|problem| problem.contains(want)), "{number}: {found:#?}\n{want}");
    }
}

/// Headers of transfers that do not fit together, one after the other.
#[test]
fn wrong_directories_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Parts::of(&written(begin(&full(dir.path()))));
    for number in 0..whole.of_tree("transfers").len() {
        let key = whole.entries[whole.of_tree("transfers")[number]].1.escape_ascii().to_string();
        problems(|parts| parts.flip("transfers", number), &whole);
        let found = problems(|parts| parts.remove("transfers", number), &whole);
        assert!(found.iter().any(|what| what.contains("transfers")), "{key}: {found:#?}");
    }
}

#[test]
fn trees_that_do_not_belong_there_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Parts::of(&written(begin(&full(dir.path()))));
    let check = |trees: &[&str]| {
        let mut parts = whole.clone();
        parts.entries.clear();
        parts.header.trees = trees.iter().map(|&tree| tree.to_owned()).collect();
        let error = verify_backup(&*parts.bytes(), &judge).unwrap_err().to_string();
        assert!(error.starts_with("byte 24: the backup is damaged: a tree "), "{error}");
    };
    check(&["labels"]);
    check(&["meta", "lists", "meta"]);
    check(&["lists", "meta"]);
}

/// A store of lists alone, as the first schema had them.
#[test]
fn an_older_schema_is_restored_and_is_the_newer_one_then() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    publish(&store, "a", 1, 40);
    let mut parts = Parts::of(&written(begin(&store)));
    let newer = ["settings", "bases", "transfers", "coverage", "segments"];
    parts.header.trees.retain(|tree| !newer.contains(&tree.as_str()));
    assert!(parts.entries.iter().all(|(tree, _, _)| !newer.contains(&tree.as_str())));
    parts.header.schema = 1;
    parts.entries[0].2 = vec![0, 0, 0, 1];
    let (into, verified) = restored(&parts.bytes());
    assert_eq!(verified.backup.unwrap().schema, 1);
    let copy = open(into.path());
    assert_eq!(said(&copy), said(&store));
    append(&copy, 0..10);
    assert_eq!(read(&copy, 0).unwrap(), transfer_rows(0..10));
}

/// Every byte of a small backup, with its contents.
#[test]
fn a_changed_byte_is_refused_whatever_stands_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    publish(&store, "a", 1, 2);
    append(&store, 0..3);
    let whole = written(begin(&store));
    assert!(whole.len() < 10_000, "{}", whole.len());
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        verify_backup(&*bytes, &judge).unwrap_err();
        verify_backup(&whole[..place], &judge).unwrap_err();
    }
    let into = tempfile::tempdir().unwrap();
    for place in (0..whole.len()).step_by(whole.len() / 20) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        restore(into.path(), &*bytes, DEFAULT_CACHE, &judge).unwrap_err();
        restore(into.path(), &whole[..place], DEFAULT_CACHE, &judge).unwrap_err();
        assert_eq!(names(into.path()), [""; 0]);
    }
}
