//! Answers to screenings in short: the decision, the reason and the nearest path first, then what
//! must never be hidden. All the rest is of the full form ([`super::screening`]).

use std::collections::HashMap;

use pbjson_types::Timestamp;

use super::words::{self, or_dash, wrapped_line};
use super::{common_input, exposure, hubs, nearest, screening};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape, shown_width, wrapped};
use crate::grpc::client::plain;
use crate::grpc::v1;
use crate::screening::ReasonSubject;
use v1::screening_item::Outcome;

/// The most findings whose reasons stand beside the one that decided.
const ALSO: usize = 3;

/// The least room for what was found in a table, in characters.
const LEAST_FOUND: usize = 24;

/// The answers to `addresses`, in their order, then what they rest on; `as_of` is the past moment that
/// was asked for. Several begin with a table, and then only those follow that are not ALLOW, or have a
/// note.
pub fn text(
    addresses: &[String],
    response: &v1::BatchScreenAddressesResponse,
    as_of: Option<&Timestamp>,
    style: Style,
) -> String {
    let snapshot = response.snapshot.clone().unwrap_or_default();
    let mut text = String::new();
    let answers: Vec<_> = addresses.iter().map(String::as_str).zip(&response.items).collect();
    match &answers[..] {
        [(address, answer)] => {
            item(&mut text, address, answer, &snapshot, style);
            text.push('\n');
        }
        answers => {
            text.push_str(&table(answers, style));
            text.push('\n');
            several(&mut text, answers, &snapshot, style);
        }
    }
    rests_on(&mut text, &snapshot, &response.items, as_of, style);
    text
}

/// Adds the answers that are not ALLOW, and those with a note. Those with nothing found and the same reasons, as all while a
/// list is stale, are one entry.
fn several(
    text: &mut String,
    answers: &[(&str, &v1::ScreeningItem)],
    snapshot: &v1::Snapshot,
    style: Style,
) {
    let shown = answers.iter().filter(|(_, answer)| !is_allowed(answer) || has_note(answer));
    let mut alike: HashMap<String, Vec<&str>> = HashMap::new();
    for (address, answer) in shown.clone() {
        if let Some(key) = without_finding(answer) {
            alike.entry(key).or_default().push(address);
        }
    }
    for (address, answer) in shown {
        let others = match without_finding(answer) {
            Some(key) => match alike.remove(&key) {
                Some(addresses) => addresses,
                // Told with an earlier one.
                None => continue,
            },
            None => Vec::new(),
        };
        item(text, address, answer, snapshot, style);
        let others: Vec<_> = others.into_iter().skip(1).map(words::asked).collect();
        if !others.is_empty() {
            wrapped_line(text, 2, "the same for", &others.join(", "), style.width());
        }
        text.push('\n');
    }
}

/// The reasons of an answer without findings or notes; `None` where there are any, or no answer.
fn without_finding(item: &v1::ScreeningItem) -> Option<String> {
    let Some(Outcome::Screening(answer)) = &item.outcome else { return None };
    let reasons = answer.incomplete_reasons.iter().map(incomplete);
    let all: Vec<_> = std::iter::once(answer.reason.clone()).chain(reasons).collect();
    (answer.findings.is_empty() && !has_note(item)).then(|| all.join("\n"))
}

/// A row for each answer: decision, score, what was found, address.
fn table(answers: &[(&str, &v1::ScreeningItem)], style: Style) -> String {
    let mut table = Table::new([
        ("decision", Side::Left),
        ("score", Side::Right),
        ("found", Side::Left),
        ("address", Side::Left),
    ]);
    let addresses = answers.iter().map(|(address, _)| words::asked(address));
    let widest = addresses.map(|address| address.chars().count()).max().unwrap_or(0);
    for (address, answer) in answers {
        let [decision, score, found] = cells(answer, widest, style);
        table.push([decision, score, found, words::asked(address)]);
    }
    table.to_string()
}

/// Decision, score and what was found, for a table whose last columns have `after` characters.
pub fn cells(item: &v1::ScreeningItem, after: usize, style: Style) -> [String; 3] {
    // The columns of decision and score, and three gaps.
    let room = style.width().saturating_sub(after + "decision".len() + "score".len() + 6);
    let (decision, score, found) = match &item.outcome {
        Some(Outcome::Screening(answer)) => (
            screening::decision(answer.decision(), style),
            answer.score.to_string(),
            found_words(answer),
        ),
        Some(Outcome::Error(refusal)) => (
            style.paint(Colour::Bad, "ERROR"),
            "-".to_owned(),
            format!("not screened: {}", plain(&refusal.message)),
        ),
        None => (style.paint(Colour::Bad, "ERROR"), "-".to_owned(), "no answer".to_owned()),
    };
    [decision, score, cut(&escape(&found), room.max(LEAST_FOUND))]
}

