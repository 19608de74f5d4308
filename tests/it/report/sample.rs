//! A made-up result of a batch, with its summary: every decision, level and kind of finding, paths of
//! one to four hops both ways, names in other scripts, long ones and hostile ones. Counts are made
//! here, plainly, so that the program's are held against others.

use std::collections::BTreeMap;

use lazaretto::grpc::v1;
use serde_json::{Map, Value, json};

/// The rows of a result, as objects in its form of JSON lines.
pub struct Sample {
    /// The rows.
    pub rows: Vec<Value>,
}

const SNAPSHOT: &str = "8f3a61c09b2e";
const POLICY: &str = "default@5d0c5ae5b64bd3d6";

/// A party of the made-up lists.
struct Party {
    name: &'static str,
    list: &'static str,
    kind: &'static str,
    address: &'static str,
    /// As a result has them: parted by bars.
    programs: &'static str,
    aliases: &'static str,
    /// The first day of the listing, and what it rests on.
    listed_on: (&'static str, &'static str),
}

const PARTIES: [Party; 6] = [
    Party {
        name: "LAZARUS GROUP",
        list: "us-ofac-sdn",
        kind: "SANCTIONS",
        address: "0x098B716B8Aaf21512996dC57EB0615e2383E2f96",
        programs: "DPRK3|CYBER2",
        aliases: "\"HIDDEN COBRA\"|\"GUARDIANS OF PEACE\"|APPLEWORM|APT-C-26|GROUP 77|OFFICE 91|RED DOT|TEMP.HERMIT|WHOIS HACKING TEAM|ZINC",
        listed_on: ("2022-04-14", "FIRST_SEEN"),
    },
    Party {
        name: "Hydra Market & <b>Partners</b>",
        list: "us-ofac-sdn",
        kind: "SANCTIONS",
        address: "0x7F367cC41522cE07553e823bf3be79A889DEbe1B",
        programs: "CYBER2",
        aliases: "Hydra \\| <script>alert(2)</script>",
        listed_on: ("2022-04-05", "ADDRESS_DATE"),
    },
    Party {
        name: "TraderTraitor (FBI advisory of 26 February 2025 on the theft from an exchange, also \
               known as Jade Sleet, Slow Pisces and UNC4899)",
        list: "us-fbi-advisories",
        kind: "ADVISORY",
        address: "0x51E9d833Ecae4E8D9D8Be17300AEE6D3398C135D",
        programs: "",
        aliases: "",
        listed_on: ("2025-02-26", "ADDRESS_DATE"),
    },
    Party {
        name: "김철 (KIM Čhŏl)",
        list: "us-ofac-sdn",
        kind: "SANCTIONS",
        address: "0x4f47Bc496083C727c5fbe3Ce9CDf2B0f6496270c",
        programs: "DPRK4",
        aliases: "金哲|KIM, Chol",
        listed_on: ("2019-09-13", "PARTY_DATE"),
    },
    Party {
        name: "شركة الصرافة",
        list: "il-nbctf",
        kind: "SEIZURE",
        address: "0x175d44451403Edf28469dF03A9280c1197ADb92c",
        programs: "",
        aliases: "",
        listed_on: ("", "UNKNOWN"),
    },
    Party {
        name: "evil\u{202e}gpj.exe",
        list: "us-ofac-sdn",
        kind: "SANCTIONS",
        address: "0x3Cffd56B47B7b41c56258D9C7731ABaDc360E073",
        programs: "EVIL\u{202e}1",
        aliases: "a\u{200b}b|c\\\\d",
        listed_on: ("2020-01-01", "ADDRESS_DATE"),
    },
];

