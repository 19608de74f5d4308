//! Writes the leaves of a block again.

use super::super::merkle::Hash;
use super::encode::{write_number, write_time, write_value};
use super::{BARE, Block, FullLeaf, LeafView, ValueToWrite};

/// Writes leaves of one block in their order, some of them bare. Contexts and answers keep their
/// numbers as long as no leaf was made bare: frames that follow may refer to them.
pub(in crate::audit) struct Copier<'a> {
    block: &'a Block<'a>,
    contexts: Numbers,
    answers: Numbers,
    /// Microseconds of the last leaf that is not bare.
    time: i64,
}

/// New numbers, from 1, by the old ones.
struct Numbers {
    given: Vec<u64>,
    last: u64,
}

impl Numbers {
    fn new(count: usize) -> Self {
        Self { given: vec![0; count], last: 0 }
    }

    /// Writes the number of what had the old one; 0 if it is new in the copy. Returns whether it is.
    fn write(&mut self, out: &mut Vec<u8>, old: usize) -> bool {
        write_number(out, self.given[old]);
        let is_new = self.given[old] == 0;
        if is_new {
            self.last += 1;
            self.given[old] = self.last;
        }
        is_new
    }
}

impl<'a> Copier<'a> {
    pub(in crate::audit) fn new(block: &'a Block<'a>) -> Self {
        let (contexts, answers) = (block.contexts().count(), block.answers().count());
        Self { block, contexts: Numbers::new(contexts), answers: Numbers::new(answers), time: 0 }
    }

    /// Appends a leaf, its values as `change` returns them.
    pub(in crate::audit) fn leaf<'v>(
        &mut self,
        out: &mut Vec<u8>,
        leaf: &LeafView<'_>,
        change: impl FnMut(usize, ValueToWrite<'v>) -> ValueToWrite<'v>,
    ) where
        'a: 'v,
    {
        match leaf {
            LeafView::Bare(hash) => self.bare(out, hash),
            LeafView::Full(full) => self.full(out, full, change),
        }
    }

    /// Appends a leaf of which the hash alone is kept.
    pub(in crate::audit) fn bare(&self, out: &mut Vec<u8>, hash: &Hash) {
        out.push(BARE);
        out.extend_from_slice(hash);
    }

    fn full<'v>(
        &mut self,
        out: &mut Vec<u8>,
        leaf: &FullLeaf,
        mut change: impl FnMut(usize, ValueToWrite<'v>) -> ValueToWrite<'v>,
    ) where
        'a: 'v,
    {
        let items = self.block.items(leaf);
        out.push(items.len() as u8);
        if self.contexts.write(out, leaf.context_number()) {
            let context = self.block.context(leaf);
            write_number(out, context.len() as u64);
            out.extend_from_slice(context);
        }
        write_time(out, leaf.time, &mut self.time);
        for (at, item) in items.iter().enumerate() {
            if self.answers.write(out, item.answer_number()) {
                let (class, answer) = self.block.answer(item);
                out.push(class);
                write_number(out, answer.len() as u64);
                out.extend_from_slice(answer);
            }
            let forms = out.len();
            out.push(0);
            let address = write_value(out, &change(at, item.address.to_write()));
            let reference = item.reference.as_ref().map_or(0, |reference| {
                (1 + write_value(out, &change(at, reference.to_write()))) << 4
            });
            out[forms] = address | reference;
        }
    }
}
