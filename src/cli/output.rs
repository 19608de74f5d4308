//! Answers on standard output: text for people or JSON for machines. Builds neither text nor
//! messages.

use std::io::{self, Write};

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::text::{Style, escape_json};

/// In which form to show an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// The messages of the proto, in its field names.
    Json,
}

impl Output {
    /// Shows a message: `text` writes it for people.
    pub fn show<M: Serialize>(self, message: &M, text: impl FnOnce(Style) -> String) -> Result<()> {
        let shown = match self {
            Self::Text => text(Style::of_stdout()),
            Self::Json => format!("{}\n", escape_json(&serde_json::to_string_pretty(message)?)),
        };
        Ok(write(shown.as_bytes())?)
    }
}

/// Writes to standard output; a reader that has gone away has read enough.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
