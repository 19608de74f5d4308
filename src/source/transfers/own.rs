//! Converts rows of Lazaretto's own form (`chain, tx, position, time, from, to, asset, amount`,
//! ...) to transfers.
//!
//! This form is for millions of rows: values of the chain are reused from the previous row, and a
//! row of an EVM chain allocates nothing.

use super::error::{FieldFault, RowFault};
use super::fields;
use super::number::{self, Decimal, MAX_DECIMALS, ParsedNumber};
use super::row::ConvertedRow;
use super::{AssetDecimals, PlainTimes, RowPlace};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Movement, MovementKind, Position, Transfer, TxId, TxStatus,
};
use crate::source::excerpt::excerpt;
use crate::source::rows::{Cells, Columns, optional, required};

const CHAIN: usize = 0;
const TX: usize = 1;
const POSITION: usize = 2;
const TIME: usize = 3;
const FROM: usize = 4;
const TO: usize = 5;
const ASSET: usize = 6;
const AMOUNT: usize = 7;
const DECIMALS: usize = 8;
const USD_VALUE: usize = 9;
const STATUS: usize = 10;
const BLOCK_HASH: usize = 11;

pub(super) static TRANSFERS: Columns = Columns {
    read_as: "own",
    list: &[
        optional("chain"),
        optional("tx"),
        optional("position"),
        required("time"),
        required("from"),
        required("to"),
        required("asset"),
        required("amount"),
        optional("decimals"),
        optional("usd_value"),
        optional("status"),
        optional("block_hash"),
    ],
    closed: true,
};

/// How the amounts of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// In smallest units.
    Whole,
    /// With a fraction or an exponent: in whole units.
    Decimal,
}

/// State kept from row to row.
pub(super) struct Own<'a> {
    asset_decimals: AssetDecimals<'a>,
    /// The chain of rows without one.
    default_chain: Option<Chain>,
    plain_times: PlainTimes,
    /// The chain of the previous row, and its spelling.
    chain: Option<(Vec<u8>, Chain)>,
    style: Option<Style>,
    /// The block and transaction of the previous row, if it had the short form.
    last_short: Option<(Chain, u64, u32)>,
}

impl<'a> Own<'a> {
    pub(super) fn new(
        default_chain: Option<Chain>,
        plain_times: PlainTimes,
        asset_decimals: AssetDecimals<'a>,
    ) -> Self {
        let (chain, style, last_short) = (None, None, None);
        Self { asset_decimals, default_chain, plain_times, chain, style, last_short }
    }

    /// Converts a row of the `own` form.
    pub(super) fn transfer(&mut self, row: Cells<'_>) -> Result<ConvertedRow, RowFault> {
        self.look_at_chain(row.of(CHAIN)).map_err(|fault| fault.of("chain"))?;
        let (_, chain) = self.chain.as_ref().expect("it was just looked at");
        let from = fields::holder(row.of(FROM), chain).map_err(|fault| fault.of("from"))?;
        let to = fields::holder(row.of(TO), chain).map_err(|fault| fault.of("to"))?;
        if from.is_none() && to.is_none() {
            return Err(RowFault::NoHolder);
        }
        let asset = asset(row.of(ASSET), chain).map_err(|fault| fault.of("asset"))?;
        let time = fields::time(row.of(TIME), self.plain_times);
        let time = time.and_then(|time| time.ok_or(FieldFault::Missing));
        let tx = fields::tx(row.of(TX), chain).map_err(|fault| fault.of("tx"))?;
        let block_hash =
            fields::hash(row.of(BLOCK_HASH)).map_err(|fault| fault.of("block_hash"))?;
        let usd_micros = usd_micros(row.of(USD_VALUE)).map_err(|fault| fault.of("usd_value"))?;
        let status = status(row.of(STATUS)).map_err(|fault| fault.of("status"))?;
        let written = number::amount(row.of(AMOUNT)).map_err(|fault| fault.of("amount"))?;
        let chain = chain.clone();
        let amount = self.amount(written, row, &chain, &asset)?;
        let position = self.position(row.of(POSITION), &chain)?;
        Ok(ConvertedRow::Transfer(Transfer {
            chain,
            time: time.map_err(|fault| fault.of("time"))?,
            placement: position.into(),
            block_hash,
            tx,
            status,
            movement: Movement::Account(AccountMovement { from, to, asset, amount, usd_micros }),
        }))
    }

