//! The configuration: built-in defaults, then a TOML file, then the environment, then flags. It is
//! checked as a whole, and all problems are reported at once.

mod decision_log;
mod documents;
mod exposure;
mod identities;
mod layers;
mod limits;
mod lists;
mod origin;
mod permissions;
mod settings;
mod tls;
mod values;

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::MapAccess;

pub use decision_log::{CustomerReference, DecisionLogSettings, Durability, OnLogFailure};
pub use documents::{example, help, reference};
use exposure::{AssetKeys, ChainTable};
pub use exposure::{ChainRequirements, ExposureSettings, LabelSettings, LabelSettingsError};
pub use identities::{CertificateName, Identity, check_identity_name};
pub use limits::{Drain, Limits};
use lists::ListTable;
pub use origin::{ConfigError, Origin, Problem};
pub use permissions::{AccessRole, Permission, PermissionSet};
use settings::{Named, Reading, Table, table};
pub use tls::TlsFiles;
use tls::TlsTable;
use values::{boolean, fraction, integer, parsed, path, string_of};

use crate::domain::chain::Chain;
use crate::domain::list::ListId;
use crate::domain::transfer::Asset;
use crate::refresh::ListSettings;
use crate::telemetry::{Filter, LogFormat, TraceSettings};

/// Default listen address: only this machine can reach it.
const LISTEN: &str = "127.0.0.1:50551";

/// The longest endpoint of a collector, in bytes.
const MAX_ENDPOINT: usize = 1024;

table! {
    /// The keys of the top level.
    pub struct Config {
        /// The directory of the store. One process at a time can use it.
        data_dir: PathBuf = path()
            .or("lazaretto-data")
            .without("`$XDG_DATA_HOME/lazaretto`, else `~/.local/share/lazaretto`, else `lazaretto-data`")
            .example("/var/lib/lazaretto");
        /// The address and port of the gRPC service. Port 0 takes any free port. Beyond this machine the
        /// server needs `identities`, or `allow_anonymous`.
        listen: SocketAddr = parsed("IP:PORT", |text| parse_address(text, LISTEN)).or(LISTEN);
        /// Accept calls without an identity on an address that other machines reach. Every caller may
        /// then do everything. Excludes `identities`.
        allow_anonymous: bool = boolean().or(false);
        /// Accept tokens without TLS on an address that other machines reach. For a server behind a proxy
        /// that ends TLS.
        allow_plaintext: bool = boolean().or(false);
        /// Load the lists that the program carries, unless the store has newer ones.
        starter_lists: bool = boolean().or(true);
        /// Contact no source over the network. Sources that are files are still read.
        offline: bool = boolean().or(false);
        /// Let stale lists give ALLOW. For trials only.
        allow_stale: bool = boolean().or(false);
        /// The filter of the server's log: `off`, `error`, `warn`, `info`, `debug` or `trace`, or
        /// directives such as `warn,lazaretto=debug`. The log goes to standard error.
        log: Filter = string_of::<Filter>("filter").or(Filter::default());
        /// The format of the server's log.
        log_format: LogFormat = string_of::<LogFormat>("`text` or `json`").or("text");
        /// The policy file, as docs/policy.md explains. It is checked every two seconds, and a changed
        /// file takes effect whole or not at all.
        policy: Option<PathBuf> = path().without("the built-in policy").example("/etc/lazaretto/policy.toml");
        /// The file of a second policy. Every answer reports what it would decide; it decides nothing.
        shadow_policy: Option<PathBuf> = path().example("/etc/lazaretto/next-policy.toml");
        /// The store's cache, in MiB.
        cache_mib: u64 = integer::<u64>(1..=65_536).or(64);
        /// The address of the operations port: `/metrics`, `/livez`, `/readyz`, `/startupz` and gRPC
        /// health, without TLS or authentication. It shows nothing secret.
        operations: Option<SocketAddr> = parsed("IP:PORT", |text| parse_address(text, "127.0.0.1:50552"))
            .without("no such port")
            .example("127.0.0.1:50552");
        /// Report the server as not ready while a required list is stale. All instances would leave the
        /// load balancer at once, and answers are INCOMPLETE anyway.
        unready_when_stale: bool = boolean().or(false);
    }
    tables {
        limits: Limits;
        drain: Drain;
        decision_log: DecisionLogSettings;
        exposure: ExposureSettings;
    }
    also {
        /// The origins of `policy` and `shadow_policy`.
        policy_origins: [Origin; 2] = [Origin::Default, Origin::Default];
        /// By id.
        lists: Vec<ListSettings> = Vec::new();
        /// `None`: without TLS.
        tls: Option<TlsFiles> = None;
        /// By name; if empty, every caller has all permissions.
        identities: Vec<Identity> = Vec::new();
        traces: TraceSettings = TraceSettings::default();
    }
}

table! {
    /// Traces, sent by OTLP over gRPC.
    pub struct TraceTable {
        /// The collector.
        endpoint: Option<String> = parsed("http://HOST:PORT", parse_endpoint)
            .without("calls are not traced")
            .example("http://127.0.0.1:4317");
        /// The fraction of calls that are traced. A caller's own decision to sample takes precedence.
        sample: f64 = fraction().or(TraceSettings::default().sample);
    }
}

/// The settings of the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub listen: Option<String>,
    pub offline: bool,
    pub allow_stale: bool,
    pub allow_anonymous: bool,
    /// Whether the configuration is for a server, and must be safe to listen with.
    pub serving: bool,
    pub set: Vec<String>,
}

