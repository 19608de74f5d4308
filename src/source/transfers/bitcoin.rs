//! Converts rows of bitcoin-etl transactions (JSON objects) to transfers, and of Amazon's public
//! data set, which differs by one `address` and values in whole coins ([`amazon`]).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::amazon::{self, Unit};
use super::error::{FieldFault, RowFault};
use super::row::ConvertedRow;
use super::{LeftOut, PlainTimes, fields, number};
use crate::domain::chain::Chain;
use crate::domain::transfer::{
    Holder, Leg, MAX_HOLDERS, MAX_LEGS, Movement, PartialPosition, Placement, Position, Transfer,
    TxId, TxStatus, UtxoMovement,
};
use crate::source::excerpt::excerpt;
use crate::source::rows::{Columns, Holds, Table, json_syntax, optional, required};

/// Rejects a file without any holder: every answer from it would be clear.
pub(super) const NAMES_NOBODY: &str = "no input or output names an address, so that nobody would \
    be found in it: run bitcoin-etl's enrich_transactions first, and keep the field `addresses` (or \
    `address`) of inputs and outputs";

/// What a value in the coin's smallest unit is.
const WHOLE_NUMBER: &str = "a whole number below 2^64 of the coin's smallest unit, which is written \
    as digits alone, or with nine zeros behind the point as BigQuery's NUMERIC: write whole coins in \
    the smallest unit";

/// The placeholder of a script without an address.
const PSEUDO_ADDRESS: &str = "nonstandard";

/// The type of the balance of a shielded pool.
const SHIELDED: &str = "shielded";

/// The types of scripts that have no address.
const WITHOUT_ADDRESS: [&str; 3] = [SHIELDED, "nonstandard", "nulldata"];

pub(super) static TRANSACTIONS: Columns = Columns {
    read_as: "bitcoin-transactions",
    list: &[
        required("hash"),
        required("block_number"),
        required("block_timestamp"),
        required("inputs"),
        required("outputs"),
        optional("block_hash"),
        optional("index"),
        optional("is_coinbase"),
        optional("input_count"),
        optional("output_count"),
    ],
    closed: false,
};

/// Returns true if a file has Amazon's form, by the schema of Parquet, or by a value with a point
/// in the first JSON row.
pub(super) fn is_amazon(table: &Table<'_>) -> bool {
    let schema = table.schema();
    if !schema.is_empty() {
        let sides =
            schema.iter().filter(|field| matches!(field.name.as_str(), "inputs" | "outputs"));
        return sides.into_iter().any(|side| {
            let Holds::Groups(fields) = &side.holds else { return false };
            amazon::is_part(fields) && fields.iter().any(amazon::is_in_coins)
        });
    }
    let row: Option<Row<'_>> = serde_json::from_slice(table.verbatim()).ok();
    let value = row.as_ref().and_then(Row::value_with_one_address);
    value.is_some_and(|value| number::small(value).is_none())
}

/// A transaction; null equals absent.
#[derive(Deserialize)]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    block_number: Option<&'a RawValue>,
    #[serde(borrow)]
    block_hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    block_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    is_coinbase: Option<bool>,
    #[serde(borrow)]
    input_count: Option<&'a RawValue>,
    #[serde(borrow)]
    output_count: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<AtMost<Part<'a>, MAX_LEGS>>,
    #[serde(borrow)]
    outputs: Option<AtMost<Part<'a>, MAX_LEGS>>,
}

impl Row<'_> {
    /// The first non-zero value next to one `address`.
    pub(super) fn value_with_one_address(&self) -> Option<&[u8]> {
        let parts = [&self.outputs, &self.inputs].into_iter().flatten().flat_map(|side| &side.0);
        let values = parts.filter(|part| part.has_one_address()).map(|part| scalar(part.value));
        values.into_iter().find(|value| value.iter().any(|byte| matches!(byte, b'1'..=b'9')))
    }
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    addresses: Key<AtMost<Option<Cow<'a, str>>, MAX_HOLDERS>>,
    #[serde(borrow, default)]
    address: Key<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    /// For an output its script; for an input the unlocking script.
    #[serde(borrow)]
    script_hex: Option<&'a RawValue>,
}

