//! Old publications put into the past of a list: what would be known had each been loaded in its
//! time. Pure: no clock, no file, no storage.
//!
//! The store keeps no publications, only what each changed. So the publications that are known are
//! made anew from the rows as they stand, backwards through the changes, and then all of them, the old
//! files among them, are merged in the order of their days, without gates. What stands now stays as
//! it is; only since when and until when rows stood is other, and rows are new that stood once.

mod known;
mod reconstruct;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use self::reconstruct::made;
use self::replay::{Known, Walk};
use super::merge::merge_parties;
use super::{Baseline, Gates, Mark, count, digest, unique};
use crate::domain::address::Reading;
use crate::domain::list::{
    ChangeKind, ListId, ListState, ListVersion, ListingChange, ListingPeriod, Provenance, ReadList,
    Row, RowKey, StartBasis, UncoveredSpan, begin,
};

pub use known::{
    BackfillRecord, BackfilledChange, History, KnownOrigin, KnownPublication, known_publications,
};

/// The most rows times publications that are merged: some seconds of work.
const MAX_STEPS: usize = 100_000_000;

/// An old publication to put into the past.
#[derive(Clone, Debug)]
pub struct OldFile {
    /// The file's name, for the record.
    pub name: String,
    /// What it says, with its day of publication.
    pub list: ReadList,
}

/// The circumstances of a backfill.
#[derive(Clone, Copy, Debug)]
pub struct BackfillContext<'a> {
    /// Now.
    pub now: Timestamp,
    /// The number of the version that comes of it.
    pub next_version: u64,
    /// The limits: only the window of the shrink gate matters.
    pub gates: &'a Gates,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutcome {
    /// Its name.
    pub name: String,
    /// Its day of publication.
    pub published: Date,
    /// How many rows it has.
    pub rows: u64,
    /// Whether a publication of its day with the same rows was known already.
    pub was_known: bool,
    /// How many rows the publication after it has.
    pub next_rows: u64,
    /// How many of those it lacks: many where it is not whole, and then they count as not listed on its
    /// day.
    pub lacks: u64,
}

/// What a backfill did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfilled {
    /// The list with the new version; `None` where every file was known already.
    pub state: Option<ListState>,
    /// The list's changes from its first publication on, in the order of publications.
    pub changes: Vec<BackfilledChange>,
    /// What became of the files, by day.
    pub files: Vec<FileOutcome>,
    /// How many rows are known now that stand no longer and were never seen before.
    pub rows_found: u64,
    /// How many rows that were known stood at other times than was thought.
    pub rows_redated: u64,
}

/// Why a backfill was refused. Nothing changes then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackfillRefused {
    /// No day of publication.
    #[error("{name}: the file does not say when it was published, and no day was given with it")]
    Undated {
        /// The file.
        name: String,
    },
    /// No row that is understood: another format, or an error page.
    #[error(
        "{name}: none of its {rows} rows is an address; it would end every listing in its time"
    )]
    NothingUnderstood {
        /// The file.
        name: String,
        /// How many rows there are.
        rows: usize,
    },
    /// Not older than what stands.
    #[error(
        "{name}: published on {day}, and list {id} stands as of {latest}: only older publications can \
         be put into its past"
    )]
    NotOlder {
        /// The file.
        name: String,
        /// The list.
        id: ListId,
        /// The file's day.
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
        /// The file.
        name: String,
        /// Its day.
        day: Date,
        /// Where the other came from.
        known: String,
    },
    /// The source was looked at after its day, and said otherwise.
    #[error(
        "{name}: published on {day}, but the source of list {id} was looked at later, before its next \
         publication, and said otherwise: the file is not what stood then"
    )]
    Contradicted {
        /// The file.
        name: String,
        /// The list.
        id: ListId,
        /// The file's day.
        day: Date,
    },
    /// The list has too many rows and publications to merge them again.
    #[error(
        "list {id}: {publications} publications of up to {rows} rows are too many to merge again"
    )]
    TooMuch {
        /// The list.
        id: ListId,
        /// How many publications are known, with those of the files.
        publications: usize,
        /// How many rows the list and the files have.
        rows: usize,
    },
    /// Something stands after the walk that does not stand now.
    #[error("list {id}: its past cannot be told anew from what the store keeps of it")]
    Inconsistent {
        /// The list.
        id: ListId,
    },
}

