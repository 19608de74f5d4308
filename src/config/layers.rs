//! The layers of the configuration in the order of their precedence: file, environment, flags.

use std::ffi::OsString;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::origin::Origin;
use super::settings::{Reading, Table};

const PREFIX: &str = "LAZARETTO_";

/// The variable with the path of the configuration file.
pub const CONFIG_VARIABLE: &str = "LAZARETTO_CONFIG";

/// Variables of client commands, which are not keys of the configuration.
const CLIENT_VARIABLES: [&str; 5] =
    ["CA", "TOKEN", "TOKEN_FILE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The most segments that are looked at of a key in a variable or a flag: no key has as many.
const MAX_SEGMENTS: usize = 8;

/// Returns the variable of a key, such as `limits.calls`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Returns the text of a configuration file, or why it cannot be read.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("has {size} bytes, more than {MAX_FILE}"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Applies the settings among the variables of an environment: `LAZARETTO_LISTEN` is `listen`,
/// `LAZARETTO_LISTS__US_OFAC_SDN__URL` is `lists.us-ofac-sdn.url`. Skips the variable of the
/// configuration file, those of client commands, and those of tests (`LAZARETTO_TEST_...`).
pub(super) fn apply_environment(
    root: &mut impl Table,
    variables: &[(OsString, OsString)],
    reading: &mut Reading<'_>,
) {
    let mut variables: Vec<_> = variables.iter().collect();
    variables.sort();
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
            reading.problem(origin, "is not UTF-8");
            continue;
        };
        if !rest.bytes().all(upper) {
            reading.problem(origin, "unknown variable");
            continue;
        }
        let mut key: Vec<String> = rest.to_lowercase().split("__").map(str::to_owned).collect();
        if let [lists, id, ..] = key.as_mut_slice()
            && (lists == "lists" || lists == "identities")
        {
            *id = id.replace('_', "-");
        }
        apply_text(root, key, value, origin, reading);
    }
}

/// Applies `--set KEY=VALUE`: a dotted key as in TOML, and a plain value or a quoted TOML string.
pub(super) fn apply_set(root: &mut impl Table, argument: &str, reading: &mut Reading<'_>) {
    let Some((key, value)) = argument.split_once('=') else {
        let message = "not KEY=VALUE".to_owned();
        return reading.problem(Origin::Flag("--set".to_owned()), message);
    };
    let (key, value) = (key.trim(), value.trim());
    let origin = Origin::Flag(format!("--set {key}"));
    let key = key.split('.').map(|segment| segment.trim().to_owned()).collect();
    if !value.starts_with(['"', '\'']) {
        return apply_text(root, key, value, origin, reading);
    }
    match DeValue::parse(value) {
        Ok(value) => apply(root, key, value.into_inner(), false, origin, reading),
        Err(error) => reading.problem(origin, error.message()),
    }
}

/// Applies one key; its kind parses the text.
pub(super) fn apply_text(
    root: &mut impl Table,
    key: Vec<String>,
    text: &str,
    origin: Origin,
    reading: &mut Reading<'_>,
) {
    apply(root, key, DeValue::String(text.into()), true, origin, reading);
}

fn apply(
    root: &mut impl Table,
    key: Vec<String>,
    value: DeValue<'_>,
    is_text: bool,
    origin: Origin,
    reading: &mut Reading<'_>,
) {
    if key.len() > MAX_SEGMENTS {
        return reading.problem(origin, format!("unknown key \"{}\"", key.join(".")));
    }
    let document = key.into_iter().rev().fold(value, |value, segment| {
        let entry = (Spanned::new(0..0, segment.into()), Spanned::new(0..0, value));
        DeValue::Table(DeTable::from_iter([entry]))
    });
    let document = ValueDeserializer::from(Spanned::new(0..0, document));
    reading.overlay(root, origin, is_text, document);
}
