//! `tags add`: one tag on an own list; nothing else on the list is lost by it, whoever changes it
//! meanwhile.

use anyhow::Result;
use clap::Args;

use crate::cli::lists::force;
use crate::cli::output::Output;
use crate::cli::{Global, connect, render};
use crate::domain::list::{ListId, ListKind};
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// The arguments of `tags add`.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The address
    address: String,
    /// What it is, such as exchange: of the categories of exposure.service_categories paths end there,
    /// of those of exposure.risk_categories they begin there; several with commas between
    #[arg(long)]
    category: String,
    /// Whose it is: addresses with one label are one party
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// The chain: a CAIP-2 id or a name such as bitcoin [default: every one that the form fits]
    #[arg(long)]
    chain: Option<String>,
    /// The list, which is made where it is not loaded [default: tags-own; of kind SERVICE
    /// services-own]
    #[arg(long, value_name = "ID")]
    list: Option<ListId>,
    /// ATTRIBUTION, or SERVICE: paths end there whatever the category [default: the list's kind, of a
    /// new one ATTRIBUTION]
    #[arg(long)]
    kind: Option<ListKind>,
    /// Where that is known from: a URL, a file number
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Take the place of another tag of the address on the list
    #[arg(long)]
    replace: bool,
    /// Add it without asking, as where there is no terminal
    #[arg(long)]
    yes: bool,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Says what the tag would do, asks, and adds it.
pub(super) async fn run(arguments: Add, global: &Global) -> Result<()> {
    let mut client = connect::connect(global).await?;
    let request = request(&arguments);
    if !arguments.yes {
        let trial = v1::AddTagRequest { validate_only: true, ..request.clone() };
        let would = call(&mut client, trial).await?;
        if would.outcome() != v1::TagOutcome::Unchanged {
            eprint!("{}", render::tag::preview(&would));
            force::ask("a tag changes answers as shown above", "Add it?")?;
        }
    }
    let response = call(&mut client, request).await?;
    arguments.output.show(&response, |_| render::tag::added(&response))
}

fn request(arguments: &Add) -> v1::AddTagRequest {
    let kind = arguments.kind.map_or(v1::ListKind::Unspecified, v1::ListKind::from);
    v1::AddTagRequest {
        list_id: arguments.list.clone().map_or_else(String::new, String::from),
        kind: kind.into(),
        address: arguments.address.clone(),
        chain: arguments.chain.clone().unwrap_or_default(),
        category: arguments.category.clone(),
        label: arguments.label.clone(),
        reference: arguments.reference.clone(),
        replace: arguments.replace,
        validate_only: false,
    }
}

async fn call(client: &mut Client, request: v1::AddTagRequest) -> Result<v1::AddTagResponse> {
    Ok(answer(client.lists.add_tag(request).await)?)
}
