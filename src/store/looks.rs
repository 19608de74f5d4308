//! The history of list checks: when each list was last known to be current, and its latest
//! publication day. Snapshot ids refer to it by number.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `looks` | number of a chunk (8) | up to 1,000 checks, kept permanently |
//!
//! A check is recorded if it differs from the last one of the same list: some ten bytes. It is
//! written in the same change as the list's pointer, before it. If a killed process left the
//! pointer without its check, or a store is older than this tree, the missing checks are added on
//! opening. A chunk begins with the state of each list before its first check, so that the state
//! after any number of checks is in one chunk.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, value};
use crate::domain::list::{ListCheck, ListId};
use crate::domain::lock::Recover;

const CHUNK: usize = 1000;

const TREE: &str = "looks";

const DAY: i64 = 24 * 60 * 60;

/// When a list was last known to be current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListAge {
    /// The last moment at which it was known to be current.
    pub current_at: Option<Timestamp>,
    /// The latest publication day seen.
    pub published: Option<Date>,
}

impl ListAge {
    fn of(check: &ListCheck) -> Self {
        Self { current_at: check.fresh_as_of(), published: check.published }
    }
}

/// A check, as stored: seconds relative to the chunk's base and nanoseconds; days since 1970.
type Form = (Option<(i64, i32)>, Option<i32>);

/// A chunk, as stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Chunk {
    /// The base of the stored seconds.
    base: i64,
    /// The lists, each with its state before the chunk.
    lists: Vec<(ListId, Option<Form>)>,
    /// The index of the list, and its check.
    looks: Vec<(u16, Form)>,
}

impl Chunk {
    fn after(known: &BTreeMap<ListId, ListAge>, first: &ListAge) -> Self {
        let base = first.current_at.map_or(0, Timestamp::as_second);
        let before = |(id, look): (&ListId, &ListAge)| (id.clone(), Some(form(look, base)));
        Self { base, lists: known.iter().map(before).collect(), looks: Vec::new() }
    }

    fn push(&mut self, id: &ListId, look: &ListAge) {
        let place = self.lists.iter().position(|(known, _)| known == id).unwrap_or_else(|| {
            self.lists.push((id.clone(), None));
            self.lists.len() - 1
        });
        self.looks.push((place as u16, form(look, self.base)));
    }

    /// Returns the state of each list after `count` checks; `None` if there are fewer or a form is
    /// invalid.
    fn known(&self, count: usize) -> Option<BTreeMap<ListId, ListAge>> {
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

fn form(look: &ListAge, base: i64) -> Form {
    let moment = |at: Timestamp| (at.as_second() - base, at.subsec_nanosecond());
    let days = |day: Date| {
        let zoned = day.to_zoned(TimeZone::UTC).ok()?;
        i32::try_from(zoned.timestamp().as_second().div_euclid(DAY)).ok()
    };
    (look.current_at.map(moment), look.published.and_then(days))
}

fn read((moment, day): &Form, base: i64) -> Option<ListAge> {
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
    Some(ListAge { current_at, published })
}

/// The log in memory: its length, the growing chunk, and the current state.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckLog {
    count: u64,
    chunk: Chunk,
    known: BTreeMap<ListId, ListAge>,
}

impl Store {
    /// Returns the number of recorded checks. A snapshot id uses it to identify the ages of the
    /// lists.
    pub fn check_count(&self) -> u64 {
        self.check_log().count
    }

    /// Returns the state of each list after `count` checks; `None` if there are fewer.
    pub fn list_ages_at(
        &self,
        count: u64,
    ) -> Result<Option<BTreeMap<ListId, ListAge>>, StoreError> {
        let _writer = self.lock();
        if count > self.check_count() {
            return Ok(None);
        }
        let Some(last) = count.checked_sub(1) else { return Ok(Some(BTreeMap::new())) };
        let key = key(last / CHUNK as u64);
        let stored = value::read(&self.looks, TREE, &key)?;
        let stored = stored.ok_or_else(|| StoreError::corrupt(TREE, &key, "it is missing"))?;
        let (chunk, _) = decode(&key, &stored)?;
        let known = chunk.known((last % CHUNK as u64) as usize + 1);
        known.map(Some).ok_or_else(|| StoreError::corrupt(TREE, &key, "a check is malformed"))
    }

    fn check_log(&self) -> MutexGuard<'_, CheckLog> {
        self.check_log.lock().recover()
    }

    /// Writes a check unless it equals the last one. Returns the log to keep ([`Store::adopt_check_log`])
    /// once all that belongs to it is durable.
    pub(super) fn write_check(
        &self,
        id: &ListId,
        check: &ListCheck,
    ) -> Result<CheckLog, StoreError> {
        let mut log = self.check_log().clone();
        let look = ListAge::of(check);
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

    /// Replaces the log in memory with the durable one.
    pub(super) fn adopt_check_log(&self, log: CheckLog) {
        *self.check_log() = log;
    }

    /// Reads the last chunk, and adds checks that only the pointers have.
    pub(super) fn recover_checks(&self) -> Result<(), StoreError> {
        let mut log = CheckLog::default();
        if let Some(last) = self.looks.iter().keys().next_back() {
            let last = last.map_err(StoreError::engine("reading a key"))?;
            let number = last.first_chunk::<8>().map(|number| u64::from_be_bytes(*number));
            let number =
                number.ok_or_else(|| StoreError::corrupt(TREE, &last, "the key is malformed"))?;
            let key = key(number);
            let stored = value::read(&self.looks, TREE, &key)?.unwrap_or_default();
            (log.chunk, log.known) = decode(&key, &stored)?;
            log.count = number * CHUNK as u64 + log.chunk.looks.len() as u64;
        }
        let count = log.count;
        self.adopt_check_log(log);
        for (id, check) in self.checks()? {
            let log = self.write_check(&id, &check)?;
            self.adopt_check_log(log);
        }
        if self.check_count() > count { self.sync() } else { Ok(()) }
    }
}

/// Decodes a chunk, and the state after all of its checks.
fn decode(key: &[u8], stored: &[u8]) -> Result<(Chunk, BTreeMap<ListId, ListAge>), StoreError> {
    let chunk: Chunk = value::decode(TREE, key, stored)?;
    let known = chunk.known(usize::MAX);
    let known = known.ok_or_else(|| StoreError::corrupt(TREE, key, "a check is malformed"))?;
    Ok((chunk, known))
}

/// Verifies a chunk that follows `count` checks. Returns the number including it.
pub(super) fn count_chunk(count: u64, at: &[u8], stored: &[u8]) -> Result<u64, StoreError> {
    if at != key(count / CHUNK as u64) || !count.is_multiple_of(CHUNK as u64) {
        return Err(StoreError::corrupt(TREE, at, format_args!("look {count} should be here")));
    }
    let (chunk, _) = decode(at, stored)?;
    if chunk.looks.is_empty() || chunk.looks.len() > CHUNK {
        return Err(StoreError::corrupt(
            TREE,
            at,
            format_args!("it has {} looks", chunk.looks.len()),
        ));
    }
    Ok(count + chunk.looks.len() as u64)
}

fn key(chunk: u64) -> [u8; 8] {
    chunk.to_be_bytes()
}
