//! Transfers: value moving between holders in a transaction, as a chain records it. Facts only: no
//! parsing of files, no storage, no opinion on what counts for exposure.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

pub use ethnum::U256 as Amount;
use serde::{Deserialize, Serialize};

use super::address::{Address, AddressError};
use super::chain::Chain;
use super::key_id::KeyId;

/// The latest moment that a transfer may have, in Unix seconds: the year 2514.
pub const MAX_TIME: u64 = (1 << 34) - 1;

/// The largest block height: a position beyond it would have the number that stands for never.
pub const MAX_HEIGHT: u64 = (1 << 40) - 2;

/// The largest index of a transaction in its block.
pub const MAX_TX_INDEX: u32 = (1 << 24) - 2;

/// The longest transaction id or asset name that is no 32-byte hash or contract, in bytes.
pub const MAX_NAME: usize = 128;

/// The most inputs, and the most outputs, of a transaction on a UTXO chain.
pub const MAX_LEGS: usize = 100_000;

/// The most holders of one input or output. A bare multi-signature has at most 20 keys; the rest is
/// room for exports that name more.
pub const MAX_HOLDERS: usize = 100;

/// How far a transfer may lie after now, in seconds: blocks may be dated two hours ahead.
pub const MAX_AHEAD: u64 = 2 * 60 * 60;

/// Who holds funds at one end of a transfer: an address in its canonical form. Equal addresses are
/// equal holders; what controls them is [`Holder::key_ids`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// An address of an EVM chain: by far the most, and kept without heap.
    Evm([u8; 20]),
    /// Any other address in its canonical text ([`Address::canonical`]).
    Other(Box<str>),
}

impl Holder {
    /// Understands an address as it stands in transfer data on `chain`. The checksum of a
    /// mixed-case EVM address is not looked at: exporters write what they please.
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

    /// What controls the holder's funds: usually one key id; several for an address with several
    /// receivers; none for an all-zero key.
    pub fn key_ids(&self, chain: &Chain) -> Vec<KeyId> {
        match self {
            Self::Evm(bytes) if *bytes == [0; 20] => Vec::new(),
            Self::Evm(bytes) => vec![KeyId::Evm(*bytes)],
            Self::Other(text) => match Address::parse(text, Some(chain)) {
                Ok(address) => address.key_ids().to_vec(),
                // Not reached for what `parse` made; letter for letter is the closest truth.
                Err(_) => vec![KeyId::Verbatim(text.clone())],
            },
        }
    }
}

impl Holder {
    /// Whether nobody controls it: a null, burn, precompile or system address.
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
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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

/// What is moved, on the transfer's chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Asset {
    /// The chain's own coin.
    Native,
    /// A token of an EVM chain, by its contract.
    Contract([u8; 20]),
    /// Any other token, by the name that its chain gives it (a TRON contract, a Solana mint, a
    /// TRC-10 id): 1 to [`MAX_NAME`] bytes of visible ASCII, canonical where it is an address.
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

/// The name of a transaction on its chain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TxId {
    /// 32 bytes, written in hex (with `0x` on EVM chains).
    Hash([u8; 32]),
    /// Anything else: 1 to [`MAX_NAME`] bytes of visible ASCII.
    Text(Box<str>),
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where in its chain a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The block's height, up to [`MAX_HEIGHT`].
    pub height: u64,
    /// The transaction's index in its block, from 0, up to [`MAX_TX_INDEX`].
    pub tx_index: u32,
    /// The transfer's place in its transaction: tells the transfers of one transaction apart, and
    /// says nothing of their order. By convention an EVM transaction's own value is 0, a log with
    /// index n is 1 + 2n, a trace with index n is 2 + 2n; a UTXO transaction is 0.
    pub index: u32,
}

/// Where a transfer stands whose data do not state the index of its transaction in the block, as with
/// ethereum-etl's `token_transfers`. Time alone orders it; what it states here tells it apart from
/// others and says which block it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialPosition {
    /// The block's height, up to [`MAX_HEIGHT`].
    pub height: u64,
    /// As [`Position::index`]; `None` where the data do not state it.
    pub index: Option<u32>,
}

/// What the data say of where a transfer stands in its chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Nothing: time alone orders it.
    #[default]
    Unknown,
    /// The block, but not the index of the transaction in it.
    Partial(PartialPosition),
    /// All of it.
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

/// What a movement is, for coverage: data sets hold some kinds of a block and not the others. The
/// order is part of the store's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MovementKind {
    /// A transaction's own value in the chain's coin.
    Native,
    /// A transfer of a token, as logged by its contract.
    Tokens,
    /// The chain's coin moved by a contract within a transaction, as traces show.
    Internal,
    /// A transaction of a UTXO chain.
    Utxo,
}

