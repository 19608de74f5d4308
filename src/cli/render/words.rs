//! The enumerations and measures of the proto in plain words.

use pbjson_types::Timestamp;

use crate::cli::text::{Colour, Style, escape, field, wrapped};
use crate::domain::duration::{self, span};
use crate::domain::transfer::MovementKind;
use crate::grpc::v1;
use crate::screening::IncompleteCode;

/// ` within 8 hops`: how far something was looked for; nothing where that is not said.
pub fn within(hops: u32) -> String {
    match hops {
        0 => String::new(),
        hops => format!(" within {}", count(hops as usize, "hop", "hops")),
    }
}

/// A list kind by its short name.
pub fn kind(kind: v1::ListKind) -> &'static str {
    short(kind.as_str_name(), "LIST_KIND_")
}

/// An enumeration's name without its prefix.
pub fn short(name: &'static str, prefix: &str) -> &'static str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// What the first day of a listing rests on.
pub fn basis(basis: v1::ListedOnBasis) -> &'static str {
    match basis {
        v1::ListedOnBasis::AddressDate => "the date that the list gives for this address",
        v1::ListedOnBasis::FirstSeen => {
            "the first publication loaded here in which the address newly appeared"
        }
        v1::ListedOnBasis::PartyDate => {
            "the party's date: the address stood in the first publication loaded here, so its own \
             date is unknown, and may be later"
        }
        v1::ListedOnBasis::Unknown => "nothing says when: it counts as having always stood",
        v1::ListedOnBasis::Unspecified => "the server does not say what this date rests on",
    }
}

/// Why a screening is incomplete.
pub fn incomplete(code: Option<IncompleteCode>) -> &'static str {
    code.map_or("a reason that this program does not know", IncompleteCode::meaning)
}

/// What is wholly known of a chain's transfers, by kind.
pub fn whole_kinds(chain: &v1::SnapshotTransfers) -> String {
    let kind = |kind: &v1::SnapshotMovementKind| {
        let whole = if kind.complete { "whole" } else { "NOT WHOLE" };
        format!("{} {whole}", movement_kind(kind.kind()))
    };
    let mut kinds: Vec<_> = chain.kinds.iter().map(kind).collect();
    if !chain.unvalued_asset.is_empty() {
        kinds.push(format!("{} WITHOUT VALUE", escape(&chain.unvalued_asset)));
    }
    if kinds.is_empty() { "-".to_owned() } else { kinds.join(", ") }
}

/// Why a screening is incomplete, with the list and the detail.
pub fn reason(reason: &v1::IncompleteReason) -> String {
    let mut why = incomplete(reason.code().into()).to_owned();
    if !reason.list_id.is_empty() {
        why.push_str(&format!(" [{}]", escape(&reason.list_id)));
    }
    if !reason.detail.is_empty() {
        why.push_str(&format!(": {}", escape(&reason.detail)));
    }
    why
}

/// What to do; what is not said is the worst.
pub fn decision(decision: v1::Decision) -> &'static str {
    match decision {
        v1::Decision::Allow => "ALLOW",
        v1::Decision::Review => "REVIEW",
        v1::Decision::Block => "BLOCK",
        v1::Decision::Unspecified => "BLOCK (no decision given)",
    }
}

/// The colour of a decision.
pub fn colour(decision: v1::Decision) -> Colour {
    match decision {
        v1::Decision::Allow => Colour::Good,
        v1::Decision::Review => Colour::Doubtful,
        v1::Decision::Block | v1::Decision::Unspecified => Colour::Bad,
    }
}

/// What decided, in one line without what was observed.
pub fn deciding(rule: &v1::DecidingRule) -> String {
    let what = match rule.id.as_str() {
        "no-finding" => return "no-finding: nothing was found".to_owned(),
        _ if rule.floor => "floor ",
        _ => "rule ",
    };
    match rule.threshold.as_str() {
        "" => format!("{what}{}", or_dash(&rule.id)),
        threshold => format!("{what}{}: {}", or_dash(&rule.id), escape(threshold)),
    }
}

