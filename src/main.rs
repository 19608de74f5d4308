//! The `lazaretto` program: parses the arguments, runs the command, and returns its exit status.

use std::process::ExitCode;

use lazaretto::cli::{Cli, error_text, print_error};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit status of any error, also of wrong usage, for which clap would give 2.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let cli = match Cli::from_args() {
        Ok(cli) => cli,
        Err(error) => {
            let failed = error.use_stderr();
            // Ignored: a closed pipe while printing help is no error.
            let _ = error.print();
            return if failed { FAILURE.into() } else { ExitCode::SUCCESS };
        }
    };
    match cli.run() {
        Ok(status) => status.into(),
        Err(error) => {
            print_error(&format!("error: {}", error_text(&error)));
            FAILURE.into()
        }
    }
}
