//! STUB for types until the core lands.
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::domain::chain::Chain;
use crate::domain::transfer::Transfer;
use jiff::Timestamp;

#[derive(Clone, Debug)]
pub struct Covered {
    pub chain: Chain,
    pub heights: RangeInclusive<u64>,
}
#[derive(Debug)]
pub struct Ingestor;
#[derive(Debug)]
pub struct Session;
#[derive(Clone, Debug)]
pub struct Appended {
    pub first_row: u64,
    pub stored: Vec<Transfer>,
    pub duplicates: u64,
    pub derived: u64,
    pub rows: u64,
}
#[derive(Clone, Debug, Default)]
pub struct TransferState {
    pub rows: u64,
    pub retractions: Vec<RetractionRecord>,
    pub chains: BTreeMap<String, ChainHead>,
}
#[derive(Clone, Debug)]
pub struct RetractionRecord {
    pub chain: Chain,
    pub from_height: u64,
    pub rows: u64,
    pub at: Timestamp,
    pub reason: String,
}
#[derive(Clone, Debug)]
pub struct ChainHead {
    pub chain: Chain,
    pub transfers: u64,
    pub retracted: u64,
    pub unpositioned: u64,
    pub first_time: Option<u64>,
    pub last_time: Option<u64>,
    pub covered: Vec<RangeInclusive<u64>>,
}
