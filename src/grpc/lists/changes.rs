//! `ListListingChanges`: pages of what list versions changed, and a change as a message.

use super::{parse_day, parse_list_filter};
use crate::domain::list::ListId;
use crate::domain::list_change::{FieldChange, ListingChange};
use crate::engine::{ChangesSince, DatedChange, Engine};
use crate::grpc::convert::day;
use crate::grpc::page::{self, Page};
use crate::grpc::status::{Refusal, both, invalid_field};
use crate::grpc::v1;
use crate::grpc::v1::list_listing_changes_request::Since;

pub(super) fn page(
    engine: &Engine,
    mut request: v1::ListListingChangesRequest,
) -> Result<v1::ListListingChangesResponse, Refusal> {
    let asked = Page::take(&mut request);
    let list = parse_list_filter(engine, &request.list_id);
    let since = match (request.since, &list) {
        (None, _) => Ok(ChangesSince::Beginning),
        (Some(Since::SinceVersion(version)), _) => Ok(ChangesSince::Version(version)),
        (Some(Since::SinceDate(text)), _) => parse_day("since_date", &text).map(ChangesSince::Day),
        (Some(Since::SinceNumberOnList(number)), Ok(Some(list))) => {
            Ok(engine.since_number(list, number))
        }
        (Some(Since::SinceNumberOnList(_)), _) => {
            Err(invalid_field("since_number_on_list", "versions count by list: give list_id"))
        }
    };
    let (list, (after, since)) = both(list, both(asked.after(), since))?;
    let found = engine.changes(since, after, list.as_ref(), page::limit(asked.size))?;
    Ok(v1::ListListingChangesResponse {
        changes: found.changes.into_iter().map(change_of_version).collect(),
        next_page_token: found.next.map(|next| asked.token_at(next)).unwrap_or_default(),
    })
}

fn change_of_version(change: DatedChange) -> v1::ListingChange {
    v1::ListingChange {
        version: change.version,
        number_on_list: change.number_on_list,
        published_on: day(change.published),
        from_backfill: change.is_retold,
        ..change_of_row(&change.list, change.change)
    }
}

/// A row's change, by no version yet.
pub(super) fn change_of_row(list: &ListId, change: ListingChange) -> v1::ListingChange {
    v1::ListingChange {
        list_id: list.to_string(),
        version: 0,
        number_on_list: 0,
        published_on: String::new(),
        from_backfill: false,
        kind: v1::ListingChangeKind::from(change.kind).into(),
        party_uid: change.key.party_uid,
        party_name: change.party_name,
        address: change.key.address,
        ticker: change.key.ticker,
        fields: change.fields.into_iter().map(field_change).collect(),
    }
}

fn field_change(change: FieldChange) -> v1::FieldChange {
    v1::FieldChange {
        field: v1::ChangedField::from(change.field).into(),
        removed_values: change.from,
        added_values: change.to,
        omitted: change.omitted,
    }
}
