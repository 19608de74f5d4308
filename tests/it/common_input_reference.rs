//! Clusters by common inputs of real transactions: against those of GraphSense, and of three Bitcoin
//! blocks against what an independent program found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lazaretto::domain::asset::AssetTable;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::packed_key::PackedKey;
use lazaretto::domain::transfer::{Holder, Leg, Movement, Transfer};
use lazaretto::exposure::{
    ClusterMember, ClusterQuery, DEFAULT_CLUSTER_LIMIT, DEFAULT_HOPS, Settings, World,
};

use crate::real_transfers::graphsense::{lines, utxo_transactions};
use crate::support::transfer_files::{Made, btc_blocks, read_file, real, settings};

/// Addresses, by cluster.
type Partition = BTreeSet<BTreeSet<String>>;

/// Transactions of Bitcoin with all their clusters.
struct Clusters {
    world: World,
    addresses: BTreeMap<PackedKey, String>,
}

fn legs(transfer: &Transfer) -> impl Iterator<Item = &Leg> {
    let Movement::Utxo(moved) = &transfer.movement else { panic!("{transfer:?}") };
    moved.inputs.iter().chain(&moved.outputs)
}

/// `None` for an all-zero key, which nobody has.
fn key(holder: &Holder) -> Option<PackedKey> {
    holder.key_ids(&Chain::Bitcoin).first().map(PackedKey::from)
}

impl Clusters {
    fn of(path: &Path) -> Self {
        let (_, transfers) = read_file(path, &settings(Chain::Bitcoin));
        let mut world = World::new(Settings {
            max_hops: DEFAULT_HOPS,
            hub_limit: u32::MAX,
            assets: AssetTable::built_in(),
            cluster_limit: DEFAULT_CLUSTER_LIMIT,
            no_common_input: BTreeSet::new(),
        });
        world.append(0, &transfers);
        world.relabel();
        let holders = transfers.iter().flat_map(legs).flat_map(|leg| &leg.holders);
        let addresses =
            holders.filter_map(|holder| Some((key(holder)?, holder.to_string()))).collect();
        Self { world, addresses }
    }

    /// Members, from pages.
    fn members(&self, key: PackedKey) -> Vec<ClusterMember> {
        let mut members = Vec::new();
        let mut query = ClusterQuery { after: None, limit: 300, budget: u64::MAX };
        loop {
            let page = self.world.cluster(&[key], &query).unwrap();
            assert!(!page.is_cut);
            members.extend(page.members);
            let Some(next) = page.next else {
                assert_eq!(members.len() as u64, page.keys);
                return members;
            };
            query.after = Some(next);
        }
    }

    fn partition(&self) -> Partition {
        let mut partition = Partition::new();
        let mut seen = BTreeSet::new();
        for &key in self.addresses.keys() {
            if seen.contains(&key) {
                continue;
            }
            let members = self.members(key);
            let is_single = members.len() == 1;
            assert!(members.iter().all(|member| member.joined_by.is_none() == is_single));
            let members: BTreeSet<_> = members.into_iter().map(|member| member.key).collect();
            assert!(members.contains(&key) && members.is_disjoint(&seen));
            partition.insert(members.iter().map(|key| self.addresses[key].clone()).collect());
            seen.extend(members);
        }
        partition
    }
}

/// A partition of the reference; without number 0, which stands for coinbases.
fn reference(folder: &Path, file: &str) -> Partition {
    let lines = |file: &str| lines(&folder.join("reference").join(file)).into_iter();
    let names: BTreeMap<u64, String> = lines("address_ids.json")
        .map(|row| (row["addressId"].as_u64().unwrap(), row["address"].as_str().unwrap().into()))
        .collect();
    let mut clusters: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for row in lines(file).filter(|row| row["addressId"] != 0) {
        let name = names[&row["addressId"].as_u64().unwrap()].clone();
        clusters.entry(row["clusterId"].as_u64().unwrap()).or_default().insert(name);
    }
    clusters.into_values().collect()
}

