//! The request and answer types of the engine.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::chain::Chain;
use crate::domain::list::{FileReport, ListId, ListKind};
use crate::domain::list_change::ListingChange;
use crate::domain::publication::Force;
use crate::domain::transfer::{Amount, Holder, Transfer};
use crate::exposure::{Direction, Path, Source};
use crate::ingest::ChainState;
use crate::refresh::{ListSettings, Preview, Report, SourceStatus};
use crate::screening::coverage::ChainCoverage;
use crate::screening::snapshot::{Snapshot, SnapshotList};
use crate::source::Format;

/// Request to publish a file by hand.
#[derive(Clone, Debug)]
pub struct Import {
    pub id: ListId,
    /// `None`: the kind of the loaded or configured list.
    pub kind: Option<ListKind>,
    /// `None`: detected from the content.
    pub format: Option<Format>,
    /// For the record, and as a hint at the format.
    pub file_name: String,
    /// Overrides some of the sanity gates.
    pub force: Option<Force>,
    /// The day of publication, where the file does not state it.
    pub published: Option<Date>,
    /// Whether the day of publication may make a guarded list younger ([`super::Engine::is_guarded`]).
    pub refreshes_age: bool,
    /// Declares that the list's source had this content.
    pub declaration: Option<Declaration>,
    /// Whether this is a dry run: nothing is published.
    pub is_trial: bool,
}

/// A declaration that a list's source had the content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// When the source was checked; `None`: now.
    pub at: Option<Timestamp>,
    /// The identity that declares it, for the record.
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    pub id: ListId,
    /// False if the content was already loaded.
    pub published: bool,
    pub added: u64,
    pub updated: u64,
    pub removed: u64,
    /// New removals that wait for confirmation.
    pub removals_pending: u64,
    /// Of a dry run: the first rows that would be removed.
    pub lost: Vec<ListingChange>,
    /// How the file was read. Of an unchanged source, the file that was read last; `None` if none was
    /// since the start.
    pub file: Option<FileReport>,
}

/// A list that is loaded, configured or both.
#[derive(Clone, Debug)]
pub struct ListOverview {
    pub id: ListId,
    pub settings: Option<ListSettings>,
    /// The version in the current snapshot.
    pub loaded: Option<SnapshotList>,
    /// The state of its source, if it has one.
    pub source: Option<SourceStatus>,
    /// The source without credentials and query; empty if it has none.
    pub source_name: String,
}

impl ListOverview {
    /// Returns whether a probe URL is checked for new publications.
    pub fn is_probed(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.remote.probe.is_some())
    }
}

/// The start of a listing of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangesSince {
    Beginning,
    Version(u64),
    /// Versions published on this day or later; undated ones count by the day of loading.
    Day(Date),
}

#[derive(Clone, Debug)]
pub struct Changes {
    pub changes: Vec<DatedChange>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<[u64; 2]>,
}

/// A change with the day of its version.
#[derive(Clone, Debug)]
pub struct DatedChange {
    pub list: ListId,
    pub version: u64,
    /// The number of the version on the list, from 1.
    pub number_on_list: u64,
    /// The day of publication of that version; of a backfill, of the publication that made the change.
    pub published: Option<Date>,
    /// Whether the version is a backfill, which rewrites the history of its list.
    pub is_retold: bool,
    pub change: ListingChange,
}

/// The result of storing a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendedSummary {
    pub stored: u64,
    /// Transfers that were stored before.
    pub duplicates: u64,
    /// How many of `stored` replace others.
    pub replaced: u64,
    /// How many of `stored` contradict others.
    pub conflicts: u64,
    /// Transfers without a position, identified by content and occurrence.
    pub derived: u64,
    /// All transfers in the store, with this batch.
    pub rows: u64,
    /// The number of the store's change that made the batch durable.
    pub change: u64,
}

/// What is loaded of a chain, and what the configuration requires of it.
#[derive(Clone, Debug)]
pub struct HeadOverview {
    pub head: ChainState,
    pub coverage: ChainCoverage,
    /// Open conflicts.
    pub conflicts: u64,
}

#[derive(Clone, Debug)]
pub struct TransferHeads {
    /// By CAIP-2 id; required chains without transfers are included.
    pub heads: Vec<HeadOverview>,
    /// All transfers in the store, retracted ones included.
    pub rows: u64,
    /// How many of them labels cover.
    pub labelled_rows: u64,
    pub label_generation: u64,
}

/// Request for the transfers of an address.
#[derive(Clone, Debug)]
pub struct CounterpartyQuery {
    pub address: String,
    /// The chain; `None`: every chain.
    pub chain: Option<Chain>,
    /// As seen from the address; `None`: both.
    pub direction: Option<Direction>,
    /// The cursor of the previous page.
    pub after: Option<[u64; 2]>,
    pub limit: usize,
}

