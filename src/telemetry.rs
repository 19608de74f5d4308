//! Logging to standard error, and traces. Standard output is for answers only.

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

pub use call::{Ended, call_ended, call_span, logged_trace_id, record_decision, work_span};
pub use traces::{TraceError, TraceSettings, Traces};

/// The variable with the log filter of commands.
pub const VARIABLE: &str = "RUST_LOG";

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line per event, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown log format {0:?}; use text or json")]
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

/// A log filter: a level, or directives such as `warn,lazaretto=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid log filter {0:?}; use off, error, warn, info, debug, trace or TARGET=LEVEL")]
pub struct FilterError(String);

impl Filter {
    /// The default of commands: only errors, because answers state the condition of the data.
    pub fn for_commands() -> Self {
        Self("error".to_owned())
    }

    /// Reads the filter in `RUST_LOG`; `None` if it is unset or empty. Fails if it is invalid.
    pub fn from_environment() -> Result<Option<Self>, FilterError> {
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

    /// Checks levels first, because `EnvFilter` takes a misspelt level for the name of a module.
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

/// Starts logging to standard error. Calls after the first do nothing.
pub fn start(filter: &Filter, format: LogFormat) {
    install(log_layer(filter, format), None);
}

/// Starts logging for a server, with traces if a collector is configured, and logs panics. Call it on
/// the runtime that serves.
pub fn start_server(
    filter: &Filter,
    format: LogFormat,
    traces: &TraceSettings,
) -> Result<Option<Traces>, TraceError> {
    let begun = traces.endpoint.as_deref().map(|endpoint| Traces::begin(endpoint, traces.sample));
    let begun = begun.transpose()?;
    install(log_layer(filter, format), begun.as_ref().map(span_layer));
    if begun.is_some() {
        call::enable_tracing();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic, operation aborted");
        // At debug only: the message may quote a request.
        tracing::debug!(text = panic.payload_as_str(), "panic message");
    }));
    Ok(begun)
}

type LogLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn install(log: LogLayer, spans: Option<LogLayer>) {
    let parts: Vec<LogLayer> = [Some(log), spans].into_iter().flatten().collect();
    // Fails only if a log is set up already.
    let _ = tracing_subscriber::registry().with(parts).try_init();
}

fn log_layer(filter: &Filter, format: LogFormat) -> LogLayer {
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

/// The layer for traces: spans of calls only.
fn span_layer(traces: &Traces) -> LogLayer {
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
        for filter in [Filter::for_commands(), Filter::default()] {
            assert_eq!(filter.to_string().parse(), Ok(filter));
        }
    }
}
