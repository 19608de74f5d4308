//! Applies a publication to a list: sanity gates, then additions, updates and removals, and the
//! resulting version. Pure: no clock, no file, no storage.
//!
//! A publication counts from its *day*: the stated day, or else the day (UTC) on which it is
//! loaded, but never a later day than that. A removal beyond the cumulative gate ([`Baseline`])
//! stays pending: the row counts until a removal is forced. If enough missing rows come back, a
//! pending removal also takes effect when the same publication is seen again unchanged at least
//! [`Gates::confirm_after`] later. Another publication without the row restarts the wait.

mod backfill;
mod baseline;
mod digest;
mod gate;
mod merge;
mod quarantine;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::domain::address::Reading;
use crate::domain::list::{
    Baseline, DeclaredCheck, ListCheck, ListCounts, ListId, ListKind, ListState, ListVersion, Mark,
    Party, Provenance, ReadList, Row, RowKey, UncoveredSpan, begin,
};
use crate::domain::list_change::ListingChange;

pub use backfill::{
    BackfillContext, BackfillRefused, Backfilled, BackfilledChange, FileOutcome, History, OldFile,
    backfill, known_publications,
};
pub use baseline::MAX_SHRINK_WINDOW;
pub use digest::{digest, listed_digest};
pub use gate::{Force, Gate, Gates, Refused};
use merge::{Merge, merge_parties, merge_rows, missing};
use quarantine::{apply_gate, held, is_not_understood, rewritten};

/// Identifies the bytes of a publication from the list's configured source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFingerprint {
    /// [`ListCheck::file_digest`].
    pub file_digest: Option<[u8; 32]>,
    /// [`ListCheck::etag`].
    pub etag: Option<String>,
    /// [`ListCheck::last_modified`].
    pub last_modified: Option<String>,
    /// [`ListCheck::source`].
    pub source: Option<[u8; 32]>,
}

/// The circumstances of a publication.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The list of the publication.
    pub id: &'a ListId,
    /// What being on the list means.
    pub kind: ListKind,
    /// Provenance of the file.
    pub provenance: &'a Provenance,
    pub now: Timestamp,
    /// The number of the version, if one results.
    pub next_version: u64,
    pub gates: &'a Gates,
    /// The gates to override, if any.
    pub force: Option<&'a Force>,
    /// True if an import by an operator does not refresh the list's age, however late its
    /// publication day. Publications from the source always do.
    pub ages_by_source: bool,
    /// Set if the file is the current content of the configured source: reading it is then a
    /// successful check. `None` for imported files and starter lists.
    pub source: Option<SourceFingerprint>,
    /// Set if an imported file is declared to be the content of the source at that time.
    pub declared: Option<&'a DeclaredCheck>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // made once per publication
pub enum Outcome {
    /// The content is unchanged: no new version, only a check of the source.
    Unchanged {
        /// The check to record.
        check: ListCheck,
    },
    /// It makes a new version.
    Published {
        /// The new state of the list.
        state: ListState,
        /// Changes by row key, at most one per row. Empty if only the kind changed or the first
        /// publication was empty.
        changes: Vec<ListingChange>,
    },
}

