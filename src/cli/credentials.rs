//! Credentials of a command, from files and variables. There is no flag for a token, because other users
//! of the machine could see its value.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::grpc::client::{Credentials, Token};

/// The largest file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The variable with the token itself.
const TOKEN: &str = "LAZARETTO_TOKEN";

/// The variable that lets a token go in clear text.
const ALLOW_PLAINTEXT: &str = "LAZARETTO_ALLOW_PLAINTEXT";

/// What a server that is asked takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct Arguments {
    /// Trust servers of these authorities (PEM) [default: those that browsers trust]
    #[arg(long, global = true, value_name = "FILE", env = "LAZARETTO_CA", hide_env_values = true)]
    ca: Option<PathBuf>,
    /// Show the server the token in this file [or LAZARETTO_TOKEN]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LAZARETTO_TOKEN_FILE",
        hide_env_values = true
    )]
    token_file: Option<PathBuf>,
    /// Show the server this certificate (PEM)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LAZARETTO_CLIENT_CERTIFICATE",
        hide_env_values = true
    )]
    client_certificate: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LAZARETTO_CLIENT_KEY",
        hide_env_values = true
    )]
    client_key: Option<PathBuf>,
}

impl Arguments {
    /// What they and the environment name, read.
    pub fn credentials(&self) -> Result<Credentials> {
        let identity = match (given(&self.client_certificate), given(&self.client_key)) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            (None, None) => None,
            _ => return Err(anyhow!("--client-certificate and --client-key need each other")),
        };
        Ok(Credentials {
            token: self.token()?,
            ca: given(&self.ca).map(read).transpose()?,
            identity,
            allow_plaintext: flag(ALLOW_PLAINTEXT)?,
        })
    }

    fn token(&self) -> Result<Option<Token>> {
        if let Some(path) = given(&self.token_file) {
            let text = String::from_utf8(read(path)?).unwrap_or_default();
            let token = Token::new(text.trim_ascii());
            return Ok(Some(token.with_context(|| path.display().to_string())?));
        }
        match std::env::var_os(TOKEN).filter(|token| !token.is_empty()) {
            Some(token) => Ok(Some(Token::new(token.to_str().unwrap_or_default()).context(TOKEN)?)),
            None => Ok(None),
        }
    }
}

/// A path that is not empty: a variable may be.
fn given(path: &Option<PathBuf>) -> Option<&Path> {
    path.as_deref().filter(|path| !path.as_os_str().is_empty())
}

fn flag(variable: &str) -> Result<bool> {
    match std::env::var(variable).as_deref() {
        Err(std::env::VarError::NotPresent) => Ok(false),
        Ok(text) => text.parse().map_err(|_| anyhow!("{variable} must be true or false")),
        Err(error) => Err(anyhow!("{variable}: {error}")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let named = || path.display().to_string();
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(named)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).with_context(named)?;
    if bytes.len() as u64 > MAX_FILE {
        Err(anyhow!("{}: has more than 1 MiB", path.display()))
    } else {
        Ok(bytes)
    }
}
