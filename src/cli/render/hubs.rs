//! Untagged hubs: what an officer must know to say whose they are.

use super::common_input;
use super::paths::{Amount, ESTIMATE};
use super::words::{self, or_dash};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape, wrapped};
use crate::domain::digits::grouped;
use crate::grpc::v1;

/// The most assets and exposures of a hub that are named.
const SHOWN: usize = 2;

/// What to do about untagged hubs.
pub const TO_DO: &str = "an untagged hub lies between: `lazaretto transfers hubs` lists them, and \
                         `lazaretto tags add ADDRESS --category exchange` tags one";

/// The hubs in a table, then what to do.
pub fn text(response: &v1::ListHubsResponse, style: Style) -> String {
    let limit = grouped(response.hub_limit);
    if response.hubs.is_empty() {
        return format!("no untagged hubs (more than {limit} counterparties on a chain)\n");
    }
    let mut table = Table::new([
        ("address", Side::Left),
        ("chain", Side::Left),
        ("hub since", Side::Left),
        ("first seen", Side::Left),
        ("counterparties", Side::Right),
        ("received", Side::Right),
        ("sent", Side::Right),
        ("own exposure", Side::Left),
    ]);
    for hub in &response.hubs {
        let at_least = if hub.cut_short { "at least " } else { "" };
        let moved = |digits: fn(&v1::HubVolume) -> &String| amounts(&hub.volumes, digits);
        table.push([
            escape(&hub.address).into_owned(),
            or_dash(&hub.chain),
            day(hub.since.as_ref()),
            day(hub.first_time.as_ref()),
            format!("{at_least}{}", grouped(hub.counterparties)),
            moved(|volume| &volume.received),
            moved(|volume| &volume.sent),
            exposure(hub, style),
        ]);
    }
    let mut text = table.to_string();
    if !response.next_page_token.is_empty() {
        text.push_str("and more: --limit\n");
    }
    let what = format!(
        "Paths of exposure end at these addresses: each dealt with more than {limit} others on its \
         chain, and nobody has said whose it is. Anybody can make one. Look at each (lazaretto \
         transfers counterparties ADDRESS), those with exposure of their own first (--exposed). \
         Where it is known whose it is, say so: lazaretto tags add ADDRESS --category exchange \
         --label NAME"
    );
    text.push_str(&format!("\n{}\n", wrapped(&what, style.width(), 0, 0)));
    text
}

fn day(moment: Option<&pbjson_types::Timestamp>) -> String {
    let moment = moment.map(|moment| words::moment(Some(moment)));
    moment.map_or_else(|| "-".to_owned(), |moment| moment.chars().take(10).collect())
}

/// `12 ETH, 3 USDT and 1 more`; a dash where nothing moved.
fn amounts(volumes: &[v1::HubVolume], digits: fn(&v1::HubVolume) -> &String) -> String {
    let moved: Vec<_> = volumes.iter().filter(|volume| digits(volume) != "0").collect();
    let named = moved.iter().take(SHOWN).map(|volume| {
        let v1::HubVolume { symbol, decimals, asset, .. } = volume;
        let amount = Amount { digits: digits(volume), decimals: *decimals, symbol, asset };
        escape(&amount.short()).into_owned()
    });
    and_more(named.collect(), moved.len())
}

/// `LISTED ITSELF, 2 hops from Evil Party (SANCTIONS) and 1 more`: what it is joined with, then the
/// nearest first.
fn exposure(hub: &v1::UntaggedHub, style: Style) -> String {
    let mut own: Vec<_> = hub.exposures.iter().collect();
    own.sort_by_key(|exposure| (exposure.through_hub, exposure.hops));
    let joined = hub.common_inputs.iter().map(|joined| {
        let listing = joined.listing.clone().unwrap_or_default();
        let kind = words::kind(joined.list_kind());
        format!("joined with {} ({kind}) by {ESTIMATE}", or_dash(who(&listing)))
    });
    let named = own.iter().map(|exposure| {
        let listing = exposure.listing.clone().unwrap_or_default();
        let way = match exposure.direction() {
            v1::ExposureDirection::SentTo => "to",
            v1::ExposureDirection::ReceivedFrom => "from",
            v1::ExposureDirection::Unspecified => "with",
        };
        let by = if exposure.through_hub { " by another hub" } else { "" };
        let hops = words::count(exposure.hops as usize, "hop", "hops");
        let who = common_input::whom(who(&listing), exposure.common_input);
        format!("{hops} {way} {who} ({}){by}", words::kind(listing.list_kind()))
    });
    let listed = hub.listed.then(|| style.paint(Colour::Bad, "LISTED ITSELF"));
    let all = own.len() + hub.common_inputs.len() + usize::from(hub.listed);
    and_more(listed.into_iter().chain(joined).chain(named).take(SHOWN).collect(), all)
}

/// The party of a listing; the address where none is named.
fn who(listing: &v1::Listing) -> &str {
    match listing.party.as_ref().map(|party| party.name.as_str()) {
        Some("") | None => &listing.address,
        Some(name) => name,
    }
}

fn and_more(named: Vec<String>, all: usize) -> String {
    let more = all.saturating_sub(named.len());
    match (named.is_empty(), more) {
        (true, _) => "-".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}
