//! Why, in a sentence: the reason of a finding and of a decision, made from their facts. Every surface
//! shows these sentences; none makes its own.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::answer::{Decider, Screening};
use super::finding_kind::{FindingKind, ListingState};
use super::matching::Finding;
use super::phrases::{name_of, short, target};
use super::policy::{Decision, percent};
use crate::domain::address::{Address, Normalization};
use crate::domain::digits::at_most_dollars;
use crate::domain::list::{ListKind, StartBasis};
use crate::exposure::{Direction, Nearness, Timing};

/// The most clusters that are cut of which a reason tells.
const MAX_CUTS: usize = 2;

/// The most addresses of a text that a sentence names beside the first.
const MAX_OTHERS: usize = 4;

impl Finding<'_> {
    /// Returns the reason as a sentence: who, which list, since when, how far, how much, which way.
    pub fn reason(&self) -> String {
        let clause = self.clause();
        let mut letters = clause.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).chain(['.']).collect()
    }

    /// The same without a capital and a full stop.
    fn clause(&self) -> String {
        let mut clause = match self.kind {
            FindingKind::Listed => self.listed("this address"),
            FindingKind::SameKey => {
                let address = short(&self.row.key.address);
                self.listed(&format!(
                    "the same key or script stands behind this address and {address}, which"
                ))
            }
            FindingKind::ListedVerbatim if self.listing.is_some() => self.likely(),
            FindingKind::ListedVerbatim => format!(
                "{} {} exactly this text{}, which is not understood as an address",
                self.list.name(),
                if self.state == ListingState::Removed { "once named" } else { "names" },
                self.party_name().map_or_else(String::new, |name| format!(" under {name}"))
            ),
            FindingKind::CoSpent => self.co_spent(),
            FindingKind::ReceivedFrom | FindingKind::SentTo | FindingKind::HubExposure => {
                match &self.exposure {
                    Some(near) => self.exposed(near),
                    // No exposure comes without how near it is.
                    None => format!("this address is tied to {}", self.target()),
                }
            }
        };
        let is_tied = self.exposure.is_some() || self.joined.is_some();
        match self.state {
            ListingState::RemovalPending => {
                clause.push_str("; the list has dropped it, and that is not confirmed yet");
            }
            ListingState::Removed if is_tied => {
                clause.push_str("; that address is no longer on the list");
            }
            ListingState::Removed | ListingState::Standing => {}
        }
        clause
    }

    fn party_name(&self) -> Option<String> {
        name_of(self.party)
    }

    /// `... is LAZARUS GROUP's, on the list OFAC Specially Designated Nationals since 2022-04-14`.
    fn listed(&self, subject: &str) -> String {
        let list = self.list.name();
        let name = self.party_name();
        let whose = match self.list.kind() {
            ListKind::Attribution | ListKind::Service => {
                let category = short(&self.row.facts.category);
                match (name, category.as_str()) {
                    (Some(name), "") => format!("is attributed to {name}"),
                    (Some(name), category) => format!("is attributed to {name} ({category})"),
                    (None, "") => "is tagged".to_owned(),
                    (None, category) => format!("is tagged as {category}"),
                }
            }
            ListKind::Sanctions
            | ListKind::Advisory
            | ListKind::Seizure
            | ListKind::IssuerFreeze => {
                name.map_or_else(|| "is listed".to_owned(), |name| format!("is {name}'s"))
            }
        };
        if self.state == ListingState::Removed {
            let was = whose.replacen("is", "was", 1);
            let until = self.standing.and_then(|standing| standing.until);
            let until = until.map_or_else(String::new, |day| format!(" until {day}"));
            return format!("{subject} {was}, on the list {list}{until}, and is no longer there");
        }
        format!("{subject} {whose}, on the list {list}{}", self.since())
    }

    /// A row that likely means the address, or a question that likely means the listed one.
    fn likely(&self) -> String {
        let suspect = self.listing.and_then(|listing| self.list.index().quarantined(listing));
        let Some(quarantined) = suspect else {
            let address = short(&self.row.key.address);
            return self.listed(&format!("the text likely means {address}, which"));
        };
        format!(
            "{} {} a text{} that likely means this address and is not understood: {}",
            self.list.name(),
            if self.state == ListingState::Removed { "once named" } else { "names" },
            self.party_name().map_or_else(String::new, |name| format!(" under {name}")),
            quarantined.reason()
        )
    }

    /// Since when it is listed, and how surely.
    fn since(&self) -> String {
        let Some(standing) = self.standing else { return String::new() };
        let Some(from) = self.list.state().listed_from(standing) else { return String::new() };
        match standing.basis {
            StartBasis::AddressDate => format!(" since {}", day(from)),
            StartBasis::FirstSeen | StartBasis::PartyDate | StartBasis::Unknown => {
                format!(" since at the latest {}", day(from))
            }
        }
    }

    /// What stands at the other end of a path.
    fn target(&self) -> String {
        target(self.list, self.row, self.party)
    }

    /// `... is joined with LAZARUS GROUP's listed address 1abc (OFAC ...) by common input (an estimate)`
    fn co_spent(&self) -> String {
        let listed = format!("listed address {}", short(&self.row.key.address));
        let listed = match self.party_name() {
            Some(name) => format!("{name}'s {listed}"),
            None => format!("the {listed}"),
        };
        let is_beside = self.joined.is_some_and(|joined| joined.is_beside);
        let how = if is_beside {
            // Of several listed ones of the kind the first is named, beside whichever it stood.
            ": it and a listed address are inputs of one transaction"
        } else {
            ", over a chain of transactions"
        };
        let list = self.list.name();
        format!("this address is joined with {listed} ({list}) by common input (an estimate){how}")
    }

    fn exposed(&self, near: &Nearness) -> String {
        let mut target = self.target();
        if near.common_input {
            target =
                format!("an address that is joined by common input (an estimate) with {target}");
        }
        let hops = near.hops;
        let mut clause = match (near.hub, near.direction, hops) {
            (true, direction, _) => {
                let way = match direction {
                    Direction::ReceivedFrom => "received funds from",
                    Direction::SentTo => "sent funds to",
                };
                let hops = hops.saturating_sub(1);
                let transfers = if hops == 1 { "transfer" } else { "transfers" };
                format!(
                    "this address {way} a busy address that nobody has tagged, which is {hops} \
                     {transfers} from {target}"
                )
            }
            (_, Direction::ReceivedFrom, 1) => {
                format!("this address received funds from {target}")
            }
            (_, Direction::SentTo, 1) => format!("this address sent funds to {target}"),
            (_, Direction::ReceivedFrom, hops) => {
                format!("funds of {target} reached this address over {hops} transfers")
            }
            (_, Direction::SentTo, hops) => {
                format!("funds of this address reached {target} over {hops} transfers")
            }
        };
        clause.push_str(match near.timing {
            Timing::After => ", after ",
            Timing::Unknown => ", perhaps after ",
            Timing::Before => ", before ",
        });
        clause.push_str(if near.common_input { "that was listed" } else { "it was listed" });
        self.amounts(near, &mut clause);
        clause
    }

    /// How much was dealt directly, where that is known.
    fn amounts(&self, near: &Nearness, clause: &mut String) {
        let Some(direct) = near.direct else { return };
        let (way, of) = match near.direction {
            Direction::ReceivedFrom => ("from", "received"),
            Direction::SentTo => ("to", "sent"),
        };
        let value = direct.value.map(at_most_dollars);
        let share = direct.share.filter(|share| *share > 0);
        let share = share.map(|share| format!("up to {} % of one asset", percent(share)));
        let said: Vec<_> = value.into_iter().chain(share).collect();
        if !said.is_empty() {
            // Writing to a string does not fail.
            let said = said.join(", ");
            let joined = if near.common_input { " and those joined with them" } else { "" };
            let _ = write!(clause, "; {way} all addresses on such lists{joined} it {of} {said}");
        }
    }
}

