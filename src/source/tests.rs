//! What holds for every format, and the real files.

mod ofac;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, Write};

use proptest::prelude::*;

use super::*;

/// Reads a text.
pub(super) fn list(format: Format, text: &str) -> Result<ReadList, SourceError> {
    read(text.as_bytes(), format, &Bounds::default())
}

/// The fault of a text that must be refused, and where.
pub(super) fn refused(format: Format, text: &str, bounds: &Bounds) -> (Position, Fault) {
    match read(text.as_bytes(), format, bounds) {
        Err(SourceError::Malformed { format: named, at, fault }) => {
            assert_eq!(named, format, "{text}");
            (at, fault)
        }
        other => panic!("not refused as malformed: {other:?} for {text}"),
    }
}

/// Uid, ticker and address of every row.
pub(super) fn keys(list: &ReadList) -> Vec<(&str, &str, &str)> {
    list.rows
        .iter()
        .map(|(key, _)| (key.party_uid.as_str(), key.ticker.as_str(), key.address.as_str()))
        .collect()
}

const ADDRESS: &str = "149w62rY42aZBox8fGcmqNsXUzSStKeq8C";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn bzip2_of(bytes: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default();
        if name.ends_with('/') {
            out.add_directory(*name, options).unwrap();
        } else {
            out.start_file(*name, options).unwrap();
            out.write_all(bytes).unwrap();
        }
    }
    out.finish().unwrap().into_inner()
}

fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let error = "xlsx".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("\"xlsx\"") && error.contains("ofac-advanced"), "{error}");
}

#[test]
fn packed_files_read_like_plain_ones() {
    let text = format!("address,ticker\n{ADDRESS},XBT\n");
    let want = list(Format::Csv, &text).unwrap();
    let bytes = text.as_bytes();
    let twice = [gzip(&bytes[..10]), gzip(&bytes[10..])].concat();
    let frames = [zstd_of(&bytes[..10]), zstd_of(&bytes[10..])].concat();
    let cases = [
        ("zstd", zstd_of(bytes)),
        ("two zstd frames", frames),
        ("plain", bytes.to_vec()),
        ("gzip", gzip(bytes)),
        ("two gzip members", twice),
        ("bzip2", bzip2_of(bytes)),
        ("zip", zip_of(&[("list.csv", bytes)])),
        ("zip with a folder", zip_of(&[("data/", b""), ("data/list.csv", bytes)])),
    ];
    for (name, packed) in cases {
        let file = file_of(&packed);
        let got = read_file(file.path(), None, &Bounds::default());
        assert_eq!(got.unwrap(), want, "{name}");
    }
}

#[test]
fn broken_packing_is_refused() {
    // Random digits hardly shrink, so that half of the packed file lacks half of the rows.
    let mut random = fastrand::Rng::with_seed(7);
    let rows: Vec<String> = (0..4000).map(|_| random.u64(..).to_string()).collect();
    let text = format!("address\n{}\n", rows.join("\n"));
    let flipped = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 0x55;
        bytes
    };
    let gz = gzip(text.as_bytes());
    let bz = bzip2_of(text.as_bytes());
    let zst = zstd_of(text.as_bytes());
    let zip = zip_of(&[("a.csv", text.as_bytes())]);
    let mut one_name_twice = zip_of(&[("a", b"x"), ("b", b"y")]);
    one_name_twice.iter_mut().filter(|byte| **byte == b'b').for_each(|byte| *byte = b'a');
    let book = zip_of(&[("[Content_Types].xml", b"<a/>"), ("xl/workbook.xml", b"<b/>")]);
    let cases = [
        ("gzip cut", gz[..gz.len() / 2].to_vec(), "gzip"),
        ("gzip without its last byte", gz[..gz.len() - 1].to_vec(), "gzip"),
        ("gzip with a wrong checksum", flipped(gz.clone(), gz.len() - 6), "gzip"),
        ("gzip and something else", [gz.clone(), b"address".to_vec()].concat(), "gzip"),
        ("bzip2 cut", bz[..bz.len() / 2].to_vec(), "bzip2"),
        ("bzip2 without its last byte", bz[..bz.len() - 1].to_vec(), "bzip2"),
        ("zstd cut", zst[..zst.len() / 2].to_vec(), "zstd"),
        ("zstd and something else", [zst.clone(), b"address".to_vec()].concat(), "zstd"),
        ("zip cut", zip[..zip.len() / 2].to_vec(), "zip"),
        ("zip with a wrong byte", flipped(zip.clone(), zip.len() / 2), "zip"),
        ("empty zip", zip_of(&[]), "exactly one file, this one holds 0"),
        (
            "a workbook",
            book,
            "this is a workbook (.xlsx), which cannot be read: save the sheet as CSV",
        ),
        ("zip with a name twice", one_name_twice, "two files have the same name"),
        ("zip of two", zip_of(&[("a", b"x"), ("b", b"y")]), "exactly one file, this one holds 2"),
    ];
    for (name, bytes, said) in cases {
        let file = file_of(&bytes);
        let error = read_file(file.path(), Some(Format::Csv), &Bounds::default()).unwrap_err();
        assert!(error.to_string().contains(said), "{name}: {error}");
    }
    let missing = read_file(Path::new("/nonexistent/list.csv"), None, &Bounds::default());
    assert!(matches!(missing, Err(SourceError::Open { .. })), "{missing:?}");
}

