//! Records of the decision log as text.

use std::path::Path;

use super::words::{self, line, or_dash, short};
use crate::audit::Report;
use crate::cli::table::{Side, Table};
use crate::cli::text::{Style, escape, escape_lines};
use crate::grpc::v1;

/// A table of records, the oldest first, and what was not searched.
pub fn records(response: &v1::QueryScreeningsResponse, style: Style) -> String {
    let mut text = table_of_records(&response.records, style);
    for reason in &response.incomplete {
        line(&mut text, 0, "not all is found", &escape(reason));
    }
    text
}

fn table_of_records(records: &[v1::ScreeningRecord], style: Style) -> String {
    if records.is_empty() {
        return "No records.\n".to_owned();
    }
    let heading =
        ["record", "recorded", "decision", "score", "rule", "identity", "address", "request id"];
    let mut table = Table::new(heading.map(|name| (name, Side::Left)));
    for record in records {
        table.push([
            escape(&record.record_id).into_owned(),
            words::moment(record.recorded_at.as_ref()),
            decision(record, style),
            record.score.to_string(),
            or_dash(&record.rule_id),
            or_dash(&record.identity),
            address(record),
            or_dash(&record.request_id),
        ]);
    }
    table.to_string()
}

/// One record with its findings.
pub fn record(record: &v1::ScreeningRecord, style: Style) -> String {
    let mut text = format!("Record {}\n", escape(&record.record_id));
    line(&mut text, 2, "recorded", &words::moment(record.recorded_at.as_ref()));
    line(&mut text, 2, "evaluated", &words::moment(record.evaluated_at.as_ref()));
    line(&mut text, 2, "method", &or_dash(&record.method));
    add_options(&mut text, record);
    line(&mut text, 2, "identity", &or_dash(&record.identity));
    line(&mut text, 2, "address", &address(record));
    for (name, value) in [
        ("chain", &record.chain),
        ("request id", &record.request_id),
        ("customer", &record.customer_reference),
        ("refused", &record.refused),
        ("repeats", &record.repeats_record_id),
    ] {
        if !value.is_empty() {
            line(&mut text, 2, name, &escape(value));
        }
    }
    line(&mut text, 2, "decision", &decision(record, style));
    if record.call_refused {
        line(&mut text, 2, "refused call", &format!("of {} addresses", record.call_addresses));
    }
    if is_decided(record) {
        let status = short(record.status().as_str_name(), "SCREENING_STATUS_");
        line(&mut text, 2, "status", status);
        line(&mut text, 2, "score", &record.score.to_string());
        line(&mut text, 2, "rule", &or_dash(&record.rule_id));
    }
    line(&mut text, 2, "snapshot", &or_dash(&record.snapshot_id));
    if let Some(payment) = &record.payment {
        let side = short(payment.side().as_str_name(), "PAYMENT_SIDE_").to_lowercase();
        let of = format!("{} of {} on {}", payment.amount, payment.asset, payment.chain);
        let whole = short(payment.decision().as_str_name(), "DECISION_");
        line(&mut text, 2, "payment", &escape(&format!("{side}; {of}; as a whole {whole}")));
        add_projection(&mut text, payment);
    }
    if let Some(comparison) = &record.comparison {
        for (version, outcome) in [
            (&comparison.baseline_version, &comparison.baseline),
            (&comparison.candidate_version, &comparison.candidate),
        ] {
            let outcome = outcome.clone().unwrap_or_default();
            let decision = words::decision(outcome.decision());
            let by = format!("{version}: {decision}, score {}, {}", outcome.score, outcome.rule_id);
            line(&mut text, 2, "policy", &escape(&by));
        }
    }
    if let Some(trace) = &record.trace {
        let cut = if trace.cut_short { ", cut short" } else { "" };
        let found = format!("{} over {} hops at most{cut}", trace.paths, trace.max_hops);
        line(&mut text, 2, "paths", &found);
    }
    for reason in &record.incomplete_reasons {
        let code = short(reason.code().as_str_name(), "INCOMPLETE_REASON_CODE_");
        let detail =
            if reason.detail.is_empty() { String::new() } else { format!(": {}", reason.detail) };
        line(&mut text, 2, "incomplete", &escape(&format!("{code}{detail}")));
    }
    for finding in &record.findings {
        line(&mut text, 2, "finding", &escape(&found(finding)));
    }
    text
}

