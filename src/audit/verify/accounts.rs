//! Whether everything that is missing was announced: each redaction, removal and rotation of keys
//! has its event in the log.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::block::{Block, LeafView};
use super::super::head::LogId;
use super::super::keys::LogKey;
use super::super::leaf::Event;
use super::super::{RecordId, files, segment_of};
use super::{Damage, Report};

#[derive(Default)]
pub(super) struct Accounts {
    origin: String,
    /// The leaf and the item of each.
    redacted: Vec<(u64, u8)>,
    /// First leaf and number of leaves, neighbours joined.
    missing: Vec<(u64, u64)>,
    announced_records: BTreeSet<String>,
    announced_ranges: Vec<(u64, u64)>,
    announced_keys: BTreeSet<String>,
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
            let items = block.items(full);
            report.items += items.len() as u64;
            for (item, number) in items.iter().zip(0..) {
                if item.address.is_redacted() {
                    report.redacted += 1;
                    self.redacted.push((index, number));
                }
            }
            if items.is_empty() {
                self.event(block.context(full));
            }
        }
    }

    /// Takes in the events of a block of a later log.
    pub(super) fn take_in_events(&mut self, block: &Block<'_>) {
        for leaf in block.leaves() {
            let LeafView::Full(full) = leaf else { continue };
            match Event::parse(block.context(full)).filter(|_| block.items(full).is_empty()) {
                Some(Event::Redacted { record }) => {
                    self.announced_records.insert(record);
                }
                Some(Event::Removed { first, end, log }) if log.as_ref() == Some(&self.origin) => {
                    self.announced_ranges.push((first, end));
                }
                Some(
                    Event::Removed { .. } | Event::KeyRotated { .. } | Event::LogStarted { .. },
                )
                | None => {}
            }
        }
    }

    fn event(&mut self, context: &[u8]) {
        match Event::parse(context) {
            Some(Event::Redacted { record }) => {
                self.announced_records.insert(record);
            }
            Some(Event::Removed { first, end, log: None }) => {
                self.announced_ranges.push((first, end));
            }
            Some(Event::KeyRotated { key }) => {
                self.announced_keys.insert(key);
            }
            Some(Event::LogStarted { .. } | Event::Removed { .. }) | None => {}
        }
    }

    /// Notes leaves that are not there.
    pub(super) fn missing(&mut self, first: u64, count: u64) {
        match self.missing.last_mut() {
            Some((start, length)) if *start + *length == first => *length += count,
            _ => self.missing.push((first, count)),
        }
    }

    pub(super) fn compare(mut self, log: &Path, keys: &[LogKey], report: &mut Report) {
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
        self.announced_ranges.sort_unstable();
        for (first, count) in self.missing {
            let end = first + count;
            // Ranges may join; the first leaf that none reaches is reported.
            let reached = self.announced_ranges.iter().fold(first, |reached, (start, stop)| {
                if *start <= reached { reached.max(*stop) } else { reached }
            });
            if reached < end {
                add(reached, format!("{} leaves are missing, and no event says so", end - reached));
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
