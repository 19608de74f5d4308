//! `completions` and `man`: shell completions and manual pages, generated from the definition of the
//! command line.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::help;

/// The name of the program in completions and manual pages.
const PROGRAM: &str = "lazaretto";

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Write a page for each command into this directory, such as lazaretto-lists-import.1
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the completion script of a shell.
pub fn print_completions(arguments: &CompletionArguments) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut help::command(), PROGRAM, &mut script);
    print(&script)
}

/// Prints the manual page of the program, or writes the pages of all commands into a directory.
pub fn print_manual(arguments: &ManArguments) -> Result<u8> {
    let mut command = help::command();
    command.build();
    let Some(dir) = &arguments.dir else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        return print(&page);
    };
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for (name, command) in pages(&command, PROGRAM) {
        let path = dir.join(format!("{name}.1"));
        let write = || Man::new(command).render(&mut File::create(&path)?);
        write().with_context(|| path.display().to_string())?;
    }
    Ok(0)
}

/// Returns `command` and all commands below it that help shows, by the names of their pages.
fn pages(command: &Command, name: &str) -> Vec<(String, Command)> {
    let shown = |inner: &&Command| !inner.is_hide_set() && inner.get_name() != "help";
    let below = command.get_subcommands().filter(shown);
    let below = below.flat_map(|inner| pages(inner, &format!("{name}-{}", inner.get_name())));
    [(name.to_owned(), command.clone())].into_iter().chain(below).collect()
}

/// Writes to standard output. A closed pipe is no error.
fn print(bytes: &[u8]) -> Result<u8> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options() {
        let mut command = help::command();
        command.build();
        let pages = pages(&command, PROGRAM);
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["lazaretto", "lazaretto-screen", "lazaretto-lists-import", "lazaretto-man"] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        for (name, command) in pages {
            let options: Vec<_> = command.get_arguments().cloned().collect();
            let mut page = Vec::new();
            Man::new(command).render(&mut page).unwrap();
            let page = String::from_utf8(page).unwrap().replace("\\-", "-");
            for option in options.iter().filter(|option| !option.is_hide_set()) {
                let Some(long) = option.get_long() else { continue };
                assert!(page.contains(&format!("--{long}")), "{name}: --{long}");
            }
        }
    }

    #[test]
    fn completions_of_every_shell_name_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut help::command(), PROGRAM, &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in help::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
            assert!(script.contains("--data-dir") || script.contains("data-dir"), "{shell}");
        }
    }
}
