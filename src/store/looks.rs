//! The looks at the lists' sources, in their order: when each list was last known to be current, and
//! its latest day of publication. What snapshot ids name by a number instead of telling it.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `looks` | number of a chunk (8) | up to 1,000 looks, kept for ever |
//!
//! A look is noted where it says something else than the last one at the same list: some ten bytes.
//! It is written in the same change as the list's pointer, before it; where a killed process left
//! the pointer without its look, or a store is older than this tree, the looks are brought up to the
//! pointers on opening. A chunk begins with what was known of each list before its first look, so
//! that what was known after any number of looks stands in one chunk.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, value};
use crate::domain::list::{ListCheck, ListId};

const CHUNK: usize = 1000;

const TREE: &str = "looks";

const DAY: i64 = 24 * 60 * 60;

/// What is known of the age of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// When it was last known to be current.
    pub current_at: Option<Timestamp>,
    /// The latest day of publication seen.
    pub published: Option<Date>,
}

impl Look {
    fn of(check: &ListCheck) -> Self {
        Self { current_at: check.fresh_as_of(), published: check.published }
    }
}

/// A look, as stored: seconds after those that its chunk begins with and nanoseconds; days since
/// 1970.
type Form = (Option<(i64, i32)>, Option<i32>);

/// A chunk, as stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Chunk {
    /// From where seconds are counted.
    base: i64,
    /// The lists, each with what was known of it before.
    lists: Vec<(ListId, Option<Form>)>,
    /// The place of the list, and what was seen.
    looks: Vec<(u16, Form)>,
}

impl Chunk {
    fn after(known: &BTreeMap<ListId, Look>, first: &Look) -> Self {
        let base = first.current_at.map_or(0, Timestamp::as_second);
        let before = |(id, look): (&ListId, &Look)| (id.clone(), Some(form(look, base)));
        Self { base, lists: known.iter().map(before).collect(), looks: Vec::new() }
    }

    fn push(&mut self, id: &ListId, look: &Look) {
        let place = self.lists.iter().position(|(known, _)| known == id).unwrap_or_else(|| {
            self.lists.push((id.clone(), None));
            self.lists.len() - 1
        });
        self.looks.push((place as u16, form(look, self.base)));
    }

    /// What was known of each list after the first `count` looks; `None` where a form is none.
    fn known(&self, count: usize) -> Option<BTreeMap<ListId, Look>> {
        let mut known = BTreeMap::new();
        for (id, form) in &self.lists {
            if let Some(form) = form {
                known.insert(id.clone(), read(form, self.base)?);
            }
        }
        for (place, form) in self.looks.iter().take(count) {
            let (id, _) = self.lists.get(usize::from(*place))?;
            known.insert(id.clone(), read(form, self.base)?);
        }
        Some(known)
    }
}

fn form(look: &Look, base: i64) -> Form {
    let moment = |at: Timestamp| (at.as_second() - base, at.subsec_nanosecond());
    let days = |day: Date| {
        let zoned = day.to_zoned(TimeZone::UTC).ok()?;
        i32::try_from(zoned.timestamp().as_second().div_euclid(DAY)).ok()
    };
    (look.current_at.map(moment), look.published.and_then(days))
}

fn read((moment, day): &Form, base: i64) -> Option<Look> {
    let at = |(seconds, nanoseconds): (i64, i32)| {
        Timestamp::new(base.checked_add(seconds)?, nanoseconds).ok()
    };
    let date = |days: i32| {
        let at = Timestamp::from_second(i64::from(days) * DAY).ok()?;
        Some(at.to_zoned(TimeZone::UTC).date())
    };
    let current_at = match moment {
        Some(moment) => Some(at(*moment)?),
        None => None,
    };
    let published = match day {
        Some(day) => Some(date(*day)?),
        None => None,
    };
    Some(Look { current_at, published })
}

/// The looks as far as memory needs them: their number, the chunk that grows, and what is known.
#[derive(Clone, Debug, Default)]
pub(super) struct LookLog {
    count: u64,
    chunk: Chunk,
    known: BTreeMap<ListId, Look>,
}

impl Store {
    /// How many looks were noted: with this number a snapshot id names what is known of the age of
    /// the lists that are stored now.
    pub fn looks(&self) -> u64 {
        self.look_log().count
    }

