//! Checks by the schema that the columns of a Parquet file can hold the expected values. Floating
//! point loses digits silently, so no row would show it.

use super::amazon::{self, Unit};
use crate::source::rows::{Columns, Holds, RowsError, SchemaField, Table};

/// What a column is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A hash, an address, a name.
    Text,
    /// A height, an index, a status.
    Number,
    Time,
    /// An amount of an asset.
    Amount,
    /// A value in US dollars: any decimal number, and more digits than millionths are cut anyway.
    UsdValue,
    Flag,
    Parts,
    /// Any value. A column of nulls only may have any type.
    Note,
}

/// What a column of any format is read as.
fn role(column: &str) -> Role {
    match column {
        "block_number" | "number" | "transaction_index" | "log_index" | "trace_index" | "index"
        | "decimals" | "status" | "receipt_status" | "input_count" | "output_count" => Role::Number,
        "time" | "timestamp" | "block_timestamp" => Role::Time,
        "amount" | "value" => Role::Amount,
        "usd_value" => Role::UsdValue,
        "is_coinbase" => Role::Flag,
        "inputs" | "outputs" => Role::Parts,
        "error" => Role::Note,
        _ => Role::Text,
    }
}

impl Role {
    fn remedy(self) -> &'static str {
        match self {
            Self::Text => "write it as text",
            Self::Number => "write it as INT64 or text",
            Self::Time => "write it as a timestamp, as RFC 3339 text or as INT64 seconds",
            Self::Amount => "write it as text, DECIMAL or INT64",
            Self::UsdValue => "write it as DOUBLE, DECIMAL or text",
            Self::Flag => "write it as BOOLEAN",
            Self::Parts => "write it as a list of groups",
            Self::Note => "write it as text",
        }
    }

    /// Returns why the column's type cannot be read so.
    fn misfit(self, holds: &Holds) -> Option<String> {
        if self == Self::Note {
            return None;
        }
        let is_amount = matches!(self, Self::Amount | Self::UsdValue);
        Some(match holds {
            Holds::Floats(kind) if self != Self::UsdValue => {
                format!("{kind}: floating point loses digits in silence")
            }
            Holds::Decimals(scale) if *scale != 0 && !is_amount => {
                format!("DECIMAL with {scale} digits after the point")
            }
            Holds::Dates if self == Self::Time => "DATE, which has no time of day".to_owned(),
            Holds::Dates => "DATE".to_owned(),
            Holds::TimesOfDay => "TIME, which has no day".to_owned(),
            Holds::Timestamps if self != Self::Time => "a timestamp".to_owned(),
            Holds::Floats(_)
            | Holds::Decimals(_)
            | Holds::Timestamps
            | Holds::Integers
            | Holds::Flags
            | Holds::Bytes
            | Holds::Groups(_) => return None,
        })
    }
}

/// Fails if columns of a Parquet file cannot hold the expected values; `unit` is that of inputs and
/// outputs.
pub(super) fn check(table: &Table<'_>, columns: &Columns<'_>, unit: Unit) -> Result<(), RowsError> {
    let schema = table.schema();
    let wanted = schema.iter().filter(|field| columns.find(&field.name).is_some());
    let mut sides = Vec::new();
    for SchemaField { name, holds } in wanted {
        let misfit = match (role(name), holds) {
            (Role::Parts, Holds::Groups(fields)) => {
                sides.push(fields);
                part_misfit(name, fields, unit)
            }
            (Role::Parts, _) => Some(format!("{name:?} is no list of groups")),
            (role, holds) => role.misfit(holds).map(|what| {
                format!("the column {name:?} is {what}: {remedy}", remedy = role.remedy())
            }),
        };
        if let Some(misfit) = misfit {
            return Err(table.unfit(misfit));
        }
    }
    let names_nobody =
        |fields: &&Vec<SchemaField>| !has(fields, "addresses") && !has(fields, "address");
    if !sides.is_empty() && sides.iter().all(names_nobody) {
        return Err(table.unfit(super::bitcoin::NAMES_NOBODY));
    }
    Ok(())
}

fn has(fields: &[SchemaField], name: &str) -> bool {
    fields.iter().any(|field| field.name == name)
}

/// Why the inputs or outputs cannot be read. A FLOAT has too few digits even for whole coins. Numbers
/// of satoshi may have nine places after the point, which must then be zeros: those of BigQuery's
/// NUMERIC. Others are of whole coins, which have eight, or in doubt.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is decided by exhaustive matches")]
fn part_misfit(column: &str, fields: &[SchemaField], unit: Unit) -> Option<String> {
    fields.iter().find_map(|SchemaField { name, holds }| {
        let role = match name.as_str() {
            "value" => Role::Amount,
            "addresses" | "address" | "type" | "script_hex" => Role::Text,
            _ => return None,
        };
        let what = match holds {
            Holds::Floats("DOUBLE") if role == Role::Amount && unit == Unit::Coins => return None,
            Holds::Integers if role == Role::Amount && unit == Unit::Coins => {
                "a whole number, of satoshi".to_owned()
            }
            Holds::Decimals(scale)
                if role == Role::Amount && unit == Unit::Smallest && !matches!(scale, 0 | 9) =>
            {
                format!("DECIMAL with {scale} digits after the point")
            }
            holds => role.misfit(holds)?,
        };
        let remedy = match role {
            Role::Amount if unit == Unit::Coins => "read it by --format bitcoin-transactions",
            Role::Amount if amazon::is_part(fields) => {
                "in whole coins, read it by --format aws-bitcoin-transactions"
            }
            Role::Amount => "write it as INT64, in the coin's smallest unit",
            role => role.remedy(),
        };
        Some(format!("{name:?} in the column {column:?} is {what}: {remedy}"))
    })
}
