//! Rows in quarantine, as messages.

use crate::grpc::convert::ListedRow;
use crate::grpc::v1;
use crate::screening::snapshot::SnapshotList;

/// The rows of a list that stand and are not understood, those first that likely mean an address.
pub(super) fn quarantined(list: &SnapshotList) -> impl Iterator<Item = v1::QuarantinedRow> {
    let index = list.index();
    let of = move |has_suspects: bool| {
        let rows = index.quarantine().iter();
        rows.filter(move |quarantined| quarantined.suspects().is_empty() != has_suspects)
    };
    of(true).chain(of(false)).filter_map(move |quarantined| {
        let (row, party) = index.quarantined_row(quarantined);
        row.is_listed().then(|| v1::QuarantinedRow {
            listing: Some(ListedRow { list, row, party, understood: None }.now()),
            reason: quarantined.reason().to_string(),
            likely_addresses: quarantined
                .suspects()
                .iter()
                .map(|address| address.to_string())
                .collect(),
        })
    })
}
