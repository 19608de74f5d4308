//! What the engine is asked about transfers and exposure, and what it answers. The words only;
//! the work is in `tracker` and `paths`.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::transfer::{Amount, Holder, Transfer};
use crate::exposure::{Direction, Source, Timing};
use crate::ingest::ChainState;
use crate::screening::coverage::ChainCoverage;
use crate::screening::snapshot::Snapshot;

/// What storing a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendedSummary {
    /// How many of its transfers were stored.
    pub stored: u64,
    /// How many were stored before, and add nothing.
    pub duplicates: u64,
    /// How many of `stored` count in the place of others.
    pub replaced: u64,
    /// How many of `stored` contradict others.
    pub conflicts: u64,
    /// How many are told apart by content and occurrence alone.
    pub derived: u64,
    /// The number of transfers in the store, this batch among them.
    pub rows: u64,
    /// The number of the change that made it durable.
    pub change: u64,
}

/// What is loaded of a chain, and what must be.
#[derive(Clone, Debug)]
pub struct HeadOverview {
    pub head: ChainState,
    /// Whether that is what the configuration asks for.
    pub coverage: ChainCoverage,
    /// Conflicts that are not settled.
    pub conflicts: u64,
}

#[derive(Clone, Debug)]
pub struct TransferHeads {
    /// Chain by chain, in the order of their CAIP-2 ids; required ones that have nothing among
    /// them.
    pub heads: Vec<HeadOverview>,
    /// The number of transfers in the store, retracted ones among them.
    pub rows: u64,
    /// How many of them the labels know.
    pub labelled_rows: u64,
    pub label_generation: u64,
}

/// Asks who dealt with an address.
#[derive(Clone, Debug)]
pub struct CounterpartyQuery {
    pub address: String,
    /// The chain; `None`: every chain.
    pub chain: Option<Chain>,
    /// Which way, seen from the address; `None`: both.
    pub direction: Option<Direction>,
    /// Where the page before ended.
    pub after: Option<[u64; 2]>,
    pub limit: usize,
}

/// One transfer, seen from an address.
#[derive(Clone, Debug)]
pub struct CounterpartyRow {
    pub direction: Direction,
    /// Who was at the other end.
    pub others: Vec<Holder>,
    pub transfer: Transfer,
    /// Why it does not count for exposure; `None` where it counts.
    pub not_counted: Option<&'static str>,
    /// Whether it is dust that counts since it adds up.
    pub adds_up: bool,
    /// How much of it the address received or sent, in the smallest unit; `None` where unknown.
    pub amount: Option<Amount>,
    /// What is known of the asset: its symbol, and the decimals of its display unit.
    pub asset: Option<(String, u8)>,
}

#[derive(Clone, Debug)]
pub struct CounterpartyPage {
    /// The transfers, in the order of their rows.
    pub rows: Vec<CounterpartyRow>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<[u64; 2]>,
}

#[derive(Clone, Debug)]
pub struct TraceQuery {
    pub address: String,
    /// The chain; `None`: every chain that the form fits.
    pub chain: Option<Chain>,
    /// Which way; `None`: both.
    pub direction: Option<Direction>,
    /// Only these kinds of lists; none: all that begin paths.
    pub kinds: Vec<ListKind>,
    /// Paths of at most so many hops, 1 to [`crate::exposure::MAX_HOPS`]; `None`: as configured.
    pub max_hops: Option<u8>,
    /// At most so many paths in each direction.
    pub max_paths: usize,
    /// Only transfers from this moment on.
    pub from_time: Option<Timestamp>,
    /// Only transfers up to this moment.
    pub to_time: Option<Timestamp>,
    /// Only transfers of at least this value in millionths of a US dollar, as their data say it;
    /// 0: all.
    pub min_usd_micros: u64,
}

/// One end of a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndEvidence {
    pub address: Holder,
    /// Whether paths do not pass it.
    pub is_stop: bool,
}

