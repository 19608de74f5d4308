//! One row of a batch's result and its columns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::screening::{DecidedBy, IncompleteCode, ReasonSubject};

/// The columns of a result, in their order; `path` stands only in results with evidence.
/// Results of earlier programs lack those of [`ADDED`].
pub const COLUMNS: [&str; 32] = [
    "row",
    "reference",
    "address",
    "chain",
    "decision",
    "score",
    "level",
    "status",
    "finding",
    "hops",
    "timing",
    "timing_basis",
    "share",
    "list",
    "list_kind",
    "party",
    "listed_address",
    "programs",
    "aliases",
    "listed_on",
    "listed_on_basis",
    "rule",
    "reason",
    "coverage",
    "exposure_hops",
    "snapshot",
    "policy",
    "evaluated_at",
    "unvalued_direct",
    "common_input",
    "cluster_cut",
    "path",
];

/// The columns that results of earlier programs do not have.
pub const ADDED: [&str; 8] = [
    "programs",
    "aliases",
    "listed_on",
    "listed_on_basis",
    "exposure_hops",
    "unvalued_direct",
    "common_input",
    "cluster_cut",
];

/// In the column `common_input`: CO_SPENT, and the address itself stood beside a listed one.
pub const BESIDE: &str = "BESIDE";

/// CO_SPENT, over a chain of transactions.
pub const CHAIN: &str = "CHAIN";

/// An exposure whose path begins at an address that is joined with the listed one.
pub const PATH: &str = "PATH";

/// What a row came to, from best to worst.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum RowDecision {
    Allow,
    /// A person has to look.
    Review,
    /// The row could not be asked.
    #[default]
    Error,
    Block,
}

impl RowDecision {
    pub const ALL: [Self; 4] = [Self::Allow, Self::Review, Self::Error, Self::Block];

    /// The name in a result.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Review => "REVIEW",
            Self::Error => "ERROR",
            Self::Block => "BLOCK",
        }
    }
}

impl fmt::Display for RowDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RowDecision {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == text).ok_or(())
    }
}

/// A share in hundredths of a per cent, written in per cent with two decimals (`12.50`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Share {
    type Err = ();

    /// Digits, with at most two after a point (a writer of JSON may have left zeros out).
    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || !(1..=2).contains(&part.len()) {
            return Err(());
        }
        let whole: u32 = whole.parse().map_err(|_| ())?;
        let part: u32 = format!("{part:0<2}").parse().map_err(|_| ())?;
        whole.checked_mul(100).and_then(|whole| whole.checked_add(part)).map(Self).ok_or(())
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let per_cent = f64::deserialize(deserializer)?;
        match (per_cent * 100.0).round() {
            points @ 0.0..=4_294_967_295.0 => Ok(Self(points as u32)),
            _ => Err(serde::de::Error::custom(format!("invalid share {per_cent}; use 0 to 100"))),
        }
    }
}

/// One row of a result. A text is empty where there is nothing to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultRow {
    /// The number of the row in the input, from 1, headings not counted.
    pub row: u64,
    /// The value of the input's reference column.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The address as in the input; of one that could not be asked what can be shown of it.
    pub address: String,
    /// The chain as in the input.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chain: String,
    /// What the row came to.
    pub decision: RowDecision,
    /// 0 to 100; `None` for ERROR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<u8>,
    /// NONE, LOW, MEDIUM, HIGH, SEVERE; empty for ERROR.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub level: String,
    /// COMPLETE, INCOMPLETE; empty for ERROR.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The kind of the finding that decided, such as LISTED; empty where nothing was found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub finding: String,
    /// The fewest hops over all findings that score: 0 for a listing of the address itself, and for
    /// CO_SPENT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<u32>,
    /// BEFORE, AFTER or UNKNOWN, of that finding's exposure; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timing: String,
    /// What the dates of the timing rest on: ADDRESS_DATE, FIRST_SEEN, PARTY_DATE or UNKNOWN.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timing_basis: String,
    /// The direct share of that finding; `None` where there is none or it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// The id of the list of that finding's listing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub list: String,
    /// The kind of that list, such as SANCTIONS.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub list_kind: String,
    /// The name of the party of that listing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub party: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listed_address: String,
    /// The programs of that party, such as sanctions programs, as [`join_values`] joins them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub programs: String,
    /// The other names of that party, in the list's order, as [`join_values`] joins them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub aliases: String,
    /// The first day of that listing (YYYY-MM-DD); empty where unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listed_on: String,
    /// What that day rests on: ADDRESS_DATE, FIRST_SEEN, PARTY_DATE or UNKNOWN.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listed_on_basis: String,
    /// The id of the deciding rule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// One line in plain words. Of an INCOMPLETE row it begins with `INCOMPLETE`, the codes and
    /// lists ([`ResultRow::incomplete`]); of an ERROR it is the error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// COVERED, NOT_COVERED; empty for ERROR.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub coverage: String,
    /// Over how many hops exposure was looked for; `None` where it was not, and for ERROR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure_hops: Option<u32>,
    /// The id of the snapshot that the answer rests on; empty for ERROR.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub snapshot: String,
    /// The version of the policy; empty for ERROR.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// The moment of the answer, RFC 3339, UTC, seconds; empty for ERROR.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub evaluated_at: String,
    /// Transfers of assets without a known value directly with listed addresses, which are not scored;
    /// `None` where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unvalued_direct: Option<u32>,
    /// How the finding that decided rests on common input, an estimate: [`BESIDE`], [`CHAIN`] or [`PATH`];
    /// empty where it does not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub common_input: String,
    /// The listed addresses, verbatim and as [`join_values`] joins them, that clusters by common input hold
    /// which are larger than the limit; not scored. Empty where there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_cut: String,
    /// The `v1.ExposurePath` that is shown, as JSON in the proto's field names; empty where there is
    /// none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The values of the columns of the input that came back, where they were asked for.
    #[serde(skip)]
    pub kept: Vec<String>,
}

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

