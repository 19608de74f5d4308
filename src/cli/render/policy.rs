//! A policy in plain words, and how it stands.

use super::words::{self, count, line, or_dash};
use crate::cli::policy::explanation::{Explanation, Requirements, RuleWords, Step};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape};
use crate::domain::digits::grouped;
use crate::exposure::MAX_HOPS;
use crate::grpc::v1;

/// A policy, and how it stands where it is in force.
pub fn text(policy: &Explanation, stands: Option<&v1::GetPolicyResponse>, style: Style) -> String {
    let mut text = format!("Policy {}\n", or_dash(&policy.version));
    line(&mut text, 2, "digest", &or_dash(&policy.digest));
    if let Some(stands) = stands {
        standing(&mut text, stands, style);
    }
    let band = |band: &crate::cli::policy::explanation::Band| {
        if band.from == band.to {
            format!("{} {}", band.level, band.from)
        } else {
            format!("{} {} to {}", band.level, band.from, band.to)
        }
    };
    let bands: Vec<_> = policy.bands.iter().map(band).collect();
    line(&mut text, 2, "bands", &bands.join(", "));
    text.push_str(
        "\nScores of a listing of the address itself, or joined with it by common input\n",
    );
    text.push_str(&listings(policy));
    text.push_str("\nScores of exposure, by the fewest hops\n");
    text.push_str(&exposure(policy));
    let hub = format!("{} % of these, where an untagged hub lies between", policy.hub_percent);
    line(&mut text, 2, "HUB_EXPOSURE", &hub);
    line(&mut text, 2, "services", "are not scored, and paths end there");
    categories(&mut text, policy);
    steps(&mut text, "share", &policy.share_steps, |at_least| format!("{at_least} % of the funds"));
    steps(&mut text, "value", &policy.value_steps, |at_least| {
        format!("{} dust floors (about dollars)", grouped(at_least as u64))
    });
    text.push_str("\nRequired, beside the configuration\n");
    requirements(&mut text, &policy.requirements);
    text.push_str(
        "\nRules: the first that fits a finding decides on it, and the worst finding decides\n",
    );
    for (place, rule) in policy.rules.iter().enumerate() {
        said(&mut text, &format!("{}. ", place + 1), rule, style);
    }
    text.push_str("\nWhat no rule lifts, and what holds where none fits\n");
    for floor in &policy.floors {
        said(&mut text, "", floor, style);
    }
    text
}

/// What is in force after the files were read again.
pub fn reloaded(response: &v1::ReloadPolicyResponse) -> String {
    let mut text = if response.changed {
        "The policies were read anew.\n".to_owned()
    } else {
        "The policies are as they were.\n".to_owned()
    };
    for (name, policy) in [("in force", &response.policy), ("shadow", &response.shadow)] {
        if let Some(policy) = policy {
            let version = or_dash(&policy.version);
            line(&mut text, 2, name, &format!("{version}, {}", since(policy)));
        }
    }
    text
}

fn since(policy: &v1::Policy) -> String {
    let since = words::moment(policy.in_force_since.as_ref());
    match policy.path.as_str() {
        "" => format!("since {since}, built in"),
        path => format!("since {since}, from {}", escape(path)),
    }
}

fn standing(text: &mut String, stands: &v1::GetPolicyResponse, style: Style) {
    if let Some(policy) = &stands.policy {
        line(text, 2, "in force", &since(policy));
    }
    if let Some(shadow) = &stands.shadow {
        let version = or_dash(&shadow.version);
        line(text, 2, "shadow", &format!("{version}, {}", since(shadow)));
    }
    for found in &stands.shadow_counts {
        let [live, shadow] = [found.in_force(), found.shadow()].map(words::decision);
        let times = count(found.count as usize, "time", "times");
        line(text, 2, "", &format!("{live} where the shadow says {shadow}: {times}"));
    }
    for problem in &stands.reload_problems {
        let warning = style.paint(Colour::Bad, "NOT RELOADED");
        line(text, 2, "problem", &format!("{warning}: {}", escape(problem)));
    }
}

fn listings(policy: &Explanation) -> String {
    let mut table = Table::new([
        ("  list kind", Side::Left),
        ("LISTED, SAME_KEY", Side::Right),
        ("LISTED_VERBATIM", Side::Right),
        ("CO_SPENT", Side::Right),
    ]);
    for row in &policy.listings {
        let [listed, verbatim, co_spent] =
            [row.listed, row.listed_verbatim, row.co_spent].map(|score| score.to_string());
        table.push([format!("  {}", row.list_kind), listed, verbatim, co_spent]);
    }
    table.to_string()
}

fn exposure(policy: &Explanation) -> String {
    /// The columns before those by hops.
    const LEFT: [&str; 2] = ["  list kind", "finding"];
    const COLUMNS: usize = LEFT.len() + MAX_HOPS as usize;
    let names: [String; COLUMNS] = std::array::from_fn(|at| match LEFT.get(at) {
        Some(name) => (*name).to_owned(),
        None => (at - LEFT.len() + 1).to_string(),
    });
    let side = |at: usize| if at < LEFT.len() { Side::Left } else { Side::Right };
    let mut table = Table::<COLUMNS>::new(std::array::from_fn(|at| (names[at].as_str(), side(at))));
    for row in &policy.exposure {
        let left = [format!("  {}", row.list_kind), row.finding.to_owned()];
        let mut cells = left.into_iter().chain(row.by_hops.iter().map(u8::to_string));
        table.push(std::array::from_fn(|_| cells.next().unwrap_or_default()));
    }
    table.to_string()
}

fn categories(text: &mut String, policy: &Explanation) {
    text.push_str("\nWeights of categories, on lists of kind ATTRIBUTION\n");
    let others = if policy.categories.is_empty() { "all" } else { "all others" };
    let named = policy.categories.iter().map(|named| (named.category.as_str(), named.percent));
    for (category, percent) in named.chain([(others, 100)]) {
        text.push_str(&format!("  {percent:>3} %  {}\n", escape(category)));
    }
}

fn steps(text: &mut String, name: &str, steps: &[Step], from: impl Fn(f64) -> String) {
    text.push_str(&format!("\nRaised by the {name} of direct dealings\n"));
    if steps.is_empty() {
        text.push_str("  not at all\n");
    }
    for step in steps {
        text.push_str(&format!("  to {} % from {}\n", step.score_percent, from(step.at_least)));
    }
}

fn requirements(text: &mut String, asked: &Requirements) {
    let before = text.len();
    if !asked.lists.is_empty() {
        line(text, 2, "lists", &words::joined(&asked.lists, ", "));
    }
    if let Some(hops) = asked.max_hops {
        line(text, 2, "hops", &format!("at least {hops}"));
    }
    for age in &asked.list_max_age {
        let stale = format!("lists of kind {} are stale after {}", age.list_kind, age.max_age);
        line(text, 2, "age", &stale);
    }
    if let Some(age) = &asked.transfers_max_age {
        line(text, 2, "age", &format!("transfers of required chains are stale after {age}"));
    }
    if text.len() == before {
        text.push_str("  nothing\n");
    }
}

fn said(text: &mut String, place: &str, rule: &RuleWords, style: Style) {
    let colour = match rule.decision {
        "ALLOW" => Colour::Good,
        "REVIEW" => Colour::Doubtful,
        _ => Colour::Bad,
    };
    let decision = style.paint(colour, rule.decision);
    text.push_str(&format!("  {place}{}: {decision}\n", escape(&rule.id)));
    line(text, 5, "if", &escape(&rule.threshold));
    if !rule.note.is_empty() {
        line(text, 5, "note", &escape(&rule.note));
    }
}
