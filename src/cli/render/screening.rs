//! Answers to screenings: the decision first, then why, then what it rests on.

use super::words::{self, line, or_dash};
use super::{common_input, decided};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::client::plain;
use crate::grpc::v1;
use v1::screening_item::Outcome;

/// The answers to `addresses`, in their order, then the data versions.
pub fn text(
    addresses: &[String],
    response: &v1::BatchScreenAddressesResponse,
    style: Style,
) -> String {
    let snapshot = response.snapshot.clone().unwrap_or_default();
    let mut text = String::new();
    for (address, item) in addresses.iter().zip(&response.items) {
        self::item(&mut text, address, item, &snapshot, style);
        text.push('\n');
    }
    text.push_str(&super::snapshot::text(&snapshot, style));
    text
}

/// Adds the answer to one address.
pub fn item(
    text: &mut String,
    address: &str,
    item: &v1::ScreeningItem,
    snapshot: &v1::Snapshot,
    style: Style,
) {
    match &item.outcome {
        Some(Outcome::Screening(answer)) => screening(text, address, answer, snapshot, style),
        Some(Outcome::Error(refusal)) => error(text, address, &plain(&refusal.message), style),
        None => error(text, address, "the server gave no answer", style),
    }
}

/// A decision in colour; one that is not known is the worst.
pub fn decision(decision: v1::Decision, style: Style) -> String {
    style.paint(words::colour(decision), words::decision(decision))
}

fn error(text: &mut String, address: &str, message: &str, style: Style) {
    let head = style.paint(Colour::Bad, "ERROR");
    text.push_str(&format!("{head}  {}\n", words::asked(address)));
    line(text, 2, "refused", &escape(message));
}

fn screening(
    text: &mut String,
    asked: &str,
    answer: &v1::Screening,
    snapshot: &v1::Snapshot,
    style: Style,
) {
    text.push_str(&format!(
        "{}  score {} ({})  {}\n",
        decision(answer.decision(), style),
        answer.score,
        words::level(answer.level()),
        words::asked(asked)
    ));
    if !answer.reason.is_empty() {
        words::sentence(text, &answer.reason, style);
        text.push('\n');
    }
    understood(text, asked, answer.address.as_ref());
    if answer.findings.is_empty() {
        line(text, 2, "found", "nothing");
    }
    for found in &answer.findings {
        text.push('\n');
        let canonical = answer.address.as_ref().map(|address| address.canonical.as_str());
        let canonical = canonical.unwrap_or(asked);
        match &found.exposure {
            Some(exposure) => super::exposure::finding(text, canonical, found, exposure, style),
            None => finding(text, asked, found, snapshot, style),
        }
        common_input::chain(text, canonical, found, style);
    }
    if !answer.findings.is_empty() {
        text.push('\n');
    }
    common_input::cuts(text, answer, "", style);
    super::unvalued::lines(text, answer, style);
    decided::screening(text, answer, style);
    status(text, answer, style);
    if answer.exposure_hops > 0 {
        let hops = words::count(answer.exposure_hops as usize, "hop", "hops");
        line(text, 2, "looked for", &format!("exposure over at most {hops}"));
    }
    if answer.exposure_coverage() == v1::ExposureCoverage::NotCovered {
        let why = "not covered: no chain that it fits has its transfers loaded without gaps";
        line(text, 2, "exposure", why);
        for lack in &answer.coverage_shortfalls {
            line(text, 2, "lacking", &words::reason(lack));
        }
    }
    let rests = format!("snapshot {}", or_dash(&answer.snapshot_id));
    let at = words::moment(answer.evaluated_at.as_ref());
    line(text, 2, "rests on", &format!("{rests}, evaluated at {at}"));
}

fn understood(text: &mut String, asked: &str, address: Option<&v1::UnderstoodAddress>) {
    let Some(address) = address else {
        line(text, 2, "address", "not understood");
        return;
    };
    let form = words::encoding(address.encoding());
    let checksum = words::checksum(address.checksum());
    line(text, 2, "address", &format!("{form}, {checksum}"));
    if address.canonical != asked {
        line(text, 2, "canonical", &escape(&address.canonical));
    }
    line(text, 2, "chains", &words::chains(&address.chains));
}

fn status(text: &mut String, answer: &v1::Screening, style: Style) {
    if answer.status() == v1::ScreeningStatus::Complete && answer.incomplete_reasons.is_empty() {
        line(text, 2, "status", "COMPLETE");
        return;
    }
    line(text, 2, "status", &style.paint(Colour::Doubtful, "INCOMPLETE"));
    for reason in &answer.incomplete_reasons {
        line(text, 2, "because", &words::reason(reason));
    }
}