/// Whether funds moved at the listed address before it was listed, with the dates that say so:
/// `AFTER the listing (listed on 2022-04-14)`.
pub fn timing(
    timing: v1::DesignationTiming,
    basis: v1::ListedOnBasis,
    listing: Option<&v1::Listing>,
) -> String {
    let dates = match listing.and_then(|listing| dates(basis, listing)) {
        Some(dates) => format!(" ({dates})"),
        None if basis == v1::ListedOnBasis::Unspecified => String::new(),
        None => " (no date is known)".to_owned(),
    };
    match timing {
        v1::DesignationTiming::Before => format!("BEFORE the listing{dates}"),
        v1::DesignationTiming::After => format!("AFTER the listing{dates}"),
        v1::DesignationTiming::Unknown => format!("perhaps AFTER the listing{dates}"),
        v1::DesignationTiming::Unspecified => "before or after the listing is not said".to_owned(),
    }
}

/// Between which days an address was listed, and by what; `None` where no day is known.
fn dates(basis: v1::ListedOnBasis, listing: &v1::Listing) -> Option<String> {
    let day = |at: &Option<Timestamp>| {
        at.as_ref().map(|at| moment(Some(at)).chars().take(10).collect::<String>())
    };
    let until = day(&listing.unlisted_until);
    let Some(from) = day(&listing.listed_from) else {
        return until.map(|until| format!("after {until}, nobody knows when"));
    };
    Some(match (basis, until) {
        (v1::ListedOnBasis::AddressDate, _) => format!("listed on {from}"),
        (v1::ListedOnBasis::PartyDate, Some(until)) => {
            format!("on the list of {from}, the first that is loaded; the party since {until}")
        }
        (v1::ListedOnBasis::FirstSeen, Some(until)) if until != from => {
            format!("on the list of {from}, surely not before {until}")
        }
        (v1::ListedOnBasis::FirstSeen, _) => format!("new on the list of {from}"),
        (
            v1::ListedOnBasis::PartyDate
            | v1::ListedOnBasis::Unknown
            | v1::ListedOnBasis::Unspecified,
            _,
        ) => format!("on the list of {from}, the first that is loaded"),
    })
}

/// What the dates of a timing rest on, where they are not at hand themselves.
pub fn timing_basis(basis: v1::ListedOnBasis) -> &'static str {
    match basis {
        v1::ListedOnBasis::AddressDate => "by the address's own date",
        v1::ListedOnBasis::FirstSeen => "by the publications without and with the address",
        v1::ListedOnBasis::PartyDate => "by the party's date and the first publication loaded",
        v1::ListedOnBasis::Unknown => "by the first publication loaded",
        v1::ListedOnBasis::Unspecified => "the server does not say by what",
    }
}

/// The band of a score.
pub fn level(level: v1::RiskLevel) -> String {
    short(level.as_str_name(), "RISK_LEVEL_").to_lowercase()
}

/// How an address is written.
pub fn encoding(encoding: v1::AddressEncoding) -> &'static str {
    short(encoding.as_str_name(), "ADDRESS_ENCODING_")
}

/// What an address's checksum says.
pub fn checksum(checksum: v1::ChecksumVerdict) -> &'static str {
    match checksum {
        v1::ChecksumVerdict::Verified => "checksum right",
        v1::ChecksumVerdict::Absent => "no checksum (a typing error would not show)",
        v1::ChecksumVerdict::Wrong => "checksum WRONG",
        v1::ChecksumVerdict::Unspecified => "checksum not looked at",
    }
}

/// How old a list is, and against which limit.
pub fn age(age: Option<u64>, max_age: Option<u64>, stale: bool) -> String {
    if age.is_none() && max_age.is_none() && !stale {
        return "does not age".to_owned();
    }
    let old = |age| format!("{} old", duration::age(age));
    let age = age.map_or_else(|| "of unknown age".to_owned(), old);
    match (max_age, stale) {
        (Some(limit), true) => format!("{age}, STALE (limit {})", span(limit)),
        (None, true) => format!("{age}, STALE"),
        (Some(limit), false) => format!("{age} (limit {})", span(limit)),
        (None, false) => format!("{age} (no limit)"),
    }
}

