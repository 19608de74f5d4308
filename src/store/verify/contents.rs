//! Checks stored values against each other: pointers, versions, rows, changes, transfers. Takes
//! values with verified checksums; reads nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::baseline::{self, BASELINE};
use super::super::changes::{Chunk, split_key as split_change_key};
use super::super::coverage::CoverageCheck;
use super::super::heads::Heads;
use super::super::lists::{PARTIES, Pointer, ROWS, chunk_key, decode_version, split_key};
use super::super::superseded::{Expected, Head};
use super::super::transfers::{Directory, Log, Segment, segment_key};
use super::super::{StoreError, looks, value};
use super::{OpaqueRecord, RecordCheck, Verified};
use crate::domain::list::{ListId, ListState, ListVersion, Party, Row};
use crate::domain::publication::listed_digest;

/// The first schema that has the coverage after each change.
const FIRST_WITH_COVERAGE: u32 = 8;

/// The values seen so far.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pointers: BTreeMap<ListId, Pointer>,
    headers: BTreeMap<ListId, ListVersion>,
    /// The number of every version.
    numbers: BTreeSet<u64>,
    /// The list whose rows are being read.
    list: Option<Gathered>,
    gathered: BTreeSet<ListId>,
    /// The expected first change of the next chunk.
    next_change: (u64, u64),
    /// The expected values of the version whose superseded rows came last.
    superseded: Option<Expected>,
    directory: Option<Directory>,
    log: Log,
    coverage: CoverageCheck,
    /// Small segments not seen yet, by number.
    small: BTreeMap<u64, Segment>,
    /// Segments in the file, by offset, the next one last.
    placed: Vec<Segment>,
    /// The offset reached in the file, and the part that belongs to the next segment.
    position: u64,
    part: Vec<u8>,
    beyond: bool,
    /// Retracted rows, by index of their chain in the log.
    retracted: BTreeMap<usize, u64>,
    /// True if some rows could not be read.
    uncounted: bool,
}

/// A list whose rows are being read.
#[derive(Debug)]
struct Gathered {
    id: ListId,
    parties: Vec<Party>,
    rows: Vec<Row>,
    baseline: baseline::Gathered,
    /// Chunks of parties and rows.
    chunks: (u32, u32),
}

fn corrupt(tree: &'static str, key: &[u8], what: impl ToString) -> StoreError {
    StoreError::corrupt(tree, key, what)
}

impl Contents {
    pub fn take(
        &mut self,
        tree: &'static str,
        key: &[u8],
        bytes: &[u8],
        judge: RecordCheck<'_>,
        found: &mut Verified,
    ) -> Result<(), StoreError> {
        match tree {
            "lists" => self.pointer(key, bytes, found),
            "versions" => self.version(key, bytes, found),
            "rows" => self.rows(key, bytes, found),
            "changes" => self.change(key, bytes, found),
            "superseded" => self.superseded(key, bytes),
            "snapshots" | "policies" | "settings" | "bases" => {
                named(tree, key, bytes, judge, found)
            }
            "coverage" => self.coverage.take(key, bytes),
            "looks" => {
                found.looks = looks::count_chunk(found.looks, key, bytes)?;
                Ok(())
            }
            "transfers" => self.directory.get_or_insert_default().take(key, bytes),
            _ => self.small_segment(key, bytes),
        }
    }

    fn pointer(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        found: &mut Verified,
    ) -> Result<(), StoreError> {
        let id = std::str::from_utf8(key).ok().and_then(|id| id.parse().ok());
        let id: ListId = id.ok_or_else(|| corrupt("lists", key, "the key is not a list id"))?;
        found.lists += 1;
        self.pointers.insert(id, Pointer::decode(key, bytes)?);
        Ok(())
    }

    /// Returns the list and version of a key of `versions` or `rows`.
    fn list_of(&self, tree: &'static str, key: &[u8]) -> Result<(ListId, u64), StoreError> {
        let split = split_key(key);
        let split = split.and_then(|(id, version)| {
            let id = std::str::from_utf8(id).ok()?.parse::<ListId>().ok()?;
            Some((id, version))
        });
        let (id, version) = split.ok_or_else(|| corrupt(tree, key, "the key is malformed"))?;
        if self.pointers.contains_key(&id) {
            Ok((id, version))
        } else {
            Err(corrupt(tree, key, format_args!("no pointer names list {id}")))
        }
    }