#[test]
fn bombs_are_refused() {
    let (max_decompressed, max_rows) = (1 << 20, usize::MAX);
    let bounds = Bounds { max_decompressed, max_rows, ..Bounds::default() };
    let zeros = vec![b'0'; 8 << 20];
    let lines = "0\n".repeat(4 << 20).into_bytes();
    for bytes in [&zeros, &lines] {
        for packed in [gzip(bytes), bzip2_of(bytes), zstd_of(bytes), zip_of(&[("a", bytes)])] {
            let file = file_of(&packed);
            for format in Format::ALL {
                let error = read_file(file.path(), Some(format), &bounds).unwrap_err();
                let known = matches!(
                    error,
                    SourceError::TooLarge(1_048_576) | SourceError::Malformed { .. }
                );
                assert!(known, "{format}: {error}");
            }
            let error = read_file(file.path(), Some(Format::Plain), &bounds).unwrap_err();
            assert!(matches!(error, SourceError::TooLarge(1_048_576)), "{error}");
        }
    }
}

#[test]
fn a_value_without_end_does_not_fill_the_memory() {
    /// Gives the head, then the same byte for ever.
    struct Endless(&'static [u8], u8, u64);
    impl Read for Endless {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if !self.0.is_empty() {
                return self.0.read(buf);
            }
            buf.fill(self.1);
            self.2 += buf.len() as u64;
            Ok(buf.len())
        }
    }
    let cases: [(Format, &[u8]); 11] = [
        (Format::JsonArray, b"[\""),
        (Format::OpenSanctionsCsv, b"id,schema,name,identifiers\n\""),
        (Format::OfacAdvanced, b"<Sanctions>"),
        (Format::OfacAdvanced, b"<Sanctions><A b='"),
        (Format::OfacSdn, b"<sdnList><!--"),
        (Format::TagPack, b"title: "),
        (Format::TagPack, b"title: \""),
        (Format::OpenSanctions, b"{\"id\":\""),
        (Format::Csv, b"address\n\""),
        (Format::JsonLines, b"{\"address\":\""),
        (Format::Plain, b"1"),
    ];
    for (format, head) in cases {
        let mut input = Endless(head, b'x', 0);
        let error = read(&mut input, format, &Bounds::default()).unwrap_err();
        let SourceError::Malformed { fault, .. } = &error else { panic!("{error}") };
        let long = matches!(fault, Fault::FieldTooLong(_) | Fault::RecordTooLong(_));
        assert!(long, "{format}: {error}");
        assert!(input.2 < 16 << 20, "{format}: {} bytes were read", input.2);
    }
}

#[test]
fn markup_and_nothing_are_no_list() {
    let pages = [
        "<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>",
        "<html><head><title>Error</title></head></html>",
        "\u{feff}\n <HTML>",
    ];
    for format in Format::ALL {
        for page in pages {
            let error = list(format, page).unwrap_err();
            assert!(error.to_string().starts_with("this is an HTML page"), "{format}: {error}");
        }
        assert_eq!(refused(format, "", &Bounds::default()).1, Fault::Empty);
        let is_xml = matches!(format, Format::OfacAdvanced | Format::OfacSdn);
        let (_, fault) = refused(format, "<rss/>", &Bounds::default());
        assert_eq!(fault == Fault::Markup, !is_xml, "{format}: {fault}");
    }
}

