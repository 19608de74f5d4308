//! Transfers: value moving between holders in a transaction, as a chain records it.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use data_encoding::HEXLOWER;
pub use ethnum::U256 as Amount;
use serde::{Deserialize, Serialize};

use super::address::{Address, AddressError};
use super::chain::Chain;
use super::key_id::KeyId;

/// The latest time of a transfer, in Unix seconds: the year 2514.
pub const MAX_TIME: u64 = (1 << 34) - 1;

/// The largest block height: the next number is reserved for "never".
pub const MAX_HEIGHT: u64 = (1 << 40) - 2;

/// The largest index of a transaction in its block.
pub const MAX_TX_INDEX: u32 = (1 << 24) - 2;

/// The longest transaction id or asset name that is not a 32-byte hash or contract, in bytes.
pub const MAX_NAME: usize = 128;

/// The maximum number of inputs, and of outputs, of a transaction on a UTXO chain.
pub const MAX_LEGS: usize = 100_000;

/// The maximum number of holders of one input or output. A bare multi-signature has at most 20
/// keys; the rest is room for exports with more.
pub const MAX_HOLDERS: usize = 100;

/// How far a transfer may lie in the future, in seconds: blocks may be dated two hours ahead.
pub const MAX_AHEAD: u64 = 2 * 60 * 60;

/// The holder of funds at one end of a transfer: an address in canonical form. Equal addresses are
/// equal holders; [`Holder::key_ids`] gives the controlling keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// An address of an EVM chain: the most frequent kind, stored without heap.
    Evm([u8; 20]),
    /// Any other address in canonical form ([`Address::canonical`]).
    Other(Box<str>),
}

impl Holder {
    /// Parses an address of transfer data on `chain`. Ignores the checksum of a mixed-case EVM
    /// address: exporters write any case.
    pub fn parse(text: &str, chain: &Chain) -> Result<Self, AddressError> {
        let text = text.trim_ascii();
        let address = Address::parse(text, Some(chain))?;
        Ok(match (address.key_ids(), address.encoding()) {
            ([KeyId::Evm(bytes)], super::address::Encoding::Evm) => Self::Evm(*bytes),
            // The null address has no key ids.
            ([], super::address::Encoding::Evm) => Self::Evm([0; 20]),
            _ => Self::Other(address.canonical().into()),
        })
    }

    /// Returns the keys that control the holder's funds: usually one; several for an address with
    /// several receivers; none for an all-zero key.
    pub fn key_ids(&self, chain: &Chain) -> Vec<KeyId> {
        match self {
            Self::Evm(bytes) if *bytes == [0; 20] => Vec::new(),
            Self::Evm(bytes) => vec![KeyId::Evm(*bytes)],
            Self::Other(text) => match Address::parse(text, Some(chain)) {
                Ok(address) => address.key_ids().to_vec(),
                // Unreachable for values from `parse`; verbatim is the safest fallback.
                Err(_) => vec![KeyId::Verbatim(text.clone())],
            },
        }
    }
}

impl Holder {
    /// Returns true for a null, burn, precompile or system address.
    pub fn is_uncontrolled(&self, chain: &Chain) -> bool {
        let text = self.to_string();
        Address::parse(&text, Some(chain)).is_ok_and(|address| address.is_uncontrolled())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(bytes) => {
                f.write_str("0x")?;
                write!(f, "{}", HEXLOWER.encode_display(bytes))
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The asset moved, on the transfer's chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Asset {
    Native,
    /// A token of an EVM chain, by its contract.
    Contract([u8; 20]),
    /// Any other token, by its name on the chain (a TRON contract, a Solana mint, a TRC-10 id): 1
    /// to [`MAX_NAME`] bytes of visible ASCII, canonical if it is an address.
    Named(Box<str>),
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Contract(bytes) => Holder::Evm(*bytes).fmt(f),
            Self::Named(text) => f.write_str(text),
        }
    }
}

