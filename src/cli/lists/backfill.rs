//! `lists backfill`: streams old publications to the server.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::civil::Date;
use tokio::sync::mpsc;

use super::force;
use super::import::{CHUNKS_AHEAD, RequestStream, chunks, file_name};
use crate::cli::output::Output;
use crate::cli::text::Style;
use crate::cli::{dates, render};
use crate::domain::list::ListId;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;
use crate::source::Format;
use v1::backfill_list_request::Part;

/// The arguments of `lists backfill`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The files, in any order, compressed (gzip, bzip2, zstd, zip) or not
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The list
    #[arg(long, value_name = "ID")]
    list: ListId,
    /// ofac-advanced, ofac-sdn, tagpack, opensanctions, opensanctions-csv, csv, jsonl, json or plain
    /// [default: by content]
    #[arg(long)]
    format: Option<Format>,
    /// The day of publication (YYYY-MM-DD) where the file, which must be the only one, does not say it
    #[arg(long, value_name = "DATE", value_parser = dates::day)]
    published: Option<Date>,
    /// Change nothing, and show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Take files that lack more than a quarter of what is listed next without asking, as where there is
    /// no terminal
    #[arg(long)]
    yes: bool,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Sends the files and waits for what became of them.
pub async fn run(client: &mut Client, arguments: Arguments) -> Result<()> {
    let of_one = arguments.published.is_none() || arguments.files.len() == 1;
    ensure!(of_one, "--published is the day of one file: give each such file in a call of its own");
    let show = |done: &v1::BackfillListResponse| {
        let text = |style| render::lists::backfilled(done, arguments.dry_run, style);
        arguments.output.show(done, text)
    };
    if arguments.dry_run {
        return show(&call(client, &arguments, true).await?);
    }
    if !arguments.yes {
        let trial = call(client, &arguments, true).await?;
        if trial.files.iter().any(may_be_cut) {
            eprint!("{}", render::lists::backfilled(&trial, true, Style::PLAIN));
            force::ask(
                "a file lacks more than a quarter of what is listed next: those rows would count as \
                 not listed on its day",
                "Take it as it is?",
            )?;
        }
    }
    show(&call(client, &arguments, false).await?)
}

/// Whether so much is missing that the file may not be whole.
fn may_be_cut(file: &v1::BackfilledFile) -> bool {
    file.missing_rows.saturating_mul(4) > file.next_rows
}

async fn call(
    client: &mut Client,
    arguments: &Arguments,
    is_trial: bool,
) -> Result<v1::BackfillListResponse> {
    let Arguments { files, list, format, published, .. } = arguments;
    let header = v1::BackfillListHeader { list_id: list.to_string(), validate_only: is_trial };
    let (format, published) = (*format, *published);
    let file = move |path: &Path| v1::BackfillFile {
        format: format.map_or_else(String::new, |format| format.to_string()),
        file_name: file_name(path),
        published_on: published.map_or_else(String::new, |day| day.to_string()),
    };
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let files = files.clone();
    let reader = tokio::task::spawn_blocking(move || send(&files, header, file, sender));
    let response = RequestStream { reader, receiver }
        .with(async |requests| client.lists.backfill_list(requests).await)
        .await?;
    Ok(answer(response)?)
}

type Sender = mpsc::Sender<v1::BackfillListRequest>;

/// Sends the header and the files. A receiver that is gone is no error here: the call says why.
fn send(
    files: &[PathBuf],
    header: v1::BackfillListHeader,
    message: impl Fn(&Path) -> v1::BackfillFile,
    sender: Sender,
) -> Result<(), (anyhow::Error, Sender)> {
    let take = |part| sender.blocking_send(v1::BackfillListRequest { part: Some(part) }).is_ok();
    if !take(Part::Header(header)) {
        return Ok(());
    }
    for path in files {
        let reading = || format!("reading {}", path.display());
        let file = match File::open(path).with_context(reading) {
            Ok(file) => file,
            Err(error) => return Err((error, sender)),
        };
        if !take(Part::File(message(path))) {
            return Ok(());
        }
        match chunks(file, |chunk| take(Part::Chunk(chunk))) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err((anyhow::Error::from(error).context(reading()), sender)),
        }
    }
    Ok(())
}
