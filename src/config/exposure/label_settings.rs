//! The settings that labels depend on, as the store keeps them under their digest.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ExposureSettings;
use crate::domain::asset::{AssetRule, AssetTable, MAX_DECIMALS};
use crate::domain::chain::Chain;
use crate::domain::transfer::Amount;
use crate::exposure::MAX_HOPS;

/// All settings that labels depend on. What is required of chains is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSettings {
    pub max_hops: u8,
    pub hub_limit: u32,
    pub cluster_limit: u32,
    /// Sorted.
    pub service_categories: Vec<String>,
    /// Sorted.
    pub risk_categories: Vec<String>,
    /// The chains with `common_input = false`.
    pub no_common_input: BTreeSet<Chain>,
    pub assets: AssetTable,
}

/// The stored form, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    max_hops: u8,
    hub_limit: u32,
    cluster_limit: u32,
    service_categories: Vec<String>,
    risk_categories: Vec<String>,
    /// CAIP-2, sorted.
    no_common_input: Vec<String>,
    /// In the order of [`AssetTable::iter`].
    assets: Vec<AssetForm>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetForm {
    /// CAIP-2.
    chain: String,
    asset: String,
    symbol: String,
    decimals: u8,
    /// In smallest units, decimal.
    floor: String,
}

/// The stored form of settings is invalid.
#[derive(Debug, thiserror::Error)]
pub enum LabelSettingsError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("unknown chain {0:?}")]
    Chain(String),
    #[error("invalid asset {asset:?} of {chain}")]
    Asset { chain: String, asset: String },
    #[error("max_hops is {0}")]
    Hops(u8),
}

impl From<&ExposureSettings> for LabelSettings {
    fn from(settings: &ExposureSettings) -> Self {
        Self {
            max_hops: settings.max_hops,
            hub_limit: settings.hub_limit,
            cluster_limit: settings.cluster_limit,
            service_categories: settings.service_categories.clone(),
            risk_categories: settings.risk_categories.clone(),
            no_common_input: settings.no_common_input(),
            assets: settings.assets.clone(),
        }
    }
}

impl LabelSettings {
    /// Returns SHA-256 over all of them.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(format!(
            "{} {} {:?} {:?}\n{} {:?}\n",
            self.max_hops,
            self.hub_limit,
            self.service_categories,
            self.risk_categories,
            self.cluster_limit,
            self.no_common_input_names(),
        ));
        digest.update(self.assets.digest());
        digest.finalize().into()
    }

    fn no_common_input_names(&self) -> Vec<String> {
        let names = self.no_common_input.iter().map(|chain| chain.caip2().into_owned());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    pub fn encode(&self) -> Vec<u8> {
        let asset = |(chain, asset, rule): (&Chain, &_, &AssetRule)| AssetForm {
            chain: chain.caip2().into_owned(),
            asset: ToString::to_string(asset),
            symbol: rule.symbol.to_string(),
            decimals: rule.decimals,
            floor: rule.floor.to_string(),
        };
        let form = Form {
            max_hops: self.max_hops,
            hub_limit: self.hub_limit,
            cluster_limit: self.cluster_limit,
            service_categories: self.service_categories.clone(),
            risk_categories: self.risk_categories.clone(),
            no_common_input: self.no_common_input_names(),
            assets: self.assets.iter().map(asset).collect(),
        };
        serde_json::to_vec(&form).expect("strings, numbers and lists always have a JSON form")
    }

    /// Fails if the form names no chain, asset or amount, or has unknown fields.
    pub fn decode(stored: &[u8]) -> Result<Self, LabelSettingsError> {
        let form: Form = serde_json::from_slice(stored)?;
        if form.max_hops == 0 || form.max_hops > MAX_HOPS {
            return Err(LabelSettingsError::Hops(form.max_hops));
        }
        let mut assets = AssetTable::default();
        for AssetForm { chain: name, asset: text, symbol, decimals, floor } in form.assets {
            let chain = chain_of(&name)?;
            let invalid = || LabelSettingsError::Asset { chain: name.clone(), asset: text.clone() };
            let asset = AssetTable::asset(&text, &chain).ok_or_else(invalid)?;
            let floor = Amount::from_str_radix(&floor, 10).map_err(|_| invalid())?;
            if floor == 0 || decimals > MAX_DECIMALS {
                return Err(invalid());
            }
            assets.set(chain, asset, AssetRule { symbol: symbol.into(), decimals, floor });
        }
        let no_common_input = form.no_common_input.iter().map(|name| chain_of(name));
        Ok(Self {
            max_hops: form.max_hops,
            hub_limit: form.hub_limit,
            cluster_limit: form.cluster_limit,
            service_categories: form.service_categories,
            risk_categories: form.risk_categories,
            no_common_input: no_common_input.collect::<Result<_, _>>()?,
            assets,
        })
    }
}

fn chain_of(name: &str) -> Result<Chain, LabelSettingsError> {
    name.parse().map_err(|_| LabelSettingsError::Chain(name.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;
    use crate::config::{Config, Flags};

    #[test]
    fn settings_are_read_back_as_they_were_and_keep_their_digest() {
        for set in [
            &[][..],
            &[
                "exposure.max_hops=3",
                "exposure.hub_limit=4",
                "exposure.service_categories=exchange",
                "chains.bitcoin.common_input=false",
                "assets.ethereum.native.floor=2.5",
                "assets.tron.1002000.symbol=BTT",
                "assets.tron.1002000.decimals=6",
                "assets.tron.1002000.floor=1000",
            ],
        ] {
            let set = set.iter().map(|&text| text.to_owned()).collect();
            let config = Config::load(&Flags { set, ..Flags::default() }, []).unwrap();
            let settings = LabelSettings::from(&config.exposure);
            let again = LabelSettings::decode(&settings.encode()).unwrap();
            assert_eq!(again, settings);
            assert_eq!((again.digest(), again.encode()), (settings.digest(), settings.encode()));
        }
    }

    #[test]
    fn what_is_no_form_of_settings_is_refused() {
        let config = Config::load(&Flags::default(), []).unwrap();
        let text = String::from_utf8(LabelSettings::from(&config.exposure).encode()).unwrap();
        let check = |from: &str, to: &str, problem: &str| {
            assert!(text.contains(from), "{from}");
            let error = LabelSettings::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        };
        check("\"max_hops\":8", "\"max_hops\":16", "max_hops is 16");
        check("\"max_hops\"", "\"hops\"", "unknown field");
        check("\"chain\":\"eip155:1\"", "\"chain\":\"moon\"", "unknown chain \"moon\"");
        check("\"floor\":\"", "\"floor\":\"x", "invalid asset");
    }
}
