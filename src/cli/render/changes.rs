//! Rows in tables: changes and quarantine.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::words::{self, count, or_dash};
use crate::cli::table::{Side, Table};
use crate::cli::text::escape;
use crate::grpc::v1;

/// Since when changes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Since ever: nothing was looked at before.
    First,
    /// Since the look at this moment.
    Since(Timestamp),
    /// Since ever: what was looked at is not in the store.
    Replaced,
}

/// That what was shown last is not in the store.
pub const REPLACED: &str = "the changes that were shown last are not in this store, which was replaced or restored: all \
     changes are shown";

/// The changes since the last look.
pub fn since_last(look: Look, shown: &[v1::ListingChange]) -> String {
    let head = match look {
        Look::First => "all changes, since this is the first look".to_owned(),
        Look::Since(at) => {
            format!("changes since the last look at {}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        }
        Look::Replaced => REPLACED.to_owned(),
    };
    format!("{head}\n{}", changes(shown))
}

/// The changes, a line each, and how many each party has.
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
        ("what changed", Side::Left),
    ]);
    for change in changes {
        table.push([
            words::version(change.number_on_list, change.version),
            or_dash(&change.published_on),
            or_dash(&change.list_id),
            kind_word(change.kind()).to_owned(),
            or_dash(&change.ticker),
            or_dash(&change.address),
            format!("{} (uid {})", or_dash(&change.party_name), or_dash(&change.party_uid)),
            what_changed(change),
        ]);
    }
    let mut kinds = Kinds::default();
    changes.iter().for_each(|change| kinds.add(change));
    let total = count(changes.len(), "change", "changes");
    format!("{table}{total}: {}\n{}\n{}", kinds.text(), retold(changes), by_party(changes))
}

/// The lists whose past was told anew.
fn retold(changes: &[v1::ListingChange]) -> String {
    let retold = changes.iter().filter(|change| change.from_backfill);
    let versions: BTreeMap<_, _> =
        retold.map(|change| (&change.list_id, (change.number_on_list, change.version))).collect();
    let line = |(list, (number, version)): (&String, (u64, u64))| {
        format!(
            "{}: old publications were put into its past with version {}, which tells its changes \
             from the first publication on\n",
            or_dash(list),
            words::version(number, version)
        )
    };
    versions.into_iter().map(line).collect()
}

fn kind_word(kind: v1::ListingChangeKind) -> &'static str {
    match kind {
        v1::ListingChangeKind::Added => "added",
        v1::ListingChangeKind::Updated => "updated",
        v1::ListingChangeKind::RemovalPending => "removal pending",
        v1::ListingChangeKind::RemovalCancelled => "removal cancelled",
        v1::ListingChangeKind::Removed => "removed",
        v1::ListingChangeKind::Unspecified => "changed",
    }
}

/// How many changes of each kind, in the order of the proto.
#[derive(Debug, Default)]
struct Kinds(BTreeMap<i32, usize>);

impl Kinds {
    fn add(&mut self, change: &v1::ListingChange) {
        *self.0.entry(change.kind().into()).or_default() += 1;
    }

    fn text(&self) -> String {
        let word = |(kind, number): (&i32, &usize)| {
            let kind = v1::ListingChangeKind::try_from(*kind).unwrap_or_default();
            format!("{number} {}", kind_word(kind))
        };
        self.0.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

/// A line for each party, by list and name.
fn by_party(changes: &[v1::ListingChange]) -> String {
    let mut parties: BTreeMap<_, (String, Kinds)> = BTreeMap::new();
    for change in changes {
        let (name, kinds) = parties.entry((&change.list_id, &change.party_uid)).or_default();
        // The last name is the one that it has now.
        change.party_name.clone_into(name);
        kinds.add(change);
    }
    let mut table = Table::new([
        ("by party", Side::Left),
        ("uid", Side::Left),
        ("list", Side::Left),
        ("changes", Side::Left),
    ]);
    let mut rows: Vec<_> = parties.into_iter().collect();
    rows.sort_by(|(a, (name, _)), (b, (other, _))| (a.0, name, a.1).cmp(&(b.0, other, b.1)));
    for ((list, uid), (name, kinds)) in rows {
        table.push([or_dash(&name), or_dash(uid), or_dash(list), kinds.text()]);
    }
    table.to_string()
}

/// The fields of an updated row, from what to what; empty for other changes.
fn what_changed(change: &v1::ListingChange) -> String {
    if change.fields.is_empty() && change.kind() == v1::ListingChangeKind::Updated {
        return "not recorded".to_owned();
    }
    change.fields.iter().map(field_words).collect::<Vec<_>>().join("; ")
}

fn field_words(change: &v1::FieldChange) -> String {
    let (name, has_many) = match change.field() {
        v1::ChangedField::PartyName => ("name", false),
        v1::ChangedField::PartyAliases => ("aliases", true),
        v1::ChangedField::PartyType => ("type", false),
        v1::ChangedField::PartyPrograms => ("programs", true),
        v1::ChangedField::PartyListedOn => ("party listed on", true),
        v1::ChangedField::ListedOn => ("address listed on", false),
        v1::ChangedField::Category => ("category", false),
        v1::ChangedField::Reference => ("reference", false),
        v1::ChangedField::Address => ("address", false),
        v1::ChangedField::Unspecified => ("another field", true),
    };
    let quoted = |values: &[String]| {
        if values.is_empty() {
            "nothing".to_owned()
        } else {
            values
                .iter()
                .map(|value| format!("\"{}\"", escape(value)))
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    let (gone, new) = (&change.removed_values, &change.added_values);
    let mut words = match (gone.is_empty(), new.is_empty()) {
        (true, true) => format!("{name} in another order"),
        _ if !has_many => format!("{name} from {} to {}", quoted(gone), quoted(new)),
        (false, true) => format!("{name} without {}", quoted(gone)),
        (true, false) => format!("{name} with {}", quoted(new)),
        (false, false) => format!("{name} without {}, with {}", quoted(gone), quoted(new)),
    };
    if change.omitted > 0 {
        words.push_str(&format!(" and {} more", change.omitted));
    }
    words
}

/// The most suspects of a quarantined row that a line shows.
const MAX_SUSPECTS: usize = 3;

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
        ("likely means", Side::Left),
        ("reason", Side::Left),
    ]);
    for row in rows {
        let listing = row.listing.clone().unwrap_or_default();
        let party = listing.party.unwrap_or_default();
        let suspects =
            row.likely_addresses.iter().take(MAX_SUSPECTS).map(|address| escape(address));
        let more = if row.likely_addresses.len() > MAX_SUSPECTS { ", ..." } else { "" };
        table.push([
            or_dash(&listing.list_id),
            or_dash(&listing.ticker),
            or_dash(&listing.address),
            format!("{} (uid {})", or_dash(&party.name), or_dash(&party.uid)),
            or_dash(&format!("{}{more}", suspects.collect::<Vec<_>>().join(", "))),
            or_dash(&row.reason),
        ]);
    }
    format!("{table}{}\n", count(rows.len(), "row", "rows"))
}
