//! The columns of the input that come back, and inputs as other programs write them.

use std::io::{Cursor, Write};

use super::*;

/// A customer of each kind, with columns of ours and none of them.
fn customers() -> String {
    format!(
        "customer,Name,address,decision,chain,score,Name,\n\
         c1,\"Ann, \"\"A\"\"\",{LISTED},old,erc20,1,x,\n\
         c2,=1+1,{FAR},,Ethereum Mainnet,,y,last\n\
         c3,M\u{fc}ller,{SERVICE},new, ethereum ,3\n"
    )
}

/// The rows of a CSV by their headings.
fn table(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heads = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    (heads, reader.records().map(|record| row(record.unwrap())).collect())
}

/// Columns of our own, without the path.
const OURS: usize = 32;

/// What a batch over `input` wrote.
#[track_caller]
fn result(place: &Place, input: &str, out: &str, more: &[&str]) -> String {
    let out = place.data().with_file_name(out);
    let given = ["screen", "--input", input, "--overwrite", "--quiet", "--out"];
    let said = place.says(&[&given[..], &[out.to_str().unwrap()], more].concat());
    assert_eq!(said.status, 11, "{more:?}: {}", said.err);
    fs::read_to_string(&out).unwrap_or_default()
}

#[test]
fn all_columns_come_back_behind_ours() {
    let place = place();
    let input = place.file("in.csv", &customers());
    let text = result(&place, &input, "o.csv", &[]);
    let (heads, rows) = table(&text);
    let kept = ["customer", "Name", "input_decision", "input_score", "Name_2", "column_8"];
    assert_eq!(heads[OURS..], kept.map(str::to_owned));
    let values = [
        ["c1", "Ann, \"A\"", "old", "1", "x", ""],
        ["c2", "'=1+1", "", "", "y", "last"],
        // A row that cannot be taken apart has none.
        [""; 6],
    ];
    let found: Vec<_> = rows.iter().map(|row| row[OURS..].to_vec()).collect();
    assert_eq!(found, values.map(|row| row.map(str::to_owned).to_vec()));
    assert_eq!([&rows[0][4], &rows[1][4], &rows[2][4]], ["BLOCK", "REVIEW", "ERROR"], "{text}");
    assert_eq!(summary(&place.data().with_file_name("o.csv"))["kept_columns"][2], "input_decision");

    // The first and the reference are other columns then.
    let more = ["--reference-column", "customer", "--keep-columns", "score,address"];
    let (heads, rows) = table(&result(&place, &input, "some.csv", &more));
    assert_eq!(heads[OURS..], ["input_score".to_owned()]);
    assert_eq!((rows[0][1].as_str(), rows[0][OURS].as_str()), ("c1", "1"));
    let (heads, _) = table(&result(&place, &input, "none.csv", &["--keep-columns", "none"]));
    assert_eq!(heads.len(), OURS);
    let said = place.says(&["screen", "--input", &input, "--keep-columns", "nmae"]);
    assert!(said.err.contains("no column \"nmae\"; it has \"customer\", \"Name\""), "{}", said.err);

    // From a server, and by way of Parquet and JSON lines, the same.
    let server = place.serve();
    assert_eq!(result(&place, &input, "served.csv", &[]), text);
    drop(server);
    result(&place, &input, "o.parquet", &[]);
    let parquet = place.data().with_file_name("o.parquet");
    let again = ["--keep-columns", "customer,Name_2,input_score"];
    let (heads, rows) = table(&result(&place, parquet.to_str().unwrap(), "again.csv", &again));
    assert_eq!(heads[OURS..], ["customer", "input_score", "Name_2"].map(str::to_owned));
    assert_eq!(rows[0][OURS..], ["c1", "1", "x"].map(str::to_owned));
    let json = result(&place, &input, "o.jsonl", &[]);
    let json: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&json[0]["Name"], &json[1]["Name"]), (&"Ann, \"A\"".into(), &"=1+1".into()));
    assert_eq!(
        (&json[0]["decision"], &json[0]["input_decision"]),
        (&"BLOCK".into(), &"old".into())
    );
}

