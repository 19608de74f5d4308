//! `serve`: the server's life from the first log line to the last. Answers nothing itself.

mod descriptors;

use std::io;
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
use crate::config::{Config, Flags};
use crate::engine::Engine;
use crate::grpc;
use crate::grpc::serve::accept::Listener;
use crate::grpc::serve::tls::Tls;
use crate::telemetry;

/// How long work that nobody waits for any more may go on at the end of the process: a source that
/// is being read, a search. What was not published by then never was.
const LAST: Duration = Duration::from_secs(3);

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to listen [env: LAZARETTO_LISTEN] [default: 127.0.0.1:50551]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Contact no source
    #[arg(long)]
    offline: bool,
    /// For trials only: let stale lists give ALLOW
    #[arg(long)]
    allow_stale: bool,
    /// Beyond this machine without identities: let anybody who reaches the server do everything
    #[arg(long)]
    allow_anonymous: bool,
}

/// Serves until asked to end.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    if global.server.is_some() {
        return Err(anyhow!("--server names a server to ask: serve takes --listen"));
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
        warn!("work that did not end is cut off");
    }
    served?;
    info!("ended");
    Ok(0)
}

async fn serve(config: &Config) -> Result<()> {
    // Before anything else, so that no signal finds the default handler in place.
    let signals = Signals::new()?;
    info!(version = env!("CARGO_PKG_VERSION"), data_dir = %config.data_dir.display(), "starting");
    if clock::is_set() {
        warn!("the time stands still: a variable for tests sets it");
    }
    let mut taken = config.clone();
    taken.limits.connections = descriptors::room_for(config.limits.connections);
    let tls = config.tls.as_ref().map(Tls::open).transpose().context("TLS")?;
    let engine = match Engine::open(config, Arc::new(clock::now)) {
        Ok(engine) => engine,
        Err(error) if error.is_locked() => return Err(locked(&config.data_dir)),
        Err(error) => return Err(error).with_context(|| connect::opening(&config.data_dir)),
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listening on {}", config.listen))?;
    let bound = listener.local_addr()?;
    let url = endpoint::url(bound, tls.is_some());
    if let Err(error) = endpoint::write(&config.data_dir, &url) {
        let path = endpoint::path(&config.data_dir);
        warn!(path = %path.display(), %error, "the endpoint file is not written: commands need --server");
    }

    let operations = match config.operations {
        Some(address) => Some(listen_for_operations(address).await?),
        None => None,
    };

    engine.want_graph();
    let refresh = engine.start_refresh()?;
    let policies = engine.watch_policies()?;
    let store = engine.watch_store()?;
    engine.log_lists();
    announce(config, bound, &url);
    let (ask, asked) = oneshot::channel();
    let on_second = {
        let (data_dir, url) = (config.data_dir.clone(), url.clone());
        // Nothing to be done about a failure in this moment: the process ends.
        move || drop(endpoint::remove(&data_dir, &url))
    };
    let watch = tokio::spawn(signals.watch(ask, on_second));
    let mut listeners = vec![match tls {
        Some(tls) => Listener::Tls(listener, Arc::new(tls)),
        None => Listener::Tcp(listener),
    }];
    listeners.extend(owners_socket(&config.data_dir)?.map(Listener::Unix));
    let asked = async { drop(asked.await) };
    let served = grpc::serve::serve(engine, taken, listeners, operations, asked).await;
    watch.abort();
    drop((refresh, policies, store));
    let removed = endpoint::remove_socket(&config.data_dir)
        .and_then(|()| endpoint::remove(&config.data_dir, &url));
    if let Err(error) = removed {
        warn!(%error, "the endpoint file or the socket is not removed");
    }
    served.context("serving")
}

async fn listen_for_operations(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address);
    let listener =
        listener.await.with_context(|| format!("listening on {address} (operations)"))?;
    info!(address = %listener.local_addr()?, "operations: /metrics, /livez, /readyz, /startupz");
    Ok(listener)
}

/// The socket in the data directory, for commands of its owner; `None`, with a word about it, where
/// the path is longer than a socket's may be.
fn owners_socket(data_dir: &Path) -> Result<Option<UnixListener>> {
    match endpoint::bind_socket(data_dir) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            warn!(%error, "no socket in the data directory: its path is too long");
            Ok(None)
        }
        // As on a disk that is full or read-only: what is loaded is served all the same.
        Err(error) => {
            warn!(path = %endpoint::socket(data_dir).display(), %error, "no socket in the data directory");
            Ok(None)
        }
    }
}

fn locked(data_dir: &Path) -> anyhow::Error {
    let locked = connect::locked(data_dir);
    match endpoint::read(data_dir) {
        Ok(Some(url)) => anyhow!("{locked}, a server at {url} by its endpoint file"),
        _ => anyhow!("{locked}"),
    }
}

/// What a person who has just started the server needs to know.
fn announce(config: &Config, bound: SocketAddr, url: &str) {
    let beyond = !bound.ip().is_loopback();
    if beyond && config.identities.is_empty() {
        warn!(
            address = %bound,
            "LISTENING BEYOND THIS MACHINE WITHOUT AUTHENTICATION (allow_anonymous): anyone who \
             reaches this address can read the lists and replace them"
        );
    }
    if beyond && !config.identities.is_empty() && config.tls.is_none() {
        warn!(
            address = %bound,
            "LISTENING BEYOND THIS MACHINE WITHOUT TLS (allow_plaintext): tokens can be read on \
             their way unless TLS is ended before this server"
        );
    }
    if config.allow_stale {
        warn!("STALE LISTS MAY GIVE ALLOW (allow_stale): for trials only, never to decide by");
    }
    if config.offline {
        warn!(
            "offline: only sources that are files are read, and other lists grow stale unless they \
             are imported by hand"
        );
    }
    info!(%url, "listening");
    let data_dir = config.data_dir.display();
    info!("ask it something: lazaretto --data-dir '{data_dir}' screen ADDRESS");
}

/// The signals that end the server.
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

    /// The next signal: its name, and the exit status that shells give for it.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 143),
            _ = self.interrupt.recv() => ("SIGINT", 130),
        }
    }

    /// The first signal asks for an end once all calls are answered; the second ends at once.
    async fn watch(mut self, ask: oneshot::Sender<()>, on_second: impl FnOnce()) {
        let (name, _) = self.next().await;
        info!(signal = name, "ending: calls under way are answered first; once more ends at once");
        // The server may have ended by itself meanwhile.
        let _ = ask.send(());
        let (name, status) = self.next().await;
        warn!(signal = name, "ending at once");
        on_second();
        std::process::exit(status);
    }
}
