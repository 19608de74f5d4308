//! Backfill: inserts old publications into the past of a list, as if each had been loaded in its
//! time. Pure: no clock, no file, no storage.
//!
//! The store keeps only the changes of each publication. So the known publications are
//! reconstructed from the current rows, backwards through the changes. Then all of them, old files
//! included, are replayed in the order of their days, without gates. The listed rows stay the same;
//! only their periods change, and formerly listed rows are added.

mod known;
mod reconstruct;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use self::reconstruct::reconstruct;
use self::replay::{Replay, StoredPublication};
use super::merge::merge_parties;
use super::{Gates, count, digest, unique};
use crate::domain::address::Reading;
use crate::domain::list::{
    BackfillRecord, Baseline, ChangeKind, KnownPublication, ListId, ListState, ListVersion,
    ListingPeriod, Mark, Provenance, ReadList, Row, RowKey, StartBasis, UncoveredSpan, begin,
};
use crate::domain::list_change::ListingChange;

pub use known::{BackfilledChange, History, known_publications};

/// The maximum of rows times publications to merge: some seconds of work.
const MAX_STEPS: usize = 100_000_000;

/// An old publication to insert.
#[derive(Clone, Debug)]
pub struct OldFile {
    /// The file's name, for the record.
    pub name: String,
    /// Its content, with its publication day.
    pub list: ReadList,
}

/// The circumstances of a backfill.
#[derive(Clone, Copy, Debug)]
pub struct BackfillContext<'a> {
    pub now: Timestamp,
    /// The number of the resulting version.
    pub next_version: u64,
    /// The limits; only the window of the shrink gate is used.
    pub gates: &'a Gates,
}

/// The outcome of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutcome {
    pub name: String,
    pub published: Date,
    /// Its number of rows.
    pub rows: u64,
    /// True if a publication of its day with the same rows was already known.
    pub was_known: bool,
    /// The number of rows of the next publication.
    pub next_rows: u64,
    /// How many of those it lacks. A high number suggests an incomplete file, whose missing rows
    /// count as not listed on its day.
    pub lacks: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfilled {
    /// The list with the new version; `None` if every file was already known.
    pub state: Option<ListState>,
    /// The list's changes since its first publication, in the order of publications.
    pub changes: Vec<BackfilledChange>,
    /// The outcomes of the files, by day.
    pub files: Vec<FileOutcome>,
    /// The number of added rows: no longer listed, and never seen before.
    pub rows_found: u64,
    /// The number of known rows whose listing periods changed.
    pub rows_redated: u64,
}

/// Why a backfill was rejected. Nothing changes then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackfillRefused {
    #[error("{name}: the file does not state its publication day: give one with it")]
    Undated { name: String },
    /// No row could be parsed: another format, or an error page.
    #[error(
        "{name}: none of its {rows} rows is an address; it would end every listing in its time"
    )]
    NothingUnderstood {
        name: String,
        /// How many rows there are.
        rows: usize,
    },
    /// Not older than the current publication.
    #[error(
        "{name}: published on {day}, and list {id} stands as of {latest}: only older publications can \
         be put into its past"
    )]
    NotOlder {
        name: String,
        id: ListId,
        day: Date,
        /// The day of the last publication that is known.
        latest: Date,
    },
    /// Another publication of its day is known, with other rows.
    #[error(
        "{name}: another publication of {day} with other rows is known ({known}), and which of the \
         two came first is not: leave one out"
    )]
    SameDay {
        name: String,
        day: Date,
        /// Provenance of the other one.
        known: String,
    },
    /// The source was checked after its day, and had other rows.
    #[error(
        "{name}: published on {day}, but the source of list {id} was looked at later, before its next \
         publication, and said otherwise: the file is not what stood then"
    )]
    Contradicted { name: String, id: ListId, day: Date },
    /// The list has too many rows and publications to merge them again.
    #[error(
        "list {id}: {publications} publications of up to {rows} rows are too many to merge again"
    )]
    TooMuch {
        id: ListId,
        /// Number of known publications and files.
        publications: usize,
        /// Number of rows of the list and the files.
        rows: usize,
    },
    /// The replay does not reproduce the current list.
    #[error("list {id}: its history cannot be reconstructed from the stored changes")]
    Inconsistent { id: ListId },
}