/// What the question was narrowed to, and what was looked at.
fn add_options(text: &mut String, record: &v1::ScreeningRecord) {
    let options = record.options.clone().unwrap_or_default();
    if !options.lists.is_empty() {
        line(text, 2, "only lists", &escape(&options.lists.join(", ")));
    }
    if options.as_of.is_some() {
        line(text, 2, "as of", &words::moment(options.as_of.as_ref()));
    }
    if options.max_hops > 0 {
        line(text, 2, "at most", &format!("{} hops", options.max_hops));
    }
    if !options.snapshot_id.is_empty() {
        line(text, 2, "past snapshot", "asked for; the moment of evaluation goes with it");
    }
    if is_decided(record) {
        let is_covered = record.exposure_coverage() == v1::ExposureCoverage::Covered;
        let covered = if is_covered { "transfers covered" } else { "transfers not covered" };
        let hops = record.exposure_hops;
        line(text, 2, "exposure", &format!("{covered}; looked for over {hops} hops"));
    }
}

/// What a payment would change, and where its other records are.
fn add_projection(text: &mut String, payment: &v1::RecordedPayment) {
    let effect = short(payment.effect().as_str_name(), "PAYMENT_EFFECT_");
    let split = if payment.amount_split_unknown { ", split unknown" } else { "" };
    let lacks = if payment.prospective_incomplete { ", incomplete" } else { "" };
    line(text, 2, "projection", &format!("{effect}{split}{lacks}"));
    for prospect in &payment.prospective_exposures {
        let would_be = found(prospect.finding.as_ref().unwrap_or(&Default::default()));
        let now = match prospect.current_hops {
            0 => "new".to_owned(),
            hops => format!("now {hops} hops"),
        };
        line(text, 2, "would be", &escape(&format!("{would_be}; {now}")));
    }
    for dealings in &payment.prospective_unvalued_dealings {
        let v1::RecordedUnvaluedProspect { list_id, row, .. } = dealings;
        let whom = whom(&dealings.party, &dealings.listed_address, row);
        let (now, then) = (dealings.current_transfers, dealings.prospective_transfers);
        let more = format!("{then} unvalued transfers with {list_id} ({whom}); now {now}");
        line(text, 2, "would be", &escape(&more));
    }
    if payment.addresses > 1 {
        let first = format!("{} records from {} on", payment.addresses, payment.first_record_id);
        line(text, 2, "addresses", &escape(&first));
    }
}

/// A listing: its party and address, or its row where it is gone.
fn whom(party: &str, address: &str, row: &str) -> String {
    match (party, address) {
        ("", "") => format!("row {row}"),
        ("", address) => address.to_owned(),
        (party, address) => format!("{party}, {address}"),
    }
}

fn found(finding: &v1::RecordedFinding) -> String {
    let kind = short(finding.kind().as_str_name(), "FINDING_KIND_");
    let whom = whom(&finding.party, &finding.listed_address, &finding.row);
    let hops = if finding.hops > 0 { format!(", {} hops", finding.hops) } else { String::new() };
    let decision = short(finding.decision().as_str_name(), "DECISION_");
    format!("{kind} {} ({whom}){hops}: {decision}, score {}", finding.list_id, finding.score)
}

fn address(record: &v1::ScreeningRecord) -> String {
    if record.redacted { "(redacted)".to_owned() } else { or_dash(&record.address) }
}

