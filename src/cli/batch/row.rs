//! What a row of a batch's result rests on: its reasons of incompleteness, and what decided.

use super::columns::ResultRow;
use crate::screening::{DecidedBy, IncompleteCode, ReasonSubject};

/// How the reason of an INCOMPLETE row begins.
pub const INCOMPLETE: &str = "INCOMPLETE ";

/// What stands between the reasons of incompleteness.
pub const AND: &str = ", ";

/// What stands between them and what follows.
pub const THEN: &str = "; ";

impl ResultRow {
    /// Why the row is INCOMPLETE: each reason's code, such as `LIST_STALE`, and its list, which is
    /// empty where it is about none.
    pub fn incomplete(&self) -> impl Iterator<Item = (&str, &str)> {
        let reasons =
            if self.status == "INCOMPLETE" { self.reason.strip_prefix(INCOMPLETE) } else { None };
        let reasons = reasons.map(|reasons| reasons.split_once(THEN).map_or(reasons, |(r, _)| r));
        let reasons = reasons.into_iter().flat_map(|reasons| reasons.split(AND));
        reasons.map(|reason| reason.split_once(' ').unwrap_or((reason, "")))
    }

    /// The reason without the codes and lists of [`ResultRow::incomplete`]; empty where it says
    /// nothing else.
    pub fn sentence(&self) -> &str {
        if self.incomplete().next().is_none() {
            return &self.reason;
        }
        self.reason.split_once(THEN).map_or("", |(_, sentence)| sentence)
    }

    /// What the decision of the row rests on.
    pub fn decided_by(&self) -> DecidedBy {
        let subjects =
            self.incomplete().map(|(code, _)| ReasonSubject::of(IncompleteCode::named(code)));
        DecidedBy::of(&self.rule, subjects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_follows_the_codes() {
        let check = |status: &str, reason: &str, want: &str| {
            let (status, reason) = (status.to_owned(), reason.to_owned());
            let row = ResultRow { status, reason, ..ResultRow::default() };
            assert_eq!(row.sentence(), want);
        };
        check("COMPLETE", "Blocked: listed.", "Blocked: listed.");
        check("INCOMPLETE", "INCOMPLETE LIST_STALE x; Blocked: a; b.", "Blocked: a; b.");
        check("INCOMPLETE", "INCOMPLETE CHECKSUM_WRONG", "");
        check("INCOMPLETE", "Blocked: listed.", "Blocked: listed.");
    }

    #[test]
    fn incomplete_reasons_are_read_back() {
        let check = |status: &str, reason: &str, want: &[(&str, &str)]| {
            let row = ResultRow {
                status: status.to_owned(),
                reason: reason.to_owned(),
                ..ResultRow::default()
            };
            assert_eq!(row.incomplete().collect::<Vec<_>>(), want, "{reason:?}");
        };
        let stale = "INCOMPLETE LIST_STALE us-ofac-sdn, CHECKSUM_WRONG; score >= 1: score 3, more";
        check("INCOMPLETE", stale, &[("LIST_STALE", "us-ofac-sdn"), ("CHECKSUM_WRONG", "")]);
        check("INCOMPLETE", "INCOMPLETE CHECKSUM_WRONG", &[("CHECKSUM_WRONG", "")]);
        // A policy may say what it likes.
        check("COMPLETE", stale, &[]);
        check("INCOMPLETE", "", &[]);
    }

    #[test]
    fn what_a_row_rests_on_is_read_off_its_rule_and_reasons() {
        let check = |rule: &str, reason: &str, want: DecidedBy| {
            let row = ResultRow {
                status: "INCOMPLETE".to_owned(),
                rule: rule.to_owned(),
                reason: reason.to_owned(),
                ..ResultRow::default()
            };
            assert_eq!(row.decided_by(), want, "{rule} {reason}");
        };
        let end = "; status = COMPLETE: status = INCOMPLETE";
        let stale = format!("INCOMPLETE LIST_STALE us-ofac-sdn, LIST_STALE il-nbctf{end}");
        check("incomplete", &stale, DecidedBy::Data);
        check("exposure", &stale, DecidedBy::Findings);
        let both = format!("INCOMPLETE LIST_STALE us-ofac-sdn, CHECKSUM_WRONG{end}");
        check("incomplete", &both, DecidedBy::Address);
        check("incomplete", "INCOMPLETE OF_A_LATER_VERSION", DecidedBy::Address);
    }
}
