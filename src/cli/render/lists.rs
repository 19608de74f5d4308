//! Lists and what a publication did to one.

mod file;

use super::words::{self, line, or_dash};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1;

/// Every list in a line, then what needs a person's eye.
pub fn table(lists: &[v1::SanctionsList], style: Style) -> String {
    let mut table = Table::new([
        ("list", Side::Left),
        ("kind", Side::Left),
        ("required", Side::Left),
        ("version", Side::Right),
        ("published", Side::Left),
        ("listings", Side::Right),
        ("parties", Side::Right),
        ("quarantined", Side::Right),
        ("removed", Side::Right),
        ("age", Side::Left),
    ]);
    for list in lists {
        let counts = list.counts.clone().unwrap_or_default();
        let loaded = list.version != 0;
        let of_loaded = |number: u64| {
            if loaded { number.to_string() } else { "-".to_owned() }
        };
        table.push([
            or_dash(&list.list_id),
            words::kind(list.kind()).to_owned(),
            if list.required { "yes" } else { "no" }.to_owned(),
            words::version(list.number_on_list, list.version),
            or_dash(&list.published_on),
            of_loaded(counts.listings),
            of_loaded(counts.parties),
            of_loaded(counts.quarantined),
            of_loaded(counts.removed),
            if loaded { age(list, style) } else { "not loaded".to_owned() },
        ]);
    }
    let mut text = table.to_string();
    for list in lists {
        let id = or_dash(&list.list_id);
        if !list.last_error.is_empty() {
            let error = format!("{id}: source failed: {}", escape(&list.last_error));
            text.push_str(&format!("{}\n", style.paint(Colour::Doubtful, &error)));
        }
        let others = list.url_errors.iter().filter(|_| list.last_error.is_empty());
        let others =
            others.map(|error| ("a URL of its source failed, another one was read", error));
        let probe = Some(&list.probe_error).filter(|error| !error.is_empty());
        let probe = probe.map(|error| ("its source does not tell of new publications", error));
        for (what, error) in others.chain(probe) {
            let error = format!("{id}: {what}: {}", escape(error));
            text.push_str(&format!("{}\n", style.paint(Colour::Doubtful, &error)));
        }
        let pending = list.counts.as_ref().map_or(0, |counts| counts.removals_pending);
        if pending > 0 {
            let pending = format!("{id}: {pending} removals wait to be confirmed, and count");
            text.push_str(&format!("{}\n", style.paint(Colour::Doubtful, &pending)));
        }
        for note in file::doubts(list) {
            text.push_str(&format!(
                "{}\n",
                style.paint(Colour::Doubtful, &format!("{id}: {note}"))
            ));
        }
        if !list.force_reason.is_empty() {
            let reason = escape(&list.force_reason);
            text.push_str(&format!("{id}: gates overridden: {reason}\n"));
        }
    }
    text
}

fn age(list: &v1::SanctionsList, style: Style) -> String {
    let age = age_alone(list, style);
    match &list.declared_check {
        Some(look) => {
            format!("{age}, {}", style.paint(Colour::Doubtful, &words::declared_check(look)))
        }
        None => age,
    }
}

fn age_alone(list: &v1::SanctionsList, style: Style) -> String {
    if let Some(clock) = &list.server_clock {
        let checked = match &list.checked_at {
            // Published later than checked, or never checked.
            Some(at) if at.seconds > clock.seconds => words::moment(Some(at)),
            Some(_) | None => escape(words::day(&list.published_on)).into_owned(),
        };
        return style.paint(Colour::Doubtful, &words::clock_behind(clock, &checked));
    }
    let age = words::age(list.age_seconds, list.max_age_seconds, list.stale);
    if list.stale { style.paint(Colour::Doubtful, &age) } else { age }
}

/// What a publication past the gates would do: above all, what would be lost.
pub fn preview(report: &v1::PublicationReport, style: Style) -> String {
    let list = report.list.clone().unwrap_or_default();
    let id = or_dash(&list.list_id);
    let counts = list.counts.clone().unwrap_or_default();
    if !report.published {
        return format!("{id}: nothing would change\n");
    }
    let standing = counts.listings + counts.quarantined;
    let mut text = format!("{id}: {standing} rows stand; past the gates there would be\n");
    let lost = format!("{} removed at once", report.removed);
    let lost = if report.removed > 0 { style.paint(Colour::Bad, &lost) } else { lost };
    line(&mut text, 2, "lost", &lost);
    for row in &report.removal_examples {
        let row = format!(
            "{} ({}), {}",
            escape(&row.address),
            or_dash(&row.ticker),
            or_dash(&row.party_name)
        );
        line(&mut text, 4, "removed", &row);
    }
    let left = report.removed.saturating_sub(report.removal_examples.len() as u64);
    if left > 0 && !report.removal_examples.is_empty() {
        line(&mut text, 4, "", &format!("and {left} more"));
    }
    let others = format!(
        "{} added, {} updated, {} removals that wait",
        report.added, report.updated, report.removals_pending
    );
    line(&mut text, 2, "others", &others);
    text
}

