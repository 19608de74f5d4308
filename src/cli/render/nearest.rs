//! The path of an exposure in one line.

use super::common_input;
use super::paths::{ESTIMATE, PathDiagram, shortened};
use super::words::count;
use crate::cli::text::escape;
use crate::grpc::v1;

/// `0xbad...1 → 70 ETH → 0x0a0...1 → 150,000 USDT → this address`; without evidence `0xbad...1 → 2
/// transfers → this address`.
pub fn words(asked: &str, found: &v1::Finding, near: &v1::Exposure) -> String {
    let listed = found.listing.as_ref().map_or("", |listing| &listing.address);
    let listed = common_input::whom(listed, near.common_input);
    if let Some(path) = near.evidence.as_ref().and_then(|evidence| evidence.path.as_ref()) {
        let drawn = drawn_path(asked, path);
        if !drawn.is_empty() {
            return drawn;
        }
    }
    let is_hub = found.kind() == v1::FindingKind::HubExposure;
    let hops = near.hops as usize;
    let hub = if is_hub { "a busy address → " } else { "" };
    let moved = count(hops, "transfer", "transfers");
    match near.direction() {
        v1::ExposureDirection::SentTo if is_hub => {
            format!("this address → a busy address → {moved} in all → {listed}")
        }
        v1::ExposureDirection::SentTo => format!("this address → {moved} → {listed}"),
        v1::ExposureDirection::ReceivedFrom if is_hub => {
            format!("{listed} → {moved} in all → {hub}this address")
        }
        v1::ExposureDirection::ReceivedFrom => format!("{listed} → {moved} → this address"),
        v1::ExposureDirection::Unspecified => format!("{moved} between {listed} and this address"),
    }
}

/// Who and how much, in the order in which funds moved.
fn drawn_path(asked: &str, path: &v1::ExposurePath) -> String {
    /// The most characters of an address on the way.
    const ADDRESS: usize = 13;
    let picture = PathDiagram::of(asked, std::slice::from_ref(path));
    let name = |place: usize| {
        let address = picture.vertices.get(place).map_or("", |place| place.address());
        if place == picture.asked {
            "this address".to_owned()
        } else {
            escape(&shortened(address, ADDRESS)).into_owned()
        }
    };
    let mut drawn = String::new();
    for path in &picture.paths {
        let listed = path.links.last().map(|link| name(link.to));
        let sent = path.message.direction() == v1::ExposureDirection::SentTo;
        if let Some(listed) = listed.as_ref().filter(|_| !sent) {
            drawn.push_str(&format!("{listed} ~ "));
        }
        for (place, step) in path.hops.iter().enumerate() {
            if place == 0 {
                drawn.push_str(&name(step.from));
            }
            let amount = step.short_amount();
            drawn.push_str(&format!(" → {} → {}", escape(&amount), name(step.to)));
        }
        if let Some(listed) = listed.as_ref().filter(|_| sent) {
            drawn.push_str(&format!(" ~ {listed}"));
        }
        if listed.is_some() {
            drawn.push_str(&format!(" (~ joined by {ESTIMATE})"));
        }
    }
    drawn
}
