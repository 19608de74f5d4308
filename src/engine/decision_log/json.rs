//! Records as JSON. Most of those in a row say the same: it is then written once, on each thread.

use std::cell::RefCell;
use std::sync::Arc;

use serde::Serialize;

use super::{CallRecord, ItemRecord};

/// What was written last.
struct Last<R> {
    record: R,
    json: Arc<[u8]>,
}

thread_local! {
    static CALL: RefCell<Option<Last<CallRecord<'static>>>> = const { RefCell::new(None) };
    static ITEM: RefCell<Option<Last<ItemRecord>>> = const { RefCell::new(None) };
}

/// The context of a call's leaves.
pub(super) fn of_call(call: &CallRecord<'_>) -> Arc<[u8]> {
    CALL.with_borrow_mut(|last| {
        if let Some(last) = last.as_ref().filter(|last| last.record == *call) {
            return last.json.clone();
        }
        let json = write(call);
        *last = Some(Last { record: call.to_owned_record(), json: json.clone() });
        json
    })
}

/// An answer as it is hashed and kept.
pub(super) fn of_item(record: ItemRecord) -> Arc<[u8]> {
    ITEM.with_borrow_mut(|last| {
        if let Some(last) = last.as_ref().filter(|last| last.record == record) {
            return last.json.clone();
        }
        let json = write(&record);
        *last = Some(Last { record, json: json.clone() });
        json
    })
}

fn write(record: &impl Serialize) -> Arc<[u8]> {
    serde_json::to_vec(record).expect("a record is text, numbers and lists").into()
}
