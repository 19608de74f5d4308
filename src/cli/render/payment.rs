//! The answer to a payment: the whole first, then each address as `screen` shows it, then what the
//! customer's address would be tied to.

use super::paths::Amount;
use super::words::{self, line, or_dash, wrapped_line};
use super::{brief, common_input, exposure, screening};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1;

/// That the outlook is not whole.
const UNSEEN: &str = "not everything could be looked at: more may be true";

/// What was asked, and what is known of its asset.
#[derive(Clone, Copy, Debug)]
pub struct PaymentHeading<'a> {
    pub request: &'a v1::ScreenPaymentRequest,
    /// Of the asset's display unit; `None` where unknown.
    pub decimals: Option<u32>,
    /// Empty where unknown.
    pub symbol: &'a str,
}

/// The answer in short: the whole with its reason, a row for each address, and in a sentence what
/// the payment would change.
pub fn brief(
    heading: PaymentHeading<'_>,
    response: &v1::ScreenPaymentResponse,
    style: Style,
) -> String {
    let snapshot = response.snapshot.clone().unwrap_or_default();
    let mut text = String::new();
    let head = brief::head(
        response.decision(),
        response.score,
        response.level(),
        response.status(),
        style,
    );
    text.push_str(&format!("{head}  {}\n", payment_words(heading)));
    let reason = match response.reason.as_str() {
        "" => "The server gives no reason.",
        reason => reason,
    };
    words::sentence(&mut text, reason, style);
    if response.effect() != v1::PaymentEffect::Counts {
        wrapped_line(&mut text, 2, "effect", effect_words(response.effect()), style.width());
    }
    for (name, value) in
        [("customer", &response.customer_reference), ("transaction", &heading.request.tx)]
    {
        if !value.is_empty() {
            wrapped_line(&mut text, 2, name, &escape(value), style.width());
        }
    }
    for prospect in &response.prospective_exposures {
        let words = prospect_words(prospect);
        wrapped_line(&mut text, 2, "if it is made", &words, style.width());
    }
    for dealings in &response.prospective_unvalued_dealings {
        let words = super::unvalued::prospect(dealings);
        wrapped_line(&mut text, 2, "if it is made", &words, style.width());
    }
    if response.amount_split_unknown && !response.prospective_exposures.is_empty() {
        let shares = "shares are not known: how the amount splits is not said";
        wrapped_line(&mut text, 2, "if it is made", shares, style.width());
    }
    if response.prospective_incomplete {
        let warning = style.paint(Colour::Doubtful, UNSEEN);
        wrapped_line(&mut text, 2, "warning", &warning, style.width());
    }
    text.push_str(&format!("\n{}", address_table(heading, response, style)));
    let answers = response
        .addresses
        .iter()
        .filter_map(|it| Some((asked(heading.request, it), it.item.as_ref()?)));
    brief::doubts(&mut text, answers, &response.reason, style);
    text.push('\n');
    let items: Vec<_> = response.addresses.iter().filter_map(|it| it.item.clone()).collect();
    brief::rests_on(&mut text, &snapshot, &items, None, style);
    text
}

/// A row for each address: decision, score, what was found, side, address.
fn address_table(
    heading: PaymentHeading<'_>,
    response: &v1::ScreenPaymentResponse,
    style: Style,
) -> String {
    let mut table = Table::new([
        ("decision", Side::Left),
        ("score", Side::Right),
        ("found", Side::Left),
        ("side", Side::Left),
        ("address", Side::Left),
    ]);
    let address = |address: &v1::PaymentAddress| words::asked(asked(heading.request, address));
    let after = |it: &v1::PaymentAddress| address(it).chars().count() + place(it).len() + 2;
    let after = response.addresses.iter().map(after).max().unwrap_or(0);
    for each in &response.addresses {
        let item = each.item.clone().unwrap_or_default();
        let [decision, score, found] = brief::cells(&item, after, style);
        table.push([decision, score, found, place(each), address(each)]);
    }
    table.to_string()
}

