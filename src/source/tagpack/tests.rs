//! Tag packs by small documents, and the real ones.

use std::path::Path;

use super::super::tests::{keys, list, refused};
use super::*;
use crate::domain::list::{FileNote, ReadList};
use crate::needs::data;
use crate::source::{Include, Position, SourceError, read_file, read_reported};

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
    let defi = RowFacts { category: "donation,defi".into(), ..facts.clone() };
    for (key, found) in &got.rows {
        let wanted = if key.address == " 0xFA8E " { &defi } else { &facts };
        assert_eq!(found, wanted, "{key:?}");
    }
    let [archive, second] = &got.parties[..] else { panic!("{:?}", got.parties) };
    assert_eq!((&*archive.uid, &*archive.name, &*archive.party_type), ("Archive", "Archive", ""));
    assert_eq!(archive.programs, ["defi", "donation", "ransomware", "scam"]);
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
    let got = list(Format::TagPack, "tags:\n- address: a\n").unwrap();
    assert_eq!(keys(&got), [("unattributed", "", "a")]);
    assert_eq!((got.published, got.parties[0].name.as_str()), (None, ""));
    assert_eq!(list(Format::TagPack, "tags: []\n").unwrap(), ReadList::default());
}

#[test]
fn what_is_no_tag_pack_is_refused() {
    let nested = format!("tags: []\ncontext: {}1{}", "[".repeat(70), "]".repeat(70));
    let key = Fault::Misplaced("a key of a mapping");
    let cases: [(&str, u64, Fault); 18] = [
        ("title: a\nactors:\n- id: b\n", 2, Fault::ActorPack),
        ("title: a\n", 2, NO_PACK),
        ("- address: a\n", 1, NO_PACK),
        ("just text\n", 1, NO_PACK),
        ("# nothing\n", 2, NO_PACK),
        ("header: !include header.yaml\ntags: []\n", 1, Fault::Include),
        ("tags: !include tags.yaml\n", 1, Fault::Include),
        ("header:\n  tags: []\ntags: []\n", 2, Fault::Misplaced("`tags`")),
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

/// Reads a pack from a folder with these files.
fn read_in_folder(
    pack: &str,
    files: &[(&str, &str)],
) -> Result<crate::source::ParsedFile, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join("pack.yaml");
    std::fs::write(&path, pack).unwrap();
    read_reported(&path, None, Include::Beside(&path), &Bounds::default())
}

#[test]
fn tags_without_an_address_are_left_out_and_noted() {
    let pack = "label: x\ntags:\n- label: a\n- address: ~\n- address: ' '\n  label: c\n- address: 1abc\n\
                - address: ''\n- address:\n- label: f\n- label: g\n";
    let got = read_in_folder(pack, &[]).unwrap();
    assert_eq!(keys(&got.list), [("x", "", "1abc")]);
    assert_eq!((got.report.rows, got.report.parties), (1, 1));
    let examples = ["a", "c"].map(str::to_owned).to_vec();
    let (kind, subject) = (NoteKind::NoAddress, NO_ADDRESS.to_owned());
    assert_eq!(got.report.notes, [FileNote { kind, subject, count: 7, examples }]);
}

#[test]
fn concepts_are_programs_and_categories() {
    let check = |fields: &str, category: &str, programs: &[&str]| {
        let text = format!("tags:\n- address: a\n  label: b\n{fields}");
        let got = list(Format::TagPack, &text).unwrap();
        assert_eq!(got.rows[0].1.category, category, "{fields}");
        assert_eq!(got.parties[0].programs, programs, "{fields}");
    };
    check("  concepts: exchange\n", "exchange", &["exchange"]);
    check(
        "  concepts: [exchange, ~, ransomware]\n",
        "exchange,ransomware",
        &["exchange", "ransomware"],
    );
    check("  category: exchange\n  concepts: [exchange]\n", "exchange", &["exchange"]);
    check("  abuse: scam\n  concepts: [phishing]\n", "scam,phishing", &["phishing", "scam"]);
    check("  category: user\n  abuse: scam\n  concepts: []\n", "user", &["scam", "user"]);
    check("  concepts: ~\n", "", &[]);
    let long = format!("tags: [{{address: a, concepts: [{}]}}]", "c, ".repeat(600));
    assert_eq!(
        refused(Format::TagPack, &long, &Bounds::default()).1,
        Fault::FieldTooLong(MAX_SEVERAL)
    );
}

#[test]
fn a_nested_header_holds_for_every_tag() {
    let pack = "currency: ETH\nlabel: outer\ntags:\n- address: a\n- address: b\n  network: TRX\n\
                header:\n  label: inner\n  currency: BTC\n  context: {x: [y]}\n";
    let got = list(Format::TagPack, pack).unwrap();
    assert_eq!(keys(&got), [("inner", "BTC", "a"), ("inner", "TRX", "b")]);
    assert!(list(Format::TagPack, "header: ~\ntags: []\n").is_ok());
    let fault = refused(Format::TagPack, "header: x\ntags: []\n", &Bounds::default()).1;
    assert!(matches!(fault, Fault::BadValue("header", _)), "{fault}");
}

#[test]
fn a_header_is_included_from_the_folder_of_the_pack_alone() {
    let pack =
        |name: &str| format!("# first\nheader: !include {name}\ntags:\n- address: a\n  label: b");
    let header =
        "---\n# of all\ntitle: T\ncurrency: BTC\nlabel: |\n  two\n  lines\ncategory: exchange\n";
    for name in ["header.yaml", "'header.yaml'", "\"header.yaml\" # here", "header.yaml\r"] {
        let got = read_in_folder(&pack(name), &[("header.yaml", header)]).unwrap();
        assert_eq!(keys(&got.list), [("b", "BTC", "a")], "{name}");
        assert_eq!(got.list.rows[0].1.category, "exchange", "{name}");
    }
    let check = |name: &str, files: &[(&str, &str)], want: &str| {
        let error = read_in_folder(&pack(name), files).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    };
    let long = "x".repeat((64 << 10) + 1);
    check("none.yaml", &[], "No such file");
    check("big.yaml", &[("big.yaml", &long)], "larger than");
    for name in ["../header.yaml", "/etc/passwd", "a/b.yaml", ".hidden", "..", "\\\\x", "''"] {
        check(name, &[("header.yaml", header), (".hidden", header)], "by its plain name");
    }
    check("header.yaml", &[("header.yaml", "tags: []\n")], "`tags`");
    check("header.yaml", &[("header.yaml", "a: !include b\n")], "`!include`");
    // The line of the pack is the one that is named.
    check("header.yaml", &[("header.yaml", "label: &a b\n")], "anchors");
    let error = read_in_folder(&format!("{}\n- &a b\n", pack("h")), &[("h", header)]).unwrap_err();
    assert!(error.to_string().ends_with("at line 6"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack.yaml");
    std::fs::write(&path, pack("link")).unwrap();
    std::fs::write(folder.path().join("real"), header).unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), header).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    let read = |include| read_reported(&path, None, include, &Bounds::default());
    let error = read(Include::Beside(&path)).unwrap_err().to_string();
    assert!(error.contains("no regular file"), "{error}");
    // A pack that was downloaded has no folder.
    std::fs::write(&path, pack("real")).unwrap();
    assert!(read(Include::Beside(&path)).is_ok());
    let error = read(Include::Refused).unwrap_err().to_string();
    assert!(error.contains("`!include` is resolved only as"), "{error}");
}

/// As Kubernetes mounts a ConfigMap: `NAME -> ..data/NAME`, `..data -> ..2026_1`.
#[test]
fn a_header_is_included_in_a_folder_that_kubernetes_mounts() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("..2026_1")).unwrap();
    symlink("..2026_1", at("..data")).unwrap();
    let pack = "header: !include header.yaml\ntags:\n- address: a\n  label: b\n";
    for (name, text) in [("pack.yaml", pack), ("header.yaml", "currency: BTC\n")] {
        std::fs::write(at("..2026_1").join(name), text).unwrap();
        symlink(format!("..data/{name}"), at(name)).unwrap();
    }
    let path = at("pack.yaml");
    let read = || read_reported(&path, None, Include::Beside(&path), &Bounds::default());
    assert_eq!(keys(&read().unwrap().list), [("b", "BTC", "a")]);
    let digest = crate::source::digest_with_header(&path).unwrap();
    assert_ne!(digest, crate::source::file_digest(&path).unwrap());
    // Of another folder, although by a plain name.
    std::fs::create_dir(at("other")).unwrap();
    std::fs::write(at("other/header.yaml"), "currency: BTC\n").unwrap();
    std::fs::remove_file(at("header.yaml")).unwrap();
    symlink("other/header.yaml", at("header.yaml")).unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.contains("no regular file of that folder"), "{error}");
}

#[test]
fn a_change_of_an_included_header_changes_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack.yaml");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("pack.yaml", "header: !include h.yaml\ntags: []\n");
    let digest = || crate::source::digest_with_header(&path).unwrap();
    write("h.yaml", "label: a\n");
    let first = digest();
    assert_eq!(first, digest());
    write("h.yaml", "label: b\n");
    assert_ne!(first, digest());
    write("pack.yaml", "tags: []\n");
    assert_eq!(digest(), crate::source::file_digest(&path).unwrap());
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
    let Some(data) = data("tagpacks") else { return };
    let mut files = Vec::new();
    packs(&data.join("packs"), &mut files);
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

    let actors = data.join("actors/graphsense.actorpack.yaml");
    let error = read_file(&actors, None, &Bounds::default()).unwrap_err();
    assert!(error.to_string().contains("actor pack"), "{error}");
}
