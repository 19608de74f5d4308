//! A party with its listings.

use super::words::{self, line, or_dash};
use crate::cli::table::{Side, Table};
use crate::grpc::v1;

/// The party as each list has it.
pub fn text(parties: &[v1::ListedParty]) -> String {
    parties.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(listed: &v1::ListedParty) -> String {
    let party = listed.party.clone().unwrap_or_default();
    let mut text = format!("{} on {}\n", or_dash(&party.name), or_dash(&listed.list_id));
    line(&mut text, 2, "uid", &or_dash(&party.uid));
    line(&mut text, 2, "type", &or_dash(&party.party_type));
    line(&mut text, 2, "programs", &words::joined(&party.programs, ", "));
    line(&mut text, 2, "listed on", &words::joined(&party.listed_on, ", "));
    for alias in &party.aliases {
        line(&mut text, 2, "also known", &or_dash(alias));
    }
    line(&mut text, 2, "listings", &listed.listings.len().to_string());
    if listed.listings.is_empty() {
        return text;
    }
    let mut table = Table::new([
        ("  address", Side::Left),
        ("ticker", Side::Left),
        ("state", Side::Left),
        ("listed on", Side::Left),
        ("by", Side::Left),
        ("removed on", Side::Left),
    ]);
    for listing in &listed.listings {
        let state = words::short(listing.state().as_str_name(), "LISTING_STATE_");
        let basis = words::short(listing.listed_on_basis().as_str_name(), "LISTED_ON_BASIS_");
        table.push([
            format!("  {}", or_dash(&listing.address)),
            or_dash(&listing.ticker),
            state.to_lowercase().replace('_', " "),
            or_dash(&listing.listed_on),
            basis.to_lowercase().replace('_', " "),
            or_dash(&listing.removed_on),
        ]);
    }
    text.push_str(&table.to_string());
    text
}