pub fn report(report: &v1::PublicationReport, style: Style) -> String {
    let list = report.list.clone().unwrap_or_default();
    let counts = list.counts.clone().unwrap_or_default();
    let id = or_dash(&list.list_id);
    let version = words::version(list.number_on_list, list.version);
    let mut text = if report.published {
        format!("{id}: version {version} published\n")
    } else {
        format!("{id}: unchanged, version {version} stays\n")
    };
    if report.published {
        let changes = format!(
            "{} added, {} updated, {} removed",
            report.added, report.updated, report.removed
        );
        line(&mut text, 2, "changes", &changes);
    }
    if report.removals_pending > 0 {
        let pending = format!(
            "{} removals wait: more went than the gate lets go at once, the file came from another \
             address of the source, or they may be among rows that are not understood (`lists \
             quarantine`)",
            report.removals_pending
        );
        line(&mut text, 2, "pending", &style.paint(Colour::Doubtful, &pending));
    }
    let holds = format!(
        "{} listings of {} parties, {} quarantined, {} duplicates folded",
        counts.listings, counts.parties, counts.quarantined, counts.duplicates
    );
    line(&mut text, 2, "holds", &holds);
    let by_ticker = counts.by_ticker.iter();
    let by_ticker: Vec<_> =
        by_ticker.map(|ticker| format!("{} {}", or_dash(&ticker.ticker), ticker.rows)).collect();
    if !by_ticker.is_empty() {
        line(&mut text, 2, "by ticker", &by_ticker.join(", "));
    }
    if let Some(read) = &report.file {
        text.push_str(&file::describe_file(read, style));
    }
    line(&mut text, 2, "published", &escape(words::day(&list.published_on)));
    line(&mut text, 2, "age", &age(&list, style));
    line(&mut text, 2, "digest", &or_dash(&list.digest));
    if !list.origin_name.is_empty() {
        line(&mut text, 2, "from", &escape(&list.origin_name));
    }
    if !list.force_reason.is_empty() {
        line(&mut text, 2, "forced", &escape(&list.force_reason));
    }
    text
}

/// What a backfill did, or would do.
pub fn backfilled(response: &v1::BackfillListResponse, is_trial: bool, style: Style) -> String {
    let list = response.list.clone().unwrap_or_default();
    let id = or_dash(&list.list_id);
    let version = words::version(list.number_on_list, list.version);
    let mut text = match (response.published, is_trial) {
        (false, _) => format!("{id}: every file was known already, version {version} stays\n"),
        (true, true) => format!("{id}: nothing was changed; the files would change its past\n"),
        (true, false) => format!("{id}: version {version} published; what is listed stays\n"),
    };
    let mut table = Table::new([
        ("published", Side::Left),
        ("rows", Side::Right),
        ("file", Side::Left),
        ("", Side::Left),
    ]);
    for file in &response.files {
        let lacks = words::count(file.missing_rows as usize, "row", "rows");
        let remark = match (file.already_known, file.missing_rows) {
            (true, _) => "known already".to_owned(),
            (false, 0) => String::new(),
            (false, _) => format!("lacks {lacks} of {} that are listed next", file.next_rows),
        };
        table.push([
            or_dash(&file.published_on),
            file.rows.to_string(),
            or_dash(&file.file_name),
            remark,
        ]);
    }
    text.push_str(&table.to_string());
    if response.published {
        let found = format!("{} rows that were listed once and no longer are", response.rows_found);
        line(&mut text, 2, "found", &found);
        let redated = format!("{} rows were listed at other times", response.rows_redated);
        line(&mut text, 2, "dated", &redated);
    }
    if !is_trial && response.published {
        let first = escape(words::day(&list.first_published_on)).into_owned();
        line(&mut text, 2, "known from", &first);
        line(&mut text, 2, "age", &age(&list, style));
    }
    text
}