/// The id of a transaction on its chain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TxId {
    /// 32 bytes, written in hex (with `0x` on EVM chains).
    Hash([u8; 32]),
    /// Any other id: 1 to [`MAX_NAME`] bytes of visible ASCII.
    Text(Box<str>),
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(bytes) => write!(f, "{}", HEXLOWER.encode_display(bytes)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The position of a transfer in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The block's height, up to [`MAX_HEIGHT`].
    pub height: u64,
    /// The transaction's index in its block, from 0, up to [`MAX_TX_INDEX`].
    pub tx_index: u32,
    /// The transfer's index in its transaction: distinguishes the transfers of one transaction,
    /// without implying their order. By convention an EVM transaction's own value is 0, a log with
    /// index n is 1 + 2n, a trace with index n is 2 + 2n; a UTXO transaction is 0.
    pub index: u32,
}

/// The position of a transfer without the index of its transaction in the block, as in
/// ethereum-etl's `token_transfers`. Only time orders it; the stated parts identify it and its
/// block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialPosition {
    /// The block's height, up to [`MAX_HEIGHT`].
    pub height: u64,
    /// As [`Position::index`], if stated.
    pub index: Option<u32>,
}

/// What is known of a transfer's position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Unknown: only time orders it.
    #[default]
    Unknown,
    /// The block, but not the transaction's index in it.
    Partial(PartialPosition),
    Whole(Position),
}

impl From<Position> for Placement {
    fn from(position: Position) -> Self {
        Self::Whole(position)
    }
}

impl From<Option<Position>> for Placement {
    fn from(position: Option<Position>) -> Self {
        position.map_or(Self::Unknown, Self::Whole)
    }
}

/// The kind of a movement, for coverage: data sets hold some kinds of a block and lack others. The
/// order is part of the stored form.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum MovementKind {
    /// A transaction's own value in the chain's coin.
    Native,
    /// A transfer of a token, as logged by its contract.
    Tokens,
    /// The chain's coin moved by a contract inside a transaction, as in traces.
    Internal,
    /// A transaction of a UTXO chain.
    Utxo,
}

impl MovementKind {
    pub const ALL: [Self; 4] = [Self::Native, Self::Tokens, Self::Internal, Self::Utxo];

    /// The name used in flags, configuration and output.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the kinds of transfers on a chain.
    pub fn of_chain(chain: &Chain) -> &'static [Self] {
        if chain.is_utxo() { &[Self::Utxo] } else { &[Self::Native, Self::Tokens, Self::Internal] }
    }

    /// Returns the kinds that coverage of a chain requires, unless the configuration names others:
    /// tokens too wherever large stablecoins exist.
    pub fn required_of(chain: &Chain) -> &'static [Self] {
        if chain.is_utxo() {
            &[Self::Utxo]
        } else if matches!(chain, Chain::Evm(_) | Chain::Tron | Chain::Solana) {
            &[Self::Native, Self::Tokens]
        } else {
            &[Self::Native]
        }
    }
}

/// A string that is not a kind of movement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of movement {0:?}: use native, tokens, internal or utxo")]
pub struct MovementKindError(String);

impl FromStr for MovementKind {
    type Err = MovementKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| MovementKindError(text.chars().take(40).collect()))
    }
}

/// Whether a transaction took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TxStatus {
    /// Not stated: it counts as successful.
    #[default]
    Unknown,
    Succeeded,
    /// It failed: nothing moved.
    Failed,
}

/// A movement of value: one transfer of an account chain, or one whole transaction of a UTXO chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// The chain: never a family such as `eip155:*`.
    pub chain: Chain,
    /// Time of its block, in Unix seconds, up to [`MAX_TIME`].
    pub time: u64,
    /// Its position in the chain, as far as known.
    pub placement: Placement,
    /// The block's hash, if stated.
    pub block_hash: Option<[u8; 32]>,
    pub tx: Option<TxId>,
    /// Whether it took effect.
    pub status: TxStatus,
    pub movement: Movement,
}

impl Transfer {
    /// Returns its full position; without one, only time orders it.
    pub fn position(&self) -> Option<Position> {
        match self.placement {
            Placement::Whole(position) => Some(position),
            Placement::Partial(_) | Placement::Unknown => None,
        }
    }

