//! `serve`: starts the server, handles its signals, and shuts it down.

mod descriptors;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{Global, clock, connect, endpoint};
use crate::audit::AuditError;
use crate::config::{Config, Flags, help};
use crate::engine::Engine;
use crate::grpc;
use crate::grpc::serve::accept::Listener;
use crate::grpc::serve::tls::Tls;
use crate::telemetry;

/// How long background work (reading a source, a search) may take at the end of the process.
const LAST: Duration = Duration::from_secs(3);

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(long, value_name = "ADDRESS:PORT", help = help("listen"))]
    listen: Option<String>,
    #[arg(long, help = help("offline"))]
    offline: bool,
    #[arg(long, help = help("allow_stale"))]
    allow_stale: bool,
    #[arg(long, help = help("allow_anonymous"))]
    allow_anonymous: bool,
}

/// Serves until a signal.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    if global.server.is_some() {
        return Err(anyhow!("--server is for client commands: use --listen"));
    }
    let Arguments { listen, offline, allow_stale, allow_anonymous } = arguments;
    let serving = true;
    let flags = Flags { listen, offline, allow_stale, allow_anonymous, serving, ..global.flags() };
    let config = Config::load(&flags, std::env::vars_os())?;
    let runtime = super::runtime()?;
    let served = runtime.block_on(async {
        let filter = global.log.as_ref().unwrap_or(&config.log);
        let traces = telemetry::start_server(filter, config.log_format, &config.traces)?;
        let served = serve(&config).await;
        if let Some(traces) = traces {
            traces.end().await;
        }
        served
    });
    let begun = Instant::now();
    runtime.shutdown_timeout(LAST);
    if begun.elapsed() >= LAST {
        warn!("background work aborted");
    }
    served?;
    info!("server stopped");
    Ok(0)
}

async fn serve(config: &Config) -> Result<()> {
    // First, so that no signal meets the default handler.
    let signals = Signals::new()?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %config.data_dir.display(),
        "server starting"
    );
    if clock::is_set() {
        warn!("clock fixed by a variable for tests");
    }
    let mut taken = config.clone();
    taken.limits.connections = descriptors::room_for(config.limits.connections);
    let tls = config.tls.as_ref().map(Tls::open).transpose().context("TLS")?;
    let engine = match Engine::open(config, Arc::new(clock::now)) {
        Ok(engine) => engine,
        Err(error) if error.is_locked() => return Err(locked(&config.data_dir)),
        Err(error) => return Err(connect::opening_failed(error, &config.data_dir)),
    };
    open_decision_log(&engine)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listening on {}", config.listen))?;
    let bound = listener.local_addr()?;
    let url = endpoint::url(bound, tls.is_some());
    if let Err(error) = endpoint::write(&config.data_dir, &url) {
        let path = endpoint::path(&config.data_dir);
        warn!(path = %path.display(), %error, "endpoint file not written, commands need --server");
    }

    let operations = match config.operations {
        Some(address) => Some(listen_for_operations(address).await?),
        None => None,
    };

    engine.want_graph();
    let refresh = engine.start_refresh()?;
    let policies = engine.watch_policies()?;
    let store = engine.watch_store()?;
    let retention = engine.start_retention()?;
    engine.log_lists();
    announce(config, bound, &url);
    let (ask, asked) = oneshot::channel();
    let on_second = {
        let (data_dir, url) = (config.data_dir.clone(), url.clone());
        // Errors are ignored: the process is about to exit.
        move || drop(endpoint::remove(&data_dir, &url))
    };
    let watch = tokio::spawn(signals.watch(ask, on_second));
    let mut listeners = vec![match tls {
        Some(tls) => Listener::Tls(listener, Arc::new(tls)),
        None => Listener::Tcp(listener),
    }];
    listeners.extend(bind_owners_socket(&config.data_dir).map(Listener::Unix));
    let asked = async { drop(asked.await) };
    let served = grpc::serve::serve(engine, taken, listeners, operations, asked).await;
    watch.abort();
    drop((refresh, policies, store, retention));
    let removed = endpoint::remove_socket(&config.data_dir)
        .and_then(|()| endpoint::remove(&config.data_dir, &url));
    if let Err(error) = removed {
        warn!(%error, "endpoint file or socket not removed");
    }
    served.context("serving")
}

/// Opens the log before a call needs it, or says that there is none.
fn open_decision_log(engine: &Engine) -> Result<()> {
    match engine.decision_log() {
        Some(log) => match log.log(engine.now()) {
            Ok(_) => Ok(()),
            // A full or read-only disk may be mended while the server runs.
            Err(error @ AuditError::Io { .. }) => {
                tracing::error!(%error, "decision log not opened");
                Ok(())
            }
            Err(error) => Err(error).context("decision log"),
        },
        None => {
            warn!("decision log off, screenings are not recorded");
            Ok(())
        }
    }
}

async fn listen_for_operations(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address);
    let listener =
        listener.await.with_context(|| format!("listening on {address} (operations)"))?;
    info!(address = %listener.local_addr()?, "operations port listening");
    Ok(listener)
}

/// Binds the socket in the data directory, for commands of its owner. Logs a warning and returns `None`
/// if that fails: the path may be too long, or the disk full or read-only.
fn bind_owners_socket(data_dir: &Path) -> Option<UnixListener> {
    match endpoint::bind_socket(data_dir) {
        Ok(socket) => Some(socket),
        Err(error) => {
            let path = endpoint::socket(data_dir);
            warn!(path = %path.display(), %error, "socket not created in the data directory");
            None
        }
    }
}

fn locked(data_dir: &Path) -> anyhow::Error {
    let locked = connect::locked_message(data_dir);
    match endpoint::read(data_dir) {
        Ok(Some(url)) => anyhow!("{locked}, a server at {url} by its endpoint file"),
        _ => anyhow!("{locked}"),
    }
}

/// Logs the address, unsafe settings, and a first command to try.
fn announce(config: &Config, bound: SocketAddr, url: &str) {
    let beyond = !bound.ip().is_loopback();
    if beyond && config.identities.is_empty() {
        warn!(
            address = %bound,
            "reachable from other machines without authentication (allow_anonymous)"
        );
    }
    if beyond && !config.identities.is_empty() && config.tls.is_none() {
        warn!(
            address = %bound,
            "reachable from other machines without TLS (allow_plaintext)"
        );
    }
    if config.allow_stale {
        warn!("stale lists may give ALLOW (allow_stale)");
    }
    if config.offline {
        warn!("offline, only sources that are files are read");
    }
    info!(%url, "listening");
    let data_dir = config.data_dir.display();
    let command = format!("lazaretto --data-dir '{data_dir}' screen ADDRESS");
    info!(try_command = command, "server started");
}

/// The signals that stop the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal; returns its name and its exit status in shells.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 143),
            _ = self.interrupt.recv() => ("SIGINT", 130),
        }
    }

    /// The first signal starts a graceful shutdown, the second exits immediately.
    async fn watch(mut self, ask: oneshot::Sender<()>, on_second: impl FnOnce()) {
        let (name, _) = self.next().await;
        info!(signal = name, "graceful shutdown started, a second signal exits immediately");
        // The server may have stopped by itself meanwhile.
        let _ = ask.send(());
        let (name, status) = self.next().await;
        warn!(signal = name, "exiting immediately");
        on_second();
        std::process::exit(status);
    }
}
