//! The rows of a packed form.

use super::{
    BLOCK, CodecError, FAILED, KNOWN, Last, MARKED, NEW_EVM, NEW_OTHER, NOBODY, PARTIAL,
    PARTIAL_INDEX, POSITIONED, SAME_BLOCK, SAME_TX, SUCCEEDED, TX_HASH, TX_TEXT, UNATTRIBUTABLE,
    UTXO, VERSION,
};
use crate::domain::chain::Chain;
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Leg, Movement, PartialPosition, Placement, Position,
    Transfer, TxId, TxStatus, UtxoMovement,
};

/// The rows of a packed form.
pub(in crate::store::transfers) fn decode(bytes: &[u8]) -> Result<Vec<Transfer>, CodecError> {
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

/// Flags, index of the chain, asset.
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

    /// A count of items that follow, each of at least one byte.
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

    /// Decodes a row without its movement.
    fn place(&mut self, flags: u64, chain: usize) -> Option<Transfer> {
        let mut last = std::mem::take(&mut self.chains.get_mut(chain)?.1);
        last.time = self.difference(last.time)?;
        let mut placement = Placement::Unknown;
        if flags & POSITIONED != 0 {
            let (last_height, last_tx, last_index) = last.position;
            let height = self.difference(last_height)?;
            let last_tx = if height == last_height { last_tx } else { 0 };
            let tx_index = u32::try_from(self.difference(last_tx.into())?).ok()?;
            let same = height == last_height && tx_index == last_tx;
            let index = self.difference(if same { last_index.into() } else { 0 })?;
            let index = u32::try_from(index).ok()?;
            last.position = (height, tx_index, index);
            placement = Position { height, tx_index, index }.into();
        } else if flags & PARTIAL != 0 {
            let (last_height, _, last_index) = last.position;
            let height = self.difference(last_height)?;
            let index = match flags & PARTIAL_INDEX {
                0 => None,
                _ => Some(u32::try_from(self.difference(last_index.into())?).ok()?),
            };
            last.position = (height, 0, index.unwrap_or(last_index));
            placement = Placement::Partial(PartialPosition { height, index });
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
            placement,
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
        let (inputs, outputs) = (self.legs(flags, inputs)?, self.legs(flags, outputs)?);
        Some(UtxoMovement { coinbase: flags & MARKED != 0, inputs, outputs })
    }

    fn legs(&mut self, flags: u64, count: usize) -> Option<Vec<Leg>> {
        let mut legs = Vec::with_capacity(count);
        for _ in 0..count {
            let head = self.number()?;
            let (holders, unattributable) = match flags & UNATTRIBUTABLE {
                0 => (head >> 1, false),
                _ => (head >> 2, head & 2 != 0),
            };
            let holders = usize::try_from(holders).ok()?;
            if holders > self.bytes.len() - self.at {
                return None;
            }
            let mut leg =
                Leg { holders: Vec::with_capacity(holders), unattributable, amount: None };
            for _ in 0..holders {
                leg.holders.push(self.holder()??);
            }
            leg.amount = if head & 1 != 0 { Some(self.number()?) } else { None };
            legs.push(leg);
        }
        Some(legs)
    }

    /// Decodes a holder; the inner `None` means no holder.
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