    fn version(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        found: &mut Verified,
    ) -> Result<(), StoreError> {
        let (id, number) = self.list_of("versions", key)?;
        let header = decode_version(key, bytes)?;
        if header.id != id || header.version != number {
            return Err(corrupt("versions", key, "it is the header of another version"));
        }
        if number > self.pointers[&id].version {
            return Err(corrupt("versions", key, "it is later than the version in force"));
        }
        if !self.numbers.insert(number) {
            return Err(corrupt("versions", key, "another list has a version of this number"));
        }
        found.versions += 1;
        if number == self.pointers[&id].version {
            self.headers.insert(id, header);
        }
        Ok(())
    }

    fn rows(&mut self, key: &[u8], bytes: &[u8], found: &mut Verified) -> Result<(), StoreError> {
        let (id, version) = self.list_of("rows", key)?;
        if version != self.pointers[&id].version {
            return Err(corrupt("rows", key, "they are of a version that is not in force"));
        }
        if self.list.as_ref().is_none_or(|list| list.id != id) {
            self.end_list_of(found);
        }
        let list = self.list.get_or_insert_with(|| Gathered {
            id: id.clone(),
            parties: Vec::new(),
            rows: Vec::new(),
            baseline: baseline::Gathered::default(),
            chunks: (0, 0),
        });
        let place = key.get(id.as_str().len() + 9..);
        let place = place.and_then(|place| place.split_first_chunk::<1>());
        let number = place.and_then(|(_, number)| number.try_into().ok()).map(u32::from_be_bytes);
        if let Some(([BASELINE], _)) = place {
            let expected = chunk_key(&id, version, BASELINE, list.baseline.next());
            return list.baseline.take(&expected, key, bytes);
        }
        let (expected, part) = match place {
            Some(([PARTIES], _)) => (&mut list.chunks.0, PARTIES),
            Some(([ROWS], _)) => (&mut list.chunks.1, ROWS),
            _ => return Err(corrupt("rows", key, "the key is malformed")),
        };
        if number != Some(*expected) {
            return Err(corrupt("rows", key, format_args!("chunk {expected} should be here")));
        }
        *expected += 1;
        match part {
            PARTIES => list.parties.extend(value::decode::<Vec<Party>>("rows", key, bytes)?),
            _ => list.rows.extend(value::decode::<Vec<Row>>("rows", key, bytes)?),
        }
        Ok(())
    }

    fn end_list_of(&mut self, found: &mut Verified) {
        if let Err(problem) = self.end_list(found) {
            found.problem(problem);
        }
    }

    /// Compares the rows with the pointer and the header.
    fn end_list(&mut self, found: &mut Verified) -> Result<(), StoreError> {
        let Some(list) = self.list.take() else { return Ok(()) };
        self.gathered.insert(list.id.clone());
        let pointer = &self.pointers[&list.id];
        let key = list.id.as_str().as_bytes();
        if list.chunks != (pointer.parties, pointer.rows) {
            let (parties, rows) = list.chunks;
            let what = format_args!(
                "it counts {} and {} chunks of parties and rows, but {parties} and {rows} are there",
                pointer.parties, pointer.rows
            );
            return Err(corrupt("lists", key, what));
        }
        found.parties += list.parties.len() as u64;
        found.rows += list.rows.len() as u64;
        // A missing header is a separate problem.
        let Some(header) = self.headers.remove(&list.id) else { return Ok(()) };
        let baseline = list.baseline.finish(key, header.version, list.rows.len())?;
        let state = ListState {
            version: header,
            check: pointer.check.clone(),
            parties: Arc::new(list.parties),
            rows: Arc::new(list.rows),
            baseline: Arc::new(baseline.unwrap_or_default()),
        };
        if listed_digest(&state) == state.version.digest {
            Ok(())
        } else {
            Err(corrupt("lists", key, "the rows do not have the digest of the version"))
        }
    }

