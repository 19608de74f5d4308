//! `identity`: creates a bearer token and its hash.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::output::Output;
use super::text::hex;
use crate::config::check_identity_name;

/// How many random bytes a token has.
const LENGTH: usize = 32;

/// The arguments of `identity`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A fresh bearer token, its hash, and what to write into the configuration
    Token {
        /// The name of the identity
        #[arg(long, default_value = "payments", value_parser = name)]
        name: String,
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

/// A new token as shown once.
#[derive(Serialize)]
struct NewToken<'a> {
    name: &'a str,
    token: String,
    hash: String,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let Command::Token { name, output } = &arguments.command;
    let mut random = [0; LENGTH];
    getrandom::fill(&mut random).context("the operating system gives no random bytes")?;
    let token = hex(random);
    let hash = format!("sha256:{}", hex(Sha256::digest(&token)));
    let token = NewToken { name, token, hash };
    output.show(&token, |_| text(&token))?;
    Ok(0)
}

fn name(text: &str) -> Result<String, String> {
    check_identity_name(text).map(|()| text.to_owned())
}

fn text(token: &NewToken<'_>) -> String {
    let NewToken { name, token, hash } = token;
    format!(
        "token  {token}\n\
         hash   {hash}\n\
         \n\
         The caller keeps the token, and the server its hash alone. In the server's configuration,\n\
         with more roles (ingest, admin) or more tokens parted by commas:\n\
         \n\
         [identities.{name}]\n\
         roles = \"screen\"\n\
         tokens = \"{hash}\"\n"
    )
}