/// `0xd90e... would be 1 hop from 0x098B... (LAZARUS GROUP), AFTER the listing (listed on 2022-04-14);
/// now 3 hops; score 95 (BLOCK)`
fn prospect_words(prospect: &v1::ProspectiveExposure) -> String {
    let listing = prospect.listing.clone().unwrap_or_default();
    let party = listing.party.as_ref().map_or("", |party| &party.name);
    let party = if party.is_empty() { String::new() } else { format!(" ({})", escape(party)) };
    let hops = |hops: u32| words::count(hops as usize, "hop", "hops");
    let way = match (prospect.through_hub, prospect.direction()) {
        (true, _) => "by a busy address that nobody has tagged, from",
        (false, v1::ExposureDirection::SentTo) => "to",
        (false, v1::ExposureDirection::ReceivedFrom | v1::ExposureDirection::Unspecified) => "from",
    };
    let basis = prospect.prospective_timing_basis();
    let timing = words::timing(prospect.prospective_timing(), basis, Some(&listing));
    let now = match prospect.current_hops {
        0 => "now none".to_owned(),
        now => format!("now {}", hops(now)),
    };
    format!(
        "{} would be {} {way} {}{party}, {timing}; {now}; score then {} ({})",
        words::asked(&prospect.address),
        hops(prospect.prospective_hops),
        common_input::whom(&listing.address, prospect.prospective_common_input),
        prospect.prospective_score,
        words::decision(prospect.prospective_decision())
    )
}

pub fn text(
    heading: PaymentHeading<'_>,
    response: &v1::ScreenPaymentResponse,
    style: Style,
) -> String {
    let snapshot = response.snapshot.clone().unwrap_or_default();
    let mut text = String::new();
    whole(&mut text, heading, response, style);
    for address in &response.addresses {
        text.push_str(&format!("\n{}\n", place(address)));
        let item = address.item.clone().unwrap_or_default();
        screening::item(&mut text, asked(heading.request, address), &item, &snapshot, style);
    }
    text.push_str("\nIF IT IS MADE\n");
    for prospect in &response.prospective_exposures {
        self::prospect(&mut text, prospect, style);
    }
    for dealings in &response.prospective_unvalued_dealings {
        let words = super::unvalued::prospect(dealings);
        wrapped_line(&mut text, 2, "unvalued", &words, style.width());
    }
    if response.prospective_exposures.is_empty() {
        let changes = if response.prospective_incomplete {
            "none were found"
        } else {
            "nothing of the customer's exposure"
        };
        line(&mut text, 2, "changes", changes);
    }
    if response.amount_split_unknown {
        line(&mut text, 2, "shares", "not known then: how the amount splits is not said");
    }
    if response.prospective_incomplete {
        line(&mut text, 2, "warning", &style.paint(Colour::Doubtful, UNSEEN));
    }
    text.push('\n');
    text.push_str(&super::snapshot::text(&snapshot, style));
    text
}

fn whole(
    text: &mut String,
    heading: PaymentHeading<'_>,
    response: &v1::ScreenPaymentResponse,
    style: Style,
) {
    let request = heading.request;
    text.push_str(&format!(
        "{}  score {} ({})  {}\n",
        screening::decision(response.decision(), style),
        response.score,
        words::level(response.level()),
        payment_words(heading)
    ));
    if !response.reason.is_empty() {
        words::sentence(text, &response.reason, style);
        text.push('\n');
    }
    if let Some(worst) = response.addresses.get(response.worst_index as usize) {
        let address = words::asked(asked(request, worst));
        line(text, 2, "decided by", &format!("{}, {address}", place(worst)));
    }
    if !response.customer_reference.is_empty() {
        line(text, 2, "customer", &escape(&response.customer_reference));
    }
    if !request.tx.is_empty() {
        line(text, 2, "transaction", &escape(&request.tx));
    }
    line(text, 2, "effect", effect_words(response.effect()));
    match response.status() {
        v1::ScreeningStatus::Complete => line(text, 2, "status", "COMPLETE"),
        v1::ScreeningStatus::Unspecified | v1::ScreeningStatus::Incomplete => {
            line(text, 2, "status", &style.paint(Colour::Doubtful, "INCOMPLETE"))
        }
    }
}