/// Applies `incoming` to the list `current` (`None`: never loaded). Rows and parties that repeat an
/// earlier key are ignored; readers merge them.
pub fn apply(
    current: Option<&ListState>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> Result<Outcome, Refused> {
    let opens = |gate: Gate| context.force.is_some_and(|force| force.overrides(gate));
    let today = utc_day(context.now);
    if let Some(incoming) = incoming.published
        && incoming > today.saturating_add(1.day())
    {
        return Err(Refused::Future { id: context.id.clone(), incoming, today });
    }
    gate::check(current, incoming, context)?;
    let parties = unique(&incoming.parties, |party| &party.uid);
    let rows: Vec<_> =
        unique(&incoming.rows, |row| &row.0).into_iter().map(|(key, facts)| (key, facts)).collect();
    let digest = digest(parties.iter().copied(), rows.iter().copied());
    let same = current.is_some_and(|state| state.version.digest == digest);
    let faulty: Vec<&RowKey> =
        rows.iter().map(|(key, _)| *key).filter(|key| is_not_understood(key)).collect();
    let known = current.map(|state| state.version.not_understood.clone()).unwrap_or_default();
    let forced = context.force.filter(|_| opens(Gate::Quarantine)).map(|it| it.reason.as_str());
    let not_understood = apply_gate(rows.len(), &faulty, &known, context.gates, forced);
    // A forced older publication removes nothing: its missing rows were listed until now, unless
    // their removal is forced as well.
    let dated_back =
        incoming.published.is_some() && incoming.published < current.and_then(latest_day);
    if let Some(state) = current
        && same
        && state.version.kind == context.kind
        && state.version.not_understood == not_understood
        && !matures(state, context, opens(Gate::Shrink), dated_back)
    {
        return Ok(Outcome::Unchanged { check: check_unchanged(&state.check, incoming, context) });
    }

    let (parties, party_changes) =
        merge_parties(current.map_or(&[][..], |state| &state.parties), &parties);
    let day = incoming.published.unwrap_or(today).min(today);
    let old_rows = current.map_or(&[][..], |state| &state.rows);
    let mut is_missing = missing(old_rows, &rows);
    let rewritten = rewritten(old_rows, &is_missing, &rows);
    rewritten.values().for_each(|place| is_missing[*place] = false);
    let gone = old_rows.iter().zip(&is_missing).filter(|(row, gone)| **gone && row.is_listed());
    let held = held(gone.map(|(row, _)| row), old_rows, &faulty, &not_understood);
    let is_elsewhere = is_from_another_source(current, context);
    let within_gate = !dated_back
        && !is_elsewhere
        && not_understood.beyond_gate == 0
        && current.is_none_or(|state| {
            Baseline::is_within(state, |place| is_missing[place], context.gates, context.now)
        });
    let merge = Merge {
        first: current.is_none(),
        is_of_tags: matches!(context.kind, ListKind::Attribution | ListKind::Service),
        first_published: current.and_then(|state| state.version.first_published),
        same,
        day,
        ends: if dated_back { today } else { day },
        now: context.now,
        gates: context.gates,
        within_gate,
        forced: opens(Gate::Shrink),
        forced_held: opens(Gate::Shrink) && opens(Gate::Quarantine),
        parties: &parties,
        party_changes: &party_changes,
        held: &held,
        rewritten: rewritten.iter().map(|(key, place)| (key, &old_rows[*place].key)).collect(),
    };
    let spelt_now = spelt_now(old_rows, &rewritten);
    let (rows, changes) = merge_rows(&spelt_now, &rows, &merge);
    let counts = count(&rows, incoming.duplicates);
    let standing = counts.listings + counts.quarantined;
    let mark = Mark::new(context.next_version, context.now, standing);
    let window = context.gates.shrink_window;
    let is_forced = opens(Gate::Shrink);
    let baseline = Baseline::after(current, mark, (&rows, &rewritten), &changes, is_forced, window);
    let version = ListVersion {
        id: context.id.clone(),
        kind: context.kind,
        version: context.next_version,
        digest,
        published: incoming.published,
        first_published: match current {
            Some(state) => state.version.first_published,
            None => incoming.published,
        },
        uncovered: current.map_or_else(Vec::new, |state| uncovered(state, day)),
        loaded_at: context.now,
        provenance: context.provenance.clone(),
        force_reason: context.force.map_or_else(String::new, Force::record),
        counts,
        not_understood,
    };
    let check = check_published(current.map(|state| &state.check), incoming, context);
    let (parties, rows, baseline) = (Arc::new(parties), Arc::new(rows), Arc::new(baseline));
    Ok(Outcome::Published { state: ListState { version, check, parties, rows, baseline }, changes })
}

/// Returns true if the unparsed rows of `state` are the same as when it was published. They may
/// differ, because the program may parse more since, the gate may have changed, and older programs
/// recorded none.
pub fn is_understood_as_published(state: &ListState, gates: &Gates) -> bool {
    let listed =
        state.rows.iter().filter(|row| row.is_listed() && row.removal_pending_since.is_none());
    let rows: Vec<&RowKey> = listed.map(|row| &row.key).collect();
    let faulty: Vec<&RowKey> = rows.iter().copied().filter(|key| is_not_understood(key)).collect();
    let known = &state.version.not_understood;
    apply_gate(rows.len(), &faulty, known, gates, None) == *known
}

/// Returns true if a pending removal of `state` is due at `now` and within the gate: the source
/// must then be read in full even if unchanged.
pub fn removal_due(state: &ListState, now: Timestamp, gates: &Gates) -> bool {
    if state.version.not_understood.beyond_gate > 0
        || state.rows.iter().all(|row| row.removal_pending_since.is_none())
    {
        return false;
    }
    let standing = state.rows.iter().filter(|row| row.is_listed());
    let (gone, present): (Vec<_>, Vec<_>) =
        standing.partition(|row| row.removal_pending_since.is_some());
    let present = present.into_iter().map(|row| &row.key);
    let faulty: Vec<_> = present.filter(|key| is_not_understood(key)).collect();
    let known = &state.version.not_understood;
    let held = held(gone.into_iter(), &state.rows, &faulty, known);
    let pending = |row: &Row| row.removal_pending_since.filter(|_| row.is_listed());
    let due = |since: Timestamp| now.duration_since(since) >= gates.confirm_after;
    let free = state.rows.iter().filter(|row| !held.contains(&row.key));
    free.filter_map(pending).any(due)
        && Baseline::is_within(state, |place| pending(&state.rows[place]).is_some(), gates, now)
}

/// Returns true if a publication comes from another address of its source than the last one: a
/// mirror may lag.
fn is_from_another_source(current: Option<&ListState>, context: &Context<'_>) -> bool {
    let last = current.and_then(|state| state.check.source);
    let now = context.source.as_ref().and_then(|mark| mark.source);
    last.is_some() && now.is_some() && last != now
}

/// Returns `old` with the new keys of rewritten rows, by key.
fn spelt_now<'r>(old: &'r [Row], rewritten: &BTreeMap<RowKey, usize>) -> Cow<'r, [Row]> {
    if rewritten.is_empty() {
        return Cow::Borrowed(old);
    }
    let mut rows = old.to_vec();
    for (key, place) in rewritten {
        rows[*place].key = key.clone();
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Cow::Owned(rows)
}

