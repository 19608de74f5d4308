//! Parses the amount and the asset of `payment`: `1.5 ETH`, `15 wei`, `--asset USDT`. An ambiguous amount
//! is rejected with both readings.

use anyhow::{Result, bail, ensure};

use crate::cli::render::words::count;
use crate::domain::asset::{AssetRule, AssetTable, CoinUnit, coin_units};
use crate::domain::chain::Chain;
use crate::domain::transfer::{Asset, Holder};

/// The word for the smallest unit of any asset.
const ANY_SMALLEST: [&str; 2] = ["unit", "units"];

/// The asset of a payment, and what is known of it.
#[derive(Clone, Debug)]
pub struct PaymentAsset<'a> {
    /// As the server takes it: `native`, a contract, a mint or a name.
    pub text: String,
    /// Its entry in the asset table.
    pub rule: Option<&'a AssetRule>,
    /// Names of units that are not its symbol, the smallest first.
    units: &'static [CoinUnit],
    /// Symbols of all assets of the chain.
    symbols: Vec<&'a str>,
}

impl<'a> PaymentAsset<'a> {
    /// Resolves `text`: `native`, a contract or mint, or the symbol of an asset of the chain.
    ///
    /// Fails if the chain is none, if several assets of it carry the symbol, or if none does and
    /// its tokens are named by addresses alone.
    pub fn resolve(text: &str, chain: &str, table: &'a AssetTable) -> Result<Self> {
        let chain: Chain = chain.parse()?;
        let written = AssetTable::asset(text, &chain);
        let known = written.as_ref().and_then(|asset| table.rule(&chain, asset));
        let asset = match known {
            Some(_) => written,
            None => by_symbol(text, &chain, table)?.or(written),
        };
        let is_native = asset == Some(Asset::Native);
        Ok(Self {
            text: asset.as_ref().map_or_else(|| text.to_owned(), Asset::to_string),
            rule: asset.and_then(|asset| table.rule(&chain, &asset)),
            units: if is_native { coin_units(&chain) } else { &[] },
            symbols: table.of_chain(&chain).map(|(_, rule)| &*rule.symbol).collect(),
        })
    }

    /// The amount in the smallest unit, in digits without leading zeros.
    ///
    /// Fails with what to write instead if `text` is no number with a unit of the asset.
    pub fn amount(&self, text: &str) -> Result<String> {
        let text = text.trim();
        let end = text.find(|c: char| !is_of_number(c)).unwrap_or(text.len());
        let (number, unit) = (text[..end].trim_end(), text[end..].trim());
        self.check_separators(text, number, unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_number = is_digits(whole) && (is_digits(fraction) || !number.contains('.'));
        ensure!(is_number, self.no_amount(text));
        let decimals = self.decimals(text, number, unit)?;
        let cut = fraction.trim_end_matches('0');
        if cut.len() > decimals {
            let unit = if unit.is_empty() { self.symbol() } else { unit };
            bail!(
                "--amount {text:?} has {}: {unit} has {}",
                count(cut.len(), "decimal", "decimals"),
                if decimals == 0 { "none".to_owned() } else { format!("at most {decimals}") }
            );
        }
        let digits = format!("{whole}{cut:0<decimals$}");
        Ok(match digits.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        })
    }

    /// How many decimals the unit has over the smallest one.
    fn decimals(&self, text: &str, number: &str, unit: &str) -> Result<usize> {
        let rule = self.rule.map(|rule| usize::from(rule.decimals));
        if unit.is_empty() {
            return match rule {
                // The smallest unit has no parts, so that there is one reading only.
                Some(decimals) if number.contains('.') => Ok(decimals),
                Some(_) => bail!(
                    "--amount {number} could be {number} {} or {number} {}; write {}",
                    self.symbol(),
                    self.smallest(),
                    self.choices(number)
                ),
                None => bail!(
                    "--amount {text:?} has no unit, and the asset is not in the asset table: write \
                     {}",
                    self.choices(number)
                ),
            };
        }
        let is = |name: &&str| name.eq_ignore_ascii_case(unit);
        let coin = self.units.iter().find(|coin| coin.names.iter().any(is));
        let is_symbol = rule.filter(|_| is(&self.symbol()));
        let is_other = self.symbols.iter().any(is) && is_symbol.is_none();
        match (coin, is_symbol) {
            (Some(_), _) if is_other => bail!(
                "--amount {text:?}: {unit} is a unit of {} and the symbol of another asset; write \
                 \"{number} units\", or add --asset {unit}",
                self.symbol()
            ),
            (Some(coin), _) => Ok(coin.decimals.into()),
            (None, Some(decimals)) => Ok(decimals),
            (None, None) if ANY_SMALLEST.iter().any(is) => Ok(0),
            (None, None) if is_other => {
                bail!("--amount {text:?}: the asset is {}; add --asset {unit}", self.name())
            }
            (None, None) => bail!(
                "--amount {text:?}: unknown unit {unit:?} of {}; write {}",
                self.name(),
                self.choices(number)
            ),
        }
    }

