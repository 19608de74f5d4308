//! Packed labels by key, immutable: sorted keys behind an index of their first bits.
//!
//! 21 bytes of key, 4 of start and 2 to 4 of index a key, and 8 bytes a word: 35 to 37 bytes for a
//! key with one label. Keys sort by their 20 bytes and then their tag, which makes the first bits
//! even; where somebody made many keys alike, a binary search goes through them.

use crate::domain::packed_key::{PACKED_KEY, PackedKey};

#[derive(Debug, Default)]
pub(super) struct Table {
    keys: Vec<PackedKey>,
    /// The words of the n-th key are at `starts[n]..starts[n + 1]`.
    starts: Vec<u32>,
    words: Vec<u64>,
    /// Where the keys of each prefix begin.
    index: Vec<u32>,
    shift: u32,
}

/// The first 32 bits of a key as it sorts.
#[inline]
fn prefix(key: &PackedKey) -> u32 {
    u32::from_be_bytes([key.0[1], key.0[2], key.0[3], key.0[4]])
}

#[inline]
fn order(key: &PackedKey) -> (&[u8], u8) {
    (&key.0[1..], key.0[0])
}

/// Keys come in order, each with its words.
#[derive(Debug)]
pub(super) struct Builder {
    keys: Vec<PackedKey>,
    starts: Vec<u32>,
    words: Vec<u64>,
}

impl Builder {
    /// Room for so many keys and words.
    pub fn new(keys: usize, words: usize) -> Self {
        let mut starts = Vec::with_capacity(keys + 1);
        starts.push(0);
        Self { keys: Vec::with_capacity(keys), starts, words: Vec::with_capacity(words) }
    }

    /// Adds a key, greater than those before.
    pub fn push(&mut self, key: PackedKey, words: &[u64]) {
        debug_assert!(self.keys.last().is_none_or(|last| order(last) < order(&key)));
        self.keys.push(key);
        self.words.extend_from_slice(words);
        self.starts.push(self.words.len() as u32);
    }

    pub fn finish(self) -> Table {
        let Self { mut keys, mut starts, mut words } = self;
        keys.shrink_to_fit();
        starts.shrink_to_fit();
        words.shrink_to_fit();
        let bits = keys.len().max(2).ilog2().clamp(1, 24);
        let shift = 32 - bits;
        let mut index = vec![0_u32; (1 << bits) + 1];
        for key in &keys {
            index[(prefix(key) >> shift) as usize + 1] += 1;
        }
        for at in 1..index.len() {
            index[at] += index[at - 1];
        }
        Table { keys, starts, words, index, shift }
    }
}

impl Table {
    /// The words of a key; `None` where it is not in the table.
    #[inline]
    pub fn find(&self, key: &PackedKey) -> Option<&[u64]> {
        let bucket = (prefix(key) >> self.shift) as usize;
        let [start, end] = *self.index.get(bucket..bucket + 2)? else { return None };
        let (start, end) = (start as usize, end as usize);
        let found = self.keys[start..end].binary_search_by(|other| order(other).cmp(&order(key)));
        Some(self.words_at(start + found.ok()?))
    }

    fn words_at(&self, at: usize) -> &[u64] {
        &self.words[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The words of every key.
    pub fn all_words(&self) -> &[u64] {
        &self.words
    }

    /// Keys and words in order.
    pub fn iter(&self) -> impl Iterator<Item = (&PackedKey, &[u64])> {
        self.keys.iter().enumerate().map(|(at, key)| (key, self.words_at(at)))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keys.len() * PACKED_KEY
            + (self.starts.len() + self.index.len()) * 4
            + self.words.len() * 8
    }

    /// A table from keys in any order, each once.
    pub fn from_unsorted(mut rows: Vec<(PackedKey, Vec<u64>)>) -> Self {
        rows.sort_unstable_by(|a, b| order(&a.0).cmp(&order(&b.0)));
        let words = rows.iter().map(|(_, words)| words.len()).sum();
        let mut builder = Builder::new(rows.len(), words);
        rows.iter().for_each(|(key, words)| builder.push(*key, words));
        builder.finish()
    }

    /// Both, the newer standing where both have a key; keys without words are left out if nothing
    /// older is below.
    pub fn merge(older: &Self, newer: &Self, is_oldest: bool) -> Self {
        let mut builder =
            Builder::new(older.len() + newer.len(), older.words.len() + newer.words.len());
        let (mut old, mut new) = (older.iter().peekable(), newer.iter().peekable());
        loop {
            let (key, words) = match (old.peek(), new.peek()) {
                (Some(a), Some(b)) if order(a.0) < order(b.0) => old.next(),
                (Some(a), Some(b)) => {
                    if order(a.0) == order(b.0) {
                        old.next();
                    }
                    new.next()
                }
                (Some(_), None) => old.next(),
                (None, _) => new.next(),
            }
            .map_or((None, &[][..]), |(key, words)| (Some(key), words));
            let Some(key) = key else { break };
            if !(is_oldest && words.is_empty()) {
                builder.push(*key, words);
            }
        }
        builder.finish()
    }

    /// The keys from the `from`-th on as bytes, so many that they are at most about `most` bytes;
    /// and the place of the next key.
    pub fn encode(&self, from: usize, most: usize) -> (Vec<u8>, usize) {
        let (mut to, mut size) = (from, 4);
        while to < self.keys.len() && (to == from || size < most) {
            size += PACKED_KEY + 1 + 8 * self.words_at(to).len();
            to += 1;
        }
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(&((to - from) as u32).to_le_bytes());
        self.keys[from..to].iter().for_each(|key| bytes.extend_from_slice(&key.0));
        bytes.extend((from..to).map(|at| self.words_at(at).len() as u8));
        let words = &self.words[self.starts[from] as usize..self.starts[to] as usize];
        words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        (bytes, to)
    }
}

impl Builder {
    /// Adds the keys that [`Table::encode`] wrote; `None` where the bytes are not such.
    pub fn decode(&mut self, bytes: &[u8]) -> Option<()> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (keys, rest) = rest.split_at_checked(count.checked_mul(PACKED_KEY)?)?;
        let (lengths, words) = rest.split_at_checked(count)?;
        let total: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        if words.len() != total * 8 {
            return None;
        }
        let first = self.keys.len();
        for key in keys.chunks_exact(PACKED_KEY) {
            self.keys.push(PackedKey(key.try_into().ok()?));
        }
        let around = first.saturating_sub(1);
        if !self.keys[around..].is_sorted_by(|a, b| order(a) < order(b)) {
            return None;
        }
        let mut end = self.words.len() as u32;
        for &length in lengths {
            end += u32::from(length);
            self.starts.push(end);
        }
        let word = |word: &[u8; 8]| u64::from_le_bytes(*word);
        self.words.extend(words.as_chunks().0.iter().map(word));
        Some(())
    }
}
