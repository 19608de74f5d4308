//! The trace and the request id that a command's calls carry, so that the server's log can be searched
//! for them.

use http::HeaderValue;
use tonic::Request;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};

use crate::telemetry::context;

/// Marks every call of this process.
#[derive(Clone, Debug)]
pub struct Marks {
    /// `TRACEPARENT` of the environment, where it is valid.
    parent: Option<AsciiMetadataValue>,
    request_id: AsciiMetadataValue,
}

impl Marks {
    /// The marks of this process: its environment, and an id made up now.
    pub fn of_process() -> Self {
        let id = format!("cli-{:016x}", fastrand::u64(..));
        let id = AsciiMetadataValue::try_from(id.as_str()).expect("hex digits are ASCII");
        let value = |parent: HeaderValue| AsciiMetadataValue::try_from(parent.as_bytes()).ok();
        Self { parent: context::from_environment().and_then(value), request_id: id }
    }

    /// Marks a call, unless it is marked already.
    pub fn mark<T>(&self, request: &mut Request<T>) {
        let headers = request.metadata_mut();
        let mut set = |name: &'static str, value: &AsciiMetadataValue| {
            let name = AsciiMetadataKey::from_static(name);
            if !headers.contains_key(&name) {
                headers.insert(name, value.clone());
            }
        };
        set("x-request-id", &self.request_id);
        if let Some(parent) = &self.parent {
            set(context::TRACEPARENT, parent);
        }
    }
}