fn decision(record: &v1::ScreeningRecord, style: Style) -> String {
    if !record.refused.is_empty() {
        "REFUSED".to_owned()
    } else if is_decided(record) {
        let decision = record.decision();
        let painted = style.paint(words::colour(decision), words::decision(decision));
        let is_complete = record.status() == v1::ScreeningStatus::Complete;
        if is_complete { painted } else { format!("{painted}, INCOMPLETE") }
    } else {
        "-".to_owned()
    }
}

/// Whether a decision was made.
fn is_decided(record: &v1::ScreeningRecord) -> bool {
    record.refused.is_empty() && record.comparison.is_none() && record.trace.is_none()
}

/// The keys and the latest checkpoint.
pub fn key(key: &v1::GetLogKeyResponse, _: Style) -> String {
    let mut text = format!("Log {}\n", escape(&key.origin));
    for key in &key.keys {
        line(&mut text, 2, &format!("key from {}", key.from_size), &escape(&key.verifier_key));
    }
    if key.checkpoint.is_empty() {
        line(&mut text, 2, "checkpoint", "none yet");
    } else {
        text.push('\n');
        text.push_str(&escape_lines(&key.checkpoint));
    }
    let others: Vec<_> = key.logs.iter().filter(|log| log.origin != key.origin).collect();
    if !others.is_empty() {
        text.push_str("\nOther logs of the directory\n");
    }
    for log in others {
        line(&mut text, 2, &escape(&log.tag), &escape(&log.origin));
    }
    text
}

/// What differs between a record and its replay, or why there is none.
pub fn replayed(replay: &v1::ReplayedScreening) -> String {
    let record_id = replay.record.as_ref().map_or("", |record| &record.record_id);
    let record_id = escape(record_id);
    if !replay.not_replayed.is_empty() {
        return format!("{record_id}: not replayed: {}\n", escape(&replay.not_replayed));
    }
    if !replay.payment_not_replayed.is_empty() {
        let why = escape(&replay.payment_not_replayed);
        let equal = if replay.equal { "equal" } else { "differs" };
        let mut text = format!("{record_id}: {equal}, its payment not replayed: {why}\n");
        add_differences(&mut text, replay);
        return text;
    }
    let mut text = format!("{record_id}: differs");
    if replay.recorded_by != replay.replayed_by {
        let v1::ReplayedScreening { recorded_by, replayed_by, .. } = replay;
        let versions = format!(" (recorded by {recorded_by}, replayed by {replayed_by})");
        text.push_str(&escape(&versions));
    }
    text.push('\n');
    add_differences(&mut text, replay);
    text
}

fn add_differences(text: &mut String, replay: &v1::ReplayedScreening) {
    for difference in &replay.differences {
        let v1::ReplayDifference { field, recorded, replayed } = difference;
        line(text, 2, field, &escape(&format!("recorded {recorded}, replayed {replayed}")));
    }
}

/// What the files of a log hold, and what is wrong with them.
pub fn verified(path: &Path, report: &Report) -> String {
    let verdict = if report.is_sound() { "unchanged" } else { "CHANGED" };
    let mut text = format!("{}: {verdict}\n", path.display());
    line(&mut text, 2, "origin", &escape(&report.origin));
    line(&mut text, 2, "leaves", &report.size.to_string());
    line(&mut text, 2, "records", &report.items.to_string());
    line(&mut text, 2, "checkpoints", &report.checkpoints.to_string());
    for (name, count) in [
        ("not signed yet", report.uncovered),
        ("redacted", report.redacted),
        ("leaves removed", report.bare),
        ("blocks removed", report.dropped),
    ] {
        if count > 0 {
            line(&mut text, 2, name, &count.to_string());
        }
    }
    if let Some(torn) = &report.torn {
        let at = torn.path.display();
        let what = format!("{} bytes from {} on in {at}: {}", torn.bytes, torn.byte, torn.what);
        line(&mut text, 2, "unfinished", &escape(&what));
    }
    for finding in &report.findings {
        line(&mut text, 2, "finding", &escape(&finding.to_string()));
    }
    let more = report.finding_count.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        line(&mut text, 2, "findings", &format!("{more} more"));
    }
    text
}