/// The gravest that was found, in few words; of nothing what is not known, and what is not scored.
fn found_words(answer: &v1::Screening) -> String {
    let Some(found) = answer.findings.first() else {
        let nothing = match gravest_reason(answer) {
            Some(reason) => format!("incomplete: {}", incomplete(reason)),
            None if answer.exposure_coverage() == v1::ExposureCoverage::NotCovered => {
                "not listed; ties unknown".to_owned()
            }
            None => "nothing".to_owned(),
        };
        let cut = common_input::is_noted(answer).then(|| "cluster cut".to_owned());
        let notes = cut.into_iter().chain(super::unvalued::short(answer));
        return [nothing].into_iter().chain(notes).collect::<Vec<_>>().join("; ");
    };
    let listing = found.listing.clone().unwrap_or_default();
    let who = match listing.party.as_ref().map(|party| party.name.as_str()) {
        Some("") | None => listing.address,
        Some(name) => name.to_owned(),
    };
    let is_joined = found.exposure.as_ref().is_some_and(|exposure| exposure.common_input);
    let who = if is_joined { format!("one joined (estimate) with {who}") } else { who };
    let hops = found.exposure.as_ref().map_or(0, |exposure| exposure.hops);
    let hops = words::count(hops as usize, "hop", "hops");
    let is_removed = listing.state == i32::from(v1::ListingState::Removed);
    let once = if is_removed { "once " } else { "" };
    match found.kind() {
        v1::FindingKind::Listed if is_removed => format!("once listed: {who}"),
        v1::FindingKind::Listed => who,
        v1::FindingKind::SameKey => format!("{once}same key as {who}"),
        v1::FindingKind::ListedVerbatim => format!("{once}listed as text: {who}"),
        v1::FindingKind::ReceivedFrom => format!("{hops} from {who}"),
        v1::FindingKind::SentTo => format!("{hops} to {who}"),
        v1::FindingKind::HubExposure => format!("by a busy address, {hops}: {who}"),
        v1::FindingKind::CoSpent => format!("joined (estimate) with {who}"),
        v1::FindingKind::Unspecified => format!("tied to {who}"),
    }
}

/// The first reason about the address itself, else the first of all: that a list is stale must not hide
/// that an address is not understood.
fn gravest_reason(answer: &v1::Screening) -> Option<&v1::IncompleteReason> {
    let mut reasons = answer.incomplete_reasons.iter();
    let of_address =
        reasons.clone().find(|it| ReasonSubject::of(it.code().into()) == ReasonSubject::Address);
    of_address.or_else(|| reasons.next())
}

/// Adds why answers to addresses of a whole are missing or incomplete, as far as `said` does not say
/// it; each reason once.
pub fn doubts<'a>(
    text: &mut String,
    answers: impl Iterator<Item = (&'a str, &'a v1::ScreeningItem)>,
    said: &str,
    style: Style,
) {
    let mut told: Vec<String> = Vec::new();
    for (address, item) in answers {
        let of_address = |why: &str| format!("{}: {}", words::asked(address), escape(why));
        let doubts: Vec<String> = match &item.outcome {
            Some(Outcome::Error(refusal)) => {
                vec![of_address(&format!("not screened: {}", plain(&refusal.message)))]
            }
            None => vec![of_address("the server gave no answer")],
            Some(Outcome::Screening(answer)) => {
                let reasons = answer.incomplete_reasons.iter();
                let untold = reasons.filter(|reason| !said.contains(&incomplete(reason)));
                untold
                    .map(|reason| match ReasonSubject::of(reason.code().into()) {
                        ReasonSubject::Address => of_address(&incomplete(reason)),
                        ReasonSubject::Data => escape(&incomplete(reason)).into_owned(),
                    })
                    .collect()
            }
        };
        for doubt in doubts {
            if !told.contains(&doubt) {
                wrapped_line(text, 2, "incomplete", &doubt, style.width());
                told.push(doubt);
            }
        }
    }
}

