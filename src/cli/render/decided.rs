//! What decided, and what a score was made of.

use super::words::{self, line};
use crate::cli::text::{Style, escape};
use crate::grpc::v1;

/// The lines of a finding: its score's factors, and what decides on it alone.
pub fn finding(text: &mut String, finding: &v1::Finding) {
    if !finding.reason.is_empty() {
        line(text, 4, "reason", &escape(&finding.reason));
    }
    if let Some(factors) = &finding.factors {
        line(text, 4, "made of", &made_of(finding, factors));
    }
    if !finding.rule_id.is_empty() {
        let decision = words::decision(finding.decision());
        line(text, 4, "rule", &format!("{}: {decision}", escape(&finding.rule_id)));
    }
}

/// The lines of a screening: what decided, and what the shadow would say.
pub fn screening(text: &mut String, answer: &v1::Screening, style: Style) {
    if let Some(rule) = &answer.rule {
        decided(text, "decided by", rule);
    }
    if let Some(shadow) = &answer.shadow {
        let decision =
            style.paint(words::colour(shadow.decision()), words::decision(shadow.decision()));
        let status = match shadow.status() {
            v1::ScreeningStatus::Complete => "",
            v1::ScreeningStatus::Unspecified | v1::ScreeningStatus::Incomplete => ", INCOMPLETE",
        };
        let says = format!(
            "{decision}  score {} ({}){status}, by {}, which is not acted upon",
            shadow.score,
            words::level(shadow.level()),
            words::or_dash(&shadow.policy_version)
        );
        line(text, 2, "shadow", &says);
        if let Some(rule) = &shadow.rule {
            decided(text, "its rule", rule);
        }
    }
}

fn decided(text: &mut String, name: &str, rule: &v1::DecidingRule) {
    line(text, 2, name, &words::deciding(rule));
    if !rule.observed.is_empty() {
        line(text, 2, "observed", &escape(&rule.observed));
    }
}

/// `60 = base 60 (1 hop) x ADVISORY 75 % x share 110 %`: factors of 100 % are left out.
fn made_of(finding: &v1::Finding, factors: &v1::ScoreFactors) -> String {
    let hops = finding.exposure.as_ref().map_or_else(String::new, |exposure| {
        format!(" ({})", words::count(exposure.hops as usize, "hop", "hops"))
    });
    let mut said = format!("{} = base {}{hops}", finding.score, factors.base);
    let list = finding.listing.as_ref().map(v1::Listing::list_kind);
    let list = finding.exposure.as_ref().map(v1::Exposure::list_kind).or(list);
    let named = [
        (words::kind(list.unwrap_or_default()), factors.list_kind_percent),
        ("category", factors.category_percent),
        ("share", factors.share_percent),
        ("value", factors.value_percent),
        ("hub", factors.hub_percent),
    ];
    let mut product = u128::from(factors.base);
    for (name, percent) in named {
        product = product.saturating_mul(percent.into());
        if percent != 100 {
            said.push_str(&format!(" x {name} {percent} %"));
        }
    }
    // Five factors in per cent, and at most 100.
    if product > 100 * 100_u128.pow(5) {
        said.push_str(", at most 100");
    }
    said
}
