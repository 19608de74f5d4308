//! Refusals: what is wrong with a call or an item, and its two forms on the wire.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::convert;
use super::v1::{ErrorReason, IngestError, ScreeningError};
use super::wire::scan::Fault;
use crate::audit::AuditError;
use crate::domain::chain::{Chain, ChainError};

/// The domain of every `google.rpc.ErrorInfo` of this service.
pub const ERROR_DOMAIN: &str = "lazaretto.v1";

/// The most bytes of a message. Messages quote what was sent, and a status travels in headers,
/// twice (encoded in `grpc-message` and in the details), of which clients take 16 KiB.
const MAX_MESSAGE: usize = 1_000;

/// The most fields that one refusal names.
const MAX_FIELDS: usize = 16;

/// When a caller who was refused for load may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call or an item was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    reason: ErrorReason,
    /// What is wrong with which field; empty where the refusal is about none.
    fields: Vec<(String, String)>,
    /// Where it is about no field.
    message: String,
    /// The limit that was reached, as the configuration names it, and its value.
    limit: Option<(&'static str, usize)>,
}

impl Refusal {
    /// A refusal that is about no field.
    pub fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { code, reason, fields: Vec::new(), message: cut(message.into()), limit: None }
    }

    /// INVALID_ARGUMENT because of `field`, a path such as `queries[3].address`.
    pub fn invalid(
        reason: ErrorReason,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let fields = vec![(field.into(), cut(message.into()))];
        Self { fields, ..Self::new(Code::InvalidArgument, reason, "") }
    }

    /// RESOURCE_EXHAUSTED because the `limit` of the configuration is reached; the answer says
    /// when to retry.
    pub fn overloaded(limit: &'static str, value: usize, message: &str) -> Self {
        let message = format!("{message}: try again later, or elsewhere");
        let refusal = Self::new(Code::ResourceExhausted, ErrorReason::Overloaded, message);
        Self { limit: Some((limit, value)), ..refusal }
    }

    /// The same refusal, which names the fields of `other` too. The reason is the first one's.
    fn and(mut self, other: Self) -> Self {
        if self.fields.is_empty() || other.fields.is_empty() {
            return self;
        }
        self.fields.extend(other.fields);
        self.fields.truncate(MAX_FIELDS);
        self
    }

    /// The same refusal behind what is wrong with what was checked before.
    pub fn after<T>(self, checked: Result<T, Self>) -> Self {
        match checked {
            Ok(_) => self,
            Err(first) => first.and(self),
        }
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

    /// The name of its reason, such as `INVALID_ADDRESS`.
    pub fn reason_name(&self) -> &'static str {
        let name = self.reason.as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name)
    }

    fn text(&self) -> String {
        match &self.fields[..] {
            [] => self.message.clone(),
            [(field, message)] => format!("{field}: {message}"),
            fields => {
                let each = |(field, message): &(String, String)| format!("{field}: {message}");
                cut(fields.iter().map(each).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let reason = refusal.reason_name();
        let metadata = refusal.limit.iter().flat_map(|(limit, value)| {
            [("limit".to_owned(), (*limit).to_owned()), ("value".to_owned(), value.to_string())]
        });
        let mut details = ErrorDetails::with_error_info(
            reason,
            ERROR_DOMAIN,
            metadata.collect::<HashMap<_, _>>(),
        );
        let each = MAX_MESSAGE / refusal.fields.len().max(1);
        for (field, message) in &refusal.fields {
            details.add_bad_request_violation(
                cut_at(field.clone(), each),
                cut_at(message.clone(), each),
            );
        }
        if refusal.reason == ErrorReason::Overloaded {
            details.set_retry_info(Some(RETRY_AFTER));
        }
        Status::with_error_details(refusal.code, refusal.text(), details)
    }
}

/// Both, or all fields that are wrong with either.
pub fn both<A, B>(
    first: Result<A, Refusal>,
    second: Result<B, Refusal>,
) -> Result<(A, B), Refusal> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(first), Err(second)) => Err(first.and(second)),
        (Err(refusal), Ok(_)) | (Ok(_), Err(refusal)) => Err(refusal),
    }
}