    /// Refuses a decimal comma and separators of thousands, each by its name.
    fn check_separators(&self, text: &str, number: &str, unit: &str) -> Result<()> {
        let points = number.matches('.').count();
        let commas = number.matches(',').count();
        let has_gaps = number.contains(|c: char| is_gap(c));
        if points <= 1 && commas == 0 && !has_gaps {
            return Ok(());
        }
        let unit = if unit.is_empty() { self.symbol() } else { unit };
        let write = |number: String| format!("{number} {unit}").trim_end().to_owned();
        if let (Some((whole, fraction)), false, 0) = (number.split_once(','), has_gaps, points)
            && commas == 1
        {
            ensure!(is_digits(whole) && is_digits(fraction), self.no_amount(text));
            let point = write(number.replace(',', "."));
            ensure!(is_grouped(number), "--amount {text:?} has a decimal comma: write {point}");
            bail!(
                "--amount {text:?}: the comma could part thousands or decimals; write {} or {point}",
                write(digits_of(number))
            );
        }
        // The last mark parts the decimals where it stands once; all others part thousands.
        let last = number.rfind(['.', ',']);
        let decimal = last.filter(|at| number.matches(&number[*at..=*at]).count() == 1);
        let (whole, fraction) = match decimal {
            Some(at) => (&number[..at], Some(&number[at + 1..])),
            None => (number, None),
        };
        ensure!(is_grouped(whole) && fraction.is_none_or(is_digits), self.no_amount(text));
        let fraction = fraction.map_or_else(String::new, |fraction| format!(".{fraction}"));
        bail!(
            "--amount {text:?} has separators of thousands: write {}",
            write(digits_of(whole) + &fraction)
        )
    }

    fn no_amount(&self, text: &str) -> String {
        let display = match self.rule {
            Some(_) => format!("\"1.5 {}\" or ", self.symbol()),
            None => String::new(),
        };
        format!(
            "--amount {text:?} is not an amount: write a number with its unit, such as {display}\
             \"15 {}\"",
            self.smallest()
        )
    }

    /// `"2 ETH" or "2 wei"`: the number in each unit that it can be of.
    fn choices(&self, number: &str) -> String {
        let smallest = is_digits(number).then(|| format!("\"{number} {}\"", self.smallest()));
        match (self.rule, smallest) {
            (Some(_), Some(smallest)) => format!("\"{number} {}\" or {smallest}", self.symbol()),
            (Some(_), None) => format!("\"{number} {}\"", self.symbol()),
            (None, Some(smallest)) => format!("{smallest}, the smallest unit of the asset"),
            (None, None) => {
                format!("a whole number of the smallest unit, such as \"15 {}\"", self.smallest())
            }
        }
    }

    fn symbol(&self) -> &'a str {
        self.rule.map_or("", |rule| &rule.symbol)
    }

    fn smallest(&self) -> &'static str {
        let named = self.units.iter().find(|unit| unit.decimals == 0);
        named.and_then(|unit| unit.names.first()).copied().unwrap_or(ANY_SMALLEST[1])
    }

    /// What it is called: the symbol, else the text that the server takes.
    fn name(&self) -> &str {
        if self.rule.is_some() { self.symbol() } else { &self.text }
    }
}

/// The asset of the chain with that symbol, in any case; `None` where the text may be an asset that
/// is not in the table.
fn by_symbol(text: &str, chain: &Chain, table: &AssetTable) -> Result<Option<Asset>> {
    let carrying = |(_, rule): &(&Asset, &AssetRule)| rule.symbol.eq_ignore_ascii_case(text);
    let found: Vec<_> = table.of_chain(chain).filter(carrying).map(|(asset, _)| asset).collect();
    match found[..] {
        [] if may_be_unlisted(text, chain) => Ok(None),
        [] => {
            let symbols: Vec<_> = table.of_chain(chain).map(|(_, rule)| &*rule.symbol).collect();
            let known = if symbols.is_empty() {
                "no symbol is known there".to_owned()
            } else {
                format!("symbols known there are {}", symbols.join(", "))
            };
            bail!(
                "--asset {text:?} names no asset of {chain}: {known}; write the token's contract or \
                 mint for any other"
            )
        }
        [asset] => Ok(Some(asset.clone())),
        [..] => {
            let choices: Vec<_> = found.iter().map(|asset| format!("--asset {asset}")).collect();
            bail!("--asset {text:?} names several assets of {chain}: {}", choices.join(" or "))
        }
    }
}

