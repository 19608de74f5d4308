//! What an answer rests on.

use super::words::{self, line, or_dash};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1;

pub fn text(snapshot: &v1::Snapshot, style: Style) -> String {
    let mut text = format!("Snapshot {}\n", or_dash(&snapshot.id));
    if snapshot.as_of.is_some() {
        let moment = words::moment(snapshot.as_of.as_ref());
        line(&mut text, 2, "as of", &format!("{moment}, as known by this snapshot"));
    }
    line(&mut text, 2, "engine", &or_dash(&snapshot.engine_version));
    line(&mut text, 2, "policy", &or_dash(&snapshot.policy_version));
    warnings(&mut text, snapshot, style);
    if snapshot.lists.is_empty() {
        line(&mut text, 2, "lists", "none");
    } else {
        text.push_str(&lists(snapshot, style));
    }
    if !snapshot.transfers.is_empty() {
        text.push_str(&transfers(snapshot, style));
    }
    text
}

/// Adds what no answer must hide: that stale lists may give ALLOW, and required lists that lack.
pub fn warnings(text: &mut String, snapshot: &v1::Snapshot, style: Style) {
    if snapshot.stale_allowed {
        let warning = "STALE LISTS MAY GIVE ALLOW: a trial setting, never to decide by";
        line(text, 2, "warning", &style.paint(Colour::Bad, warning));
    }
    for missing in &snapshot.missing_lists {
        let missing = format!("{} is required and not loaded", or_dash(missing));
        line(text, 2, "missing", &style.paint(Colour::Doubtful, &missing));
    }
}

fn lists(snapshot: &v1::Snapshot, style: Style) -> String {
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
            words::version(list.number_on_list, list.version),
            or_dash(&list.published_on),
            or_dash(&list.digest).chars().take(12).collect(),
            format!("{}{required}", age(list, style)),
        ]);
    }
    table.to_string()
}

fn transfers(snapshot: &v1::Snapshot, style: Style) -> String {
    let mut table = Table::new([
        ("  transfers of", Side::Left),
        ("count", Side::Right),
        ("last block", Side::Right),
        ("age", Side::Left),
        ("by kind", Side::Left),
    ]);
    for chain in &snapshot.transfers {
        let required = if chain.required { ", required" } else { "" };
        let stale = matches!((chain.age_seconds, chain.max_age_seconds),
            (Some(age), Some(limit)) if age > limit);
        let age = match (&chain.last_time, chain.age_seconds) {
            (None, _) => "nothing loaded".to_owned(),
            (Some(last), None) => format!("up to {}", words::moment(Some(last))),
            (Some(_), age) => words::age(age, chain.max_age_seconds, stale),
        };
        let missing = chain.required && chain.last_time.is_none();
        let warn = stale || missing;
        let age = if warn { style.paint(Colour::Doubtful, &age) } else { age };
        let height = chain.last_height.map_or_else(|| "-".to_owned(), |height| height.to_string());
        table.push([
            format!("  {}", or_dash(&chain.chain)),
            chain.transfers.to_string(),
            height,
            format!("{age}{required}"),
            words::whole_kinds(chain),
        ]);
    }
    let mut text = table.to_string();
    let hops = words::count(snapshot.max_hops as usize, "hop", "hops");
    let known = words::count(snapshot.labelled_rows as usize, "transfer", "transfers");
    line(&mut text, 2, "exposure", &format!("over at most {hops}, of {known}"));
    text
}

/// How old the list was, who declared so, and whether it came by hand; a stored snapshot does not say how old, and
/// gives the moment instead.
pub fn age(list: &v1::SnapshotList, style: Style) -> String {
    let mut age = age_alone(list, style);
    if !list.known_since.is_empty() {
        let since = or_dash(&list.known_since);
        let doubt = format!(
            "first loaded later: publications are known since {since}, and before by the dates of listings alone"
        );
        age = match list.version {
            0 => style.paint(Colour::Doubtful, &doubt),
            _ => format!("{age}, {}", style.paint(Colour::Doubtful, &doubt)),
        };
    }
    let by_hand = match (list.imported_by_hand, list.backfilled_from.as_str()) {
        (false, _) => None,
        (true, "") => Some("imported by hand".to_owned()),
        (true, file) => Some(format!("backfilled by hand from {}", escape(file))),
    };
    let declared = list.declared_check.as_ref().map(words::declared_check);
    for doubt in declared.into_iter().chain(by_hand) {
        age.push_str(&format!(", {}", style.paint(Colour::Doubtful, &doubt)));
    }
    age
}

fn age_alone(list: &v1::SnapshotList, style: Style) -> String {
    if let Some(clock) = &list.server_clock {
        let checked = words::moment(list.current_at.as_ref());
        return style.paint(Colour::Doubtful, &words::clock_behind(clock, &checked));
    }
    if list.age_seconds.is_none() && list.current_at.is_some() {
        return format!("current at {}", words::moment(list.current_at.as_ref()));
    }
    let age = words::age(list.age_seconds, list.max_age_seconds, list.stale);
    if list.stale { style.paint(Colour::Doubtful, &age) } else { age }
}