impl Config {
    /// Reads and checks the configuration. `environment` has all variables of the process. The error has
    /// every problem with its origin.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let variable = |name: &str| {
            let found = environment.iter().find(|(found, _)| found == OsStr::new(name));
            found.map(|(_, value)| PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty())
        };
        let path = flags.config.clone().or_else(|| variable(layers::CONFIG_VARIABLE));
        let text = path.as_deref().map(layers::read_file).transpose();

        let mut draft = Draft::default();
        draft.config.data_dir = default_data_dir(variable("XDG_DATA_HOME"), variable("HOME"));
        let mut reading = Reading::new();
        match (&path, &text) {
            (Some(path), Ok(Some(text))) => reading.file(&mut draft, path, text),
            (Some(path), Err(message)) => {
                reading.problem(Origin::File(path.clone(), 0), message);
            }
            (Some(_) | None, _) => {}
        }
        layers::apply_environment(&mut draft, &environment, &mut reading);
        for argument in &flags.set {
            layers::apply_set(&mut draft, argument, &mut reading);
        }
        for (flag, key, text) in flags.settings() {
            let origin = Origin::Flag(flag.to_owned());
            layers::apply_text(&mut draft, vec![key.to_owned()], text, origin, &mut reading);
        }
        if let Some(path) = &flags.data_dir {
            draft.config.data_dir.clone_from(path);
        }
        let config = draft.finish(flags.serving, &mut reading);
        reading.finish().map(|()| config)
    }
}

impl Flags {
    /// Returns the settings of the named flags, except the data directory, which need not be UTF-8.
    fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let given = |flag: bool| flag.then_some("true");
        let settings = [
            ("--listen", "listen", self.listen.as_deref()),
            ("--offline", "offline", given(self.offline)),
            ("--allow-stale", "allow_stale", given(self.allow_stale)),
            ("--allow-anonymous", "allow_anonymous", given(self.allow_anonymous)),
        ];
        settings.into_iter().filter_map(|(flag, key, text)| Some((flag, key, text?)))
    }
}

/// A configuration onto which the layers are read.
struct Draft {
    config: Config,
    lists: Named<ListId, ListTable>,
    chains: Named<Chain, ChainTable>,
    assets: Named<Chain, Named<Asset, AssetKeys>>,
    tls: TlsTable,
    identities: Named<String, Identity>,
    traces: TraceTable,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            config: Config::default(),
            lists: Named::built_in(),
            chains: Named::default(),
            assets: Named::default(),
            tls: TlsTable::default(),
            identities: Named::default(),
            traces: TraceTable::default(),
        }
    }
}

impl Table for Draft {
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        reading: &mut Reading<'_>,
    ) -> bool {
        match key {
            "lists" => reading.table(map, &mut self.lists),
            "chains" => reading.table(map, &mut self.chains),
            "assets" => reading.table(map, &mut self.assets),
            "tls" => reading.table(map, &mut self.tls),
            "identities" => reading.table(map, &mut self.identities),
            "traces" => reading.table(map, &mut self.traces),
            _ => return self.config.read(key, map, reading),
        }
        true
    }
}

impl Draft {
    /// Checks the configuration as a whole; with `serving` also whether it is safe to listen.
    fn finish(self, serving: bool, reading: &mut Reading<'_>) -> Config {
        let mut config = self.config;
        config.lists = self.lists.finish(reading);
        config.exposure.chains = self.chains.finish();
        self.assets.finish(&mut config.exposure.assets, reading);
        config.tls = self.tls.finish(reading);
        let verifies_clients = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        config.identities = self.identities.finish(verifies_clients, reading);
        let TraceTable { endpoint, sample } = self.traces;
        config.traces = TraceSettings { endpoint, sample };
        config.policy_origins = ["policy", "shadow_policy"].map(|key| reading.origin_of(key));
        if config.allow_anonymous && !config.identities.is_empty() {
            let message = "contradicts the configured identities; remove one or the other";
            reading.problem_with("allow_anonymous", message);
        }
        // Other problems may be the reason for missing identities or TLS.
        if serving
            && reading.problems.is_empty()
            && let Some(message) = config.unsafe_to_listen()
        {
            reading.problem_with("listen", message);
        }
        config
    }
}

fn parse_address(text: &str, example: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("invalid address {text:?}; use IP:PORT, such as {example}"))
}

/// Parses `http://HOST:PORT`; OTLP over gRPC has no path.
fn parse_endpoint(text: &str) -> Result<String, String> {
    let message = || {
        format!("invalid endpoint {text:?}; use http://HOST:PORT, such as http://127.0.0.1:4317")
    };
    let uri: http::Uri = text.parse().map_err(|_| message())?;
    let is_whole = uri.scheme_str() == Some("http") && uri.port_u16().is_some();
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if is_whole && is_bare && has_host && plain && text.len() <= MAX_ENDPOINT {
        Ok(text.to_owned())
    } else {
        Err(message())
    }
}

/// `$XDG_DATA_HOME/lazaretto` (which must be absolute: XDG Base Directory Specification), else
/// `~/.local/share/lazaretto`, else `lazaretto-data` in the working directory.
fn default_data_dir(xdg: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    let xdg = xdg.filter(|path| path.is_absolute()).map(|path| path.join("lazaretto"));
    xdg.or_else(|| home.map(|home| home.join(".local/share/lazaretto")))
        .unwrap_or_else(|| PathBuf::from("lazaretto-data"))
}

#[cfg(test)]
mod tests;
