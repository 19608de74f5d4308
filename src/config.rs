//! The configuration: built-in defaults, then a TOML file, then the environment, then flags,
//! checked whole before anything starts. Opens nothing but the configuration file.

mod exposure;
mod given;
mod identities;
mod layers;
mod limits;
mod lists;
mod operations;
mod origin;
mod permissions;
mod tls;

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use exposure::ExposureDraft;
pub use exposure::{ChainTerms, ExposureSettings};
use given::Given;
use identities::Reach;
pub use identities::{CertificateName, Identity, check_name};
use layers::Setting;
pub use limits::{Drain, Limits};
use lists::Drafts;
pub use origin::{ConfigError, Origin, Problem};
pub use permissions::{Permission, PermissionSet, Role};
use tls::TlsDraft;
pub use tls::TlsFiles;

use crate::refresh::ListSettings;
use crate::telemetry::{Filter, LogFormat, TraceSettings};

/// The keys at the top, in the order of the example file; the last nine hold tables.
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

/// Where the server listens unless told otherwise: this machine alone can reach it.
const LISTEN: &str = "127.0.0.1:50551";

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder of the store and of the running server's address.
    pub data_dir: PathBuf,
    /// Where the server listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Whether the lists that the program carries are loaded where nothing newer is.
    pub starter_lists: bool,
    /// Whether no source is ever contacted.
    pub offline: bool,
    /// Whether stale lists may give ALLOW: for trials only.
    pub allow_stale: bool,
    pub log: Filter,
    pub log_format: LogFormat,
    /// The store's cache, in MiB.
    pub cache_mib: u64,
    /// The file of the policy; `None` for the built-in one.
    pub policy: Option<PathBuf>,
    /// The file of a policy that is evaluated beside it, and only reported.
    pub shadow_policy: Option<PathBuf>,
    /// The configured lists, in the order of their ids.
    pub lists: Vec<ListSettings>,
    pub exposure: ExposureSettings,
    /// What the server takes at once, and for whom it waits how long.
    pub limits: Limits,
    pub drain: Drain,
    /// Whether anybody who reaches the server may do everything, where it is reached from beyond
    /// this machine.
    pub allow_anonymous: bool,
    /// Whether tokens are taken without TLS from beyond this machine.
    pub allow_plaintext: bool,
    /// The files of TLS; `None` without it.
    pub tls: Option<TlsFiles>,
    /// Who may ask, in the order of their names; where there is nobody, everybody may.
    pub identities: Vec<Identity>,
    /// Where metrics and health are shown; `None`: nowhere but to those who call.
    pub operations: Option<SocketAddr>,
    /// Whether a required list that is stale makes the server unready.
    pub unready_when_stale: bool,
    /// Where traces go and how many.
    pub traces: TraceSettings,
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub listen: Option<String>,
    pub offline: bool,
    pub allow_stale: bool,
    pub allow_anonymous: bool,
    /// Whether a server is to be started by the configuration, which must be safe then.
    pub serving: bool,
    pub set: Vec<String>,
}

impl Config {
    /// Reads and checks the configuration: `environment` is all variables of the process. Every
    /// problem is reported, each with where it was given.
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
            match layers::file(&path) {
                Ok(file) => settings.extend(file),
                Err(problem) => problems.push(problem),
            }
        }
        settings.extend(layers::environment(&environment, &mut problems));
        for argument in &flags.set {
            match layers::set_flag(argument) {
                Ok(setting) => settings.push(setting),
                Err(problem) => problems.push(problem),
            }
        }
        settings.extend(named(flags));

        let data_dir = default_data_dir(variable("XDG_DATA_HOME"), variable("HOME"));
        let mut draft = Draft::new(data_dir);
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

/// A configuration while its settings come in.
struct Draft {
    config: Config,
    lists: Drafts,
    exposure: ExposureDraft,
    tls: TlsDraft,
    identities: identities::Drafts,
    /// Where `listen` and `allow_anonymous` were given.
    listen: Origin,
    allow_anonymous: Origin,
}