/// An address that nobody has.
pub fn address(number: u64) -> String {
    format!("0x{:040x}", u128::from(number + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060)
}

fn hop(from: &str, to: &str, number: u64) -> Value {
    json!({
        "sender": {"address": from},
        "receiver": {"address": to},
        "chain": "eip155:1",
        "tx": format!("{:064x}", u128::from(number + 1) * 0xc2b2_ae3d_27d4_eb4f_1656_67b1),
        "position": {"height": (14_442_835 + number).to_string(), "tx_index": number % 200},
        "time": format!("2022-0{}-{:02}T13:29:{:02}Z", 1 + number % 9, 1 + number % 28, number % 60),
        "asset": "native",
        "symbol": "ETH",
        "amount": (u128::from(number % 97 + 1) * 1_733_123_456_000_000_007).to_string(),
        "decimals": 18,
    })
}

/// The path of so many hops between the party's address and `asked`, as the column has it.
fn path(party: &Party, asked: &str, hops: u64, sent: bool, timing: &str) -> String {
    let listed = party.address.to_lowercase();
    let mut over = vec![listed.clone()];
    over.extend((1..hops).map(|hop| address(9_000 + 10 * hops + hop)));
    over.push(asked.to_owned());
    if sent {
        over.reverse();
    }
    let steps = over.windows(2).zip(hops * 31..);
    let steps: Vec<_> = steps.map(|(pair, number)| hop(&pair[0], &pair[1], number)).collect();
    let path = json!({
        "direction": if sent { "EXPOSURE_DIRECTION_SENT_TO" } else { "EXPOSURE_DIRECTION_RECEIVED_FROM" },
        "listing": {
            "list_id": party.list,
            "list_kind": format!("LIST_KIND_{}", party.kind),
            "list_version": "3",
            "party": {"name": party.name},
            "address": party.address,
            "canonical_address": listed,
            "listed_on": "2022-04-14",
        },
        "timing": format!("DESIGNATION_TIMING_{timing}"),
        "hops": steps,
    });
    // As the program writes it.
    let path: v1::ExposurePath = serde_json::from_value(path).unwrap();
    serde_json::to_string(&path).unwrap()
}

fn allowed(number: u64) -> Value {
    json!({
        "row": number,
        "reference": format!("customer-{}", 4_000 + number),
        "address": address(number),
        "decision": "ALLOW",
        "score": 0,
        "level": "NONE",
        "status": "COMPLETE",
        "rule": "nothing-found",
        "reason": "nothing found",
        "coverage": "COVERED",
        "exposure_hops": 5,
        "snapshot": SNAPSHOT,
        "policy": POLICY,
        "evaluated_at": format!("2026-03-04T12:00:{:02}Z", number % 50),
    })
}

/// Changes an object's values.
fn with(mut row: Value, values: Value) -> Value {
    let Value::Object(values) = values else { panic!("{values}") };
    row.as_object_mut().unwrap().extend(values);
    row
}

fn found(number: u64, party: usize, hops: u64) -> Value {
    let party = &PARTIES[party % PARTIES.len()];
    let sent = number % 5 == 2;
    let timing = if number.is_multiple_of(2) { "BEFORE" } else { "AFTER" };
    let sanctions = party.kind == "SANCTIONS";
    let (decision, score, level, rule, reason) = match (hops, sanctions) {
        (0, true) => ("BLOCK", 100, "SEVERE", "sanctions", "a SANCTIONS listing of the address"),
        (1, true) => ("BLOCK", 88, "SEVERE", "direct", "hops <= 1: 1, share >= 10 %: 42.50 %"),
        (0, false) => ("REVIEW", 84, "HIGH", "listed", "a listing that is no sanction"),
        (2, _) => ("REVIEW", 52, "HIGH", "near", "hops <= 2: 2"),
        (hops, _) if hops < 4 => ("REVIEW", 31, "MEDIUM", "exposed", "score >= 25: 31"),
        _ => ("ALLOW", 12, "LOW", "far", "score < 25: 12"),
    };
    let asked = if hops == 0 { party.address.to_owned() } else { address(number) };
    let finding = match (hops, sent) {
        (0, _) => "LISTED",
        (_, true) => "SENT_TO",
        (_, false) => "RECEIVED_FROM",
    };
    let row = with(
        allowed(number),
        json!({
            "address": asked, "decision": decision, "score": score, "level": level,
            "finding": finding, "hops": hops, "list": party.list, "list_kind": party.kind,
            "party": party.name, "listed_address": party.address, "programs": party.programs,
            "aliases": party.aliases, "listed_on": party.listed_on.0,
            "listed_on_basis": party.listed_on.1, "rule": rule, "reason": reason,
        }),
    );
    if hops == 0 {
        return row;
    }
    let row = with(row, json!({"timing": timing, "path": path(party, &asked, hops, sent, timing)}));
    if hops == 1 { with(row, json!({"share": 42.5})) } else { row }
}

fn error(number: u64, address: &str, reason: &str) -> Value {
    json!({"row": number, "reference": format!("customer-{}", 4_000 + number),
           "address": address, "decision": "ERROR", "reason": reason})
}

impl Sample {
    /// The sample with at least 40 rows.
    pub fn new(rows: u64) -> Self {
        let row = |number: u64| match number {
            3 => error(3, "", "the address is empty"),
            4 => found(4, 0, 0),
            5 => found(5, 1, 1),
            7 => found(7, 2, 1),
            8 => found(8, 0, 3),
            10 => found(10, 3, 1),
            12 => found(12, 4, 2),
            13 => found(13, 2, 0),
            15 => found(15, 5, 0),
            17 => found(17, 0, 4),
            19 => with(
                found(19, 0, 4),
                json!({"decision": "REVIEW", "score": 26, "level": "MEDIUM",
                "rule": "exposed", "reason": "score >= 25: 26"}),
            ),
            21 => with(
                allowed(21),
                json!({"decision": "REVIEW", "status": "INCOMPLETE",
                "address": "0x098B716B8Aaf21512996dC57EB0615e2383E2f97",
                "rule": "incomplete",
                "reason": "INCOMPLETE CHECKSUM_WRONG, LIST_STALE us-ofac-sdn; nothing found"}),
            ),
            22 | 26 => with(
                allowed(number),
                json!({"decision": "REVIEW", "status": "INCOMPLETE", "rule": "incomplete",
                "reason": "INCOMPLETE LIST_STALE us-ofac-sdn; status = COMPLETE: status = INCOMPLETE"}),
            ),
            23 => {
                error(23, "0x12\u{200b}34<script>alert(1)</script>", "byte 5 is no printable ASCII")
            }
            29 => error(29, &"x".repeat(2_000), "2000 bytes, of at most 1024"),
            31 => with(found(31, 1, 2), json!({"reference": "<img src=//e onerror=1>"})),
            number if number > 40 && number % 7 == 0 => {
                found(number, number as usize / 7, number % 4 + 1)
            }
            number => allowed(number),
        };
        Self { rows: (1..=rows).map(row).collect() }
    }

    /// The result as JSON lines.
    pub fn json_lines(&self) -> String {
        self.rows.iter().map(|row| format!("{row}\n")).collect()
    }

    fn counts(&self, key: impl Fn(&Value) -> Option<String>) -> Value {
        let mut counts = BTreeMap::<String, u64>::new();
        for key in self.rows.iter().filter_map(key) {
            *counts.entry(key).or_default() += 1;
        }
        json!(counts)
    }

    /// By decision, of the rows that were answered and are `of` a sort.
    fn decisions(&self, of: impl Fn(&Value) -> bool) -> Value {
        self.counts(|row| {
            let decision = row["decision"].as_str().filter(|it| *it != "ERROR" && of(row));
            decision.map(str::to_owned)
        })
    }

    /// The summary that stands beside the result.
    pub fn summary(&self) -> Value {
        let text = |column: &'static str| {
            move |row: &Value| {
                row[column].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
            }
        };
        let asked = |row: &Value| row["decision"] != "ERROR";
        let hops = |row: &Value| {
            asked(row).then(|| row["hops"].as_u64().map_or("none".to_owned(), |it| it.to_string()))
        };
        let errors = self.rows.iter().filter(|row| !asked(row)).count();
        let mut parties = Map::new();
        for row in self.rows.iter().filter(|row| row["party"].is_string()) {
            let (party, list) = (&row["party"], &row["list"]);
            let new = json!({"party": party, "list": list, "ALLOW": 0, "REVIEW": 0, "BLOCK": 0});
            let entry = parties.entry(format!("{party}{list}")).or_insert(new);
            let decision = row["decision"].as_str().unwrap();
            entry[decision] = json!(entry[decision].as_u64().unwrap() + 1);
        }
        json!({
            "lazaretto_batch": 1, "input": "/srv/<in>/customers <march>.csv",
            "result": "/srv/out/customers.jsonl",
            "started_at": "2026-03-04T11:59:59Z", "finished_at": "2026-03-04T12:00:51Z",
            "rows": self.rows.len(), "errors": errors,
            "decisions": self.counts(text("decision")), "levels": self.counts(text("level")),
            "statuses": self.counts(text("status")), "hops": self.counts(hops),
            "findings": self.counts(text("finding")), "rules": self.counts(text("rule")),
            "incomplete": {"CHECKSUM_WRONG": 1, "LIST_STALE": 3},
            "decided_by": {
                "findings": self.decisions(|row| row["rule"] != "incomplete"),
                "address": {"REVIEW": 1}, "data": {"REVIEW": 2},
            },
            "data_reasons": {"LIST_STALE": 2},
            "parties": parties.into_iter().map(|(_, party)| party).collect::<Vec<_>>(),
            "lists": self.counts(text("list")),
            "options": {"include_evidence": true},
            "snapshots": [snapshot()],
        })
    }
}

