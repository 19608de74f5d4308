//! `lists changes`: all pages of what list versions changed, since a point or since the last look.

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::id_or_all;
use super::last_seen::{LastSeen, LastSeenFile};
use super::pages::{PAGE, turn};
use crate::cli::dates::{self, Since};
use crate::cli::output::{Output, print_error};
use crate::cli::render::changes::Look;
use crate::cli::{Global, clock, render};
use crate::domain::list::ListId;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;
use v1::list_listing_changes_request as request;

/// The arguments of `lists changes`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only versions above this number of the list (with --list), or published on or after this day
    /// (YYYY-MM-DD)
    #[arg(long, value_name = "VERSION|DATE", value_parser = dates::since)]
    since: Option<Since>,
    /// Only what is new since this command was last run with this flag, by this user, on the same
    /// data directory or server and with the same --list
    #[arg(long, conflicts_with = "since")]
    since_last: bool,
    /// Only of this list
    #[arg(long, value_name = "ID")]
    list: Option<ListId>,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub async fn run(client: &mut Client, arguments: Arguments, global: &Global) -> Result<()> {
    let Arguments { since, since_last, list, output } = arguments;
    let since = match since {
        None => None,
        Some(Since::Day(day)) => Some(request::Since::SinceDate(day.to_string())),
        Some(Since::Version(number)) => {
            let what = "versions count by list: name one with --list, or give --since a day";
            ensure!(list.is_some(), "{what}");
            Some(request::Since::SinceNumberOnList(number))
        }
    };
    let list_id = id_or_all(list);
    if since_last {
        return show_since_last(client, &list_id, output, global).await;
    }
    let found = find_all(client, since, &list_id).await?;
    output.show(&found, |_| render::changes::changes(&found.changes))
}

/// Shows what is new since the last look, and then keeps this one.
async fn show_since_last(
    client: &mut Client,
    list_id: &str,
    output: Output,
    global: &Global,
) -> Result<()> {
    let place = LastSeenFile::new(global, list_id)?;
    let last = place.read()?;
    // With the version that was shown last: it tells whether the store is still the same.
    let since = last.as_ref().map(|last| request::Since::SinceVersion(last.version - 1));
    let mut found = find_all(client, since, list_id).await?;
    let look = match &last {
        None => Look::First,
        Some(last)
            if last.matches_store(&found.changes) || was_retold(&found.changes, last.version) =>
        {
            Look::Since(last.at)
        }
        Some(_) => {
            found = find_all(client, None, list_id).await?;
            Look::Replaced
        }
    };
    let seen = LastSeen::from_changes(&found.changes, clock::now());
    if let (Look::Since(_), Some(last)) = (&look, &last) {
        found.changes.retain(|change| change.version > last.version);
    }
    if look == Look::Replaced && output == Output::Json {
        print_error(render::changes::REPLACED);
    }
    output.show(&found, |_| render::changes::since_last(look, &found.changes))?;
    match seen {
        None => Ok(()),
        Some(seen) => place.save(&seen).context("the next run shows these changes again"),
    }
}

/// Whether the version that was shown last may be missing because a later one tells its changes anew.
fn was_retold(changes: &[v1::ListingChange], version: u64) -> bool {
    let is_there = changes.iter().any(|change| change.version == version);
    !is_there && changes.iter().any(|change| change.from_backfill && change.version > version)
}

/// All pages of an answer as one.
async fn find_all(
    client: &mut Client,
    since: Option<request::Since>,
    list_id: &str,
) -> Result<v1::ListListingChangesResponse> {
    let mut all = v1::ListListingChangesResponse::default();
    let mut page_token = String::new();
    loop {
        let request = v1::ListListingChangesRequest {
            since: since.clone(),
            list_id: list_id.to_owned(),
            page_size: PAGE,
            page_token: page_token.clone(),
        };
        let page = answer(client.lists.list_listing_changes(request).await)?;
        all.changes.extend(page.changes);
        if !turn(&mut page_token, page.next_page_token)? {
            return Ok(all);
        }
    }
}
