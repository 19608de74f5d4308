//! Transfers packed into bytes and back, exactly. Knows neither keys nor checksums.
//!
//! The form is one stream of rows, read once from the front; its dictionaries fill as they are
//! met: a code that is the next free one is followed by what it stands for. Numbers are LEB128
//! varints; differences are zigzag. It begins with a byte of version and the number of rows.
//!
//! A row is
//!
//! - its shape: flags, chain and asset, which few rows of a segment do not share (1 byte);
//! - its time, as the difference to the last of its chain (1 to 5 bytes);
//! - its position, as differences to the last of its chain (3 bytes in order); of a partial one the
//!   height and, where stated, the index (schema 3);
//! - its block's hash and its transaction, where they are not those of the chain's last row;
//! - for an account: sender and receiver as codes (1 to 2 bytes, and 20 the first time), the amount
//!   as its length and bytes, the dollars;
//! - for a UTXO transaction: the numbers of inputs and outputs, and for each the number of its
//!   holders, their codes, and its amount (and, where any is unattributable, which: schema 3).

use hashbrown::HashMap;

use crate::domain::chain::Chain;
use crate::domain::transfer::{
    AccountMovement, Asset, Holder, Movement, PartialPosition, Placement, Position, Transfer, TxId,
    TxStatus, UtxoMovement,
};

mod decode;

pub(super) use decode::decode;

const VERSION: u8 = 1;

// The flags of a shape.
const UTXO: u64 = 1;
const POSITIONED: u64 = 1 << 1;
const BLOCK: u64 = 1 << 2;
/// The block's hash is that of the chain's last row that had one.
const SAME_BLOCK: u64 = 1 << 3;
const TX_HASH: u64 = 1 << 4;
const TX_TEXT: u64 = 1 << 5;
/// The transaction is that of the chain's last row that had one.
const SAME_TX: u64 = 1 << 6;
/// Dollars are stated; for a UTXO transaction: it is a coinbase.
const MARKED: u64 = 1 << 7;
const SUCCEEDED: u64 = 1 << 8;
const FAILED: u64 = 1 << 9;
const PARTIAL: u64 = 1 << 10;
/// A partial position states the index.
const PARTIAL_INDEX: u64 = 1 << 11;
/// Of a UTXO transaction: the head of each leg has a bit for being unattributable.
const UNATTRIBUTABLE: u64 = 1 << 12;

// The codes of a holder; beyond them its number in the dictionary.
const NOBODY: u64 = 0;
const NEW_EVM: u64 = 1;
const NEW_OTHER: u64 = 2;
const KNOWN: u64 = 3;

/// Where decoding failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row} cannot be read at byte {at}")]
pub(super) struct CodecError {
    /// The row within the segment, from 0.
    row: usize,
    at: usize,
}

/// The last values of a chain, which the next row is encoded against.
#[derive(Clone, Default)]
struct Last {
    time: u64,
    position: (u64, u32, u32),
    block: Option<[u8; 32]>,
    tx: Option<TxId>,
}

