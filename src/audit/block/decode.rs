//! Reads the leaves of a block, without a copy.

use std::cell::OnceCell;

use jiff::Timestamp;

use super::super::entry::{
    EntryRecord, RECORDS_ROOT, answer_hash, commit, context_hash, record_path, write_entry,
};
use super::super::frame::{FRAME_HEAD, FramePlace, split_first};
use super::super::index::BlockPlace;
use super::super::leaf::{Field, Item, Leaf};
use super::super::merkle::{Hash, leaf_hash};
use super::super::packing::{Form, unpack};
use super::super::proof::RecordProof;
use super::super::salt::SALT;
use super::super::{ITEMS_PER_LEAF, LEAVES_PER_BLOCK};
use super::{BARE, REDACTED, SHORT_FORMS, ValueToWrite};

/// The leaves of a block, as far as its frames are whole.
#[derive(Default)]
pub(in crate::audit) struct Block<'a> {
    leaves: Vec<LeafView<'a>>,
    items: Vec<ItemView<'a>>,
    contexts: Vec<Context<'a>>,
    answers: Vec<Answer<'a>>,
    last_time: i64,
    /// Bytes of the whole frames.
    length: usize,
}

/// How much of a block was read before a frame.
struct Extent {
    leaves: usize,
    items: usize,
    contexts: usize,
    answers: usize,
    last_time: i64,
}

pub(in crate::audit) enum LeafView<'a> {
    Bare(&'a Hash),
    Full(FullLeaf),
}

/// A leaf by its places in the block.
pub(in crate::audit) struct FullLeaf {
    /// In microseconds since 1970.
    pub(in crate::audit) time: i64,
    context: u32,
    first_item: u32,
    items: u32,
}

pub(in crate::audit) struct ItemView<'a> {
    answer: u32,
    pub(in crate::audit) address: ValueView<'a>,
    pub(in crate::audit) reference: Option<ValueView<'a>>,
}

#[derive(Clone, Copy)]
pub(in crate::audit) enum ValueView<'a> {
    Packed { salt: &'a [u8; SALT], form: Form, bytes: &'a [u8] },
    Redacted(&'a Hash),
}

/// A context of the block. Its hash is computed once, where it is asked for.
struct Context<'a> {
    bytes: &'a [u8],
    hash: OnceCell<Hash>,
}

/// An answer of the block, likewise.
struct Answer<'a> {
    class: u8,
    bytes: &'a [u8],
    hash: OnceCell<Hash>,
}

/// Where a block cannot be read on.
pub(in crate::audit) struct Broken {
    /// Offset of the frame in the block.
    pub(in crate::audit) byte: usize,
    pub(in crate::audit) what: &'static str,
}

impl FullLeaf {
    /// Returns the place of its context among those of the block.
    pub(super) fn context_number(&self) -> usize {
        self.context as usize
    }
}

impl ItemView<'_> {
    /// Returns the place of its answer among those of the block.
    pub(super) fn answer_number(&self) -> usize {
        self.answer as usize
    }
}

impl<'a> ValueView<'a> {
    fn commitment(&self) -> Hash {
        match *self {
            Self::Packed { salt, form, bytes } => commit(salt, form, bytes),
            Self::Redacted(commitment) => *commitment,
        }
    }

    pub(in crate::audit) fn to_write(self) -> ValueToWrite<'a> {
        match self {
            Self::Packed { salt, form, bytes } => ValueToWrite::Packed { salt, form, bytes },
            Self::Redacted(commitment) => ValueToWrite::Redacted(commitment),
        }
    }

    /// Returns the text with its salt; `None` if the bytes are no packed text.
    fn to_field(self) -> Option<Field> {
        Some(match self {
            Self::Packed { salt, form, bytes } => {
                Field::Open { salt: *salt, text: unpack(form, bytes)? }
            }
            Self::Redacted(commitment) => Field::Redacted { commitment: *commitment },
        })
    }

    pub(in crate::audit) fn text(self) -> Option<String> {
        match self {
            Self::Packed { form, bytes, .. } => unpack(form, bytes),
            Self::Redacted(_) => None,
        }
    }

    pub(in crate::audit) fn is_redacted(&self) -> bool {
        matches!(self, Self::Redacted(_))
    }
}

impl<'a> Block<'a> {
    /// Reads frames until the end of `bytes` or of the block, or up to the first broken one.
    pub(in crate::audit) fn decode(bytes: &'a [u8], first: FramePlace) -> (Self, Option<Broken>) {
        let mut block = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() && block.len() < LEAVES_PER_BLOCK as usize {
            let place = FramePlace { offset: first.offset + block.length as u64, ..first };
            let before = block.extent();
            let read = split_first(rest, place).and_then(|(payload, after)| {
                block.payload(payload).ok_or("the leaves of the frame cannot be parsed")?;
                Ok((payload.len(), after))
            });
            match read {
                Ok((length, after)) => {
                    block.length += FRAME_HEAD + length;
                    rest = after;
                }
                Err(what) => {
                    block.cut(&before);
                    let byte = block.length;
                    return (block, Some(Broken { byte, what }));
                }
            }
        }
        (block, None)
    }

