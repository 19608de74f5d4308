//! The data versions of an answer for a past moment.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{day, from_timestamp, hex, timestamp};
use crate::engine::ListAsOf;
use crate::grpc::v1;
use crate::screening::snapshot::Snapshot;

/// Gives `message`, made of `snapshot` by [`super::snapshot`], the versions and ages of `at`. `lists`
/// are the lists of the snapshot, in their order, as they were in force then.
pub fn set_past(
    message: &mut v1::Snapshot,
    snapshot: &Snapshot,
    lists: &[ListAsOf],
    at: Timestamp,
) {
    message.as_of = Some(timestamp(at));
    let date = at.to_zoned(TimeZone::UTC).date();
    for ((message, list), then) in message.lists.iter_mut().zip(snapshot.lists()).zip(lists) {
        let publication = then.publication.as_ref();
        message.version = publication.map_or(0, |it| it.version);
        message.number_on_list = publication.map_or(0, |it| it.number_on_list);
        message.digest = publication.map_or_else(String::new, |it| hex(&it.digest));
        message.published_on = day(publication.and_then(|it| it.published));
        message.current_at = then.current_at.map(timestamp);
        let age = then.current_at.map(|current_at| at.duration_since(current_at));
        message.age_seconds = age.map(|age| age.as_secs().unsigned_abs());
        message.server_clock = None;
        message.stale = list.is_stale_at(at) || list.gap_at(at, date).is_some();
        message.known_since = day(then.known_since);
        // What stands now may have been confirmed by its source since.
        let (_, loaded_at) = list.state().version.rows_origin();
        message.imported_by_hand = publication.is_some_and(|publication| {
            let stands = publication.file.is_none() && publication.loaded_at == loaded_at;
            if stands { message.imported_by_hand } else { publication.by_hand }
        });
        let file = publication.and_then(|publication| publication.file.clone());
        message.backfilled_from = file.unwrap_or_default();
        // Without the declared look the publication would not be known to have been current then.
        if then.current_at <= list.state().check.observed_at() {
            message.declared_check = None;
        }
    }
    for chain in &mut message.transfers {
        let last = chain.last_time.as_ref().and_then(from_timestamp);
        let age = last.map(|last| at.duration_since(last).max(SignedDuration::ZERO));
        chain.age_seconds = age.map(|age| age.as_secs().unsigned_abs());
    }
}