    fn change(&mut self, key: &[u8], bytes: &[u8], found: &mut Verified) -> Result<(), StoreError> {
        let (version, first) =
            split_change_key(key).ok_or_else(|| corrupt("changes", key, "the key is malformed"))?;
        let chunk = Chunk::decode(key, bytes)?;
        let expected = if self.next_change.0 == version { self.next_change.1 } else { 0 };
        if u64::from(first) != expected {
            let what = format_args!("change {expected} of the version should be here");
            return Err(corrupt("changes", key, what));
        }
        if !self.numbers.contains(&version) || !self.pointers.contains_key(&chunk.list) {
            return Err(corrupt("changes", key, "there is no such version"));
        }
        self.next_change = (version, expected + chunk.changes.len() as u64);
        found.changes += chunk.changes.len() as u64;
        Ok(())
    }

    fn superseded(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let is_version = |head: &Head, version: u64| {
            let is_number = |number: u64| self.numbers.contains(&number);
            is_number(version) && is_number(head.previous) && self.pointers.contains_key(&head.list)
        };
        Expected::take(&mut self.superseded, key, bytes, is_version)
    }

    fn small_segment(&mut self, key: &[u8], packed: &[u8]) -> Result<(), StoreError> {
        let id = key.try_into().map(u64::from_be_bytes);
        let segment = id.ok().and_then(|id| self.small.remove(&id));
        let segment = segment.ok_or_else(|| corrupt("segments", key, "no header leads to it"))?;
        if packed.len() as u64 != segment.bytes {
            self.uncounted = true;
            let what = format_args!("{} of {} bytes are there", packed.len(), segment.bytes);
            return Err(corrupt("segments", key, what));
        }
        let counted = self.count(&segment, packed);
        counted.map_err(|what| corrupt("segments", key, what))
    }

    /// Checks the rows of a segment, and counts retracted ones.
    fn count(&mut self, segment: &Segment, packed: &[u8]) -> Result<(), String> {
        let rows =
            segment.check(packed, &self.log.chains).inspect_err(|_| self.uncounted = true)?;
        for (number, row) in (segment.first_row..).zip(rows) {
            let place = self.log.chains.iter().position(|chain| *chain == row.chain);
            let state = &self.log.state;
            let taken = !state.replacements.is_replaced(number) && state.is_retracted(number, &row);
            *self.retracted.entry(place.unwrap_or(usize::MAX)).or_default() += u64::from(taken);
        }
        Ok(())
    }

