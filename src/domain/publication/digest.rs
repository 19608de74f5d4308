//! The digest of a publication: depends on its content, not on file format, order or date.
//!
//! The hashed encoding (SHA-256) begins with the ASCII text `lazaretto list 1` and a line feed.
//! Then follow the number of parties and each party by ascending uid: uid, name, number of aliases,
//! each alias in the list's order, type, number of programs, each program, number of dates, each
//! date. Then follow the number of rows and each row by ascending key: party uid, address, ticker,
//! its date or an empty text, category, reference. A number is 8 bytes, little-endian; a text is
//! the number of its bytes and its UTF-8 bytes; a date is a text `YYYY-MM-DD`. Parties without rows
//! are left out.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::domain::list::{ListState, Party, RowFacts, RowKey};

/// Returns the digest of a publication with `parties` and `rows`, in any order, each uid and key
/// once.
pub fn digest<'a>(
    parties: impl IntoIterator<Item = &'a Party>,
    rows: impl IntoIterator<Item = (&'a RowKey, &'a RowFacts)>,
) -> [u8; 32] {
    let mut rows: Vec<_> = rows.into_iter().collect();
    if !rows.is_sorted_by_key(|row| row.0) {
        rows.sort_by_key(|row| row.0);
    }
    let named: BTreeMap<&str, &Party> = parties
        .into_iter()
        .map(|party| (party.uid.as_str(), party))
        .filter(|(uid, _)| {
            let first = rows.partition_point(|row| row.0.party_uid.as_str() < *uid);
            rows.get(first).is_some_and(|row| row.0.party_uid == **uid)
        })
        .collect();

    let mut hash = Encoder(Sha256::new_with_prefix(b"lazaretto list 1\n"));
    hash.number(named.len());
    for party in named.into_values() {
        hash.text(&party.uid);
        hash.text(&party.name);
        hash.texts(party.aliases.iter());
        hash.text(&party.party_type);
        hash.texts(party.programs.iter());
        hash.texts(party.listed_on.iter().map(ToString::to_string));
    }
    hash.number(rows.len());
    for (key, facts) in rows {
        hash.text(&key.party_uid);
        hash.text(&key.address);
        hash.text(&key.ticker);
        hash.text(facts.listed_on.map(|day| day.to_string()).unwrap_or_default());
        hash.text(&facts.category);
        hash.text(&facts.reference);
    }
    hash.0.finalize().into()
}

/// Recomputes the digest of the publication of `state` from its listed rows without a pending
/// removal. It equals the digest of the version unless the state is damaged.
pub fn listed_digest(state: &ListState) -> [u8; 32] {
    let present = |row: &&_| -> bool {
        let row: &crate::domain::list::Row = row;
        row.is_listed() && row.removal_pending_since.is_none()
    };
    digest(
        state.parties.iter(),
        state.rows.iter().filter(present).map(|row| (&row.key, &row.facts)),
    )
}

struct Encoder(Sha256);

impl Encoder {
    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: impl AsRef<str>) {
        self.number(text.as_ref().len());
        self.0.update(text.as_ref().as_bytes());
    }

    fn texts<T: AsRef<str>>(&mut self, texts: impl ExactSizeIterator<Item = T>) {
        self.number(texts.len());
        for text in texts {
            self.text(text);
        }
    }
}
