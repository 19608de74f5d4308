//! Tag packs by small documents, and the real ones.

use std::path::Path;

use super::super::tests::{keys, list, real_data, refused};
use super::*;
use crate::domain::list::ReadList;
use crate::source::{Position, read_file};

const PACK: &str = "\
%YAML 1.1
---
# a comment
title: A pack
label: Archive
\"currency\": BTC
lastmod: 2021-11-12
source: https://example.org/ # here
tags:
- address: 1abc
- address: ' 0xFA8E '
  currency: ETH
  label: null
  lastmod: 2022-01-02 03:04:05
  context: '{\"a\": [1]}'
  concepts: [defi, {deep: [x]}]
- {address: 4abc def, currency: XMR, label: 'Other, one', actor: archive2, abuse: scam}
- address: 1abc
  source: https://example.org/2
- address: 1xyz
  label: Second
  actor: archive2
  network: LTC
category: donation
abuse: [ransomware, scam]
";

#[test]
fn tags_take_over_what_the_header_says() {
    let got = list(Format::TagPack, PACK).unwrap();
    // `lastmod` is no day of publication.
    assert_eq!((got.published, got.duplicates), (None, 1));
    let want = [
        ("Archive", "ETH", " 0xFA8E "),
        ("Archive", "BTC", "1abc"),
        ("archive2", "LTC", "1xyz"),
        ("archive2", "XMR", "4abc def"),
    ];
    assert_eq!(keys(&got), want);
    let facts = RowFacts {
        listed_on: None,
        category: "donation".into(),
        reference: "https://example.org/".into(),
    };
    for (_, found) in &got.rows {
        assert_eq!(*found, facts);
    }
    let [archive, second] = &got.parties[..] else { panic!("{:?}", got.parties) };
    assert_eq!((&*archive.uid, &*archive.name, &*archive.party_type), ("Archive", "Archive", ""));
    assert_eq!(archive.programs, ["donation", "ransomware", "scam"]);
    assert_eq!((&*second.uid, &*second.name), ("archive2", "Other, one"));
    assert_eq!(second.aliases, ["Second"]);
    assert_eq!(second.programs, ["donation", "ransomware", "scam"]);
}

#[test]
fn many_programs_of_one_party_take_no_longer_each() {
    let count = 100_000;
    let tags: String =
        (0..count).map(|at| format!("- {{address: {at}, category: c{at}}}\n")).collect();
    let start = std::time::Instant::now();
    let got = list(Format::TagPack, &format!("actor: a\ntags:\n{tags}")).unwrap();
    assert_eq!(got.parties[0].programs.len(), count);
    // To look through all of them for each takes minutes.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn what_is_unsaid_stays_unsaid() {
    let got = list(Format::TagPack, "tags:\n- address: a\n- address: ''\n").unwrap();
    assert_eq!(keys(&got), [("unattributed", "", ""), ("unattributed", "", "a")]);
    assert_eq!((got.published, got.parties[0].name.as_str()), (None, ""));
    assert_eq!(list(Format::TagPack, "tags: []\n").unwrap(), ReadList::default());
}

#[test]
fn what_is_no_tag_pack_is_refused() {
    let nested = format!("tags: []\ncontext: {}1{}", "[".repeat(70), "]".repeat(70));
    let no_address = Fault::Missing("the address of a tag");
    let key = Fault::Misplaced("a key of a mapping");
    let cases: [(&str, u64, Fault); 17] = [
        ("title: a\nactors:\n- id: b\n", 2, Fault::ActorPack),
        ("title: a\n", 2, NO_PACK),
        ("- address: a\n", 1, NO_PACK),
        ("just text\n", 1, NO_PACK),
        ("# nothing\n", 2, NO_PACK),
        ("tags:\n- address: a\n- label: b\n", 3, no_address.clone()),
        ("tags:\n- address: ~\n", 2, no_address),
        ("tags:\n- a\n", 2, Fault::Misplaced("a tag that is no mapping")),
        ("tags: a\n", 1, Fault::Missing("the list of `tags`")),
        ("tags: []\ntags: []\n", 2, key.clone()),
        ("tags:\n- address: a\n  label: b\n  label: c\n", 4, key),
        ("tags:\n- address: &a b\n- address: *a\n", 2, Fault::Anchor),
        ("title: &a\n  b: c\ntags: []\n", 1, Fault::Anchor),
        ("tags: []\n---\ntags: []\n", 2, Fault::Misplaced("a second document")),
        ("tags:\n- address: [a]\n", 2, Fault::BadValue("address", "a list or mapping".into())),
        (
            "tags:\n- address: a\n  b: \0\n- address: c\n",
            3,
            Fault::BadValue("a character", "\0".into()),
        ),
        (&nested, 2, Fault::TooDeep(64)),
    ];
    for (text, line, want) in cases {
        let (at, fault) = refused(Format::TagPack, text, &Bounds::default());
        assert_eq!((&fault, at), (&want, Position::Line(line)), "{text}");
    }
    for text in ["tags: [\n", "tags:\n- address: 'a\n", "tags:\n\t- address: a\n"] {
        let (_, fault) = refused(Format::TagPack, text, &Bounds::default());
        assert!(matches!(fault, Fault::Syntax(_)), "{text}: {fault}");
    }
    let bounds = Bounds { max_field: 8, max_rows: 2, ..Bounds::default() };
    for (text, want) in [
        ("tags: [{address: a}, {address: b}, {address: c}]", Fault::TooManyRows(2)),
        ("tags: [{address: abcdefghi}]", Fault::FieldTooLong(8)),
    ] {
        assert_eq!(refused(Format::TagPack, text, &bounds).1, want);
    }
    let bytes = super::super::read(&b"tags: [\xc3]"[..], Format::TagPack, &bounds).unwrap_err();
    assert!(bytes.to_string().contains("not UTF-8"), "{bytes}");
}

fn packs(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            packs(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_real_pack_is_read() {
    let Some(data) = real_data() else { return };
    let mut files = Vec::new();
    packs(&data.join("tagpacks/packs"), &mut files);
    assert_eq!(files.len(), 86);
    let mut tags = 0;
    for path in files {
        // A tag's address is a key of its own on a line of its own in all of these files.
        let text = std::fs::read_to_string(&path).unwrap();
        let is_address = |line: &&str| {
            let line = line.trim_start().trim_start_matches("- ").trim_start();
            line.starts_with("address:") || line.starts_with("\"address\":")
        };
        let want = text.lines().filter(is_address).count() as u64;
        let got = read_file(&path, None, &Bounds::default());
        let got = got.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(got.rows.len() as u64 + got.duplicates, want, "{}", path.display());
        assert!(got.parties.iter().all(|party| !party.name.is_empty()), "{}", path.display());
        tags += want;
        assert_eq!(got.published, None, "{}", path.display());
    }
    // 524,170 is what PyYAML counts in the same files.
    assert_eq!(tags, 524_170);

    let actors = data.join("tagpacks/actors/graphsense.actorpack.yaml");
    let error = read_file(&actors, None, &Bounds::default()).unwrap_err();
    assert!(error.to_string().contains("actor pack"), "{error}");
}