/// One transfer, seen from an address.
#[derive(Clone, Debug)]
pub struct CounterpartyRow {
    pub direction: Direction,
    /// The holders at the other end.
    pub others: Vec<Holder>,
    pub transfer: Transfer,
    /// Why it does not count for exposure; `None` where it counts.
    pub not_counted: Option<&'static str>,
    /// Whether it is dust that counts because it adds up.
    pub adds_up: bool,
    /// What the address received or sent, in the smallest unit; `None` where unknown.
    pub amount: Option<Amount>,
    /// The symbol of the asset and the decimals of its display unit, if known.
    pub asset: Option<(String, u8)>,
}

#[derive(Clone, Debug)]
pub struct CounterpartyPage {
    /// The transfers, in the order of their rows.
    pub rows: Vec<CounterpartyRow>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<[u64; 2]>,
}

#[derive(Clone, Debug)]
pub struct TraceQuery {
    pub address: String,
    /// The chain; `None`: every chain that the form fits.
    pub chain: Option<Chain>,
    /// `None`: both.
    pub direction: Option<Direction>,
    /// Kinds of lists; empty: all whose addresses are sources.
    pub kinds: Vec<ListKind>,
    /// 1 to [`crate::exposure::MAX_HOPS`]; `None`: as configured.
    pub max_hops: Option<u8>,
    /// In each direction.
    pub max_paths: usize,
    /// Inclusive.
    pub from_time: Option<Timestamp>,
    /// Inclusive.
    pub to_time: Option<Timestamp>,
    /// The least value of a transfer in millionths of a US dollar, as its source states it; 0: all.
    pub min_usd_micros: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndEvidence {
    pub address: Holder,
    /// Whether paths end at it.
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

/// A chain of joins, from an address to a listed one.
#[derive(Clone, Debug, Default)]
pub struct JoinChainEvidence {
    /// As few as possible; empty if the search was cut short or a transaction is unreadable.
    pub joins: Vec<JoinEvidence>,
    /// Whether the search for them was cut short.
    pub cut_short: bool,
}

/// A listed address that an address is joined with by common inputs.
#[derive(Clone, Debug)]
pub struct JoinedEvidence {
    pub kind: ListKind,
    /// Whether a listed address of the kind is an input of the same transaction.
    pub is_beside: bool,
    pub source: Source,
    pub chain: JoinChainEvidence,
}

/// A path between a listing and an address, with its transfers.
///
/// If it begins at an address that is joined with the listed one by common inputs: with the chain from
/// that address to the listed one.
pub type PathEvidence = Path<HopEvidence, Option<JoinChainEvidence>>;

/// The result of a trace.
#[derive(Clone, Debug)]
pub struct Trace {
    pub snapshot: Arc<Snapshot>,
    /// Ordered by hops, then by arrival.
    pub paths: Vec<PathEvidence>,
    /// The listed addresses that the address is joined with by common inputs, one per kind of list.
    pub joined: Vec<JoinedEvidence>,
    /// For each kind of list at which the cluster is cut, the first listed address in it by order.
    pub cluster_cuts: Vec<Source>,
    /// The limit that applied.
    pub max_hops: u8,
    /// Whether the search was cut short.
    pub cut_short: bool,
    /// How many transfers were examined.
    pub examined: u64,
    /// Stops at which paths ended.
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

/// The evidence of an exposure.
#[derive(Clone, Debug)]
pub struct ExposureEvidence {
    /// The first path to arrive among those of the fewest hops.
    pub path: Option<PathEvidence>,
    /// The fewest hops if the order in time is ignored.
    pub plain_hops: u32,
    /// The first transfer between the address and an address on a shortest path.
    pub first_time: Option<Timestamp>,
    pub last_time: Option<Timestamp>,
    /// Direct dealings with listed addresses.
    pub direct_values: Vec<DirectValue>,
    /// Transfers of assets that are not in the table.
    pub unvalued: u64,
    /// Transfers with an unknown other end.
    pub unknown: u64,
    /// Stops at the other end of its transfers.
    pub stops_met: Vec<Holder>,
    pub hubs_met: Vec<Holder>,
    /// Whether the search was cut short.
    pub cut_short: bool,
}

impl From<Preview> for Publication {
    fn from(preview: Preview) -> Self {
        Self { lost: preview.lost, ..preview.report.into() }
    }
}

impl From<Report> for Publication {
    fn from(report: Report) -> Self {
        match report {
            Report::Published { list, added, updated, removed, pending, .. } => Self {
                id: list,
                published: true,
                added,
                updated,
                removed,
                removals_pending: pending,
                lost: Vec::new(),
                file: None,
            },
            Report::Unchanged { list } => Self {
                id: list,
                published: false,
                added: 0,
                updated: 0,
                removed: 0,
                removals_pending: 0,
                lost: Vec::new(),
                file: None,
            },
        }
    }
}
