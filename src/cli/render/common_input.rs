//! Addresses that are joined with listed ones by common input: findings with the transactions between,
//! and clusters that are cut.

use super::paths::{ESTIMATE, joined_path, text as drawing};
use super::words::{self, or_dash, wrapped_line};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1;

/// How a finding CO_SPENT ties the address to the listing.
pub fn match_words(finding: &v1::Finding, listing: &v1::Listing) -> String {
    let how = if finding.same_transaction {
        "this address and a listed one are inputs of one transaction"
    } else {
        "over a chain of transactions"
    };
    format!("joined with {} by {ESTIMATE}: {how}", or_dash(&listing.address))
}

/// With whom a path of exposure has to do: the listed address, or one that is joined with it.
pub fn whom(listed: &str, common_input: bool) -> String {
    if common_input {
        format!("an address joined by {ESTIMATE} with {}", or_dash(listed))
    } else {
        or_dash(listed)
    }
}

/// Adds the transactions that join the address `asked` with the listing of a finding, drawn; nothing
/// where they were not asked for.
pub fn chain(text: &mut String, asked: &str, finding: &v1::Finding, style: Style) {
    let Some(chain) = &finding.common_input_chain else { return };
    if chain.joins.is_empty() || chain.cut_short {
        let warning = "the transactions between could not all be told";
        let warning = style.paint(Colour::Doubtful, warning);
        wrapped_line(text, 4, "warning", &warning, style.width());
    }
    if !chain.joins.is_empty() {
        let path = joined_path(finding.listing.clone(), chain.clone());
        text.push('\n');
        text.push_str(&drawing::evidence(asked, &path, style.width(), 4, style));
    }
}

/// Whether there is anything to note.
pub fn is_noted(answer: &v1::Screening) -> bool {
    !answer.cluster_cuts.is_empty()
}

/// Adds each cluster that is cut as a sentence, but for those that `said` says.
pub fn cuts(text: &mut String, answer: &v1::Screening, said: &str, style: Style) {
    for cut in answer.cluster_cuts.iter().filter(|cut| !said.contains(&cut.reason)) {
        let note = match cut.address.as_str() {
            "" => escape(&cut.reason).into_owned(),
            address => format!("{}: {}", words::asked(address), escape(&cut.reason)),
        };
        wrapped_line(text, 2, "cluster", &note, style.width());
    }
}