/// `deposit of 1.5 ETH on ethereum`
fn payment_words(heading: PaymentHeading<'_>) -> String {
    let PaymentHeading { request, decimals, symbol } = heading;
    let amount =
        Amount { digits: &request.amount, decimals, symbol, asset: &request.asset }.exact();
    let direction = words::short(request.direction().as_str_name(), "PAYMENT_DIRECTION_");
    let (direction, chain) = (direction.to_lowercase(), or_dash(&request.chain));
    format!("{direction} of {} on {chain}", escape(&amount))
}

fn effect_words(effect: v1::PaymentEffect) -> &'static str {
    match effect {
        v1::PaymentEffect::Counts => "counts for exposure",
        v1::PaymentEffect::UnvaluedAsset => {
            "does not count for exposure: the asset is not in the asset table"
        }
        v1::PaymentEffect::Dust => "does not count for exposure: less than the asset's dust floor",
        v1::PaymentEffect::AddsUp => {
            "counts for exposure: with earlier payments between the two it reaches the dust floor"
        }
        v1::PaymentEffect::Unspecified => "not said by the server",
    }
}

/// `source 2`
fn place(address: &v1::PaymentAddress) -> String {
    let side = words::short(address.side().as_str_name(), "PAYMENT_SIDE_").to_lowercase();
    format!("{side} {}", u64::from(address.index) + 1)
}

/// The address as it was asked.
fn asked<'a>(request: &'a v1::ScreenPaymentRequest, address: &v1::PaymentAddress) -> &'a str {
    let side = match address.side() {
        v1::PaymentSide::Destination => &request.destinations,
        v1::PaymentSide::Source | v1::PaymentSide::Unspecified => &request.sources,
    };
    side.get(address.index as usize).map_or("", |query| query.address.as_str())
}

fn prospect(text: &mut String, prospect: &v1::ProspectiveExposure, style: Style) {
    let listing = prospect.listing.clone().unwrap_or_default();
    let party = listing.party.as_ref().map_or("", |party| &party.name);
    let (kind, way) = match (prospect.through_hub, prospect.direction()) {
        (true, _) => ("HUB_EXPOSURE", "through a hub that nobody has tagged, with"),
        (_, v1::ExposureDirection::SentTo) => ("SENT_TO", "to"),
        (_, v1::ExposureDirection::ReceivedFrom) => ("RECEIVED_FROM", "from"),
        (_, v1::ExposureDirection::Unspecified) => ("EXPOSURE", "with"),
    };
    text.push_str(&format!(
        "  {}  score {} ({})  {}\n",
        style.paint(Colour::Bad, kind),
        prospect.prospective_score,
        screening::decision(prospect.prospective_decision(), style),
        or_dash(party)
    ));
    line(text, 4, "address", &words::asked(&prospect.address));
    let hops = |hops: u32| words::count(hops as usize, "hop", "hops");
    let whom = common_input::whom(&listing.address, prospect.prospective_common_input);
    let then = format!("{} {way} {whom}", hops(prospect.prospective_hops));
    line(text, 4, "then", &then);
    let basis = prospect.prospective_timing_basis();
    let timing = words::timing(prospect.prospective_timing(), basis, Some(&listing));
    line(text, 4, "timing", &timing);
    let now = match prospect.current_hops {
        0 => "none".to_owned(),
        now => hops(now),
    };
    line(text, 4, "now", &now);
    let listed = format!(
        "{}, {}, listed on {}",
        words::kind(prospect.list_kind()),
        or_dash(&listing.list_id),
        escape(words::day(&listing.listed_on))
    );
    line(text, 4, "nearest", &listed);
    if prospect.prospective_hops == 1 {
        let share = |share: Option<u32>| {
            let of_all =
                |share| format!("{} of all in the asset that has the most", exposure::share(share));
            share.map_or("not known".to_owned(), of_all)
        };
        let now = match (prospect.current_hops, prospect.current_direct_share_basis_points) {
            (1, Some(now)) => exposure::share(now),
            (1, None) => "not known".to_owned(),
            _ => "none".to_owned(),
        };
        let then = share(prospect.prospective_direct_share_basis_points);
        line(text, 4, "share", &format!("{then}; now {now}"));
    }
}
