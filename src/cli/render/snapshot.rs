//! What an answer rests on.

use super::words::{self, line, or_dash};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style};
use crate::grpc::v1;

/// A snapshot in full.
pub fn text(snapshot: &v1::Snapshot, style: Style) -> String {
    let mut text = format!("Snapshot {}\n", or_dash(&snapshot.id));
    line(&mut text, 2, "engine", &or_dash(&snapshot.engine_version));
    line(&mut text, 2, "policy", &or_dash(&snapshot.policy_version));
    if snapshot.stale_allowed {
        let warning = "STALE LISTS MAY GIVE ALLOW: a trial setting, never to decide by";
        line(&mut text, 2, "warning", &style.paint(Colour::Bad, warning));
    }
    for missing in &snapshot.missing_lists {
        let missing = format!("{} is required and not loaded", or_dash(missing));
        line(&mut text, 2, "missing", &style.paint(Colour::Doubtful, &missing));
    }
    if snapshot.lists.is_empty() {
        line(&mut text, 2, "lists", "none");
        return text;
    }
    let heading = [
        ("  list", Side::Left),
        ("kind", Side::Left),
        ("version", Side::Right),
        ("published", Side::Left),
        ("digest", Side::Left),
        ("age", Side::Left),
    ];
    let mut table = Table::new(heading);
    for list in &snapshot.lists {
        let required = if list.required { ", required" } else { "" };
        table.push([
            format!("  {}", or_dash(&list.list_id)),
            words::kind(list.kind()).to_owned(),
            list.version.to_string(),
            or_dash(&list.published),
            or_dash(&list.digest).chars().take(12).collect(),
            format!("{}{required}", age(list, style)),
        ]);
    }
    text.push_str(&table.to_string());
    text
}

/// How old the list was; a stored snapshot does not say, and gives the moment instead.
pub fn age(list: &v1::SnapshotList, style: Style) -> String {
    if list.age_seconds.is_none() && list.current_at.is_some() {
        return format!("current at {}", words::moment(list.current_at.as_ref()));
    }
    let age = words::age(list.age_seconds, list.max_age_seconds, list.stale);
    if list.stale { style.paint(Colour::Doubtful, &age) } else { age }
}