/// Adds the answer to one address.
fn item(
    text: &mut String,
    address: &str,
    item: &v1::ScreeningItem,
    snapshot: &v1::Snapshot,
    style: Style,
) {
    let refused = match &item.outcome {
        Some(Outcome::Screening(answer)) => {
            return answered(text, address, answer, snapshot, style);
        }
        Some(Outcome::Error(refusal)) => plain(&refusal.message),
        None => "the server gave no answer".to_owned(),
    };
    let head = style.paint(Colour::Bad, "ERROR");
    text.push_str(&format!("{head}  {}\n", words::asked(address)));
    words::sentence(text, &format!("Not screened: {refused}."), style);
}

fn answered(
    text: &mut String,
    asked: &str,
    answer: &v1::Screening,
    snapshot: &v1::Snapshot,
    style: Style,
) {
    let head = head(answer.decision(), answer.score, answer.level(), answer.status(), style);
    let what = words::asked(asked);
    // An address is never broken: where it does not fit it stands on the next line.
    let is_wide = shown_width(&head) + 2 + what.chars().count() > style.width();
    let gap = if is_wide { "\n  " } else { "  " };
    text.push_str(&format!("{head}{gap}{what}\n"));
    let reason = match answer.reason.as_str() {
        "" => "The server gives no reason.",
        reason => reason,
    };
    words::sentence(text, reason, style);
    findings(text, asked, answer, style);
    common_input::cuts(text, answer, &answer.reason, style);
    super::unvalued::lines(text, answer, style);
    let is_by_hub = |found: &v1::Finding| found.kind() == v1::FindingKind::HubExposure;
    if answer.findings.iter().any(is_by_hub) {
        wrapped_line(text, 2, "to do", hubs::TO_DO, style.width());
    }
    for reason in &answer.incomplete_reasons {
        let why = incomplete(reason);
        if !answer.reason.contains(&why) {
            wrapped_line(text, 2, "incomplete", &escape(&why), style.width());
        }
    }
    for list in lists_of(answer, snapshot) {
        wrapped_line(text, 2, "list", &list_words(list, style), style.width());
    }
}

/// `REVIEW  score 38 (medium), INCOMPLETE`
pub fn head(
    decision: v1::Decision,
    score: u32,
    level: v1::RiskLevel,
    status: v1::ScreeningStatus,
    style: Style,
) -> String {
    let status = match status {
        v1::ScreeningStatus::Complete => String::new(),
        v1::ScreeningStatus::Incomplete | v1::ScreeningStatus::Unspecified => {
            format!(", {}", style.paint(Colour::Doubtful, "INCOMPLETE"))
        }
    };
    let decision = screening::decision(decision, style);
    format!("{decision}  score {score} ({}){status}", words::level(level))
}

/// Adds the nearest path, the other findings, and the evidence where it was asked for.
fn findings(text: &mut String, asked: &str, answer: &v1::Screening, style: Style) {
    let canonical = answer.address.as_ref().map(|address| address.canonical.as_str());
    let asked = canonical.unwrap_or(asked);
    let exposures =
        answer.findings.iter().filter_map(|found| Some((found, found.exposure.as_ref()?)));
    if let Some((found, near)) = exposures.clone().min_by_key(|(_, near)| near.hops) {
        wrapped_line(text, 2, "nearest path", &nearest::words(asked, found, near), style.width());
    }
    let is_told = |found: &&v1::Finding| {
        let clause = found.reason.trim_end_matches('.').get(1..).unwrap_or_default();
        clause.is_empty() || answer.reason.contains(clause)
    };
    let others: Vec<_> = answer.findings.iter().filter(|found| !is_told(found)).collect();
    for found in others.iter().take(ALSO) {
        wrapped_line(text, 2, "also", &escape(&found.reason), style.width());
    }
    if others.len() > ALSO {
        let more = words::count(others.len() - ALSO, "finding more", "findings more");
        wrapped_line(text, 2, "also", &more, style.width());
    }
    for (_, near) in exposures {
        if let Some(evidence) = &near.evidence {
            text.push('\n');
            exposure::evidence(text, asked, evidence, near.hops, style);
            text.push('\n');
        }
    }
    for found in answer.findings.iter().filter(|found| found.common_input_chain.is_some()) {
        common_input::chain(text, asked, found, style);
        text.push('\n');
    }
}

/// Why an answer is incomplete, as a sentence without its code.
fn incomplete(reason: &v1::IncompleteReason) -> String {
    match reason.detail.as_str() {
        "" => words::incomplete(reason.code().into()).to_owned(),
        detail => detail.to_owned(),
    }
}

