//! What differs between two policies, and whose decision changes.

use super::words::{self, count, line, or_dash};
use crate::cli::batch::text::input_read;
use crate::cli::policy::differences::{Compared, Differences, Item};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape};
use crate::domain::digits::grouped;
use crate::grpc::client::plain;
use crate::grpc::v1;

/// The decisions of the matrix, in its order.
const DECISIONS: [v1::Decision; 3] =
    [v1::Decision::Allow, v1::Decision::Review, v1::Decision::Block];

/// The differences: settings, rules, then the sample.
pub fn text(found: &Differences, style: Style) -> String {
    let versions =
        [&found.baseline_version, &found.candidate_version].map(|version| or_dash(version));
    let mut text = format!("Policy {} -> {}\n", versions[0], versions[1]);
    // The name is in the heading.
    let settings: Vec<_> = found.settings.iter().filter(|setting| setting.key != "name").collect();
    if settings.is_empty() && found.rules.is_empty() {
        text.push_str("  no setting and no rule differs\n");
    }
    let value = |value: &Option<String>| or_dash(value.as_deref().unwrap_or_default());
    for setting in settings {
        let (old, new) = (value(&setting.old), value(&setting.new));
        text.push_str(&format!("  {}: {old} -> {new}\n", escape(&setting.key)));
    }
    for rule in &found.rules {
        text.push_str(&format!("  rule {} {}\n", escape(&rule.id), rule.change));
        for (name, side) in [("old", &rule.old), ("new", &rule.new)] {
            if let Some(side) = side {
                line(&mut text, 4, name, &escape(side));
            }
        }
    }
    if let Some(sample) = &found.sample {
        text.push('\n');
        for found in &sample.items {
            item(&mut text, found, style);
            text.push('\n');
        }
        summary(&mut text, sample);
    }
    text
}

fn item(text: &mut String, item: &Item, style: Style) {
    let chain =
        if item.chain.is_empty() { String::new() } else { format!(" on {}", escape(&item.chain)) };
    let asked = format!("{}{chain} (row {})", words::asked(&item.address), item.row);
    let (Some(old), Some(new), None) =
        (&item.comparison.baseline, &item.comparison.candidate, &item.comparison.error)
    else {
        let why = item
            .comparison
            .error
            .as_ref()
            .map_or_else(|| "no answer".to_owned(), |error| plain(&error.message));
        text.push_str(&format!("{}  {asked}\n", style.paint(Colour::Bad, "REFUSED")));
        line(text, 2, "because", &escape(&why));
        return;
    };
    let decision = |outcome: &v1::PolicyOutcome| {
        let decision = outcome.decision();
        style.paint(words::colour(decision), words::decision(decision))
    };
    let decided = if old.decision == new.decision {
        format!("{} stays", decision(new))
    } else {
        format!("{} -> {}", decision(old), decision(new))
    };
    let score = if old.score == new.score {
        format!("score {} ({})", new.score, words::level(new.level()))
    } else {
        let [old, new] = [old, new]
            .map(|outcome| format!("{} ({})", outcome.score, words::level(outcome.level())));
        format!("score {old} -> {new}")
    };
    text.push_str(&format!("{decided}  {score}  {asked}\n"));
    for (name, outcome) in [("old", old), ("new", new)] {
        side(text, name, outcome);
    }
    if let Some(finding) = new.finding.as_ref().or(old.finding.as_ref()) {
        line(text, 2, "nearest", &nearest(finding));
    }
}

/// By which rule, and why it is INCOMPLETE where it is.
fn side(text: &mut String, name: &str, outcome: &v1::PolicyOutcome) {
    let rule = outcome.rule.clone().unwrap_or_default();
    line(text, 2, name, &words::deciding(&rule));
    if !rule.observed.is_empty() {
        line(text, 4, "observed", &escape(&rule.observed));
    }
    for reason in &outcome.incomplete_reasons {
        line(text, 4, "incomplete", &words::reason(reason));
    }
}

/// The listing, and how it is tied to the address.
fn nearest(finding: &v1::Finding) -> String {
    let listing = finding.listing.clone().unwrap_or_default();
    let party = listing.party.as_ref().map_or("", |party| &party.name);
    let kind = words::short(finding.kind().as_str_name(), "FINDING_KIND_");
    let hops = finding.exposure.as_ref().map_or_else(String::new, |exposure| {
        format!(" over {}", count(exposure.hops as usize, "hop", "hops"))
    });
    format!(
        "{kind}{hops}, {}, {} of {} ({})",
        or_dash(party),
        or_dash(&listing.address),
        or_dash(&listing.list_id),
        words::kind(listing.list_kind())
    )
}

fn summary(text: &mut String, sample: &Compared) {
    let mut table = Table::new([
        ("old \\ new", Side::Left),
        ("ALLOW", Side::Right),
        ("REVIEW", Side::Right),
        ("BLOCK", Side::Right),
    ]);
    let found = |old, new| {
        let moved = sample.matrix.iter().find(|moved| (moved.old, moved.new) == (old, new));
        grouped(moved.map_or(0, |moved| moved.count))
    };
    for old in DECISIONS {
        let [allow, review, block] = DECISIONS.map(|new| found(old, new));
        table.push([words::decision(old).to_owned(), allow, review, block]);
    }
    text.push_str(&table.to_string());
    let number = |number: u64, one: &str, many: &str| {
        format!("{} {}", grouped(number), if number == 1 { one } else { many })
    };
    text.push_str(&format!(
        "{} screened by both, {} refused; {}, {}\n",
        number(sample.screened, "address", "addresses"),
        number(sample.refused, "row", "rows"),
        number(sample.decisions_changed, "decision changes", "decisions change"),
        number(sample.scores_changed, "score changes", "scores change"),
    ));
    text.push_str(&format!("read {}\n", input_read(&sample.read)));
    if !sample.snapshot_ids.is_empty() {
        text.push_str(&format!("on snapshot {}\n", words::joined(&sample.snapshot_ids, ", then ")));
    }
}
