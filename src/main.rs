//! The `lazaretto` program: parses the arguments, runs the command, and maps its outcome to the
//! exit status. No logic beyond that.

use std::process::ExitCode;

use lazaretto::cli::{Cli, complain, told};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any error, wrong usage included: 2, which clap would give for wrong usage, is no status that
/// the manual names.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(error) => {
            let failed = error.use_stderr();
            // Help that nobody reads any more (a closed pipe) is no error.
            let _ = error.print();
            return if failed { FAILURE.into() } else { ExitCode::SUCCESS };
        }
    };
    match cli.run() {
        Ok(status) => status.into(),
        Err(error) => {
            complain(&format!("error: {}", told(&error)));
            FAILURE.into()
        }
    }
}
