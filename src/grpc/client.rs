//! The client side, for the command line: the services on one channel, and errors put in words.
//! Knows no command and prints nothing.

pub mod ingest;
mod marks;

use std::time::Duration;

use marks::Marks;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use super::v1::policy_service_client::PolicyServiceClient;
use super::v1::sanctions_list_service_client::SanctionsListServiceClient;
use super::v1::screening_service_client::ScreeningServiceClient;
use super::v1::transfer_service_client::TransferServiceClient;

/// The largest answer that is taken, in bytes: a batch of 10,000 addresses with many findings.
const MAX_ANSWER: usize = 64 << 20;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A channel on which calls are marked as this process's.
pub type Connection = InterceptedService<Channel, Marks>;

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
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not `http://HOST:PORT`.
    #[error("{0:?} is no server address: http://HOST:PORT (TLS is not built in)")]
    Url(String),
    /// Nobody answers there.
    #[error("no server answers at {url}")]
    Unreachable {
        /// The address asked.
        url: String,
        /// What went wrong.
        source: tonic::transport::Error,
    },
}

impl Client {
    /// The services on `channel`.
    pub fn new(channel: Channel) -> Self {
        let channel = InterceptedService::new(channel, Marks::of_process());
        Self {
            screening: ScreeningServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_ANSWER),
            lists: SanctionsListServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_ANSWER),
            transfers: TransferServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_ANSWER),
            policies: PolicyServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER),
        }
    }

    /// Connects to `url` (`http://HOST:PORT`), waiting until the connection stands or failed.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let refused = || ConnectError::Url(url.to_owned());
        if !url.starts_with("http://") {
            return Err(refused());
        }
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| refused())?;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .connect()
            .await
            .map_err(|source| ConnectError::Unreachable { url: url.to_owned(), source })?;
        Ok(Self::new(channel))
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
                message => message.to_owned(),
            },
            fields,
        }
    }
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

    #[test]
    fn only_plain_http() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for url in ["https://127.0.0.1:1", "127.0.0.1:1", "http://", "http://a b", ""] {
            let error = runtime.block_on(Client::connect(url)).unwrap_err();
            assert!(matches!(error, ConnectError::Url(_)), "{url:?}: {error}");
        }
    }
}