    /// Returns the height of its block, if stated.
    pub fn height(&self) -> Option<u64> {
        match self.placement {
            Placement::Whole(Position { height, .. })
            | Placement::Partial(PartialPosition { height, .. }) => Some(height),
            Placement::Unknown => None,
        }
    }

    /// Returns its index in its transaction ([`Position::index`]), if stated.
    pub fn index_in_tx(&self) -> Option<u32> {
        match self.placement {
            Placement::Whole(position) => Some(position.index),
            Placement::Partial(partial) => partial.index,
            Placement::Unknown => None,
        }
    }

    /// Returns the data set of its block that it belongs to. By the convention of
    /// [`Position::index`] an even index above 0 is that of a trace.
    pub fn kind(&self) -> MovementKind {
        match &self.movement {
            Movement::Utxo(_) => MovementKind::Utxo,
            Movement::Account(moved) if moved.asset != Asset::Native => MovementKind::Tokens,
            Movement::Account(_) => match self.index_in_tx() {
                Some(index) if index > 0 && index % 2 == 0 => MovementKind::Internal,
                _ => MovementKind::Native,
            },
        }
    }
}

impl Transfer {
    /// Returns true if it lacks a sender or receiver that could be named.
    pub fn has_unnamed_holders(&self) -> bool {
        match &self.movement {
            Movement::Utxo(utxo) => utxo.has_unnamed_inputs() || utxo.has_unnamed_outputs(),
            Movement::Account(moved) => {
                // A contract creation without its receipt.
                let is_receiver_unnamed = moved.to.is_none();
                // A coin movement without a transaction is a reward.
                let is_reward = moved.asset == Asset::Native && self.tx.is_none();
                let is_payer_unnamed = moved.from.is_none() && !is_reward;
                (is_receiver_unnamed || is_payer_unnamed)
                    && moved.amount > Amount::ZERO
                    && self.status != TxStatus::Failed
            }
        }
    }
}

impl UtxoMovement {
    /// Returns true if inputs are missing, or one of them lacks a holder that could be named, as in
    /// bitcoin-etl's transactions before `enrich_transactions`.
    pub fn has_unnamed_inputs(&self) -> bool {
        let unnamed = |leg: &Leg| leg.holders.is_empty() && !leg.unattributable;
        !self.coinbase && (self.inputs.is_empty() || self.inputs.iter().any(unnamed))
    }

    /// Returns true if outputs are missing, or one with possible value lacks a holder that could be
    /// named: a receiver paid by it would be found clear.
    pub fn has_unnamed_outputs(&self) -> bool {
        let unnamed =
            |leg: &Leg| leg.holders.is_empty() && !leg.unattributable && leg.amount != Some(0);
        self.outputs.is_empty() || self.outputs.iter().any(unnamed)
    }
}

/// What moved in a [`Transfer`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Movement {
    /// One transfer of an account chain.
    Account(AccountMovement),
    /// A transaction of a UTXO chain.
    Utxo(Box<UtxoMovement>),
}

/// One asset moving from one holder to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountMovement {
    /// The sender; `None` for a block reward.
    pub from: Option<Holder>,
    /// The receiver; `None` for a contract creation that names no contract.
    pub to: Option<Holder>,
    pub asset: Asset,
    /// The amount in the asset's smallest unit.
    pub amount: Amount,
    /// The value at the time in millionths of a US dollar, if stated.
    pub usd_micros: Option<u64>,
}

/// The inputs and outputs of a transaction, in the chain's own coin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UtxoMovement {
    /// True if it creates new coins: it then has no inputs.
    pub coinbase: bool,
    /// The sources of the coins.
    pub inputs: Vec<Leg>,
    pub outputs: Vec<Leg>,
}

/// An input or output of a UTXO transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leg {
    /// Its holders: usually one; several for a bare multi-signature output; none if unknown.
    pub holders: Vec<Holder>,
    /// True if no address can be named: a shielded value, a script without an address. Otherwise a
    /// leg without holders has incomplete data.
    pub unattributable: bool,
    /// The amount in the coin's smallest unit, if stated.
    pub amount: Option<u64>,
}

mod check;
mod merge;

pub use check::TransferError;
pub use merge::{Identity, MergeOutcome};
