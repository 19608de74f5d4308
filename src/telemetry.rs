//! What is logged, how, and where to: standard error, so that standard output is the answer's
//! alone. Decides nothing.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line a message, for people.
    Text,
    /// A JSON object a line, for machines.
    Json,
}

/// A string that names no log format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no log format: text or json")]
pub struct LogFormatError(String);

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatError(text.to_owned())),
        }
    }
}

/// What is logged: a level, or directives such as `warn,lazaretto=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

/// A string that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no log level (off, error, warn, info, debug, trace) and no TARGET=LEVEL")]
pub struct FilterError(String);

impl Filter {
    /// What commands log to a person who asked for an answer: warnings, or more with `-v`.
    pub fn of_command(verbose: u8) -> Self {
        Self("warn".to_owned()).louder(verbose)
    }

    /// This filter, with more of this program (`-v`) or of everything (`-vv`).
    pub fn louder(self, verbose: u8) -> Self {
        match verbose {
            0 => self,
            1 => Self(format!("{self},lazaretto=debug")),
            _ => Self("debug".to_owned()),
        }
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    /// `EnvFilter` alone would take a misspelt level for the name of a module.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        for directive in text.split(',') {
            let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
            if !levels.contains(&level) {
                return Err(FilterError(directive.to_owned()));
            }
        }
        match EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(FilterError(text.to_owned())),
        }
    }
}

/// Sends the log of this process to standard error; the first call decides.
pub fn start(filter: &Filter, format: LogFormat) {
    let filter = EnvFilter::new(&filter.0);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error says that a log is set up already, which is what was asked for.
    let _ = match format {
        LogFormat::Text => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            builder.with_ansi(!plain && std::io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let check = |text: &str, fits: bool| {
            assert_eq!(text.parse::<Filter>().is_ok(), fits, "{text:?}");
        };
        for text in ["info", "off", "warn,lazaretto=debug", "lazaretto::store=trace"] {
            check(text, true);
        }
        for text in ["", "inof", "INFO", "warn,", "lazaretto=loud", "info;debug", "[=info"] {
            check(text, false);
        }
    }

    #[test]
    fn the_filters_of_commands_are_filters() {
        for verbose in 0..=3 {
            let filter = Filter::of_command(verbose);
            assert_eq!(filter.to_string().parse(), Ok(filter));
        }
        assert_eq!(Filter::default().to_string().parse(), Ok(Filter::default()));
    }
}