impl MovementKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Native, Self::Tokens, Self::Internal, Self::Utxo];

    /// The name used in flags, configuration and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Tokens => "tokens",
            Self::Internal => "internal",
            Self::Utxo => "utxo",
        }
    }

    /// The kinds that transfers of a chain can be.
    pub fn of_chain(chain: &Chain) -> &'static [Self] {
        if chain.is_utxo() { &[Self::Utxo] } else { &[Self::Native, Self::Tokens, Self::Internal] }
    }

    /// The kinds without which a chain is not covered, unless the configuration names others:
    /// tokens too wherever large stablecoins live.
    pub fn required_of(chain: &Chain) -> &'static [Self] {
        match chain {
            chain if chain.is_utxo() => &[Self::Utxo],
            Chain::Evm(_) | Chain::Tron | Chain::Solana => &[Self::Native, Self::Tokens],
            _ => &[Self::Native],
        }
    }
}

impl fmt::Display for MovementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A string that names no kind of movement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of movement {0:?}: native, tokens, internal or utxo")]
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
    /// The data do not say: it counts as having succeeded.
    #[default]
    Unknown,
    /// It did.
    Succeeded,
    /// It did not: nothing moved.
    Failed,
}

/// A movement of value, as loaded: one transfer of an account chain, or one whole transaction of a
/// UTXO chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// The chain: never a family such as `eip155:*`.
    pub chain: Chain,
    /// When its block was made, in Unix seconds, up to [`MAX_TIME`].
    pub time: u64,
    /// Where it stands in its chain, as far as the data say.
    pub placement: Placement,
    /// The block's hash, where given.
    pub block_hash: Option<[u8; 32]>,
    /// The transaction, where given.
    pub tx: Option<TxId>,
    /// Whether it took effect.
    pub status: TxStatus,
    /// What moved.
    pub movement: Movement,
}

impl Transfer {
    /// Its whole position; without one, time alone orders it.
    pub fn position(&self) -> Option<Position> {
        match self.placement {
            Placement::Whole(position) => Some(position),
            Placement::Partial(_) | Placement::Unknown => None,
        }
    }

    /// The height of its block, where stated.
    pub fn height(&self) -> Option<u64> {
        match self.placement {
            Placement::Whole(Position { height, .. })
            | Placement::Partial(PartialPosition { height, .. }) => Some(height),
            Placement::Unknown => None,
        }
    }

    /// Its place in its transaction ([`Position::index`]), where stated.
    pub fn index_in_tx(&self) -> Option<u32> {
        match self.placement {
            Placement::Whole(position) => Some(position.index),
            Placement::Partial(partial) => partial.index,
            Placement::Unknown => None,
        }
    }

    /// Which data set of its block it belongs to. By the convention of [`Position::index`] an even
    /// place above 0 is that of a trace.
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
    /// Whether it leaves open who paid or was paid, though that could be said.
    pub fn has_unnamed_holders(&self) -> bool {
        match &self.movement {
            Movement::Utxo(utxo) => utxo.has_unnamed_inputs() || utxo.has_unnamed_outputs(),
            Movement::Account(moved) => {
                // A contract is created, and no receipt says which.
                let is_receiver_unnamed = moved.to.is_none();
                // Of the coin, without a transaction, it is a reward.
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
    /// Whether inputs are missing, or one of them names nobody though somebody could be named: as
    /// bitcoin-etl's transactions before `enrich_transactions`.
    pub fn has_unnamed_inputs(&self) -> bool {
        let unnamed = |leg: &Leg| leg.holders.is_empty() && !leg.unattributable;
        !self.coinbase && (self.inputs.is_empty() || self.inputs.iter().any(unnamed))
    }

    /// Whether outputs are missing, or one of them that may be worth something names nobody though
    /// somebody could be named: whoever was paid by it would be found clear.
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

/// One asset from one holder to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountMovement {
    /// The sender; `None` where there is none (a block reward).
    pub from: Option<Holder>,
    /// The receiver; `None` where there is none (a contract creation that names no contract).
    pub to: Option<Holder>,
    /// What moved.
    pub asset: Asset,
    /// How much, in the asset's smallest unit.
    pub amount: Amount,
    /// The value in US dollars at the time, in millionths, where the data say it.
    pub usd_micros: Option<u64>,
}

/// The inputs and outputs of a transaction, in the chain's own coin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UtxoMovement {
    /// Whether it makes new coins: it then has no inputs.
    pub coinbase: bool,
    /// Where the coins come from.
    pub inputs: Vec<Leg>,
    /// Where they go.
    pub outputs: Vec<Leg>,
}

/// An input or output of a UTXO transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leg {
    /// Who holds it: usually one; several for a bare multi-signature output; none where the data
    /// do not say or nobody can know.
    pub holders: Vec<Holder>,
    /// Whether it is known that no address can be named: a shielded value, a script without an
    /// address. Without it a leg that has no holders is one whose data are incomplete.
    pub unattributable: bool,
    /// How much, in the coin's smallest unit; `None` where the data do not say.
    pub amount: Option<u64>,
}

mod check;
mod merge;

pub use check::TransferError;
pub use merge::{Identity, MergeOutcome};
