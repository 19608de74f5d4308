//! `lists check-source`: sources tried now from where the server stands, each by its own call.

use anyhow::Result;
use clap::Args;

use crate::cli::output::{self, Output};
use crate::cli::render;
use crate::domain::list::ListId;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// The arguments of `lists check-source`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The list; without it, every list with a configured source
    #[arg(value_name = "ID")]
    list: Option<ListId>,
    /// How to show what was seen (JSON: one message a list)
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Tries one source or all; 1 where one of them cannot be read at all.
pub async fn run(client: &mut Client, arguments: Arguments) -> Result<u8> {
    let ids = match arguments.list {
        Some(id) => vec![id.into()],
        None => super::refresh::with_source(client).await?,
    };
    let (is_one, mut failed) = (ids.len() == 1, false);
    for list_id in ids {
        let request = v1::CheckSourceRequest { list_id: list_id.clone() };
        match answer(client.lists.check_source(request).await) {
            Ok(response) => {
                failed |= response.checks.iter().all(|check| !check.error.is_empty());
                let show = |style| render::sources::check(&response, style);
                arguments.output.show(&response, show)?;
            }
            Err(error) if is_one => return Err(error.into()),
            Err(error) => {
                output::print_error(&format!("{list_id}: {error:#}"));
                failed = true;
            }
        }
    }
    Ok(u8::from(failed))
}