/// All of them, or all fields that are wrong with any.
pub fn all<T>(outcomes: impl IntoIterator<Item = Result<T, Refusal>>) -> Result<Vec<T>, Refusal> {
    let mut done = Vec::new();
    let mut refused: Option<Refusal> = None;
    for outcome in outcomes {
        match (outcome, refused.take()) {
            (Ok(one), None) => done.push(one),
            (Ok(_), before) => refused = before,
            (Err(refusal), None) => refused = Some(refusal),
            (Err(refusal), Some(before)) => refused = Some(before.and(refusal)),
        }
    }
    refused.map_or(Ok(done), Err)
}

fn cut(message: String) -> String {
    cut_at(message, MAX_MESSAGE)
}

fn cut_at(mut message: String, most: usize) -> String {
    if message.len() > most {
        message.truncate(message.floor_char_boundary(most));
        message.push_str("...");
    }
    message
}

/// INVALID_ARGUMENT: the bytes of a message are not what they should be.
pub fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidArgument, ErrorReason::MalformedMessage, message)
}

/// INVALID_ARGUMENT: a message is too large, or would be once decoded.
pub fn too_large(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidArgument, ErrorReason::MessageTooLarge, message)
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match &fault {
            Fault::Malformed(_) => malformed(fault.to_string()),
            Fault::TooMany { field, .. } => {
                Self::invalid(ErrorReason::TooManyItems, field, fault.to_string())
            }
            Fault::TooCostly { .. } => too_large(fault.to_string()),
        }
    }
}

impl From<prost::DecodeError> for Refusal {
    fn from(error: prost::DecodeError) -> Self {
        malformed(format!("the message is not valid protobuf: {error}"))
    }
}

/// UNAVAILABLE: the decision log does not take the decision.
pub fn not_recorded(error: AuditError) -> Refusal {
    let message = format!("the decision could not be recorded, so it is not given: {error}");
    Refusal::new(Code::Unavailable, ErrorReason::NotRecorded, message)
}

/// UNAVAILABLE: there is nothing to answer from.
pub fn not_loaded() -> Refusal {
    Refusal::new(Code::Unavailable, ErrorReason::NotLoaded, "no list is loaded yet")
}

/// INVALID_ARGUMENT because of `field`, for a reason that has no name of its own.
pub fn invalid_field(field: &str, message: impl ToString) -> Refusal {
    Refusal::invalid(ErrorReason::InvalidField, field, message.to_string())
}

/// A moment of a request; `None` where none is given.
pub fn moment(
    field: &str,
    moment: Option<&pbjson_types::Timestamp>,
) -> Result<Option<Timestamp>, Refusal> {
    let Some(moment) = moment else { return Ok(None) };
    match convert::from_timestamp(moment) {
        Some(moment) => Ok(Some(moment)),
        None => Err(invalid_field(field, "not a valid timestamp")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> Refusal {
        invalid_field(name, format!("{name} is wrong"))
    }

    #[test]
    fn every_wrong_field_is_named() {
        let refused = both(both(Err::<(), _>(field("a")), Ok(())), Err::<(), _>(field("b")));
        let status = Status::from(refused.unwrap_err());
        assert_eq!(status.message(), "a: a is wrong; b: b is wrong");
        let details = status.get_error_details();
        let named = &details.bad_request().unwrap().field_violations;
        assert_eq!(named.iter().map(|it| &it.field[..]).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(both(Ok(1), Ok(2)), Ok((1, 2)));
        let refused = all([Ok(1), Err(field("x")), Ok(2), Err(field("y"))]).unwrap_err();
        assert_eq!(refused.text(), "x: x is wrong; y: y is wrong");
        assert_eq!(all([Ok(1), Ok(2)]), Ok(vec![1, 2]));
    }

    #[test]
    fn a_refusal_fits_into_the_headers_that_carry_it() {
        let long = |n: usize| invalid_field(&format!("field{n}"), "\u{10ffff}".repeat(1_000));
        let refused = all((0..1_000).map(|n| Err::<(), _>(long(n)))).unwrap_err();
        let mut headers = http::HeaderMap::new();
        Status::from(refused).add_header(&mut headers).unwrap();
        let bytes: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        assert!(bytes < 12 << 10, "{bytes}");
    }

    #[test]
    fn who_is_refused_for_load_learns_the_limit_and_when_to_come_again() {
        let status = Status::from(Refusal::overloaded("limits.calls", 3, "3 calls are under way"));
        let details = status.get_error_details();
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!((&metadata["limit"][..], &metadata["value"][..]), ("limits.calls", "3"));
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY_AFTER));
    }
}
