//! Rows in tables: changes and quarantine.

use super::words::{self, count, or_dash};
use crate::cli::table::{Side, Table};
use crate::grpc::v1;

/// The changes, a line each.
pub fn changes(changes: &[v1::ListingChange]) -> String {
    if changes.is_empty() {
        return "no changes\n".to_owned();
    }
    let mut table = Table::new([
        ("version", Side::Right),
        ("published", Side::Left),
        ("list", Side::Left),
        ("change", Side::Left),
        ("ticker", Side::Left),
        ("address", Side::Left),
        ("party", Side::Left),
    ]);
    for change in changes {
        let kind = words::short(change.kind().as_str_name(), "LISTING_CHANGE_KIND_");
        table.push([
            change.version.to_string(),
            or_dash(&change.published),
            or_dash(&change.list_id),
            kind.to_owned(),
            or_dash(&change.ticker),
            or_dash(&change.address),
            format!("{} (uid {})", or_dash(&change.party_name), or_dash(&change.party_uid)),
        ]);
    }
    format!("{table}{}\n", count(changes.len(), "change", "changes"))
}

/// The quarantined rows, a line each.
pub fn quarantine(rows: &[v1::QuarantinedRow]) -> String {
    if rows.is_empty() {
        return "nothing in quarantine\n".to_owned();
    }
    let mut table = Table::new([
        ("list", Side::Left),
        ("ticker", Side::Left),
        ("address", Side::Left),
        ("party", Side::Left),
        ("reason", Side::Left),
    ]);
    for row in rows {
        let listing = row.listing.clone().unwrap_or_default();
        let party = listing.party.unwrap_or_default();
        table.push([
            or_dash(&listing.list_id),
            or_dash(&listing.ticker),
            or_dash(&listing.address),
            format!("{} (uid {})", or_dash(&party.name), or_dash(&party.uid)),
            or_dash(&row.reason),
        ]);
    }
    format!("{table}{}\n", count(rows.len(), "row", "rows"))
}