impl Draft {
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
            lists: Drafts::built_in(),
            exposure: ExposureDraft::new(),
            tls: TlsDraft::default(),
            identities: identities::Drafts::default(),
            listen: Origin::Default,
            allow_anonymous: Origin::Default,
        }
    }

    /// The configuration, checked as a whole; of one to serve by, also whether that is safe.
    fn finish(self, serving: bool, problems: &mut Vec<Problem>) -> Config {
        let mut config = self.config;
        config.lists = self.lists.finish(problems);
        config.exposure = self.exposure.finish(problems);
        config.tls = self.tls.finish(problems);
        let verifies_clients = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        config.identities = self.identities.finish(verifies_clients, problems);
        if config.allow_anonymous && !config.identities.is_empty() {
            let message = "allow_anonymous: identities are configured, which would be for nothing: \
                           take out one or the other";
            let origin = self.allow_anonymous;
            problems.push(Problem { origin, message: message.to_owned() });
        }
        let reach = Reach {
            listen: config.listen.ip(),
            origin: &self.listen,
            identities: &config.identities,
            tls: config.tls.is_some(),
            allow_anonymous: config.allow_anonymous,
            allow_plaintext: config.allow_plaintext,
        };
        // What is wrong otherwise may be why there is no identity or no TLS.
        if serving && problems.is_empty() {
            problems.extend(reach.danger());
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
                return table(given)
                    .and_then(|()| exposure::one_chain(chain).map(drop))
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
            ["assets", _] | ["assets", _, _] => return table(given).map_err(in_key),
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
            "listen" => given.text().and_then(listen).map(|address| config.listen = address),
            "starter_lists" => given.boolean().map(|flag| config.starter_lists = flag),
            "offline" => given.boolean().map(|flag| config.offline = flag),
            "allow_stale" => given.boolean().map(|flag| config.allow_stale = flag),
            "allow_anonymous" => given.boolean().map(|flag| config.allow_anonymous = flag),
            "allow_plaintext" => given.boolean().map(|flag| config.allow_plaintext = flag),
            "operations" => operations::address(given).map(|at| config.operations = Some(at)),
            "unready_when_stale" => given.boolean().map(|flag| config.unready_when_stale = flag),
            "log" => given.parse().map(|filter| config.log = filter),
            "log_format" => given.parse().map(|format| config.log_format = format),
            "cache_mib" => given.integer(1..=65_536).map(|mib| config.cache_mib = mib),
            "policy" => given.text().map(|text| config.policy = Some(text.into())),
            "shadow_policy" => given.text().map(|text| config.shadow_policy = Some(text.into())),
            _ => table(given),
        };
        applied.map_err(in_key)
    }
}

/// A key that holds further keys.
fn table(given: &Given) -> Result<(), String> {
    match given {
        Given::Table => Ok(()),
        _ => Err("must be a table".to_owned()),
    }
}

/// The settings of the flags that have a name of their own, but for the data directory, which
/// need not be UTF-8.
fn named(flags: &Flags) -> Vec<Setting> {
    let setting = |flag: &str, key: &str, given: Given| Setting {
        key: vec![key.to_owned()],
        given,
        origin: Origin::Flag(flag.to_owned()),
    };
    let listen = flags.listen.clone().map(|text| setting("--listen", "listen", Given::Text(text)));
    let offline = flags.offline.then(|| setting("--offline", "offline", Given::Boolean(true)));
    let allow_stale =
        flags.allow_stale.then(|| setting("--allow-stale", "allow_stale", Given::Boolean(true)));
    let allow_anonymous = flags
        .allow_anonymous
        .then(|| setting("--allow-anonymous", "allow_anonymous", Given::Boolean(true)));
    [listen, offline, allow_stale, allow_anonymous].into_iter().flatten().collect()
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IP address with a port, such as {LISTEN}"))
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
