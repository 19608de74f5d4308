//! Differences of Amazon's public data set (`s3://aws-public-blockchain/v1.0/btc/transactions`)
//! from bitcoin-etl: one `address` instead of `addresses`, and `value` as DOUBLE in whole coins
//! (`analytics/consumer/schema/btc.md` of
//! aws-solutions-library-samples/guidance-for-digital-assets-on-aws).

use super::error::FieldFault;
use super::number;
use crate::source::excerpt::excerpt;
use crate::source::rows::{Holds, SchemaField};

/// The unit of the values of inputs and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// The coin's smallest.
    Smallest,
    /// Whole coins, as floating-point numbers.
    Coins,
}

/// The decimals of a coin.
const DECIMALS: u8 = 8;

/// Smallest units of a coin.
const COIN: f64 = 100_000_000.0;

/// From this value on, 2^26 coins in smallest units, neighbouring values are equal as
/// floating-point numbers of whole coins. There are fewer than 2^25 bitcoins.
const MAX_VALUE: f64 = (1 << 26) as f64 * COIN;

/// Returns true if inputs or outputs with these fields have one `address`.
pub(super) fn is_part(fields: &[SchemaField]) -> bool {
    let has = |name: &str| fields.iter().any(|field| field.name == name);
    has("address") && !has("addresses")
}

pub(super) fn is_in_coins(field: &SchemaField) -> bool {
    let has_fraction = matches!(field.holds, Holds::Floats("DOUBLE") | Holds::Decimals(1..));
    field.name == "value" && has_fraction
}

/// Converts whole coins to satoshi: the whole number that, divided by 10^8, has this nearest
/// floating-point number.
pub(super) fn satoshi(value: &[u8]) -> Result<u64, FieldFault> {
    number::decimal(value)?;
    let said = String::from_utf8_lossy(value);
    let coins: f64 = said.parse().map_err(|_| FieldFault::not_a("a number", value))?;
    // After two roundings it may be the neighbour.
    let about = (coins * COIN).round();
    if about >= MAX_VALUE {
        let most = "2^26 coins, the most that a floating-point number can tell apart";
        return Err(FieldFault::too_large(most, said));
    }
    // A quotient of exact numbers is correctly rounded.
    let found = [about, about - 1.0, about + 1.0].into_iter().find(|whole| whole / COIN == coins);
    found.map(|satoshi| satoshi as u64).ok_or_else(|| FieldFault::TooFine(excerpt(&said), DECIMALS))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn coins_are_exact_or_refused() {
        let check = |text: &str, want: Result<u64, &str>| match (satoshi(text.as_bytes()), want) {
            (Ok(found), Ok(want)) => assert_eq!(found, want, "{text}"),
            (Err(fault), Err(want)) => assert!(fault.to_string().contains(want), "{text}: {fault}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("0.1", Ok(10_000_000));
        // As some writers print the same floating-point number.
        check("0.10000000000000001", Ok(10_000_000));
        check("1e-08", Ok(1));
        check("20999999.9769", Ok(2_099_999_997_690_000));
        check("0.30000000000000004", Err("more digits after the point"));
        check("0.000000001", Err("more digits after the point"));
        check("67108863.99999999", Ok(6_710_886_399_999_999));
        check("67108864.0", Err("more than 2^26 coins"));
        check("1e300", Err("more than 2^26 coins"));
        check("-0.5", Err("not a number that is not negative"));
        check("NaN", Err("not a number that is not negative"));
        check("inf", Err("not a number that is not negative"));
    }

    proptest! {
        /// Every number of satoshi below the bound round-trips through its floating-point number.
        #[test]
        fn satoshi_survive_floating_point(whole in 0u64..(1 << 26) * 100_000_000) {
            let coins = whole as f64 / COIN;
            prop_assert_eq!(satoshi(format!("{coins:?}").as_bytes()), Ok(whole));
            if whole > 0 {
                for near in [f64::from_bits(coins.to_bits() + 1), f64::from_bits(coins.to_bits() - 1)] {
                    prop_assert_ne!(satoshi(format!("{near:?}").as_bytes()), Ok(whole));
                }
            }
        }
    }
}