#[test]
fn no_error_repeats_much_of_the_input() {
    let long = "x".repeat(5000);
    let texts = [
        format!("<Sanctions><a></{long}></Sanctions>"),
        format!("<{long}/>"),
        format!("<Sanctions>&{long};</Sanctions>"),
        format!("<Sanctions><DateOfIssue><Year>{long}</Year></DateOfIssue></Sanctions>"),
        format!("address,{long}\n"),
        format!("# published: {long}\naddress\n"),
        format!("address,party_uid,party_name\na,{long},b\nb,{long},c\n"),
        format!("{{\"address\":1,\"{long}\":2}}"),
        format!("tags: []\nlastmod: {long}"),
        format!("tags: [*{long}]"),
    ];
    for text in texts {
        for format in Format::ALL {
            if let Err(error) = list(format, &text) {
                assert!(error.to_string().len() < 250, "{format}: {error}");
            }
        }
    }
}

#[test]
fn the_format_is_told_from_the_content() {
    let cases: [(&str, &str, Option<Format>); 29] = [
        ("[\"0xe3d3\"]", "", Some(Format::JsonArray)),
        (" [\n  {\"wallet\": 1}", "list.csv", Some(Format::JsonArray)),
        (
            "\"id\",\"schema\",\"name\",\"aliases\",\"identifiers\",\"dataset\"\n",
            "",
            Some(Format::OpenSanctionsCsv),
        ),
        ("id,schema,name\n", "targets.simple.csv", Some(Format::Csv)),
        ("<?xml version=\"1.0\"?>\n<Sanctions>", "", Some(Format::OfacAdvanced)),
        ("<!-- a --><x:Sanctions Version='3'>", "", Some(Format::OfacAdvanced)),
        ("\u{feff}<sdnList xmlns='http://tempuri.org/sdnList.xsd'>", "", Some(Format::OfacSdn)),
        ("<rss/>", "", None),
        ("<!DOCTYPE html>", "", None),
        ("<html>", "sdn.txt", None),
        ("title: a\ntags:\n", "", Some(Format::TagPack)),
        ("%YAML 1.1\n---\ntitle: a", "", Some(Format::TagPack)),
        ("# comment\n'title': a\n", "", Some(Format::TagPack)),
        ("tags:\n- address: a", "", Some(Format::TagPack)),
        (
            "{\"id\":\"a\",\"schema\":\"Person\",\"properties\":{\"address\":[]}}",
            "",
            Some(Format::OpenSanctions),
        ),
        ("{\"lazaretto_list\":1}", "", Some(Format::JsonLines)),
        ("{\"address\":\"a\"}", "", Some(Format::JsonLines)),
        ("{\"error\":\"forbidden\"}", "list.txt", None),
        ("# lazaretto list 1\n# rows: 0\nticker,address\n", "", Some(Format::Csv)),
        ("ticker,address\n", "", Some(Format::Csv)),
        ("address\nx", "", Some(Format::Csv)),
        ("149w62rY42aZBox8fGcmqNsXUzSStKeq8C\n", "", Some(Format::Plain)),
        ("# FBI\n\n0xe3d35f68383732649669aa990832e017340dbca5\n", "", Some(Format::Plain)),
        ("bitcoincash:qpm2qsznhks23z7629mms6s5cwef74vcwvy22gdx6a", "", Some(Format::Plain)),
        ("Forbidden", "", None),
        ("Not found, sorry about that one\n", "", None),
        ("1abc", "list.TXT.gz", Some(Format::Plain)),
        ("# nothing yet", "list.txt", Some(Format::Plain)),
        ("", "list.txt", None),
    ];
    for (text, name, want) in cases {
        let got = sniff::sniff(text.as_bytes(), Some(Path::new(name))).ok();
        assert_eq!(got, want, "{text:?} named {name:?}");
    }
}

