//! The settings of exposure: how far it reaches, what ends or begins a path, which chains must have
//! transfers, and what changes in the table of assets. Reads no transfer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::given::Given;
use super::layers::Setting;
use super::origin::{Origin, Problem};
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

/// From how many distinct counterparties on an address is a hub, unless told otherwise: in 85 real
/// blocks of Ethereum the hot wallets of exchanges deal with 1,000 to 1,400 others in 2 to 18
/// blocks, and so pass this within hours, while 99.9 % of the addresses deal with fewer than 30.
/// To make a hub on purpose costs as many transfers above the dust floor.
const HUB_LIMIT: u32 = 10_000;

/// Categories of services in GraphSense TagPacks and the INTERPOL taxonomy that they use.
const SERVICE_CATEGORIES: &str = "bridge, defi, defi_bridge, defi_dex, defi_lending, exchange, \
                                  gambling, hosted_wallet, miner, payment_processor, service, \
                                  wallet_service";

/// Categories of crimes in the same taxonomy.
const RISK_CATEGORIES: &str = "extremism, hack, investment_fraud, phishing, ponzi_scheme, \
                               pyramid_scheme, ransomware, sanction, scam, service_hack, \
                               sextortion, terrorism, theft";

/// What exposure rests on, beside lists and transfers.
#[derive(Clone, Debug, PartialEq)]
pub struct ExposureSettings {
    /// The most hops, 1 to [`MAX_HOPS`].
    pub max_hops: u8,
    /// An address with more distinct counterparties on a chain is a hub there, which ends paths that
    /// leave it later.
    pub hub_limit: u32,
    /// The most keys that are taken for one owner's by common inputs.
    pub cluster_limit: u32,
    /// The categories of ATTRIBUTION lists whose addresses are services, which end paths.
    pub service_categories: Vec<String>,
    /// The categories of ATTRIBUTION lists whose addresses begin paths.
    pub risk_categories: Vec<String>,
    /// Chains with terms, in the order of their CAIP-2 ids.
    pub chains: Vec<ChainTerms>,
    pub assets: AssetTable,
}

impl ExposureSettings {
    /// SHA-256 over all that labels depend on: hops, limits of hubs and clusters, categories, chains
    /// without common inputs, assets.
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

    /// The chains whose transactions join no keys.
    pub fn no_common_input(&self) -> BTreeSet<Chain> {
        let chains = self.chains.iter().filter(|terms| !terms.common_input);
        chains.map(|terms| terms.chain.clone()).collect()
    }
}

/// What a chain's transfers must be for a screening to be COMPLETE, and whether they join keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainTerms {
    pub chain: Chain,
    /// The kinds of movement without which a screening of an address that fits the chain is
    /// INCOMPLETE, where they are absent, gapped or stale; none: it is not required.
    pub required: Vec<MovementKind>,
    /// The age of the last transfer from which they are stale; `None` where they do not age.
    pub max_age: Option<Duration>,
    /// Whether its transactions join the keys of their inputs. Says nothing on chains without inputs.
    pub common_input: bool,
}

impl ChainTerms {
    /// A chain of which nothing is asked.
    fn new(chain: Chain) -> Self {
        Self { chain, required: Vec::new(), max_age: None, common_input: true }
    }
}

/// An asset while its settings come in.
#[derive(Clone, Debug, Default)]
struct AssetDraft {
    symbol: Option<String>,
    decimals: Option<u8>,
    floor: Option<(String, Origin)>,
    origin: Option<Origin>,
}

/// The settings while they come in.
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
            service_categories: categories(SERVICE_CATEGORIES),
            risk_categories: categories(RISK_CATEGORIES),
            chains: Vec::new(),
            assets: AssetTable::built_in(),
        };
        Self { settings, assets: BTreeMap::new() }
    }

    pub fn apply(&mut self, key: &str, given: &Given) -> Result<(), String> {
        let settings = &mut self.settings;
        match key {
            "max_hops" => settings.max_hops = narrow(given.integer(1..=MAX_HOPS.into())?)?,
            "hub_limit" => settings.hub_limit = narrow(given.integer(2..=100_000_000)?)?,
            "cluster_limit" => settings.cluster_limit = narrow(given.integer(2..=1_000_000)?)?,
            "service_categories" => settings.service_categories = categories(given.text()?),
            "risk_categories" => settings.risk_categories = categories(given.text()?),
            _ => return Err(format!("unknown key {key:?}")),
        }
        Ok(())
    }

    pub fn apply_chain(&mut self, chain: &str, key: &str, given: &Given) -> Result<(), String> {
        let chain = one_chain(chain)?;
        let chains = &mut self.settings.chains;
        let place = match chains.iter().position(|terms| terms.chain == chain) {
            Some(place) => place,
            None => {
                chains.push(ChainTerms::new(chain));
                chains.len() - 1
            }
        };
        match key {
            "required" => {
                let kinds = required_kinds(&chains[place].chain, given)?;
                chains[place].required = kinds;
            }
            "max_age" => chains[place].max_age = Some(given.duration()?),
            "common_input" => {
                let joins = given.boolean()?;
                has_inputs(&chains[place].chain)?;
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
        let chain = one_chain(chain)?;
        let asset = AssetTable::asset(asset, &chain)
            .ok_or_else(|| format!("{asset:?} is no asset of {chain}: native, or a contract"))?;
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

    /// The settings, checked as a whole.
    pub fn finish(mut self, problems: &mut Vec<Problem>) -> ExposureSettings {
        self.settings.chains.sort_by_cached_key(|terms| terms.chain.caip2().into_owned());
        for ((name, asset), (chain, draft)) in self.assets {
            let known = self.settings.assets.rule(&chain, &asset).cloned();
            let at = draft.origin.clone().unwrap_or(Origin::Default);
            match settle(draft, known) {
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

/// The kinds that `true`, `false` or a string of names stands for.
fn required_kinds(chain: &Chain, given: &Given) -> Result<Vec<MovementKind>, String> {
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

/// Refuses chains whose transactions have no inputs, where the key would seem to do something.
fn has_inputs(chain: &Chain) -> Result<(), String> {
    if chain.is_utxo() {
        Ok(())
    } else {
        Err(format!("transactions of {chain} have no inputs: they never join keys"))
    }
}

/// What an asset becomes: what was given over what was known.
fn settle(
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

/// A decimal number of display units in smallest units, exactly; above zero.
fn smallest_units(text: &str, decimals: u8) -> Result<Amount, String> {
    let refusal = || {
        format!(
            "{text:?} is no amount above zero with at most {decimals} decimals, such as \"0.01\""
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

/// Names parted by commas, sorted, each once.
fn categories(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

pub(super) fn one_chain(text: &str) -> Result<Chain, String> {
    match text.parse() {
        Ok(Chain::AnyEvm | Chain::AnyCosmos) => Err(format!("{text:?} is a family of chains")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(error.to_string()),
    }
}

fn narrow<T: TryFrom<u64>>(number: u64) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is too large"))
}
