//! Whether everything that is missing was announced: each redaction, removal and rotation of keys
//! has its event in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{iter, mem};

use super::super::block::{Block, LeafView, ValueView};
use super::super::head::LogId;
use super::super::keys::LogKey;
use super::super::leaf::{Event, KeptLeaves, LeafHasher};
use super::super::{RecordId, files, segment_of};
use super::{Damage, Report};

#[derive(Default)]
pub(super) struct Accounts {
    origin: String,
    /// The leaf and the item of each.
    redacted: Vec<(u64, u8)>,
    /// First leaf and number of leaves, neighbours joined.
    missing: Vec<(u64, u64)>,
    /// The segment that is being read, and its leaves that are there in full.
    segment: u64,
    full: LeafHasher,
    is_missing_some: bool,
    /// The same of segments of which leaves are missing.
    left: BTreeMap<u64, KeptLeaves>,
    /// Segments with damaged leaves: which of them are missing cannot be told.
    damaged: BTreeSet<u64>,
    announced_records: BTreeSet<String>,
    /// In the order of the events.
    removals: Vec<Removal>,
    announced_keys: BTreeSet<String>,
}

/// What an event says of one segment.
struct Removal {
    first: u64,
    end: u64,
    removed: u64,
    kept: KeptLeaves,
}

impl Removal {
    /// Returns how many leaves it has found.
    fn found(&self) -> u64 {
        self.kept.count.saturating_add(self.removed)
    }
}

impl Accounts {
    pub(super) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..Self::default() }
    }

    pub(super) fn take_in(&mut self, first: u64, block: &Block<'_>, report: &mut Report) {
        for (leaf, index) in block.leaves().iter().zip(first..) {
            let full = match leaf {
                LeafView::Full(full) => full,
                LeafView::Bare(_) => {
                    report.bare += 1;
                    self.missing(index, 1);
                    continue;
                }
            };
            self.enter(segment_of(index));
            self.full.add(index);
            let items = block.items(full);
            report.items += items.len() as u64;
            for (item, number) in items.iter().zip(0..) {
                let mut values = iter::once(&item.address).chain(&item.reference);
                if values.any(ValueView::is_redacted) {
                    report.redacted += 1;
                    self.redacted.push((index, number));
                }
            }
            if items.is_empty() {
                self.event(block.context(full), false);
            }
        }
    }

    /// Takes in the events of a block of a later log.
    pub(super) fn take_in_events(&mut self, block: &Block<'_>) {
        for leaf in block.leaves() {
            let LeafView::Full(full) = leaf else { continue };
            if block.items(full).is_empty() {
                self.event(block.context(full), true);
            }
        }
    }

    /// Takes in an event of this log, or of a later one.
    fn event(&mut self, context: &[u8], is_later: bool) {
        match Event::parse(context) {
            Some(Event::Redacted { record }) => {
                self.announced_records.insert(record);
            }
            Some(Event::Removed { first, end, removed, kept, log })
                if log.as_ref() == is_later.then_some(&self.origin) =>
            {
                self.removals.push(Removal { first, end, removed, kept });
            }
            Some(Event::KeyRotated { key }) if !is_later => {
                self.announced_keys.insert(key);
            }
            Some(Event::LogStarted { .. } | Event::Removed { .. } | Event::KeyRotated { .. })
            | None => {}
        }
    }

    fn enter(&mut self, segment: u64) {
        if segment != self.segment {
            self.leave();
            self.segment = segment;
        }
    }

    fn leave(&mut self) {
        let full = mem::take(&mut self.full);
        if self.is_missing_some {
            self.left.insert(self.segment, full.finish());
        }
        self.is_missing_some = false;
    }

    /// Notes a block whose leaves cannot be read, which is a finding by itself.
    pub(super) fn unreadable(&mut self, first: u64) {
        self.damaged.insert(segment_of(first));
    }

    /// Notes leaves of one segment that are not there.
    pub(super) fn missing(&mut self, first: u64, count: u64) {
        self.enter(segment_of(first));
        self.is_missing_some = true;
        match self.missing.last_mut() {
            Some((start, length)) if *start + *length == first => *length += count,
            _ => self.missing.push((first, count)),
        }
    }

    pub(super) fn compare(mut self, log: &Path, keys: &[LogKey], report: &mut Report) {
        self.leave();
        let tag = LogId::of(&report.origin).tag();
        let mut add = |leaf: u64, what: String| {
            let path = files::segment(log, segment_of(leaf));
            report.add(Damage { path, byte: 0, leaf: Some(leaf), what });
        };
        for (index, item) in self.redacted {
            let record = RecordId { tag, index, item }.to_string();
            if !self.announced_records.contains(&record) {
                add(index, format!("record {record} is redacted, and no event says so"));
            }
        }
        let mut announced: Vec<(u64, u64)> =
            self.removals.iter().map(|removal| (removal.first, removal.end)).collect();
        announced.sort_unstable();
        for (first, count) in self.missing {
            let end = first + count;
            // Ranges may join; the first leaf that none reaches is reported.
            let reached = announced.iter().fold(first, |reached, (start, stop)| {
                if *start <= reached { reached.max(*stop) } else { reached }
            });
            if reached < end {
                add(reached, format!("{} leaves are missing, and no event says so", end - reached));
            }
        }
        for (segment, left) in &self.left {
            if self.damaged.contains(segment) {
                continue;
            }
            let events: Vec<&Removal> = self
                .removals
                .iter()
                .filter(|removal| segment_of(removal.first) == *segment)
                .collect();
            // Without an event all of it was reported above.
            let Some(first) = events.first().map(|removal| removal.first) else { continue };
            if let Some(what) = differing(&events, left) {
                add(first, what);
            }
        }
        for key in &keys[1..] {
            if !self.announced_keys.contains(&key.key.to_string()) {
                let what = format!("no event names the key {}", key.key);
                report.add(Damage { path: log.join("keys"), byte: 0, leaf: None, what });
            }
        }
    }
}

/// Compares the removals of a segment with each other, and with the leaves that are left. A crash may
/// come between an event and the removal itself: then all stays as it was before the event.
fn differing(events: &[&Removal], left: &KeptLeaves) -> Option<String> {
    let (last, before) = events.split_last()?;
    let mut at_start = events[0].end.saturating_sub(events[0].first);
    let mut kept = at_start;
    for event in events {
        let found = event.found();
        if found != kept && found != at_start {
            return Some(format!(
                "a removal has found {found} leaves of the segment, not the {kept} that were kept"
            ));
        }
        (at_start, kept) = (found, event.kept.count);
    }
    let has_not_begun =
        left.count == last.found() && before.iter().any(|event| event.kept == *left);
    (last.kept != *left && !has_not_begun).then(|| {
        format!(
            "{} leaves of the segment are left, not the {} that its last removal keeps",
            left.count, last.kept.count
        )
    })
}
