//! The configuration: built-in defaults, then a TOML file, then the environment, then flags. It is
//! checked as a whole, and all problems are reported at once.

// A setting of any other form is refused.
#![allow(clippy::wildcard_enum_match_arm)]

mod exposure;
mod identities;
mod layers;
mod limits;
mod lists;
mod operations;
mod origin;
mod permissions;
mod raw_value;
mod tls;

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use exposure::ExposureDraft;
pub use exposure::{ChainRequirements, ExposureSettings};
use identities::ListenSafety;
pub use identities::{CertificateName, Identity, check_identity_name};
use layers::Setting;
pub use limits::{Drain, Limits};
use lists::ListDrafts;
pub use origin::{ConfigError, Origin, Problem};
pub use permissions::{AccessRole, Permission, PermissionSet};
use raw_value::RawValue;
use tls::TlsDraft;
pub use tls::TlsFiles;

use crate::refresh::ListSettings;
use crate::telemetry::{Filter, LogFormat, TraceSettings};

/// The top-level keys, in the order of the example file; the last nine hold tables.
const KEYS: [&str; 23] = [
    "data_dir",
    "listen",
    "starter_lists",
    "offline",
    "allow_stale",
    "log",
    "log_format",
    "cache_mib",
    "policy",
    "shadow_policy",
    "allow_anonymous",
    "allow_plaintext",
    "operations",
    "unready_when_stale",
    "lists",
    "exposure",
    "chains",
    "assets",
    "limits",
    "drain",
    "tls",
    "identities",
    "traces",
];

/// Default listen address: only this machine can reach it.
const LISTEN: &str = "127.0.0.1:50551";

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The directory of the store and of the running server's endpoint file.
    pub data_dir: PathBuf,
    /// The listen address; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Whether the starter lists are loaded unless the store has newer ones.
    pub starter_lists: bool,
    /// Whether no source is ever contacted.
    pub offline: bool,
    /// Whether stale lists may give ALLOW: for trials only.
    pub allow_stale: bool,
    pub log: Filter,
    pub log_format: LogFormat,
    /// The store's cache, in MiB.
    pub cache_mib: u64,
    /// The policy file; `None`: the built-in policy.
    pub policy: Option<PathBuf>,
    /// The file of the shadow policy, whose decisions are only reported.
    pub shadow_policy: Option<PathBuf>,
    /// By id.
    pub lists: Vec<ListSettings>,
    pub exposure: ExposureSettings,
    pub limits: Limits,
    pub drain: Drain,
    /// Whether a server that other machines reach accepts calls without an identity.
    pub allow_anonymous: bool,
    /// Whether a server that other machines reach accepts tokens without TLS.
    pub allow_plaintext: bool,
    /// `None`: without TLS.
    pub tls: Option<TlsFiles>,
    /// By name; if empty, every caller has all permissions.
    pub identities: Vec<Identity>,
    /// The address of the operations port (metrics and health); `None`: no such port.
    pub operations: Option<SocketAddr>,
    /// Whether a required list that is stale makes the server unready.
    pub unready_when_stale: bool,
    pub traces: TraceSettings,
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
        let mut problems = Vec::new();
        let mut settings = Vec::new();
        if let Some(path) = flags.config.clone().or_else(|| variable(layers::CONFIG_VARIABLE)) {
            match layers::read_file(&path) {
                Ok(file) => settings.extend(file),
                Err(problem) => problems.push(problem),
            }
        }
        settings.extend(layers::read_environment(&environment, &mut problems));
        for argument in &flags.set {
            match layers::parse_set(argument) {
                Ok(setting) => settings.push(setting),
                Err(problem) => problems.push(problem),
            }
        }
        settings.extend(flag_settings(flags));

        let data_dir = default_data_dir(variable("XDG_DATA_HOME"), variable("HOME"));
        let mut draft = ConfigDraft::new(data_dir);
        for setting in &settings {
            if let Err(message) = draft.apply(setting) {
                problems.push(Problem { origin: setting.origin.clone(), message });
            }
        }
        if let Some(path) = &flags.data_dir {
            draft.config.data_dir.clone_from(path);
        }
        let config = draft.finish(flags.serving, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }
}

