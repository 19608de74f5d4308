//! One tag that was, or would be, added, and what it makes of its address.

use super::words::{self, or_dash};
use crate::cli::text::escape;
use crate::grpc::v1;

/// What a tag would do.
pub fn preview(response: &v1::AddTagResponse) -> String {
    let what = match response.outcome() {
        v1::TagOutcome::Replaced => "the tag of an address would be replaced",
        v1::TagOutcome::Unspecified | v1::TagOutcome::Added | v1::TagOutcome::Unchanged => {
            "a tag would be added"
        }
    };
    format!("{}: {what}\n{}", or_dash(&response.list_id), tag(response))
}

/// What became of a tag.
pub fn added(response: &v1::AddTagResponse) -> String {
    let id = or_dash(&response.list_id);
    let list = response.report.as_ref().and_then(|report| report.list.clone()).unwrap_or_default();
    let version = words::version(list.number_on_list, list.version);
    let what = match response.outcome() {
        v1::TagOutcome::Added => format!("tag added, version {version}"),
        v1::TagOutcome::Replaced => format!("tag replaced, version {version}"),
        v1::TagOutcome::Unchanged => "the list has this tag already".to_owned(),
        v1::TagOutcome::Unspecified => "the server does not say what became of the tag".to_owned(),
    };
    format!("{id}: {what}\n{}", tag(response))
}

fn tag(response: &v1::AddTagResponse) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| words::line(&mut text, 2, name, value);
    line("address", &escape(&response.address));
    if !response.chain.is_empty() {
        line("chain", &escape(&response.chain));
    }
    let category = match response.category_before.as_str() {
        before if before.is_empty() || before == response.category => or_dash(&response.category),
        before => format!("{} (it was {})", or_dash(&response.category), escape(before)),
    };
    line("category", &category);
    if !response.label.is_empty() {
        line("label", &escape(&response.label));
    }
    for (at, words) in role(response).iter().enumerate() {
        line(if at == 0 { "paths" } else { "" }, words);
    }
    text
}

/// What the tag makes of the address, and what would make it otherwise.
fn role(response: &v1::AddTagResponse) -> &'static [&'static str] {
    match response.path_role() {
        v1::PathRole::Stop if response.list_kind() == v1::ListKind::Service => {
            &["STOP: paths of exposure end there, since the list is of kind SERVICE"]
        }
        v1::PathRole::Stop => &[
            "STOP: paths of exposure end there, since the category is one of",
            "exposure.service_categories of the configuration",
        ],
        v1::PathRole::Source => &[
            "SOURCE: paths of exposure begin there, since the category is one of",
            "exposure.risk_categories of the configuration",
        ],
        v1::PathRole::None => &[
            "neither SOURCE nor STOP: the category is none of exposure.service_categories and",
            "exposure.risk_categories, so an untagged hub stays one; add it there, or put the",
            "tag on a list of kind SERVICE (--kind SERVICE)",
        ],
        v1::PathRole::Unspecified => &["the server does not say what becomes of paths"],
    }
}