impl Part<'_> {
    /// Returns true if its type has no address.
    fn says_no_address(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| WITHOUT_ADDRESS.contains(&kind))
    }

    /// Returns true if it has one `address`, so that a value with a fraction is in whole coins.
    fn has_one_address(&self) -> bool {
        match (&self.addresses, &self.address) {
            (Key::Given(_), _) | (Key::Null, Key::Absent) => false,
            (Key::Absent, _) | (Key::Null, Key::Null | Key::Given(_)) => true,
        }
    }
}

/// The value of a key, distinguishing null from absent.
#[derive(Default)]
enum Key<T> {
    #[default]
    Absent,
    Null,
    Given(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Key<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(json)?.map_or(Self::Null, Self::Given))
    }
}

/// An array of at most `N` elements; a longer one is rejected while reading.
struct AtMost<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for AtMost<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Elements<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
            type Value = AtMost<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if elements.len() == N {
                        return Err(A::Error::custom(format_args!("more than {N} elements")));
                    }
                    elements.push(element);
                }
                Ok(AtMost(elements))
            }
        }
        json.deserialize_seq(Elements(PhantomData))
    }
}

/// What is kept from row to row.
pub(super) struct Bitcoin {
    chain: Chain,
    plain_times: PlainTimes,
    unit: Unit,
    /// True if a value in satoshi occurred next to one `address`.
    has_satoshi: bool,
    /// True if a value in satoshi was rejected for its fraction. NUMERIC values without one are
    /// then ambiguous, since they may be whole coins too.
    has_fraction: bool,
    /// True if a transaction named a holder.
    has_named: bool,
    /// True if one had an unshielded input or output without a holder.
    has_nameless: bool,
}

