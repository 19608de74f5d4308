//! Whether the logs of a directory follow each other: the first leaf of each names the last
//! checkpoint of the one before.

use std::io::ErrorKind;
use std::path::Path;

use super::super::directory::{LogDirectory, Logs, logs};
use super::super::leaf::Event;
use super::super::store::Store;
use super::super::{
    AuditError, LEAVES_PER_BLOCK, Reader, SignedCheckpoint, checkpoint_file, files, origin,
};
use super::Damage;
use super::accounts::Accounts;

/// Checks that no log of a directory is missing, emptied, or exchanged for another. Does not
/// notice that the newest one is missing: only a checkpoint that was kept elsewhere shows that.
pub fn verify_succession(directory: &Path) -> Result<Vec<Damage>, AuditError> {
    let others = files::log_names(directory)?.others;
    let finding = |path, what| Damage { path, byte: 0, leaf: None, what };
    let of_others = others.into_iter().map(|path| {
        finding(path, "it is no log, but named like one: move it out of the directory".to_owned())
    });
    let mut findings: Vec<Damage> = of_others.collect();
    let Logs { logs, unreadable } = logs(directory)?;
    findings.extend(unreadable);
    for LogDirectory { number, .. } in logs {
        let what = wrong_predecessor(directory, number)?;
        findings.extend(what.map(|what| finding(files::log_directory(directory, number), what)));
    }
    Ok(findings)
}

/// Returns what is wrong between a log and the one before.
fn wrong_predecessor(directory: &Path, number: u64) -> Result<Option<String>, AuditError> {
    let log = files::log_directory(directory, number);
    let named = match named_checkpoint(&log) {
        Ok(named) => named,
        Err(error) if is_of_system(&error) => return Err(error),
        Err(error) => return Ok(Some(format!("its first leaf cannot be read: {error}"))),
    };
    let before = files::log_directory(directory, number - 1);
    let name = format!("log.{}", number - 1);
    if number == 1 {
        return Ok(named.map(|_| "its first leaf names a log before it, which is missing".into()));
    }
    if !before.exists() {
        // Reported as missing by itself.
        return Ok(None);
    }
    let Some(note) = named else {
        let last = found(checkpoint_file::last(&before))?;
        let has_one = last.is_none_or(|(last, _)| last.is_some());
        return Ok(
            has_one.then(|| format!("its first leaf names no checkpoint, and {name} has one"))
        );
    };
    let Ok(signed) = SignedCheckpoint::parse(&note) else {
        return Ok(Some("its first leaf names something that is no checkpoint".to_owned()));
    };
    let checkpoint = signed.checkpoint;
    let stands = found(origin::read(&before))?.is_some_and(|it| it.origin == checkpoint.origin);
    if !stands {
        return Ok(Some(format!(
            "{name} is not {}, which the first leaf names",
            checkpoint.origin
        )));
    }
    let root = found(Reader::open(&before).and_then(|reader| reader.root(checkpoint.size)))?;
    Ok((root != Some(checkpoint.root)).then(|| {
        let size = checkpoint.size;
        format!(
            "{name} is not what it was: its first {size} leaves have another root, or are missing"
        )
    }))
}

/// Returns the checkpoint that the first leaf of a log names.
fn named_checkpoint(log: &Path) -> Result<Option<String>, AuditError> {
    match Event::parse(&Reader::open(log)?.leaf(0)?.context) {
        Some(Event::LogStarted { previous }) => Ok(previous),
        _ => Err(AuditError::damaged(log, 0, "the first leaf is not the start of a log")),
    }
}

/// Returns `None` for what the files do not have as they should: errors of the system end it.
fn found<T>(read: Result<T, AuditError>) -> Result<Option<T>, AuditError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_of_system(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn is_of_system(error: &AuditError) -> bool {
    use ErrorKind::{IsADirectory, NotADirectory, NotFound};
    let is_missing = |kind| matches!(kind, NotFound | NotADirectory | IsADirectory);
    matches!(error, AuditError::Io { source, .. } if !is_missing(source.kind()))
}

/// Takes in the events by which later logs of the directory announce what is deleted in this one.
pub(super) fn take_in_later(log: &Path, accounts: &mut Accounts) -> Result<(), AuditError> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else { return Ok(()) };
    let numbers = files::log_numbers(directory)?;
    let path = |number: &u64| files::log_directory(directory, *number);
    let Some(own) = numbers.iter().position(|number| path(number).file_name() == Some(name)) else {
        return Ok(());
    };
    for number in &numbers[own + 1..] {
        // What is wrong with that log is found where it is verified itself.
        if let Some(reader) = found(Reader::open(&path(number)))? {
            found(take_in_events(reader.store(), accounts))?;
        }
    }
    Ok(())
}

fn take_in_events(store: &Store, accounts: &mut Accounts) -> Result<(), AuditError> {
    for number in 0..store.written().div_ceil(LEAVES_PER_BLOCK) {
        if store.place(number)?.is_some_and(|place| place.has_events()) {
            accounts.take_in_events(&store.block(number)?.decode()?);
        }
    }
    Ok(())
}
