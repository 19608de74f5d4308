//! What is logged, how, and where to: standard error, so that standard output is the answer's
//! alone. Decides nothing.

mod call;
pub mod context;
mod traces;

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use call::{Ended, call_ended, call_span, decided, named_trace, work_span};
pub use traces::{TraceError, TraceSettings, Traces};

/// The variable with what commands log.
pub const VARIABLE: &str = "RUST_LOG";

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
    /// What commands log unless they are told otherwise: errors alone, since their answers say the
    /// state of the data.
    pub fn of_command() -> Self {
        Self("error".to_owned())
    }

    /// The filter in `RUST_LOG`; `None` where it is not set or empty.
    ///
    /// Fails if the variable holds no filter.
    pub fn of_environment() -> Result<Option<Self>, FilterError> {
        match std::env::var_os(VARIABLE) {
            Some(text) if !text.is_empty() => text.to_string_lossy().parse().map(Some),
            Some(_) | None => Ok(None),
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
    set_up(log(filter, format), None);
}

/// The same for a server: with its traces, where a collector is configured, and with panics in the
/// form of the log. On the runtime that serves.
pub fn start_server(
    filter: &Filter,
    format: LogFormat,
    traces: &TraceSettings,
) -> Result<Option<Traces>, TraceError> {
    let begun = traces.endpoint.as_deref().map(|endpoint| Traces::begin(endpoint, traces.sample));
    let begun = begun.transpose()?;
    set_up(log(filter, format), begun.as_ref().map(spans));
    if begun.is_some() {
        call::trace_calls();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic: what was being done is given up");
        // Its words may quote what was asked.
        tracing::debug!(words = panic.payload_as_str(), "of the panic");
    }));
    Ok(begun)
}

type Part = Box<dyn Layer<Registry> + Send + Sync>;

fn set_up(log: Part, spans: Option<Part>) {
    let parts: Vec<Part> = [Some(log), spans].into_iter().flatten().collect();
    // An error says that a log is set up already, which is what was asked for.
    let _ = tracing_subscriber::registry().with(parts).try_init();
}

fn log(filter: &Filter, format: LogFormat) -> Part {
    let filter = EnvFilter::new(format!("{filter},{}=off", call::SPANS));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let ansi = !plain && std::io::stderr().is_terminal();
            lines.with_ansi(ansi).with_filter(filter).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    }
}

/// Spans of calls, and nothing else.
fn spans(traces: &Traces) -> Part {
    tracing_opentelemetry::layer()
        .with_tracer(traces.tracer())
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(Targets::new().with_target(call::SPANS, LevelFilter::INFO))
        .boxed()
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
        for filter in [Filter::of_command(), Filter::default()] {
            assert_eq!(filter.to_string().parse(), Ok(filter));
        }
    }
}