/// Inserts `files` into the past of the list `current`.
pub fn backfill(
    current: &ListState,
    history: &History,
    files: Vec<OldFile>,
    context: BackfillContext<'_>,
) -> Result<Backfilled, BackfillRefused> {
    let seen = last_seen(current, history);
    let publications: Vec<_> = history.publications.iter().chain(seen.as_ref()).collect();
    let reconstructed = reconstruct(current, publications.iter().map(|(_, changes)| &changes[..]));
    let known: Vec<StoredPublication<'_>> = publications
        .into_iter()
        .zip(reconstructed)
        .map(|((publication, changes), reconstructed)| StoredPublication {
            publication,
            changes,
            reconstructed,
        })
        .collect();
    let files = in_order(current, &known, files)?;
    bound(current, known.len(), &files)?;
    let replay = Replay::run(&known, &files)?;
    let mut done = Backfilled {
        state: None,
        changes: Vec::new(),
        files: files.iter().enumerate().map(|(place, file)| replay.outcome(place, file)).collect(),
        rows_found: 0,
        rows_redated: 0,
    };
    if done.files.iter().all(|file| file.was_known) {
        return Ok(done);
    }
    let rows = redate(current, history, &replay.rows, &mut done)?;
    let named: BTreeSet<&str> =
        rows.iter().filter(|row| row.is_listed()).map(|row| row.key.party_uid.as_str()).collect();
    let standing: Vec<_> =
        current.parties.iter().filter(|party| named.contains(party.uid.as_str())).collect();
    let walked: Vec<_> = replay.parties.iter().collect();
    let (parties, _) = merge_parties(&current.parties, &walked);
    let (parties, _) = merge_parties(&parties, &standing);
    let counts = count(&rows, current.version.counts.duplicates);
    let mark = Mark::new(context.next_version, context.now, counts.listings + counts.quarantined);
    let window = context.gates.shrink_window;
    let baseline =
        Baseline::after(Some(current), mark, (&rows, &BTreeMap::new()), &[], false, window);
    let (standing, rows_loaded_at) = current.version.rows_origin();
    let backfill_record = BackfillRecord {
        standing: standing.clone(),
        rows_loaded_at,
        rows_force_reason: current.version.rows_force_reason().to_owned(),
        publications: replay.publications.iter().map(|it| it.publication.clone()).collect(),
    };
    let uncovered =
        uncovered(&current.version.id, &current.version.uncovered, &replay.publications)?;
    let version = ListVersion {
        version: context.next_version,
        first_published: replay.publications.first().and_then(|first| first.publication.published),
        uncovered,
        loaded_at: context.now,
        provenance: Provenance::Backfill(Box::new(backfill_record)),
        force_reason: String::new(),
        counts,
        ..current.version.clone()
    };
    done.changes = replay.publications.into_iter().zip(0..).flat_map(place_changes).collect();
    done.state = Some(ListState {
        version,
        check: current.check.clone(),
        parties: Arc::new(parties),
        rows: Arc::new(rows),
        baseline: Arc::new(baseline),
    });
    Ok(done)
}

/// A publication with its changes.
#[derive(Debug)]
struct ReplayedPublication {
    publication: KnownPublication,
    changes: Vec<ListingChange>,
    /// True if this backfill adds it.
    is_new: bool,
    /// True if it was known and unchanged from the one before when it arrived: it was a check only.
    was_look: bool,
}

fn place_changes(
    (publication, place): (ReplayedPublication, u32),
) -> impl Iterator<Item = BackfilledChange> {
    publication.changes.into_iter().map(move |change| (place, change))
}

/// A file with a known day, and with rows in order, each once.
#[derive(Debug)]
struct Dated {
    name: String,
    day: Date,
    list: ReadList,
    digest: [u8; 32],
}

/// Returns the latest publication seen, if it is later than the last version: its content was the
/// same.
fn last_seen(
    current: &ListState,
    history: &History,
) -> Option<(KnownPublication, Vec<ListingChange>)> {
    let day = current.published()?;
    let (last, _) = history.publications.last()?;
    let publication = KnownPublication {
        published: Some(day),
        day,
        ends: day,
        kind: current.version.kind,
        digest: current.version.digest,
        origin: last.origin.clone(),
    };
    (last.published < Some(day) && last.ends < day).then(|| (publication, Vec::new()))
}

