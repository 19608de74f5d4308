//! Tests of addresses: tables here, the public vectors, real lists, and properties against slow
//! models in the files below.

mod lists;
mod model;
mod properties;
mod vectors;
mod wallets;

use std::path::PathBuf;

use super::*;

/// The folder of real data, or `None` (and a message) where it is absent.
fn data(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LAZARETTO_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        eprintln!("skipped: no test data at {}", folder.display());
        return None;
    }
    Some(folder.join(file))
}

fn text(file: &str) -> Option<String> {
    data(file).map(|path| std::fs::read_to_string(path).unwrap())
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |place: usize| u8::from_str_radix(&text[place..place + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn parse(input: &str) -> Address<'_> {
    Address::parse(input, None).unwrap_or_else(|error| panic!("{input}: {error}"))
}

/// The public key of `bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4` in BIP-173, hashed.
const PKH: &str = "751e76e8199196d454941c45d1b3a323f1433bd6";

#[test]
fn each_form_tells_its_encoding_chains_and_key() {
    use Chain::*;
    let check = |input: &str, encoding: Encoding, chains: &[Chain], key: &str| {
        let address = parse(input);
        assert_eq!(address.encoding(), encoding, "{input}");
        assert_eq!(address.chains(), chains, "{input}");
        let keys: Vec<String> = address.key_ids().iter().map(ToString::to_string).collect();
        assert_eq!(keys.join(" "), key, "{input}");
    };
    let pkh = format!("pkh:{PKH}");
    let bitcoins = [Bitcoin, BitcoinCash, BitcoinSv];
    check(
        "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        Encoding::P2pkh,
        &bitcoins,
        &pkh,
    );
    check(
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        Encoding::P2wpkh,
        &[Bitcoin],
        &pkh,
    );
    check(
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        Encoding::P2wpkh,
        &[Bitcoin],
        &pkh,
    );
    check(
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        Encoding::P2tr,
        &[Bitcoin],
        "wp:1:79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    );
    check(
        "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
        Encoding::P2sh,
        &[Bitcoin, BitcoinCash, BitcoinSv, Litecoin],
        "sh:e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a",
    );
    check(
        "DFFJhnQNZf8rf67tYnesPu7MuGUpYtzv7Z",
        Encoding::P2pkh,
        &[Dogecoin, Verge],
        "pkh:6edde865328cfeabee82f2b86d9f1742453c7378",
    );
    check(
        "ltcmweb1qq20e2arnhvxw97katjkmsd35agw3capxjkrkh7dk8d30rczm8ypxuq329nwh2twmchhqn3jqh7ua4ps539f6aazh79jy76urqht4qa59ts3at6gf",
        Encoding::Mweb,
        &[Litecoin],
        "mweb:029f957473bb0ce2fadd5cadb83634ea1d1c742695876bf9b63b62f1e05b39026e\
         022a2cdd752ddbc5ee09c640bfb9da86148953aef457f1644f6b8305d75076855c",
    );
}
