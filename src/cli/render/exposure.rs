//! Findings by exposure: how near which listing is, in a few lines, and the evidence where it was
//! asked for.

use super::paths::{Amount, text as drawing};
use super::words::{self, line, or_dash, wrapped_line};
use super::{common_input, decided, hubs};
use crate::cli::text::{Colour, Style, escape};
use crate::domain::digits::at_most_dollars;
use crate::grpc::v1;

/// The most stops and hubs that are named.
const SHOWN: usize = 3;

/// A finding with its exposure.
pub fn finding(
    out: &mut String,
    asked: &str,
    finding: &v1::Finding,
    exposure: &v1::Exposure,
    style: Style,
) {
    let listing = finding.listing.clone().unwrap_or_default();
    let party = listing.party.as_ref().map_or("", |party| &party.name);
    let kind = words::short(finding.kind().as_str_name(), "FINDING_KIND_");
    let kind = style.paint(Colour::Bad, kind);
    out.push_str(&format!("  {kind}  score {}  {}\n", finding.score, or_dash(party)));
    decided::finding(out, finding);
    let hops = words::count(exposure.hops as usize, "hop", "hops");
    let way = match (finding.kind(), exposure.direction()) {
        (v1::FindingKind::HubExposure, _) => "through a hub that nobody has tagged, with",
        (_, v1::ExposureDirection::SentTo) => "to",
        (_, v1::ExposureDirection::ReceivedFrom) => "from",
        (_, v1::ExposureDirection::Unspecified) => "with",
    };
    let whom = common_input::whom(&listing.address, exposure.common_input);
    line(out, 4, "exposure", &format!("{hops} {way} {whom}"));
    let timing = words::timing(exposure.timing(), exposure.timing_basis(), Some(&listing));
    line(out, 4, "timing", &timing);
    let listed = format!(
        "{}, {}, listed on {}",
        words::kind(exposure.list_kind()),
        or_dash(&listing.list_id),
        escape(words::day(&listing.listed_on))
    );
    line(out, 4, "nearest", &listed);
    if let Some(amounts) = amounts(exposure) {
        line(out, 4, "directly", &amounts);
    }
    if finding.kind() == v1::FindingKind::HubExposure {
        wrapped_line(out, 4, "to do", hubs::TO_DO, style.width());
    }
    if let Some(evidence) = &exposure.evidence {
        self::evidence(out, asked, evidence, exposure.hops, style);
    }
}

/// `at most about US$ 12,288, 34.10 % of all it received in the asset that has the most`; `None` where nothing is said of direct dealings.
fn amounts(exposure: &v1::Exposure) -> Option<String> {
    let of = match exposure.direction() {
        v1::ExposureDirection::SentTo => "sent",
        v1::ExposureDirection::Unspecified | v1::ExposureDirection::ReceivedFrom => "received",
    };
    let mut said = Vec::new();
    let floors = exposure.direct_value_floors;
    if floors > 0 {
        said.push(at_most_dollars(floors));
    }
    if exposure.direct_share_basis_points > 0 {
        let share = share(exposure.direct_share_basis_points);
        said.push(format!("{share} of all it {of} in the asset that has the most"));
    }
    if exposure.direct_amounts_unknown {
        said.push(if said.is_empty() {
            "how much is not known".to_owned()
        } else {
            "the rest is not known".to_owned()
        });
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// Adds the evidence of an exposure over `hops`: times, sums, what was met, and the path drawn.
pub fn evidence(
    out: &mut String,
    asked: &str,
    evidence: &v1::ExposureEvidence,
    hops: u32,
    style: Style,
) {
    let mut told = |name: &str, value: &str| wrapped_line(out, 4, name, value, style.width());
    if evidence.hops_ignoring_time > 0 && evidence.hops_ignoring_time < hops {
        let plain = words::count(evidence.hops_ignoring_time as usize, "hop", "hops");
        told("plain", &format!("{plain} where the order of time is ignored"));
    }
    if let (Some(first), Some(last)) = (&evidence.first_time, &evidence.last_time) {
        let (first, last) = (words::moment(Some(first)), words::moment(Some(last)));
        told("dealings", &format!("{first} to {last}"));
    }
    for value in &evidence.direct_values {
        told("value", &direct(value));
    }
    let unvalued = evidence.unvalued_transfers;
    if unvalued > 0 {
        let note = "of assets that are not in the asset table";
        told("unvalued", &format!("{unvalued} of its transfers, {note}"));
    }
    let unknown = evidence.unknown_counterparties;
    if unknown > 0 {
        told("unknown", &format!("{unknown} of its transfers have no known other end"));
    }
    for (name, stops) in [("stops met", &evidence.stops_met), ("hubs met", &evidence.hubs_met)] {
        if let Some(stops) = some_of(stops) {
            told(name, &stops);
        }
    }
    if evidence.cut_short {
        let warning = "the search was cut short: more may be true";
        told("warning", &style.paint(Colour::Doubtful, warning));
    }
    if let Some(path) = &evidence.path {
        out.push('\n');
        out.push_str(&drawing::evidence(asked, path, style.width(), 4, style));
    }
}

/// `12.5 ETH of 100 ETH (12.50 %), in 3 transfers with listed addresses`
fn direct(value: &v1::DirectValue) -> String {
    let amount = |digits: &str| {
        let amount =
            Amount { digits, decimals: value.decimals, symbol: &value.symbol, asset: &value.asset };
        escape(&amount.exact()).into_owned()
    };
    format!(
        "{} of {} ({}), in {} with listed addresses on {}",
        amount(&value.sum),
        amount(&value.total),
        share(value.share_basis_points),
        words::count(value.count as usize, "transfer", "transfers"),
        or_dash(&value.chain)
    )
}

/// Hundredths of a percent as a percentage.
pub fn share(basis_points: u32) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

fn some_of(addresses: &[String]) -> Option<String> {
    let (shown, left) = addresses.split_at(addresses.len().min(SHOWN));
    let shown = (!shown.is_empty()).then(|| words::joined(shown, ", "))?;
    Some(if left.is_empty() { shown } else { format!("{shown}, and {} more", left.len()) })
}
