//! What a row of a file is read as: a transfer, a row that is left out, or the place of an invalid
//! one.

use super::LeftOut;
use crate::domain::chain::Chain;
use crate::domain::transfer::{MovementKind, Transfer, TxId};

#[expect(clippy::large_enum_variant, reason = "nearly every row is a transfer, and none is kept")]
pub(super) enum ConvertedRow {
    Transfer(Transfer),
    LeftOut(LeftOut),
}

/// The readable part of an invalid row's place. Each field is read independently of faults in the
/// others. For a row that cannot be split, only values that hold for every row of the file are
/// known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPlace {
    pub chain: Option<Chain>,
    /// The height of its block.
    pub height: Option<u64>,
    /// Time of its block, in Unix seconds.
    pub time: Option<u64>,
    pub tx: Option<TxId>,
    /// Its place in its transaction, as [`Position::index`]: 0 for the transaction's own value,
    /// 1 + 2n for log n, 2 + 2n for trace n.
    ///
    /// [`Position::index`]: crate::domain::transfer::Position::index
    pub index: Option<u32>,
    /// The kind of movement; `None` if it may be any kind of the format.
    pub kind: Option<MovementKind>,
}