/// A configuration to which settings are applied.
struct ConfigDraft {
    config: Config,
    lists: ListDrafts,
    exposure: ExposureDraft,
    tls: TlsDraft,
    identities: identities::IdentityDrafts,
    /// The origins of `listen` and `allow_anonymous`.
    listen: Origin,
    allow_anonymous: Origin,
}

impl ConfigDraft {
    fn new(data_dir: PathBuf) -> Self {
        let config = Config {
            data_dir,
            listen: LISTEN.parse().expect("the default is an address: a test reads it"),
            starter_lists: true,
            offline: false,
            allow_stale: false,
            log: Filter::default(),
            log_format: LogFormat::Text,
            cache_mib: 64,
            policy: None,
            shadow_policy: None,
            lists: Vec::new(),
            exposure: ExposureDraft::new().finish(&mut Vec::new()),
            limits: Limits::default(),
            drain: Drain::default(),
            allow_anonymous: false,
            allow_plaintext: false,
            tls: None,
            identities: Vec::new(),
            operations: None,
            unready_when_stale: false,
            traces: TraceSettings::default(),
        };
        Self {
            config,
            lists: ListDrafts::built_in(),
            exposure: ExposureDraft::new(),
            tls: TlsDraft::default(),
            identities: identities::IdentityDrafts::default(),
            listen: Origin::Default,
            allow_anonymous: Origin::Default,
        }
    }

    /// Checks the configuration as a whole; with `serving` also whether it is safe to listen.
    fn finish(self, serving: bool, problems: &mut Vec<Problem>) -> Config {
        let mut config = self.config;
        config.lists = self.lists.finish(problems);
        config.exposure = self.exposure.finish(problems);
        config.tls = self.tls.finish(problems);
        let verifies_clients = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        config.identities = self.identities.finish(verifies_clients, problems);
        if config.allow_anonymous && !config.identities.is_empty() {
            let message = "allow_anonymous: contradicts the configured identities; remove one or the \
                           other";
            let origin = self.allow_anonymous;
            problems.push(Problem { origin, message: message.to_owned() });
        }
        let safety = ListenSafety {
            listen: config.listen.ip(),
            origin: &self.listen,
            identities: &config.identities,
            tls: config.tls.is_some(),
            allow_anonymous: config.allow_anonymous,
            allow_plaintext: config.allow_plaintext,
        };
        // Other problems may be the reason for missing identities or TLS.
        if serving && problems.is_empty() {
            problems.extend(safety.problem());
        }
        config
    }

