//! Writes leaves of a block.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash3_64;

use super::super::leaf::{NewItem, NewLeaf};
use super::super::packing::{Form, hex_address, pack};
use super::super::salt::{SALT, Salts};
use super::{Block, REDACTED, ValueToWrite, code_of};

/// Writes the leaves of one block after another.
#[derive(Default)]
pub(in crate::audit) struct Encoder {
    contexts: Dictionary,
    answers: Dictionary,
    /// Microseconds of the last leaf that is not bare.
    time: i64,
}

impl Encoder {
    /// Forgets the block, for the next one.
    pub(in crate::audit) fn reset(&mut self) {
        self.contexts.clear();
        self.answers.clear();
        self.time = 0;
    }

    /// Returns an encoder that goes on after the leaves of `block`.
    pub(in crate::audit) fn after(block: &Block<'_>) -> Self {
        let mut encoder = Self { time: block.last_time(), ..Self::default() };
        for context in block.contexts() {
            encoder.contexts.add(context);
        }
        for (class, answer) in block.answers() {
            encoder.answers.add_tagged(class, answer);
        }
        encoder
    }

    /// Appends a new leaf. Returns the classes of its items.
    pub(in crate::audit) fn leaf(
        &mut self,
        out: &mut Vec<u8>,
        leaf: &NewLeaf<'_>,
        salts: &mut Salts,
    ) -> u8 {
        self.leaf_head(out, leaf.items.len(), leaf.context, leaf.time.as_microsecond());
        let mut classes = 0;
        let mut last: Option<&NewItem<'_>> = None;
        for item in leaf.items {
            classes |= item.class;
            let is_again = last.is_some_and(|last| {
                std::ptr::eq(last.answer, item.answer) && last.class == item.class
            });
            last = Some(item);
            if is_again && self.short_item(out, item, salts) {
                continue;
            }
            self.answer(out, item.class, item.answer);
            let forms = out.len();
            out.push(0);
            let address = write_text(out, item.address, salts);
            let reference = match item.reference {
                Some(reference) => (1 + write_text(out, reference, salts)) << 4,
                None => 0,
            };
            out[forms] = address | reference;
        }
        classes
    }

    /// Appends an item of a kind that nearly all of a batch are: the answer of the one before, an
    /// address of form 1, no reference. Returns false for others. One copy of an array takes a
    /// third of the instructions of its parts.
    fn short_item(&self, out: &mut Vec<u8>, item: &NewItem<'_>, salts: &mut Salts) -> bool {
        let number = self.answers.last;
        let (None, Some(address)) = (item.reference, hex_address(item.address)) else {
            return false;
        };
        if number >= 0x80 {
            return false;
        }
        let mut bytes = [0; 2 + SALT + 20];
        bytes[0] = number as u8;
        bytes[1] = Form::Hex as u8;
        bytes[2..2 + SALT].copy_from_slice(&salts.next());
        bytes[2 + SALT..].copy_from_slice(&address);
        out.extend_from_slice(&bytes);
        true
    }

    fn leaf_head(&mut self, out: &mut Vec<u8>, items: usize, context: &[u8], time: i64) {
        out.push(items as u8);
        match self.contexts.find_or_add(None, context) {
            Some(number) => write_number(out, number.into()),
            None => {
                out.push(0);
                write_number(out, context.len() as u64);
                out.extend_from_slice(context);
            }
        }
        write_time(out, time, &mut self.time);
    }

    fn answer(&mut self, out: &mut Vec<u8>, class: u8, answer: &[u8]) {
        match self.answers.find_or_add(Some(class), answer) {
            Some(number) => write_number(out, number.into()),
            None => {
                out.extend_from_slice(&[0, class]);
                write_number(out, answer.len() as u64);
                out.extend_from_slice(answer);
            }
        }
    }
}

/// Values of a block by their number, from 1.
#[derive(Default)]
struct Dictionary {
    bytes: Vec<u8>,
    /// Where each ends in `bytes`, and its class.
    ends: Vec<(u32, Option<u8>)>,
    by_hash: HashMap<u64, u32, BuildHasherDefault<Given>>,
    last: u32,
}

impl Dictionary {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.by_hash.clear();
        self.last = 0;
    }

    fn add(&mut self, value: &[u8]) {
        self.insert(hash(None, value), None, value);
    }

    fn add_tagged(&mut self, class: u8, value: &[u8]) {
        self.insert(hash(Some(class), value), Some(class), value);
    }

    fn insert(&mut self, hash: u64, class: Option<u8>, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push((self.bytes.len() as u32, class));
        self.last = self.ends.len() as u32;
        // Of two values with one hash the later is found, which costs bytes and is right.
        self.by_hash.insert(hash, self.last);
    }

    fn is_at(&self, number: u32, class: Option<u8>, value: &[u8]) -> bool {
        let Some(at) = (number as usize).checked_sub(1) else { return false };
        let start = if at == 0 { 0 } else { self.ends[at - 1].0 as usize };
        let (end, known) = self.ends[at];
        known == class && &self.bytes[start..end as usize] == value
    }

    /// Returns the number of a known value, or adds it. Most repeat the one before.
    fn find_or_add(&mut self, class: Option<u8>, value: &[u8]) -> Option<u32> {
        if self.is_at(self.last, class, value) {
            return Some(self.last);
        }
        let hash = hash(class, value);
        let number = self.by_hash.get(&hash).copied().unwrap_or(0);
        if self.is_at(number, class, value) {
            self.last = number;
            return Some(number);
        }
        self.insert(hash, class, value);
        None
    }
}

fn hash(class: Option<u8>, value: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(class.map_or(0, |class| 1 + u64::from(class)), value)
}

/// A hasher of what is a hash already.
#[derive(Default)]
struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = XxHash3_64::oneshot(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Appends a text under a new salt. Returns the code of its form.
fn write_text(out: &mut Vec<u8>, text: &str, salts: &mut Salts) -> u8 {
    out.extend_from_slice(&salts.next());
    let start = out.len();
    let form = pack(text, out);
    let length = out.len() - start;
    let (code, [high, low]) = (code_of(form, length), (length as u16).to_be_bytes());
    // Packed first and moved: the length is known only then. Rare forms alone pay for it.
    match code {
        0 => insert(out, start, &[high, low]),
        3..=5 => insert(out, start, &[low]),
        _ => {}
    }
    code
}

fn insert(out: &mut Vec<u8>, start: usize, bytes: &[u8]) {
    let end = out.len();
    out.extend_from_slice(bytes);
    out.copy_within(start..end, start + bytes.len());
    out[start..start + bytes.len()].copy_from_slice(bytes);
}

/// Appends a value as it was stored. Returns the code of its form.
pub(super) fn write_value(out: &mut Vec<u8>, value: &ValueToWrite<'_>) -> u8 {
    match value {
        ValueToWrite::Redacted(commitment) => {
            out.extend_from_slice(*commitment);
            REDACTED
        }
        ValueToWrite::Packed { salt, form, bytes } => {
            out.extend_from_slice(*salt);
            let (code, [high, low]) =
                (code_of(*form, bytes.len()), (bytes.len() as u16).to_be_bytes());
            match code {
                0 => out.extend_from_slice(&[high, low]),
                3..=5 => out.push(low),
                _ => {}
            }
            out.extend_from_slice(bytes);
            code
        }
    }
}

/// Appends a time as what it is more than the one before, which it then is.
pub(super) fn write_time(out: &mut Vec<u8>, time: i64, last: &mut i64) {
    let delta = time.wrapping_sub(*last);
    write_number(out, (delta << 1 ^ delta >> 63) as u64);
    *last = time;
}

pub(super) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
