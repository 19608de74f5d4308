//! Connects a command: to the server of `--server`, else to the store of the data directory within this
//! process, else to the server that holds that store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::{Global, clock, endpoint};
use crate::engine::{Engine, EngineError};
use crate::grpc;
use crate::grpc::client::{CallError, Client};

/// How long a command waits for a store that another process holds and nobody serves.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a command waits for transfers to be read in: a hundred million take a few minutes.
const LOADING_PATIENCE: Duration = Duration::from_secs(600);

/// The reason of a refusal while they are.
const LOADING: &str = "TRANSFERS_LOADING";

/// How long it waits between two looks.
const PAUSE: Duration = Duration::from_millis(50);

pub enum Backend {
    /// This process: it holds the store.
    Held(Arc<Engine>),
    Served(Box<Client>),
}

/// A client, connected. Where the store is served within the process, dropping the runtime that
/// it was made on closes the store, and answers wait until exposure knows all that is stored.
pub async fn connect(global: &Global) -> Result<Client> {
    connect_for(global, false).await
}

/// As [`connect`], for questions about paths: where the store is served within the process, its
/// transfers are read in first.
pub async fn connect_for_paths(global: &Global) -> Result<Client> {
    connect_for(global, true).await
}

async fn connect_for(global: &Global, paths: bool) -> Result<Client> {
    let engine = match reach(global).await? {
        Backend::Held(engine) => engine,
        Backend::Served(client) => return Ok(*client),
    };
    let settling = engine.clone();
    tokio::task::spawn_blocking(move || settling.wait_for_exposure(paths)).await??;
    Ok(Client::new(grpc::in_process(engine).await?))
}

/// The server or the store, for a command that can use either.
pub async fn reach(global: &Global) -> Result<Backend> {
    if let Some(url) = &global.server {
        return Ok(Backend::Served(Box::new(connect_to(global, url).await?)));
    }
    let config = global.load_config()?;
    let mut waited = Duration::ZERO;
    loop {
        match Engine::open(&config, Arc::new(clock::now)) {
            Ok(engine) => return Ok(Backend::Held(engine)),
            Err(error) if error.is_locked() => {}
            Err(error) => return Err(opening_failed(error, &config.data_dir)),
        }
        match running(global, &config.data_dir).await {
            // Another command may hold the store, or a server that is about to serve.
            Err(_) if waited < PATIENCE => tokio::time::sleep(PAUSE).await,
            connected => return connected.map(|client| Backend::Served(Box::new(client))),
        }
        waited += PAUSE;
    }
}

/// The server that `--server` names, else the one that holds the store; opens no store.
pub async fn server(global: &Global) -> Result<Client> {
    match &global.server {
        Some(url) => connect_to(global, url).await,
        None => running(global, &global.load_config()?.data_dir).await,
    }
}

/// Asks again while the server says that transfers are being read in, as it does after a start.
pub async fn retry_while_loading<T>(
    mut ask: impl AsyncFnMut() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let mut waited = Duration::ZERO;
    loop {
        match ask().await {
            Err(error) if error.reason == LOADING && waited < LOADING_PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            outcome => return outcome,
        }
    }
}

/// The error of opening the engine. One of a policy file names the file, and its key.
pub fn opening_failed(error: EngineError, data_dir: &Path) -> anyhow::Error {
    if matches!(error, EngineError::Policy(_)) {
        return error.into();
    }
    anyhow::Error::new(error).context(opening_context(data_dir))
}

pub fn opening_context(data_dir: &Path) -> String {
    format!("opening the data directory {}", data_dir.display())
}

async fn connect_to(global: &Global, url: &str) -> Result<Client> {
    Ok(Client::connect_as(url, &global.client.credentials()?).await?)
}

/// The server that holds the store: by the socket beside it, which its owner can open, else by its
/// endpoint file.
async fn running(global: &Global, data_dir: &Path) -> Result<Client> {
    if let Ok(client) = Client::connect_socket(&endpoint::socket(data_dir)).await {
        return Ok(client);
    }
    let file = endpoint::path(data_dir);
    let found = endpoint::read(data_dir).with_context(|| {
        format!("{}, and {} cannot be read", locked_message(data_dir), file.display())
    })?;
    let Some(url) = found else {
        return Err(anyhow!(
            "{}, and {} does not exist, so no server can be asked in its place",
            locked_message(data_dir),
            file.display()
        ));
    };
    connect_to(global, &url).await.with_context(|| {
        format!("{}, and {} names no server that answers", locked_message(data_dir), file.display())
    })
}

/// That another process has the store.
pub fn locked_message(data_dir: &Path) -> String {
    format!("the data directory {} is in use by another process", data_dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loading_is_waited_for() {
        let error = |reason: &str| CallError {
            code: 14,
            reason: reason.to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        let mut answers = vec![Err(error("NOT_LOADED")), Ok(7), Err(error(LOADING))];
        let mut ask = || answers.pop().unwrap();
        let runtime = crate::cli::runtime().unwrap();
        assert_eq!(runtime.block_on(retry_while_loading(async || ask())), Ok(7));
        assert_eq!(runtime.block_on(retry_while_loading(async || ask())), Err(error("NOT_LOADED")));
    }

    fn refusal(data_dir: &Path) -> String {
        let error = crate::cli::runtime()
            .unwrap()
            .block_on(running(&Global::default(), data_dir))
            .unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn a_locked_store_without_a_server_says_both() {
        let dir = tempfile::tempdir().unwrap();
        let says = |error: &str, second: &str| {
            assert!(error.contains("is in use by another process"), "{error}");
            assert!(error.contains(second), "{error}");
        };
        says(&refusal(dir.path()), "endpoint does not exist");

        // A port that was free a moment ago: nobody listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        endpoint::write(dir.path(), &endpoint::url(free, false)).unwrap();
        says(&refusal(dir.path()), "endpoint names no server that answers");
        says(&refusal(dir.path()), &format!("no server answers at http://{free}"));

        endpoint::write(dir.path(), "nonsense").unwrap();
        says(&refusal(dir.path()), "\"nonsense\" is no server address");
    }
}
