//! What is written from the tables of keys: lazaretto.example.toml, docs/configuration.md, and the
//! help of flags.

use super::decision_log::DecisionLogSettings;
use super::exposure::{AssetKeys, ChainTable, ExposureSettings};
use super::identities::Identity;
use super::layers::variable;
use super::limits::{Drain, Limits};
use super::lists::ListTable;
use super::tls::TlsTable;
use super::values::Key;
use super::{Config, TraceTable};

/// The width of comments in the example.
const WIDTH: usize = 100;

const EXAMPLE: &str = "\
The configuration of Lazaretto: every key, with its default or an example. Generated from \
the tables in src/config by UPDATE_GOLDENS=1 cargo test --lib -- config::documents.

Lines that begin with '#' and no space show defaults. Name the file with --config FILE or \
LAZARETTO_CONFIG. A key can also be a variable (LAZARETTO_LISTEN; LAZARETTO_LIMITS__CALLS, with __ \
between levels; LAZARETTO_LISTS__US_OFAC_SDN__MAX_AGE, with _ for -) or a flag (--set \
limits.calls=100). Variables override this file, and flags override both. An unknown key is refused.";

const REFERENCE: &str = "\
# Configuration

<!-- Generated from the tables in src/config by UPDATE_GOLDENS=1 cargo test --lib -- config::documents -->

The configuration is a TOML file (`--config FILE` or `LAZARETTO_CONFIG`). Variables override it, and \
flags override both. It is checked as a whole at the start: every problem is reported with its file and \
line, variable or flag, and unknown keys are refused.
[lazaretto.example.toml](../lazaretto.example.toml) shows every key.

- A variable has `__` between levels and `_` for `-`: `LAZARETTO_LISTS__US_OFAC_SDN__MAX_AGE=3d`.
- `--set KEY=VALUE` sets a key by its dotted name: `--set lists.us-ofac-sdn.max_age=3d`. A value in quotes \
is a TOML string.
- A duration is such as `90s`, `5m`, `2h` or `3d`. A day has 24 hours.

Three lists are built in:

| list | what |
|---|---|
| `us-ofac-sdn` | required; read from OFAC hourly, and within a minute of a new publication; stale after 48 h |
| `us-ofac-cons` | OFAC's consolidated list; not required; may have no address |
| `lazarus-advisories` | static: published once, never refreshed; from the starter \
([data/README.md](../data/README.md) names the announcements) |
";

/// A table of keys in the documents.
struct Section {
    /// The path of its keys, with names in brackets.
    path: &'static str,
    /// The same with names of an example; `None` where there are no names.
    example: Option<&'static str>,
    /// The page that explains it.
    page: Option<&'static str>,
    about: &'static str,
    keys: Vec<Key>,
}

fn sections() -> Vec<Section> {
    macro_rules! section {
        ($path:literal, $example:expr, $page:expr, $Table:ident) => {
            Section {
                path: $path,
                example: $example,
                page: $page,
                about: $Table::ABOUT,
                keys: $Table::keys(),
            }
        };
    }
    let (tls, limits) = (Some("server.md#tls-and-identities"), Some("server.md#limits"));
    vec![
        section!("", None, None, Config),
        section!("traces", None, Some("server.md#the-operations-port"), TraceTable),
        section!("limits", None, limits, Limits),
        section!("drain", None, Some("server.md#graceful-shutdown"), Drain),
        section!("decision_log", None, Some("audit.md"), DecisionLogSettings),
        section!("lists.<id>", Some("lists.example"), Some("lists.md"), ListTable),
        section!("exposure", None, Some("answers.md"), ExposureSettings),
        section!("chains.<chain>", Some("chains.bitcoin"), Some("transfers.md"), ChainTable),
        section!("assets.<chain>.<asset>", Some("assets.ethereum.native"), None, AssetKeys),
        section!("tls", None, tls, TlsTable),
        section!("identities.<name>", Some("identities.payments"), tls, Identity),
    ]
}

impl Key {
    /// Returns a value as TOML.
    fn toml(&self, text: &str) -> String {
        let is_bare = text.parse::<bool>().is_ok() || text.parse::<f64>().is_ok();
        if is_bare && self.kind != "string" { text.to_owned() } else { format!("{text:?}") }
    }

    /// Returns the default in words.
    fn default_words(&self) -> String {
        match (self.without, &self.default) {
            (Some(words), _) => words.to_owned(),
            (None, Some(value)) => format!("`{value}`"),
            (None, None) => "none".to_owned(),
        }
    }

