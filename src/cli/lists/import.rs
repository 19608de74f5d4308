//! `lists import`: streams a file to the server. Only a TagPack gets its header from its own directory,
//! which the server cannot see.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, ensure};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::force::{self, Force};
use crate::cli::output::Output;
use crate::cli::text::Style;
use crate::cli::{clock, dates, render};
use crate::domain::list::{ListId, ListKind};
use crate::engine::MAX_FILE;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;
use crate::source::{self, Bounds, Format, SourceError};
use v1::import_list_request::Part;

/// How many bytes are sent at once.
const CHUNK: usize = 256 << 10;

/// How many chunks wait to be sent: reading goes on while the server takes the one before.
pub(super) const CHUNKS_AHEAD: usize = 4;

/// What `--checked` without a moment stands for: the server's clock decides.
const NOW: &str = "now";

/// The arguments of `lists import`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file, compressed (gzip, bzip2, zstd, zip) or not; - is standard input
    pub file: PathBuf,
    /// The list
    #[arg(long, value_name = "ID")]
    pub list: ListId,
    /// SANCTIONS, ADVISORY, SEIZURE, ISSUER_FREEZE, ATTRIBUTION or SERVICE [default: the list's kind]
    #[arg(long)]
    pub kind: Option<ListKind>,
    /// ofac-advanced, ofac-sdn, tagpack, opensanctions, opensanctions-csv, csv, jsonl, json or plain
    /// [default: by content]
    #[arg(long)]
    pub format: Option<Format>,
    #[command(flatten)]
    pub force: Force,
    /// Vouch that the file is what the list's source published on its day of publication: the age
    /// of a list that has a source, or is required, counts from that day only then
    #[arg(long)]
    pub refresh_age: bool,
    /// Declare the file to be what the list's source said at TIME: a day (YYYY-MM-DD, its beginning in
    /// UTC) or moment (RFC 3339) [default: now]. The age counts from it, and answers say who declared
    /// it; takes the permission declare-looks
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        default_missing_value = NOW,
        value_parser = moment_or_now
    )]
    pub checked: Option<String>,
    /// The day of publication (YYYY-MM-DD) where the file does not say it
    #[arg(long, value_name = "DATE", value_parser = dates::day)]
    pub published: Option<Date>,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

pub async fn run(client: &mut Client, arguments: Arguments) -> Result<()> {
    let header = header(&arguments, clock::now())?;
    let file = open(&arguments.file)?;
    if arguments.force.is_given() {
        let trial = v1::ImportListHeader { validate_only: true, ..header.clone() };
        let response = call(client, &arguments.file, &file, trial).await?;
        let report = response.report.unwrap_or_default();
        eprint!("{}", render::lists::preview(&report, Style::PLAIN));
        if !arguments.force.is_agreed() {
            ensure!(!is_standard_input(&arguments.file), "gates are overridden: give --yes with -");
            force::ask("gates are overridden as shown above", "Publish it past the gates?")?;
        }
    }
    let response = call(client, &arguments.file, &file, header).await?;
    let report = response.report.clone().unwrap_or_default();
    arguments.output.show(&response, |style| render::lists::report(&report, style))
}

/// Whether the path is `-`.
fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The bytes to send, from their beginning as often as they are sent: standard input is copied, at most
/// as much of it as a server takes.
fn open(path: &Path) -> Result<File> {
    let reading = || format!("reading {}", path.display());
    if is_standard_input(path) {
        let mut copy = tempfile::tempfile().context("copying standard input")?;
        let copied = io::copy(&mut io::stdin().lock().take(MAX_FILE + 1), &mut copy)
            .context("reading standard input")?;
        ensure!(copied <= MAX_FILE, "standard input: more than {MAX_FILE} bytes");
        return Ok(copy);
    }
    // A pipe can be read once.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return File::open(path).with_context(reading);
    }
    match source::with_included_header(path, &Bounds::default()) {
        Ok(Some(copy)) => Ok(copy),
        Err(error @ SourceError::Include { .. }) => Err(error).with_context(reading),
        // The server says what is wrong with other files.
        Ok(None) | Err(_) => File::open(path).with_context(reading),
    }
}

/// Sends the file and waits for what became of it.
async fn call(
    client: &mut Client,
    path: &Path,
    file: &File,
    header: v1::ImportListHeader,
) -> Result<v1::ImportListResponse> {
    let reading = format!("reading {}", path.display());
    let mut file = file.try_clone().with_context(|| reading.clone())?;
    if file.metadata().with_context(|| reading.clone())?.is_file() {
        file.rewind().with_context(|| reading.clone())?;
    }
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let reader = tokio::task::spawn_blocking(move || {
        send(file, header, sender)
            .map_err(|(error, open)| (Error::from(error).context(reading), open))
    });
    let response = RequestStream { reader, receiver }
        .with(async |requests| client.lists.import_list(requests).await)
        .await?;
    Ok(answer(response)?)
}

