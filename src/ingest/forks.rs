//! Forks: blocks with two hashes at one height, as a reorganisation leaves them if the old block is
//! not retracted. Only reads the store.

use hashbrown::{HashMap, HashSet};

use crate::domain::chain::Chain;
use crate::domain::coverage::{Extent, Gap, GapCause, GapPlace, TransferState};
use crate::domain::transfer::{MovementKind, Transfer};
use crate::store::{Clock, Store, StoreError};

type Hash = [u8; 32];

/// The hash of the highest block of each chain, which is all that a stream of blocks needs.
#[derive(Default)]
pub(super) struct LastBlocks(HashMap<Chain, (u64, Hash)>);

impl LastBlocks {
    /// Records newly stored rows.
    pub fn record(&mut self, rows: &[Transfer]) {
        for run in rows.chunk_by(|a, b| a.chain == b.chain && a.height() == b.height()) {
            let hash = run.iter().rev().find_map(|row| row.block_hash);
            let (Some(height), Some(hash)) = (run[0].height(), hash) else { continue };
            match self.0.get_mut(&run[0].chain) {
                Some((last, _)) if *last > height => {}
                Some(last) => *last = (height, hash),
                None => drop(self.0.insert(run[0].chain.clone(), (height, hash))),
            }
        }
    }

    /// Returns true if the block at a height is known to have this hash only.
    fn matches(&self, chain: &Chain, height: u64, hash: &Hash) -> bool {
        self.0.get(chain).is_some_and(|last| *last == (height, *hash))
    }
}

/// Returns gaps for blocks that arrive with another hash than the stored one. A fork affects every
/// kind of that height.
pub(super) fn forks(
    store: &Store,
    state: &TransferState,
    last: &LastBlocks,
    rows: &[Transfer],
) -> Result<Vec<(Chain, Gap)>, StoreError> {
    // Hashes in order of arrival.
    let mut blocks: HashMap<(&Chain, u64), Vec<Hash>> = HashMap::new();
    let mut before: Option<(&Chain, Option<u64>, &Hash)> = None;
    for row in rows {
        let Some(hash) = &row.block_hash else { continue };
        let this = (&row.chain, row.height(), hash);
        // Nearly every row is in the block of the previous one.
        if before == Some(this) {
            continue;
        }
        before = Some(this);
        let Some(height) = row.height() else { continue };
        let came = blocks.entry((&row.chain, height)).or_default();
        if !came.contains(hash) {
            came.push(*hash);
        }
    }
    let is_settled = |(chain, height): &(&Chain, u64), came: &[Hash]| {
        let top = store.tops(chain).height();
        let is_beyond = top.is_none_or(|top| *height > top);
        let [hash] = came else { return false };
        is_beyond || last.matches(chain, *height, hash)
    };
    blocks.retain(|at, came| !is_settled(at, came));
    let stored = stored_hashes(store, state, &blocks)?;
    let mut gaps = Vec::new();
    for ((chain, height), came) in blocks {
        let known = stored.get(&(chain, height));
        let first = known.is_none().then(|| came[0]);
        let is_new = |hash: &&Hash| {
            !known.is_some_and(|known| known.contains(*hash)) && first != Some(**hash)
        };
        for hash in came.iter().filter(is_new) {
            let kinds = MovementKind::of_chain(chain).iter();
            gaps.extend(kinds.map(|kind| (chain.clone(), fork(*kind, height, *hash))));
        }
    }
    gaps.sort_by_key(|(chain, gap)| {
        (chain.caip2().into_owned(), gap.extent.span().clone().into_inner(), gap.kind)
    });
    Ok(gaps)
}

fn fork(kind: MovementKind, height: u64, hash: Hash) -> Gap {
    let (extent, place) = (Extent::Heights(height..=height), Some(GapPlace::Block(hash)));
    Gap { kind, extent, cause: GapCause::Fork, place }
}

/// Returns the hashes of stored, unretracted blocks at the given heights.
fn stored_hashes<'a>(
    store: &Store,
    state: &TransferState,
    heights: &HashMap<(&'a Chain, u64), Vec<Hash>>,
) -> Result<HashMap<(&'a Chain, u64), HashSet<Hash>>, StoreError> {
    let mut spans: HashMap<&'a Chain, (u64, u64)> = HashMap::new();
    for (chain, height) in heights.keys() {
        let (least, most) = spans.entry(*chain).or_insert((*height, *height));
        (*least, *most) = ((*least).min(*height), (*most).max(*height));
    }
    let mut found: HashMap<(&'a Chain, u64), HashSet<Hash>> = HashMap::new();
    for (chain, (least, most)) in spans {
        for (first, rows) in store.reaching(chain, Clock::Heights, &(least..=most)) {
            let numbers: Vec<u64> = (first..first + u64::from(rows)).collect();
            for (number, row) in store.stored_rows(&numbers)? {
                let (Some(height), Some(hash)) = (row.height(), row.block_hash) else { continue };
                let at = (chain, height);
                let is_asked = row.chain == *chain && heights.contains_key(&at);
                if is_asked && state.counts(number, &row) {
                    found.entry(at).or_default().insert(hash);
                }
            }
        }
    }
    Ok(found)
}
