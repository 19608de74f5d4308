//! Parties with their listings, and what they were looked for in.

use super::words::{self, asked, count, line, or_dash};
use crate::cli::table::{Side, Table};
use crate::grpc::v1;

/// The parties of one identifier, as each list has them.
pub fn by_uid(found: &v1::LookUpPartyResponse) -> String {
    let mut text = each(&found.parties);
    if !found.lists_not_loaded.is_empty() {
        text.push('\n');
        line(&mut text, 0, "not looked at", &not_loaded(&found.lists_not_loaded));
    }
    text
}

/// The parties of one name, and what it was compared with.
pub fn by_name(found: &v1::LookUpPartyResponse, name: &str) -> String {
    let mut text = each(&found.parties);
    if !found.parties.is_empty() {
        text.push('\n');
    }
    let number = match found.parties.len() {
        0 => "no party".to_owned(),
        number => count(number, "party", "parties"),
    };
    text.push_str(&format!(
        "{number} found by the name {}, compared word by word, without fuzzy matching\n",
        asked(name)
    ));
    let compared = |list: &v1::ComparedList| {
        let parties = if list.parties == 1 { "party" } else { "parties" };
        let stale = if list.stale { ", STALE" } else { "" };
        format!("{} ({} {parties}{stale})", or_dash(&list.list_id), list.parties)
    };
    let compared: Vec<_> = found.compared_lists.iter().map(compared).collect();
    line(&mut text, 2, "looked at", &format!("names and aliases on {}", compared.join(", ")));
    if !found.lists_not_loaded.is_empty() {
        line(&mut text, 2, "not looked at", &not_loaded(&found.lists_not_loaded));
    }
    let note = "a party without an address on these lists, or spelled otherwise, is not found";
    line(&mut text, 2, "note", note);
    text
}

fn not_loaded(lists: &[v1::NotLoadedList]) -> String {
    let name = |list: &v1::NotLoadedList| {
        let state = if list.required { "REQUIRED and not loaded" } else { "not loaded" };
        format!("{} ({state})", or_dash(&list.list_id))
    };
    lists.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn each(parties: &[v1::ListedParty]) -> String {
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
    if !listed.matched_name.is_empty() && listed.matched_name != party.name {
        line(&mut text, 2, "found by", &or_dash(&listed.matched_name));
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
