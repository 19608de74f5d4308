//! Addresses that are joined with listed ones by common inputs: findings CO_SPENT, and clusters that are
//! cut since they are larger than the limit. An estimate; searches no transfers.

use super::matching::{self, Joined};
use super::phrases::target;
use super::snapshot::{IndexedListing, SnapshotList};
use super::ties::AddressAt;
use super::{Matches, Scope};
use crate::domain::list::{ListKind, Party, Row};
use crate::exposure::{CommonInput, Source};

/// That the cluster of an address holds a listed one, and is larger than the limit: it is not taken for
/// one owner's. Shown beside the findings, and neither scored nor decided on.
#[derive(Clone, Copy, Debug)]
pub struct ClusterCut<'s> {
    pub kind: ListKind,
    /// The list of the first by order of the listings in the cluster.
    pub list: &'s SnapshotList,
    pub listing: &'s IndexedListing,
    /// The place of the address that it is about, as [`super::Finding::about`].
    pub about: u32,
}

impl<'s> ClusterCut<'s> {
    /// The listing's row, and the party that it stands under.
    pub fn row(&self) -> (&'s Row, Option<&'s Party>) {
        self.list.index().listed_row(self.listing)
    }

    /// Returns the note as a sentence: whom the cluster holds, and why that is not scored.
    pub fn reason(&self) -> String {
        self.reason_of("Its cluster")
    }

    /// The same; `cluster` says whose it is, as the beginning of the sentence.
    pub(super) fn reason_of(&self, cluster: &str) -> String {
        let (row, party) = self.row();
        cut_reason(cluster, &target(self.list, row, party))
    }
}

/// Returns the note on a cluster that is cut as a sentence: `cluster` says whose it is, `listed` whom it
/// holds.
pub fn cut_reason(cluster: &str, listed: &str) -> String {
    format!(
        "{cluster} by common input (an estimate) holds {listed}, but is larger than the limit, so that it \
         is not taken for one owner's; not scored."
    )
}

impl<'s> Scope<'s> {
    /// Adds what the keys of an address are joined with: of each kind one finding, or that its cluster
    /// is cut. Nothing is added for a source that its list no longer holds, nor of a kind of which a key
    /// of the address is a source itself.
    pub(super) fn match_joined(
        &self,
        at: AddressAt<'_>,
        joined: &[(CommonInput, &Source)],
        found: &mut Matches<'s>,
    ) {
        if joined.is_empty() {
            return;
        }
        let keys = at.address.key_ids().iter();
        let own: Vec<_> = keys.flat_map(|key| self.sources_at(key)).map(|of| of.kind).collect();
        for kind in ListKind::ALL.into_iter().filter(|kind| !own.contains(kind)) {
            let of_kind = joined.iter().filter(|(common, _)| common.kind == kind);
            let held = of_kind.clone().filter_map(|(common, source)| {
                Some((common, *source, self.snapshot.listing(source)?))
            });
            let is_beside = of_kind.clone().any(|(common, _)| common.is_beside);
            let first = held.min_by_key(|(common, source, _)| (common.is_cut, *source));
            let Some((common, source, (list, listing))) = first else { continue };
            if common.is_cut {
                found.cluster_cuts.push(ClusterCut { kind, list, listing, about: at.place });
                continue;
            }
            let joined = Joined { with: source.key, is_beside };
            found.findings.extend(matching::co_spent(list, listing, joined, self.context()));
        }
    }
}
