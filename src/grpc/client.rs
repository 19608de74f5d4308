//! The client side, for the command line: the services on one channel, and errors put in words.
//! Knows no command and prints nothing.

mod connection;
pub mod ingest;
mod marks;

use std::path::Path;

use connection::Carried;
pub use connection::{ConnectError, Connection, Credentials, Token};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use super::v1::policy_service_client::PolicyServiceClient;
use super::v1::sanctions_list_service_client::SanctionsListServiceClient;
use super::v1::screening_service_client::ScreeningServiceClient;
use super::v1::store_service_client::StoreServiceClient;
use super::v1::transfer_service_client::TransferServiceClient;

/// The largest answer that is taken, in bytes: a batch of 10,000 addresses with many findings.
const MAX_ANSWER: usize = 64 << 20;

/// The services of one server.
#[derive(Clone, Debug)]
pub struct Client {
    /// `lazaretto.v1.ScreeningService`.
    pub screening: ScreeningServiceClient<Connection>,
    /// `lazaretto.v1.SanctionsListService`.
    pub lists: SanctionsListServiceClient<Connection>,
    /// `lazaretto.v1.TransferService`.
    pub transfers: TransferServiceClient<Connection>,
    /// `lazaretto.v1.PolicyService`.
    pub policies: PolicyServiceClient<Connection>,
    /// `lazaretto.v1.StoreService`.
    pub store: StoreServiceClient<Connection>,
}

impl Client {
    /// The services on `channel`, which needs no token.
    pub fn new(channel: Channel) -> Self {
        Self::over(InterceptedService::new(channel, Carried::without_token()))
    }

    fn over(connection: Connection) -> Self {
        Self {
            screening: ScreeningServiceClient::new(connection.clone())
                .max_decoding_message_size(MAX_ANSWER),
            lists: SanctionsListServiceClient::new(connection.clone())
                .max_decoding_message_size(MAX_ANSWER),
            transfers: TransferServiceClient::new(connection.clone())
                .max_decoding_message_size(MAX_ANSWER),
            policies: PolicyServiceClient::new(connection.clone())
                .max_decoding_message_size(MAX_ANSWER),
            store: StoreServiceClient::new(connection),
        }
    }

    /// Connects to `url` as nobody in particular: see [`Client::connect_as`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_as(url, &Credentials::default()).await
    }

    /// Connects to `url` (`http://HOST:PORT` or `https://HOST:PORT`), waiting until the connection
    /// stands or failed.
    pub async fn connect_as(url: &str, credentials: &Credentials) -> Result<Self, ConnectError> {
        Ok(Self::over(connection::connect(url, credentials).await?))
    }

    /// Connects to the socket at `path`, whose server takes whoever can open it for its owner.
    pub async fn connect_socket(path: &Path) -> Result<Self, ConnectError> {
        Ok(Self::new(connection::connect_socket(path).await?))
    }
}

/// A call that the server refused or that failed on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{} ({}{}{reason})", field_words(.fields), code_name(*.code), if .reason.is_empty() { "" } else { ", " })]
pub struct CallError {
    /// The `google.rpc.Code`.
    pub code: i32,
    /// The reason in `google.rpc.ErrorInfo`, such as `GATE_REFUSED`; empty where none came.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The fields of `google.rpc.BadRequest`, each with what is wrong with it.
    pub fields: Vec<(String, String)>,
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let fields = details.bad_request().map_or_else(Vec::new, |bad| {
            bad.field_violations
                .iter()
                // The message of this service names its field already.
                .filter(|field| !status.message().starts_with(&field.field))
                .map(|field| (field.field.clone(), field.description.clone()))
                .collect()
        });
        Self {
            code: status.code() as i32,
            reason: details.error_info().map_or_else(String::new, |info| info.reason.clone()),
            message: match status.message() {
                "" => "the call failed".to_owned(),
                message => format!("{message}{}", said_in_farewell(&status)),
            },
            fields,
        }
    }
}

/// What the server said when it closed the connection, such as that it takes TLS.
fn said_in_farewell(status: &Status) -> String {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let words = error.to_string();
        if words.contains("use https://") {
            return format!(": {words}");
        }
        cause = error.source();
    }
    String::new()
}

/// The message of an answer, or why there is none.
pub fn answer<T>(result: Result<Response<T>, Status>) -> Result<T, CallError> {
    Ok(result?.into_inner())
}

/// The name of a `google.rpc.Code`, such as `NOT_FOUND`.
pub fn code_name(code: i32) -> &'static str {
    match Code::from_i32(code) {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The fields that the message does not name itself.
fn field_words(fields: &[(String, String)]) -> String {
    fields.iter().map(|(field, description)| format!("; {field}: {description}")).collect()
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn errors_in_words() {
        let check = |status: Status, want: &str| {
            assert_eq!(CallError::from(status).to_string(), want);
        };
        check(Status::not_found("no list \"x\""), "no list \"x\" (NOT_FOUND)");
        check(Status::unavailable(""), "the call failed (UNAVAILABLE)");
        let mut details = ErrorDetails::new();
        details.set_error_info("INVALID_FIELD", "lazaretto.v1", [("k", "v")].map(own));
        details.add_bad_request_violation("page_size", "larger than 10000");
        check(
            Status::with_error_details(Code::InvalidArgument, "refused", details),
            "refused; page_size: larger than 10000 (INVALID_ARGUMENT, INVALID_FIELD)",
        );
    }

    fn own((key, value): (&str, &str)) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }
}