/// The lists that the findings name, each once.
fn lists_of<'a>(answer: &v1::Screening, snapshot: &'a v1::Snapshot) -> Vec<&'a v1::SnapshotList> {
    let is_named = |list: &&v1::SnapshotList| {
        let listings = answer.findings.iter().filter_map(|found| found.listing.as_ref());
        listings.into_iter().any(|listing| listing.list_id == list.list_id)
    };
    snapshot.lists.iter().filter(is_named).collect()
}

/// `us-ofac-sdn version 3 of 2025-11-19, 2 h 46 min old (limit 2 d)`
fn list_words(list: &v1::SnapshotList, style: Style) -> String {
    format!("{}, {}", version_words(list), super::snapshot::age(list, style))
}

/// `us-ofac-sdn version 3 of 2025-11-19`
fn version_words(list: &v1::SnapshotList) -> String {
    // Of a past day before the first publication.
    if list.version == 0 {
        return format!("{}: no publication of that day", or_dash(&list.list_id));
    }
    format!(
        "{} version {} of {}",
        or_dash(&list.list_id),
        words::version(list.number_on_list, list.version),
        escape(words::day(&list.published_on))
    )
}

/// Adds what the answers rest on: every list with its version and day, the snapshot, when ages were
/// reckoned and the past moment that was asked for, how far exposure was looked for, and how to see more.
pub fn rests_on(
    text: &mut String,
    snapshot: &v1::Snapshot,
    items: &[v1::ScreeningItem],
    as_of: Option<&Timestamp>,
    style: Style,
) {
    super::snapshot::warnings(text, snapshot, style);
    let lists = snapshot.lists.iter().map(|list| {
        let doubts = [
            list.stale.then_some("STALE"),
            list.declared_check.as_ref().map(|_| "checked by hand"),
            list.imported_by_hand.then_some(if list.backfilled_from.is_empty() {
                "imported by hand"
            } else {
                "backfilled by hand"
            }),
        ];
        let doubts: Vec<_> = doubts.into_iter().flatten().collect();
        if doubts.is_empty() {
            version_words(list)
        } else {
            let doubts = style.paint(Colour::Doubtful, &doubts.join(", "));
            format!("{} ({doubts})", version_words(list))
        }
    });
    let lists: Vec<_> = lists.collect();
    let lists = if lists.is_empty() { "none".to_owned() } else { lists.join("; ") };
    text.push_str(&format!("{}\n", wrapped(&format!("Lists: {lists}."), style.width(), 0, 7)));
    let said = |name: &str, at: Option<&Timestamp>| {
        at.map_or_else(String::new, |at| format!("{name} {}", words::moment(Some(at))))
    };
    let (at, as_of) = (said(" at", evaluated_at(items)), said(", as of", as_of));
    let depth = match exposure_hops(items) {
        0 => String::new(),
        hops => format!(", exposure over at most {}", words::count(hops as usize, "hop", "hops")),
    };
    let last = format!("Snapshot {}{at}{as_of}{depth}. Details: -v.", or_dash(&snapshot.id));
    text.push_str(&format!("{}\n", wrapped(&last, style.width(), 0, 2)));
}

/// The moment for which ages were reckoned: all answers of a call have one.
fn evaluated_at(items: &[v1::ScreeningItem]) -> Option<&Timestamp> {
    answers(items).find_map(|answer| answer.evaluated_at.as_ref())
}

/// Over how many hops exposure was looked for: the same for all answers of a call, but for addresses
/// that are not understood; 0 where it was not.
fn exposure_hops(items: &[v1::ScreeningItem]) -> u32 {
    answers(items).map(|answer| answer.exposure_hops).max().unwrap_or(0)
}

fn answers(items: &[v1::ScreeningItem]) -> impl Iterator<Item = &v1::Screening> {
    items.iter().filter_map(|item| match &item.outcome {
        Some(Outcome::Screening(answer)) => Some(answer),
        Some(Outcome::Error(_)) | None => None,
    })
}

fn has_note(item: &v1::ScreeningItem) -> bool {
    match &item.outcome {
        Some(Outcome::Screening(answer)) => {
            super::unvalued::is_noted(answer) || common_input::is_noted(answer)
        }
        Some(Outcome::Error(_)) | None => false,
    }
}

fn is_allowed(item: &v1::ScreeningItem) -> bool {
    match &item.outcome {
        Some(Outcome::Screening(answer)) => answer.decision() == v1::Decision::Allow,
        Some(Outcome::Error(_)) | None => false,
    }
}

/// A text of one line, cut at its end to `most` characters.
fn cut(text: &str, most: usize) -> String {
    match text.chars().nth(most) {
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}
