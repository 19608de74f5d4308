//! The settings of exposure by chain and asset, and what labels depend on.

mod label_settings;

use std::collections::BTreeSet;
use std::time::Duration;

use super::settings::{Name, Named, Reading, table};
use super::values::{Given, Kind, duration, integer, parsed, string};
use crate::domain::asset::{AssetRule, AssetTable, MAX_DECIMALS};
use crate::domain::chain::Chain;
use crate::domain::transfer::{Amount, Asset, MovementKind};
use crate::exposure::{DEFAULT_CLUSTER_LIMIT, DEFAULT_HOPS, MAX_HOPS};

pub use label_settings::{LabelSettings, LabelSettingsError};

/// Default of `hub_limit`. In 85 real blocks of Ethereum the hot wallets of exchanges deal with 1,000 to
/// 1,400 others in 2 to 18 blocks, and so pass this within hours; 99.9 % of the addresses deal with fewer
/// than 30. Faking a hub costs as many transfers above the dust floor.
const HUB_LIMIT: u32 = 10_000;

/// Categories of services in GraphSense TagPacks and the INTERPOL taxonomy that they use.
const SERVICES: &str = "bridge, defi, defi_bridge, defi_dex, defi_lending, exchange, gambling, \
                        hosted_wallet, miner, payment_processor, service, wallet_service";

/// Categories of crimes in the same taxonomy.
const RISK: &str = "extremism, hack, investment_fraud, phishing, ponzi_scheme, \
                               pyramid_scheme, ransomware, sanction, scam, service_hack, \
                               sextortion, terrorism, theft";

table! {
    /// How near an address is to a listed one by transfers.
    pub struct ExposureSettings {
        /// The most hops. What is farther away is not seen.
        max_hops: u8 = integer::<u8>(1..=MAX_HOPS.into()).or(DEFAULT_HOPS);
        /// An address with more distinct counterparties on a chain is a hub there, and ends paths that
        /// leave it later. A lower limit hides more; a higher one ties more addresses to listed ones.
        hub_limit: u32 = integer::<u32>(2..=100_000_000).or(HUB_LIMIT);
        /// The most addresses of a cluster. Inputs of one transaction of a UTXO chain are joined as one
        /// owner's, which is an estimate. A cluster that grows beyond the limit keeps its members.
        cluster_limit: u32 = integer::<u32>(2..=1_000_000).or(DEFAULT_CLUSTER_LIMIT);
        /// The categories of ATTRIBUTION lists (TagPacks) whose addresses are services, separated by
        /// commas. Paths end there, as at addresses on a list of kind SERVICE.
        service_categories: Vec<String> = parsed("categories", parse_categories).or(SERVICES);
        /// The categories of ATTRIBUTION lists whose addresses begin paths, as sanctioned ones do.
        risk_categories: Vec<String> = parsed("categories", parse_categories).or(RISK);
    }
    also {
        /// By CAIP-2 id.
        chains: Vec<ChainRequirements> = Vec::new();
        assets: AssetTable = AssetTable::built_in();
    }
}

table! {
    /// Chains, one table each, by CAIP-2 id or name. A chain without a table may have transfers, and
    /// none is required.
    pub struct ChainTable {
        /// A screening of an address of the chain is INCOMPLETE if transfers of these kinds are absent,
        /// gapped or stale: those given, such as `native, tokens, internal`, or with `true` those that
        /// matter there (`native` and `tokens` on EVM chains, `utxo` on UTXO chains).
        required: Option<Vec<MovementKind>> = required().without("`false`").example("true");
        /// The age at which the last transfer is stale.
        max_age: Option<Duration> = duration(Ok).without("never").example("1h");
        /// Transactions join the addresses of their inputs. For UTXO chains only. Makes no chain required.
        common_input: Option<bool> = common_input().without("`true`").example("false");
    }
}

table! {
    /// Assets that have value, one table each: `native`, or the token's contract. Native coins and the
    /// large stablecoins are built in, with floors of about one US dollar. Transfers of other assets are
    /// kept, but tie no address to another, because anyone can forge them. Those with a listed address are
    /// counted in the answer (`unvalued_dealings`). An asset that is not built in needs every key.
    pub struct AssetKeys {
        /// The symbol for people.
        symbol: Option<String> = string().example("USDC");
        /// The decimals of the display unit.
        decimals: Option<u8> = integer::<u8>(0..=MAX_DECIMALS.into()).example("6");
        /// The smallest transfer that counts, in display units.
        floor: Option<String> = string().example("0.001");
    }
}

impl ExposureSettings {
    /// [`LabelSettings::digest`].
    pub fn digest(&self) -> [u8; 32] {
        LabelSettings::from(self).digest()
    }

    /// Returns the chains with `common_input = false`.
    pub fn no_common_input(&self) -> BTreeSet<Chain> {
        let chains = self.chains.iter().filter(|terms| !terms.common_input);
        chains.map(|terms| terms.chain.clone()).collect()
    }
}

/// The settings of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRequirements {
    pub chain: Chain,
    /// If transfers of these kinds are absent, gapped or stale, screenings of addresses of the chain are
    /// INCOMPLETE.
    pub required: Vec<MovementKind>,
    /// The age at which the last transfer is stale; `None`: never.
    pub max_age: Option<Duration>,
    /// Whether transactions join the keys of their inputs. Ignored on chains without inputs.
    pub common_input: bool,
}

