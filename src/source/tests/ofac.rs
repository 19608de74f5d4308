//! OFAC's real publications, against a plain scan of their lines.

use std::path::PathBuf;

use super::*;
use crate::needs::data;

/// What a plain scan over the lines of a publication finds: rows with repetitions, parties, and
/// the rows per ticker.
#[derive(Default)]
struct Scan {
    rows: Vec<(String, String, String)>,
    parties: BTreeSet<String>,
}

/// The text between two marks on a line.
fn between<'a>(line: &'a str, from: &str, to: &str) -> Option<&'a str> {
    line.split_once(from)?.1.split_once(to).map(|(found, _)| found)
}

/// Reads a publication line by line, as it happens to be laid out, with no parser.
fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan::default();
    let mut tickers = HashMap::new();
    let (mut uid, mut ticker) = (String::new(), None);
    for line in bytes.lines() {
        let line = line.unwrap();
        if line.contains("<FeatureType ID=") {
            if let Some(name) = between(&line, ">Digital Currency Address - ", "<") {
                tickers.insert(between(&line, "ID=\"", "\"").unwrap().to_owned(), name.to_owned());
            }
        } else if let Some(reference) = between(&line, "<DistinctParty FixedRef=\"", "\"") {
            uid = reference.to_owned();
        } else if let Some(kind) = between(&line, " FeatureTypeID=\"", "\"") {
            ticker = tickers.get(kind).cloned();
        } else if let (Some(ticker), true) = (&ticker, line.contains("<VersionDetail")) {
            let address = between(&line, ">", "<").unwrap().to_owned();
            found.parties.insert(uid.clone());
            found.rows.push((uid.clone(), ticker.clone(), address));
        }
    }
    found
}

fn publication(name: &str) -> Option<(PathBuf, Vec<u8>)> {
    let path = data(&format!("ofac/{name}"))?;
    let mut bytes = Vec::new();
    bzip2::read::MultiBzDecoder::new(File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
    Some((path, bytes))
}

/// Reads a publication and holds it against the scan and against what is known of it: the tickers
/// are those that another program counted, with how many features each has.
fn check_publication(
    name: &str,
    published: &str,
    parties: usize,
    tickers: &str,
) -> Option<ReadList> {
    let (path, bytes) = publication(name)?;
    let want = scan(&bytes);
    let got = read(&bytes[..], Format::OfacAdvanced, &Bounds::default()).unwrap();
    assert_eq!(got.published, Some(published.parse().unwrap()));
    assert_eq!((got.parties.len(), want.parties.len()), (parties, parties), "{name}: parties");

    let mut known = BTreeMap::new();
    for pair in tickers.split(", ") {
        let (ticker, count) = pair.split_once(' ').unwrap();
        known.insert(ticker, count.parse().unwrap());
    }
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, ticker, _) in &want.rows {
        *counted.entry(ticker).or_default() += 1;
    }
    assert_eq!(counted, known, "{name}: features per ticker");
    let distinct: BTreeSet<(&str, &str, &str)> =
        want.rows.iter().map(|(uid, ticker, address)| (&**uid, &**ticker, &**address)).collect();
    assert_eq!(keys(&got).into_iter().collect::<BTreeSet<_>>(), distinct, "{name}: rows");
    let repeated = want.rows.len() - distinct.len();
    assert_eq!(got.duplicates, repeated as u64, "{name}: duplicates");

    for party in &got.parties {
        assert!(want.parties.contains(&party.uid));
        assert!(!party.name.is_empty() && !party.programs.is_empty(), "{party:?}");
        assert!(!party.listed_on.is_empty(), "{party:?}");
        assert!(["Individual", "Entity"].contains(&&*party.party_type), "{party:?}");
    }
    // Packed and not named, it is the same list; so it is in our own form.
    drop(bytes);
    assert_eq!(read_file(&path, None, &Bounds::default()).unwrap(), got, "{name}: packed");
    let mut csv = Vec::new();
    let head = CsvHead { published: got.published, comments: &[name] };
    write_csv(&mut csv, &head, &got.parties, got.rows.iter().map(|(key, facts)| (key, facts)))
        .unwrap();
    let back = read(&csv[..], Format::Csv, &Bounds::default()).unwrap();
    assert_eq!(ReadList { duplicates: got.duplicates, ..back }, got, "{name}: as CSV");
    Some(got)
}

#[test]
fn ofac_2024_05_29() {
    let tickers = "XBT 436, ETH 151, USDT 25, LTC 10, BCH 7, TRX 5, XMR 3, ZEC 3, DASH 3, USDC 2, \
                   ETC 1, BTG 1, BSV 1, XVG 1, XRP 1, ARB 1, BSC 1";
    check_publication("sdn_advanced_20240529T1352.xml.bz2", "2024-05-28", 57, tickers);
}

#[test]
fn ofac_2025_03_04() {
    let tickers = "XBT 485, ETH 153, USDT 32, LTC 11, XMR 8, BCH 7, TRX 6, ZEC 3, DASH 3, USDC 2, \
                   ETC 1, BTG 1, BSV 1, XVG 1, XRP 1, ARB 1, BSC 1";
    check_publication("sdn_advanced_20250304T1547.xml.bz2", "2025-03-04", 65, tickers);
}

#[test]
fn ofac_2025_03_21() {
    // Tornado Cash is gone.
    let tickers = "XBT 485, ETH 63, USDT 32, LTC 11, XMR 8, BCH 7, TRX 6, ZEC 3, DASH 3, USDC 2, \
                   ETC 1, BTG 1, BSV 1, XVG 1, XRP 1, ARB 1, BSC 1";
    check_publication("sdn_advanced_20250321T1459.xml.bz2", "2025-03-21", 64, tickers);
}

#[test]
fn ofac_2025_11_19() {
    let tickers = "XBT 519, USDT 93, ETH 77, TRX 29, LTC 11, XMR 8, BCH 7, ZEC 3, DASH 3, USDC 2, \
                   ETC 1, BTG 1, BSV 1, XVG 1, XRP 1, ARB 1, BSC 1, BNB 1, SOL 1";
    let name = "sdn_advanced_20251119T1644.xml.bz2";
    let Some(list) = check_publication(name, "2025-11-19", 79, tickers) else {
        return;
    };
    assert_eq!(list.rows.len(), 760);
    let party = |uid: &str| list.parties.iter().find(|party| party.uid == uid).unwrap();
    let lazarus = party("27307");
    assert_eq!(lazarus.name, "Lazarus Group");
    assert_eq!(lazarus.programs, ["DPRK3"]);
    assert_eq!(lazarus.listed_on, [jiff::civil::date(2019, 9, 13)]);
    assert_eq!(lazarus.aliases.len(), 11);
    assert_eq!(lazarus.aliases[0], "Hidden Cobra");
    assert_eq!(party("25308").name, "YAN, Xiaobing");
    assert_eq!(party("25308").aliases[0], "颜, 晓兵");
    assert_eq!(party("29702").name, "Lifshits, Artem Mikhaylovich");
    assert_eq!(party("29702").party_type, "Individual");
}
