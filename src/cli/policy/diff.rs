//! `policy diff`: compares two policies, and counts the decisions that change over a sample.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::differences::{ChangedDecision, Compared, Differences, Item, Rule, Setting};
use super::file;
use crate::cli::batch::chunk::Chunk;
use crate::cli::batch::input::{self, Settings};
use crate::cli::batch::kept_columns::KeepColumns;
use crate::cli::batch::summary::InputRead;
use crate::cli::output::Output;
use crate::cli::{Global, connect, render, runtime};
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;
use crate::screening::policy::{Policy, RuleDifference, SettingDifference};
use crate::source::rows::LineBreaks;
use v1::policy_source::Source;

/// How many rows go into one call.
const CHUNK: usize = 1_000;

/// The most rows of a sample: it is held whole.
const MAX_SAMPLE: usize = 1_000_000;

/// `google.rpc.Code` INVALID_ARGUMENT, for rows that are refused before they are asked.
const INVALID_ARGUMENT: i32 = 3;

/// The arguments of `policy diff`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy that decides now: a FILE, a version such as name@0123456789abcdef, or `live`
    old: String,
    /// The one that may decide later, likewise
    new: String,
    /// Screen these addresses by both: a file as of `screen --input`, with a column `address` (and
    /// `chain`); `-` for standard input
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// The column of the sample's addresses [default: address]
    #[arg(long, value_name = "NAME", requires = "sample")]
    address_column: Option<String>,
    /// The column of the sample's chains [default: chain, where there is one]
    #[arg(long, value_name = "NAME", requires = "sample")]
    chain_column: Option<String>,
    /// What separates the fields of a CSV sample: comma, semicolon, tab, bar, or another character
    /// [default: as its first line tells]
    #[arg(long, value_name = "CHAR", requires = "sample", value_parser = input::delimiter)]
    delimiter: Option<u8>,
    /// The file that is read of a zip of several
    #[arg(long, value_name = "NAME", requires = "sample")]
    part: Option<String>,
    /// Take line breaks within a quoted cell of a CSV sample; without it, a row with one is refused
    #[arg(long, requires = "sample")]
    allow_line_breaks: bool,
    /// Show addresses whose decision stays too
    #[arg(long, requires = "sample")]
    all: bool,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A policy to compare, and how a request names it.
struct Side {
    policy: Policy,
    source: v1::PolicySource,
}

pub fn run(arguments: &Arguments, global: &Global) -> Result<u8> {
    let sample = arguments.sample.as_deref().map(|path| read(path, arguments)).transpose()?;
    let differences = runtime()?.block_on(async {
        let mut server = LazyClient { global, client: None };
        let old = side(&arguments.old, &mut server).await?;
        let new = side(&arguments.new, &mut server).await?;
        let mut differences = differences(&old.policy, &new.policy);
        if let Some((sample, read)) = sample {
            let mut comparing = Comparison {
                old,
                new,
                all: arguments.all,
                counts: BTreeMap::new(),
                found: Compared { read, ..Compared::default() },
            };
            let client = server.client().await?;
            for chunk in sample.chunks(CHUNK) {
                comparing.chunk(client, chunk).await?;
            }
            differences.sample = Some(comparing.finish()?);
        }
        anyhow::Ok(differences)
    })?;
    arguments.output.show(&differences, |style| render::policy_diff::text(&differences, style))?;
    Ok(match &differences.sample {
        Some(sample) if sample.refused > 0 => 1,
        Some(sample) if sample.decisions_changed > 0 => 10,
        _ => 0,
    })
}

/// A row of the sample: what it asks, and why it cannot.
struct SampleRow {
    row: u64,
    address: String,
    chain: String,
    fault: Option<String>,
}

/// Reads a sample, as `screen --input` reads its rows.
fn read(path: &Path, arguments: &Arguments) -> Result<(Vec<SampleRow>, InputRead)> {
    let settings = Settings {
        path: path.to_owned(),
        container: None,
        delimiter: arguments.delimiter,
        part: arguments.part.clone(),
        address: arguments.address_column.clone().unwrap_or_else(|| "address".to_owned()),
        chain: arguments.chain_column.clone(),
        reference: None,
        keep: KeepColumns::None,
        line_breaks: LineBreaks::allowed_if(arguments.allow_line_breaks),
    };
    let read = settings.open(|rows| {
        let (mut sample, mut chunk) = (Vec::new(), Chunk::default());
        let mut more = true;
        while more {
            chunk.begin(0, sample.len() as u64);
            more = rows.fill(&mut chunk, CHUNK)?;
            ensure!(sample.len() < MAX_SAMPLE, "more than {MAX_SAMPLE} rows");
            sample.extend((0..chunk.len()).map(|place| {
                let asked = chunk.row(place);
                SampleRow {
                    row: asked.row,
                    address: asked.address.to_owned(),
                    chain: asked.chain_name().to_owned(),
                    fault: asked.fault.map(str::to_owned),
                }
            }));
        }
        let read = rows.read();
        read.check_not_empty()?;
        Ok((sample, read))
    });
    read.context("the sample")
}

/// A client that connects on first use: comparing two files needs no server.
struct LazyClient<'g> {
    global: &'g Global,
    client: Option<Client>,
}

impl LazyClient<'_> {
    async fn client(&mut self) -> Result<&mut Client> {
        let client = match self.client.take() {
            Some(client) => client,
            None => connect::connect(self.global).await?,
        };
        Ok(self.client.insert(client))
    }
}

