//! Transfers as another implementation (GraphSense) sums them up: what we hold of the same files
//! aggregates to its relations between addresses.

use std::collections::BTreeMap;
use std::path::Path;

use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{Leg, Movement, TxStatus};
use lazaretto::exposure::Direction;
use lazaretto::source::transfers::ReadSettings;
use serde_json::{Value, json};

use super::{NOW, dealings, ends, load};
use crate::support::desk::Desk;
use crate::support::transfer_files::{GraphSense, Made, real, records, without_exponent};

/// From and to, with a count of transactions and a sum.
type Relations = BTreeMap<(String, String), (u64, u128)>;

pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(&quoted(line)).unwrap()).collect()
}

/// A line with its values, which pass 64 bits, as strings.
fn quoted(line: &str) -> String {
    const BEFORE: &str = "{\"value\":";
    let mut parts = line.split(BEFORE);
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let part = part.trim_start();
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap();
        text += &format!("{BEFORE}\"{}\"{}", &part[..end], &part[end..]);
    }
    text
}

/// Base64 as hex with `0x`.
fn hex(base64: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut text) = (0u32, 0, "0x".to_owned());
    for byte in base64.bytes().filter(|byte| *byte != b'=') {
        let digit = DIGITS.iter().position(|known| *known == byte).unwrap();
        bits = bits << 6 | u32::try_from(digit).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            text += &format!("{:02x}", bits >> held & 0xff);
        }
    }
    text
}

/// The addresses of an account graph by their numbers.
fn addresses(folder: &Path) -> BTreeMap<u64, String> {
    let rows = lines(&folder.join("reference/addresses.json"));
    let pair =
        |row: &Value| (row["addressId"].as_u64().unwrap(), hex(row["address"].as_str().unwrap()));
    rows.iter().map(pair).collect()
}

fn whole(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

/// The relations of the reference between addresses that it names, with the row of each.
fn reference(folder: &Path) -> Vec<((String, String), Value)> {
    let known = addresses(folder);
    let rows = lines(&folder.join("reference/address_relations.json"));
    let end = |row: &Value, name: &str| known.get(&row[name].as_u64().unwrap()).cloned();
    let named = rows
        .into_iter()
        .filter_map(|row| Some(((end(&row, "srcAddressId")?, end(&row, "dstAddressId")?), row)));
    named.collect()
}

/// Who sent how much to whom in how many transfers: from what the engine says of each sender.
/// Transfers that failed moved nothing; one of nothing is a relation too.
fn sent<'a>(desk: &Desk, senders: impl Iterator<Item = &'a String>) -> Relations {
    let mut relations = Relations::new();
    for sender in senders {
        for row in dealings(desk, sender, Some(Direction::SentTo)) {
            let (from, to, amount) = ends(&row.transfer);
            assert_eq!(from, *sender);
            if row.transfer.status != TxStatus::Failed && !to.is_empty() {
                let relation = relations.entry((from, to)).or_default();
                relation.0 += 1;
                relation.1 += amount.as_u128();
            }
        }
    }
    relations
}

fn load_traces(folder: &Path) -> Desk {
    let files = GraphSense::of(folder);
    let desk = Desk::new(NOW, &["starter_lists=true"]);
    let settings = ReadSettings {
        blocks: Some(files.blocks.path().to_owned()),
        receipts: Some(files.transactions.path().to_owned()),
        ..ReadSettings::default()
    };
    let loaded = load(&desk, files.traces.path(), &settings);
    assert_eq!(loaded.stored, loaded.report.kept);
    eprintln!("{}: {:?}", folder.display(), loaded.report);
    desk
}

/// Ether of two small graphs: every relation is the same in transactions and value, and there is no
/// other. Left out on both sides: the rewards of blocks and the genesis, which nobody sent (the
/// reference has no relation for them; here they have no sender).
#[test]
fn relations_of_the_small_graphs_are_the_same() {
    for graph in ["simple_graph", "complex_graph"] {
        let Some(folder) = real(&format!("graphsense-reference/{graph}")) else { return };
        let desk = load_traces(&folder);
        let theirs: Relations = reference(&folder)
            .into_iter()
            .map(|(ends, row)| {
                (ends, (row["noTransactions"].as_u64().unwrap(), whole(&row["value"]["value"])))
            })
            .collect();
        assert_eq!(theirs.len(), 9);
        let everybody: Vec<String> = records(&folder.join("traces.csv"))
            .iter()
            .flat_map(|row| [row["fromAddress"].clone(), row["toAddress"].clone()])
            .filter(|address| !address.is_empty())
            .collect();
        let everybody: std::collections::BTreeSet<_> = everybody.into_iter().collect();
        assert_eq!(sent(&desk, everybody.iter()), theirs, "{graph}");
    }
}