/// `true`, `false` or a string of kinds; of a chain, which the path names.
fn required() -> Kind<Vec<MovementKind>> {
    Kind::new("`true`, `false`, or kinds", |given| {
        let chain = chain_of(given)?;
        match given.boolean() {
            Ok(true) => return Ok(MovementKind::required_of(&chain).to_vec()),
            Ok(false) => return Ok(Vec::new()),
            Err(_) => {}
        }
        let text = given.text();
        let text = text.map_err(|_| "must be true, false or a string of kinds".to_owned())?;
        let mut kinds = Vec::new();
        for name in text.split(',').map(str::trim) {
            let kind: MovementKind =
                name.parse().map_err(|error| format!("{error}; or true or false"))?;
            if !MovementKind::of_chain(&chain).contains(&kind) {
                return Err(format!("{chain} has no transfers of kind {kind}"));
            }
            kinds.push(kind);
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(kinds)
    })
}

/// Fails for chains without inputs, where the key would have no effect.
fn common_input() -> Kind<bool> {
    Kind::new("`true` or `false`", |given| {
        let (joins, chain) = (given.boolean()?, chain_of(given)?);
        if chain.is_utxo() {
            return Ok(joins);
        }
        Err(format!("has no effect on {chain}, whose transactions have no inputs"))
    })
}

/// The chain whose key is given.
fn chain_of(given: &Given<'_>) -> Result<Chain, String> {
    Name::parse(given.path.split_last().map_or(&[], |(_, table)| table))
}

impl Name for Chain {
    fn parse(path: &[String]) -> Result<Self, String> {
        let text = path.last().map_or("", String::as_str);
        match text.parse() {
            Ok(Self::AnyEvm | Self::AnyCosmos) => {
                Err(format!("{text:?} is a family of chains; name one chain"))
            }
            Ok(chain) => Ok(chain),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Name for Asset {
    /// The last segment; the one before it is the chain.
    fn parse(path: &[String]) -> Result<Self, String> {
        let Some((text, rest)) = path.split_last() else { return Err("no asset".to_owned()) };
        let chain = <Chain as Name>::parse(rest)?;
        AssetTable::asset(text, &chain)
            .ok_or_else(|| format!("unknown asset {text:?} of {chain}; use native or a contract"))
    }
}

impl Named<Chain, ChainTable> {
    /// Returns the chains of which something is given, by CAIP-2 id.
    pub(super) fn finish(self) -> Vec<ChainRequirements> {
        let given = self.0.into_iter().filter(|(_, entry)| entry.table != ChainTable::default());
        let mut chains: Vec<_> = given
            .map(|(chain, entry)| ChainRequirements {
                chain,
                required: entry.table.required.unwrap_or_default(),
                max_age: entry.table.max_age,
                common_input: entry.table.common_input.unwrap_or(true),
            })
            .collect();
        chains.sort_by_cached_key(|terms| terms.chain.caip2().into_owned());
        chains
    }
}

impl Named<Chain, Named<Asset, AssetKeys>> {
    /// Merges the given settings of each asset into its built-in rule.
    pub(super) fn finish(self, assets: &mut AssetTable, reading: &mut Reading<'_>) {
        for (chain, entries) in self.0 {
            for (asset, entry) in entries.table.0 {
                if entry.is_refused || entry.table == AssetKeys::default() {
                    continue;
                }
                match merge_asset(&entry.table, assets.rule(&chain, &asset).cloned()) {
                    Ok(rule) => assets.set(chain.clone(), asset, rule),
                    Err((key, message)) => reading.problem_in(&entry, key, message),
                }
            }
        }
    }
}

/// Merges the given settings of an asset into its built-in rule. The error names the key.
fn merge_asset(
    given: &AssetKeys,
    known: Option<AssetRule>,
) -> Result<AssetRule, (&'static str, String)> {
    let missing = |key| (key, format!("{key} is missing: the asset is not a built-in one"));
    let symbol = given.symbol.as_deref().map(Into::into);
    let symbol = symbol.or(known.as_ref().map(|rule| rule.symbol.clone()));
    let symbol = symbol.ok_or_else(|| missing("symbol"))?;
    let decimals = given.decimals.or(known.as_ref().map(|rule| rule.decimals));
    let decimals = decimals.ok_or_else(|| missing("decimals"))?;
    let floor = match &given.floor {
        Some(text) => smallest_units(text, decimals).map_err(|message| ("floor", message))?,
        None => known
            .filter(|rule| rule.decimals == decimals)
            .map(|rule| rule.floor)
            .ok_or_else(|| missing("floor"))?,
    };
    Ok(AssetRule { symbol, decimals, floor })
}

/// Converts a decimal number of display units to smallest units, exactly. Fails for 0.
fn smallest_units(text: &str, decimals: u8) -> Result<Amount, String> {
    let refusal = || {
        format!(
            "invalid amount {text:?}; use a number above zero with at most {decimals} decimals, such as 0.01"
        )
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let width = usize::from(decimals);
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > width {
        return Err(refusal());
    }
    let padded = format!("{whole}{fraction:0<width$}");
    let amount = Amount::from_str_radix(&padded, 10).map_err(|_| refusal())?;
    if amount == 0 { Err(refusal()) } else { Ok(amount) }
}

/// Parses names separated by commas; sorts and deduplicates them.
fn parse_categories(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    Ok(names)
}
