//! Records as JSON. Most of those in a row say the same: it is then written once, on each thread.

use std::sync::Arc;

use serde::Serialize;

/// The record that was written last, and its JSON.
pub(super) struct LastJson<R> {
    record: R,
    json: Arc<[u8]>,
}

impl<R: Serialize> LastJson<R> {
    /// Returns the JSON of the last record if it is the wanted one.
    pub(super) fn find(last: Option<&Self>, is_wanted: impl Fn(&R) -> bool) -> Option<Arc<[u8]>> {
        last.filter(|last| is_wanted(&last.record)).map(|last| last.json.clone())
    }

    /// Writes a record, which is the last one from now on.
    pub(super) fn write(last: &mut Option<Self>, record: R) -> Arc<[u8]> {
        let json = serde_json::to_vec(&record).expect("a record is text, numbers and lists");
        let json: Arc<[u8]> = json.into();
        *last = Some(Self { record, json: json.clone() });
        json
    }
}