async fn side(named: &str, server: &mut LazyClient<'_>) -> Result<Side> {
    let version = match named {
        "live" => Some(""),
        named if is_version(named) => Some(named),
        _ => None,
    };
    let Some(version) = version else {
        let policy = file::read(Path::new(named))?;
        let source = Source::Toml(policy.text().to_owned());
        return Ok(Side { policy, source: v1::PolicySource { source: Some(source) } });
    };
    let (policy, _) = super::known(server.client().await?, version).await?;
    // By its version even if `live`: it must not become another between two calls.
    let source = Source::Version(policy.version().to_owned());
    Ok(Side { policy, source: v1::PolicySource { source: Some(source) } })
}

/// Whether it is `name@` and 16 hex digits, as answers name a policy.
fn is_version(text: &str) -> bool {
    let Some((name, digits)) = text.split_once('@') else { return false };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    !name.is_empty() && name.bytes().all(plain) && digits.len() == 16 && digits.bytes().all(hex)
}

fn differences(old: &Policy, new: &Policy) -> Differences {
    let setting = |SettingDifference { key, old, new }| Setting { key, old, new };
    let rule =
        |RuleDifference { id, change, old, new }| Rule { id, change: change.as_str(), old, new };
    Differences {
        baseline_version: old.version().to_owned(),
        candidate_version: new.version().to_owned(),
        settings: old.setting_differences(new).into_iter().map(setting).collect(),
        rules: old.rule_differences(new).into_iter().map(rule).collect(),
        sample: None,
    }
}

struct Comparison {
    old: Side,
    new: Side,
    all: bool,
    counts: BTreeMap<(i32, i32), u64>,
    found: Compared,
}

impl Comparison {
    async fn chunk(&mut self, client: &mut Client, chunk: &[SampleRow]) -> Result<()> {
        let queries: Vec<_> = chunk.iter().filter_map(query).collect();
        let asked = queries.len();
        let mut answers = Vec::new();
        if asked > 0 {
            let request = v1::ComparePoliciesRequest {
                baseline: Some(self.old.source.clone()),
                candidate: Some(self.new.source.clone()),
                queries,
                options: None,
            };
            let response = answer(client.policies.compare_policies(request).await)?;
            let given = response.items.len();
            ensure!(given == asked, "the server gave {given} answers to {asked} addresses");
            let versions = [&response.baseline_version, &response.candidate_version];
            let wanted = [self.old.policy.version(), self.new.policy.version()];
            ensure!(versions == wanted, "the server compared {versions:?}, not {wanted:?}");
            if !self.found.snapshot_ids.contains(&response.snapshot_id) {
                self.found.snapshot_ids.push(response.snapshot_id);
            }
            answers = response.items;
        }
        let mut answers = answers.into_iter();
        for SampleRow { row, address, chain, fault } in chunk {
            let comparison = match fault {
                Some(why) => error_item(*row, why),
                None => answers.next().unwrap_or_default(),
            };
            let (address, chain) = (address.clone(), chain.clone());
            self.count_item(Item { row: *row, address, chain, comparison });
        }
        Ok(())
    }

    fn count_item(&mut self, item: Item) {
        let found = &mut self.found;
        let (Some(old), Some(new), None) =
            (&item.comparison.baseline, &item.comparison.candidate, &item.comparison.error)
        else {
            found.refused += 1;
            found.items.push(item);
            return;
        };
        found.screened += 1;
        let decisions = (i32::from(old.decision()), i32::from(new.decision()));
        let changed = decisions.0 != decisions.1;
        *self.counts.entry(decisions).or_default() += 1;
        found.decisions_changed += u64::from(changed);
        found.scores_changed += u64::from(old.score != new.score);
        if changed || self.all {
            found.items.push(item);
        }
    }

    fn finish(self) -> Result<Compared> {
        self.found.read.check(self.found.screened + self.found.refused)?;
        let decision = |number: i32| v1::Decision::try_from(number).unwrap_or_default();
        let moved = self.counts.iter().map(|((old, new), count)| ChangedDecision {
            old: decision(*old),
            new: decision(*new),
            count: *count,
        });
        Ok(Compared { matrix: moved.collect(), ..self.found })
    }
}

fn query(sampled: &SampleRow) -> Option<v1::AddressQuery> {
    let SampleRow { row, address, chain, fault } = sampled;
    let (request_id, address, chain) = (row.to_string(), address.clone(), chain.clone());
    fault.is_none().then_some(v1::AddressQuery { request_id, address, chain })
}

/// The result of a row that was not sent.
fn error_item(row: u64, why: &str) -> v1::ComparedItem {
    let error = v1::ScreeningError {
        request_id: row.to_string(),
        code: INVALID_ARGUMENT,
        reason: v1::ErrorReason::InvalidField.into(),
        message: why.to_owned(),
    };
    v1::ComparedItem { request_id: row.to_string(), error: Some(error), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_files() {
        for version in ["built-in@0123456789abcdef", "a1@ffffffffffffffff"] {
            assert!(is_version(version), "{version}");
        }
        let files = [
            "policy.toml",
            "a@b",
            "@0123456789abcdef",
            "A@0123456789abcdef",
            "./a@0123456789abcdef",
        ];
        for file in files.into_iter().chain(["a@0123456789ABCDEF", "a@0123456789abcdef0"]) {
            assert!(!is_version(file), "{file}");
        }
    }
}
