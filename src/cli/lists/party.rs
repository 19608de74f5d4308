//! `lists party`: parties by identifier or by name.

use anyhow::{Result, anyhow};
use clap::Args;

use super::id_or_all;
use super::pages::turn;
use crate::cli::output::Output;
use crate::cli::render;
use crate::domain::list::ListId;
use crate::domain::party_name::NameQuery;
use crate::grpc::client::{CallError, Client, answer};
use crate::grpc::v1;

/// The exit status where no party is found.
const NONE_FOUND: u8 = 1;

/// How many parties to ask for at once: the most that the server gives.
const PAGE: u32 = 1_000;

/// The reason of a refusal of an identifier that no list has.
const NOT_FOUND: &str = "NOT_FOUND";

/// The arguments of `lists party`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The list's identifier of the party (OFAC: the uid), letter for letter
    #[arg(required_unless_present = "name", conflicts_with = "name")]
    uid: Option<String>,
    /// Words that all occur in the party's name or in one alias; case and accents do not count, and
    /// there is no fuzzy matching
    #[arg(long, value_name = "TEXT", value_parser = parse_name)]
    name: Option<String>,
    /// Only on this list
    #[arg(long, value_name = "ID")]
    list: Option<ListId>,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A text that names can be compared with.
fn parse_name(text: &str) -> Result<String, String> {
    NameQuery::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Shows every party that is found. Exit status 0, or 1 where there is none.
pub async fn run(client: &mut Client, arguments: Arguments) -> Result<u8> {
    let Arguments { uid, name, list, output } = arguments;
    let request = v1::LookUpPartyRequest {
        list_id: id_or_all(list),
        party_uid: uid.unwrap_or_default(),
        name: name.unwrap_or_default(),
        page_size: PAGE,
        page_token: String::new(),
    };
    let found = find_all(client, &request).await.map_err(|error| explain(error, &request))?;
    output.show(&found, |_| match request.name.as_str() {
        "" => render::party::by_uid(&found),
        name => render::party::by_name(&found, name),
    })?;
    Ok(if found.parties.is_empty() { NONE_FOUND } else { 0 })
}

/// All pages of an answer as one.
async fn find_all(
    client: &mut Client,
    request: &v1::LookUpPartyRequest,
) -> Result<v1::LookUpPartyResponse> {
    let mut request = request.clone();
    let mut parties = Vec::new();
    loop {
        let mut page = answer(client.lists.look_up_party(request.clone()).await)?;
        parties.append(&mut page.parties);
        if !turn(&mut request.page_token, std::mem::take(&mut page.next_page_token))? {
            return Ok(v1::LookUpPartyResponse { parties, ..page });
        }
    }
}

/// Adds to the error of an unknown identifier how to look for a name.
fn explain(error: anyhow::Error, request: &v1::LookUpPartyRequest) -> anyhow::Error {
    match error.downcast_ref::<CallError>() {
        Some(refused) if refused.reason == NOT_FOUND => {
            let uid = &request.party_uid;
            anyhow!("{error}\nto look for names and aliases: lazaretto lists party --name {uid:?}")
        }
        _ => error,
    }
}
