//! The fields of OFAC's reports out of a record, as far as they are known here.
//!
//! Blocked property: 31 CFR 501.603(b)(1)(ii). Rejected transactions: 31 CFR 501.604(b). Both are due
//! within 10 business days.

use std::fmt::Write;

use anyhow::{Result, bail};

use super::ReportKind;
use crate::cli::render::words;
use crate::cli::text::escape;
use crate::grpc::v1;

/// What is not known here.
const BLANK: &str = "";

pub(super) fn text(kind: ReportKind, record: &v1::ScreeningRecord) -> Result<String> {
    if record.decision() != v1::Decision::Block {
        bail!("{}: the decision was not BLOCK: there is nothing to report", record.record_id);
    }
    let (title, rows) = match kind {
        ReportKind::Blocked => ("Report of blocked property (31 CFR 501.603)", blocked(record)),
        ReportKind::Rejected => {
            ("Report of a rejected transaction (31 CFR 501.604)", rejected(record))
        }
    };
    let mut text = format!("{title}\nDue within 10 business days of the action.\n\n");
    for (field, value) in rows {
        let value = escape(&value);
        let filled = if value.is_empty() { "(not known here)" } else { &value };
        writeln!(text, "{field}: {filled}")?;
    }
    Ok(text)
}

type Rows = Vec<(&'static str, String)>;

fn blocked(record: &v1::ScreeningRecord) -> Rows {
    let mut rows = vec![
        ("Name and address of the holder of the property", BLANK.to_owned()),
        ("Contact of the holder", BLANK.to_owned()),
        ("Transactor or account party", BLANK.to_owned()),
        ("Sanctions target", parties(record)),
        ("Legal authority (programme)", BLANK.to_owned()),
        ("Description of the property", property(record)),
        ("Date of blocking", date(record)),
        ("Location of the property", location(record)),
        ("Value (US dollars)", BLANK.to_owned()),
    ];
    rows.extend(evidence(record));
    rows
}

fn rejected(record: &v1::ScreeningRecord) -> Rows {
    let mut rows = vec![
        ("Name and address of the person that rejected the transaction", BLANK.to_owned()),
        ("Contact of that person", BLANK.to_owned()),
        ("Transacting parties", BLANK.to_owned()),
        ("Sanctions target", parties(record)),
        ("Legal authority (programme)", BLANK.to_owned()),
        ("Description of the transaction", property(record)),
        ("Date of rejection", date(record)),
        ("Value (US dollars)", BLANK.to_owned()),
    ];
    rows.extend(evidence(record));
    rows
}

fn evidence(record: &v1::ScreeningRecord) -> Rows {
    let rules = record.findings.iter().map(|finding| {
        format!(
            "{} on {} ({})",
            finding.kind().as_str_name(),
            finding.list_id,
            finding.listed_address
        )
    });
    vec![
        ("Record", record.record_id.clone()),
        ("Rule", record.rule_id.clone()),
        ("Findings", rules.collect::<Vec<_>>().join("; ")),
        ("Snapshot", record.snapshot_id.clone()),
    ]
}

fn parties(record: &v1::ScreeningRecord) -> String {
    let parties = record.findings.iter().map(|finding| finding.party.as_str());
    let mut parties: Vec<_> = parties.filter(|party| !party.is_empty()).collect();
    parties.sort_unstable();
    parties.dedup();
    parties.join("; ")
}

fn property(record: &v1::ScreeningRecord) -> String {
    match &record.payment {
        Some(payment) => {
            let v1::RecordedPayment { amount, asset, tx, .. } = payment;
            let tx = if tx.is_empty() { String::new() } else { format!(", transaction {tx}") };
            format!("virtual currency: {amount} units of {asset}{tx}")
        }
        None => "virtual currency".to_owned(),
    }
}

fn location(record: &v1::ScreeningRecord) -> String {
    let chain = record.payment.as_ref().map_or(&record.chain, |payment| &payment.chain);
    let address = if record.redacted { "redacted" } else { &record.address };
    if chain.is_empty() { address.to_owned() } else { format!("{address} on {chain}") }
}

fn date(record: &v1::ScreeningRecord) -> String {
    words::moment(record.evaluated_at.as_ref())
}
