//! The columns of a batch's result, once: the writers, the reader, the report and docs/batch.md follow
//! this table.

use std::borrow::Cow;

use super::cells::{RowDecision, Share};

/// A column of a result.
#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    /// What it means, in Markdown: docs/batch.md is held to it.
    #[cfg(test)]
    meaning: &'static str,
    pub kind: Kind,
    pub presence: Presence,
    /// Returns the value of a row as text, which is empty where there is nothing to say.
    pub text: fn(&ResultRow) -> Cow<'_, str>,
    /// Sets the value of a row; `None` if the text is no value of the column.
    pub read: fn(&mut ResultRow, &str) -> Option<()>,
}

/// How values stand in JSON and in Parquet. CSV has their text, which of JSON is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// The number of the row, up to 63 bits, which every row has.
    RowNumber,
    /// A number of up to 31 bits, or nothing.
    Number,
    /// A number in JSON, a string in Parquet.
    Decimal,
    /// A value of its own in JSON, a string in Parquet.
    Json,
}

/// Which results have a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Always,
    /// Results of earlier programs lack it.
    Added,
    /// Results with evidence.
    Evidence,
}

/// A value of a column.
trait Value: Sized {
    fn text(&self) -> Cow<'_, str>;
    fn read(text: &str) -> Option<Self>;
}

macro_rules! columns {
    ($($(#[doc = $meaning:literal])+ $name:ident: $type:ty, $kind:ident, $presence:ident;)+) => {
        /// One row of a result. A text is empty where there is nothing to say.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct ResultRow {
            $($(#[doc = $meaning])+ pub $name: $type,)+
            /// The values of the columns of the input that came back, where they were asked for.
            pub kept: Vec<String>,
        }

        /// The columns in their order.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            #[cfg(test)]
            meaning: concat!($($meaning),+),
            kind: Kind::$kind,
            presence: Presence::$presence,
            text: |row| row.$name.text(),
            read: |row, text| {
                row.$name = Value::read(text)?;
                Some(())
            },
        }),+];
    };
}

columns! {
    /// the number of the row in the input, from 1, headings not counted
    row: u64, RowNumber, Always;
    /// the value of `--reference-column`
    reference: String, Text, Always;
    /// the address as in the input; the start of one that is too long to be screened
    address: String, Text, Always;
    /// the chain as in the input
    chain: String, Text, Always;
    /// ALLOW, REVIEW, BLOCK; ERROR for a row that could not be screened
    decision: RowDecision, Text, Always;
    /// 0 to 100
    score: Option<u8>, Number, Always;
    /// NONE, LOW, MEDIUM, HIGH, SEVERE
    level: String, Text, Always;
    /// COMPLETE or INCOMPLETE
    status: String, Text, Always;
    /// the kind of the finding that decided, such as LISTED; empty where nothing was found
    finding: String, Text, Always;
    /// the fewest hops of all findings that score; 0: listed itself, or CO_SPENT
    hops: Option<u32>, Number, Always;
    /// whether funds moved at the listed address BEFORE or AFTER its listing; UNKNOWN where it may
    /// have been listed
    timing: String, Text, Always;
    /// what the dates of the timing rest on: ADDRESS_DATE, FIRST_SEEN, PARTY_DATE or UNKNOWN
    timing_basis: String, Text, Always;
    /// the direct share of the finding that decided, in per cent
    share: Option<Share>, Decimal, Always;
    /// the list of the listing of that finding
    list: String, Text, Always;
    /// the kind of that list, such as SANCTIONS
    list_kind: String, Text, Always;
    /// the name of the party of that listing
    party: String, Text, Always;
    /// the address of that listing
    listed_address: String, Text, Always;
    /// the programs of that party, separated by bars: `DPRK3|CYBER2`. A bar or a backslash in a name has
    /// a backslash before it
    programs: String, Text, Added;
    /// the other names of that party, separated in the same way
    aliases: String, Text, Added;
    /// the first day of that listing (YYYY-MM-DD); empty where unknown
    listed_on: String, Text, Added;
    /// what that day rests on, as for `timing_basis`
    listed_on_basis: String, Text, Added;
    /// the rule that decided
    rule: String, Text, Always;
    /// why, in one line. For an INCOMPLETE row it begins with the codes and lists; for an ERROR it is the
    /// error
    reason: String, Text, Always;
    /// whether transfers cover the address: COVERED or NOT_COVERED
    coverage: String, Text, Always;
    /// over how many hops exposure was searched; empty where it was not
    exposure_hops: Option<u32>, Number, Added;
    /// the snapshot that the answer rests on
    snapshot: String, Text, Always;
    /// the version of the policy
    policy: String, Text, Always;
    /// the moment of the answer (RFC 3339, UTC)
    evaluated_at: String, Text, Always;
    /// the number of direct transfers with listed addresses in assets without a known value; empty for
    /// none. Not scored
    unvalued_direct: Option<u32>, Number, Added;
    /// how the finding that decided rests on common input, an estimate: BESIDE (CO_SPENT: the address and
    /// a listed one are inputs of one transaction), CHAIN (CO_SPENT: over a chain of transactions), PATH
    /// (an exposure whose path begins at an address joined with the listed one); else empty
    common_input: String, Text, Added;
    /// the listed addresses, separated by bars, in clusters of the address that are larger than the
    /// limit; empty for none. Not scored
    cluster_cut: String, Text, Added;
    /// with `--evidence`, for REVIEW and BLOCK: a path of the exposure, as JSON; for CO_SPENT a path
    /// without hops, whose `common_input_chain` has the transactions
    path: String, Json, Evidence;
    /// the record of the answer in the decision log; empty where none is kept
    record: String, Text, Added;
}

/// Whether one of our columns has this name.
pub fn is_column(name: &str) -> bool {
    COLUMNS.iter().any(|column| column.name == name)
}

impl Value for String {
    fn text(&self) -> Cow<'_, str> {
        self.into()
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Value for RowDecision {
    fn text(&self) -> Cow<'_, str> {
        self.as_str().into()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for u64 {
    fn text(&self) -> Cow<'_, str> {
        self.to_string().into()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<N: std::fmt::Display + std::str::FromStr> Value for Option<N> {
    fn text(&self) -> Cow<'_, str> {
        self.as_ref().map_or_else(Cow::default, |value| value.to_string().into())
    }

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of columns in docs/batch.md; `UPDATE_GOLDENS=1` writes it there.
    #[test]
    fn the_document_has_the_table() {
        const HEAD: &str = "| column | meaning |\n|---|---|\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/batch.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (before, rest) = document.split_once(HEAD).unwrap();
        let (found, after) = rest.split_once("| your own |").unwrap();
        let line = |column: &Column| {
            format!("| `{}` | {} |\n", column.name, column.meaning.trim().replace('|', "\\|"))
        };
        let want: String = COLUMNS.iter().map(line).collect();
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(path, [before, HEAD, &want, "| your own |", after].concat()).unwrap();
        } else {
            assert_eq!(found, want);
        }
    }
}
