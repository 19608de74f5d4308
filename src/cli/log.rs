//! `log`: the decision log. Records, proofs and replays come from the server; `log verify` reads the
//! files themselves.

mod report;

use std::io::{Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};

use super::output::{self, Output};
use super::text::escape;
use super::{Global, connect, dates, render, runtime};
use crate::audit;
use crate::engine::decision_log::fingerprints;
use crate::grpc::client::{CallError, Client, answer};
use crate::grpc::v1;

/// The exit status of a replay that differs, and of a log that does not verify.
const DIFFERS: u8 = 10;

/// The arguments of `log`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find records
    Query {
        #[command(flatten)]
        wanted: Wanted,
        /// The most records
        #[arg(long, value_name = "NUMBER", default_value = "100")]
        limit: NonZeroUsize,
        /// How to show them
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// One record
    Get {
        /// The record's id, as the answer names it
        record: String,
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// All records that are wanted, as JSON lines
    Export {
        #[command(flatten)]
        wanted: Wanted,
    },
    /// The proof of a record, for docs/audit/verify.py
    Proof {
        /// The record's id
        record: String,
    },
    /// The proof that a tree goes on from an earlier one
    Consistency {
        /// The size of the earlier tree
        first: u64,
        /// The size of the later one; without it, that of the latest checkpoint
        second: Option<u64>,
        /// The log, by the tag of its record ids or by its origin; without it, the log in use
        #[arg(long, value_name = "LOG")]
        of: Option<String>,
    },
    /// The public keys of a log, and its latest checkpoint
    Key {
        /// The log, by the tag of its record ids or by its origin; without it, the log in use
        #[arg(value_name = "LOG")]
        of: Option<String>,
        /// How to show them
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Read all files of the log and compare every hash: exit status 0 unchanged, 10 changed
    Verify {
        /// The directory of the log; without it, that of the configuration
        directory: Option<PathBuf>,
        /// A file with a checkpoint that was kept elsewhere
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Compute recorded answers again from the data of then: exit status 0 equal, 10 different
    Replay {
        /// Ids of records; without any, all that are wanted
        #[arg(value_name = "RECORD")]
        records: Vec<String>,
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Delete the address and the references of a record for good; its proof stays valid
    Redact {
        /// The record's id
        record: String,
    },
    /// Keep a record beyond the retention, or end that
    Hold {
        /// The record's id
        record: String,
        /// End the hold
        #[arg(long)]
        release: bool,
        /// Why, for the record
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Make a new signing key, which the old one signs
    RotateKey,
    /// The fields of a report to OFAC, as far as a BLOCK record has them
    Report {
        /// Which report
        #[arg(value_enum)]
        kind: ReportKind,
        /// The record's id
        record: String,
    },
}

/// A report that OFAC wants within 10 business days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportKind {
    /// Blocked property (31 CFR 501.603)
    Blocked,
    /// A rejected transaction (31 CFR 501.604)
    Rejected,
}

/// What records are wanted.
#[derive(Clone, Debug, Default, Args)]
struct Wanted {
    /// From this day or moment on (2026-11-28, 2026-11-28T10:00:00Z)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this day or moment
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// With this decision
    #[arg(long, value_name = "DECISION", value_parser = ["ALLOW", "REVIEW", "BLOCK"], ignore_case = true)]
    decision: Option<String>,
    /// With this status
    #[arg(long, value_name = "STATUS", value_parser = ["COMPLETE", "INCOMPLETE"], ignore_case = true)]
    status: Option<String>,
    /// Of this address, in any of its forms
    #[arg(long)]
    address: Option<String>,
    /// Asked by this identity
    #[arg(long)]
    identity: Option<String>,
    /// With this request id
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Decided by this rule
    #[arg(long)]
    rule: Option<String>,
    /// With a finding on this list
    #[arg(long)]
    list: Option<String>,
    /// With a finding on a listing of this party: its uid, or a part of its name
    #[arg(long)]
    party: Option<String>,
}

/// Runs a command on the log.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    if let Command::Verify { directory, checkpoint } = arguments.command {
        return verify(directory, checkpoint.as_deref(), global);
    }
    runtime()?.block_on(async {
        let mut client = connect::connect(global).await?;
        ask(&mut client, arguments.command).await
    })
}

async fn ask(client: &mut Client, command: Command) -> Result<u8> {
    match command {
        Command::Query { wanted, limit, output } => {
            let response = find(client, &wanted, limit.get()).await?;
            output.show(&response, |style| render::log::records(&response, style))?;
        }
        Command::Get { record, output } => {
            let record = get(client, record).await?;
            output.show(&record, |style| render::log::record(&record, style))?;
        }
        Command::Export { wanted } => export(client, &wanted).await?,
        Command::Proof { record } => {
            let proof = proof(client, record).await?;
            Output::Json.show(&proof, |_| String::new())?;
        }
        Command::Consistency { first, second, of } => {
            let request = v1::GetConsistencyProofRequest {
                first_size: first,
                second_size: second.unwrap_or_default(),
                log: of.unwrap_or_default(),
            };
            let proof = answer(client.decision_log.get_consistency_proof(request).await)?;
            Output::Json.show(&proof, |_| String::new())?;
        }
        Command::Key { of, output } => {
            let request = v1::GetLogKeyRequest { log: of.unwrap_or_default() };
            let key = answer(client.decision_log.get_log_key(request).await)?;
            output.show(&key, |style| render::log::key(&key, style))?;
        }
        Command::Replay { records, wanted } => return replay(client, records, &wanted).await,
        Command::Redact { record: record_id } => {
            let request = v1::RedactScreeningRequest { record_id: record_id.clone() };
            answer(client.decision_log.redact_screening(request).await)?;
            output::write(format!("{record_id} redacted\n").as_bytes())?;
        }
        Command::Hold { record: record_id, release, reason } => {
            let request =
                v1::HoldScreeningRequest { record_id: record_id.clone(), release, reason };
            answer(client.decision_log.hold_screening(request).await)?;
            let done = if release { "no longer on hold" } else { "on hold" };
            output::write(format!("{record_id} {done}\n").as_bytes())?;
        }
        Command::RotateKey => {
            let request = v1::RotateLogKeyRequest {};
            let response = answer(client.decision_log.rotate_log_key(request).await)?;
            let key = response.key.unwrap_or_default().verifier_key;
            output::write(format!("{key}\n").as_bytes())?;
        }
        Command::Report { kind, record } => {
            let record = get(client, record).await?;
            output::write(report::text(kind, &record)?.as_bytes())?;
        }
        // Reads the files, and asks nobody.
        Command::Verify { .. } => {}
    }
    Ok(0)
}

/// The proof of a record, with the texts that its message may have had no room for.
async fn proof(client: &mut Client, record_id: String) -> Result<v1::GetInclusionProofResponse> {
    let request = v1::GetInclusionProofRequest { record_id: record_id.clone() };
    let mut proof = answer(client.decision_log.get_inclusion_proof(request).await)?;
    if proof.answer.is_empty() || proof.context.is_empty() {
        let request = v1::GetScreeningRequest { record_id };
        let kept = answer(client.decision_log.get_screening(request).await)?;
        (proof.answer, proof.context) = (kept.answer, kept.context);
    }
    Ok(proof)
}

async fn get(client: &mut Client, record_id: String) -> Result<v1::ScreeningRecord> {
    let request = v1::GetScreeningRequest { record_id };
    let response = answer(client.decision_log.get_screening(request).await)?;
    response.record.ok_or_else(|| anyhow!("the server sent no record"))
}

impl Wanted {
    fn request(&self) -> Result<v1::QueryScreeningsRequest> {
        let moment = |text: &Option<String>| {
            let moment = text.as_deref().map(dates::start).transpose();
            moment.map(|moment| moment.map(dates::message)).map_err(|error| anyhow!(error))
        };
        let name = |prefix: &str, text: &Option<String>| {
            text.as_ref().map(|text| format!("{prefix}_{}", text.to_ascii_uppercase()))
        };
        let decision = name("DECISION", &self.decision);
        let status = name("SCREENING_STATUS", &self.status);
        let decision = decision.and_then(|name| v1::Decision::from_str_name(&name));
        let status = status.and_then(|name| v1::ScreeningStatus::from_str_name(&name));
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Ok(v1::QueryScreeningsRequest {
            from_time: moment(&self.from)?,
            to_time: moment(&self.to)?,
            decision: decision.unwrap_or_default().into(),
            status: status.unwrap_or_default().into(),
            address: text(&self.address),
            identity: text(&self.identity),
            request_id: text(&self.request_id),
            rule_id: text(&self.rule),
            list_id: text(&self.list),
            party: text(&self.party),
            page_size: 1_000,
            page_token: String::new(),
        })
    }
}

/// Calls `take` with each page until there are no more, or until it has enough. Returns what was left out.
async fn pages(
    client: &mut Client,
    wanted: &Wanted,
    mut take: impl FnMut(Vec<v1::ScreeningRecord>) -> Result<bool>,
) -> Result<Vec<String>> {
    let mut request = wanted.request()?;
    let mut incomplete = Vec::new();
    loop {
        let page = answer(client.decision_log.query_screenings(request.clone()).await)?;
        for reason in page.incomplete {
            if !incomplete.contains(&reason) {
                incomplete.push(reason);
            }
        }
        let is_enough = take(page.records)?;
        if is_enough || page.next_page_token.is_empty() {
            return Ok(incomplete);
        }
        request.page_token = page.next_page_token;
    }
}

async fn find(
    client: &mut Client,
    wanted: &Wanted,
    limit: usize,
) -> Result<v1::QueryScreeningsResponse> {
    let mut records = Vec::new();
    let take = |found: Vec<_>| {
        records.extend(found);
        Ok(records.len() >= limit)
    };
    let incomplete = pages(client, wanted, take).await?;
    records.truncate(limit);
    Ok(v1::QueryScreeningsResponse { records, incomplete, ..Default::default() })
}

async fn export(client: &mut Client, wanted: &Wanted) -> Result<()> {
    let take = |records: Vec<v1::ScreeningRecord>| {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, &record)?;
            lines.push(b'\n');
        }
        output::write(&lines)?;
        Ok(false)
    };
    let incomplete = pages(client, wanted, take).await?;
    warn_of_incomplete(&incomplete);
    Ok(())
}