    /// Checks that a tree is complete at its end.
    pub fn end_tree(
        &mut self,
        tree: &str,
        schema: u32,
        found: &mut Verified,
    ) -> Result<(), StoreError> {
        match tree {
            "versions" => self.end_versions(found),
            "rows" => {
                self.end_list_of(found);
                let ids = self.pointers.keys().filter(|id| !self.gathered.contains(*id));
                for id in ids.cloned().collect::<Vec<_>>() {
                    let (parties, rows, chunks) = (Vec::new(), Vec::new(), (0, 0));
                    let baseline = baseline::Gathered::default();
                    self.list = Some(Gathered { id, parties, rows, baseline, chunks });
                    self.end_list_of(found);
                }
            }
            "superseded" => return Expected::end(&mut self.superseded),
            "transfers" => return self.end_directory(found),
            "coverage" => {
                let coverage = std::mem::take(&mut self.coverage);
                found.coverages = coverage.count;
                return coverage.end(&self.log.state, schema >= FIRST_WITH_COVERAGE);
            }
            "segments" => {
                for segment in std::mem::take(&mut self.small).into_values() {
                    self.uncounted = true;
                    let key = segment_key(segment.id);
                    found.problem(corrupt("segments", &key, "it is missing"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_versions(&self, found: &mut Verified) {
        for (id, pointer) in &self.pointers {
            if !self.headers.contains_key(id) {
                let what = format_args!("the header of its version {} is missing", pointer.version);
                found.problem(corrupt("lists", id.as_str().as_bytes(), what));
            }
        }
        let last = self.pointers.values().map(|pointer| pointer.version).max().unwrap_or(0);
        let missing = last.saturating_sub(self.numbers.len() as u64);
        if missing > 0 {
            found.problem(format_args!("tree versions: {missing} of {last} versions are missing"));
        }
    }

    fn end_directory(&mut self, found: &mut Verified) -> Result<(), StoreError> {
        self.log = self.directory.take().unwrap_or_default().finish()?;
        found.transfers = self.log.ledger.rows;
        found.segments = self.log.segments.len() as u64;
        found.chains = self.log.state.chains.len() as u64;
        found.retractions = self.log.state.retractions.len() as u64;
        for segment in &self.log.segments {
            match segment.place {
                None => drop(self.small.insert(segment.id, segment.clone())),
                Some(_) => self.placed.push(segment.clone()),
            }
        }
        self.placed.sort_by_key(|segment| std::cmp::Reverse(segment.place));
        Ok(())
    }

    /// Adds the next part of the file of segments.
    pub fn segments(&mut self, mut part: &[u8], found: &mut Verified) {
        while !part.is_empty() {
            let Some(next) = self.placed.last() else {
                let what = "store/segments, byte";
                if !std::mem::replace(&mut self.beyond, true) {
                    found.problem(format_args!("{what} {}: no header leads here", self.position));
                }
                return;
            };
            let wanted = next.bytes.saturating_sub(self.part.len() as u64);
            let taken = usize::try_from(wanted).map_or(part.len(), |wanted| wanted.min(part.len()));
            self.part.extend_from_slice(&part[..taken]);
            part = &part[taken..];
            if self.part.len() as u64 >= next.bytes {
                self.end_segment(found);
            }
        }
    }

    fn end_segment(&mut self, found: &mut Verified) {
        let Some(segment) = self.placed.pop() else { return };
        let checked = if segment.place == Some(self.position) {
            let packed = std::mem::take(&mut self.part);
            self.count(&segment, &packed)
        } else {
            self.uncounted = true;
            Err("another segment should be here".to_owned())
        };
        if let Err(what) = checked {
            let position = self.position;
            found.problem(format_args!(
                "store/segments, byte {position}: the file is damaged: {what}"
            ));
        }
        self.position += segment.bytes;
        self.part.clear();
    }

    /// Checks completeness at the end; returns the heads that match the content.
    pub fn finish(self, found: &mut Verified) -> Heads {
        let end = self.position + self.part.len() as u64;
        if let Some(missing) = self.placed.last() {
            let what = format_args!(
                "store/segments, byte {end}: the file ends here, but transfers {} on should follow",
                missing.first_row
            );
            found.problem(what);
        }
        self.check_retracted(found);
        let lists = self.pointers.into_iter().map(|(id, pointer)| (id, pointer.version));
        Heads { lists: lists.collect(), transfers: self.log.ledger }
    }
}

impl Contents {
    /// Compares the retracted rows with the heads of their chains.
    fn check_retracted(&self, found: &mut Verified) {
        if self.uncounted || !self.placed.is_empty() {
            return;
        }
        for (place, chain) in self.log.chains.iter().enumerate() {
            let name = chain.caip2();
            let told = self.log.state.chains.get(&*name).map_or(0, |head| head.retracted);
            let counted = self.retracted.get(&place).copied().unwrap_or(0);
            if told != counted {
                found.problem(format_args!(
                    "tree transfers: {told} transfers of {name} were taken back, but retractions take {counted}"
                ));
            }
        }
    }
}

fn named(
    tree: &'static str,
    key: &[u8],
    bytes: &[u8],
    judge: RecordCheck<'_>,
    found: &mut Verified,
) -> Result<(), StoreError> {
    let split = key.split_first().filter(|(length, name)| usize::from(**length) == name.len());
    let name = split.and_then(|(_, name)| std::str::from_utf8(name).ok());
    let name = name.ok_or_else(|| corrupt(tree, key, "the key is malformed"))?;
    let judged = match tree {
        "snapshots" => {
            found.snapshots += 1;
            judge(OpaqueRecord::Snapshot(name, bytes))
        }
        "settings" => {
            found.settings += 1;
            judge(OpaqueRecord::Settings(name, bytes))
        }
        "bases" => {
            found.label_bases += 1;
            judge(OpaqueRecord::LabelBasis(name, bytes))
        }
        _ => {
            found.policies += 1;
            judge(OpaqueRecord::Policy(name, bytes))
        }
    };
    judged.map_err(|what| corrupt(tree, key, what))
}
