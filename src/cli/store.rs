//! `store`: backup, restore and verification of the store. A backup is a gRPC call; the others need the
//! data directory for themselves.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::connect::{self, Backend};
use super::output::Output;
use super::{Global, render, runtime};
use crate::engine::check_named_record;
use crate::grpc;
use crate::grpc::client::{CallError, Client, answer};
use crate::grpc::v1;
use crate::store::{Store, Verified, backup, verify_backup};

/// The arguments of `store`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a backup of the store to a file, while the server serves; it is verified before it
    /// appears
    Backup {
        /// The file, which appears whole or not at all
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace the file if there is one
        #[arg(long)]
        overwrite: bool,
        /// How to show what was written
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Make a backup the store of the data directory, which must not have one yet
    Restore {
        /// The backup
        file: PathBuf,
        /// How to show what was restored
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Read all that the store of the data directory, or a backup, holds and check it: exit status
    /// 1 where anything is wrong
    Verify {
        /// A backup; without it, the store, which no other process may hold
        file: Option<PathBuf>,
        /// How to show what was found
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

/// Runs a command on the store.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    match arguments.command {
        Command::Backup { out, overwrite, output } => {
            runtime()?.block_on(back_up(&out, overwrite, output, global))
        }
        Command::Restore { file, output } => restore(&file, output, global),
        Command::Verify { file, output } => verify(file.as_deref(), output, global),
    }
}

async fn back_up(out: &Path, overwrite: bool, output: Output, global: &Global) -> Result<u8> {
    if !overwrite && out.exists() {
        bail!("{} exists already: give another name, or --overwrite", out.display());
    }
    let writing = || format!("writing {}", out.display());
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // Readable by its owner only, as the store is.
    let mut file = tempfile::Builder::new()
        .prefix(".lazaretto-backup-")
        .tempfile_in(folder)
        .with_context(|| format!("writing beside {}", out.display()))?;
    let mut client = reach(global).await?;
    let mut chunks = answer(client.store.backup_store(v1::BackupStoreRequest {}).await)?;
    while let Some(message) = chunks.message().await.map_err(CallError::from)? {
        file.write_all(&message.chunk).with_context(writing)?;
    }
    file.as_file().sync_all().with_context(writing)?;
    let verified =
        verify_backup(BufReader::new(file.reopen().with_context(writing)?), &check_named_record)
            .with_context(|| format!("verifying what was written for {}", out.display()))?;
    if !verified.is_whole() {
        output.show(&verified, |_| render::store::text(&verified))?;
        bail!("{} is not written: the store is damaged (see store verify)", out.display());
    }
    if overwrite {
        file.persist(out).with_context(writing)?
    } else {
        file.persist_noclobber(out).with_context(writing)?
    };
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(writing)?;
    output.show(&verified, |_| render::store::text(&verified))?;
    Ok(0)
}

/// A client; nothing is waited for but the store.
async fn reach(global: &Global) -> Result<Client> {
    if global.server.is_none() {
        // A store is not made to be backed up: its name was mistyped.
        known_store(&global.load_config()?.data_dir)?;
    }
    match connect::reach(global).await? {
        Backend::Held(engine) => Ok(Client::new(grpc::in_process(engine).await?)),
        Backend::Served(client) => Ok(*client),
    }
}

fn known_store(data_dir: &Path) -> Result<()> {
    if data_dir.join("store").join("db").exists() {
        Ok(())
    } else {
        bail!("the data directory {} has no store", data_dir.display())
    }
}

fn restore(file: &Path, output: Output, global: &Global) -> Result<u8> {
    not_elsewhere(global)?;
    let config = global.load_config()?;
    let verified =
        backup::restore(&config.data_dir, open(file)?, config.cache_mib << 20, &check_named_record)
            .with_context(|| {
                let (file, dir) = (file.display(), config.data_dir.display());
                format!("restoring {file} into {dir}")
            })?;
    output.show(&verified, |_| render::store::text(&verified))?;
    Ok(0)
}

fn verify(file: Option<&Path>, output: Output, global: &Global) -> Result<u8> {
    not_elsewhere(global)?;
    let verified: Verified = match file {
        Some(file) => verify_backup(open(file)?, &check_named_record)
            .with_context(|| format!("verifying {}", file.display()))?,
        None => {
            let config = global.load_config()?;
            known_store(&config.data_dir)?;
            let store = Store::open(&config.data_dir, config.cache_mib << 20)
                .with_context(|| connect::opening_context(&config.data_dir))?;
            store.verify(&check_named_record)?
        }
    };
    output.show(&verified, |_| render::store::text(&verified))?;
    Ok(u8::from(!verified.is_whole()))
}

fn open(file: &Path) -> Result<BufReader<File>> {
    let opened = File::open(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(BufReader::with_capacity(256 << 10, opened))
}

fn not_elsewhere(global: &Global) -> Result<()> {
    match global.server {
        Some(_) => bail!("--server names a server to ask: this command works on files here"),
        None => Ok(()),
    }
}