/// Names on standard error what a search left out, where the output has no place for it.
fn warn_of_incomplete(incomplete: &[String]) {
    for reason in incomplete {
        output::print_error(&format!("not all is found: {reason}"));
    }
}

/// Whether a record may have an answer, which can be replayed.
fn is_answer(record: &v1::ScreeningRecord) -> bool {
    !record.call_refused && record.trace.is_none() && record.comparison.is_none()
}

/// The most records in one call.
const REPLAYED_AT_ONCE: usize = 10_000;

async fn replay(client: &mut Client, records: Vec<String>, wanted: &Wanted) -> Result<u8> {
    let mut record_ids = records;
    if record_ids.is_empty() {
        let v1::QueryScreeningsResponse { records: mut found, incomplete, .. } =
            find(client, wanted, usize::MAX).await?;
        warn_of_incomplete(&incomplete);
        found.retain(is_answer);
        // Records of one snapshot go into one call.
        found.sort_by(|a, b| a.snapshot_id.cmp(&b.snapshot_id));
        record_ids.extend(found.into_iter().map(|record| record.record_id));
    }
    let (mut equal, mut different, mut not_replayed) = (0u64, 0u64, 0u64);
    let mut payments_not_replayed = 0u64;
    for record_ids in record_ids.chunks(REPLAYED_AT_ONCE) {
        let request = v1::BatchReplayScreeningsRequest { record_ids: record_ids.to_vec() };
        let mut replays = answer(client.decision_log.batch_replay_screenings(request).await)?;
        while let Some(response) = replays.message().await.map_err(CallError::from)? {
            let replayed = response.replayed.unwrap_or_default();
            match (replayed.equal, replayed.not_replayed.is_empty()) {
                (true, _) => equal += 1,
                (false, true) => different += 1,
                (false, false) => not_replayed += 1,
            }
            let is_payment_missing = !replayed.payment_not_replayed.is_empty();
            payments_not_replayed += u64::from(is_payment_missing);
            if !replayed.equal || is_payment_missing {
                output::write(render::log::replayed(&replayed).as_bytes())?;
            }
        }
    }
    let mut counts = format!("{equal} equal, {different} different, {not_replayed} not replayed");
    if payments_not_replayed > 0 {
        counts += &format!("; without their payments {payments_not_replayed}");
    }
    output::write(format!("{counts}\n").as_bytes())?;
    Ok(if different + not_replayed + payments_not_replayed == 0 { 0 } else { DIFFERS })
}