impl Screening<'_> {
    /// Returns the reason of the decision as a sentence, with the rule that took it. `first` is the
    /// first reason why the screening is incomplete, in words.
    pub fn reason(&self, first: Option<&str>) -> String {
        let mut reason = self.decision_reason(first);
        self.add_cluster_cuts(&mut reason);
        if let Some(address) = self.address.as_ref()
            && (!self.normalizations.is_empty() || !self.other_addresses.is_empty())
        {
            reason.push_str(&self.read_as(address));
        }
        reason
    }

    /// Adds that clusters are cut, a sentence each.
    fn add_cluster_cuts(&self, reason: &mut String) {
        for cut in self.cluster_cuts.iter().take(MAX_CUTS) {
            let of = self.address_at(cut.about).filter(|_| !self.other_addresses.is_empty());
            let cluster = of.map_or_else(
                || "Its cluster".to_owned(),
                |address| format!("The cluster of {}", short(address.canonical())),
            );
            reason.push(' ');
            reason.push_str(&cut.reason_of(&cluster));
        }
        let more = self.cluster_cuts.len().saturating_sub(MAX_CUTS);
        if more > 0 {
            // Writing to a string does not fail.
            let _ = write!(reason, " And {more} more clusters that are cut.");
        }
    }

    /// ` Read as ...`: what the text was understood to hold, and what was taken off.
    fn read_as(&self, first: &Address<'_>) -> String {
        let normalizations: Vec<String> =
            self.normalizations.iter().map(Normalization::to_string).collect();
        let normalizations = if normalizations.is_empty() {
            String::new()
        } else {
            format!(" ({})", normalizations.join("; "))
        };
        let others = self.other_addresses.len();
        if others == 0 {
            return format!(" Read as {}{normalizations}.", short(first.canonical()));
        }
        let shown = [first].into_iter().chain(self.other_addresses.iter().take(MAX_OTHERS));
        let shown: Vec<_> = shown.map(|address| short(address.canonical())).collect();
        let more = match others.saturating_sub(MAX_OTHERS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let about = match self.deciding_finding() {
            Some(finding) => self.address_of(finding).map_or_else(String::new, |address| {
                format!("; the worst is {}", short(address.canonical()))
            }),
            None => String::new(),
        };
        format!(
            " Read as {} addresses{normalizations}: {}{more}{about}.",
            others + 1,
            shown.join(", ")
        )
    }

    fn decision_reason(&self, first: Option<&str>) -> String {
        let decided = participle(self.decision);
        match self.decider {
            Decider::NoFinding if self.covered => {
                let within = within(self.exposure_hops.into());
                let valued = valued(!self.unvalued.is_empty());
                format!(
                    "Allowed: not listed, and not tied to a listed address{within} by the loaded \
                     transfers{valued}."
                )
            }
            Decider::NoFinding => {
                "Allowed: not listed. Ties are unknown: its transfers are not loaded without gaps."
                    .to_owned()
            }
            Decider::Finding(place) => match self.findings.get(place) {
                Some(finding) => {
                    let (rule, _) = self.rule();
                    let mut reason = format!("{decided}: {} (rule {rule}).", finding.clause());
                    if let Some(first) = first {
                        // Writing to a string does not fail.
                        let _ = write!(reason, " The answer is incomplete as well: {first}.");
                    }
                    reason
                }
                None => format!("{decided}."),
            },
            Decider::Incomplete => {
                let found = if self.findings.is_empty() {
                    "nothing was found"
                } else {
                    "what was found would be allowed"
                };
                let first = first.unwrap_or("for a reason that is not known");
                let more = match self.scope_incomplete.len() + self.address_incomplete.len() {
                    0 | 1 => "",
                    2 => ", and one more reason",
                    _ => ", and more reasons",
                };
                // Every answer has it while a required list is stale.
                [decided, ": ", found, ", but the answer is incomplete: ", first, more, "."]
                    .concat()
            }
        }
    }
}