#[test]
fn values_of_json_stay_what_they_are() {
    let place = place();
    let row = |more: &str| format!("{{\"address\":\"{LISTED}\",\"n\":1.50{more}}}\n");
    let number = "{\"address\":17,\"n\":\"x\"}\n";
    let input = row(",\"tags\":[\"a\",2],\"none\":null") + &row(",\"later\":1") + number;
    let input = place.file("in.jsonl", &input);
    let json = result(&place, &input, "o.jsonl", &[]);
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["tags"], serde_json::json!(["a", 2]));
    assert!(json.contains("\"n\":1.50"), "{json}");
    assert_eq!((rows[0].get("none"), rows[1].get("later")), (None, None));
    // A number is no address, and the row says so with what else it has.
    assert_eq!((&rows[2]["decision"], &rows[2]["n"]), (&"ERROR".into(), &"x".into()));
    assert!(rows[2]["reason"].as_str().unwrap().contains("the address is not a string"));
    let summed = summary(&place.data().with_file_name("o.jsonl"));
    assert_eq!(summed["read"]["other_keys"], 1);
    let (heads, rows) = table(&result(&place, &input, "o.csv", &["--keep-columns", "later,tags"]));
    assert_eq!(heads[OURS..], ["tags", "later"].map(str::to_owned));
    assert_eq!(rows[0][OURS..], ["[\"a\",2]", ""].map(str::to_owned));
    assert_eq!(rows[1][OURS + 1], "1");
}

#[test]
fn a_batch_goes_on_with_the_columns_that_it_began_with() {
    let place = place();
    let input = place.file("in.csv", &customers());
    for out in ["o.csv", "o.jsonl"] {
        let whole = result(&place, &input, out, &[]);
        let path = place.data().with_file_name(out);
        let cut = whole.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
        let resume = |more: &[&str]| {
            fs::write(&path, &cut).unwrap();
            let given = ["screen", "--input", &input, "--resume", "--out", path.to_str().unwrap()];
            place.says(&[&given[..], more].concat())
        };
        let said = resume(&["--keep-columns", "none"]);
        assert_eq!(said.status, 1, "{}", said.err);
        assert!(said.err.contains("--keep-columns"), "{}", said.err);
        assert_eq!(resume(&[]).status, 11);
        assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{out}");
    }
}

#[test]
fn chains_are_named_as_people_do_or_refused_with_examples() {
    let place = place();
    let names =
        ["ERC20", " Ethereum Mainnet ", "Arbitrum One", "BNB", "Ethereum (TRC20)", "nowhere"];
    let row = |name: &&str| format!("{FAR},{name}\n");
    let input = place
        .file("in.csv", &format!("address,chain\n{}", names.iter().map(row).collect::<String>()));
    let said = place.says(&["screen", "--input", &input, "--quiet"]);
    let (_, rows) = table(&said.out);
    let decisions: Vec<_> = rows.iter().map(|row| row[4].as_str()).collect();
    assert_eq!(decisions[..2], ["REVIEW", "REVIEW"], "{}", said.out);
    assert_ne!(decisions[2], "ERROR");
    assert_eq!(decisions[3..], ["ERROR"; 3]);
    let reason = |row: usize| rows[row].iter().find(|cell| cell.contains("names")).unwrap();
    assert!(
        reason(3).contains("the chain: \"BNB\" names more than one chain: use bsc or bnb-beacon")
    );
    for row in [4, 5] {
        assert!(
            reason(row).contains("a name such as bitcoin, Arbitrum One or TRC20"),
            "{}",
            reason(row)
        );
    }
}

#[test]
fn a_zip_is_read_by_its_part() {
    let place = place();
    let plain = place.file("in.csv", &customers());
    let want = result(&place, &plain, "o.csv", &[]);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("in.csv", customers()), ("notes.txt", "x".to_owned())] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let input = place.file("in.zip", "");
    fs::write(&input, zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(result(&place, &input, "zip.csv", &["--part", "in.csv"]), want);
    let check = |more: &[&str], want: &str| {
        let said = place.says(&[&["screen", "--input", &input], more].concat());
        assert_eq!(said.status, 1);
        assert!(said.err.contains(want), "{}", said.err);
    };
    check(&[], "a zip of several files: \"in.csv\", \"notes.txt\": ");
    check(&["--part", "x"], "the zip has no file \"x\"; it has \"in.csv\", \"notes.txt\"");
}

/// A sample is read as a batch is.
#[test]
fn a_sample_has_its_columns_named() {
    let place = place();
    let text = format!("wallet;net;who\n{LISTED};ERC20;a\n{FAR};erc20;b\n");
    let sample = place.file("sample.csv", &text);
    let diff = ["policy", "diff", "live", "live", "--all", "--sample", &sample];
    let said = place.says(&diff);
    assert!(said.err.contains("no column \"address\"; it has \"wallet\", \"net\""), "{}", said.err);
    let named = ["--address-column", "wallet", "--chain-column", "net", "--output", "json"];
    let said = place.says(&[&diff[..], &named].concat());
    assert_eq!(said.status, 0, "{}", said.err);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&found["sample"]["screened"], &found["sample"]["refused"]), (&2.into(), &0.into()));
    let alone = place.says(&["policy", "diff", "live", "live", "--address-column", "wallet"]);
    assert!(alone.err.contains("--sample"), "{}", alone.err);
}
