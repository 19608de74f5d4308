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
        ("Holder of the property: name, address, contact", BLANK.to_owned()),
        ("Transaction: type, participants and where they are, references, dates", deal(record)),
        ("Property", property(record)),
        ("Location of the property, with account or reference numbers", location(record)),
        ("Sanctions target, and where it is, if known", parties(record)),
        ("Date of blocking", date(record)),
        ("Value in US dollars, actual or estimated, with the rate used", BLANK.to_owned()),
        ("Legal authority", BLANK.to_owned()),
        ("Copies of documents received", BLANK.to_owned()),
    ];
    rows.extend(evidence(record));
    rows
}

fn rejected(record: &v1::ScreeningRecord) -> Rows {
    let mut rows = vec![
        ("Who rejected the transaction: name, address, contact", BLANK.to_owned()),
        (
            "Transaction: type, participants and where they are, property, reference and account \
             numbers, dates",
            deal(record),
        ),
        ("Property", property(record)),
        ("Address", location(record)),
        ("Sanctions target, if any, and where it is, if known", parties(record)),
        ("Date of rejection", date(record)),
        ("Value in US dollars, actual or estimated", BLANK.to_owned()),
        ("Legal authority", BLANK.to_owned()),
        ("Copies of documents received", BLANK.to_owned()),
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

/// What is known of the transaction.
fn deal(record: &v1::ScreeningRecord) -> String {
    let Some(payment) = &record.payment else { return BLANK.to_owned() };
    let direction = words::short(payment.direction().as_str_name(), "PAYMENT_DIRECTION_");
    let tx = if payment.tx.is_empty() { "" } else { ", transaction " };
    format!("{} on {}{tx}{}", direction.to_lowercase(), payment.chain, payment.tx)
}

fn property(record: &v1::ScreeningRecord) -> String {
    match &record.payment {
        Some(v1::RecordedPayment { amount, asset, .. }) => {
            format!("virtual currency: {amount} units of {asset}")
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
    words::moment(record.recorded_at.as_ref())
}