    /// Returns the line of the example: a default, or an example after a blank.
    fn example_line(&self, is_named: bool) -> String {
        match (&self.default, self.without, self.example) {
            (Some(value), None, _) if !is_named => format!("#{} = {}", self.name, self.toml(value)),
            (_, _, Some(value)) => format!("# {} = {}", self.name, self.toml(value)),
            (value, _, None) => {
                format!("# {} = {}", self.name, self.toml(value.as_deref().unwrap_or_default()))
            }
        }
    }
}

/// Returns the lines of a doc comment as one text.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds a text as comments of at most [`WIDTH`] columns.
fn comment(page: &mut String, text: &str) {
    for paragraph in text.split("\n\n") {
        let mut line = "#".to_owned();
        for word in paragraph.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH {
                page.push_str(&line);
                page.push('\n');
                line = "#".to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        page.push_str(&line);
        page.push_str("\n#\n");
    }
    page.truncate(page.len() - "#\n".len());
}

/// Returns the text of lazaretto.example.toml.
pub fn example() -> String {
    let mut page = String::new();
    comment(&mut page, EXAMPLE);
    for section in sections() {
        let is_named = section.example.is_some();
        if !section.path.is_empty() {
            page.push('\n');
            comment(&mut page, section.about);
            let mark = if is_named { "# " } else { "#" };
            page.push_str(&format!("{mark}[{}]\n", section.example.unwrap_or(section.path)));
        }
        for key in section.keys {
            page.push('\n');
            let words = match key.without {
                None if key.default.is_some() && !is_named => String::new(),
                None | Some(_) => format!(" Default: {}.", key.default_words()),
            };
            comment(&mut page, &(joined(key.text) + &words));
            page.push_str(&key.example_line(is_named));
            page.push('\n');
        }
    }
    page
}

/// Returns the text of docs/configuration.md.
pub fn reference() -> String {
    let mut page = REFERENCE.to_owned();
    for Section { path, page: explained, about, keys, .. } in sections() {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let title = if path.is_empty() { "Top level".to_owned() } else { format!("`[{path}]`") };
        let see = explained.map_or_else(String::new, |link| {
            let name = link.split('#').next().unwrap_or(link);
            format!(" See [{name}]({link}).")
        });
        page.push_str(&format!("\n## {title}\n\n{}{see}\n\n", joined(about)));
        page.push_str("| key | variable | value | default | meaning |\n|---|---|---|---|---|\n");
        for key in keys {
            let row = [
                format!("`{}`", key.name),
                format!("`{}`", variable(&format!("{prefix}{}", key.name))),
                key.kind.clone(),
                key.default_words(),
                joined(key.text),
            ];
            page.push_str(&format!("| {} |\n", row.join(" | ")));
        }
    }
    page
}

/// Returns the help of the flag for a key of the top level: its text, variable and default.
pub fn help(key: &str) -> String {
    let Some(key) = Config::keys().into_iter().find(|known| known.name == key) else {
        return String::new();
    };
    let mut help = joined(key.text).trim_end_matches('.').to_owned();
    help.push_str(&format!(" [env: {}]", variable(key.name)));
    if let (Some(value), None) = (&key.default, key.without)
        && value.parse::<bool>().is_err()
    {
        help.push_str(&format!(" [default: {value}]"));
    }
    help
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_example_and_the_reference_are_written_from_the_tables() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let documents =
            [("lazaretto.example.toml", example()), ("docs/configuration.md", reference())];
        for (name, text) in documents {
            let path = root.join(name);
            if std::env::var_os("UPDATE_GOLDENS").is_some() {
                std::fs::write(&path, &text).expect("the project can be written");
            }
            let written = std::fs::read_to_string(&path).expect("the document is there");
            assert_eq!(written, text, "{name} (UPDATE_GOLDENS=1 writes it)");
        }
    }

    #[test]
    fn flags_have_the_help_of_their_keys() {
        let listen = help("listen");
        assert!(listen.starts_with("The address and port of the gRPC service. "), "{listen}");
        assert!(
            listen.ends_with(" [env: LAZARETTO_LISTEN] [default: 127.0.0.1:50551]"),
            "{listen}"
        );
        let want = "Let stale lists give ALLOW. For trials only [env: LAZARETTO_ALLOW_STALE]";
        assert_eq!(help("allow_stale"), want);
        assert!(help("allow_anonymous").contains("Every caller may then do everything."));
    }
}