/// Two blocks of 2022 with traces. What is compared: the Ether of every relation between the
/// addresses that the reference names (it names 782 of all that are in the file).
///
/// The reference adds up the values of all traces, those of delegatecalls among them: such a call
/// states the value of the call around it, and moves nothing, so it is left out here. Its values are
/// taken from the file and added for the comparison. Not compared are counts: the reference counts
/// traces that move nothing (staticcalls, delegatecalls) and transfers of some tokens, from logs,
/// which are no input here; and relations with addresses that it does not name (fees, and tokens).
#[test]
fn ether_of_the_token_graph_is_the_same() {
    let Some(folder) = real("graphsense-reference/tokens") else { return };
    let desk = load_traces(&folder);
    let known = addresses(&folder);
    let ours = sent(&desk, known.values());
    let mut delegated = Relations::new();
    for row in records(&folder.join("traces.csv")) {
        if matches!(&*row["callType"], "delegatecall" | "callcode" | "staticcall")
            && row["status"] == "1"
        {
            let ends = (row["fromAddress"].clone(), row["toAddress"].clone());
            delegated.entry(ends).or_default().1 +=
                without_exponent(&row["value"]).parse::<u128>().unwrap();
        }
    }
    let sum = |relations: &Relations, ends| relations.get(ends).map_or(0, |(_, sum)| *sum);
    let theirs = reference(&folder);
    let (mut moved, mut by_delegates) = (0, 0);
    for (ends, row) in &theirs {
        let (own, other) = (sum(&ours, ends), sum(&delegated, ends));
        assert_eq!(own + other, whole(&row["value"]["value"]), "{ends:?}");
        moved += usize::from(own > 0);
        by_delegates += usize::from(other > 0);
    }
    // And nothing of ours is missing there.
    let listed: std::collections::BTreeSet<_> = theirs.iter().map(|(ends, _)| ends).collect();
    let named: std::collections::BTreeSet<_> = known.values().collect();
    for ends in ours.keys().filter(|ends| named.contains(&ends.1)) {
        assert!(listed.contains(ends), "{ends:?}");
    }
    eprintln!(
        "{} relations between named addresses: {moved} with Ether, all the same; {by_delegates} \
         with values of delegatecalls",
        theirs.len()
    );
    assert_eq!((theirs.len(), moved), (1_306, 169));
}

/// The transactions of the small UTXO set as rows of bitcoin-etl.
pub fn utxo_transactions(folder: &Path) -> Made {
    let hashes: BTreeMap<u64, String> = lines(&folder.join("test_blocks.json"))
        .iter()
        .map(|row| {
            (row["blockId"].as_u64().unwrap(), row["blockHash"].as_str().unwrap().to_owned())
        })
        .collect();
    let mut places: BTreeMap<u64, u64> = BTreeMap::new();
    let legs = |legs: &Value| {
        let leg = |leg: &Value| json!({"addresses": leg["address"], "value": leg["value"]});
        legs.as_array().unwrap().iter().map(leg).collect::<Vec<_>>()
    };
    let transactions = lines(&folder.join("test_txs.json"));
    let rows = transactions.iter().map(|tx| {
        let height = tx["blockId"].as_u64().unwrap();
        let place = places.entry(height).or_default();
        *place += 1;
        let row = json!({"hash": tx["txHash"], "block_number": height,
            "block_hash": hashes[&height], "block_timestamp": tx["timestamp"],
            "index": *place - 1, "is_coinbase": tx["coinbase"],
            "inputs": legs(&tx["inputs"]), "outputs": legs(&tx["outputs"])});
        row.to_string() + "\n"
    });
    Made::new(&rows.collect::<String>())
}

/// A small UTXO set. The reference has a relation from each address of an input to each of an
/// output, with an estimated value: the output's, shared out over the inputs. All of it is compared.
/// By its definition a leg of several addresses is in no relation (though its value is in the sum of
/// the inputs), nor is an address with itself; a coinbase is a sender of its own, number 0.
#[test]
fn relations_of_the_utxo_set_are_the_same() {
    let Some(folder) = real("graphsense-reference/utxo") else { return };
    let made = utxo_transactions(&folder);
    let desk = Desk::new(NOW, &["starter_lists=true"]);
    let settings = ReadSettings { chain: Some(Chain::Bitcoin), ..ReadSettings::default() };
    let loaded = load(&desk, made.path(), &settings);
    assert_eq!((loaded.report.rows_read, loaded.stored), (10, 10));

    let names: BTreeMap<u64, String> = lines(&folder.join("reference/address_ids.json"))
        .iter()
        .map(|row| {
            (row["addressId"].as_u64().unwrap(), row["address"].as_str().unwrap().to_owned())
        })
        .collect();
    let end = |row: &Value, name: &str| names[&row[name].as_u64().unwrap()].clone();
    let theirs: Relations = lines(&folder.join("reference/address_relations.json"))
        .iter()
        .map(|row| {
            let ends = (end(row, "srcAddressId"), end(row, "dstAddressId"));
            let value = whole(&row["estimatedValue"]["value"]);
            (ends, (row["noTransactions"].as_u64().unwrap(), value))
        })
        .collect();
    assert_eq!(theirs.len(), 20);

    let mut ours = Relations::new();
    for receiver in names.values().filter(|name| *name != "coinbase") {
        // An address that is in a transaction once is said once, however many inputs that has.
        for row in dealings(&desk, receiver, Some(Direction::ReceivedFrom)) {
            let Movement::Utxo(movement) = &row.transfer.movement else { panic!("{row:?}") };
            let of_one = |leg: &&Leg| leg.holders.len() == 1;
            let received: u64 = movement
                .outputs
                .iter()
                .filter(of_one)
                .filter(|leg| leg.holders[0].to_string() == *receiver)
                .map(|leg| leg.amount.unwrap())
                .sum();
            if received == 0 {
                continue;
            }
            let total: u64 = movement.inputs.iter().map(|leg| leg.amount.unwrap()).sum();
            let mut senders: BTreeMap<String, u64> = BTreeMap::new();
            for leg in movement.inputs.iter().filter(of_one) {
                *senders.entry(leg.holders[0].to_string()).or_default() += leg.amount.unwrap();
            }
            if movement.coinbase {
                senders.insert("coinbase".to_owned(), 1);
            }
            let total = total.max(1);
            for (sender, sent) in senders.into_iter().filter(|(sender, _)| sender != receiver) {
                let relation = ours.entry((sender, receiver.clone())).or_default();
                relation.0 += 1;
                let [received, sent, total] = [received, sent, total].map(u128::from);
                // Rounded to the nearest.
                relation.1 += (2 * received * sent + total) / (2 * total);
            }
        }
    }
    assert_eq!(ours, theirs);
}
