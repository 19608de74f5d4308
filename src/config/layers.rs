//! The layers of the configuration (file, environment, flags) as settings, in the order in which
//! they apply. Knows how keys are written in each layer, not which keys there are.

use std::ffi::OsString;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::given::Given;
use super::origin::{Origin, Problem};

/// What every variable of this program begins with.
const PREFIX: &str = "LAZARETTO_";

/// The variable that names the configuration file.
pub const CONFIG_VARIABLE: &str = "LAZARETTO_CONFIG";

/// Variables of commands that ask a server: no keys of the configuration.
const OF_CLIENTS: [&str; 5] = ["CA", "TOKEN", "TOKEN_FILE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// One key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key, a segment each: `["listen"]`, `["lists", "us-ofac-sdn", "url"]`.
    pub key: Vec<String>,
    pub given: Given,
    pub origin: Origin,
}

pub fn file(path: &Path) -> Result<Vec<Setting>, Problem> {
    let problem = |message: String| Problem { origin: Origin::File(path.to_owned(), 0), message };
    let size = std::fs::metadata(path).map_err(|error| problem(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(problem(format!("has {size} bytes, more than {MAX_FILE}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    toml(path, &text)
}

/// The settings of a TOML text; `path` is for the origins.
pub fn toml(path: &Path, text: &str) -> Result<Vec<Setting>, Problem> {
    let origin = |offset: usize| {
        let before = text.as_bytes().iter().take(offset);
        Origin::File(path.to_owned(), 1 + before.filter(|byte| **byte == b'\n').count())
    };
    let table = DeTable::parse(text).map_err(|error| Problem {
        origin: origin(error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', ", "),
    })?;
    let mut settings = Vec::new();
    walk(table.get_ref(), &mut Vec::new(), &origin, &mut settings);
    settings.sort_by_key(|(offset, _)| *offset);
    Ok(settings.into_iter().map(|(_, setting)| setting).collect())
}

/// Every table and value below `table`; the parser bounds the depth.
fn walk(
    table: &DeTable<'_>,
    key: &mut Vec<String>,
    origin: &impl Fn(usize) -> Origin,
    settings: &mut Vec<(usize, Setting)>,
) {
    for (name, value) in table {
        key.push(name.get_ref().clone().into_owned());
        let offset = Spanned::span(name).start;
        let given = Given::from_toml(value.get_ref());
        settings.push((offset, Setting { key: key.clone(), given, origin: origin(offset) }));
        if let DeValue::Table(inner) = value.get_ref() {
            walk(inner, key, origin, settings);
        }
        key.pop();
    }
}

/// The settings among the variables of an environment: `LAZARETTO_LISTEN` is `listen`,
/// `LAZARETTO_LISTS__US_OFAC_SDN__URL` is `lists.us-ofac-sdn.url`. Left out: the variable of the
/// configuration file, those of commands that ask, and those of tests (`LAZARETTO_TEST_...`).
pub fn environment(
    variables: &[(OsString, OsString)],
    problems: &mut Vec<Problem>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if name == CONFIG_VARIABLE || rest.starts_with("TEST_") || OF_CLIENTS.contains(&rest) {
            continue;
        }
        let origin = Origin::Variable(name.clone().into_owned());
        let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let Some(value) = value.to_str() else {
            problems.push(Problem { origin, message: "is not UTF-8".to_owned() });
            continue;
        };
        if !rest.bytes().all(upper) {
            problems.push(Problem { origin, message: "unknown variable".to_owned() });
            continue;
        }
        let mut key: Vec<String> = rest.to_lowercase().split("__").map(str::to_owned).collect();
        if let [lists, id, ..] = key.as_mut_slice()
            && (lists == "lists" || lists == "identities")
        {
            *id = id.replace('_', "-");
        }
        settings.push(Setting { key, given: Given::Text(value.to_owned()), origin });
    }
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    settings
}

/// A `--set KEY=VALUE`: the key dotted as in TOML, the value plain or a quoted TOML string.
pub fn set_flag(argument: &str) -> Result<Setting, Problem> {
    let Some((key, value)) = argument.split_once('=') else {
        let message = format!("{argument:?} is not KEY=VALUE");
        return Err(Problem { origin: Origin::Flag("--set".to_owned()), message });
    };
    let (key, value) = (key.trim(), value.trim());
    let origin = Origin::Flag(format!("--set {key}"));
    let given = if value.starts_with(['"', '\'']) {
        match DeValue::parse(value) {
            Ok(value) => Given::from_toml(value.get_ref()),
            Err(error) => {
                return Err(Problem { origin, message: error.message().to_owned() });
            }
        }
    } else {
        Given::Text(value.to_owned())
    };
    let key = key.split('.').map(|segment| segment.trim().to_owned()).collect();
    Ok(Setting { key, given, origin })
}
