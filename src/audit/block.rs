//! Blocks: 256 leaves, which make up one level-0 tile. Contexts and answers are written once a
//! block and then referred to by number, so each block is readable by itself. Hashes of leaves are
//! not stored but computed.
//!
//! | leaf | bytes |
//! |---|---|
//! | number of items | 1: 0 to 16; 0xff for a bare leaf |
//! | of a bare leaf: its leaf hash | 32, and nothing more |
//! | context | number: 0 for a new one, which follows (length as number, bytes), n for the n-th of the block |
//! | time | number: microseconds since the last leaf of the block that is not bare (since 1970 for the first), zigzag |
//! | items | see below |
//!
//! | item | bytes |
//! |---|---|
//! | answer | number: 0 for a new one, which follows (class 1, length as number, bytes), n for the n-th of the block |
//! | forms | 1: low half the form of the address; high half 0 without reference, or 1 and the form of the reference |
//! | address, then reference | salt (16), length (2) in form 0 or (1) in forms 3 to 5, packed bytes; in form 14 the commitment (32) only |
//!
//! Numbers are LEB128: 7 bits a byte, lowest first, the high bit set on all but the last. Other
//! integers are big-endian. Forms are those of [`packing`](super::packing), and three more: 6 is
//! form 3 with 25 bytes (`bc1q` addresses), 7 is form 5 with 26 (base58 of 33 or 34 characters),
//! both without the length; 14 is redacted. Where 6 or 7 fits it is taken.

mod copy;
mod decode;
mod encode;
mod value;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use super::packing::Form;

pub(super) use copy::Copier;
pub(super) use decode::{Block, FullLeaf, LeafView, ValueView};
pub(super) use encode::Encoder;
pub(super) use value::ValueToWrite;

/// A bare leaf: retention kept its hash only.
const BARE: u8 = 0xff;

/// Forms whose number of bytes goes without saying: code here, form, bytes.
const SHORT_FORMS: [(u8, Form, usize); 2] = [(6, Form::Bitcoin, 25), (7, Form::Alphanumeric, 26)];

/// The form of a value that was redacted.
const REDACTED: u8 = 14;

/// Returns the code under which a packed text is stored.
fn code_of(form: Form, bytes: usize) -> u8 {
    let short = SHORT_FORMS.iter().find(|short| (short.1, short.2) == (form, bytes));
    short.map_or(form as u8, |short| short.0)
}