/// Returns the latest publication day seen of a list.
fn latest_day(state: &ListState) -> Option<Date> {
    state.published()
}

/// Returns the gaps of the previous version, and the one between its last moment and the beginning
/// (UTC) of the next publication's day, if any.
fn uncovered(state: &ListState, day: Date) -> Vec<UncoveredSpan> {
    let mut gaps = state.version.uncovered.clone();
    let begins = begin(day);
    if let (Some(from), Some(begins)) = (state.check.fresh_as_of(), begins)
        && begins > from
    {
        gaps.push(UncoveredSpan { from, until: day });
    }
    gaps
}

fn matures(state: &ListState, context: &Context<'_>, forced: bool, dated_back: bool) -> bool {
    if forced {
        return state.rows.iter().any(|row| row.removal_pending_since.is_some());
    }
    !dated_back && removal_due(state, context.now, context.gates)
}

/// Returns the check of an unchanged source. An import is no check unless it is declared one, but
/// it may supply a later publication day if the age may count from that.
fn check_unchanged(last: &ListCheck, incoming: &ReadList, context: &Context<'_>) -> ListCheck {
    let published = last.published.max(incoming.published);
    let declared = context.declared.filter(|look| last.fresh_as_of() < Some(look.at));
    match (&context.source, declared) {
        (Some(mark), _) => checked(mark, published, context.now),
        (None, Some(look)) => ListCheck { published, declared: Some(look.clone()), ..last.clone() },
        (None, None) if context.ages_by_source => last.clone(),
        (None, None) => {
            let is_later = |look: &DeclaredCheck| Some(look.at) < published.and_then(begin);
            let declared = last.declared.clone().filter(|look| !is_later(look));
            ListCheck { published, declared, ..last.clone() }
        }
    }
}

/// Returns the check of a new version. An import replaces the source's last answer, so the source
/// must be read in full next time, and its last check no longer determines the age. The age then
/// counts from the publication day or the declared check, unless neither exists and the list would
/// become younger although its age counts from its source.
fn check_published(
    last: Option<&ListCheck>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> ListCheck {
    let seen = last.and_then(|check| check.published);
    let dated_back = incoming.published.is_some() && incoming.published < seen;
    let published = if dated_back { incoming.published } else { incoming.published.max(seen) };
    if let Some(mark) = &context.source {
        return checked(mark, published, context.now);
    }
    let by_day = ListCheck { published, ..ListCheck::default() };
    if let Some(look) = context.declared {
        return ListCheck { declared: Some(look.clone()), ..by_day };
    }
    match last {
        // A declaration for another file does not apply to this one.
        Some(last) if context.ages_by_source && by_day.fresh_as_of() > last.fresh_as_of() => {
            let ListCheck { succeeded_at, published, .. } = *last;
            ListCheck { succeeded_at, published, ..ListCheck::default() }
        }
        _ => by_day,
    }
}

fn checked(mark: &SourceFingerprint, published: Option<Date>, now: Timestamp) -> ListCheck {
    ListCheck {
        succeeded_at: Some(now),
        published,
        file_digest: mark.file_digest,
        etag: mark.etag.clone(),
        last_modified: mark.last_modified.clone(),
        source: mark.source,
        declared: None,
    }
}

/// Counts a list of rows (by key).
fn count(rows: &[Row], duplicates: u64) -> ListCounts {
    let mut counts = ListCounts { duplicates, ..ListCounts::default() };
    let mut last_party: Option<&str> = None;
    for row in rows {
        if !row.is_listed() {
            counts.removed += 1;
            continue;
        }
        if Reading::from_list_cell(&row.key.address, &row.key.ticker).is_understood() {
            counts.listings += 1;
        } else {
            counts.quarantined += 1;
        }
        counts.removals_pending += u64::from(row.removal_pending_since.is_some());
        // Rows are sorted by party first, so a party's rows are adjacent.
        if last_party != Some(row.key.party_uid.as_str()) {
            counts.parties += 1;
            last_party = Some(&row.key.party_uid);
        }
    }
    counts
}

/// Returns the items by key, keeping the first of equal keys.
fn unique<'a, T, K: Ord + 'a>(items: &'a [T], key: impl Fn(&'a T) -> &'a K) -> Vec<&'a T> {
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort_by(|a, b| key(a).cmp(key(b)));
    sorted.dedup_by(|later, earlier| key(later) == key(earlier));
    sorted
}

fn utc_day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// Returns the name of the party, or an empty text for an unknown uid. `parties` are sorted by uid.
fn party_name<'a>(parties: &'a [Party], uid: &str) -> &'a str {
    match parties.binary_search_by(|party| party.uid.as_str().cmp(uid)) {
        Ok(at) => &parties[at].name,
        Err(_) => "",
    }
}

#[cfg(test)]
mod tests;
