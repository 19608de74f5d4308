//! The settings of exposure: hops, hubs, clusters, categories, requirements by chain, and assets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::layers::Setting;
use super::origin::{Origin, Problem};
use super::raw_value::RawValue;
use crate::domain::asset::{AssetRule, AssetTable, MAX_DECIMALS};
use crate::domain::chain::Chain;
use crate::domain::transfer::{Amount, Asset, MovementKind};
use crate::exposure::{DEFAULT_CLUSTER_LIMIT, DEFAULT_HOPS, MAX_HOPS};

/// The keys of `exposure`, in the order of the example file.
pub const KEYS: [&str; 5] =
    ["max_hops", "hub_limit", "cluster_limit", "service_categories", "risk_categories"];

/// The keys of a chain.
pub const CHAIN_KEYS: [&str; 3] = ["required", "max_age", "common_input"];

/// The keys of an asset.
pub const ASSET_KEYS: [&str; 3] = ["symbol", "decimals", "floor"];

/// Default of `hub_limit`. In 85 real blocks of Ethereum the hot wallets of exchanges deal with 1,000 to
/// 1,400 others in 2 to 18 blocks, and so pass this within hours; 99.9 % of the addresses deal with fewer
/// than 30. Faking a hub costs as many transfers above the dust floor.
const HUB_LIMIT: u32 = 10_000;

/// Categories of services in GraphSense TagPacks and the INTERPOL taxonomy that they use.
const SERVICE_CATEGORIES: &str = "bridge, defi, defi_bridge, defi_dex, defi_lending, exchange, \
                                  gambling, hosted_wallet, miner, payment_processor, service, \
                                  wallet_service";

/// Categories of crimes in the same taxonomy.
const RISK_CATEGORIES: &str = "extremism, hack, investment_fraud, phishing, ponzi_scheme, \
                               pyramid_scheme, ransomware, sanction, scam, service_hack, \
                               sextortion, terrorism, theft";

#[derive(Clone, Debug, PartialEq)]
pub struct ExposureSettings {
    /// The most hops, 1 to [`MAX_HOPS`].
    pub max_hops: u8,
    /// An address with more distinct counterparties on a chain is a hub there, which ends paths that
    /// leave it later.
    pub hub_limit: u32,
    /// The most keys of a common-input cluster.
    pub cluster_limit: u32,
    /// The categories of ATTRIBUTION lists whose addresses are services, which end paths.
    pub service_categories: Vec<String>,
    /// The categories of ATTRIBUTION lists whose addresses begin paths.
    pub risk_categories: Vec<String>,
    /// By CAIP-2 id.
    pub chains: Vec<ChainRequirements>,
    pub assets: AssetTable,
}

