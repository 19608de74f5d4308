//! Writes leaves of a block.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash3_64;

use super::super::leaf::NewLeaf;
use super::super::merkle::Hash;
use super::super::packing::{Form, pack};
use super::super::salt::{SALT, Salts};
use super::{BARE, Block, LeafView, REDACTED};

/// Writes the leaves of one block after another.
#[derive(Default)]
pub(in crate::audit) struct Encoder {
    contexts: Dictionary,
    answers: Dictionary,
    /// Microseconds of the last leaf that is not bare.
    time: i64,
}

/// A value with what hides it.
pub(in crate::audit) enum ValueToWrite<'a> {
    Packed { salt: &'a [u8; SALT], form: Form, bytes: &'a [u8] },
    Redacted(&'a Hash),
}

impl Encoder {
    /// Begins the next block.
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
        for item in leaf.items {
            classes |= item.class;
            self.answer(out, item.class, item.answer);
            let forms = out.len();
            out.push(0);
            let address = write_text(out, item.address, salts) as u8;
            let reference = match item.reference {
                Some(reference) => (1 + write_text(out, reference, salts) as u8) << 4,
                None => 0,
            };
            out[forms] = address | reference;
        }
        classes
    }

    /// Appends a stored leaf again, its values as `change` returns them.
    pub(in crate::audit) fn stored<'a>(
        &mut self,
        out: &mut Vec<u8>,
        block: &'a Block<'_>,
        leaf: &'a LeafView<'_>,
        mut change: impl FnMut(usize, ValueToWrite<'a>) -> ValueToWrite<'a>,
    ) {
        let full = match leaf {
            LeafView::Bare(hash) => return self.bare(out, hash),
            LeafView::Full(full) => full,
        };
        let items = block.items(full);
        self.leaf_head(out, items.len(), block.context(full), full.time);
        for (at, item) in items.iter().enumerate() {
            let (class, answer) = block.answer(item);
            self.answer(out, class, answer);
            let forms = out.len();
            out.push(0);
            let address = write_value(out, &change(at, item.address.to_write()));
            let reference = item.reference.as_ref().map_or(0, |reference| {
                (1 + write_value(out, &change(at, reference.to_write()))) << 4
            });
            out[forms] = address | reference;
        }
    }

    /// Appends a leaf of which the hash alone is kept.
    pub(in crate::audit) fn bare(&mut self, out: &mut Vec<u8>, hash: &Hash) {
        out.push(BARE);
        out.extend_from_slice(hash);
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
        let delta = time.wrapping_sub(self.time);
        write_number(out, (delta << 1 ^ delta >> 63) as u64);
        self.time = time;
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

fn write_text(out: &mut Vec<u8>, text: &str, salts: &mut Salts) -> Form {
    out.extend_from_slice(&salts.next());
    let start = out.len();
    let form = pack(text, out);
    if form.fixed_length().is_none() {
        // Packed first and moved: the length is known only then. Rare forms alone pay for it.
        let length = (out.len() - start) as u16;
        insert_length(out, start, form, length);
    }
    form
}

fn insert_length(out: &mut Vec<u8>, start: usize, form: Form, length: u16) {
    let [high, low] = length.to_be_bytes();
    let (bytes, size) = if form == Form::Text { ([high, low], 2) } else { ([low, 0], 1) };
    let end = out.len();
    out.extend_from_slice(&bytes[..size]);
    out.copy_within(start..end, start + size);
    out[start..start + size].copy_from_slice(&bytes[..size]);
}

fn write_value(out: &mut Vec<u8>, value: &ValueToWrite<'_>) -> u8 {
    match value {
        ValueToWrite::Redacted(commitment) => {
            out.extend_from_slice(*commitment);
            REDACTED
        }
        ValueToWrite::Packed { salt, form, bytes } => {
            out.extend_from_slice(*salt);
            match form {
                Form::Text => out.extend_from_slice(&(bytes.len() as u16).to_be_bytes()),
                Form::Bitcoin | Form::Litecoin | Form::Alphanumeric => {
                    out.push(bytes.len() as u8);
                }
                Form::Hex | Form::MixedHex => {}
            }
            out.extend_from_slice(bytes);
            *form as u8
        }
    }
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
