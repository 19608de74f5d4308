//! Direct dealings with listed addresses in assets without a known value: a note beside what was found.

use std::collections::BTreeMap;

use super::words::{self, wrapped_line};
use crate::cli::text::{Style, escape};
use crate::domain::digits::grouped;
use crate::grpc::v1;

/// That a search could not look at all transfers.
const CUT_SHORT: &str = "not all of its transfers could be looked at: there may be more dealings with \
                         listed addresses in assets without a known value";

/// Whether there is anything to note.
pub fn is_noted(answer: &v1::Screening) -> bool {
    !answer.unvalued_dealings.is_empty() || answer.unvalued_dealings_cut_short
}

/// Adds each note as a sentence.
pub fn lines(text: &mut String, answer: &v1::Screening, style: Style) {
    for dealings in &answer.unvalued_dealings {
        let note = match dealings.address.as_str() {
            "" => escape(&dealings.reason).into_owned(),
            address => format!("{}: {}", words::asked(address), escape(&dealings.reason)),
        };
        wrapped_line(text, 2, "unvalued", &note, style.width());
    }
    if answer.unvalued_dealings_cut_short {
        wrapped_line(text, 2, "unvalued", CUT_SHORT, style.width());
    }
}

/// `17 unvalued`; `None` where there are none.
pub fn short(answer: &v1::Screening) -> Option<String> {
    transfers(answer).map(|transfers| format!("{} unvalued", grouped(u64::from(transfers))))
}

/// How many such transfers an answer notes; `None` where it notes none. One transfer may be with an
/// address that is listed for several kinds: of the kinds the most are taken.
pub fn transfers(answer: &v1::Screening) -> Option<u32> {
    let mut most: BTreeMap<(&str, i32), u32> = BTreeMap::new();
    for dealings in &answer.unvalued_dealings {
        let most = most.entry((&dealings.address, dealings.direction)).or_default();
        *most = (*most).max(dealings.transfers);
    }
    most.into_values().reduce(u32::saturating_add).filter(|transfers| *transfers > 0)
}

/// `0xd90e...: 2 transfers of assets without a known value would have come ...; now 1`
pub fn prospect(dealings: &v1::ProspectiveUnvaluedDealings) -> String {
    let now = match dealings.current_transfers {
        0 => "none".to_owned(),
        now => grouped(u64::from(now)),
    };
    let reason = escape(dealings.reason.trim_end_matches('.'));
    format!("{}: {reason}; now {now}", words::asked(&dealings.address))
}