#[test]
fn plain_lines_are_kept_as_they_stand() {
    let text = "\u{feff}# FBI\n\n  1abc \r\n#x\n1abc\nnot an address, at all # why\n1abc\n \t\n";
    let got = list(Format::Plain, text).unwrap();
    let addresses: Vec<&str> = keys(&got).into_iter().map(|(_, _, address)| address).collect();
    assert_eq!(addresses, ["  1abc ", "1abc", "not an address, at all # why"]);
    assert_eq!((got.duplicates, got.published), (1, None));
    assert_eq!(got.parties.len(), 1);
    assert_eq!(got.parties[0].uid, "unattributed");
    assert_eq!(list(Format::Plain, "# none\n").unwrap(), ReadList::default());

    let bounds = Bounds { max_field: 4, max_rows: 3, ..Bounds::default() };
    let line = Position::Line;
    let cases = [
        ("abcd\nabcde\n", (line(2), Fault::FieldTooLong(4))),
        ("a\nb\n#\na\nd\n", (line(5), Fault::TooManyRows(3))),
    ];
    for (text, want) in cases {
        assert_eq!(refused(Format::Plain, text, &bounds), want, "{text}");
    }
    let bytes = read(&b"abc\n\xff\xfe\n"[..], Format::Plain, &bounds).unwrap_err();
    assert_eq!(bytes.to_string(), "plain: the text is not UTF-8 at line 2");
}

#[test]
fn the_digest_is_that_of_the_bytes() {
    let file = file_of(b"abc");
    let hex: String =
        file_digest(file.path()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    // FIPS 180-4's example.
    assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert!(file_digest(Path::new("/nonexistent")).is_err());
}

/// Reads a text that takes over ten times its size in memory unless that is refused.
fn check_swelling(format: Format, text: &str, want: &Fault) {
    let bounds = Bounds { max_kept: 1 << 20, max_held: 1 << 20, ..Bounds::default() };
    assert!(text.len() < 1 << 20, "{format}: {} bytes", text.len());
    assert_eq!(refused(format, text, &bounds).1, *want, "{format}");
}

#[test]
fn a_small_file_does_not_fill_the_memory() {
    let (kib, eight) = ("x".repeat(1 << 10), "x".repeat(8 << 10));
    let long = "x".repeat(60_000);
    let tags = |head: &str, tag: &str| {
        let tags: String = (0..2000).map(|at| format!("- {{address: {at}{tag}}}\n")).collect();
        format!("{head}\ntags:\n{tags}")
    };
    let actors: String = (0..2000).map(|at| format!("- {{address: a, actor: {at}}}\n")).collect();
    let programs: Vec<String> = (0..200).map(|at| format!("{at}")).collect();
    let programs = format!("abuse: [{}]\ntags:\n{actors}", programs.join(","));
    let entry = |id: &str| {
        format!("<sdnList><sdnEntry><uid>{id}</uid><idList>{}</idList></sdnEntry></sdnList>",
        "<id><idType>Digital Currency Address - X</idType></id>".repeat(2)
            + &(0..2000).map(|at| format!("<id><idType>Digital Currency Address - X</idType><idNumber>{at}</idNumber></id>")).collect::<String>())
    };
    let advanced = |uid: &str| {
        format!(
            "<Sanctions><ReferenceValueSets><A><PartySubType ID='1' PartyTypeID='1'>Entity</PartySubType><FeatureType ID='1'>Digital Currency Address - X</FeatureType></A></ReferenceValueSets><DistinctParties><DistinctParty FixedRef='{uid}'><Profile ID='1' PartySubTypeID='1'>{}</Profile></DistinctParty></DistinctParties></Sanctions>",
            (0..2000)
                .map(|at| format!(
                    "<Feature FeatureTypeID='1'><VersionDetail>{at}</VersionDetail></Feature>"
                ))
                .collect::<String>()
        )
    };
    let many: Vec<String> = (0..1000).map(|at| format!("\"{at}{}\"", "y".repeat(300))).collect();
    let wallet = |keys: &str, currency: &str| {
        format!(
            "{{\"id\":\"w\",\"schema\":\"CryptoWallet\",\"properties\":{{\"publicKey\":[{keys}],\"currency\":[{currency}]}}}}\n"
        )
    };
    let kept = Fault::TooMuchKept(1 << 20);
    let cases = [
        (Format::TagPack, tags(&format!("source: {long}"), ""), Fault::FieldTooLong(8 << 10)),
        (Format::TagPack, tags(&format!("source: {eight}"), ""), kept.clone()),
        (Format::TagPack, tags(&format!("label: {long}"), ""), Fault::FieldTooLong(1 << 10)),
        (Format::TagPack, format!("label: {long}\ntags:\n{actors}"), kept.clone()),
        (Format::TagPack, tags(&format!("category: [{kib}, b]"), ""), Fault::FieldTooLong(1 << 10)),
        (Format::TagPack, programs, kept.clone()),
        (Format::OfacSdn, entry(&long), Fault::FieldTooLong(1 << 10)),
        (Format::OfacSdn, entry(&kib), kept.clone()),
        (Format::OfacAdvanced, advanced(&long), Fault::FieldTooLong(1 << 10)),
        (Format::OfacAdvanced, advanced(&kib), kept.clone()),
        (Format::OpenSanctions, wallet(&many.join(","), &many[..300].join(",")), kept.clone()),
    ];
    for (format, text, want) in cases {
        check_swelling(format, &text, &want);
    }
}

#[test]
fn folded_rows_are_the_same_in_any_order() {
    let rows = [
        ("ransomware", "https://b", "2021-01-01"),
        ("exchange", "https://a", ""),
        ("exchange,defi", "", "2020-01-01"),
        ("", "https://c", "2022-01-01"),
    ];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [1, 0, 2, 3]];
    for order in orders {
        let lines: String = order
            .iter()
            .map(|at| {
                let (category, reference, day) = rows[*at];
                format!("a,\"{category}\",{reference},{day}\n")
            })
            .collect();
        let text = format!("address,category,reference,listed_on\n{lines}");
        let got = list(Format::Csv, &text).unwrap();
        let facts = &got.rows[0].1;
        assert_eq!((got.rows.len(), got.duplicates), (1, 3));
        assert_eq!(facts.category, "defi,exchange,ransomware", "{order:?}");
        assert_eq!(facts.reference, "https://a", "{order:?}");
        assert_eq!(facts.listed_on, Some(jiff::civil::date(2020, 1, 1)), "{order:?}");
    }
}