    /// What was known of each list after so many looks; `None` where there were not so many.
    pub fn looks_at(&self, count: u64) -> Result<Option<BTreeMap<ListId, Look>>, StoreError> {
        let _writer = self.lock();
        if count > self.looks() {
            return Ok(None);
        }
        let Some(last) = count.checked_sub(1) else { return Ok(Some(BTreeMap::new())) };
        let key = key(last / CHUNK as u64);
        let stored = value::read(&self.looks, TREE, &key)?;
        let stored = stored.ok_or_else(|| value::corrupt(TREE, &key, "it is missing"))?;
        let (chunk, _) = decode(&key, &stored)?;
        let known = chunk.known((last % CHUNK as u64) as usize + 1);
        known.map(Some).ok_or_else(|| value::corrupt(TREE, &key, "a look has another form"))
    }

    fn look_log(&self) -> MutexGuard<'_, LookLog> {
        self.look_log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a look, unless it says what the last one said; the log with it, to be kept
    /// ([`Store::keep_look`]) once all that belongs to it is durable.
    pub(super) fn write_look(&self, id: &ListId, check: &ListCheck) -> Result<LookLog, StoreError> {
        let mut log = self.look_log().clone();
        let look = Look::of(check);
        if log.known.get(id) == Some(&look) {
            return Ok(log);
        }
        if log.count.is_multiple_of(CHUNK as u64) {
            log.chunk = Chunk::after(&log.known, &look);
        }
        log.chunk.push(id, &look);
        let mut batch = sled::Batch::default();
        let form = value::encode(&log.chunk)?;
        value::replace(&self.looks, &mut batch, &key(log.count / CHUNK as u64), &form)?;
        self.looks.apply_batch(batch).map_err(StoreError::engine("writing a look"))?;
        log.count += 1;
        log.known.insert(id.clone(), look);
        Ok(log)
    }

    /// Keeps in memory what is durable now.
    pub(super) fn keep_look(&self, log: LookLog) {
        *self.look_log() = log;
    }

    /// Reads the last chunk, and notes what the pointers say and no look does.
    pub(super) fn recover_looks(&self) -> Result<(), StoreError> {
        let mut log = LookLog::default();
        if let Some(last) = self.looks.iter().keys().next_back() {
            let last = last.map_err(StoreError::engine("reading a key"))?;
            let number = last.first_chunk::<8>().map(|number| u64::from_be_bytes(*number));
            let number =
                number.ok_or_else(|| value::corrupt(TREE, &last, "the key has another form"))?;
            let key = key(number);
            let stored = value::read(&self.looks, TREE, &key)?.unwrap_or_default();
            (log.chunk, log.known) = decode(&key, &stored)?;
            log.count = number * CHUNK as u64 + log.chunk.looks.len() as u64;
        }
        let count = log.count;
        self.keep_look(log);
        for (id, check) in self.checks()? {
            let log = self.write_look(&id, &check)?;
            self.keep_look(log);
        }
        if self.looks() > count { self.sync() } else { Ok(()) }
    }
}

/// A chunk, and what was known after all of its looks.
fn decode(key: &[u8], stored: &[u8]) -> Result<(Chunk, BTreeMap<ListId, Look>), StoreError> {
    let chunk: Chunk = value::decode(TREE, key, stored)?;
    let known = chunk.known(usize::MAX);
    let known = known.ok_or_else(|| value::corrupt(TREE, key, "a look has another form"))?;
    Ok((chunk, known))
}

/// Checks a chunk that comes after `count` looks: how many there are with it.
pub(super) fn count_chunk(count: u64, at: &[u8], stored: &[u8]) -> Result<u64, StoreError> {
    if at != key(count / CHUNK as u64) || !count.is_multiple_of(CHUNK as u64) {
        return Err(value::corrupt(TREE, at, format_args!("look {count} should be here")));
    }
    let (chunk, _) = decode(at, stored)?;
    if chunk.looks.is_empty() || chunk.looks.len() > CHUNK {
        return Err(value::corrupt(TREE, at, format_args!("it has {} looks", chunk.looks.len())));
    }
    Ok(count + chunk.looks.len() as u64)
}

fn key(chunk: u64) -> [u8; 8] {
    chunk.to_be_bytes()
}
