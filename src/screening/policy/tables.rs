//! The tables of a policy's file as serde reads them, with their places. Checks nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// The values that a condition asks for; `None` where it is left out.
pub(super) type Asked = Option<Spanned<Vec<Spanned<String>>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: Spanned<String>,
    pub bands: BandsTable,
    pub weights: WeightsTable,
    pub base: BaseTable,
    #[serde(default)]
    pub share: Vec<ShareStep>,
    #[serde(default)]
    pub value: Vec<ValueStep>,
    #[serde(default)]
    pub staleness: StalenessTable,
    #[serde(default)]
    pub requires: RequiresTable,
    pub rules: Spanned<Vec<RuleTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BandsTable {
    pub low: Spanned<u64>,
    pub medium: Spanned<u64>,
    pub high: Spanned<u64>,
    pub severe: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightsTable {
    pub list_kind: Spanned<BTreeMap<Spanned<String>, Spanned<u64>>>,
    #[serde(default)]
    pub category: BTreeMap<Spanned<String>, Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BaseTable {
    pub listed_verbatim: Spanned<u64>,
    /// Files of programs that knew no clusters have none.
    pub co_spent: Option<Spanned<u64>>,
    pub received_from: Spanned<Vec<u64>>,
    pub sent_to: Spanned<Vec<u64>>,
    pub hub_percent: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareStep {
    pub at_least_percent: Spanned<f64>,
    pub score_percent: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueStep {
    pub at_least_floors: Spanned<u64>,
    pub score_percent: Spanned<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StalenessTable {
    #[serde(default)]
    pub list_kind: BTreeMap<Spanned<String>, Spanned<String>>,
    pub transfers: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequiresTable {
    #[serde(default)]
    pub lists: Vec<Spanned<String>>,
    pub max_hops: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleTable {
    pub id: Spanned<String>,
    pub decision: Spanned<String>,
    #[serde(default)]
    pub note: String,
    pub finding: Asked,
    pub list_kind: Asked,
    pub list: Asked,
    pub category: Asked,
    pub state: Asked,
    pub timing: Asked,
    pub hops_at_least: Option<Spanned<u64>>,
    pub hops_at_most: Option<Spanned<u64>>,
    pub share_at_least_percent: Option<Spanned<f64>>,
    pub share_below_percent: Option<Spanned<f64>>,
    pub value_at_least_floors: Option<u64>,
    pub value_below_floors: Option<u64>,
    pub score_at_least: Option<Spanned<u64>>,
    pub score_below: Option<Spanned<u64>>,
}
