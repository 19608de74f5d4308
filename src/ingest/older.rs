//! Finds transfers without a sender or receiver that a store of schema 2 did not count, in blocks
//! that are declared now. Only reads the store.

use std::collections::BTreeMap;

use super::sort::{Unnamed, counted};
use crate::domain::chain::Chain;
use crate::domain::coverage::{
    CoverageDeclaration, Extent, Gap, Spans, TransferState, difference, union,
};
use crate::store::{Clock, Store, StoreError};

/// Returns the gaps of transfers without a sender or receiver, in blocks declared for the first
/// time since schema 2.
pub(super) fn unnamed_before(
    store: &Store,
    state: &TransferState,
    covered: &[CoverageDeclaration],
) -> Result<Vec<(Chain, Gap)>, StoreError> {
    let mut spans: BTreeMap<&Chain, Spans> = BTreeMap::new();
    for covered in covered {
        let Extent::Heights(heights) = &covered.extent else { continue };
        let Some(head) = state.chains.get(&*covered.chain.caip2()) else { continue };
        let declared = std::slice::from_ref(heights);
        let others = difference(&head.undeclared, declared);
        let of_chain = spans.entry(&head.chain).or_default();
        *of_chain = union(of_chain, &difference(&head.undeclared, &others));
    }
    let mut unnamed = Unnamed::new();
    for (chain, spans) in spans {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { continue };
        let all = *first.start()..=*last.end();
        for (first, rows) in store.reaching(chain, Clock::Heights, &all) {
            let numbers: Vec<u64> = (first..first + u64::from(rows)).collect();
            for (number, row) in store.stored_rows(&numbers)? {
                let Some(height) = row.height() else { continue };
                let is_asked =
                    row.chain == *chain && spans.iter().any(|span| span.contains(&height));
                if is_asked && row.has_unnamed_holders() && state.counts(number, &row) {
                    let place = (row.chain.clone(), row.kind(), true, height);
                    *unnamed.entry(place).or_default() += 1;
                }
            }
        }
    }
    Ok(counted(unnamed).collect())
}
