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
//! - its position, as differences to the last of its chain (3 bytes in order);
//! - its block's hash and its transaction, where they are not those of the chain's last row;
//! - for an account: sender and receiver as codes (1 to 2 bytes, and 20 the first time), the amount
//!   as its length and bytes, the dollars;
//! - for a UTXO transaction: the numbers of inputs and outputs, and for each the number of its
//!   holders, their codes, and its amount.

use hashbrown::HashMap;

use crate::domain::chain::Chain;
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Leg, Movement, Position, Transfer, TxId, TxStatus,
    UtxoMovement,
};

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
/// Dollars are given; of a UTXO transaction: it is a coinbase.
const MARKED: u64 = 1 << 7;
const SUCCEEDED: u64 = 1 << 8;
const FAILED: u64 = 1 << 9;

// The codes of a holder; beyond them its number in the dictionary.
const NOBODY: u64 = 0;
const NEW_EVM: u64 = 1;
const NEW_OTHER: u64 = 2;
const KNOWN: u64 = 3;

/// Where the bytes stop making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row} cannot be read at byte {at}")]
pub(super) struct CodecError {
    /// The row within the segment, from 0.
    row: usize,
    /// The byte.
    at: usize,
}

/// What the rows of a chain go on from.
#[derive(Clone, Default)]
struct Last {
    time: u64,
    position: (u64, u32, u32),
    block: Option<[u8; 32]>,
    tx: Option<TxId>,
}

/// The packed form of `rows`.
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

/// The rows of a packed form.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Transfer>, CodecError> {
    let mut decoder = Decoder { bytes, ..Decoder::default() };
    let mut rows = Vec::new();
    let mut read = || {
        if decoder.take(1)? != [VERSION] {
            return None;
        }
        let count = decoder.count()?;
        rows.reserve_exact(count);
        for _ in 0..count {
            rows.push(decoder.row()?);
        }
        (decoder.at == bytes.len()).then_some(())
    };
    match read() {
        Some(()) => Ok(rows),
        None => Err(CodecError { row: rows.len(), at: decoder.at }),
    }
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

/// What a row is like beside its values: flags, chain and asset.
type LastShape<'a> = (u64, usize, Option<&'a Asset>);

