//! Refusals: one type for what is wrong with a call or an item, and its two forms on the wire.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::v1::{ErrorReason, IngestError, ScreeningError};
use crate::domain::chain::{Chain, ChainError};

/// The domain of every `google.rpc.ErrorInfo` of this service.
pub const ERROR_DOMAIN: &str = "lazaretto.v1";

/// The most bytes of a message. Messages quote what was sent, and a status travels in headers,
/// twice (encoded in `grpc-message` and in the details), of which clients take 16 KiB.
const MAX_MESSAGE: usize = 1_000;

/// Why a call or an item was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    reason: ErrorReason,
    field: String,
    message: String,
}

impl Refusal {
    /// A refusal that is about no field.
    pub fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { code, reason, field: String::new(), message: cut(message.into()) }
    }

    /// INVALID_ARGUMENT because of `field`, a path such as `queries[3].address`.
    pub fn invalid(
        reason: ErrorReason,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (field, message) = (field.into(), cut(message.into()));
        Self { code: Code::InvalidArgument, reason, field, message }
    }

    /// The form that an item of a batch carries.
    pub fn into_item_error(self, request_id: String) -> ScreeningError {
        ScreeningError {
            request_id,
            code: self.code as i32,
            reason: self.reason.into(),
            message: self.text(),
        }
    }

    /// The form that a stream of transfers carries; `index` is the place of the transfer that it
    /// is about.
    pub fn into_ingest_error(self, index: Option<u32>) -> IngestError {
        IngestError {
            code: self.code as i32,
            reason: self.reason.into(),
            index,
            message: self.text(),
        }
    }

    fn text(&self) -> String {
        match self.field.is_empty() {
            true => self.message.clone(),
            false => format!("{}: {}", self.field, self.message),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let name = refusal.reason.as_str_name();
        let reason = name.strip_prefix("ERROR_REASON_").unwrap_or(name);
        let mut details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, []);
        if !refusal.field.is_empty() {
            details.add_bad_request_violation(&refusal.field, &refusal.message);
        }
        Status::with_error_details(refusal.code, refusal.text(), details)
    }
}

fn cut(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        message.push_str("...");
    }
    message
}

/// UNAVAILABLE: there is nothing to answer from.
pub fn not_loaded() -> Refusal {
    Refusal::new(Code::Unavailable, ErrorReason::NotLoaded, "no list is loaded yet")
}

/// INVALID_ARGUMENT because of `field`, for a reason that has no name of its own.
pub fn invalid_field(field: &str, message: impl ToString) -> Refusal {
    Refusal::invalid(ErrorReason::InvalidField, field, message.to_string())
}

/// The chain that a question wishes, a family of chains among them; empty: none.
pub fn wished_chain(field: &str, text: &str) -> Result<Option<Chain>, Refusal> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error: ChainError| {
            Refusal::invalid(ErrorReason::InvalidChain, field, error.to_string())
        }),
    }
}
