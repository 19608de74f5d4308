//! `AddTag`: one tag as it is asked for, and what became of it. Translation only.

use std::sync::Arc;

use super::{parse_list_id, report};
use crate::domain::list::ListKind;
use crate::domain::tag::{TagChange, TagInput};
use crate::engine::{Engine, TagReport, TagRequest};
use crate::grpc::access::Caller;
use crate::grpc::status::{Refusal, both, invalid_field, wished_chain};
use crate::grpc::v1;

/// The list of tags where none is named, and that of services.
const OWN_TAGS: &str = "tags-own";
const OWN_SERVICES: &str = "services-own";

/// What a request by `caller` asks for.
pub(super) fn request_of(
    request: v1::AddTagRequest,
    caller: &Caller,
) -> Result<TagRequest, Refusal> {
    let kind = v1::ListKind::try_from(request.kind)
        .map(Option::from)
        .map_err(|_| invalid_field("kind", format!("{} is no kind of list", request.kind)));
    let id = match request.list_id.as_str() {
        "" if kind == Ok(Some(ListKind::Service)) => OWN_SERVICES,
        "" => OWN_TAGS,
        id => id,
    };
    let id = parse_list_id("list_id", id);
    let (chain, (id, kind)) = both(wished_chain("chain", &request.chain), both(id, kind))?;
    Ok(TagRequest {
        id,
        kind,
        draft: TagInput {
            address: request.address,
            chain,
            category: request.category,
            label: request.label,
            reference: request.reference,
        },
        replaces: request.replace,
        by: caller.identity.to_string(),
        is_trial: request.validate_only,
    })
}

/// What became of the tag.
pub(super) fn response(
    engine: &Arc<Engine>,
    request: &TagRequest,
    added: TagReport,
) -> v1::AddTagResponse {
    let tagging = added.tagging;
    let (outcome, category_before) = match tagging.change {
        TagChange::Stands => (v1::TagOutcome::Unchanged, String::new()),
        TagChange::Added(_) => (v1::TagOutcome::Added, String::new()),
        TagChange::Replaced { category_before, .. } => (v1::TagOutcome::Replaced, category_before),
    };
    v1::AddTagResponse {
        outcome: outcome.into(),
        list_id: request.id.to_string(),
        list_kind: v1::ListKind::from(added.kind).into(),
        address: tagging.key.address,
        chain: tagging.key.ticker,
        category: tagging.facts.category,
        label: tagging.label,
        category_before,
        path_role: v1::PathRole::from(added.role).into(),
        report: Some(report(engine, added.publication)),
    }
}