    /// Returns the place of a rejected row. `has_chains`: whether rows may name their chain.
    pub(super) fn readable_place(&self, row: Option<Cells<'_>>, has_chains: bool) -> RowPlace {
        let Some(row) = row else {
            let chain = if has_chains { None } else { self.default_chain.clone() };
            return RowPlace { chain, ..RowPlace::default() };
        };
        let chain = match row.of(CHAIN) {
            b"" => self.default_chain.clone(),
            text => fields::utf8(text).ok().and_then(|text| text.parse().ok()),
        };
        let chain = chain.filter(|chain| check_chain(chain).is_ok());
        let tx = match &chain {
            Some(chain) => fields::tx(row.of(TX), chain).ok().flatten(),
            None => fields::hash(row.of(TX)).ok().flatten().map(TxId::Hash),
        };
        let (height, index) = readable_position(row.of(POSITION));
        RowPlace {
            height,
            time: fields::time(row.of(TIME), self.plain_times).ok().flatten(),
            tx,
            index,
            kind: readable_kind(row, chain.as_ref(), index),
            chain,
        }
    }

    fn look_at_chain(&mut self, text: &[u8]) -> Result<(), FieldFault> {
        if self.chain.as_ref().is_some_and(|(last, _)| last == text) {
            return Ok(());
        }
        let chain = match (text, &self.default_chain) {
            (b"", Some(chain)) => chain.clone(),
            (b"", None) => return Err(FieldFault::Missing),
            _ => fields::utf8(text)?
                .parse()
                .map_err(|_| FieldFault::not_a("a chain: a CAIP-2 id or a common name", text))?,
        };
        check_chain(&chain)?;
        self.chain = Some((text.to_vec(), chain));
        Ok(())
    }

    #[inline]
    fn amount(
        &mut self,
        written: ParsedNumber<'_>,
        row: Cells<'_>,
        chain: &Chain,
        asset: &Asset,
    ) -> Result<Amount, RowFault> {
        let fault = |fault: FieldFault| fault.of("amount");
        let decimals = fields::number32(row.of(DECIMALS), u32::from(MAX_DECIMALS));
        let decimals = decimals.map_err(|fault| fault.of("decimals"))?;
        let (style, amount) = match written {
            ParsedNumber::Whole(amount) => (Style::Whole, amount),
            ParsedNumber::Decimal(value) => {
                // At most `MAX_DECIMALS`.
                let given = decimals.and_then(|decimals| u8::try_from(decimals).ok());
                let amount = self.in_smallest_units(value, row.of(AMOUNT), given, chain, asset);
                (Style::Decimal, amount.map_err(fault)?)
            }
        };
        // Zero is zero in any unit.
        if amount != Amount::ZERO {
            if self.style.is_some_and(|other| other != style) {
                let text = String::from_utf8_lossy(row.of(AMOUNT));
                return Err(RowFault::MixedAmounts(excerpt(&text)));
            }
            self.style = Some(style);
        }
        Ok(amount)
    }

    fn in_smallest_units(
        &self,
        value: Decimal<'_>,
        text: &[u8],
        given: Option<u8>,
        chain: &Chain,
        asset: &Asset,
    ) -> Result<Amount, FieldFault> {
        if value.is_raised() {
            return Err(FieldFault::Raised(excerpt(&String::from_utf8_lossy(text))));
        }
        let known = (self.asset_decimals)(chain, asset);
        match (given, known) {
            (Some(given), Some(known)) if given != known => {
                Err(FieldFault::OtherDecimals(given, known))
            }
            (Some(decimals), _) | (None, Some(decimals)) => value.scaled(decimals),
            (None, None) => Err(FieldFault::NoDecimals(excerpt(&String::from_utf8_lossy(text)))),
        }
    }

