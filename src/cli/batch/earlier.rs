//! Reads JSON of this program that an earlier version may have written: messages of the proto, in the
//! field names of 0.1.0.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Each message that batches write, known by a field that stands in it, with the old and the new names
/// of its other fields.
const RENAMED: [(&str, &[(&str, &str)]); 4] = [
    (
        "list_id",
        &[
            ("published", "published_on"),
            ("clock_behind", "server_clock"),
            ("by_hand", "imported_by_hand"),
            ("declared_look", "declared_check"),
            ("taken_off", "normalizations"),
        ],
    ),
    ("declared_at", &[("at", "checked_at"), ("by", "declared_by")]),
    ("kind", &[("whole", "complete")]),
    ("exposure_settings", &[("exposure_settings", "exposure_settings_digest")]),
];

/// Reads `json`, in the names of this version or of an earlier one. Fails with the error of this
/// version's form.
pub fn read<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(json).or_else(|error| {
        let Ok(mut value) = serde_json::from_str::<Value>(json) else { return Err(error) };
        rename(&mut value);
        serde_json::from_value(value).map_err(|_| error)
    })
}

fn rename(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(rename),
        Value::Object(fields) => {
            fields.values_mut().for_each(rename);
            let is_hop =
                ["from", "to"].iter().any(|end| fields.get(*end).is_some_and(Value::is_object));
            let ends = if is_hop { ["sender", "receiver"] } else { ["address", "other_address"] };
            let renamed = RENAMED.iter().filter(|(mark, _)| fields.contains_key(*mark));
            let renamed: Vec<_> = renamed.flat_map(|(_, names)| names.iter().copied()).collect();
            for (old, new) in renamed.into_iter().chain([("from", ends[0]), ("to", ends[1])]) {
                if let Some(value) = fields.remove(old) {
                    fields.insert(new.to_owned(), value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use serde_json::json;

    use super::*;
    use crate::grpc::v1;

    #[test]
    fn paths_of_0_1_0_are_read() {
        let json = json!({
            "listing": { "list_id": "us-ofac-sdn", "address": "x", "taken_off": ["a quote"] },
            "hops": [{ "from": { "address": "a" }, "to": { "address": "b" }, "chain": "eip155:1" }],
            "common_input_chain": { "joins": [{ "from": "b", "to": "c" }] },
        });
        let path: v1::ExposurePath = read(&json.to_string()).unwrap();
        let end = |end: &Option<v1::HopEnd>| end.clone().unwrap().address;
        assert_eq!([end(&path.hops[0].sender), end(&path.hops[0].receiver)], ["a", "b"]);
        let join = &path.common_input_chain.unwrap().joins[0];
        assert_eq!([&join.address, &join.other_address], ["b", "c"]);
        assert_eq!(path.listing.unwrap().normalizations, ["a quote"]);
    }

    #[test]
    fn snapshots_of_0_1_0_are_read() {
        let json = json!({
            "id": "s",
            "exposure_settings": "00",
            "lists": [{
                "list_id": "us-ofac-sdn",
                "published": "2026-01-01",
                "by_hand": true,
                "declared_look": { "by": "ann", "at": "2026-01-02T00:00:00Z",
                                   "declared_at": "2026-01-03T00:00:00Z" },
            }],
            "transfers": [{ "chain": "eip155:1",
                            "kinds": [{ "kind": "MOVEMENT_KIND_TOKENS", "whole": true }] }],
        });
        let snapshot: v1::Snapshot = read(&json.to_string()).unwrap();
        assert_eq!(snapshot.exposure_settings_digest, "00");
        let list = &snapshot.lists[0];
        assert_eq!((list.published_on.as_str(), list.imported_by_hand), ("2026-01-01", true));
        assert_eq!(list.declared_check.as_ref().unwrap().declared_by, "ann");
        assert!(snapshot.transfers[0].kinds[0].complete);
    }

    #[test]
    fn what_no_version_wrote_is_refused_in_the_names_of_this_one() {
        let error = read::<v1::ExposurePath>(r#"{"hop": []}"#).unwrap_err();
        assert!(error.to_string().contains("hops"), "{error}");
    }
}