#[derive(Default)]
struct Encoder<'a> {
    out: Vec<u8>,
    chains: Vec<(&'a Chain, Last)>,
    assets: HashMap<&'a Asset, u64>,
    shapes: HashMap<(u64, usize, u64), u64>,
    /// The shape of the row before, which is most often that of the next, and its code.
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
        if row.position.is_some() {
            flags |= POSITIONED;
        }
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
                None
            }
        };
        self.shape(flags, chain, asset);
        self.place(flags, chain, row);
        match &row.movement {
            Movement::Account(account) => self.account(account),
            Movement::Utxo(utxo) => self.utxo(utxo),
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
        if let Some(Position { height, tx_index, index }) = row.position {
            let (last_height, last_tx, last_index) = last.position;
            put_difference(out, last_height, height);
            let last_tx = if height == last_height { last_tx } else { 0 };
            put_difference(out, last_tx.into(), tx_index.into());
            let same = height == last_height && tx_index == last_tx;
            put_difference(out, if same { last_index.into() } else { 0 }, index.into());
            last.position = (height, tx_index, index);
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

    fn utxo(&mut self, utxo: &'a UtxoMovement) {
        put(&mut self.out, utxo.inputs.len() as u64);
        put(&mut self.out, utxo.outputs.len() as u64);
        for leg in utxo.inputs.iter().chain(&utxo.outputs) {
            put(&mut self.out, (leg.holders.len() as u64) << 1 | u64::from(leg.amount.is_some()));
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

/// Flags, place of the chain, asset.
type Shape = (u64, usize, Asset);

#[derive(Default)]
struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    chains: Vec<(Chain, Last)>,
    shapes: Vec<Shape>,
    holders: Vec<Holder>,
}

impl<'a> Decoder<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number of things that are still to come, each of a byte at least.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    fn difference(&mut self, from: u64) -> Option<u64> {
        let value = self.number()?;
        Some(from.wrapping_add((value >> 1) ^ (value & 1).wrapping_neg()))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn row(&mut self) -> Option<Transfer> {
        let shape = usize::try_from(self.number()?).ok()?;
        if shape == self.shapes.len() {
            let new = self.shape()?;
            self.shapes.push(new);
        }
        let (flags, chain, asset) = self.shapes.get(shape)?.clone();
        let mut row = self.place(flags, chain)?;
        row.movement = match flags & UTXO {
            0 => Movement::Account(self.account(flags, asset)?),
            _ => Movement::Utxo(Box::new(self.utxo(flags)?)),
        };
        Some(row)
    }

    fn shape(&mut self) -> Option<Shape> {
        let flags = self.number()?;
        let chain: Chain = self.text()?.parse().ok()?;
        let place = self.chains.iter().position(|(known, _)| *known == chain);
        let place = place.unwrap_or_else(|| {
            self.chains.push((chain, Last::default()));
            self.chains.len() - 1
        });
        let asset = match flags & UTXO {
            0 => match self.take(1)? {
                [0] => Asset::Native,
                [1] => Asset::Contract(self.array()?),
                [2] => Asset::Named(self.text()?.into()),
                _ => return None,
            },
            _ => Asset::Native,
        };
        Some((flags, place, asset))
    }

    /// The row but for what moved.
    fn place(&mut self, flags: u64, chain: usize) -> Option<Transfer> {
        let mut last = std::mem::take(&mut self.chains.get_mut(chain)?.1);
        last.time = self.difference(last.time)?;
        let mut position = None;
        if flags & POSITIONED != 0 {
            let (last_height, last_tx, last_index) = last.position;
            let height = self.difference(last_height)?;
            let last_tx = if height == last_height { last_tx } else { 0 };
            let tx_index = u32::try_from(self.difference(last_tx.into())?).ok()?;
            let same = height == last_height && tx_index == last_tx;
            let index = self.difference(if same { last_index.into() } else { 0 })?;
            let index = u32::try_from(index).ok()?;
            last.position = (height, tx_index, index);
            position = Some(Position { height, tx_index, index });
        }
        if flags & (BLOCK | SAME_BLOCK) == BLOCK {
            last.block = Some(self.array()?);
        }
        if flags & SAME_TX == 0 {
            if flags & TX_HASH != 0 {
                last.tx = Some(TxId::Hash(self.array()?));
            } else if flags & TX_TEXT != 0 {
                last.tx = Some(TxId::Text(self.text()?.into()));
            }
        }
        let has_tx = flags & (TX_HASH | TX_TEXT) != 0;
        let row = Transfer {
            chain: self.chains[chain].0.clone(),
            time: last.time,
            position,
            block_hash: last.block.filter(|_| flags & BLOCK != 0),
            tx: if has_tx { last.tx.clone() } else { None },
            status: match flags & (SUCCEEDED | FAILED) {
                0 => TxStatus::Unknown,
                SUCCEEDED => TxStatus::Succeeded,
                _ => TxStatus::Failed,
            },
            movement: Movement::Account(AccountMovement {
                from: None,
                to: None,
                asset: Asset::Native,
                amount: Amount::ZERO,
                usd_micros: None,
            }),
        };
        self.chains[chain].1 = last;
        Some(row)
    }

    fn account(&mut self, flags: u64, asset: Asset) -> Option<AccountMovement> {
        let (from, to) = (self.holder()?, self.holder()?);
        let length = usize::from(self.take(1)?[0]);
        let mut bytes = [0; 32];
        bytes.get_mut(..length)?.copy_from_slice(self.take(length)?);
        let amount = Amount::from_le_bytes(bytes);
        let usd_micros = if flags & MARKED != 0 { Some(self.number()?) } else { None };
        Some(AccountMovement { from, to, asset, amount, usd_micros })
    }

    fn utxo(&mut self, flags: u64) -> Option<UtxoMovement> {
        let (inputs, outputs) = (self.count()?, self.count()?);
        let (inputs, outputs) = (self.legs(inputs)?, self.legs(outputs)?);
        Some(UtxoMovement { coinbase: flags & MARKED != 0, inputs, outputs })
    }

    fn legs(&mut self, count: usize) -> Option<Vec<Leg>> {
        let mut legs = Vec::with_capacity(count);
        for _ in 0..count {
            let head = self.number()?;
            let holders = usize::try_from(head >> 1).ok()?;
            if holders > self.bytes.len() - self.at {
                return None;
            }
            let mut leg = Leg { holders: Vec::with_capacity(holders), amount: None };
            for _ in 0..holders {
                leg.holders.push(self.holder()??);
            }
            leg.amount = if head & 1 != 0 { Some(self.number()?) } else { None };
            legs.push(leg);
        }
        Some(legs)
    }

    /// A holder; the inner `None` is nobody.
    fn holder(&mut self) -> Option<Option<Holder>> {
        let new = match self.number()? {
            NOBODY => return Some(None),
            NEW_EVM => Holder::Evm(self.array()?),
            NEW_OTHER => Holder::Other(self.text()?.into()),
            code => {
                let place = usize::try_from(code - KNOWN).ok()?;
                return self.holders.get(place).cloned().map(Some);
            }
        };
        self.holders.push(new.clone());
        Some(Some(new))
    }
}

#[cfg(test)]
mod tests;
