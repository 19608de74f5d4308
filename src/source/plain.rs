//! One address per line. `#` comments and blank lines are skipped; other lines are kept verbatim,
//! including surrounding blanks.

use super::assembly::{Assembled, Assembly, bounded};
use super::error::{Fault, SourceError};
use super::lines::Lines;
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::{RowFacts, RowKey, UNATTRIBUTED};

/// Reads the list. A comment is a line that begins with `#`; comments after an address are not
/// supported.
pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let mut list = Assembly::new(bounds);
    let mut lines = Lines::new(Box::new(input), bounds.max_record);
    while let Some((number, line)) = lines.next(Format::Plain)? {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let at = |fault: Fault| fault.at_line(Format::Plain, number);
        bounded(line, bounds).map_err(at)?;
        let key = RowKey {
            party_uid: UNATTRIBUTED.to_owned(),
            address: line.to_owned(),
            ticker: String::new(),
        };
        list.row(key, RowFacts::default()).map_err(at)?;
    }
    if list.seen() > 0 {
        list.party(UNATTRIBUTED)
            .map_err(|fault| fault.at_line(Format::Plain, lines.number() + 1))?;
    }
    Ok(list.finish(None))
}