/// Joins values into one cell, as a list's own CSV form does: `a|b`, with a backslash before a bar or
/// a backslash of a value.
pub fn join_values(values: &[String]) -> String {
    let escaped = values.iter().map(|value| value.replace('\\', "\\\\").replace('|', "\\|"));
    escaped.collect::<Vec<_>>().join("|")
}

/// Splits a cell into the values that [`join_values`] joined. Any other backslash is kept: cells of
/// CSV have escapes such as `\u{202e}` too.
pub fn split_values(cell: &str) -> Vec<String> {
    if cell.is_empty() {
        return Vec::new();
    }
    let mut values = Vec::new();
    let mut value = String::new();
    let mut characters = cell.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '|' => values.push(std::mem::take(&mut value)),
            '\\' => {
                let escaped = characters.next_if(|next| matches!(next, '|' | '\\'));
                value.push(escaped.unwrap_or('\\'));
            }
            other => value.push(other),
        }
    }
    values.push(value);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_decimals() {
        let check = |points: u32, want: &str| {
            assert_eq!(Share(points).to_string(), want);
            assert_eq!(want.parse(), Ok(Share(points)), "{want}");
            let json = serde_json::to_string(&Share(points)).unwrap();
            assert_eq!(serde_json::from_str::<Share>(&json).unwrap(), Share(points), "{json}");
        };
        check(0, "0.00");
        check(7, "0.07");
        check(1_250, "12.50");
        check(10_000, "100.00");
        assert_eq!("12.5".parse(), Ok(Share(1_250)));
        assert_eq!("12".parse(), Ok(Share(1_200)));
        for text in ["", ".5", "1.", "1.234", "-1", "+1", "1e2", "42949672.96", "1.+1"] {
            assert_eq!(text.parse::<Share>(), Err(()), "{text:?}");
        }
        assert!(serde_json::from_str::<Share>("-1").is_err());
        assert!(serde_json::from_str::<Share>("1e300").is_err());
    }

    #[test]
    fn values_of_a_cell_are_read_back() {
        let check = |values: &[&str], want: &str| {
            let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(join_values(&values), want);
            assert_eq!(split_values(want), values, "{want}");
        };
        check(&[], "");
        check(&["a"], "a");
        check(&["a", "b c", ""], "a|b c|");
        check(&["a|b", "c\\"], "a\\|b|c\\\\");
        // As a cell of CSV has what a terminal obeys.
        assert_eq!(split_values("x\\u{202e}|y\\n"), ["x\\u{202e}", "y\\n"]);
    }

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

    #[test]
    fn decisions_are_read_back_and_ordered() {
        for decision in RowDecision::ALL {
            assert_eq!(decision.as_str().parse(), Ok(decision));
            let json = serde_json::to_string(&decision).unwrap();
            assert_eq!(json, format!("\"{decision}\""));
        }
        assert_eq!("allow".parse::<RowDecision>(), Err(()));
        assert!(RowDecision::ALL.is_sorted());
    }
}
