//! A valid policy in a few lines.

use super::words::{count, line};
use crate::cli::text::escape;
use crate::screening::policy::{Bands, Decision, Policy};

/// What `policy check` says of a file that is valid.
pub fn text(file: &str, policy: &Policy) -> String {
    let mut text = format!("{}: valid\n", escape(file));
    line(&mut text, 2, "version", policy.version());
    line(&mut text, 2, "digest", &policy.digest_hex());
    let Bands([low, medium, high, severe]) = policy.bands();
    let bands =
        format!("LOW from {low}, MEDIUM from {medium}, HIGH from {high}, SEVERE from {severe}");
    line(&mut text, 2, "bands", &bands);
    let rules = policy.rules();
    let of = |decision: Decision| {
        let number = rules.iter().filter(|rule| rule.decision() == decision).count();
        format!("{number} {}", decision.as_str())
    };
    let by = Decision::ALL.map(of).join(", ");
    line(&mut text, 2, "rules", &format!("{} ({by})", count(rules.len(), "rule", "rules")));
    line(&mut text, 2, "requires", &required(policy));
    text
}

fn required(policy: &Policy) -> String {
    let asked = policy.requirements();
    let lists = asked.lists.iter().map(|list| format!("list {list}"));
    let hops = asked.max_hops.map(|hops| count(hops.into(), "hop", "hops"));
    let ages = asked.list_max_age.iter().map(|(kind, age)| format!("{kind} lists within {age:#}"));
    let transfers = asked.transfers_max_age.map(|age| format!("transfers within {age:#}"));
    let all: Vec<_> = lists.chain(hops).chain(ages).chain(transfers).collect();
    match all.as_slice() {
        [] => "what the configuration requires".to_owned(),
        all => format!("{}, beside what the configuration requires", all.join(", ")),
    }
}