    fn extent(&self) -> Extent {
        Extent {
            leaves: self.leaves.len(),
            items: self.items.len(),
            contexts: self.contexts.len(),
            answers: self.answers.len(),
            last_time: self.last_time,
        }
    }

    /// Takes back what was read of a frame: those that follow are numbered without it.
    fn cut(&mut self, before: &Extent) {
        self.leaves.truncate(before.leaves);
        self.items.truncate(before.items);
        self.contexts.truncate(before.contexts);
        self.answers.truncate(before.answers);
        self.last_time = before.last_time;
    }

    pub(in crate::audit) fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Returns the bytes of the whole frames.
    pub(in crate::audit) fn length(&self) -> usize {
        self.length
    }

    pub(in crate::audit) fn leaves(&self) -> &[LeafView<'a>] {
        &self.leaves
    }

    pub(in crate::audit) fn items(&self, leaf: &FullLeaf) -> &[ItemView<'a>] {
        &self.items[leaf.first_item as usize..][..leaf.items as usize]
    }

    pub(in crate::audit) fn context(&self, leaf: &FullLeaf) -> &'a [u8] {
        self.contexts[leaf.context as usize].bytes
    }

    /// Returns the class and the bytes of an item's answer.
    pub(in crate::audit) fn answer(&self, item: &ItemView<'_>) -> (u8, &'a [u8]) {
        let answer = &self.answers[item.answer as usize];
        (answer.class, answer.bytes)
    }

    /// Returns all items, in order.
    pub(in crate::audit) fn all_items(&self) -> &[ItemView<'a>] {
        &self.items
    }

    pub(super) fn contexts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.contexts.iter().map(|context| context.bytes)
    }

    pub(super) fn answers(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        self.answers.iter().map(|answer| (answer.class, answer.bytes))
    }

    pub(super) fn last_time(&self) -> i64 {
        self.last_time
    }

    /// Returns the classes of a leaf's items.
    pub(in crate::audit) fn classes(&self, leaf: &FullLeaf) -> u8 {
        self.items(leaf).iter().fold(0, |classes, item| classes | self.answer(item).0)
    }

    /// Returns what the index holds of the block.
    pub(in crate::audit) fn summary(&self, offset: u64) -> BlockPlace {
        let mut place = BlockPlace::new(offset);
        place.length = self.length as u32;
        for leaf in &self.leaves {
            match leaf {
                LeafView::Full(full) => place.add(full.time, full.items, self.classes(full)),
                LeafView::Bare(_) => place.mark_bare(),
            }
        }
        place
    }

    /// Writes the entry of a leaf into `out`, in place of what it holds.
    pub(in crate::audit) fn entry(&self, leaf: &FullLeaf, out: &mut Vec<u8>) {
        let mut records = [EntryRecord::default(); ITEMS_PER_LEAF];
        let records = self.records(leaf, &mut records);
        let context = &self.contexts[leaf.context as usize];
        let context = context.hash.get_or_init(|| context_hash(context.bytes));
        out.clear();
        write_entry(out, leaf.time, context, records);
    }

    fn records<'r>(
        &self,
        leaf: &FullLeaf,
        records: &'r mut [EntryRecord; ITEMS_PER_LEAF],
    ) -> &'r [EntryRecord] {
        let items = self.items(leaf);
        for (item, record) in items.iter().zip(records.iter_mut()) {
            let answer = &self.answers[item.answer as usize];
            *record = EntryRecord {
                answer: *answer.hash.get_or_init(|| answer_hash(answer.class, answer.bytes)),
                address: item.address.commitment(),
                reference: item.reference.as_ref().map(ValueView::commitment),
            };
        }
        &records[..items.len()]
    }

    /// Returns what proves a record, but for the hashes of the log's tree. `None` if the leaf has
    /// no such record, or a value is damaged.
    pub(in crate::audit) fn proof(&self, leaf: &FullLeaf, item: u8) -> Option<RecordProof> {
        let mut records = [EntryRecord::default(); ITEMS_PER_LEAF];
        let records = self.records(leaf, &mut records);
        let stored = self.items(leaf).get(usize::from(item))?;
        let (class, answer) = self.answer(stored);
        let mut entry = Vec::new();
        self.entry(leaf, &mut entry);
        entry.truncate(entry.len() - RECORDS_ROOT);
        Some(RecordProof {
            entry_head: entry,
            record_hashes: record_path(records, item.into()),
            hashes: Vec::new(),
            context: self.context(leaf).to_vec(),
            answer: answer.to_vec(),
            class,
            answer_hash: records[usize::from(item)].answer,
            address: stored.address.to_field()?,
            reference: match stored.reference {
                Some(reference) => Some(reference.to_field()?),
                None => None,
            },
        })
    }

    /// Returns the leaf hash; `scratch` saves an allocation.
    pub(in crate::audit) fn hash(&self, leaf: &LeafView<'_>, scratch: &mut Vec<u8>) -> Hash {
        match leaf {
            LeafView::Bare(hash) => **hash,
            LeafView::Full(full) => {
                self.entry(full, scratch);
                leaf_hash(scratch)
            }
        }
    }

    /// Returns the leaf with copies of its values; `None` if a value or the time is damaged.
    pub(in crate::audit) fn to_leaf(&self, leaf: &FullLeaf, index: u64) -> Option<Leaf> {
        let items = self.items(leaf).iter().map(|item| {
            let (class, answer) = self.answer(item);
            let reference = match item.reference {
                Some(reference) => Some(reference.to_field()?),
                None => None,
            };
            Some(Item {
                answer: answer.to_vec(),
                class,
                address: item.address.to_field()?,
                reference,
            })
        });
        Some(Leaf {
            index,
            time: Timestamp::from_microsecond(leaf.time).ok()?,
            context: self.context(leaf).to_vec(),
            items: items.collect::<Option<_>>()?,
        })
    }

    fn payload(&mut self, payload: &'a [u8]) -> Option<()> {
        let mut cursor = Cursor(payload);
        while !cursor.0.is_empty() {
            let leaf = self.leaf(&mut cursor)?;
            self.leaves.push(leaf);
            if self.leaves.len() > LEAVES_PER_BLOCK as usize {
                return None;
            }
        }
        Some(())
    }

    fn leaf(&mut self, cursor: &mut Cursor<'a>) -> Option<LeafView<'a>> {
        let items = cursor.byte()?;
        if items == BARE {
            return Some(LeafView::Bare(cursor.array()?));
        }
        if usize::from(items) > ITEMS_PER_LEAF {
            return None;
        }
        let context = match cursor.number()? {
            0 => {
                let length = cursor.length()?;
                let bytes = cursor.bytes(length)?;
                self.contexts.push(Context { bytes, hash: OnceCell::new() });
                self.contexts.len() - 1
            }
            number => known(number, self.contexts.len())?,
        };
        let delta = cursor.number()?;
        let delta = (delta >> 1) as i64 ^ -((delta & 1) as i64);
        self.last_time = self.last_time.wrapping_add(delta);
        let first_item = self.items.len() as u32;
        for _ in 0..items {
            let item = self.item(cursor)?;
            self.items.push(item);
        }
        Some(LeafView::Full(FullLeaf {
            time: self.last_time,
            context: context as u32,
            first_item,
            items: items.into(),
        }))
    }

    fn item(&mut self, cursor: &mut Cursor<'a>) -> Option<ItemView<'a>> {
        let answer = match cursor.number()? {
            0 => {
                let class = cursor.byte()?;
                let length = cursor.length()?;
                let bytes = cursor.bytes(length)?;
                self.answers.push(Answer { class, bytes, hash: OnceCell::new() });
                self.answers.len() - 1
            }
            number => known(number, self.answers.len())?,
        };
        let forms = cursor.byte()?;
        let address = cursor.value(forms & 0x0f)?;
        let reference = match forms >> 4 {
            0 => None,
            form => Some(cursor.value(form - 1)?),
        };
        Some(ItemView { answer: answer as u32, address, reference })
    }
}

fn known(number: u64, count: usize) -> Option<usize> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    (at < count).then_some(at)
}

/// What is left of a payload.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn value(&mut self, form: u8) -> Option<ValueView<'a>> {
        if form == REDACTED {
            return Some(ValueView::Redacted(self.array()?));
        }
        let salt = self.array()?;
        if let Some((_, form, length)) = SHORT_FORMS.iter().find(|short| short.0 == form) {
            return Some(ValueView::Packed { salt, form: *form, bytes: self.bytes(*length)? });
        }
        let form = Form::from_code(form)?;
        let length = match (form.fixed_length(), form) {
            (Some(length), _) => length,
            (None, Form::Text) => usize::from(u16::from_be_bytes(*self.array()?)),
            (None, _) => usize::from(self.byte()?),
        };
        Some(ValueView::Packed { salt, form, bytes: self.bytes(length)? })
    }
}
