//! The client side, for the command line: the services on one channel, and errors in words.

mod connection;
mod error;
pub mod ingest;
mod marks;

use std::path::Path;

use connection::Carried;
pub use connection::{ConnectError, Connection, Credentials, Token};
pub use error::{CallError, code_name, plain};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::v1::decision_log_service_client::DecisionLogServiceClient;
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
    pub screening: ScreeningServiceClient<Connection>,
    pub lists: SanctionsListServiceClient<Connection>,
    pub transfers: TransferServiceClient<Connection>,
    pub policies: PolicyServiceClient<Connection>,
    pub store: StoreServiceClient<Connection>,
    pub decision_log: DecisionLogServiceClient<Connection>,
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
            store: StoreServiceClient::new(connection.clone()),
            decision_log: DecisionLogServiceClient::new(connection)
                .max_decoding_message_size(MAX_ANSWER),
        }
    }

    /// Connects to `url` without an identity: see [`Client::connect_as`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_as(url, &Credentials::default()).await
    }

    /// Connects to `url` (`http://HOST:PORT` or `https://HOST:PORT`), waiting until the connection
    /// stands or failed.
    pub async fn connect_as(url: &str, credentials: &Credentials) -> Result<Self, ConnectError> {
        Ok(Self::over(connection::connect(url, credentials).await?))
    }

    /// Connects to the socket at `path`, whose server treats every process that can open it as its owner.
    pub async fn connect_socket(path: &Path) -> Result<Self, ConnectError> {
        Ok(Self::new(connection::connect_socket(path).await?))
    }
}

/// The message of an answer, or why there is none.
pub fn answer<T>(result: Result<Response<T>, Status>) -> Result<T, CallError> {
    Ok(result?.into_inner())
}
