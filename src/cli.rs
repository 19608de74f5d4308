//! The command line. Most commands are gRPC calls, to a running server or to one within the process
//! ([`connect`]). The exceptions are `address`, `report`, `serve`, `completions`, `man` and the `policy`
//! commands on files.

mod address;
mod batch;
mod clock;
mod cluster;
mod connect;
mod credentials;
mod dates;
mod endpoint;
mod help;
mod identity;
mod lists;
mod log;
mod manual;
mod output;
mod payment;
mod policy;
mod progress;
mod render;
mod report;
mod screen;
mod serve;
mod snapshot;
mod store;
mod table;
mod tags;
mod text;
mod trace;
mod transfers;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, Flags};
use crate::telemetry::{Filter, LogFormat, VARIABLE};

pub use output::{error_text, print_error};

/// Screens cryptocurrency addresses against lists of sanctioned and Lazarus-linked addresses.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "\
Settings come from --config (or LAZARETTO_CONFIG), then the environment (LAZARETTO_LISTEN, \
LAZARETTO_LISTS__US_OFAC_SDN__URL, ...), then flags. A server with identities is shown the token in \
LAZARETTO_TOKEN or in the file that --token-file names."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The help heading of options of commands on a store.
const SETTINGS: &str = "Settings";

/// The options of every command.
#[derive(Debug, Default, Args)]
struct Global {
    #[arg(long, global = true, value_name = "DIR", help_heading = SETTINGS, help = crate::config::help("data_dir"))]
    data_dir: Option<PathBuf>,
    /// Ask this server (http:// or https://HOST:PORT) instead of the one on the data directory
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    server: Option<String>,
    /// The configuration file [env: LAZARETTO_CONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = SETTINGS)]
    config: Option<PathBuf>,
    /// Set a key of the configuration, such as lists.us-ofac-sdn.max_age=3d
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = SETTINGS)]
    set: Vec<String>,
    /// Log at this level to standard error: off, error (commands), warn, info (serve), debug, trace;
    /// or TARGET=LEVEL,... [env: RUST_LOG; of serve LAZARETTO_LOG]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = SETTINGS)]
    log: Option<Filter>,
    // Last, because clap puts what follows under its heading.
    #[command(flatten)]
    client: credentials::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve gRPC and keep the lists fresh, until SIGTERM or SIGINT
    Serve(serve::Arguments),
    /// Screen addresses: exit status 0 ALLOW, 10 REVIEW, 11 BLOCK, 1 error
    Screen(screen::Arguments),
    /// Screen a payment as a whole, before it is made: exit status as `screen`
    Payment(payment::Arguments),
    /// The lists: what is loaded, what changed, import and export
    Lists(lists::Arguments),
    /// Transfers: import, what is loaded, who dealt with whom
    Transfers(transfers::Arguments),
    /// Attribution tags and services: import, add one
    Tags(tags::Arguments),
    /// The paths of transfers between an address and listed ones
    Trace(trace::Arguments),
    /// The cluster of an address by common inputs, an estimate: who is joined with it, and why
    Cluster(cluster::Arguments),
    /// Policies: check, explain, compare, show and reload them
    Policy(policy::Arguments),
    /// A batch's result as one page to file, with each BLOCK and REVIEW and its drawn path
    Report(report::Arguments),
    /// What an address is: its form, chains, checksum, key ids and other forms
    Address(address::Arguments),
    /// Identities of callers: make a token
    Identity(identity::Arguments),
    /// What a snapshot id stands for; without an id, the snapshot in use
    Snapshot(snapshot::Arguments),
    /// The store as a whole: back it up, restore it, verify it
    Store(store::Arguments),
    /// The decision log: find, prove, replay and redact records, verify the log
    Log(log::Arguments),
    /// Print a completion script for a shell
    Completions(manual::CompletionArguments),
    /// Print the manual page, or write one for each command
    Man(manual::ManArguments),
}

impl Cli {
    /// Reads the arguments of this process.
    pub fn from_args() -> Result<Self, clap::Error> {
        let mut command = help::command();
        let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }

    /// Runs the command and returns the exit status of the process.
    pub fn run(self) -> Result<u8> {
        let Self { global, command } = self;
        clock::start()?;
        if !matches!(command, Command::Serve(_)) {
            crate::telemetry::start(&global.log_filter(), LogFormat::Text);
        }
        match command {
            Command::Serve(arguments) => serve::run(arguments, &global),
            Command::Screen(arguments) => screen::run(&arguments, &global),
            Command::Payment(arguments) => payment::run(&arguments, &global),
            Command::Lists(arguments) => lists::run(arguments, &global),
            Command::Transfers(arguments) => transfers::run(arguments, &global),
            Command::Tags(arguments) => tags::run(arguments, &global),
            Command::Trace(arguments) => trace::run(&arguments, &global),
            Command::Cluster(arguments) => cluster::run(&arguments, &global),
            Command::Policy(arguments) => policy::run(arguments, &global),
            Command::Report(arguments) => report::run(&arguments),
            Command::Address(arguments) => address::run(&arguments),
            Command::Identity(arguments) => identity::run(&arguments),
            Command::Snapshot(arguments) => snapshot::run(arguments, &global),
            Command::Store(arguments) => store::run(arguments, &global),
            Command::Log(arguments) => log::run(arguments, &global),
            Command::Completions(arguments) => manual::print_completions(&arguments),
            Command::Man(arguments) => manual::print_manual(&arguments),
        }
    }
}

impl Global {
    fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            data_dir: self.data_dir.clone(),
            set: self.set.clone(),
            ..Flags::default()
        }
    }

    fn log_filter(&self) -> Filter {
        let named =
            self.log.clone().map_or_else(Filter::from_environment, |filter| Ok(Some(filter)));
        let named = named.unwrap_or_else(|error| {
            // The variable may be meant for another program.
            print_error(&format!("warning: {VARIABLE} is ignored: {error}"));
            None
        });
        named.unwrap_or_else(Filter::for_commands)
    }

    fn load_config(&self) -> Result<Config> {
        Ok(Config::load(&self.flags(), std::env::vars_os())?)
    }
}

/// Nice value of worker threads (searches, imports), so that the serving thread has precedence.
const WORKER_NICENESS: i32 = 10;

/// Builds the single-threaded runtime of a command or of the server.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let lower_priority = || {
        if let Err(error) = rustix::process::setpriority_process(None, WORKER_NICENESS) {
            tracing::debug!(%error, "thread priority not lowered");
        }
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().on_thread_start(lower_priority).build()?)
}
