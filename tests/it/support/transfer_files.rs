//! Files of transfers, and real ones brought into a form that a reader takes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{Asset, Transfer};
use lazaretto::source::rows::Progress;
use lazaretto::source::transfers::{ReadReport, ReadSettings, ReadTransfersError, read};
use serde_json::json;

use super::needs::data;

/// A file of the real transfers; `None`, reported, where there are none.
pub fn real(path: &str) -> Option<PathBuf> {
    data(&format!("transfers/{path}"))
}

pub fn try_read(
    path: &Path,
    settings: &ReadSettings,
) -> Result<(ReadReport, Vec<Transfer>), ReadTransfersError> {
    let mut transfers = Vec::new();
    let decimals = |_: &Chain, asset: &Asset| (*asset == Asset::Native).then_some(18);
    let mut sink = |batch: Vec<Transfer>, _: Progress| {
        transfers.extend(batch);
        Ok::<_, io::Error>(())
    };
    let report = read(path, settings, &decimals, None, &mut sink)?;
    let left_out: u64 = report.left_out.values().sum();
    assert_eq!(report.rows_read, report.kept + left_out, "every row has a fate");
    assert_eq!(report.kept, transfers.len() as u64);
    Ok((report, transfers))
}

/// As [`try_read`], of a file that is well-formed.
pub fn read_file(path: &Path, settings: &ReadSettings) -> (ReadReport, Vec<Transfer>) {
    try_read(path, settings).unwrap_or_else(|error| panic!("{error}"))
}

pub fn settings(chain: Chain) -> ReadSettings {
    ReadSettings { chain: Some(chain), ..ReadSettings::default() }
}

/// A file written for a test, which goes with it.
pub struct Made(tempfile::NamedTempFile);

impl Made {
    pub fn new(text: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Self(file)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The records of a CSV, by name of column.
pub fn records(path: &Path) -> Vec<HashMap<String, String>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
        bytes = unpacked;
    }
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    reader.deserialize().map(Result::unwrap).collect()
}

/// The rows of `eth-blocks` in our own form.
pub fn eth_blocks(rows: &[HashMap<String, String>]) -> String {
    let mut text = "chain,tx,position,time,from,to,asset,amount\n".to_owned();
    for row in rows {
        let of = |name: &str| row[name].as_str();
        let (height, index) = (of("block_number"), of("tx_index"));
        let (tx, time, from, to) =
            (of("tx_hash"), of("timestamp"), of("from_address"), of("to_address"));
        // RISE is a chain without a name here.
        let chain = if of("chain") == "rise" { "eip155:4153" } else { of("chain") };
        let value = of("value_wei");
        writeln!(text, "{chain},{tx},{height}:{index},{time},{from},{to},native,{value}").unwrap();
    }
    text
}

/// The inputs and outputs of `btc-blocks`, beside each other, as lines of bitcoin-etl.
pub fn btc_blocks(path: &Path) -> String {
    let mut rows: BTreeMap<(u64, u32), serde_json::Value> = BTreeMap::new();
    let mut blocks: Vec<String> = Vec::new();
    for (side, file) in
        [("outputs", path.to_owned()), ("inputs", path.with_file_name("inputs.csv.gz"))]
    {
        for record in records(&file) {
            let hash = &record["block_hash"];
            let height = blocks.iter().position(|block| block == hash).unwrap_or_else(|| {
                blocks.push(hash.clone());
                blocks.len() - 1
            });
            let tx_index: u32 = record["tx_index"].parse().unwrap();
            let row = rows.entry((height as u64, tx_index)).or_insert_with(|| {
                json!({"hash": record["txid"], "block_number": height, "block_hash": hash,
                    "block_timestamp": record["time"].parse::<u64>().unwrap(), "index": tx_index,
                    "is_coinbase": tx_index == 0, "inputs": [], "outputs": []})
            });
            let address = &record["address"];
            let addresses: Vec<&String> =
                (!address.is_empty()).then_some(address).into_iter().collect();
            let value = record.get("value_sat").map(|value| value.parse::<u64>().unwrap());
            let part = json!({"addresses": addresses, "value": value});
            row[side].as_array_mut().unwrap().push(part);
        }
    }
    let text: Vec<String> = rows.values().map(ToString::to_string).collect();
    assert_eq!(blocks.len(), 3);
    text.join("\n")
}

/// The Lazarus transfers in our own form.
pub fn lazarus(text: &str) -> String {
    let (headings, rows) = text.split_once('\n').unwrap();
    assert_eq!(headings.trim_end(), "block_time,from,to,total_eth");
    format!("time,from,to,amount,asset\n{}", rows.replace('\\', "0"))
        .lines()
        .enumerate()
        .map(|(at, line)| format!("{line}{}\n", if at == 0 { "" } else { ",native" }))
        .collect()
}

/// Some values there are written `199e17`.
pub fn without_exponent(value: &str) -> String {
    match value.split_once('e') {
        Some((digits, zeros)) => digits.to_owned() + &"0".repeat(zeros.parse().unwrap()),
        None => value.to_owned(),
    }
}

/// Files of GraphSense in the way of ethereum-etl.
pub struct GraphSense {
    pub blocks: Made,
    pub transactions: Made,
    /// Those of the blocks that are there.
    pub traces: Made,
}

impl GraphSense {
    pub fn of(folder: &Path) -> Self {
        let copy = |file: &str, columns: &[(&str, &str)]| {
            let names: Vec<&str> = columns.iter().map(|(_, name)| *name).collect();
            let mut text = names.join(",") + "\n";
            for record in records(&folder.join(file)) {
                let fields: Vec<&str> =
                    columns.iter().map(|(column, _)| record[*column].as_str()).collect();
                text += &(fields.join(",") + "\n");
            }
            Made::new(&text)
        };
        let blocks = copy(
            "blocks.csv",
            &[("blockId", "number"), ("timestamp", "timestamp"), ("blockHash", "hash")],
        );
        let transactions = copy(
            "transactions.csv",
            &[
                ("txHash", "hash"),
                ("blockId", "block_number"),
                ("blockHash", "block_hash"),
                ("transactionIndex", "transaction_index"),
                ("fromAddress", "from_address"),
                ("toAddress", "to_address"),
                ("value", "value"),
                ("blockTimestamp", "block_timestamp"),
            ],
        );
        // The type of a trace stands in its id only.
        let mut text = "block_number,transaction_hash,from_address,to_address,value,trace_type,\
                        call_type,trace_id,trace_index,status\n"
            .to_owned();
        let known: HashSet<String> =
            records(&folder.join("blocks.csv")).iter().map(|row| row["blockId"].clone()).collect();
        let traces = records(&folder.join("traces.csv"));
        let traces = traces.iter().filter(|row| known.contains(&row["blockId"]));
        for row in traces {
            let of = |name: &str| row[name].as_str();
            let kind = of("traceId").split('_').next().unwrap();
            let fields = [
                of("blockId"),
                of("txHash"),
                of("fromAddress"),
                of("toAddress"),
                &without_exponent(of("value")),
                kind,
                of("callType"),
                of("traceId"),
                of("traceIndex"),
                of("status"),
            ];
            writeln!(text, "{}", fields.join(",")).unwrap();
        }
        Self { blocks, transactions, traces: Made::new(&text) }
    }
}
