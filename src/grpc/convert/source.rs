//! The listing of a source of exposure.

use super::ListedRow;
use crate::exposure::Source;
use crate::grpc::v1;
use crate::screening::snapshot::Snapshot;

/// The listing of a source; of one that the snapshot does not know, what the source says itself.
pub fn source_listing(snapshot: Option<&Snapshot>, source: &Source) -> v1::Listing {
    if let Some((list, listing)) = snapshot.and_then(|snapshot| snapshot.listing(source)) {
        let (row, party) = list.index().listed_row(listing);
        return ListedRow { list, row, party, understood: Some(listing) }.now();
    }
    v1::Listing {
        list_id: source.list.to_string(),
        list_kind: v1::ListKind::from(source.kind).into(),
        address: source.listing.address.clone(),
        ticker: source.listing.ticker.clone(),
        ..Default::default()
    }
}