impl ExposureSettings {
    /// Returns SHA-256 over all settings that labels depend on: hops, limits of hubs and clusters,
    /// categories, chains without common inputs, assets.
    pub fn digest(&self) -> [u8; 32] {
        let no_common_input = self.no_common_input();
        let mut no_common_input: Vec<_> = no_common_input.iter().map(Chain::caip2).collect();
        no_common_input.sort_unstable();
        let mut digest = Sha256::new();
        digest.update(format!(
            "{} {} {:?} {:?}\n{} {no_common_input:?}\n",
            self.max_hops,
            self.hub_limit,
            self.service_categories,
            self.risk_categories,
            self.cluster_limit,
        ));
        digest.update(self.assets.digest());
        digest.finalize().into()
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

impl ChainRequirements {
    fn new(chain: Chain) -> Self {
        Self { chain, required: Vec::new(), max_age: None, common_input: true }
    }
}

/// An asset to which settings are applied.
#[derive(Clone, Debug, Default)]
struct AssetDraft {
    symbol: Option<String>,
    decimals: Option<u8>,
    floor: Option<(String, Origin)>,
    origin: Option<Origin>,
}

/// Exposure settings to which settings are applied.
#[derive(Clone, Debug)]
pub struct ExposureDraft {
    settings: ExposureSettings,
    assets: BTreeMap<(String, Asset), (Chain, AssetDraft)>,
}

impl ExposureDraft {
    pub fn new() -> Self {
        let settings = ExposureSettings {
            max_hops: DEFAULT_HOPS,
            hub_limit: HUB_LIMIT,
            cluster_limit: DEFAULT_CLUSTER_LIMIT,
            service_categories: parse_categories(SERVICE_CATEGORIES),
            risk_categories: parse_categories(RISK_CATEGORIES),
            chains: Vec::new(),
            assets: AssetTable::built_in(),
        };
        Self { settings, assets: BTreeMap::new() }
    }

    pub fn apply(&mut self, key: &str, given: &RawValue) -> Result<(), String> {
        let settings = &mut self.settings;
        match key {
            "max_hops" => settings.max_hops = narrow(given.integer(1..=MAX_HOPS.into())?)?,
            "hub_limit" => settings.hub_limit = narrow(given.integer(2..=100_000_000)?)?,
            "cluster_limit" => settings.cluster_limit = narrow(given.integer(2..=1_000_000)?)?,
            "service_categories" => settings.service_categories = parse_categories(given.text()?),
            "risk_categories" => settings.risk_categories = parse_categories(given.text()?),
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    pub fn apply_chain(&mut self, chain: &str, key: &str, given: &RawValue) -> Result<(), String> {
        let chain = parse_chain(chain)?;
        let chains = &mut self.settings.chains;
        let place = match chains.iter().position(|terms| terms.chain == chain) {
            Some(place) => place,
            None => {
                chains.push(ChainRequirements::new(chain));
                chains.len() - 1
            }
        };
        match key {
            "required" => {
                let kinds = parse_required(&chains[place].chain, given)?;
                chains[place].required = kinds;
            }
            "max_age" => chains[place].max_age = Some(given.duration()?),
            "common_input" => {
                let joins = given.boolean()?;
                check_has_inputs(&chains[place].chain)?;
                chains[place].common_input = joins;
            }
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    pub fn apply_asset(
        &mut self,
        chain: &str,
        asset: &str,
        key: &str,
        setting: &Setting,
    ) -> Result<(), String> {
        let chain = parse_chain(chain)?;
        let asset = AssetTable::asset(asset, &chain).ok_or_else(|| {
            format!("unknown asset {asset:?} of {chain}; use native or a contract")
        })?;
        let slot = (chain.caip2().into_owned(), asset);
        let (_, draft) = self.assets.entry(slot).or_insert((chain, AssetDraft::default()));
        draft.origin = Some(setting.origin.clone());
        match key {
            "symbol" => draft.symbol = Some(setting.given.text()?.to_owned()),
            "decimals" => {
                draft.decimals = Some(narrow(setting.given.integer(0..=MAX_DECIMALS.into())?)?);
            }
            "floor" => {
                draft.floor = Some((setting.given.text()?.to_owned(), setting.origin.clone()));
            }
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    /// Checks the settings as a whole.
    pub fn finish(mut self, problems: &mut Vec<Problem>) -> ExposureSettings {
        self.settings.chains.sort_by_cached_key(|terms| terms.chain.caip2().into_owned());
        for ((name, asset), (chain, draft)) in self.assets {
            let known = self.settings.assets.rule(&chain, &asset).cloned();
            let at = draft.origin.clone().unwrap_or(Origin::Default);
            match merge_asset(draft, known) {
                Ok(rule) => self.settings.assets.set(chain, asset, rule),
                Err((origin, message)) => {
                    let message = format!("assets.{name}.{asset}: {message}");
                    problems.push(Problem { origin: origin.unwrap_or(at), message });
                }
            }
        }
        self.settings
    }
}

/// Parses `required`: `true`, `false` or a string of kinds.
fn parse_required(chain: &Chain, given: &RawValue) -> Result<Vec<MovementKind>, String> {
    if let Ok(required) = given.boolean() {
        let kinds = MovementKind::required_of(chain);
        return Ok(if required { kinds.to_vec() } else { Vec::new() });
    }
    let text = given.text().map_err(|_| "must be true, false or a string of kinds".to_owned())?;
    let mut kinds = Vec::new();
    for name in text.split(',').map(str::trim) {
        let kind: MovementKind =
            name.parse().map_err(|error| format!("{error}; or true or false"))?;
        if !MovementKind::of_chain(chain).contains(&kind) {
            return Err(format!("{chain} has no transfers of kind {kind}"));
        }
        kinds.push(kind);
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// Fails for chains without inputs, where the key would have no effect.
fn check_has_inputs(chain: &Chain) -> Result<(), String> {
    if chain.is_utxo() {
        Ok(())
    } else {
        Err(format!("has no effect on {chain}, whose transactions have no inputs"))
    }
}

/// Merges the given settings of an asset into its built-in rule.
fn merge_asset(
    draft: AssetDraft,
    known: Option<AssetRule>,
) -> Result<AssetRule, (Option<Origin>, String)> {
    let missing = |key: &str| (None, format!("{key} is missing: the asset is not a built-in one"));
    let symbol = draft.symbol.map(Into::into).or(known.as_ref().map(|rule| rule.symbol.clone()));
    let symbol = symbol.ok_or_else(|| missing("symbol"))?;
    let decimals = draft.decimals.or(known.as_ref().map(|rule| rule.decimals));
    let decimals = decimals.ok_or_else(|| missing("decimals"))?;
    let floor = match draft.floor {
        Some((text, origin)) => {
            smallest_units(&text, decimals).map_err(|message| (Some(origin), message))?
        }
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
fn parse_categories(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

pub(super) fn parse_chain(text: &str) -> Result<Chain, String> {
    match text.parse() {
        Ok(Chain::AnyEvm | Chain::AnyCosmos) => {
            Err(format!("{text:?} is a family of chains; name one chain"))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(error.to_string()),
    }
}

fn narrow<T: TryFrom<u64>>(number: u64) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is too large"))
}