fn snapshot() -> Value {
    let list = |id: &str,
                kind: &str,
                version: u64,
                published: &str,
                age: u64,
                limit: Option<u64>| {
        json!({
            "list_id": id, "name": format!("{id} <as configured>"), "kind": format!("LIST_KIND_{kind}"), "version": version.to_string(),
            "number_on_list": version.to_string(),
            "digest": format!("{:064x}", u128::from(version) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced),
            "published_on": published, "age_seconds": age.to_string(),
            "max_age_seconds": limit.map(|limit| limit.to_string()), "required": kind == "SANCTIONS",
            "stale": limit.is_some_and(|limit| age > limit),
        })
    };
    json!({
        "id": SNAPSHOT, "engine_version": "0.1.0", "policy_version": POLICY,
        "policy_digest": format!("5d0c5ae5b64bd3d6{}", "07".repeat(24)),
        "exposure_settings_digest": "ab".repeat(32),
        "lists": [
            list("il-nbctf", "SEIZURE", 12, "2026-02-27", 86_400, Some(604_800)),
            list("us-fbi-advisories", "ADVISORY", 2, "2025-02-26", 30_000_000, None),
            list("us-ofac-sdn", "SANCTIONS", 3, "2026-03-03", 7_200, Some(259_200)),
        ],
        "transfers": [
            {"chain": "bip122:000000000019d6689c085ae165831e93", "transfers": "2981733",
             "last_height": "939001", "last_time": "2026-03-04T11:40:00Z", "covered_spans": "1",
             "max_age_seconds": "86400", "age_seconds": "1200"},
            {"chain": "eip155:1", "transfers": "91827364", "last_height": "24580122",
             "last_time": "2026-03-04T11:58:00Z", "covered_spans": "3", "required": true,
             "max_age_seconds": "86400", "age_seconds": "120"},
        ],
        "labelled_rows": "94809097", "max_hops": 5,
    })
}
