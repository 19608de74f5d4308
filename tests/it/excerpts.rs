//! Every reader of lists and transfers over an excerpt of what is published
//! (`tests/data/excerpts/README.md`). Needs nothing from outside the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::transfer::{Movement, Transfer, TxStatus};
use lazaretto::screening::FindingKind;
use lazaretto::source::transfers::{LeftOut, ReadSettings, TransferFormat};
use lazaretto::source::{self, Bounds, Format};

use crate::support::desk::Desk;
use crate::support::transfer_files::read_file;

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/excerpts").join(kind)
}

/// The names of the files, each of which begins with its format.
fn names(kind: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder(kind)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a file of a list must hold.
struct Expected {
    rows: usize,
    quarantined: u64,
    parties: usize,
    published: Option<&'static str>,
    /// One that is listed, its ticker, and the name of its party.
    address: [&'static str; 3],
}

fn expected(format: Format) -> Expected {
    let ronin = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";
    let stake = "0x94f1b9b64e2932f6a2db338f616844400cd58e8a";
    let tron = "TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq";
    let (rows, quarantined, parties, published, address) = match format {
        Format::OfacAdvanced => (32, 1, 6, Some("2025-11-19"), [ronin, "ETH", "Lazarus Group"]),
        Format::OfacSdn => (16, 1, 3, Some("2025-11-19"), [tron, "XBT", "Wang, Mingming"]),
        Format::TagPack => {
            let address = ["134r8iHv69xdT6p5qVKTsHrcUEuBVZAYak", "BTC", "Lazarus group"];
            (21, 0, 1, None, address)
        }
        Format::OpenSanctions => (12, 0, 2, None, [ronin, "ETH", "Lazarus Group"]),
        Format::OpenSanctionsCsv => (12, 0, 12, None, [ronin, "", ronin]),
        Format::Csv | Format::JsonLines => {
            (11, 0, 1, Some("2023-09-06"), [stake, "ETH", "Lazarus Group"])
        }
        Format::JsonArray => (11, 0, 1, None, [stake, "Ethereum", ""]),
        Format::Plain => (10, 0, 1, None, ["0x51E9d833Ecae4E8D9D8Be17300AEE6D3398C135D", "", ""]),
    };
    Expected { rows, quarantined, parties, published, address }
}

#[test]
fn every_reader_of_lists_reads_its_excerpt() {
    let names = names("lists");
    assert_eq!(names.len(), Format::ALL.len(), "{names:?}");
    for format in Format::ALL {
        let name = names.iter().find(|name| name.split('.').next() == Some(format.as_str()));
        let path = folder("lists").join(name.unwrap_or_else(|| panic!("no excerpt of {format}")));
        let want = expected(format);
        let found = source::read_file(&path, None, &Bounds::default()).unwrap();
        assert_eq!((found.rows.len(), found.duplicates), (want.rows, 0), "{format}");
        assert_eq!(found.parties.len(), want.parties, "{format}");
        assert_eq!(found.published.map(|day| day.to_string()).as_deref(), want.published);

        let desk = Desk::new("2025-11-20", &["lists.us-ofac-sdn.enabled=false"]);
        let done = desk.import("excerpt", Some(ListKind::Advisory), &path, None).unwrap();
        assert_eq!(done.file.unwrap().format, format.as_str());
        let counts = desk.list("excerpt").state().version.counts;
        assert_eq!(counts.quarantined, want.quarantined, "{format}");
        assert_eq!(counts.listings, want.rows as u64 - want.quarantined, "{format}");
        let [address, ticker, party] = want.address;
        let answer = desk.screen(address, None);
        let finding = answer.on(address, ticker).unwrap_or_else(|| panic!("{format}: {answer:?}"));
        assert_eq!(finding.kind, FindingKind::Listed, "{format}");
        assert_eq!(finding.party_name, party, "{format}");
    }
}

#[test]
fn quirks_of_ofac_lose_no_listing() {
    let path = folder("lists").join("ofac-advanced.xml");
    let desk = Desk::new("2025-11-20", &[]);
    desk.import("us-ofac-sdn", Some(ListKind::Sanctions), &path, None).unwrap();
    let check = |address: &str, rows: &[(&str, &str, FindingKind)]| {
        let answer = desk.screen(address, None);
        for (uid, ticker, kind) in rows {
            let found = answer.on_row(uid, address, ticker);
            assert_eq!(found.map(|found| found.kind), Some(*kind), "{address}: {answer:?}");
        }
        assert_eq!(answer.findings.len(), rows.len(), "{address}: {answer:?}");
    };
    let listed = FindingKind::Listed;
    check("TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq", &[("45404", "XBT", listed)]);
    check("18M8bJWMzWHDBMxoLqjHHAffdRy4SrzkfB", &[("30518", "BCH", listed)]);
    let shared = "LeKvNdNEzgQkzVVnRdV3fAu2DSF1nLsNw6";
    check(shared, &[("30518", "LTC", listed), ("30520", "LTC", listed)]);
    let chains = ["ARB", "BSC", "ETH"].map(|ticker| ("42498", ticker, listed));
    check("0x4f47bc496083c727c5fbe3ce9cdf2b0f6496270c", &chains);
    let no_address = "5be5543ff73456ab9f2d207887e2af87322c651ea1a873c5b25b7ffae456c320";
    check(no_address, &[("29585", "XMR", FindingKind::ListedVerbatim)]);
}

#[test]
fn every_reader_of_transfers_reads_its_excerpt() {
    let names = names("transfers");
    let mut read = BTreeSet::new();
    for name in &names {
        let (report, transfers) =
            read_file(&folder("transfers").join(name), &ReadSettings::default());
        let format = name.split('.').next().unwrap();
        assert_eq!(report.format.as_str(), format, "{name}");
        assert_eq!(report.rejected, 0, "{name}");
        read.insert(report.format);
        // Rows, failed ones, those without a position, those with an unknown payer.
        let failed = transfers.iter().filter(|transfer| transfer.status == TxStatus::Failed);
        let found =
            [report.rows_read, failed.count() as u64, report.unpositioned, report.unnamed_inputs];
        let want = match name.as_str() {
            "ethereum-transactions.csv" => [10, 0, 0, 0],
            "ethereum-transactions.jsonl" | "ethereum-transactions.parquet" => [10, 2, 0, 0],
            "ethereum-token-transfers.csv" | "ethereum-token-transfers.jsonl" => [10, 0, 10, 0],
            "ethereum-traces.csv" => [10, 0, 0, 0],
            "ethereum-traces.jsonl" => [4, 0, 0, 0],
            "bitcoin-transactions.jsonl" => [10, 0, 0, 2],
            "bitcoin-transactions.parquet" => [4, 0, 0, 0],
            "aws-bitcoin-transactions.jsonl" => [6, 0, 0, 0],
            "own.csv" | "own.jsonl" | "own.parquet" => [10, 0, 0, 0],
            _ => panic!("{name} is not checked"),
        };
        assert_eq!(found, want, "{name}: {report:?}");
        let left_out = match name.as_str() {
            "ethereum-traces.csv" => {
                BTreeMap::from([(LeftOut::DelegateCall, 1), (LeftOut::StaticCall, 2)])
            }
            _ => BTreeMap::new(),
        };
        assert_eq!(report.left_out, left_out, "{name}");
    }
    assert_eq!(read, TransferFormat::ALL.into(), "each format has an excerpt");
}

/// The containers of one excerpt say the same, as far as their columns go.
#[test]
fn containers_of_an_excerpt_hold_the_same_transfers() {
    let read = |name: &str| read_file(&folder("transfers").join(name), &ReadSettings::default()).1;
    let own = read("own.csv");
    assert_eq!(read("own.jsonl"), own);
    assert_eq!(read("own.parquet"), own);
    assert_eq!(read("ethereum-transactions.parquet"), read("ethereum-transactions.jsonl"));
    let bitcoin = read("bitcoin-transactions.jsonl");
    assert_eq!(read("bitcoin-transactions.parquet"), bitcoin[6..]);
    let movements = |transfers: &[Transfer]| {
        let one = |transfer: &Transfer| (transfer.tx.clone(), transfer.movement.clone());
        transfers.iter().map(one).collect::<Vec<_>>()
    };
    let amazon = movements(&read("aws-bitcoin-transactions.jsonl"));
    assert_eq!(amazon, movements(&[&bitcoin[..2], &bitcoin[6..]].concat()));
}

#[test]
fn amounts_and_holders_of_the_excerpts_are_exact() {
    let check = |name: &str, at: usize, from: &str, to: &str, amount: &str| {
        let (_, transfers) = read_file(&folder("transfers").join(name), &ReadSettings::default());
        assert_eq!(transfers[at].chain, Chain::Evm(1));
        let Movement::Account(movement) = &transfers[at].movement else { panic!("{name}") };
        let holder = |holder: &Option<_>| holder.as_ref().map(ToString::to_string);
        assert_eq!(holder(&movement.from).unwrap_or_default(), from, "{name}");
        assert_eq!(holder(&movement.to).unwrap_or_default(), to, "{name}");
        assert_eq!(movement.amount.to_string(), amount, "{name}");
    };
    let payer = "0xa1e4380a3b1f749673e270229993ee55f35663b4";
    let payee = "0x5df9b87991262f6ba471f09758cde1c0fc1de734";
    check("own.csv", 0, payer, payee, "31337");
    check("ethereum-traces.csv", 6, payer, payee, "31337");
    let (first, second) = (
        "0x40b9b889a21ff1534d018d71dc406122ebcf3f5a",
        "0xe3291e02d1d7b6a7f4aaa164c56cf21fd30d0eb5",
    );
    check("own.parquet", 3, first, second, "1500000000000000000000");
    let (first, second) = (
        "0x7054b0f980a7eb5b3a6b3446f3c947d80162775c",
        "0x6b75d8af000000e20b7a7ddf000ba900b4009a80",
    );
    check("ethereum-token-transfers.jsonl", 1, first, second, "150188698577042438264952193024");
    let rewarded = "0x2a65aca4d5fc5b5c859090a6c34d164135398226";
    check("ethereum-traces.jsonl", 3, "", rewarded, "3750000000000000000");
}