/// One hop of a path.
#[derive(Clone, Debug)]
pub struct HopEvidence {
    /// The transfer, or the whole UTXO transaction.
    pub transfer: Transfer,
    /// The sender on the path.
    pub from: EndEvidence,
    /// The receiver on the path.
    pub to: EndEvidence,
    /// The asset's symbol, where it is in the table.
    pub symbol: Option<String>,
    /// The decimals of its display unit, where it is in the table.
    pub decimals: Option<u8>,
    /// How much reached the receiver; `None` where unknown.
    pub amount: Option<Amount>,
}

/// One transaction that joins two addresses by common inputs.
#[derive(Clone, Debug)]
pub struct JoinEvidence {
    pub transfer: Transfer,
    /// One address, as the transaction names it.
    pub from: Holder,
    pub to: Holder,
}

/// A chain of such transactions, from an address to a listed one.
#[derive(Clone, Debug, Default)]
pub struct JoinChainEvidence {
    /// As few as there are; none where that could not be told.
    pub joins: Vec<JoinEvidence>,
    /// Whether the search for them was cut short.
    pub cut_short: bool,
}

/// A listed address that an address is joined with.
#[derive(Clone, Debug)]
pub struct JoinedEvidence {
    pub kind: ListKind,
    /// Whether the address itself stood beside a listed one of the kind.
    pub is_beside: bool,
    pub source: Source,
    pub chain: JoinChainEvidence,
}

/// A path between a listing and an address, in the order in which funds moved.
#[derive(Clone, Debug)]
pub struct PathEvidence {
    /// Which way funds went, seen from the address asked about.
    pub direction: Direction,
    pub kind: ListKind,
    pub source: Source,
    /// Whether the transfer at the listing was before its first day.
    pub timing: Timing,
    /// The hops, one or more.
    pub hops: Vec<HopEvidence>,
    /// Where the path begins at an address that is joined with the listed one by common inputs: the
    /// chain from that address to the listed one.
    pub joined: Option<JoinChainEvidence>,
}

/// What a search for paths found.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What the answer rests on.
    pub snapshot: Arc<Snapshot>,
    /// The paths, the fewest hops first, then the first to arrive.
    pub paths: Vec<PathEvidence>,
    /// What the address is joined with by common inputs, one a kind of list.
    pub joined: Vec<JoinedEvidence>,
    /// For each kind of which the address's cluster is cut, the first listed one in it by order.
    pub cluster_cuts: Vec<Source>,
    /// Paths of at most so many hops were looked for.
    pub max_hops: u8,
    /// Whether the search was cut short.
    pub cut_short: bool,
    /// How many transfers were looked at.
    pub examined: u64,
    /// Stops that were met and not passed.
    pub stops_met: Vec<Holder>,
}

/// Dealings of an address with listed ones of one kind, in one asset and direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectValue {
    pub chain: Chain,
    /// `native` or the token.
    pub asset: String,
    pub symbol: Option<String>,
    /// The decimals of its display unit.
    pub decimals: Option<u8>,
    /// The sum of transfers with listed addresses, in the smallest unit.
    pub sum: Amount,
    pub count: u64,
    /// The sum of all that the address received (or sent) in the asset.
    pub total: Amount,
    /// `sum` of `total`, in basis points.
    pub share: u32,
}

/// What an exposure rests on.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The path of the fewest hops that arrived first.
    pub path: Option<PathEvidence>,
    /// The hops when the order of time is ignored.
    pub plain_hops: u32,
    /// The first transfer between the address and an address on a shortest path.
    pub first_time: Option<Timestamp>,
    pub last_time: Option<Timestamp>,
    /// Dealings with listed addresses themselves.
    pub direct_values: Vec<DirectValue>,
    /// Transfers of assets that are not in the table.
    pub unvalued: u64,
    /// Transfers whose other end is not known.
    pub unknown: u64,
    /// Stops at the other end of its transfers.
    pub stops_met: Vec<Holder>,
    pub hubs_met: Vec<Holder>,
    /// Whether the search was cut short.
    pub cut_short: bool,
}
