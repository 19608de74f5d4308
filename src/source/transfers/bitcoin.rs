//! Rows of bitcoin-etl transactions (JSON objects) to transfers. Must not read files.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::{FieldFault, RowFault};
use super::run::Understood;
use super::{LeftOut, fields, number};
use crate::domain::chain::Chain;
use crate::domain::transfer::{
    Holder, Leg, MAX_HOLDERS, MAX_LEGS, Movement, Position, Transfer, TxId, TxStatus, UtxoMovement,
};
use crate::source::rows::{Columns, json_syntax, optional, required};

/// What stands in the place of an address where a script has none.
const PSEUDO_ADDRESS: &str = "nonstandard";

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
    ],
    closed: false,
};

/// A transaction; a field that is null is not given.
#[derive(Deserialize)]
struct Row<'a> {
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
    inputs: Option<AtMost<Part<'a>, MAX_LEGS>>,
    #[serde(borrow)]
    outputs: Option<AtMost<Part<'a>, MAX_LEGS>>,
}

/// An input or output.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    addresses: Option<AtMost<Option<Cow<'a, str>>, MAX_HOLDERS>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// An array of at most `N` elements: a longer one is refused before it is held.
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

/// A row of `transactions.json`.
pub(super) fn transaction(object: &[u8], chain: &Chain) -> Result<Understood, RowFault> {
    let row: Row<'_> = serde_json::from_slice(object).map_err(json_syntax)?;
    let missing = |field| move || FieldFault::Missing.of(field);
    let hash = fields::hash(row.hash.as_deref().unwrap_or_default().as_bytes());
    let hash = hash.map_err(|fault| fault.of("hash"))?.ok_or_else(missing("hash"))?;
    let height = fields::height(scalar(row.block_number)).map_err(|fault| fault.of("block_number"));
    let time = fields::time(scalar(row.block_timestamp));
    let time = time.map_err(|fault| fault.of("block_timestamp"))?;
    let block_hash = fields::hash(row.block_hash.as_deref().unwrap_or_default().as_bytes());
    let tx_index = fields::tx_index(scalar(row.index)).map_err(|fault| fault.of("index"))?;
    let coinbase = row.is_coinbase.unwrap_or(false);
    let mut inputs = Vec::new();
    let mut outputs = Vec::new();
    if !coinbase {
        legs("inputs", row.inputs.unwrap_or_default().0, chain, &mut inputs, &mut outputs)?;
    }
    legs("outputs", row.outputs.unwrap_or_default().0, chain, &mut outputs, &mut inputs)?;
    if inputs.is_empty() && outputs.is_empty() {
        return Ok(Understood::LeftOut(LeftOut::NoLegs));
    }
    if inputs.len() > MAX_LEGS || outputs.len() > MAX_LEGS {
        return Err(RowFault::TooManyLegs(MAX_LEGS));
    }
    let height = height?.ok_or_else(missing("block_number"))?;
    Ok(Understood::Transfer(Transfer {
        chain: chain.clone(),
        time: time.ok_or_else(missing("block_timestamp"))?,
        position: tx_index.map(|tx_index| Position { height, tx_index, index: 0 }),
        block_hash: block_hash.map_err(|fault| fault.of("block_hash"))?,
        tx: Some(TxId::Hash(hash)),
        status: TxStatus::Succeeded,
        movement: Movement::Utxo(Box::new(UtxoMovement { coinbase, inputs, outputs })),
    }))
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

/// Understands the parts of one side. The balance of a shielded pool may stand as a negative part:
/// then it is one of the other side.
fn legs(
    field: &'static str,
    parts: Vec<Part<'_>>,
    chain: &Chain,
    legs: &mut Vec<Leg>,
    others: &mut Vec<Leg>,
) -> Result<(), RowFault> {
    for part in parts {
        let shielded = part.kind.as_deref() == Some("shielded");
        let holders = holders(part.addresses.unwrap_or_default().0, chain, field)?;
        let value = scalar(part.value);
        let (value, side) = match value.strip_prefix(b"-") {
            Some(value) if shielded && holders.is_empty() => (value, &mut *others),
            _ => (value, &mut *legs),
        };
        let amount = match value {
            b"" => None,
            value => match number::small(value) {
                Some(amount) => Some(amount),
                None => return Err(FieldFault::not_a("a whole number below 2^64", value).of(field)),
            },
        };
        side.push(Leg { holders, amount });
    }
    Ok(())
}

fn holders(
    addresses: Vec<Option<Cow<'_, str>>>,
    chain: &Chain,
    field: &'static str,
) -> Result<Vec<Holder>, RowFault> {
    let mut holders = Vec::with_capacity(addresses.len());
    for address in addresses.into_iter().flatten() {
        if address.starts_with(PSEUDO_ADDRESS) {
            continue;
        }
        match fields::holder(address.as_bytes(), chain) {
            Ok(holder) => holders.extend(holder),
            Err(fault) => return Err(fault.of(field)),
        }
    }
    Ok(holders)
}