/// Whether the text can name an asset of the chain that is not in the table. On chains whose tokens
/// are contracts or mints only an address does, or the number of a TRC-10 token.
fn may_be_unlisted(text: &str, chain: &Chain) -> bool {
    let is_address = || Holder::parse(text, chain).is_ok();
    match (AssetTable::asset(text, chain), chain) {
        (Some(Asset::Native | Asset::Contract(_)), _) => true,
        (Some(Asset::Named(_)), Chain::Tron) => is_digits(text) || is_address(),
        (Some(Asset::Named(_)), Chain::Solana) => is_address(),
        (Some(Asset::Named(_)), _) => true,
        (None, _) => false,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Whether the text is one to three digits, then groups of three, and begins with no zero.
fn is_grouped(text: &str) -> bool {
    let mut groups = text.split(|c: char| !c.is_ascii_digit());
    let first = groups.next().unwrap_or_default();
    is_digits(first)
        && first.len() <= 3
        && !first.starts_with('0')
        && groups.all(|group| group.len() == 3)
}

/// What stands between thousands, beside points and commas: blanks, apostrophes, low lines.
fn is_gap(character: char) -> bool {
    matches!(character, '\'' | '\u{2019}' | '_') || character.is_whitespace()
}

fn is_of_number(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, '.' | ',') || is_gap(character)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    fn resolved<'a>(table: &'a AssetTable, asset: &str, chain: &str) -> PaymentAsset<'a> {
        PaymentAsset::resolve(asset, chain, table).unwrap()
    }

    #[test]
    fn a_number_takes_its_unit() {
        let table = AssetTable::built_in();
        let check = |chain: &str, asset: &str, text: &str, want: &str| {
            let found = resolved(&table, asset, chain).amount(text);
            assert_eq!(found.unwrap(), want, "{text} of {asset} on {chain}");
        };
        check("ethereum", "native", "1.5 ETH", "1500000000000000000");
        check("ethereum", "native", "2eth", "2000000000000000000");
        check("ethereum", "native", " 0.1 ETH ", "100000000000000000");
        check("ethereum", "native", "1.5", "1500000000000000000");
        check("ethereum", "native", "15 wei", "15");
        check("ethereum", "native", "0015 Wei", "15");
        check("ethereum", "native", "0 ETH", "0");
        check("ethereum", "native", "1.5 gwei", "1500000000");
        check("ethereum", "native", "7 units", "7");
        check("bsc", "ETH", "2 ETH", "2000000000000000000");
        check("bitcoin", "native", "3 sat", "3");
        check("bitcoin", "btc", "1 satoshi", "1");
        check("litecoin", "native", "3 sats", "3");
        check("tron", "native", "5 sun", "5");
        check("xrp", "native", "5 drops", "5");
        check("solana", "native", "1 lamport", "1");
        check("monero", "native", "8 piconero", "8");
        check("ethereum", "USDT", "100 USDT", "100000000");
        check("ethereum", "usdt", "1.1234560usdt", "1123456");
        check("ethereum", "0xdAC17F958D2ee523a2206206994597C13D831ec7", "2.50", "2500000");
        check("tron", "USDT", "1 unit", "1");
        // Nothing is known of the asset; its smallest unit is still one.
        check("eip155:999999", "native", "15 wei", "15");
        check("eip155:1", "0x1111111111111111111111111111111111111111", "15 units", "15");
    }

    #[test]
    fn what_is_no_number_with_a_unit_is_refused_with_what_to_write() {
        let table = AssetTable::built_in();
        let check = |chain: &str, asset: &str, text: &str, want: &str| {
            let error = resolved(&table, asset, chain).amount(text).unwrap_err().to_string();
            assert_eq!(error, format!("--amount {want}"), "{text}");
        };
        let eth = |text: &str, want: &str| check("ethereum", "native", text, want);
        eth("2", r#"2 could be 2 ETH or 2 wei; write "2 ETH" or "2 wei""#);
        check(
            "bitcoin",
            "native",
            "7",
            r#"7 could be 7 BTC or 7 satoshi; write "7 BTC" or "7 satoshi""#,
        );
        check(
            "ethereum",
            "USDT",
            "7",
            r#"7 could be 7 USDT or 7 units; write "7 USDT" or "7 units""#,
        );
        let unknown = "0x1111111111111111111111111111111111111111";
        let says = r#""2" has no unit, and the asset is not in the asset table: write "2 units", the smallest unit of the asset"#;
        check("ethereum", unknown, "2", says);
        let says = r#""2.5" has no unit, and the asset is not in the asset table: write a whole number of the smallest unit, such as "15 wei""#;
        check("eip155:999999", "native", "2.5", says);
        eth("1,5 ETH", r#""1,5 ETH" has a decimal comma: write 1.5 ETH"#);
        eth("1,5", r#""1,5" has a decimal comma: write 1.5 ETH"#);
        eth("0,500 ETH", r#""0,500 ETH" has a decimal comma: write 0.500 ETH"#);
        let says = "the comma could part thousands or decimals; write 1500 ETH or 1.500 ETH";
        eth("1,500 ETH", &format!(r#""1,500 ETH": {says}"#));
        let thousands = |text: &str, write: &str| {
            eth(text, &format!("{text:?} has separators of thousands: write {write}"));
        };
        thousands("1,500,000 ETH", "1500000 ETH");
        thousands("1,500.25 ETH", "1500.25 ETH");
        thousands("1.500.000", "1500000 ETH");
        thousands("1.500,25 wei", "1500.25 wei");
        thousands("1 500 ETH", "1500 ETH");
        thousands("1\u{a0}500,5 ETH", "1500.5 ETH");
        thousands("1'500 ETH", "1500 ETH");
        thousands("1_500", "1500 ETH");
        let digits = "1.0000000000000000001";
        eth(
            &format!("{digits} ETH"),
            &format!(r#""{digits} ETH" has 19 decimals: ETH has at most 18"#),
        );
        check("ethereum", "USDT", "1.1234567", r#""1.1234567" has 7 decimals: USDT has at most 6"#);
        eth("1.5 wei", r#""1.5 wei" has 1 decimal: wei has none"#);
        eth("1 USDT", r#""1 USDT": the asset is ETH; add --asset USDT"#);
        let says = r#"unknown unit "e18" of ETH; write "1 ETH" or "1 wei""#;
        eth("1e18", &format!(r#""1e18": {says}"#));
        eth("1.5 FOO", r#""1.5 FOO": unknown unit "FOO" of ETH; write "1.5 ETH""#);
        for text in ["", "-1", "1.", ".5", "1.2.3", "x", "ü", " ", ",", "1,,5 ETH", "+1 ETH"] {
            let says =
                r#"is not an amount: write a number with its unit, such as "1.5 ETH" or "15 wei""#;
            eth(text, &format!("{:?} {says}", text.trim()));
        }
    }

    #[test]
    fn a_symbol_names_the_asset_of_the_chain() {
        let mut table = AssetTable::built_in();
        let check = |table: &AssetTable, chain: &str, text: &str, want: &str| {
            assert_eq!(resolved(table, text, chain).text, want, "{text} on {chain}");
        };
        let usdt = "0xdac17f958d2ee523a2206206994597c13d831ec7";
        check(&table, "ethereum", "USDT", usdt);
        check(&table, "ethereum", "usdt", usdt);
        check(&table, "ethereum", "ETH", "native");
        check(&table, "ethereum", "", "native");
        check(&table, "tron", "USDT", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t");
        check(&table, "tron", "1002000", "1002000");
        let other = "0x1111111111111111111111111111111111111111";
        check(&table, "ethereum", other, other);
        check(&table, "cosmos:osmosis-1", "uosmo", "uosmo");

        let refused = |table: &AssetTable, chain: &str, text: &str| {
            PaymentAsset::resolve(text, chain, table).unwrap_err().to_string()
        };
        let says = "\"WBTC\" names no asset of eip155:8453: symbols known there are ETH, USDC;";
        let error = refused(&table, "base", "WBTC");
        assert!(error.contains(says), "{error}");
        let error = refused(&table, "solana", "NONE");
        assert!(error.contains("symbols known there are"), "{error}");
        assert!(refused(&table, "nonesuch", "USDT").contains("\"nonesuch\" names no chain"));
        let error = refused(&table, "eip155:999999", "USDT");
        assert!(error.contains("no symbol is known there"), "{error}");

        let rule = table.rule(&Chain::Evm(1), &Asset::Native).unwrap().clone();
        let usdt_rule = AssetRule { symbol: "USDT".into(), ..rule };
        table.set(Chain::Evm(1), Asset::Contract([0x11; 20]), usdt_rule);
        assert_eq!(
            refused(&table, "ethereum", "USDT"),
            format!(
                "--asset \"USDT\" names several assets of eip155:1: --asset {other} or --asset {usdt}"
            )
        );
    }

    #[test]
    fn a_unit_that_is_the_symbol_of_another_asset_is_refused() {
        let mut table = AssetTable::built_in();
        let rule = table.rule(&Chain::Tron, &Asset::Native).unwrap().clone();
        let sun = Asset::Named("TSSMHYeV2uE9qYH95DqyoCuNCzEL1NvU3S".into());
        table.set(Chain::Tron, sun, AssetRule { symbol: "SUN".into(), ..rule });
        let error = resolved(&table, "native", "tron").amount("5 SUN").unwrap_err().to_string();
        assert!(error.contains("the symbol of another asset"), "{error}");
        assert_eq!(resolved(&table, "SUN", "tron").amount("5 SUN").unwrap(), "5000000");
    }
}
