//! Writer of the Prometheus text format, version 0.0.4.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::fmt::{Display, Write};

const PREFIX: &str = "lazaretto_";

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Only grows until a restart.
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Writes metric families, each followed by its samples.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
    /// The family that samples belong to.
    name: &'static str,
}

impl Text {
    /// Starts a family. It is written even without samples.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        self.name = name;
        self.line(format_args!("# HELP {PREFIX}{name} {}", help.replace('\\', "\\\\")));
        self.line(format_args!("# TYPE {PREFIX}{name} {}", kind.as_str()));
    }

    /// Writes a sample of the current family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, None, value);
    }

    /// Writes a sample with a suffix, such as `_bucket`, and an optional extra label.
    pub fn part(
        &mut self,
        part: &str,
        labels: &[(&str, &str)],
        more: Option<(&str, &str)>,
        value: impl Display,
    ) {
        let labels = labels.iter().copied().chain(more);
        let mut shown = String::new();
        for (place, (name, value)) in labels.enumerate() {
            shown.push(if place == 0 { '{' } else { ',' });
            shown.push_str(name);
            shown.push_str("=\"");
            escape(value, &mut shown);
            shown.push('"');
        }
        if !shown.is_empty() {
            shown.push('}');
        }
        let name = self.name;
        self.line(format_args!("{PREFIX}{name}{part}{shown} {value}"));
    }

    pub fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.out, "{line}").expect("a string takes what it is given");
    }
}

/// Escapes backslash, quote and line feed, and replaces other control characters by U+FFFD.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}
