//! Reads a policy file; the error has every problem with its line.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::screening::policy::{MAX_FILE, Policy};

/// What is wrong with a file: `FILE:LINE: message` for each, or `FILE: message`.
#[derive(Debug, thiserror::Error)]
pub struct PolicyErrors(Vec<String>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

pub fn read(path: &Path) -> Result<Policy, PolicyErrors> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let most = MAX_FILE as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| PolicyErrors(vec![format!("{name}: {error}")]))?;
    if bytes.len() > MAX_FILE {
        return Err(PolicyErrors(vec![format!("{name}: has more than {MAX_FILE} bytes")]));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(&name, text),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            Err(PolicyErrors(vec![format!("{name}:{line}: is not UTF-8")]))
        }
    }
}

/// Reads a policy of that name from its text.
pub fn parse(name: &str, text: &str) -> Result<Policy, PolicyErrors> {
    Policy::parse(text).map_err(|error| {
        let said = error.0.iter().map(|problem| match problem.line {
            0 => format!("{name}: {}", problem.message),
            line => format!("{name}:{line}: {}", problem.message),
        });
        PolicyErrors(said.collect())
    })
}
