//! `tags`: attribution tags and services are lists; this imports them under a name of their own, and
//! adds single ones.

mod add;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::output::Output;
use super::{Global, connect, dates, lists, runtime};
use crate::domain::list::{ListId, ListKind};
use crate::source::Format;

/// The arguments of `tags`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish a file of tags as the new version of a list
    Import(Import),
    /// Put one tag on an own list, and say what it makes of the address for paths of exposure
    Add(add::Add),
}

/// The arguments of `tags import`.
#[derive(Debug, Args)]
struct Import {
    /// The file: a tag pack, CSV or JSON lines, compressed or not
    file: PathBuf,
    /// The list [default: tags-<the file's name>]
    #[arg(long, value_name = "ID")]
    list: Option<ListId>,
    /// ATTRIBUTION (who an address belongs to) or SERVICE (paths end there)
    #[arg(long, default_value_t = ListKind::Attribution)]
    kind: ListKind,
    /// tagpack, opensanctions, opensanctions-csv, csv, jsonl, json or plain [default: by content]
    #[arg(long)]
    format: Option<Format>,
    /// The day of publication (YYYY-MM-DD) where the file does not say it [default: today]
    #[arg(long, value_name = "DATE", value_parser = dates::day)]
    published: Option<Date>,
    #[command(flatten)]
    force: lists::force::Force,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs a command on tags.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    match arguments.command {
        Command::Import(arguments) => import(arguments, global),
        Command::Add(arguments) => runtime()?.block_on(async {
            add::run(arguments, global).await?;
            Ok(0)
        }),
    }
}

fn import(arguments: Import, global: &Global) -> Result<u8> {
    let Import { file, list, kind, format, published, force, output } = arguments;
    let list = match list {
        Some(list) => list,
        None => list_of(&file)?,
    };
    let import = lists::import::Arguments {
        file,
        list,
        kind: Some(kind),
        format,
        force,
        refresh_age: false,
        checked: None,
        published,
        output,
    };
    runtime()?.block_on(async {
        let mut client = connect::connect(global).await?;
        lists::import::run(&mut client, import).await?;
        Ok(0)
    })
}

/// `tags-` and the file's name up to its first dot, as far as an id allows.
fn list_of(file: &std::path::Path) -> Result<ListId> {
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    let stem = name.trim_start_matches('.').split('.').next().unwrap_or_default();
    let id: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let id = id.trim_matches('-');
    ensure!(!id.is_empty(), "the file's name makes no id of a list: give --list");
    let id = format!("tags-{id}");
    id.parse().with_context(|| format!("{id:?}, made of the file's name: give --list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_files() {
        let check = |file: &str, want: Option<&str>| {
            let found = list_of(file.as_ref()).ok().map(String::from);
            assert_eq!(found.as_deref(), want, "{file}");
        };
        check("/x/Exchanges 2024.yaml.gz", Some("tags-exchanges-2024"));
        check("binance.csv", Some("tags-binance"));
        check("/", None);
        check("...", None);
    }
}
