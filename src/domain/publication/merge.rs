//! Merges a publication into a list: decides what happens to each row and party. The gates on the
//! whole are checked before.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Gates, party_name};
use crate::domain::list::{ChangeKind, ListingPeriod, Party, Row, RowFacts, RowKey, StartBasis};
use crate::domain::list_change::ListingChange;
use crate::domain::list_change::{
    FieldChange, RecordBudget, change_of_address, changes_of_facts, changes_of_party,
};

/// The circumstances of a merge, the same for every row.
pub(super) struct Merge<'a> {
    /// True for the first publication of its list.
    pub first: bool,
    /// True for a publication of tags, whose day says when they were published, not since when they
    /// hold.
    pub is_of_tags: bool,
    /// The day of the first publication loaded, if known.
    pub first_published: Option<Date>,
    /// True if its content equals the previous publication.
    pub same: bool,
    /// The day from which it counts.
    pub day: Date,
    /// The day from which missing rows no longer count.
    pub ends: Date,
    pub now: Timestamp,
    pub gates: &'a Gates,
    /// True if the missing rows are within the cumulative gate.
    pub within_gate: bool,
    /// True if that gate is overridden.
    pub forced: bool,
    /// True if the quarantine gate is overridden too.
    pub forced_held: bool,
    /// The parties after the publication, by uid.
    pub parties: &'a [Party],
    /// For each of `parties`, the changed fields.
    pub party_changes: &'a [Vec<FieldChange>],
    /// Missing rows that may be among the unparsed ones.
    pub held: &'a HashSet<&'a RowKey>,
    /// Rewritten rows, with their previous keys.
    pub rewritten: HashMap<&'a RowKey, &'a RowKey>,
}

/// Returns the parties of both, by uid, preferring the publication; and for each the changed
/// fields.
pub(super) fn merge_parties(old: &[Party], new: &[&Party]) -> (Vec<Party>, Vec<Vec<FieldChange>>) {
    let mut merged = Vec::with_capacity(old.len().max(new.len()));
    let mut changed = Vec::with_capacity(merged.capacity());
    let pairs = zip_sorted(old, new, |party| party.uid.as_str(), |party| party.uid.as_str());
    for pair in pairs {
        let (party, changes) = match pair {
            (Some(old), Some(new)) => (*new, changes_of_party(old, new)),
            (None, Some(new)) => (*new, Vec::new()),
            (Some(old), None) => (old, Vec::new()),
            (None, None) => continue,
        };
        merged.push(party.clone());
        changed.push(changes);
    }
    (merged, changed)
}

/// For each row by index: true if the publication lacks it.
pub(super) fn missing(old: &[Row], new: &[(&RowKey, &RowFacts)]) -> Vec<bool> {
    let pairs = zip_sorted(old, new, |row| &row.key, |row| row.0);
    pairs.filter_map(|(old, new)| old.map(|_| new.is_none())).collect()
}

/// Returns the rows after the publication, by key, and the changes.
pub(super) fn merge_rows(
    old: &[Row],
    new: &[(&RowKey, &RowFacts)],
    merge: &Merge<'_>,
) -> (Vec<Row>, Vec<ListingChange>) {
    let mut rows = Vec::with_capacity(old.len().max(new.len()));
    let mut changes = Vec::new();
    let mut room = RecordBudget::default();
    for pair in zip_sorted(old, new, |row| &row.key, |row| row.0) {
        let (row, kind) = match pair {
            (Some(old), Some((_, facts))) => merge.present(old, facts),
            (None, Some((key, facts))) => merge.added(key, facts),
            (Some(old), None) => merge.missing(old),
            (None, None) => continue,
        };
        if let Some(kind) = kind {
            let party_name = party_name(merge.parties, &row.key.party_uid).to_owned();
            let fields = room.keep(merge.fields(kind, pair.0, &row));
            changes.push(ListingChange { kind, key: row.key.clone(), party_name, fields });
        }
        rows.push(row);
    }
    (rows, changes)
}