/// Encodes `rows`.
pub(super) fn encode(rows: &[&Transfer]) -> Vec<u8> {
    let mut encoder = Encoder {
        out: Vec::with_capacity(16 + rows.len() * 48),
        holders: HashMap::with_capacity(2 * rows.len()),
        ..Encoder::default()
    };
    encoder.out.push(VERSION);
    put(&mut encoder.out, rows.len() as u64);
    rows.iter().for_each(|row| encoder.row(row));
    encoder.out
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_difference(out: &mut Vec<u8>, from: u64, to: u64) {
    let difference = to.wrapping_sub(from) as i64;
    put(out, ((difference << 1) ^ (difference >> 63)) as u64);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The shape of a row: flags, chain and asset.
type LastShape<'a> = (u64, usize, Option<&'a Asset>);

#[derive(Default)]
struct Encoder<'a> {
    out: Vec<u8>,
    chains: Vec<(&'a Chain, Last)>,
    assets: HashMap<&'a Asset, u64>,
    shapes: HashMap<(u64, usize, u64), u64>,
    /// The shape of the previous row, usually that of the next, and its code.
    last_shape: Option<(LastShape<'a>, u64)>,
    holders: HashMap<&'a Holder, u64>,
}

impl<'a> Encoder<'a> {
    fn row(&mut self, row: &'a Transfer) {
        let chain = self.chain(&row.chain);
        let last = &self.chains[chain].1;
        let mut flags = match row.status {
            TxStatus::Unknown => 0,
            TxStatus::Succeeded => SUCCEEDED,
            TxStatus::Failed => FAILED,
        };
        flags |= match row.placement {
            Placement::Unknown => 0,
            Placement::Partial(PartialPosition { index: None, .. }) => PARTIAL,
            Placement::Partial(PartialPosition { index: Some(_), .. }) => PARTIAL | PARTIAL_INDEX,
            Placement::Whole(_) => POSITIONED,
        };
        if let Some(hash) = &row.block_hash {
            flags |= if last.block.as_ref() == Some(hash) { BLOCK | SAME_BLOCK } else { BLOCK };
        }
        if let Some(tx) = &row.tx {
            flags |= if matches!(tx, TxId::Hash(_)) { TX_HASH } else { TX_TEXT };
            flags |= if last.tx.as_ref() == Some(tx) { SAME_TX } else { 0 };
        }
        let asset = match &row.movement {
            Movement::Account(account) => {
                flags |= if account.usd_micros.is_some() { MARKED } else { 0 };
                Some(&account.asset)
            }
            Movement::Utxo(utxo) => {
                flags |= if utxo.coinbase { UTXO | MARKED } else { UTXO };
                let mut legs = utxo.inputs.iter().chain(&utxo.outputs);
                flags |= if legs.any(|leg| leg.unattributable) { UNATTRIBUTABLE } else { 0 };
                None
            }
        };
        self.shape(flags, chain, asset);
        self.place(flags, chain, row);
        match &row.movement {
            Movement::Account(account) => self.account(account),
            Movement::Utxo(utxo) => self.utxo(flags, utxo),
        }
    }

    fn chain(&mut self, chain: &'a Chain) -> usize {
        if let Some(known) = self.chains.iter().position(|(known, _)| *known == chain) {
            return known;
        }
        self.chains.push((chain, Last::default()));
        self.chains.len() - 1
    }

    fn shape(&mut self, flags: u64, chain: usize, asset: Option<&'a Asset>) {
        let wanted = (flags, chain, asset);
        if let Some((last, code)) = self.last_shape
            && last == wanted
        {
            return put(&mut self.out, code);
        }
        let assets = self.assets.len() as u64;
        let code = asset.map_or(0, |asset| *self.assets.entry(asset).or_insert(assets));
        let shapes = self.shapes.len() as u64;
        let shape = *self.shapes.entry((flags, chain, code)).or_insert(shapes);
        self.last_shape = Some((wanted, shape));
        put(&mut self.out, shape);
        if shape < shapes {
            return;
        }
        put(&mut self.out, flags);
        put_text(&mut self.out, &self.chains[chain].0.caip2());
        match asset {
            None => {}
            Some(Asset::Native) => self.out.push(0),
            Some(Asset::Contract(contract)) => {
                self.out.push(1);
                self.out.extend_from_slice(contract);
            }
            Some(Asset::Named(text)) => {
                self.out.push(2);
                put_text(&mut self.out, text);
            }
        }
    }

    fn place(&mut self, flags: u64, chain: usize, row: &Transfer) {
        let (out, last) = (&mut self.out, &mut self.chains[chain].1);
        put_difference(out, last.time, row.time);
        last.time = row.time;
        let (last_height, last_tx, last_index) = last.position;
        match row.placement {
            Placement::Unknown => {}
            Placement::Partial(PartialPosition { height, index }) => {
                put_difference(out, last_height, height);
                if let Some(index) = index {
                    put_difference(out, last_index.into(), index.into());
                }
                last.position = (height, 0, index.unwrap_or(last_index));
            }
            Placement::Whole(Position { height, tx_index, index }) => {
                put_difference(out, last_height, height);
                let last_tx = if height == last_height { last_tx } else { 0 };
                put_difference(out, last_tx.into(), tx_index.into());
                let same = height == last_height && tx_index == last_tx;
                put_difference(out, if same { last_index.into() } else { 0 }, index.into());
                last.position = (height, tx_index, index);
            }
        }
        if flags & SAME_BLOCK == 0
            && let Some(hash) = row.block_hash
        {
            out.extend_from_slice(&hash);
            last.block = Some(hash);
        }
        if flags & SAME_TX == 0
            && let Some(tx) = &row.tx
        {
            match tx {
                TxId::Hash(hash) => out.extend_from_slice(hash),
                TxId::Text(text) => put_text(out, text),
            }
            last.tx = Some(tx.clone());
        }
    }

    fn account(&mut self, account: &'a AccountMovement) {
        for holder in [&account.from, &account.to] {
            match holder {
                None => put(&mut self.out, NOBODY),
                Some(holder) => self.holder(holder),
            }
        }
        let bytes = account.amount.to_le_bytes();
        let length = 32 - account.amount.leading_zeros() as usize / 8;
        self.out.push(length as u8);
        self.out.extend_from_slice(&bytes[..length]);
        account.usd_micros.into_iter().for_each(|usd| put(&mut self.out, usd));
    }

    fn utxo(&mut self, flags: u64, utxo: &'a UtxoMovement) {
        put(&mut self.out, utxo.inputs.len() as u64);
        put(&mut self.out, utxo.outputs.len() as u64);
        for leg in utxo.inputs.iter().chain(&utxo.outputs) {
            let mut head = leg.holders.len() as u64;
            if flags & UNATTRIBUTABLE != 0 {
                head = head << 1 | u64::from(leg.unattributable);
            }
            put(&mut self.out, head << 1 | u64::from(leg.amount.is_some()));
            leg.holders.iter().for_each(|holder| self.holder(holder));
            leg.amount.into_iter().for_each(|amount| put(&mut self.out, amount));
        }
    }

    fn holder(&mut self, holder: &'a Holder) {
        let next = self.holders.len() as u64;
        let known = *self.holders.entry(holder).or_insert(next);
        match holder {
            _ if known < next => put(&mut self.out, KNOWN + known),
            Holder::Evm(bytes) => {
                put(&mut self.out, NEW_EVM);
                self.out.extend_from_slice(bytes);
            }
            Holder::Other(text) => {
                put(&mut self.out, NEW_OTHER);
                put_text(&mut self.out, text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