/// Puts `files` into the past of the list that stands as `current`.
pub fn backfill(
    current: &ListState,
    history: &History,
    files: Vec<OldFile>,
    context: BackfillContext<'_>,
) -> Result<Backfilled, BackfillRefused> {
    let seen = last_seen(current, history);
    let publications: Vec<_> = history.publications.iter().chain(seen.as_ref()).collect();
    let made = made(current, publications.iter().map(|(_, changes)| &changes[..]));
    let known: Vec<Known<'_>> = publications
        .into_iter()
        .zip(made)
        .map(|((publication, changes), made)| Known { publication, changes, made })
        .collect();
    let files = in_order(current, &known, files)?;
    bound(current, known.len(), &files)?;
    let walk = Walk::over(&known, &files)?;
    let mut done = Backfilled {
        state: None,
        changes: Vec::new(),
        files: files.iter().enumerate().map(|(place, file)| walk.outcome(place, file)).collect(),
        rows_found: 0,
        rows_redated: 0,
    };
    if done.files.iter().all(|file| file.was_known) {
        return Ok(done);
    }
    let rows = redate(current, history, &walk.rows, &mut done)?;
    let named: BTreeSet<&str> =
        rows.iter().filter(|row| row.is_listed()).map(|row| row.key.party_uid.as_str()).collect();
    let standing: Vec<_> =
        current.parties.iter().filter(|party| named.contains(party.uid.as_str())).collect();
    let walked: Vec<_> = walk.parties.iter().collect();
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
        publications: walk.told.iter().map(|told| told.publication.clone()).collect(),
    };
    let uncovered = uncovered(&current.version.id, &current.version.uncovered, &walk.told)?;
    let version = ListVersion {
        version: context.next_version,
        first_published: walk.told.first().and_then(|first| first.publication.published),
        uncovered,
        loaded_at: context.now,
        provenance: Provenance::Backfill(Box::new(backfill_record)),
        force_reason: String::new(),
        counts,
        ..current.version.clone()
    };
    done.changes = walk.told.into_iter().zip(0..).flat_map(place_changes).collect();
    done.state = Some(ListState {
        version,
        check: current.check.clone(),
        parties: Arc::new(parties),
        rows: Arc::new(rows),
        baseline: Arc::new(baseline),
    });
    Ok(done)
}

/// A publication with what it changed.
#[derive(Debug)]
struct Told {
    publication: KnownPublication,
    changes: Vec<ListingChange>,
    /// Whether it is put into the past only now.
    is_new: bool,
    /// Whether it was known and said what the one before it said, when it came: it was a look.
    was_look: bool,
}

fn place_changes((told, place): (Told, u32)) -> impl Iterator<Item = BackfilledChange> {
    told.changes.into_iter().map(move |change| (place, change))
}

/// A file whose day is known and whose rows stand in order, each once.
#[derive(Debug)]
struct Dated {
    name: String,
    day: Date,
    list: ReadList,
    digest: [u8; 32],
}

/// The latest publication that was seen, if it is later than the last that made a version: it said
/// the same.
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

/// The files by day, each with rows, and older than what stands.
fn in_order(
    current: &ListState,
    known: &[Known<'_>],
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

/// That the publications can be merged in bounded time.
fn bound(current: &ListState, known: usize, files: &[Dated]) -> Result<(), BackfillRefused> {
    let rows = current.rows.len() + files.iter().map(|file| file.list.rows.len()).sum::<usize>();
    let publications = known + files.len();
    if rows.checked_mul(publications).is_some_and(|steps| steps <= MAX_STEPS) {
        return Ok(());
    }
    let id = current.version.id.clone();
    Err(BackfillRefused::TooMuch { id, publications, rows })
}

/// The rows of `current`, each with the periods that the walk over all publications gave it, and
/// those that only the files have.
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
            // A file may be the last that says something of it.
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

/// The rows that were updated by programs of schema 4 and older, which did not record what was other.
fn unrecorded(history: &History) -> BTreeSet<&RowKey> {
    let changes = history.publications.iter().flat_map(|(_, changes)| changes);
    let is_unrecorded =
        |change: &&ListingChange| change.kind == ChangeKind::Updated && change.fields.is_empty();
    changes.filter(is_unrecorded).map(|change| &change.key).collect()
}

/// A start that the source dated stays where the walk gives a later one.
fn keep_dated_start(new: &mut [ListingPeriod], old: &[ListingPeriod]) {
    if let (Some(new), Some(old)) = (new.first_mut(), old.first())
        && old.basis == StartBasis::AddressDate
        && new.from > old.from
    {
        (new.from, new.basis) = (old.from, old.basis);
    }
}

/// The spans in which nobody looked, with the files between them. `gaps` are those between the
/// publications that were known before. A file that says otherwise than the source did when it was
/// looked at after the file's day (by more than a day, as publications appear late) is refused.
fn uncovered(
    id: &ListId,
    gaps: &[UncoveredSpan],
    told: &[Told],
) -> Result<Vec<UncoveredSpan>, BackfillRefused> {
    let mut all = gaps.to_vec();
    // Until when the list was known before the publication.
    let mut fresh: Option<Timestamp> = None;
    let (mut was_new, mut was_undated) = (false, false);
    for (place, Told { publication, changes, is_new, .. }) in told.iter().enumerate() {
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
        let next = told[place + 1..].iter().find(|next| !next.is_new);
        let gap = next.and_then(|next| gaps.iter().find(|gap| gap.until == next.publication.day));
        fresh = match (gap, next) {
            (Some(gap), _) => Some(gap.from),
            // It was looked at until the next one came.
            (None, Some(next)) if !next.was_look && !was_undated => begin(next.publication.day),
            (None, _) => begin(publication.ends),
        };
    }
    all.sort_by_key(|gap| (gap.from, gap.until));
    Ok(all)
}