/// What a payment's decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct PaymentFacts<'a> {
    /// The payment's: the worst one of its addresses.
    pub decision: Decision,
    /// How many addresses it has.
    pub addresses: usize,
    /// Whether anything was found on any address, an address that was refused among it.
    pub is_found: bool,
    /// Whether the transfers of every address are loaded without gaps.
    pub is_covered: bool,
    /// Whether any address dealt with listed ones in assets without a known value.
    pub has_unvalued: bool,
    /// Whether the cluster of any address holds a listed one, and is cut.
    pub has_cluster_cut: bool,
    /// Over how many hops exposure was looked for of every address; 0 where it was not.
    pub exposure_hops: u32,
    /// The address that decides, as asked.
    pub worst: &'a str,
    /// Whether it is on the side that pays.
    pub is_source: bool,
    /// The reason of its own decision; of one that was refused what is wrong with it.
    pub reason: Result<&'a str, &'a str>,
}

impl PaymentFacts<'_> {
    /// Returns the reason of a payment's decision as a sentence: the address that decides, and why.
    pub fn reason(&self) -> String {
        let decided = participle(self.decision);
        if self.decision == Decision::Allow && !self.is_found {
            let subject = match self.addresses {
                1 => "its address is not listed".to_owned(),
                2 => "neither of its addresses is listed".to_owned(),
                count => format!("none of its {count} addresses is listed"),
            };
            let ties = if self.is_covered {
                let (within, valued) = (within(self.exposure_hops), valued(self.has_unvalued));
                format!(", or tied to a listed address{within} by the loaded transfers{valued}.")
            } else {
                ". Ties are unknown: not all of their transfers are loaded without gaps.".to_owned()
            };
            let cut = if self.has_cluster_cut {
                " A cluster by common input (an estimate) holds a listed address, but is larger than the \
                 limit; not scored."
            } else {
                ""
            };
            return [decided, ": ", &subject, &ties, cut].concat();
        }
        let side = if self.is_source { "source" } else { "destination" };
        let worst = short(self.worst);
        match self.reason {
            Ok(reason) => {
                // Its own decision is the payment's and is said already.
                let own = reason.strip_prefix(decided).and_then(|rest| rest.strip_prefix(": "));
                let own = own.unwrap_or(reason);
                format!("{decided}, because of the {side} {worst}: {own}")
            }
            Err(wrong) => {
                format!("{decided}: the {side} {worst:?} was not screened: {}.", short(wrong))
            }
        }
    }
}