fn finding(
    text: &mut String,
    asked: &str,
    finding: &v1::Finding,
    snapshot: &v1::Snapshot,
    style: Style,
) {
    let listing = finding.listing.clone().unwrap_or_default();
    let party = listing.party.clone().unwrap_or_default();
    let kind = v1::FindingKind::as_str_name(&finding.kind());
    let kind = words::short(kind, "FINDING_KIND_");
    let kind = style.paint(Colour::Bad, kind);
    text.push_str(&format!("  {kind}  score {}  {}\n", finding.score, or_dash(&party.name)));
    decided::finding(text, finding);
    line(text, 4, "party", &who(&party));
    if !party.aliases.is_empty() {
        line(text, 4, "also known", &some_of(&party.aliases));
    }
    if !party.programs.is_empty() {
        line(text, 4, "programs", &words::joined(&party.programs, ", "));
    }
    if !listing.category.is_empty() {
        line(text, 4, "category", &escape(&listing.category));
    }
    line(text, 4, "list", &list_words(&listing, snapshot, style));
    let ticker = or_dash(&listing.ticker);
    line(text, 4, "listed as", &format!("{} (ticker {ticker})", escape(&listing.address)));
    if !listing.normalizations.is_empty() {
        line(text, 4, "read as", &or_dash(&listing.canonical_address));
        line(text, 4, "taken off", &words::joined(&listing.normalizations, "; "));
    }
    line(text, 4, "match", &match_words(asked, finding, &listing));
    let listed_on = words::day(&listing.listed_on);
    let basis = words::basis(listing.listed_on_basis());
    line(text, 4, "listed on", &format!("{} ({basis})", escape(listed_on)));
    match listing.state() {
        v1::ListingState::Removed => {
            let on = or_dash(&listing.removed_on);
            line(text, 4, "removed on", &format!("{on}: shown, not scored"));
        }
        v1::ListingState::RemovalPending => {
            let why = "pending: the list dropped it, and that waits to be confirmed; it counts";
            line(text, 4, "removal", why);
        }
        v1::ListingState::Standing | v1::ListingState::Unspecified => {}
    }
    if !listing.reference.is_empty() {
        line(text, 4, "reference", &escape(&listing.reference));
    }
}

fn who(party: &v1::Party) -> String {
    let uid = or_dash(&party.uid);
    match party.party_type.as_str() {
        "" => format!("uid {uid}"),
        party_type => format!("uid {uid}, {}", escape(party_type)),
    }
}

/// The first names; `lists party` shows them all.
fn some_of(aliases: &[String]) -> String {
    const SHOWN: usize = 4;
    let (shown, left) = aliases.split_at(aliases.len().min(SHOWN));
    let shown = words::joined(shown, "; ");
    if left.is_empty() { shown } else { format!("{shown}; and {} more", left.len()) }
}

fn published(day: &str) -> String {
    match day {
        "" => "day of publication unknown".to_owned(),
        day => format!("published {}", escape(day)),
    }
}

fn list_words(listing: &v1::Listing, snapshot: &v1::Snapshot, style: Style) -> String {
    let of_this = |list: &&v1::SnapshotList| {
        list.list_id == listing.list_id && list.version == listing.list_version
    };
    let list = snapshot.lists.iter().find(of_this);
    let number_on_list = list.map_or(0, |list| list.number_on_list);
    let mut words = format!(
        "{} ({}), version {}",
        or_dash(&listing.list_id),
        words::kind(listing.list_kind()),
        words::version(number_on_list, listing.list_version)
    );
    if let Some(list) = list {
        let age = super::snapshot::age(list, style);
        words.push_str(&format!(", {}, {age}", published(&list.published_on)));
    }
    words
}

fn match_words(asked: &str, finding: &v1::Finding, listing: &v1::Listing) -> String {
    let key = or_dash(&finding.key_id);
    match finding.kind() {
        v1::FindingKind::Listed if asked == listing.address => "this very address".to_owned(),
        v1::FindingKind::Listed => format!("the same address, written otherwise (key {key})"),
        v1::FindingKind::SameKey => {
            format!("the same key controls the listed {} (key {key})", escape(&listing.address))
        }
        v1::FindingKind::ListedVerbatim if !finding.key_id.is_empty() => {
            format!("likely the same address (key {key}): one of the two texts is not understood")
        }
        v1::FindingKind::ListedVerbatim => {
            "letter for letter a listed string that could not be understood as an address"
                .to_owned()
        }
        v1::FindingKind::CoSpent => common_input::match_words(finding, listing),
        // Told by their exposure; these words are for an answer that lacks it.
        v1::FindingKind::ReceivedFrom => "funds came from it".to_owned(),
        v1::FindingKind::SentTo => "funds went to it".to_owned(),
        v1::FindingKind::HubExposure => "the other end is a hub that deals with it".to_owned(),
        v1::FindingKind::Unspecified => "a tie that this program does not know".to_owned(),
    }
}
