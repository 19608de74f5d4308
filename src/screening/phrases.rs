//! Names and listings in the sentences of reasons.

use super::snapshot::SnapshotList;
use crate::domain::list::{Party, Row};

/// The longest name that a sentence repeats, in characters.
const MAX_NAME: usize = 200;

/// What stands at the other end of a dealing: `an address of LAZARUS GROUP (OFAC ...)`.
pub fn target(list: &SnapshotList, row: &Row, party: Option<&Party>) -> String {
    let whose = match name_of(party) {
        Some(name) => format!("an address of {name}"),
        None => format!("the listed address {}", short(&row.key.address)),
    };
    format!("{whose} ({})", list.name())
}

pub fn name_of(party: Option<&Party>) -> Option<String> {
    party.map(|party| short(&party.name)).filter(|name| !name.is_empty())
}

/// A name, shortened; control characters are the surface's to show.
pub fn short(name: &str) -> String {
    if name.chars().nth(MAX_NAME).is_none() {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(short(&"ü".repeat(MAX_NAME)).chars().count(), MAX_NAME);
        let long = short(&"ü".repeat(MAX_NAME + 1));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_NAME + 1, true));
    }
}