/// ` within 8 hops`: how far ties were looked for.
fn within(hops: u32) -> String {
    match hops {
        0 => String::new(),
        1 => " within 1 hop".to_owned(),
        hops => format!(" within {hops} hops"),
    }
}

/// ` of assets with a known value`: where there were others.
fn valued(has_unvalued: bool) -> &'static str {
    if has_unvalued { " of assets with a known value" } else { "" }
}

/// How a decision begins its reason.
fn participle(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "Allowed",
        Decision::Review => "For review",
        Decision::Block => "Blocked",
    }
}

fn day(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::tests::{list, now, row, snapshot, stood, terms};
    use super::super::{Scope, ScopeFilter};
    use super::*;
    use crate::exposure::Direct;

    const RONIN: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";
    const CLEAN: &str = "0x00000000219ab540356cbb839cbe05303d7705fa";

    /// Runs a test on the screening of an address, on a list of kind with these rows.
    fn screened(
        kind: ListKind,
        rows: Vec<super::super::tests::TestRow>,
        required: bool,
        address: &str,
        test: impl FnOnce(&Screening<'_>),
    ) {
        let name = if required { "missing" } else { "us-ofac-sdn" };
        let states = [list("us-ofac-sdn", kind, date(2025, 11, 19), rows)];
        let snapshot = snapshot(&states, &[terms(name, required)]);
        let narrowing = ScopeFilter { lists: Vec::new(), as_of: None, max_hops: None };
        let scope = Scope::new(&snapshot, &narrowing, now()).unwrap();
        test(&scope.screen(address, None, None).unwrap());
    }

    #[test]
    fn a_decision_says_who_and_since_when() {
        let check = |rows, address: &str, want: &str| {
            screened(ListKind::Sanctions, rows, false, address, |screening| {
                assert_eq!(screening.reason(None), want);
            });
        };
        check(
            vec![row(RONIN, "ETH")],
            RONIN,
            "Blocked: this address is A party's, on the list us-ofac-sdn since at the latest \
             2025-11-19 (rule sanctions-listing).",
        );
        check(
            vec![stood(RONIN, Some(date(2022, 4, 14)), Some(date(2025, 3, 21)))],
            RONIN,
            "Allowed: this address was A party's, on the list us-ofac-sdn until 2025-03-21, and is \
             no longer there (rule removed).",
        );
        check(
            Vec::new(),
            CLEAN,
            "Allowed: not listed. Ties are unknown: its transfers are not loaded without gaps.",
        );
    }

    #[test]
    fn what_is_incomplete_says_why() {
        screened(ListKind::Sanctions, Vec::new(), true, CLEAN, |screening| {
            let first = screening.scope_incomplete[0].to_string();
            assert_eq!(
                screening.reason(Some(&first)),
                "For review: nothing was found, but the answer is incomplete: required list missing \
                 is not loaded."
            );
        });
    }

    #[test]
    fn an_exposure_says_how_far_how_much_and_which_way() {
        screened(ListKind::Sanctions, vec![row(RONIN, "ETH")], false, RONIN, |screening| {
            let listed = &screening.findings[0];
            let check = |direction, hops, timing, direct, hub, want: &str| {
                let kind = match (hub, direction) {
                    (true, _) => FindingKind::HubExposure,
                    (false, Direction::ReceivedFrom) => FindingKind::ReceivedFrom,
                    (false, Direction::SentTo) => FindingKind::SentTo,
                };
                let near = Nearness {
                    source: (),
                    direction,
                    kind: ListKind::Sanctions,
                    hops,
                    timing,
                    direct,
                    hub,
                    common_input: false,
                };
                let found = Finding { kind, exposure: Some(near), ..listed.clone() };
                assert_eq!(found.reason(), want);
            };
            let direct = |share, value| Some(Direct { share, value });
            let target = "an address of A party (us-ofac-sdn)";
            check(
                Direction::ReceivedFrom,
                1,
                Timing::After,
                direct(Some(3_410), Some(12_288)),
                false,
                &format!(
                    "This address received funds from {target}, after it was listed; from all \
                     addresses on such lists it received at most about US$ 12,288, up to 34.1 % of \
                     one asset."
                ),
            );
            check(
                Direction::SentTo,
                1,
                Timing::Unknown,
                direct(None, None),
                false,
                &format!("This address sent funds to {target}, perhaps after it was listed."),
            );
            check(
                Direction::SentTo,
                3,
                Timing::Before,
                None,
                false,
                &format!(
                    "Funds of this address reached {target} over 3 transfers, before it was listed."
                ),
            );
            check(
                Direction::ReceivedFrom,
                2,
                Timing::After,
                None,
                true,
                &format!(
                    "This address received funds from a busy address that nobody has tagged, which \
                     is 1 transfer from {target}, after it was listed."
                ),
            );
        });
    }

    #[test]
    fn a_payment_says_which_address_decides() {
        let facts = PaymentFacts {
            decision: Decision::Block,
            addresses: 2,
            is_found: true,
            is_covered: false,
            has_unvalued: false,
            has_cluster_cut: false,
            exposure_hops: 8,
            worst: RONIN,
            is_source: true,
            reason: Ok("Blocked: this address is A party's, on the list x (rule y)."),
        };
        assert_eq!(
            facts.reason(),
            format!(
                "Blocked, because of the source {RONIN}: this address is A party's, on the list x \
                 (rule y)."
            )
        );
        let refused = PaymentFacts {
            decision: Decision::Review,
            worst: "",
            is_source: false,
            reason: Err("the address is empty"),
            ..facts
        };
        assert_eq!(
            refused.reason(),
            "For review: the destination \"\" was not screened: the address is empty."
        );
        let clean = PaymentFacts { decision: Decision::Allow, is_found: false, ..facts };
        let neither = "Allowed: neither of its addresses is listed";
        assert_eq!(
            clean.reason(),
            format!(
                "{neither}. Ties are unknown: not all of their transfers are loaded without gaps."
            )
        );
        let covered = PaymentFacts { is_covered: true, ..clean };
        assert_eq!(
            covered.reason(),
            format!(
                "{neither}, or tied to a listed address within 8 hops by the loaded transfers."
            )
        );
        let forged = PaymentFacts { has_unvalued: true, ..covered };
        assert_eq!(
            forged.reason(),
            format!(
                "{neither}, or tied to a listed address within 8 hops by the loaded transfers of \
                 assets with a known value."
            )
        );
        let one = PaymentFacts { exposure_hops: 1, ..covered };
        assert!(one.reason().contains(" within 1 hop by "), "{}", one.reason());
    }
}
