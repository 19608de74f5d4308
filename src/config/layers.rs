//! Reads the layers of the configuration (file, environment, flags) as lists of settings.

use std::ffi::OsString;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::{Origin, Problem};
use super::raw_value::RawValue;

const PREFIX: &str = "LAZARETTO_";

/// The variable with the path of the configuration file.
pub const CONFIG_VARIABLE: &str = "LAZARETTO_CONFIG";

/// Variables of client commands, which are not keys of the configuration.
const CLIENT_VARIABLES: [&str; 5] =
    ["CA", "TOKEN", "TOKEN_FILE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// One key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The segments of the key: `["listen"]`, `["lists", "us-ofac-sdn", "url"]`.
    pub key: Vec<String>,
    pub given: RawValue,
    pub origin: Origin,
}

pub fn read_file(path: &Path) -> Result<Vec<Setting>, Problem> {
    let problem = |message: String| Problem { origin: Origin::File(path.to_owned(), 0), message };
    let size = std::fs::metadata(path).map_err(|error| problem(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(problem(format!("has {size} bytes, more than {MAX_FILE}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    parse_toml(path, &text)
}

/// Parses a TOML text; `path` is for the origins.
pub fn parse_toml(path: &Path, text: &str) -> Result<Vec<Setting>, Problem> {
    let origin = |offset: usize| {
        let before = text.as_bytes().iter().take(offset);
        Origin::File(path.to_owned(), 1 + before.filter(|byte| **byte == b'\n').count())
    };
    let table = DeTable::parse(text).map_err(|error| Problem {
        origin: origin(error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', ", "),
    })?;
    let mut settings = Vec::new();
    collect_settings(table.get_ref(), &mut Vec::new(), &origin, &mut settings);
    settings.sort_by_key(|(offset, _)| *offset);
    Ok(settings.into_iter().map(|(_, setting)| setting).collect())
}

/// Collects every table and value below `table`. The parser bounds the depth.
fn collect_settings(
    table: &DeTable<'_>,
    key: &mut Vec<String>,
    origin: &impl Fn(usize) -> Origin,
    settings: &mut Vec<(usize, Setting)>,
) {
    for (name, value) in table {
        key.push(name.get_ref().clone().into_owned());
        let offset = Spanned::span(name).start;
        let given = RawValue::from_toml(value.get_ref());
        settings.push((offset, Setting { key: key.clone(), given, origin: origin(offset) }));
        if let DeValue::Table(inner) = value.get_ref() {
            collect_settings(inner, key, origin, settings);
        }
        key.pop();
    }
}

/// Returns the settings among the variables of an environment: `LAZARETTO_LISTEN` is `listen`,
/// `LAZARETTO_LISTS__US_OFAC_SDN__URL` is `lists.us-ofac-sdn.url`. It skips the variable of the
/// configuration file, those of client commands, and those of tests (`LAZARETTO_TEST_...`).
pub fn read_environment(
    variables: &[(OsString, OsString)],
    problems: &mut Vec<Problem>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if name == CONFIG_VARIABLE || rest.starts_with("TEST_") || CLIENT_VARIABLES.contains(&rest)
        {
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
        settings.push(Setting { key, given: RawValue::Text(value.to_owned()), origin });
    }
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    settings
}

/// Parses `--set KEY=VALUE`: a dotted key as in TOML, and a plain value or a quoted TOML string.
pub fn parse_set(argument: &str) -> Result<Setting, Problem> {
    let Some((key, value)) = argument.split_once('=') else {
        let message = format!("invalid setting {argument:?}; use KEY=VALUE");
        return Err(Problem { origin: Origin::Flag("--set".to_owned()), message });
    };
    let (key, value) = (key.trim(), value.trim());
    let origin = Origin::Flag(format!("--set {key}"));
    let given = if value.starts_with(['"', '\'']) {
        match DeValue::parse(value) {
            Ok(value) => RawValue::from_toml(value.get_ref()),
            Err(error) => {
                return Err(Problem { origin, message: error.message().to_owned() });
            }
        }
    } else {
        RawValue::Text(value.to_owned())
    };
    let key = key.split('.').map(|segment| segment.trim().to_owned()).collect();
    Ok(Setting { key, given, origin })
}
