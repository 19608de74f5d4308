//! `lists quarantine`, and all pages of an answer as one.

use anyhow::{Result, ensure};
use clap::Args;

use super::id_or_all;
use crate::cli::output::Output;
use crate::cli::render;
use crate::domain::list::ListId;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// How many rows to ask for at once: the most that the server gives.
pub(super) const PAGE: u32 = 10_000;

/// The arguments of `lists quarantine`.
#[derive(Debug, Args)]
pub struct QuarantineArguments {
    /// Only of this list
    #[arg(long, value_name = "ID")]
    list: Option<ListId>,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub async fn quarantine(client: &mut Client, arguments: QuarantineArguments) -> Result<()> {
    let list_id = id_or_all(arguments.list);
    let mut all = v1::ListQuarantineResponse::default();
    let mut page_token = String::new();
    loop {
        let request = v1::ListQuarantineRequest {
            list_id: list_id.clone(),
            page_size: PAGE,
            page_token: page_token.clone(),
        };
        let page = answer(client.lists.list_quarantine(request).await)?;
        all.rows.extend(page.rows);
        if !turn(&mut page_token, page.next_page_token)? {
            break;
        }
    }
    arguments.output.show(&all, |_| render::changes::quarantine(&all.rows))
}

/// Goes on to the next page, if there is one.
pub(super) fn turn(token: &mut String, next: String) -> Result<bool> {
    ensure!(next.is_empty() || next != *token, "the server gives the page {next:?} after itself");
    *token = next;
    Ok(!token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end() {
        let mut token = String::new();
        assert!(turn(&mut token, "a".to_owned()).unwrap());
        assert!(turn(&mut token, "b".to_owned()).unwrap());
        assert!(turn(&mut token, "b".to_owned()).is_err());
        assert!(!turn(&mut token, String::new()).unwrap());
    }
}
