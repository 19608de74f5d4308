//! `address`: shows the form, chains and keys of an address. Needs no store and no server.

use std::fmt::Display;

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::text::{Colour, Style, escape, field};
use crate::domain::address::{Checksum, Reading};
use crate::domain::chain::Chain;

/// The arguments of `address`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The address
    address: String,
    /// The chain: a CAIP-2 id or a name such as bitcoin; else every chain that the form fits
    #[arg(long)]
    chain: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What an address is. No message of the proto: the server knows addresses as part of answers.
#[derive(Clone, Debug, Serialize)]
struct Anatomy {
    address: String,
    /// What was taken off the text; absent where that was nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    normalizations: Vec<String>,
    canonical: String,
    encoding: String,
    checksum: &'static str,
    chains: Vec<String>,
    /// Whether the form can stand on the chain asked for; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    fits_chain: Option<bool>,
    key_ids: Vec<String>,
    other_forms: Vec<OtherForm>,
}

/// The same key, written otherwise.
#[derive(Clone, Debug, Serialize)]
struct OtherForm {
    chain: String,
    encoding: String,
    address: String,
}

/// Takes an address apart. An address that cannot stand on the chain asked for is an error, after
/// all has been shown.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let anatomy = anatomy(&arguments.address, arguments.chain.as_deref())?;
    arguments.output.show(&anatomy, |style| text(&anatomy, style))?;
    match anatomy.fits_chain {
        Some(false) => Err(anyhow!("such an address cannot stand on the chain asked for")),
        _ => Ok(0),
    }
}

fn anatomy(input: &str, chain: Option<&str>) -> Result<Anatomy> {
    let chain: Option<Chain> = chain.map(str::parse).transpose()?;
    let reading = Reading::from_query(input, chain.as_ref());
    let normalizations = strings(&reading.normalizations);
    let address = reading.into_single()?;
    let forms = address.other_forms();
    Ok(Anatomy {
        address: input.to_owned(),
        normalizations,
        canonical: address.canonical().to_owned(),
        encoding: address.encoding().to_string(),
        checksum: match address.checksum() {
            Checksum::Verified => "VERIFIED",
            Checksum::Absent => "ABSENT",
            Checksum::Wrong => "WRONG",
        },
        chains: strings(address.chains()),
        fits_chain: chain.as_ref().map(|chain| address.fits(chain)),
        key_ids: strings(address.key_ids()),
        other_forms: forms
            .into_iter()
            .map(|(chain, encoding, address)| OtherForm {
                chain: chain.to_string(),
                encoding: encoding.to_string(),
                address,
            })
            .collect(),
    })
}

fn strings<T: Display>(items: &[T]) -> Vec<String> {
    items.iter().map(T::to_string).collect()
}

fn text(anatomy: &Anatomy, style: Style) -> String {
    let mut text = format!("{}\n", escape(&anatomy.address));
    let mut line = |name: &str, value: &str| field(&mut text, 2, 14, name, value);
    for dress in &anatomy.normalizations {
        line("taken off", &escape(dress));
    }
    line("form", &escape(&anatomy.encoding));
    let wrong = style.paint(Colour::Bad, "WRONG: the bytes are understood, but it may be mistyped");
    line(
        "checksum",
        match anatomy.checksum {
            "VERIFIED" => "right",
            "ABSENT" => "none: a typing error would not show",
            _ => &wrong,
        },
    );
    line("canonical", &escape(&anatomy.canonical));
    for chain in &anatomy.chains {
        line("chain", &escape(chain));
    }
    if anatomy.key_ids.is_empty() {
        line("key id", "none: nobody controls it, and it matches nothing");
    }
    for key in &anatomy.key_ids {
        line("key id", &escape(key));
    }
    for form in &anatomy.other_forms {
        let value = format!("{} ({}, {})", form.address, form.encoding, form.chain);
        line("same key", &escape(&value));
    }
    text
}
