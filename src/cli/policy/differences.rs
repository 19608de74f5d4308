//! What `policy diff` shows: how two policies differ, and what a sample showed.

use serde::Serialize;

use crate::cli::batch::summary::InputRead;
use crate::grpc::v1;

#[derive(Debug, Serialize)]
pub struct Differences {
    pub baseline_version: String,
    pub candidate_version: String,
    pub settings: Vec<Setting>,
    pub rules: Vec<Rule>,
    /// What the sample showed; absent where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Compared>,
}

#[derive(Debug, Serialize)]
pub struct Setting {
    pub key: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Rule {
    pub id: String,
    pub change: &'static str,
    pub old: Option<String>,
    pub new: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct Compared {
    /// The snapshots that the answers rest on: several where data changed in between.
    pub snapshot_ids: Vec<String>,
    /// What was read of the sample.
    pub read: InputRead,
    /// Addresses that were screened by both.
    pub screened: u64,
    pub refused: u64,
    pub decisions_changed: u64,
    pub scores_changed: u64,
    /// How often which decision became which.
    pub matrix: Vec<ChangedDecision>,
    /// Those whose decision changes and refused ones; all where asked for. In the sample's order.
    pub items: Vec<Item>,
}

/// How often a decision became another, or stayed.
#[derive(Debug, Serialize)]
pub struct ChangedDecision {
    pub old: v1::Decision,
    pub new: v1::Decision,
    pub count: u64,
}

/// A row of the sample.
#[derive(Debug, Serialize)]
pub struct Item {
    /// From 1, headings not counted.
    pub row: u64,
    /// As it stands there; its beginning, or nothing, where the row is refused.
    pub address: String,
    pub chain: String,
    pub comparison: v1::ComparedItem,
}
