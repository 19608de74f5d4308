//! Inputs after public reports of bugs in exporters and their readers (`tests/data/cases`; the
//! addresses are hashes of words and belong to nobody): each was once answered ALLOW by a program that
//! had not understood all of it.

use serde_json::Value;

use crate::support::place::Place;
use crate::support::program::TODAY;

/// Paid by the listed one, on Bitcoin and on Ethereum.
const PAID_ON_BITCOIN: &str = "bc1qr0w4kkujutvlxz3mygamxk24r5x6yr3hspwd5t";
const PAID: &str = "0x67d35554c1f60638d6d72a0edc045450a841f7ef";
/// Paid by the listed one in a row that cannot be read.
const PAID_UNREADABLY: &str = "0x1248b7c394ca668965c78ca5d6f28406098181e5";

/// A file of the cases.
fn case(name: &str) -> String {
    format!("{}/tests/data/cases/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A store with the list of the cases.
fn place() -> Place {
    let place = Place::new();
    let list = case("inputs-null/list.csv");
    let import = ["lists", "import", &list, "--list", "field", "--kind", "SANCTIONS"];
    assert_eq!(place.says(&[&import[..], &["--published", TODAY]].concat()).status, 0);
    place
}

/// States that the blocks hold nothing more of a kind.
#[track_caller]
fn declare(place: &Place, chain: &str, covers: &str, kind: &str) {
    let declare = ["transfers", "declare", chain, "--covers", covers, "--kinds", kind];
    let said = place.says(&declare);
    assert_eq!(said.status, 0, "{}", said.err);
}

/// The screening of an address: its decision, its score, whether it is covered, and all of it.
#[track_caller]
fn screened(place: &Place, status: i32, address: &str) -> (String, u64, bool, Value) {
    let shown = place.json_with(status, &["screen", address]);
    let answer = shown["items"][0]["screening"].clone();
    let covered = answer["exposure_coverage"] == "EXPOSURE_COVERAGE_COVERED";
    let score = answer["score"].as_u64().unwrap_or(0);
    (answer["decision"].as_str().unwrap().to_owned(), score, covered, answer)
}

#[test]
fn inputs_that_name_nobody_are_not_covered_and_learn_their_names() {
    let place = place();
    let covers = ["--chain", "bitcoin", "--covers", "899990-900010"];
    let import =
        |file: &str| place.says(&[&["transfers", "import", &case(file)][..], &covers].concat());
    let nameless = import("inputs-null/null.json");
    assert_eq!(nameless.status, 3, "{}", nameless.err);
    assert!(nameless.out.contains("run bitcoin-etl's enrich_transactions"), "{}", nameless.out);
    let (decision, _, covered, _) = screened(&place, 0, PAID_ON_BITCOIN);
    assert_eq!((decision.as_str(), covered), ("DECISION_ALLOW", false));
    let gaps = place.json(&["transfers", "gaps"]);
    assert_eq!(gaps["gaps"][0]["cause"], "GAP_CAUSE_UNNAMED", "{gaps}");

    let full = import("inputs-null/full.json");
    assert_eq!(full.status, 0, "{}", full.err);
    assert!(full.out.contains("replaced    1"), "{}", full.out);
    let (decision, score, covered, _) = screened(&place, 10, PAID_ON_BITCOIN);
    assert_eq!((decision.as_str(), score, covered), ("DECISION_REVIEW", 94, true));
    assert_eq!(place.json(&["transfers", "gaps"])["gaps"], Value::Null);
    // Told again as before it says less, and changes nothing.
    let nameless = import("inputs-null/null.json");
    assert!(nameless.out.contains("duplicates  1"), "{}", nameless.out);
    assert_eq!(screened(&place, 10, PAID_ON_BITCOIN).1, 94);
}

#[test]
fn a_rejected_row_is_a_gap_until_it_is_understood() {
    let place = place();
    let rejects = place.file("unused", "").replace("unused", "rejects.jsonl");
    let import = |file: &str, more: &[&str]| {
        let import = ["transfers", "import", file, "--chain", "ethereum"];
        place.says(&[&import[..], &["--covers", "21000190-21000210"], more].concat())
    };
    let bad = case("rejected/rej_mix.csv");
    declare(&place, "ethereum", "21000190-21000210", "native");
    let mixed = import(&bad, &["--rejects", &rejects]);
    assert_eq!(mixed.status, 3, "{}", mixed.err);
    assert!(mixed.out.contains("REJECTED    1 rows"), "{}", mixed.out);
    assert!(mixed.out.contains("tokens of eip155:1 at 21000201"), "{}", mixed.out);
    let (_, _, covered, answer) = screened(&place, 0, PAID_UNREADABLY);
    assert!(!covered, "{answer}");
    let lack = &answer["coverage_shortfalls"];
    assert_eq!(lack[0]["code"], "INCOMPLETE_REASON_CODE_TRANSFERS_GAPPED", "{answer}");
    let required = ["screen", PAID_UNREADABLY, "--set", "chains.ethereum.required=true"];
    let required = place.json_with(10, &required);
    let status = &required["items"][0]["screening"]["status"];
    assert_eq!(status, "SCREENING_STATUS_INCOMPLETE");

    // The same file again understands no more; the row as it was meant does.
    let again = import(&bad, &["--rejects", &rejects.replace("rejects", "again")]);
    assert_eq!(again.status, 3);
    let mended = std::fs::read_to_string(&bad).unwrap().replace("5E+09", "5000000000");
    let mended = place.file("mended.csv", &mended);
    let mended = place.says(&["transfers", "import", &mended, "--chain", "ethereum"]);
    assert_eq!(mended.status, 0, "{}", mended.err);
    let (decision, _, covered, answer) = screened(&place, 10, PAID_UNREADABLY);
    assert_eq!((decision.as_str(), covered), ("DECISION_REVIEW", true), "{answer}");
}

#[test]
fn a_movement_that_states_its_place_is_one_however_often_it_comes() {
    let place = place();
    let twelve = case("duplicates/dup.csv");
    let import = ["transfers", "import", &twelve, "--chain", "ethereum"];
    let counts = |shown: Value| [shown["stored"].as_u64(), shown["duplicates"].as_u64()];
    assert_eq!(counts(place.json(&import)), [Some(1), Some(11)]);
    assert_eq!(counts(place.json(&import)), [Some(0), Some(12)]);

    let answers = ["duplicates/share.csv", "duplicates/share_dup.csv"].map(|file| {
        let place = self::place();
        let file = case(file);
        place.json(&["transfers", "import", &file, "--chain", "ethereum"]);
        let (decision, score, _, answer) = screened(&place, 10, PAID);
        (decision, score, answer["findings"][0]["exposure"].clone())
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1, 82);
}

#[test]
fn tokens_that_were_never_loaded_are_not_covered() {
    let place = place();
    let empty = case("tokens-missing/token_transfers_empty.csv");
    let headings = place.says(&["transfers", "import", &empty]);
    assert_eq!(headings.status, 3, "{}", headings.err);
    assert!(headings.out.contains("NO ROWS     "), "{}", headings.out);
    let nothing = place.says(&["transfers", "import", &case("tokens-missing/zero.csv")]);
    assert_eq!(nothing.status, 1);
    assert!(nothing.err.contains("it is empty: 0 bytes"), "{}", nothing.err);

    let native = case("tokens-missing/transactions.csv");
    let covers = ["--chain", "ethereum", "--covers", "21000190-21000210"];
    let native = [&["transfers", "import", &native][..], &covers].concat();
    assert_eq!(place.says(&native).status, 0);
    let (_, _, covered, answer) = screened(&place, 0, PAID);
    assert!(!covered, "{answer}");
    let detail = answer["coverage_shortfalls"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("kind tokens"), "{detail}");
    let text = place.says(&["screen", PAID, "-v"]).out;
    assert!(text.contains("  lacking       transfers of a chain are not loaded: "), "{text}");

    // Somebody who knows that they hold no tokens may say so.
    declare(&place, "ethereum", "21000190-21000210", "tokens");
    assert!(screened(&place, 0, PAID).2);
}

#[test]
fn a_chain_whose_coin_has_no_value_is_not_covered() {
    let place = place();
    let listed = "0x2A9fD3E5254a3c480891aD6005C40e682BDeB3E7";
    let thousand = "1000000000000000000000";
    let row = format!(
        "eip155:130,0x{:064x},100:0,2026-01-01T00:00:00Z,{listed},{PAID},native,{thousand}\n",
        7
    );
    let file = format!("chain,tx,position,time,from,to,asset,amount\n{row}");
    let file = place.file("unichain.csv", &file);
    let import = ["transfers", "import", &file, "--chain", "eip155:130", "--covers", "100-100"];
    let import = place.says(&import);
    declare(&place, "eip155:130", "100-100", "tokens");
    let says = "native of eip155:130 is not in the asset table";
    assert!(import.out.contains(says), "{}", import.out);
    let (_, _, covered, answer) = screened(&place, 0, PAID);
    assert!(!covered);
    let lack = &answer["coverage_shortfalls"][0];
    assert_eq!(lack["code"], "INCOMPLETE_REASON_CODE_TRANSFERS_UNVALUED", "{answer}");
    assert!(lack["detail"].as_str().unwrap().starts_with(says), "{lack}");
    let asset = "assets.eip155:130.native";
    let with = |key: &str, value: &str| format!("{asset}.{key}={value}");
    let sets = [with("symbol", "ETH"), with("decimals", "18"), with("floor", "0.0005")];
    let mut command = vec!["screen", PAID];
    sets.iter().for_each(|set| command.extend(["--set", set]));
    assert_eq!(place.says(&command).status, 10);
}

#[test]
fn a_stray_quote_hides_no_row() {
    let place = place();
    let quoted = case("stray-quote/own_quote.csv");
    let import = ["transfers", "import", &quoted, "--chain", "ethereum"];
    let import = place.says(&[&import[..], &["--covers", "21000590-21000610"]].concat());
    assert_eq!(import.status, 1);
    assert!(import.err.contains("line 2: a quoted cell goes over the end"), "{}", import.err);
    assert!(!screened(&place, 0, PAID).2);

    let out = place.file("unused", "").replace("unused", "screened.csv");
    let input = case("stray-quote/swallow2.csv");
    let batch = place.says(&["screen", "--input", &input, "--out", &out]);
    assert_eq!(batch.status, 11, "{}", batch.err);
    let rows = std::fs::read_to_string(&out).unwrap();
    let decisions = ["ERROR", "BLOCK", "BLOCK", "ALLOW"];
    for (row, decision) in rows.lines().skip(1).zip(decisions) {
        assert!(row.contains(&format!(",{decision},")), "{row}");
    }
    assert_eq!(rows.lines().count(), 5);
}

#[test]
fn success_after_failure_replaces_and_failure_after_success_contradicts() {
    let places = [place(), place()];
    let listed = "0x2A9fD3E5254a3c480891aD6005C40e682BDeB3E7";
    let row = |status: &str| {
        let head = "chain,tx,position,time,from,to,asset,amount,status\n";
        let tx = format!("0x{:064x}", 9);
        format!(
            "{head}eip155:1,{tx},100:0,2026-01-01T00:00:00Z,{listed},{PAID},native,1000000000000000000,{status}\n"
        )
    };
    let import = |place: &Place, status: &str| {
        let file = place.file(&format!("{status}.csv"), &row(status));
        let covers = ["--chain", "ethereum", "--covers", "90-110"];
        place.says(&[&["transfers", "import", &file][..], &covers].concat())
    };
    let [place, other] = &places;
    assert_eq!(import(place, "failed").status, 0);
    declare(place, "ethereum", "90-110", "tokens");
    assert_eq!(screened(place, 0, PAID).0, "DECISION_ALLOW");
    assert_eq!(import(place, "success").status, 0);
    let (_, score, covered, _) = screened(place, 10, PAID);
    assert!(covered);
    // The first file again holds an equal row, and is harmless.
    assert_eq!(import(place, "failed").status, 0);
    assert_eq!(screened(place, 10, PAID).1, score);

    // The other way round both count, and the height is a gap until somebody decides.
    let place = other;
    assert_eq!(import(place, "success").status, 0);
    declare(place, "ethereum", "90-110", "tokens");
    assert!(screened(place, 10, PAID).2);
    let failed = import(place, "failed");
    assert_eq!(failed.status, 3, "{}", failed.err);
    let (_, still, covered, _) = screened(place, 10, PAID);
    assert_eq!((still, covered), (score, false));
    let conflicts = place.json(&["transfers", "conflicts"]);
    let number = conflicts["conflicts"][0]["number"].as_str().unwrap().to_owned();
    let settle = |keep: &str| {
        let settle = ["transfers", "settle", &number, "--keep", keep];
        place.says(&[&settle[..], &["--reason", "a node says so"]].concat())
    };
    assert_eq!(settle("first").status, 0);
    assert!(screened(place, 10, PAID).2);
    assert_eq!(place.json(&["transfers", "conflicts"])["conflicts"], Value::Null);
    let settled = place.json(&["transfers", "conflicts", "--settled"]);
    assert_eq!(settled["conflicts"][0]["reason"], "a node says so", "{settled}");
    assert_eq!(settle("second").status, 1);
}

/// The backup is of a store of schema 2, with the transactions of `inputs-null/null.json` (899990 to
/// 900010 of Bitcoin covered) and of `tokens-missing/transactions.csv` (21000190 to 21000210).
#[test]
fn what_schema_2_covered_counts_once_it_is_declared() {
    let place = Place::new();
    let data = place.file("unused", "").replace("unused", "older");
    fn of<'a>(data: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--data-dir", data]].concat()
    }
    let restored = place.says(&of(&data, &["store", "restore", &case("schema-2/store.backup")]));
    assert_eq!(restored.status, 0, "{}", restored.err);
    let covered = |address: &str| {
        let shown = place.json_with(10, &of(&data, &["screen", address]));
        let answer = &shown["items"][0]["screening"];
        answer["exposure_coverage"] == "EXPOSURE_COVERAGE_COVERED"
    };
    assert!(!covered(PAID) && !covered(PAID_ON_BITCOIN));
    let heads = place.says(&of(&data, &["transfers", "heads"])).out;
    assert!(heads.contains("21000190-21000210"), "{heads}");

    let declare = |chain: &str, covers: &str, kinds: &str| {
        let declare = ["transfers", "declare", chain, "--covers", covers, "--kinds", kinds];
        place.says(&of(&data, &declare))
    };
    assert_eq!(declare("ethereum", "21000190-21000210", "native").status, 0);
    assert!(!covered(PAID));
    assert_eq!(declare("ethereum", "21000190-21000210", "tokens").status, 0);
    assert!(covered(PAID));

    // Nobody counted then whose inputs name nobody.
    assert_eq!(declare("bitcoin", "899990-900010", "utxo").status, 0);
    assert!(!covered(PAID_ON_BITCOIN));
    let full = case("inputs-null/full.json");
    let full = place.says(&of(&data, &["transfers", "import", &full, "--chain", "bitcoin"]));
    assert_eq!(full.status, 0, "{}", full.err);
    assert!(covered(PAID_ON_BITCOIN));
}

/// Rows of which nobody knows where they stand are gaps wherever the files reach, also where a later
/// file ends the import.
#[test]
fn what_cannot_be_placed_is_a_gap_though_a_later_file_stops() {
    let place = place();
    let row = |height: &str, to: u8| {
        format!("eip155:1,0x{to:064x},{height}:0:0,1700000000,{PAID},0x{to:040x},native,1\n")
    };
    let head = "chain,tx,position,time,from,to,asset,amount\n";
    let whole = place.file("whole.csv", &(head.to_owned() + &row("10", 1) + &row("20", 2)));
    let stops = place.file("stops.csv", &(head.to_owned() + "eip155:1,bad\n"));
    let stopped = place.says(&["transfers", "import", &whole, &stops]);
    assert_eq!(stopped.status, 1, "{}", stopped.err);
    let gaps = place.json(&["transfers", "gaps"])["gaps"].clone();
    let all: Vec<_> = gaps.as_array().unwrap().iter().map(|gap| &gap["heights"]).collect();
    assert!(
        all.iter().any(|span| span["first_height"] == "10" && span["last_height"] == "20"),
        "{gaps}"
    );
}

/// Tables as exchanges and Excel write them: separated by semicolons, in UTF-16, and with blanks around
/// cells. Each is one row of a listed Bitcoin address, one of a listed Ethereum address, and a clean one.
#[test]
fn tables_of_other_programs_are_read() {
    let place = place();
    let screen = |file: &str, more: &[&str]| {
        let case = case(&format!("batch-cells/{file}"));
        place.says(&[&["screen", "--input", &case, "--quiet"], more].concat())
    };
    let rows = |out: &str| {
        let mut reader = csv::Reader::from_reader(out.as_bytes());
        let heads = reader.headers().unwrap().clone();
        let at = |name: &str| heads.iter().position(|head| head == name).unwrap();
        let columns = ["decision", "chain", "input_reference"].map(at);
        let rows = reader.records().map(Result::unwrap);
        rows.map(|row| columns.map(|column| row[column].to_owned())).collect::<Vec<_>>()
    };
    let want =
        [["BLOCK", "bitcoin", "r1"], ["BLOCK", "ethereum", "r2"], ["ALLOW", "ethereum", "r3"]];
    for file in ["semi.csv", "utf16.csv"] {
        let said = screen(file, &[]);
        assert_eq!(
            (said.status, rows(&said.out)),
            (11, want.map(|row| row.map(str::to_owned)).to_vec())
        );
        assert!(said.err.contains("3 rows on 4 lines: 1 of headings"), "{file}: {}", said.err);
    }
    // The chains are understood; they come back as they stand.
    let said = screen("spaces.csv", &[]);
    let chains: Vec<_> = rows(&said.out).into_iter().map(|[_, chain, _]| chain).collect();
    assert_eq!(chains, [" bitcoin ", " ethereum ", " ethereum "]);
    assert!(!said.out.contains("names no chain"), "{}", said.out);
    let said = screen("semi.csv", &["--delimiter", "comma"]);
    assert_eq!(said.status, 1);
    let want = "no column \"address\"; it has \"address;chain;reference\" (is it separated otherwise? \
                give --delimiter)";
    assert!(said.err.contains(want), "{}", said.err);
}