/// That the age counts from a look that a person declared.
pub fn declared_check(look: &v1::DeclaredCheck) -> String {
    let at = moment(look.checked_at.as_ref());
    format!("by a look of {at} that {} declared by hand", or_dash(&look.declared_by))
}

/// That a clock which says `clock` is behind a list that was checked at `checked`.
pub fn clock_behind(clock: &Timestamp, checked: &str) -> String {
    let clock = moment(Some(clock));
    format!("this machine's clock is behind: it says {clock}, the list was checked at {checked}")
}

/// A moment in RFC 3339; a hostile one as its numbers.
pub fn moment(moment: Option<&Timestamp>) -> String {
    let Some(moment) = moment else {
        return "unknown".to_owned();
    };
    match jiff::Timestamp::new(moment.seconds, moment.nanos) {
        Ok(moment) => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => format!("{} s {} ns after 1970", moment.seconds, moment.nanos),
    }
}

/// Harmless text, or a dash where there is none.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { escape(text).into_owned() }
}

/// A day as it stands (it may be hostile), or that nobody knows it.
pub fn day(text: &str) -> &str {
    if text.is_empty() { "an unknown day" } else { text }
}

/// Harmless texts in a row, or a dash where there are none.
pub fn joined(texts: &[String], separator: &str) -> String {
    if texts.is_empty() {
        return "-".to_owned();
    }
    texts.iter().map(|text| escape(text)).collect::<Vec<_>>().join(separator)
}

/// Where the values of lines with names begin, in characters.
const COLUMN: usize = 16;

/// Adds a line `name   value`, indented.
pub fn line(text: &mut String, indent: usize, name: &str, value: &str) {
    field(text, indent, COLUMN, name, value);
}

/// Adds a line `name   value`, indented, with its value broken at `width` characters.
pub fn wrapped_line(text: &mut String, indent: usize, name: &str, value: &str, width: usize) {
    line(text, indent, name, &wrapped(value, width, COLUMN, COLUMN));
}

/// Chains by their CAIP-2 ids, the wild card in words.
pub fn chains(chains: &[String]) -> String {
    joined(chains, ", ").replace("eip155:*", "any EVM chain (eip155:*)")
}

/// What was asked, harmless, so that nothing at all can be seen too.
pub fn asked(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { escape(text).into_owned() }
}

/// The number of a list version for people; a server that does not tell it tells the store's.
pub fn version(number_on_list: u64, version: u64) -> String {
    match (number_on_list, version) {
        (0, 0) => "-".to_owned(),
        (0, version) => format!("{version} (of the store)"),
        (number, _) => number.to_string(),
    }
}

/// A count with its noun.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A kind of movement as flags and configuration write it.
pub fn movement_kind(kind: v1::MovementKind) -> &'static str {
    Option::<MovementKind>::from(kind).map_or("unknown", MovementKind::as_str)
}

/// Adds a sentence, indented and broken at the width of the terminal.
pub fn sentence(text: &mut String, sentence: &str, style: Style) {
    text.push_str(&format!("  {}\n", wrapped(&escape(sentence), style.width(), 2, 2)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let check =
            |seconds, limit, stale, want: &str| assert_eq!(age(seconds, limit, stale), want);
        check(Some(0), Some(172_800), false, "less than a minute old (limit 2 d)");
        check(Some(11_100), None, false, "3 h 5 min old (no limit)");
        check(Some(180_000), Some(172_800), true, "2 d 2 h old, STALE (limit 2 d)");
        check(None, Some(172_800), true, "of unknown age, STALE (limit 2 d)");
        check(None, None, false, "does not age");
    }

    #[test]
    fn moments() {
        let at = |seconds, nanos| moment(Some(&Timestamp { seconds, nanos }));
        assert_eq!(at(1_763_510_400, 987_654_321), "2025-11-19T00:00:00Z");
        assert_eq!(at(i64::MAX, 0), "9223372036854775807 s 0 ns after 1970");
        assert_eq!(moment(None), "unknown");
    }
}