/// The end of a file of checkpoints, which may be long: one has some 250 bytes.
fn read_checkpoints(path: &std::path::Path) -> Result<String> {
    const MOST: u64 = 1 << 20;
    let mut file = std::fs::File::open(path)?;
    let found = file.metadata()?;
    if found.is_file() {
        file.seek(SeekFrom::Start(found.len().saturating_sub(MOST)))?;
    }
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(anyhow!("longer than {MOST} bytes: give a file that has its last checkpoint"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last checkpoint of a text as `checkpoint_file` has them, or of one alone. The first and the last may
/// be cut off.
fn newest_checkpoint(text: &str) -> Result<String> {
    let text = text.replace("\r\n", "\n");
    // Each has an empty line before its signatures, and another behind them.
    let parts: Vec<&str> = text.trim_end().split("\n\n").collect();
    let is_signed = |pair: &&[&str]| pair[1].starts_with('—') && !pair[0].starts_with('—');
    let mut signed = parts.windows(2).filter(is_signed);
    let (mut last, is_cut) = (signed.next_back(), !text.ends_with('\n'));
    if is_cut && let Some(before) = signed.next_back() {
        last = Some(before);
    }
    match last {
        Some(pair) => Ok(format!("{}\n\n{}\n", pair[0], pair[1])),
        None => Err(anyhow!("the file of --checkpoint has no signed checkpoint")),
    }
}

/// Verifies every log of a directory.
fn verify(
    directory: Option<PathBuf>,
    checkpoint: Option<&std::path::Path>,
    global: &Global,
) -> Result<u8> {
    let directory = match directory {
        Some(directory) => directory,
        None => {
            let config = global.load_config()?;
            config.decision_log.directory_below(&config.data_dir)
        }
    };
    let outside = checkpoint.map(|path| {
        let text = read_checkpoints(path).with_context(|| path.display().to_string())?;
        newest_checkpoint(&text)
    });
    let outside = outside.transpose()?;
    let mut status = 0;
    for damage in audit::verify_succession(&directory)? {
        output::write(format!("CHANGED: {}\n", escape(&damage.to_string())).as_bytes())?;
        status = DIFFERS;
    }
    let logs = audit::logs(&directory)?.logs;
    if logs.is_empty() && status != DIFFERS {
        return Err(anyhow!("{}: no decision log", directory.display()));
    }
    let is_of = |note: &str, origin: &str| note.starts_with(&format!("{origin}\n"));
    if let Some(note) = &outside
        && !logs.iter().any(|log| is_of(note, &log.origin))
    {
        let origin = escape(note.lines().next().unwrap_or_default()).into_owned();
        let what =
            format!("the log {origin} of the checkpoint is not in {}\n", directory.display());
        output::write(format!("CHANGED: {what}").as_bytes())?;
        status = DIFFERS;
    }
    for log in logs {
        let outside = outside.as_deref().filter(|note| is_of(note, &log.origin));
        let text = match audit::verify(&log.path, outside, fingerprints) {
            Ok(report) => {
                if !report.is_sound() {
                    status = DIFFERS;
                }
                render::log::verified(&log.path, &report)
            }
            Err(error) => {
                status = DIFFERS;
                format!("{}: CHANGED: {error}\n", log.path.display())
            }
        };
        output::write(text.as_bytes())?;
    }
    Ok(status)
}