    /// `height:tx_index` or `height:tx_index:index`. The short form is the transaction's own value;
    /// two rows of it at one place would be taken for one movement.
    #[inline]
    fn position(&mut self, text: &[u8], chain: &Chain) -> Result<Option<Position>, RowFault> {
        if text.is_empty() {
            self.last_short = None;
            return Ok(None);
        }
        let (position, is_short) = position(text).map_err(|fault| fault.of("position"))?;
        let Position { height, tx_index, .. } = position;
        if !is_short {
            self.last_short = None;
            return Ok(Some(position));
        }
        if let Some((last_chain, last_height, last_index)) = &self.last_short
            && (*last_height, *last_index) == (height, tx_index)
            && last_chain == chain
        {
            return Err(RowFault::SamePosition(format!("{height}:{tx_index}")));
        }
        self.last_short = Some((chain.clone(), height, tx_index));
        Ok(Some(position))
    }
}

pub(super) fn check_chain(chain: &Chain) -> Result<(), FieldFault> {
    if chain.is_family() { Err(FieldFault::Family(chain.to_string())) } else { Ok(()) }
}

fn position(text: &[u8]) -> Result<(Position, bool), FieldFault> {
    let refused = || FieldFault::not_a("height:tx_index or height:tx_index:index", text);
    let mut parts = text.splitn(3, |byte| *byte == b':');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let (height, tx_index) = (part().ok_or_else(refused)?, part().ok_or_else(refused)?);
    let height = fields::height(height)?.ok_or_else(refused)?;
    let tx_index = fields::tx_index(tx_index)?.ok_or_else(refused)?;
    let index = match parts.next() {
        None => None,
        Some(index) => Some(fields::number32(index, u32::MAX)?.ok_or_else(refused)?),
    };
    let position = Position { height, tx_index, index: index.unwrap_or(0) };
    Ok((position, index.is_none()))
}

/// The height and the third part of a position, each as far as it can be read. Without a colon it is
/// not known which part is there.
fn readable_position(text: &[u8]) -> (Option<u64>, Option<u32>) {
    let parts: Vec<&[u8]> = text.splitn(4, |byte| *byte == b':').collect();
    match parts[..] {
        [height, _] => (fields::height(height).ok().flatten(), Some(0)),
        [height, _, index] => {
            let index = fields::number32(index, u32::MAX).ok().flatten();
            (fields::height(height).ok().flatten(), index)
        }
        _ => (None, None),
    }
}

/// Returns the kind of a rejected row, if readable.
fn readable_kind(
    row: Cells<'_>,
    chain: Option<&Chain>,
    index: Option<u32>,
) -> Option<MovementKind> {
    let text = row.of(ASSET);
    let is_native = match chain {
        Some(chain) => asset(text, chain).ok()? == Asset::Native,
        None if text.is_empty() || text.eq_ignore_ascii_case(b"native") => true,
        None if fields::evm(text).is_some() => false,
        None => return None,
    };
    match index {
        _ if !is_native => Some(MovementKind::Tokens),
        Some(index) if index > 0 && index % 2 == 0 => Some(MovementKind::Internal),
        None if !row.of(POSITION).is_empty() => None,
        Some(_) | None => Some(MovementKind::Native),
    }
}

#[inline]
fn asset(text: &[u8], chain: &Chain) -> Result<Asset, FieldFault> {
    if text.is_empty() || text.eq_ignore_ascii_case(b"native") {
        return Ok(Asset::Native);
    }
    if matches!(chain, Chain::Evm(_)) {
        let contract = fields::evm(text).map(Asset::Contract);
        return contract.ok_or_else(|| {
            FieldFault::not_a("native, or a contract of 0x and 40 hex digits", text)
        });
    }
    let name = fields::name(text)?;
    Ok(AssetTable::asset(&name, chain).unwrap_or(Asset::Named(name)))
}

#[inline]
fn usd_micros(text: &[u8]) -> Result<Option<u64>, FieldFault> {
    if text.is_empty() {
        return Ok(None);
    }
    let micros = number::decimal(text)?.cut(6)?;
    match u64::try_from(micros) {
        Ok(micros) => Ok(Some(micros)),
        Err(_) => Err(FieldFault::too_large("2^64 - 1 millionths", String::from_utf8_lossy(text))),
    }
}

fn status(text: &[u8]) -> Result<TxStatus, FieldFault> {
    match text {
        b"success" => Ok(TxStatus::Succeeded),
        b"failed" => Ok(TxStatus::Failed),
        text => {
            fields::status(text).map_err(|_| FieldFault::not_a("success, failed, 1 or 0", text))
        }
    }
}
