//! What is fuzzed: every reader, the request of every method, policies, the configuration, backups
//! and addresses. Whatever the bytes, a target must not panic, hang or fill the memory.

use std::io::{self, Write};
use std::path::Path;

use lazaretto::config::{Config, Flags};
use lazaretto::domain::address::{Address, Encoding, Reading};
use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{Asset, Transfer};
use lazaretto::engine::check_named_record;
use lazaretto::screening::policy::Policy;
use lazaretto::source::rows::Progress;
use lazaretto::source::transfers::{ReadSettings, Reject, TransferBounds, TransferFormat};
use lazaretto::source::{self, Bounds, Format};
use lazaretto::store::verify_backup;

#[path = "requests.rs"]
pub mod requests;

/// One target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file of a list.
    List(Format),
    /// A file of transfers, in any container. `None`: the format is detected.
    Transfers(Option<TransferFormat>),
    /// Addresses as people and lists write them.
    Addresses,
    Policy,
    Configuration,
    Backup,
    /// The check of a request's bytes, against prost.
    Messages,
    /// A call of any method, answered by a server.
    Calls,
}

impl Target {
    pub fn all() -> Vec<Self> {
        let lists = Format::ALL.map(Self::List);
        let transfers = TransferFormat::ALL.map(|format| Self::Transfers(Some(format)));
        let others = [
            Self::Transfers(None),
            Self::Addresses,
            Self::Policy,
            Self::Configuration,
            Self::Backup,
            Self::Messages,
            Self::Calls,
        ];
        lists.into_iter().chain(transfers).chain(others).collect()
    }

    /// Its name, and that of its folder of seeds. Readers are named as by `--format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::List(format) => format.as_str(),
            Self::Transfers(Some(format)) => format.as_str(),
            Self::Transfers(None) => "any-transfers",
            Self::Addresses => "addresses",
            Self::Policy => "policy",
            Self::Configuration => "configuration",
            Self::Backup => "backup",
            Self::Messages => "messages",
            Self::Calls => "calls",
        }
    }

    pub fn run(self, bytes: &[u8]) {
        match self {
            Self::List(format) => drop(source::read(bytes, format, &Bounds::default())),
            Self::Transfers(format) => in_file(bytes, |path| read_transfers(path, format)),
            Self::Addresses => read_addresses(&String::from_utf8_lossy(bytes)),
            Self::Policy => drop(Policy::parse(&String::from_utf8_lossy(bytes))),
            Self::Configuration => in_file(bytes, |path| {
                let flags = Flags { config: Some(path.to_owned()), ..Flags::default() };
                drop(Config::load(&flags, []));
            }),
            Self::Backup => drop(verify_backup(bytes, &check_named_record)),
            Self::Messages => requests::check(bytes),
            Self::Calls => requests::call(bytes),
        }
    }
}

fn in_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(bytes).expect("a temporary file can be written");
    read(file.path());
}

/// Reads a file within bounds that keep a run short. Rows that are not understood are rejected, so
/// that the rows behind them are read too.
fn read_transfers(path: &Path, format: Option<TransferFormat>) {
    let bounds = TransferBounds { max_unpacked: 16 << 20, ..TransferBounds::default() };
    let settings = ReadSettings { format, bounds, ..ReadSettings::default() };
    let decimals = |_: &Chain, asset: &Asset| (*asset == Asset::Native).then_some(18);
    let mut reject = |_: &Reject<'_>| Ok(());
    let mut sink = |_: Vec<Transfer>, _: Progress| Ok::<_, io::Error>(());
    drop(source::transfers::read(path, &settings, &decimals, Some(&mut reject), &mut sink));
}

/// An address that is understood is understood alike in its canonical form. One of a chain without
/// a known form is so on that chain.
fn read_addresses(text: &str) {
    if let Ok(address) = Address::parse(text, None) {
        let canonical = address.canonical();
        let is_verbatim = address.encoding() == Encoding::Verbatim;
        let chain = address.chains().first().filter(|_| is_verbatim);
        let again = Address::parse(canonical, chain);
        let again = again.unwrap_or_else(|error| panic!("{text:?}: {canonical:?}: {error}"));
        assert_eq!(again.key_ids(), address.key_ids(), "{text:?}: {canonical:?}");
    }
    drop(Reading::from_query(text, None));
    drop(Reading::from_list_cell(text, "XBT"));
}