/// Sorts the files by day. Each has rows and is older than the current publication.
fn in_order(
    current: &ListState,
    known: &[StoredPublication<'_>],
    files: Vec<OldFile>,
) -> Result<Vec<Dated>, BackfillRefused> {
    let latest = known.iter().map(|known| known.publication.ends).max();
    let mut dated = Vec::with_capacity(files.len());
    for OldFile { name, list } in files {
        let Some(day) = list.published else { return Err(BackfillRefused::Undated { name }) };
        let is_understood =
            |key: &RowKey| Reading::from_list_cell(&key.address, &key.ticker).first.is_some();
        if !list.rows.iter().any(|(key, _)| is_understood(key)) {
            return Err(BackfillRefused::NothingUnderstood { name, rows: list.rows.len() });
        }
        let is_known = known.iter().any(|known| known.publication.published == Some(day));
        if let Some(latest) = latest.filter(|latest| !is_known && *latest <= day) {
            let id = current.version.id.clone();
            return Err(BackfillRefused::NotOlder { name, id, day, latest });
        }
        let rows = unique(&list.rows, |row| &row.0).into_iter().cloned().collect();
        let parties = unique(&list.parties, |party| &party.uid).into_iter().cloned().collect();
        let list = ReadList { rows, parties, ..list };
        let digest = digest(&list.parties, list.rows.iter().map(|(key, facts)| (key, facts)));
        dated.push(Dated { name, day, list, digest });
    }
    dated.sort_by(|a, b| (a.day, &a.name).cmp(&(b.day, &b.name)));
    Ok(dated)
}

/// Fails if the publications cannot be merged in bounded time.
fn bound(current: &ListState, known: usize, files: &[Dated]) -> Result<(), BackfillRefused> {
    let rows = current.rows.len() + files.iter().map(|file| file.list.rows.len()).sum::<usize>();
    let publications = known + files.len();
    if rows.checked_mul(publications).is_some_and(|steps| steps <= MAX_STEPS) {
        return Ok(());
    }
    let id = current.version.id.clone();
    Err(BackfillRefused::TooMuch { id, publications, rows })
}

/// Returns the rows of `current` with the listing periods of the replay, and the rows that only the
/// files have.
fn redate(
    current: &ListState,
    history: &History,
    walked: &[Row],
    done: &mut Backfilled,
) -> Result<Vec<Row>, BackfillRefused> {
    let find = |rows: &[Row], row: &Row| rows.binary_search_by(|each| each.key.cmp(&row.key)).ok();
    let inconsistent = || BackfillRefused::Inconsistent { id: current.version.id.clone() };
    let unrecorded = unrecorded(history);
    let mut rows = Vec::with_capacity(walked.len().max(current.rows.len()));
    for old in current.rows.iter() {
        let new = &walked[find(walked, old).ok_or_else(inconsistent)?];
        if new.is_listed() != old.is_listed() {
            return Err(inconsistent());
        }
        let mut row = Row { periods: new.periods.clone(), ..old.clone() };
        if unrecorded.contains(&old.key) {
            keep_dated_start(&mut row.periods, &old.periods);
        }
        done.rows_redated += u64::from(row.periods != old.periods);
        if !row.is_listed() {
            // The file may be the last publication of the row.
            row.facts.clone_from(&new.facts);
        }
        rows.push(row);
    }
    for row in walked.iter().filter(|row| find(&current.rows, row).is_none()) {
        if row.is_listed() {
            return Err(inconsistent());
        }
        rows.push(row.clone());
        done.rows_found += 1;
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(rows)
}

/// Returns the rows updated by programs of schema 4 and older, which did not record the changed
/// fields.
fn unrecorded(history: &History) -> BTreeSet<&RowKey> {
    let changes = history.publications.iter().flat_map(|(_, changes)| changes);
    let is_unrecorded =
        |change: &&ListingChange| change.kind == ChangeKind::Updated && change.fields.is_empty();
    changes.filter(is_unrecorded).map(|change| &change.key).collect()
}

/// Keeps a start dated by the source if the replay yields a later one.
fn keep_dated_start(new: &mut [ListingPeriod], old: &[ListingPeriod]) {
    if let (Some(new), Some(old)) = (new.first_mut(), old.first())
        && old.basis == StartBasis::AddressDate
        && new.from > old.from
    {
        (new.from, new.basis) = (old.from, old.basis);
    }
}

/// Returns the spans without a check, split by the files. `gaps` are those between the previously
/// known publications. Rejects a file that contradicts a check of the source made after the file's
/// day, by more than a day, since publications appear late.
fn uncovered(
    id: &ListId,
    gaps: &[UncoveredSpan],
    publications: &[ReplayedPublication],
) -> Result<Vec<UncoveredSpan>, BackfillRefused> {
    let mut all = gaps.to_vec();
    // The last moment at which the list was known before the publication.
    let mut fresh: Option<Timestamp> = None;
    let (mut was_new, mut was_undated) = (false, false);
    for (place, ReplayedPublication { publication, changes, is_new, .. }) in
        publications.iter().enumerate()
    {
        let begins = begin(publication.day);
        if was_new {
            all.retain(|gap| gap.until != publication.day);
        }
        let later = publication.day.saturating_add(2.days());
        if *is_new && !changes.is_empty() && begin(later) <= fresh {
            return Err(BackfillRefused::Contradicted {
                name: publication.origin.to_string(),
                id: id.clone(),
                day: publication.day,
            });
        }
        if (was_new || *is_new || was_undated)
            && let Some(from) = fresh.filter(|from| begins > Some(*from))
        {
            let gap = UncoveredSpan { from, until: publication.day };
            if !all.contains(&gap) {
                all.push(gap);
            }
        }
        (was_new, was_undated) = (*is_new, publication.published.is_none());
        if was_new {
            fresh = fresh.max(begins);
            continue;
        }
        let next = publications[place + 1..].iter().find(|next| !next.is_new);
        let gap = next.and_then(|next| gaps.iter().find(|gap| gap.until == next.publication.day));
        fresh = match (gap, next) {
            (Some(gap), _) => Some(gap.from),
            // It was checked until the next one arrived.
            (None, Some(next)) if !next.was_look && !was_undated => begin(next.publication.day),
            (None, _) => begin(publication.ends),
        };
    }
    all.sort_by_key(|gap| (gap.from, gap.until));
    Ok(all)
}