impl Merge<'_> {
    /// Handles a row that is new.
    fn added(&self, key: &RowKey, facts: &RowFacts) -> (Row, Option<ChangeKind>) {
        let row = Row {
            key: key.clone(),
            facts: facts.clone(),
            periods: vec![self.start(key, facts, None)],
            removal_pending_since: None,
        };
        (row, Some(ChangeKind::Added))
    }

    /// Handles a row of the publication that existed before, listed or removed.
    fn present(&self, old: &Row, facts: &RowFacts) -> (Row, Option<ChangeKind>) {
        let mut row = old.clone();
        row.facts = facts.clone();
        if let Some(gone) = old.periods.last().and_then(|last| last.until) {
            row.periods.push(self.start(&row.key, facts, Some(gone)));
            return (row, Some(ChangeKind::Added));
        }
        if old.facts.listed_on != facts.listed_on {
            self.follow_date(&mut row);
        }
        let kind = if row.removal_pending_since.take().is_some() {
            Some(ChangeKind::RemovalCancelled)
        } else if old.facts != *facts
            || self.rewritten.contains_key(&row.key)
            || !self.party_changes(&row.key.party_uid).is_empty()
        {
            Some(ChangeKind::Updated)
        } else {
            None
        };
        (row, kind)
    }

    /// Handles a row that is missing in the publication. A pending removal takes effect only by
    /// confirmation within the gate, or by force. Another publication without the row restarts the
    /// confirmation.
    fn missing(&self, old: &Row) -> (Row, Option<ChangeKind>) {
        let mut row = old.clone();
        if !old.is_listed() {
            return (row, None);
        }
        let goes = match old.removal_pending_since {
            Some(since) => {
                self.same
                    && self.within_gate
                    && self.now.duration_since(since) >= self.gates.confirm_after
            }
            None => self.within_gate,
        };
        let is_held = self.held.contains(&old.key);
        let goes = if is_held { self.forced_held } else { self.forced || goes };
        if goes {
            row.removal_pending_since = None;
            if let Some(last) = row.periods.last_mut() {
                // A forced publication ends no period before it began.
                last.until = Some(last.from.map_or(self.ends, |from| from.max(self.ends)));
            }
            return (row, Some(ChangeKind::Removed));
        }
        if !self.same || old.removal_pending_since.is_none() {
            row.removal_pending_since = Some(self.now);
        }
        if old.removal_pending_since.is_none() {
            return (row, Some(ChangeKind::RemovalPending));
        }
        let is_other = !self.party_changes(&row.key.party_uid).is_empty();
        (row, is_other.then_some(ChangeKind::Updated))
    }

    /// Starts a listing period with this publication; `gone` is the end of the previous one.
    fn start(&self, key: &RowKey, facts: &RowFacts, gone: Option<Date>) -> ListingPeriod {
        if let Some(from) = self.plausible_date(facts, gone) {
            return ListingPeriod { from: Some(from), basis: StartBasis::AddressDate, until: None };
        }
        if !self.first || self.is_of_tags {
            let from = gone.map_or(self.day, |gone| gone.max(self.day));
            return ListingPeriod { from: Some(from), basis: StartBasis::FirstSeen, until: None };
        }
        let found = self.parties.binary_search_by(|party| party.uid.cmp(&key.party_uid));
        let dated = found.ok().and_then(|at| self.parties[at].listed_on.iter().min().copied());
        let from = dated.filter(|day| *day <= self.day);
        let basis = if from.is_some() { StartBasis::PartyDate } else { StartBasis::Unknown };
        ListingPeriod { from, basis, until: None }
    }

    /// Moves the start of the open period to the address's new date. A withdrawn or implausible
    /// date leaves the start unchanged. So does one after a day on which the row is known to have
    /// been listed, which would make past dealings look milder.
    fn follow_date(&self, row: &mut Row) {
        let gone = row.periods.iter().rev().nth(1).and_then(|before| before.until);
        let Some(last) = row.periods.last_mut() else { return };
        let stood = match last.basis {
            StartBasis::AddressDate | StartBasis::FirstSeen => last.from,
            StartBasis::PartyDate | StartBasis::Unknown => self.first_published,
        };
        let believed = self.plausible_date(&row.facts, gone);
        if let Some(from) = believed.filter(|from| stood.is_some_and(|stood| *from <= stood)) {
            last.from = Some(from);
            last.basis = StartBasis::AddressDate;
        }
    }

    /// Returns the address's date if plausible. A date after the publication is not: the address is
    /// already listed, and waiting would be a false clear. Nor is one before the end of an earlier
    /// period, which it belongs to.
    fn plausible_date(&self, facts: &RowFacts, gone: Option<Date>) -> Option<Date> {
        facts.listed_on.filter(|day| *day <= self.day && gone.is_none_or(|gone| gone <= *day))
    }

    /// Returns the changed fields of a listed row and its party.
    fn fields(&self, kind: ChangeKind, old: Option<&Row>, new: &Row) -> Vec<FieldChange> {
        match kind {
            ChangeKind::Added | ChangeKind::Updated | ChangeKind::RemovalCancelled => {
                let mut fields = self.party_changes(&new.key.party_uid).to_vec();
                if let Some(old) = old {
                    let before = self.rewritten.get(&new.key);
                    fields.extend(before.and_then(|key| change_of_address(key, &new.key)));
                    fields.extend(changes_of_facts(&old.facts, &new.facts));
                }
                fields
            }
            ChangeKind::RemovalPending | ChangeKind::Removed => Vec::new(),
        }
    }

    fn party_changes(&self, uid: &str) -> &[FieldChange] {
        let found = self.parties.binary_search_by(|party| party.uid.as_str().cmp(uid));
        found.map_or(&[], |at| &self.party_changes[at])
    }
}

/// Iterates over two sequences that ascend by key, pairing equal keys.
fn zip_sorted<'a, A, B, K: Ord + ?Sized + 'a>(
    left: &'a [A],
    right: &'a [B],
    left_key: impl Fn(&'a A) -> &'a K + 'a,
    right_key: impl Fn(&'a B) -> &'a K + 'a,
) -> impl Iterator<Item = (Option<&'a A>, Option<&'a B>)> + 'a {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (Some(l), Some(r)) => left_key(l).cmp(right_key(r)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        Some(match order {
            Ordering::Less => (left.next(), None),
            Ordering::Greater => (None, right.next()),
            Ordering::Equal => (left.next(), right.next()),
        })
    })
}