/// GraphSense has two sets of clusters of its ten transactions: with those marked as CoinJoins, and
/// without. Ours are the first, letter for letter. They have one pair more than the second: the inputs
/// of the fifth transaction, which a field of the file marks as a CoinJoin, though it has two inputs
/// and no two equal outputs. No rule on its shape could tell, GraphSense's own neither (that of
/// BlockSci: of 2n - 1 or 2n outputs exactly n are of one amount, and at least n addresses pay).
///
/// Addresses that stand together in one leg only (`1E5UPs8b...`, `1KLWBUTP...`) are in no cluster of
/// the reference; ours are alone.
#[test]
fn clusters_of_graphsense_are_met() {
    let Some(folder) = real("graphsense-reference/utxo") else { return };
    let made = utxo_transactions(&folder);
    let mut ours = Clusters::of(made.path()).partition();
    let together = ["1E5UPs8bXBq7v7D2b7BYNU19ZviX2LMgEe", "1KLWBUTPXtRB7wvTYq9TYdeo93fAKvWPKs"];
    for address in together {
        assert!(ours.remove(&BTreeSet::from([address.to_owned()])), "{address} is not alone");
    }
    let theirs = reference(&folder, "address_cluster_with_coinjoin.json");
    assert_eq!(ours, theirs);
    assert_eq!((theirs.len(), theirs.iter().map(BTreeSet::len).sum::<usize>()), (11, 14));

    let without = reference(&folder, "address_cluster.json");
    let of_the_fifth = ["1FDCgJ8m2xDyVmYuankk13XReVC2Zvs5cz", "1HxbaBMF2jXBVnagoHvaA6rLxmaYL8gb8T"]
        .map(str::to_owned);
    let more: Vec<_> = ours.difference(&without).cloned().collect();
    assert_eq!(more, [BTreeSet::from(of_the_fifth.clone())]);
    let fewer: Vec<_> = without.difference(&ours).cloned().collect();
    assert_eq!(fewer, of_the_fifth.map(|address| BTreeSet::from([address])));
}

/// Three whole blocks, of 2014, 2016 and 2021. The figures are those of an independent program over
/// the same files. The largest clusters are a payment from 1,012 deposit addresses, and deposits that
/// were gathered by three transactions each.
#[test]
fn clusters_of_real_blocks_are_those_of_an_independent_program() {
    let Some(path) = real("btc-blocks/outputs.csv.gz") else { return };
    let made = Made::new(&btc_blocks(&path));
    let clusters = Clusters::of(made.path());
    let partition = clusters.partition();
    let mut sizes: Vec<_> = partition.iter().map(BTreeSet::len).filter(|&len| len > 1).collect();
    sizes.sort_by(|a, b| b.cmp(a));
    assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (988, 5_402));
    assert_eq!(sizes[..12], [1_012, 742, 173, 75, 58, 54, 49, 42, 42, 41, 27, 26]);
    let of_size = |size| sizes.iter().filter(|&&len| len == size).count();
    assert_eq!([2, 3, 4, 5, 6, 7, 8, 9].map(of_size), [570, 194, 86, 51, 16, 12, 10, 9]);

    // A Wasabi transaction of 94 input addresses, and a JoinMarket one of 7, join none of them.
    let coinjoins = [
        "5c2f55fc17854a18f447d74e32356c9ff6faf43bf937ed13611857b2bb3fef3a",
        "49f3a31560df5284268721d36e8811f9cee4bb528a75cf31296b5ac3f5856f4d",
    ];
    let (_, transfers) = read_file(made.path(), &settings(Chain::Bitcoin));
    let mut alone = BTreeSet::new();
    for transfer in &transfers {
        let id = transfer.tx.as_ref().unwrap().to_string();
        let Movement::Utxo(moved) = &transfer.movement else { panic!("{transfer:?}") };
        if coinjoins.contains(&&*id) {
            for input in &moved.inputs {
                let key = key(&input.holders[0]).unwrap();
                assert_eq!(clusters.members(key).len(), 1, "{input:?} in {id}");
                alone.insert(key);
            }
        }
    }
    assert_eq!(alone.len(), 94 + 7);
}
