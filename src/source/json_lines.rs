//! Lazaretto's own JSON-lines form: one object per line, with the fields of the CSV form; several
//! values are arrays. Unknown fields are rejected.
//!
//! The first line may be `{"lazaretto_list":1,"published":"2025-11-19","rows":42}`; `rows`, if
//! given, must be the number of following rows.

use serde::Deserialize;

use super::assembly::{Assembled, Assembly, day};
use super::error::{Fault, SourceError};
use super::lines::Lines;
use super::own::{OwnRow, check_count, check_version};
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::{RowFacts, RowKey};

const FORMAT: Format = Format::JsonLines;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    lazaretto_list: u64,
    published: Option<String>,
    rows: Option<u64>,
}

/// The fields; null is the same as absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    address: String,
    ticker: Option<String>,
    party_uid: Option<String>,
    party_name: Option<String>,
    party_aliases: Option<Vec<String>>,
    party_type: Option<String>,
    programs: Option<Vec<String>>,
    party_listed_on: Option<Vec<String>>,
    listed_on: Option<String>,
    category: Option<String>,
    reference: Option<String>,
}

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let mut list = Assembly::new(bounds);
    let mut lines = Lines::new(Box::new(input), bounds.max_record);
    let mut published = None;
    let mut rows = None;
    let mut first = true;
    while let Some((number, line)) = lines.next(FORMAT)? {
        if line.trim().is_empty() {
            continue;
        }
        let taken = if first && line.contains("\"lazaretto_list\"") {
            head(line).map(|head| (published, rows) = head)
        } else {
            row(line).and_then(|row| row.add(&mut list, bounds))
        };
        first = false;
        taken.map_err(|fault| fault.at_line(FORMAT, number))?;
    }
    let end = lines.number() + 1;
    check_count(rows, &list).map_err(|fault| fault.at_line(FORMAT, end))?;
    Ok(list.finish(published))
}

fn head(line: &str) -> Result<(Option<jiff::civil::Date>, Option<u64>), Fault> {
    let head: Head = serde_json::from_str(line).map_err(Fault::json)?;
    check_version(head.lazaretto_list)?;
    Ok((head.published.as_deref().map(day).transpose()?, head.rows))
}

fn row(line: &str) -> Result<OwnRow, Fault> {
    let line: Line = serde_json::from_str(line).map_err(Fault::json)?;
    let days = line.party_listed_on.unwrap_or_default();
    Ok(OwnRow {
        key: RowKey {
            party_uid: line.party_uid.unwrap_or_default(),
            address: line.address,
            ticker: line.ticker.unwrap_or_default(),
        },
        name: line.party_name.unwrap_or_default(),
        aliases: line.party_aliases.unwrap_or_default(),
        party_type: line.party_type.unwrap_or_default(),
        programs: line.programs.unwrap_or_default(),
        party_listed_on: days.iter().map(|text| day(text)).collect::<Result<_, _>>()?,
        facts: RowFacts {
            listed_on: line.listed_on.as_deref().map(day).transpose()?,
            category: line.category.unwrap_or_default(),
            reference: line.reference.unwrap_or_default(),
        },
    })
}

#[cfg(test)]
mod tests;
