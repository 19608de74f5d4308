//! The server as others see it: a Python client generated from `proto/`, and `buf curl`, which
//! learns the service by reflection.
//!
//! Both tools come from outside: `LAZARETTO_TEST_PYTHON` names an interpreter that has
//! tests/clients/python/requirements.txt, `LAZARETTO_TEST_BUF` the `buf` program. CI sets both; a
//! test whose variable is unset says so and does nothing.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::needs::{Need, tool};
use crate::support::server::ServerChild;

/// A server that holds no list and asks for no other than OFAC's.
pub const NOTHING_LOADED: [&str; 6] = [
    "--set",
    "starter_lists=false",
    "--set",
    "lists.us-ofac-cons.enabled=false",
    "--set",
    "lists.lazarus-advisories.enabled=false",
];

/// An address of the Lazarus Group that the starter list has.
pub const LISTED: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

#[test]
fn python_client_generated_from_proto() {
    let Some(python) = tool(Need::Python) else { return };
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let server = ServerChild::start(data_dir.path(), &NOTHING_LOADED);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let address = server.endpoint().strip_prefix("http://").expect("the endpoint is http");
    let mut client = Command::new(python);
    client.arg("-B").arg(root.join("tests/clients/python/check.py"));
    client.arg(root.join("proto")).arg(address);
    let ended = client.output().unwrap_or_else(|error| panic!("{client:?}: {error}"));
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{client:?}: {errors}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "ok\n", "{errors}");
}

/// What `buf curl` prints for a call, which must succeed or fail as `success` says.
fn curl(buf: &OsString, endpoint: &str, method: &str, data: &Value, success: bool) -> Value {
    let mut curl = Command::new(buf);
    curl.args(["curl", "--http2-prior-knowledge", "--protocol", "grpc"]);
    curl.args(["--reflect-protocol", "grpc-v1", "--data", &data.to_string()]);
    curl.arg(format!("{endpoint}/lazaretto.v1.{method}"));
    let ended = curl.output().unwrap_or_else(|error| panic!("{curl:?}: {error}"));
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.success(), success, "{curl:?}: {errors}");
    let printed = if success { &ended.stdout } else { &ended.stderr };
    serde_json::from_slice(printed).unwrap_or_else(|error| panic!("{curl:?}: {error}: {errors}"))
}

#[test]
fn buf_curl_by_reflection() {
    let Some(buf) = tool(Need::Buf) else { return };
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let server = ServerChild::start(data_dir.path(), &[]);
    let call = |method: &str, data: Value, success: bool| {
        curl(&buf, server.endpoint(), method, &data, success)
    };

    let query = json!({ "query": { "address": LISTED, "requestId": "7" } });
    let answer = call("ScreeningService/ScreenAddress", query, true);
    let screening = &answer["screening"];
    assert_eq!(screening["requestId"], "7", "{answer}");
    assert_eq!(screening["decision"], "DECISION_BLOCK", "{answer}");
    assert_eq!(screening["findings"][0]["listing"]["listId"], "us-ofac-sdn", "{answer}");

    let lists = call("SanctionsListService/ListSanctionsLists", json!({}), true);
    let ids: Vec<_> = lists["lists"].as_array().into_iter().flatten().collect();
    assert!(ids.iter().any(|list| list["listId"] == "us-ofac-sdn"), "{lists}");

    let refusal = call("ScreeningService/ScreenAddress", json!({}), false);
    assert_eq!(refusal["code"], "invalid_argument", "{refusal}");
    let details = refusal["details"].as_array().into_iter().flatten();
    let info = details.clone().find(|detail| detail["type"] == "google.rpc.ErrorInfo");
    assert!(info.is_some(), "{refusal}");
}