    fn apply(&mut self, setting: &Setting) -> Result<(), String> {
        let config = &mut self.config;
        let given = &setting.given;
        let key: Vec<&str> = setting.key.iter().map(String::as_str).collect();
        let in_key = |message| format!("{}: {message}", setting.key.join("."));
        match key.as_slice() {
            ["lists", id] => return self.lists.apply(id, None, setting).map_err(in_key),
            ["lists", id, key] => {
                let known = lists::KEYS.contains(key);
                let applied = self.lists.apply(id, Some(key), setting);
                return if known { applied.map_err(in_key) } else { applied };
            }
            ["identities", name] => {
                return self.identities.apply(name, None, setting).map_err(in_key);
            }
            ["identities", name, key] if identities::KEYS.contains(key) => {
                return self.identities.apply(name, Some(key), setting).map_err(in_key);
            }
            ["tls", key] if tls::KEYS.contains(key) => {
                return self.tls.apply(key, setting).map_err(in_key);
            }
            ["exposure", key] if exposure::KEYS.contains(key) => {
                return self.exposure.apply(key, given).map_err(in_key);
            }
            ["chains", chain] => {
                return check_table(given)
                    .and_then(|()| exposure::parse_chain(chain).map(drop))
                    .map_err(in_key);
            }
            ["chains", chain, key] if exposure::CHAIN_KEYS.contains(key) => {
                return self.exposure.apply_chain(chain, key, given).map_err(in_key);
            }
            ["limits", key] if limits::KEYS.contains(key) => {
                return config.limits.apply(key, given).map_err(in_key);
            }
            ["drain", key] if limits::DRAIN_KEYS.contains(key) => {
                return config.drain.apply(key, given).map_err(in_key);
            }
            ["traces", key] if operations::TRACE_KEYS.contains(key) => {
                return operations::apply(&mut config.traces, key, given).map_err(in_key);
            }
            ["assets", _] | ["assets", _, _] => return check_table(given).map_err(in_key),
            ["assets", chain, asset, key] if exposure::ASSET_KEYS.contains(key) => {
                return self.exposure.apply_asset(chain, asset, key, setting).map_err(in_key);
            }
            [key] if KEYS.contains(key) => {}
            _ => return Err(format!("unknown key \"{}\"", setting.key.join("."))),
        }
        match key[0] {
            "listen" => self.listen.clone_from(&setting.origin),
            "allow_anonymous" => self.allow_anonymous.clone_from(&setting.origin),
            _ => {}
        }
        let applied = match key[0] {
            "data_dir" => given.text().map(|text| config.data_dir = text.into()),
            "listen" => given.text().and_then(parse_listen).map(|address| config.listen = address),
            "starter_lists" => given.boolean().map(|flag| config.starter_lists = flag),
            "offline" => given.boolean().map(|flag| config.offline = flag),
            "allow_stale" => given.boolean().map(|flag| config.allow_stale = flag),
            "allow_anonymous" => given.boolean().map(|flag| config.allow_anonymous = flag),
            "allow_plaintext" => given.boolean().map(|flag| config.allow_plaintext = flag),
            "operations" => operations::parse_address(given).map(|at| config.operations = Some(at)),
            "unready_when_stale" => given.boolean().map(|flag| config.unready_when_stale = flag),
            "log" => given.parse().map(|filter| config.log = filter),
            "log_format" => given.parse().map(|format| config.log_format = format),
            "cache_mib" => given.integer(1..=65_536).map(|mib| config.cache_mib = mib),
            "policy" => given.text().map(|text| config.policy = Some(text.into())),
            "shadow_policy" => given.text().map(|text| config.shadow_policy = Some(text.into())),
            _ => check_table(given),
        };
        applied.map_err(in_key)
    }
}

/// Fails unless the value is a table.
fn check_table(given: &RawValue) -> Result<(), String> {
    match given {
        RawValue::Table => Ok(()),
        _ => Err("must be a table".to_owned()),
    }
}

/// Returns the settings of the named flags, except the data directory, which need not be UTF-8.
fn flag_settings(flags: &Flags) -> Vec<Setting> {
    let setting = |flag: &str, key: &str, given: RawValue| Setting {
        key: vec![key.to_owned()],
        given,
        origin: Origin::Flag(flag.to_owned()),
    };
    let listen =
        flags.listen.clone().map(|text| setting("--listen", "listen", RawValue::Text(text)));
    let offline = flags.offline.then(|| setting("--offline", "offline", RawValue::Boolean(true)));
    let allow_stale =
        flags.allow_stale.then(|| setting("--allow-stale", "allow_stale", RawValue::Boolean(true)));
    let allow_anonymous = flags
        .allow_anonymous
        .then(|| setting("--allow-anonymous", "allow_anonymous", RawValue::Boolean(true)));
    [listen, offline, allow_stale, allow_anonymous].into_iter().flatten().collect()
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("invalid address {text:?}; use IP:PORT, such as {LISTEN}"))
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
