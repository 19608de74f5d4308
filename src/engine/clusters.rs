//! Pages of the common-input cluster of an address, with the names that the stored transfers use.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::BUDGET;
use super::graph_queries::{holders, unreadable};
use super::{Engine, EngineError};
use crate::domain::address::{Address, Reading};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Holder, Movement, Position, Transfer, TxId};
use crate::exposure::{ClusterPage, ClusterQuery, Join};
use crate::screening::snapshot::Snapshot;

/// How many transactions are in memory at once: one has up to 100,000 inputs, of which two are shown.
const ROWS_AT_ONCE: usize = 64;

/// Request for a page of the cluster of an address.
#[derive(Clone, Debug)]
pub struct MembersQuery {
    pub address: String,
    /// The chain; `None`: every chain that the form fits.
    pub chain: Option<Chain>,
    /// The last member of the page before.
    pub after: Option<PackedKey>,
    pub limit: usize,
}

/// A transaction with two members among its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberJoin {
    pub tx: Option<TxId>,
    pub chain: Chain,
    /// Its place in the chain.
    pub position: Option<Position>,
    /// When, in Unix seconds.
    pub time: u64,
    /// The other member, as the transaction names it.
    pub other: Holder,
}

/// A member of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// Its address as the joining transaction writes it; else as the request wrote it, or the key.
    pub address: Holder,
    /// The first transaction that joins it with another member, if any.
    pub joined_by: Option<MemberJoin>,
    /// Whether it is the address asked about.
    pub is_asked: bool,
}

/// A page of a cluster.
#[derive(Clone, Debug)]
pub struct MembersPage {
    /// What listings rest on; `None` where no list is loaded.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The cluster; of no keys where no transfer names the address.
    pub cluster: ClusterPage,
    /// Beside each of the cluster's members.
    pub rows: Vec<MemberRow>,
    /// Beside each of the cluster's volumes: the asset's symbol and the decimals of its display unit.
    pub assets: Vec<Option<(String, u8)>>,
    /// The most keys that are taken for one owner's.
    pub cluster_limit: u32,
    /// The chains whose transactions join no keys.
    pub no_common_input: Vec<Chain>,
}

impl Engine {
    /// A page of the cluster of an address. Blocks.
    pub fn cluster(&self, query: &MembersQuery) -> Result<MembersPage, EngineError> {
        let address = Reading::from_query(&query.address, query.chain.as_ref()).into_single()?;
        let asked: Vec<_> = address.packed_keys().collect();
        // Release the graph before reading the store.
        let (cluster, snapshot) = {
            let world = self.graph()?;
            let Some(world) = world.as_ref() else { return Err(EngineError::TransfersLoading) };
            let query = ClusterQuery { after: query.after, limit: query.limit, budget: BUDGET };
            (world.cluster(&asked, &query).unwrap_or_default(), self.snapshot())
        };
        let settings = self.tracker.settings();
        let rules =
            cluster.volumes.iter().map(|(chain, it)| settings.assets.rule(chain, &it.asset));
        let assets = rules.map(|rule| rule.map(|it| (it.symbol.to_string(), it.decimals)));
        Ok(MembersPage {
            snapshot,
            rows: self.member_rows(&cluster, &address, &asked)?,
            assets: assets.collect(),
            cluster_limit: settings.cluster_limit,
            no_common_input: settings.no_common_input().into_iter().collect(),
            cluster,
        })
    }

    /// The members of a page, in its order.
    fn member_rows(
        &self,
        cluster: &ClusterPage,
        address: &Address<'_>,
        asked: &[PackedKey],
    ) -> Result<Vec<MemberRow>, EngineError> {
        let mut wanted: BTreeMap<u64, Vec<(usize, Join)>> = BTreeMap::new();
        for (place, member) in cluster.members.iter().enumerate() {
            if let Some(join) = member.joined_by {
                wanted.entry(join.row).or_default().push((place, join));
            }
        }
        let mut named = BTreeMap::new();
        let rows: Vec<u64> = wanted.keys().copied().collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            for (row, transfer) in self.publisher.store().rows(rows)? {
                let joins = wanted.remove(&row).unwrap_or_default();
                let held = holders_by_key(&transfer);
                for (place, join) in joins {
                    named.insert(place, evidence(&transfer, &held, &join).ok_or_else(unreadable)?);
                }
            }
        }
        if !wanted.is_empty() {
            return Err(unreadable());
        }
        let members = cluster.members.iter().enumerate().map(|(place, member)| {
            let is_asked = asked.contains(&member.key);
            let (address, joined_by) = match named.remove(&place) {
                Some((address, join)) => (Some(address), Some(join)),
                None if is_asked => (Some(Holder::Other(address.canonical().into())), None),
                None => (holders(&[member.key]).pop(), None),
            };
            Ok(MemberRow { address: address.ok_or_else(unreadable)?, joined_by, is_asked })
        });
        members.collect()
    }
}

/// Indexes the holders of a transaction's inputs by key: once, however many members it joins.
fn holders_by_key(transfer: &Transfer) -> HashMap<PackedKey, &Holder> {
    let mut held = HashMap::new();
    if let Movement::Utxo(movement) = &transfer.movement {
        for holder in movement.inputs.iter().flat_map(|leg| &leg.holders) {
            for key in holder.key_ids(&transfer.chain) {
                held.entry(PackedKey::from(&key)).or_insert(holder);
            }
        }
    }
    held
}

/// Returns the holders of the two keys that a transaction joins; `None` if it does not name both.
fn evidence(
    transfer: &Transfer,
    held: &HashMap<PackedKey, &Holder>,
    join: &Join,
) -> Option<(Holder, MemberJoin)> {
    let holder_of = |key| held.get(&key).map(|&holder| holder.clone());
    let joined = MemberJoin {
        tx: transfer.tx.clone(),
        chain: transfer.chain.clone(),
        position: transfer.position(),
        time: transfer.time,
        other: holder_of(join.to)?,
    };
    Some((holder_of(join.from)?, joined))
}