impl Bitcoin {
    /// Creates a reader for transactions of `chain`, with values in `unit`.
    pub(super) fn new(chain: Chain, unit: Unit, plain_times: PlainTimes) -> Self {
        let (has_satoshi, has_fraction, has_named, has_nameless) = (false, false, false, false);
        Self { chain, plain_times, unit, has_satoshi, has_fraction, has_named, has_nameless }
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Returns how times without a time zone are read.
    pub(super) fn plain_times(&self) -> PlainTimes {
        self.plain_times
    }

    /// Returns true if the transactions so far name no holder, although not all are shielded.
    pub(super) fn names_nobody(&self) -> bool {
        self.has_nameless && !self.has_named
    }

    /// A row of `transactions.json`.
    pub(super) fn transaction(&mut self, object: &[u8]) -> Result<ConvertedRow, RowFault> {
        let row: Row<'_> = serde_json::from_slice(object).map_err(json_syntax)?;
        let missing = |field| move || FieldFault::Missing.of(field);
        let hash = fields::hash(row.hash.as_deref().unwrap_or_default().as_bytes());
        let hash = hash.map_err(|fault| fault.of("hash"))?.ok_or_else(missing("hash"))?;
        let height = fields::height(scalar(row.block_number));
        let height = height.map_err(|fault| fault.of("block_number"));
        let time = fields::time(scalar(row.block_timestamp), self.plain_times);
        let time = time.map_err(|fault| fault.of("block_timestamp"))?;
        let block_hash = fields::hash(row.block_hash.as_deref().unwrap_or_default().as_bytes());
        let tx_index = fields::tx_index(scalar(row.index)).map_err(|fault| fault.of("index"))?;
        let coinbase = row.is_coinbase.unwrap_or(false);
        let counts = (scalar(row.input_count), scalar(row.output_count));
        let Some(movement) = self.movement(coinbase, counts, row.inputs, row.outputs)? else {
            return Ok(ConvertedRow::LeftOut(LeftOut::NoLegs));
        };
        let height = height?.ok_or_else(missing("block_number"))?;
        let placement = match tx_index {
            Some(tx_index) => Position { height, tx_index, index: 0 }.into(),
            None => Placement::Partial(PartialPosition { height, index: Some(0) }),
        };
        Ok(ConvertedRow::Transfer(Transfer {
            chain: self.chain.clone(),
            time: time.ok_or_else(missing("block_timestamp"))?,
            placement,
            block_hash: block_hash.map_err(|fault| fault.of("block_hash"))?,
            tx: Some(TxId::Hash(hash)),
            status: TxStatus::Succeeded,
            movement: Movement::Utxo(Box::new(movement)),
        }))
    }

    /// Reads both sides; `None` if neither has data.
    fn movement(
        &mut self,
        coinbase: bool,
        counts: (&[u8], &[u8]),
        inputs: Option<Parts<'_>>,
        outputs: Option<Parts<'_>>,
    ) -> Result<Option<UtxoMovement>, RowFault> {
        let has_inputs = inputs.is_some();
        let outputs = outputs.ok_or_else(|| FieldFault::Missing.of("outputs"))?.0;
        let inputs = inputs.unwrap_or_default().0;
        // Only some exporters count the placeholder of a coinbase's input.
        if !coinbase && has_inputs {
            check_count("input_count", counts.0, inputs.len())?;
        }
        check_count("output_count", counts.1, outputs.len())?;
        let mut movement = UtxoMovement { coinbase, ..UtxoMovement::default() };
        let had_nameless = self.has_nameless;
        self.legs("inputs", inputs, &mut movement.inputs, &mut movement.outputs)?;
        if coinbase {
            let spends = |leg: &Leg| {
                let has_value = leg.amount.is_some_and(|amount| amount > 0);
                !leg.holders.is_empty() || has_value && !leg.unattributable
            };
            if movement.inputs.iter().any(spends) {
                return Err(RowFault::SpendingCoinbase);
            }
            // The placeholder of an input.
            movement.inputs.clear();
            self.has_nameless = had_nameless;
        }
        self.legs("outputs", outputs, &mut movement.outputs, &mut movement.inputs)?;
        let UtxoMovement { inputs, outputs, .. } = &movement;
        if inputs.len() > MAX_LEGS || outputs.len() > MAX_LEGS {
            return Err(RowFault::TooManyLegs(MAX_LEGS));
        }
        if outputs.is_empty() && !self.chain.may_hide_outputs() {
            return Err(FieldFault::Missing.of("outputs"));
        }
        if inputs.is_empty() && outputs.is_empty() {
            return if has_inputs { Ok(None) } else { Err(FieldFault::Missing.of("inputs")) };
        }
        self.has_named |= inputs.iter().chain(outputs).any(|leg| !leg.holders.is_empty());
        Ok(Some(movement))
    }

    /// Reads the parts of one side. A negative part is the balance of a shielded pool and belongs
    /// to the other side.
    fn legs(
        &mut self,
        field: &'static str,
        parts: Vec<Part<'_>>,
        legs: &mut Vec<Leg>,
        others: &mut Vec<Leg>,
    ) -> Result<(), RowFault> {
        legs.reserve(parts.len());
        for part in parts {
            let is_shielded = part.kind.as_deref() == Some(SHIELDED);
            let value = scalar(part.value);
            let one_address = part.has_one_address();
            let NamedHolders { holders, is_pseudo } =
                holders(&part, &self.chain).map_err(|fault| fault.of(field))?;
            let (value, side) = match value.strip_prefix(b"-") {
                Some(value) if is_shielded && holders.is_empty() => (value, &mut *others),
                _ => (value, &mut *legs),
            };
            let amount = self.amount(value, one_address, field)?;
            let unattributable = holders.is_empty()
                && (is_pseudo || part.says_no_address())
                && (is_shielded
                    || field != "outputs"
                    || !may_have_address(scalar(part.script_hex)));
            self.has_nameless |= holders.is_empty() && !is_shielded;
            side.push(Leg { holders, unattributable, amount });
        }
        Ok(())
    }

    /// A value in the smallest unit.
    fn amount(
        &mut self,
        value: &[u8],
        one_address: bool,
        field: &'static str,
    ) -> Result<Option<u64>, RowFault> {
        if value.is_empty() {
            return Ok(None);
        }
        let whole = number::small(value);
        let said = || excerpt(&String::from_utf8_lossy(value));
        if self.unit == Unit::Coins {
            return match whole {
                Some(0) => Ok(Some(0)),
                Some(_) => Err(RowFault::MixedAmounts(said())),
                None => amazon::satoshi(value).map(Some).map_err(|fault| fault.of(field)),
            };
        }
        let amount = match whole {
            Some(amount) => amount,
            None => self.whole_number(value, one_address, field)?,
        };
        self.has_satoshi |= one_address && amount != 0;
        Ok(Some(amount))
    }

    /// Reads satoshi as BigQuery writes NUMERIC: with nine zeros after the point. Fewer, as in
    /// `100.0`, suggest a floating-point number, possibly of whole coins. Next to one `address` any
    /// point means whole coins.
    fn whole_number(
        &mut self,
        value: &[u8],
        one_address: bool,
        field: &'static str,
    ) -> Result<u64, RowFault> {
        let said = || excerpt(&String::from_utf8_lossy(value));
        let refused = || FieldFault::not_a(WHOLE_NUMBER, value).of(field);
        let written = number::decimal(value).map_err(|_| refused())?;
        if one_address {
            let is_mixed = self.has_satoshi;
            return Err(if is_mixed { RowFault::MixedAmounts } else { RowFault::InCoins }(said()));
        }
        let whole = written.is_whole_numeric().then(|| written.scaled(0).ok()).flatten();
        match whole.and_then(|whole| u64::try_from(whole).ok()) {
            Some(whole) if whole != 0 && self.has_fraction => Err(RowFault::MixedAmounts(said())),
            Some(whole) => Ok(whole),
            None => {
                self.has_fraction = true;
                Err(refused())
            }
        }
    }
}

type Parts<'a> = AtMost<Part<'a>, MAX_LEGS>;

/// Rejects a row that states another number of parts.
fn check_count(column: &'static str, said: &[u8], found: usize) -> Result<(), RowFault> {
    let said = fields::number(said, u64::MAX).map_err(|fault| fault.of(column))?;
    match said {
        Some(said) if said != found as u64 => Err(RowFault::Count { column, said, found }),
        _ => Ok(()),
    }
}

/// A number, bare or in quotes.
fn scalar(raw: Option<&RawValue>) -> &[u8] {
    let text = raw.map_or(&b""[..], |raw| raw.get().as_bytes());
    match text {
        [b'"', inner @ .., b'"'] => inner,
        b"null" => b"",
        text => text,
    }
}

/// Returns true if a script has a form with an address (P2PKH, P2SH, a witness program, or a bare
/// public key), or cannot be read. bitcoin-etl marks an output `nonstandard` if its node returned
/// no address, or an unknown field.
fn may_have_address(script: &[u8]) -> bool {
    let lower = script.to_ascii_lowercase();
    let lower = lower.strip_prefix(b"0x").unwrap_or(&lower);
    if !lower.len().is_multiple_of(2) || !lower.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    let length = lower.len() / 2;
    let is = |start: &str, end: &str, bytes: usize| {
        length == bytes && lower.starts_with(start.as_bytes()) && lower.ends_with(end.as_bytes())
    };
    is("76a914", "88ac", 25)
        || is("a914", "87", 23)
        || is("0014", "", 22)
        || is("0020", "", 34)
        || is("5120", "", 34)
        || is("21", "ac", 35)
        || is("41", "ac", 67)
}

struct NamedHolders {
    holders: Vec<Holder>,
    /// True if a pseudo-address marks that there is none.
    is_pseudo: bool,
}

fn holders(part: &Part<'_>, chain: &Chain) -> Result<NamedHolders, FieldFault> {
    let listed = match &part.addresses {
        Key::Given(addresses) => &addresses.0[..],
        Key::Absent | Key::Null => &[],
    };
    let single = match &part.address {
        Key::Given(address) => Some(address),
        Key::Absent | Key::Null => None,
    };
    let capacity = listed.len() + usize::from(single.is_some());
    let mut named = NamedHolders { holders: Vec::with_capacity(capacity), is_pseudo: false };
    let mut blanks = 0;
    let mut add = |text: &str, listed: bool| {
        let text = text.trim_ascii();
        if text.starts_with(PSEUDO_ADDRESS) {
            named.is_pseudo = true;
            return Ok(());
        }
        match fields::holder(text.as_bytes(), chain)? {
            Some(holder) if !listed && named.holders.contains(&holder) => {}
            Some(holder) => named.holders.push(holder),
            None => blanks += usize::from(listed),
        }
        Ok(())
    };
    listed.iter().try_for_each(|address| add(address.as_deref().unwrap_or_default(), true))?;
    single.map_or(Ok(()), |address| add(address, false))?;
    // An unnamed key among several would be a holder that is not found.
    if blanks > 0 && blanks < listed.len() {
        return Err(FieldFault::not_a("an address, as others beside it are", b""));
    }
    Ok(named)
}
