//! `--force`: which gates an import overrides, the reason, and the operator's confirmation.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::domain::publication::Gate;
use crate::grpc::v1;

/// The arguments of an import that overrides gates.
#[derive(Debug, Default, Args)]
pub struct Force {
    /// Override the gates of --force-gate, for this reason, which is kept; what would be lost is
    /// shown first, and asked about
    #[arg(long = "force", value_name = "REASON", requires = "gates")]
    reason: Option<String>,
    /// The gate to override: empty, quarantine, kind, older or shrink; several with commas between
    #[arg(
        long = "force-gate",
        value_name = "GATE",
        value_delimiter = ',',
        requires = "reason",
        required_if_eq("yes", "true")
    )]
    gates: Vec<Gate>,
    /// Override them without asking, as where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Force {
    /// Whether any gate is overridden.
    pub fn is_given(&self) -> bool {
        self.reason.is_some()
    }

    /// Whether the operator has agreed already.
    pub fn is_agreed(&self) -> bool {
        self.yes
    }

    /// Fills in what a header says of it.
    pub fn fill(&self, header: &mut v1::ImportListHeader) {
        header.force_reason = self.reason.clone().unwrap_or_default();
        header.force_gates = self.gates.iter().map(|gate| message(*gate).into()).collect();
    }
}

fn message(gate: Gate) -> v1::ImportGate {
    match gate {
        Gate::Empty => v1::ImportGate::Empty,
        Gate::Quarantine => v1::ImportGate::Quarantine,
        Gate::Kind => v1::ImportGate::Kind,
        Gate::Older => v1::ImportGate::Older,
        Gate::Shrink => v1::ImportGate::Shrink,
    }
}

/// Fails unless the operator agrees on the terminal to what was shown: `why` it is asked, and the
/// `question`.
pub fn ask(why: &str, question: &str) -> Result<()> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!("nothing was published, since {why}; there is no terminal to ask on: --yes agrees");
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush().context("writing to the terminal")?;
    if is_yes(io::stdin().lock())? { Ok(()) } else { bail!("nothing was published") }
}

fn is_yes(mut answers: impl BufRead) -> Result<bool> {
    let mut answer = String::new();
    answers.read_line(&mut answer).context("reading the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        force: Force,
    }

    fn header(arguments: &[&str]) -> Result<v1::ImportListHeader, String> {
        let all = ["import"].iter().chain(arguments);
        let command = Command::try_parse_from(all).map_err(|error| error.to_string())?;
        let mut header = v1::ImportListHeader::default();
        command.force.fill(&mut header);
        Ok(header)
    }

    #[test]
    fn a_reason_takes_the_gates_it_is_for() {
        let gates = ["--force", "why", "--force-gate", "older,shrink"];
        let header_of = header(&gates).unwrap();
        let want = [v1::ImportGate::Older.into(), v1::ImportGate::Shrink.into()];
        assert_eq!((header_of.force_reason.as_str(), header_of.force_gates), ("why", want.into()));
        assert_eq!(header(&[]), Ok(v1::ImportListHeader::default()));
        for (arguments, want) in [
            (&["--force", "why"][..], "--force-gate"),
            (&["--force-gate", "shrink"], "--force"),
            (&["--yes"], "--force-gate"),
            (&["--force", "why", "--force-gate", "all"], "invalid gate \"all\""),
        ] {
            let error = header(arguments).unwrap_err();
            assert!(error.contains(want), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn only_yes_is_yes() {
        for (answer, want) in
            [("y\n", true), ("yes", true), ("\n", false), ("", false), ("n", false)]
        {
            assert_eq!(is_yes(answer.as_bytes()).unwrap(), want, "{answer:?}");
        }
    }
}