/// Pieces of every format.
const PIECES: [&[u8]; 26] = [
    b"<Sanctions>",
    b"<sdnList>",
    b"</Sanctions>",
    b"<DistinctParties>",
    b"<DistinctParty FixedRef='1'><Profile ID='1' PartySubTypeID='4'>",
    b"<Feature FeatureTypeID='344'><VersionDetail>",
    b"</a>",
    b"<![CDATA[",
    b"&#0;",
    b"<!--",
    b"<?",
    b"tags:\n- address: a\n",
    b"- {address: \"",
    b"\t: ? [ {",
    b"&a *a <<: |\n  >\n",
    b"%YAML 1.1\n---\n",
    b"...",
    b"{\"id\":\"a\",\"schema\":\"CryptoWallet\",\"properties\":{}}\n",
    b"{\"address\":\"a\"}\n",
    b"{\"lazaretto_list\":1}\n",
    b"address,programs\n",
    b"\"a|\\|b\"\n",
    b"# rows: 1\n",
    b"\xff",
    b"\0",
    b"\r\n",
];

/// Something near to a list: pieces of every format, mixed.
fn near_list() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(PIECES.to_vec()).prop_map(<[u8]>::to_vec);
    let any = prop_oneof![piece, prop::collection::vec(any::<u8>(), 0..12)];
    prop::collection::vec(any, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_reader_panics(bytes in near_list()) {
        let bounds = Bounds { max_field: 64, max_record: 256, max_depth: 8, ..Bounds::default() };
        for format in Format::ALL {
            for bounds in [&bounds, &Bounds::default()] {
                let got = read(&bytes[..], format, bounds);
                if let Ok(list) = got {
                    prop_assert!(list.rows.is_sorted_by(|(one, _), (next, _)| one < next), "{}", format);
                }
            }
        }
        let _ = sniff::sniff(&bytes, None);
    }
}
