//! The settings of the decision log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lists::parse_url;
use super::settings::table;
use super::values::{Kind, boolean, duration, integer, parsed, path, string_of};

/// The longest name of a log, in bytes.
const MAX_NAME: usize = 128;

table! {
    /// The decision log: every screening on record, in a Merkle tree with signed checkpoints.
    pub struct DecisionLogSettings {
        /// Record every screening. Off, answers have no record, and nobody can prove or replay them.
        enabled: bool = boolean().or(true);
        /// The directory of the log. One process at a time can use it. It belongs on a volume of its own.
        directory: Option<PathBuf> = path()
            .without("`decision-log` in `data_dir`")
            .example("/var/log/lazaretto");
        /// The name in the origin line of checkpoints, such as a host name. A random part follows it.
        name: String = parsed("name", parse_name).or("lazaretto");
        /// When an answer leaves: `interval`, when its record is written, which a crash of the process
        /// loses nothing of and a loss of power up to `sync_interval`; or `fsync`, when its record is synced
        /// to disk.
        durability: Durability = string_of::<Durability>("`interval` or `fsync`").or("interval");
        /// The interval of syncs to disk, at most 15 minutes.
        sync_interval: Duration = sync_span().or("100ms");
        /// The shortest time between two signed checkpoints, at most 30 minutes.
        checkpoint_interval: Duration = checkpoint_span().or("10s");
        /// A file that every checkpoint is appended to, on a disk that others hold.
        checkpoint_file: Option<PathBuf> = path().example("/mnt/witness/checkpoints");
        /// A URL that every checkpoint is sent to by POST, as text.
        checkpoint_url: Option<String> = parsed("URL", parse_url).example("https://witness.example/log");
        /// What is recorded of the customer's reference of a payment: `none`, `hashed` with the key in
        /// `customer_key_file`, or `plain`.
        customer_reference: CustomerReference =
            string_of::<CustomerReference>("`none`, `hashed` or `plain`").or("none");
        /// The key for hashed references of customers: 32 bytes or more, read at the start.
        customer_key_file: Option<PathBuf> = path().example("/etc/lazaretto/customer.key");
        /// What happens to an answer that cannot be recorded, as on a full disk: `refuse` it with
        /// UNAVAILABLE (`NOT_RECORDED`), or `answer` without a record and raise an alert.
        on_failure: OnLogFailure = string_of::<OnLogFailure>("`refuse` or `answer`").or("refuse");
        /// The age from which records are removed, in days. Records of BLOCK and records on hold stay. 31 CFR
        /// 501.601 asks for ten years.
        retention_days: u32 = integer::<u32>(1..=36_500).or(3_653);
        /// The size from which the oldest records are removed, in GiB of all segments: before their age, so
        /// set it only where the disk counts for more. Records of BLOCK and records on hold stay.
        retention_gib: Option<u32> = integer::<u32>(1..=1 << 20).without("any size").example("500");
        /// The most memory of a replay, in MiB: the graph of the transfers of then. 4,096 are some ten
        /// million transfers. A record that needs more is not replayed.
        replay_mib: u64 = integer::<u64>(16..=1 << 24).or(4_096);
        /// How long an idempotency key is known.
        idempotency_window: Duration = span().or("1d");
    }
}

impl DecisionLogSettings {
    /// Returns where the log is.
    pub fn directory_below(&self, data_dir: &Path) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| data_dir.join("decision-log"))
    }
}

/// When an answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Durability {
    Interval,
    Fsync,
}

/// What is recorded of a customer's reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum CustomerReference {
    None,
    Hashed,
    Plain,
}

/// What happens to an answer that cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum OnLogFailure {
    Refuse,
    Answer,
}

/// A time of at least a millisecond and at most a month.
fn span() -> Kind<Duration> {
    duration(check_span)
}

fn check_span(time: Duration) -> Result<Duration, String> {
    match time {
        time if time < Duration::from_millis(1) => Err("must be at least 1ms".to_owned()),
        time if time > Duration::from_secs(31 * 86_400) => Err("must be at most 31d".to_owned()),
        time => Ok(time),
    }
}

/// A time after which all is synced. With that of a checkpoint it is far less than an hour: where checkpoints
/// are missing for longer, they were removed.
fn sync_span() -> Kind<Duration> {
    duration(|time| check_minutes(time, 15))
}

fn checkpoint_span() -> Kind<Duration> {
    duration(|time| check_minutes(time, 30))
}

fn check_minutes(time: Duration, most: u64) -> Result<Duration, String> {
    match check_span(time)? {
        time if time > Duration::from_secs(60 * most) => Err(format!("must be at most {most}min")),
        time => Ok(time),
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(format!("1 to {MAX_NAME} letters, digits, dots, dashes, underscores and slashes"))
}