/// Requests on their way from a task that reads files.
pub(super) struct RequestStream<R> {
    /// The task. Where reading fails it gives its sender back, still open.
    pub reader: JoinHandle<Result<(), (Error, mpsc::Sender<R>)>>,
    pub receiver: mpsc::Receiver<R>,
}

impl<R> RequestStream<R> {
    /// Waits for the answer of `call`. Where reading fails, the call is dropped without an end, so that
    /// the server cannot take what was read for the whole.
    pub async fn with<T>(self, call: impl AsyncFnOnce(ReceiverStream<R>) -> T) -> Result<T> {
        let call = call(ReceiverStream::new(self.receiver));
        tokio::pin!(call);
        Ok(tokio::select! {
            biased;
            response = &mut call => response,
            sent = self.reader => match sent.context("the reading task")? {
                Ok(()) => call.await,
                Err((error, _open)) => return Err(error),
            },
        })
    }
}

/// The last part of a path, for the record.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn header(arguments: &Arguments, now: Timestamp) -> Result<v1::ImportListHeader> {
    let kind = arguments.kind.map_or(v1::ListKind::Unspecified, v1::ListKind::from);
    let mut header = v1::ImportListHeader {
        list_id: arguments.list.to_string(),
        kind: kind.into(),
        format: arguments.format.map_or_else(String::new, |format| format.to_string()),
        file_name: if is_standard_input(&arguments.file) {
            "standard input".to_owned()
        } else {
            file_name(&arguments.file)
        },
        published_on: arguments.published.map_or_else(String::new, |day| day.to_string()),
        refreshes_age: arguments.refresh_age,
        declared_check: arguments.checked.as_deref().map(|text| declared(text, now)).transpose()?,
        ..v1::ImportListHeader::default()
    };
    arguments.force.fill(&mut header);
    Ok(header)
}

/// The text of `--checked`, which is no file.
fn moment_or_now(text: &str) -> Result<String, String> {
    if text == NOW || dates::start(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err("no day or moment; where it means now, give FILE before --checked".to_owned())
}

/// The look that `--checked` declares.
fn declared(text: &str, now: Timestamp) -> Result<v1::CheckDeclaration> {
    if text == NOW {
        return Ok(v1::CheckDeclaration::default());
    }
    let at = dates::start(text).map_err(|error| anyhow!("--checked: {error}"))?;
    ensure!(
        at <= now,
        "--checked: {text:?} is later than now, {now}: give the moment at which the source was \
         looked at, or no moment, which means now"
    );
    Ok(v1::CheckDeclaration { checked_at: Some(dates::message(at)) })
}

type Sender = mpsc::Sender<v1::ImportListRequest>;

/// Sends the header and the file. A receiver that is gone is no error here: the call says why.
fn send(
    file: impl Read,
    header: v1::ImportListHeader,
    sender: Sender,
) -> Result<(), (io::Error, Sender)> {
    let take = |part| sender.blocking_send(v1::ImportListRequest { part: Some(part) }).is_ok();
    if !take(Part::Header(header)) {
        return Ok(());
    }
    match chunks(file, |chunk| take(Part::Chunk(chunk))) {
        Ok(_) => Ok(()),
        Err(error) => Err((error, sender)),
    }
}

/// Hands over a file in chunks; says whether all were taken.
pub(super) fn chunks(mut file: impl Read, take: impl Fn(Vec<u8>) -> bool) -> io::Result<bool> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        if file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)? == 0 {
            return Ok(true);
        }
        if !take(chunk) {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything sent for a file of these contents, and whether the stream was left open.
    fn sent(file: impl Read + Send + 'static) -> (Vec<v1::ImportListRequest>, bool) {
        let (sender, mut receiver) = mpsc::channel(8);
        let outcome = send(file, v1::ImportListHeader::default(), sender);
        let mut requests = Vec::new();
        while let Ok(request) = receiver.try_recv() {
            requests.push(request);
        }
        (requests, outcome.is_err() && !receiver.is_closed())
    }

    fn lengths(requests: &[v1::ImportListRequest]) -> Vec<Option<usize>> {
        let length = |request: &v1::ImportListRequest| match &request.part {
            Some(Part::Chunk(chunk)) => Some(chunk.len()),
            Some(Part::Header(_)) | None => None,
        };
        requests.iter().map(length).collect()
    }

    #[test]
    fn a_header_then_full_chunks() {
        let check = |bytes: usize, want: &[Option<usize>]| {
            let (requests, open) = sent(io::Cursor::new(vec![7; bytes]));
            assert_eq!((lengths(&requests).as_slice(), open), (want, false), "{bytes} bytes");
        };
        check(0, &[None]);
        check(1, &[None, Some(1)]);
        check(CHUNK, &[None, Some(CHUNK)]);
        check(2 * CHUNK + 3, &[None, Some(CHUNK), Some(CHUNK), Some(3)]);
    }

    #[test]
    fn a_read_that_fails_leaves_the_stream_without_an_end() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let (requests, open) = sent(io::Cursor::new(vec![7; CHUNK]).chain(Failing));
        assert_eq!((lengths(&requests).as_slice(), open), ([None, Some(CHUNK)].as_slice(), true));
    }
}
