//! The public vectors: Bitcoin Core key_io, BIP-173, BIP-350, Zcash unified, Monero featured, and
//! 199,998 real addresses.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;

use super::*;
use crate::domain::key_id::Program;

/// The key id that a script pays to.
fn script_key(script: &[u8]) -> KeyId {
    match script {
        [0x76, 0xa9, 0x14, hash @ .., 0x88, 0xac] => KeyId::PublicKeyHash(hash.try_into().unwrap()),
        [0xa9, 0x14, hash @ .., 0x87] => KeyId::ScriptHash(hash.try_into().unwrap()),
        [0x00, 0x14, hash @ ..] => KeyId::PublicKeyHash(hash.try_into().unwrap()),
        [version, length, program @ ..] if usize::from(*length) == program.len() => {
            let version = version.saturating_sub(0x50);
            KeyId::WitnessProgram { version, program: Program::new(program).unwrap() }
        }
        _ => panic!("{script:?}"),
    }
}

/// The chain of a key_io vector.
fn core_chain(name: &str) -> Chain {
    match name {
        "main" => Chain::Bitcoin,
        "test" => Chain::BitcoinTestnet,
        "regtest" => Chain::BitcoinRegtest,
        _ => panic!("{name}"),
    }
}

#[test]
fn key_io_valid() {
    let Some(text) = text("vectors/key_io_valid.json") else {
        return;
    };
    let vectors: Vec<(String, String, Value)> = serde_json::from_str(&text).unwrap();
    let mut counts = BTreeMap::new();
    for (input, script, facts) in &vectors {
        if facts["isPrivkey"] == true {
            let error = Address::parse(input, None).unwrap_err();
            assert_eq!(error, AddressError::NotUnderstood(EncodingError::PrivateKey), "{input}");
            *counts.entry("private keys").or_insert(0) += 1;
            continue;
        }
        if is_superseded(input) {
            let error = Address::parse(input, None).unwrap_err();
            assert_eq!(error, AddressError::NotUnderstood(EncodingError::Bech32Variant), "{input}");
            *counts.entry("superseded by BIP-350").or_insert(0) += 1;
            continue;
        }
        let chain = core_chain(facts["chain"].as_str().unwrap());
        let address = parse(input);
        assert!(address.fits(&chain), "{input} {chain}");
        assert_eq!(address.key_ids(), [script_key(&hex(script))], "{input}");
        assert_eq!(address.canonical(), input);
        if facts["tryCaseFlip"] == true {
            let flipped: String = input.chars().map(flip).collect();
            assert_eq!(parse(&flipped).canonical(), input);
        } else {
            let flipped: String = input.chars().map(flip).collect();
            assert!(Address::parse(&flipped, None).is_err(), "{flipped}");
        }
        *counts.entry("addresses").or_insert(0) += 1;
    }
    assert_eq!(
        counts,
        BTreeMap::from([("addresses", 32), ("private keys", 27), ("superseded by BIP-350", 3)])
    );
}

fn flip(letter: char) -> char {
    if letter.is_ascii_lowercase() {
        letter.to_ascii_uppercase()
    } else {
        letter.to_ascii_lowercase()
    }
}

#[test]
fn key_io_invalid() {
    let Some(text) = text("vectors/key_io_invalid.json") else {
        return;
    };
    let vectors: Vec<[String; 1]> = serde_json::from_str(&text).unwrap();
    assert_eq!(vectors.len(), 60);
    let mut other_prefix = Vec::new();
    for [input] in &vectors {
        let Ok(address) = Address::parse(input, None) else {
            continue;
        };
        // Invalid for Bitcoin: a segwit program after a prefix that is not Bitcoin's.
        assert_eq!(address.chains(), [Chain::Other("bech32:tc".into())], "{input}");
        other_prefix.push(input.as_str());
    }
    assert_eq!(other_prefix, ["tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty"]);
}

/// The strings in `<tt>` of the list that follows the line beginning with `heading`; a byte that is
/// written as `0x20 +` or `+ 0xFF` is put in its place.
fn bip_list(text: &str, heading: &str) -> Vec<Vec<String>> {
    let tail = text.split(heading).nth(1).unwrap_or_else(|| panic!("{heading}"));
    let items = tail.lines().skip_while(|line| !line.starts_with("* "));
    items
        .take_while(|line| line.starts_with("* "))
        .map(|line| {
            let mut parts: Vec<String> = line
                .split("<tt>")
                .skip(1)
                .map(|part| part.split("</tt>").next().unwrap().to_owned())
                .collect();
            let byte = |at: &str| char::from(u8::from_str_radix(at, 16).unwrap());
            if let Some(at) = line.strip_prefix("* 0x") {
                parts[0].insert(0, byte(&at[..2]));
            }
            if let Some((_, at)) = line.split_once("+ 0xFF") {
                assert!(at.starts_with(':'));
                parts[0].push(byte("ff"));
            }
            parts
        })
        .collect()
}

fn bips() -> Option<(String, String)> {
    Some((text("vectors/bip-0173.mediawiki")?, text("vectors/bip-0350.mediawiki")?))
}

/// The checksum that the decoder finds; `None` for what is not bech32 at all.
fn variant(input: &str) -> Option<bech32::Variant> {
    if input.len() > 90 || !input.is_ascii() || bech32::cases(input) == (true, true) {
        return None;
    }
    let lower = input.to_ascii_lowercase();
    bech32::decode(&lower).ok().flatten().map(|decoded| decoded.variant)
}

#[test]
fn bip_173_and_350_checksums() {
    let Some((bip173, bip350)) = bips() else {
        return;
    };
    let check = |list: Vec<Vec<String>>, count: usize, expected: Option<bech32::Variant>| {
        assert_eq!(list.len(), count);
        for item in list {
            assert_eq!(variant(&item[0]), expected, "{item:?}");
        }
    };
    let bech32 = bip_list(&bip173, "The following strings are valid Bech32:");
    check(bech32, 7, Some(bech32::Variant::Bech32));
    check(bip_list(&bip173, "The following string are not valid Bech32 "), 12, None);
    let bech32m = bip_list(&bip350, "The following strings are valid Bech32m:");
    check(bech32m, 7, Some(bech32::Variant::Bech32m));
    check(bip_list(&bip350, "The following string are not valid Bech32m "), 14, None);
}

#[test]
fn bip_173_and_350_strings_are_no_addresses_unless_of_the_shape_of_an_account() {
    let Some((bip173, bip350)) = bips() else {
        return;
    };
    let mut understood = Vec::new();
    for (bip, heading) in [
        (&bip173, "The following strings are valid Bech32:"),
        (&bip173, "The following string are not valid Bech32 "),
        (&bip350, "The following strings are valid Bech32m:"),
        (&bip350, "The following string are not valid Bech32m "),
    ] {
        let list = bip_list(bip, heading);
        understood.extend(list.into_iter().filter(|i| Address::parse(&i[0], None).is_ok()));
    }
    // 20 bytes after a prefix: what a Cosmos-style account is.
    assert_eq!(understood, [["abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"]]);
}

/// BIP-173 addresses of version 1 and above: bech32, where BIP-350 asks for bech32m since 2020.
pub(super) fn is_superseded(input: &str) -> bool {
    let superseded = [
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k7grplx",
        "bc1sw50qa3jx3s",
        "bc1zw508d6qejxtdg4y5r3zarvaryvg6kdaj",
    ];
    superseded.contains(&input.to_lowercase().as_str())
}

#[test]
fn bip_173_and_350_segwit_addresses() {
    let Some((bip173, bip350)) = bips() else {
        return;
    };
    let valid = "translate to in hex.";
    let lists = [bip_list(&bip173, valid), bip_list(&bip350, valid)];
    assert_eq!(lists.each_ref().map(Vec::len), [6, 8]);
    for item in lists.iter().flatten() {
        if is_superseded(&item[0]) {
            let error = Address::parse(&item[0], None).unwrap_err();
            assert_eq!(
                error,
                AddressError::NotUnderstood(EncodingError::Bech32Variant),
                "{item:?}"
            );
            continue;
        }
        let address = parse(&item[0]);
        let main = item[0].to_lowercase().starts_with("bc1");
        let chain = if main { Chain::Bitcoin } else { Chain::BitcoinTestnet };
        assert!(address.fits(&chain), "{item:?}");
        assert_eq!(address.key_ids(), [script_key(&hex(&item[1]))], "{item:?}");
        assert_eq!(address.canonical(), item[0].to_lowercase());
    }
}

#[test]
fn bip_173_and_350_wrong_segwit_addresses() {
    let Some((bip173, bip350)) = bips() else {
        return;
    };
    let lists = [
        bip_list(&bip173, "The following list gives invalid segwit addresses"),
        bip_list(&bip350, "The following list gives invalid segwit addresses"),
    ];
    assert_eq!(lists.each_ref().map(Vec::len), [10, 15]);
    for item in lists.iter().flatten() {
        match Address::parse(&item[0], None) {
            Err(_) => {}
            // "Invalid human-readable part": right in itself, and not Bitcoin's.
            Ok(address) => {
                assert!(item[0].starts_with("tc1"), "{item:?}");
                assert_eq!(address.chains(), [Chain::Other("bech32:tc".into())]);
            }
        }
    }
}

#[test]
fn zcash_unified_addresses() {
    let Some(text) = text("vectors/zcash_unified_address.json") else {
        return;
    };
    let vectors: Vec<Vec<Value>> = serde_json::from_str(&text).unwrap();
    let rows = &vectors[2..];
    assert_eq!(rows.len(), 60);
    let mut receivers = 0;
    for row in rows {
        let bytes = |place: usize| row[place].as_str().map(hex);
        let unknown = bytes(5).map(|b| {
            let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
            KeyId::Verbatim(format!("zcash-receiver:{}:{hex}", row[4]).into())
        });
        let expected: Vec<KeyId> = [
            bytes(0).map(|b| KeyId::PublicKeyHash(b.try_into().unwrap())),
            bytes(1).map(|b| KeyId::ScriptHash(b.try_into().unwrap())),
            bytes(2).map(|b| KeyId::Sapling(b.try_into().unwrap())),
            bytes(3).map(|b| KeyId::Orchard(b.try_into().unwrap())),
            unknown,
        ]
        .into_iter()
        .flatten()
        .collect();
        let input = row[6].as_str().unwrap();
        let address = parse(input);
        assert_eq!(address.key_ids(), expected, "{input}");
        assert_eq!(address.encoding(), Encoding::ZcashUnified);
        assert_eq!(address.chains(), [Chain::Zcash]);
        assert_eq!(address.canonical(), input);
        receivers += expected.len();
    }
    assert!(receivers > rows.len());
}

#[test]
fn monero_featured_addresses() {
    let Some(text) = text("vectors/monero_featured_addresses.json") else {
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(vectors.len(), 24);
    for vector in &vectors {
        let input = vector["address"].as_str().unwrap();
        let address = parse(input);
        let chain = match vector["network"].as_str().unwrap() {
            "Mainnet" => Chain::Monero,
            "Stagenet" => Chain::MoneroStagenet,
            "Testnet" => Chain::MoneroTestnet,
            other => panic!("{other}"),
        };
        let part = |name: &str| hex(vector[name].as_str().unwrap());
        let keys = [part("spend"), part("view")].concat().try_into().unwrap();
        let id: Option<[u8; 8]> = serde_json::from_value(vector["payment_id"].clone()).unwrap();
        assert_eq!(address.chains(), [chain], "{input}");
        assert_eq!(address.key_ids(), [KeyId::MoneroKeys(keys)], "{input}");
        assert_eq!(address.payment_id(), id, "{input}");
        assert_eq!(address.encoding(), Encoding::MoneroFeatured);
        assert_eq!(address.canonical(), input);
    }
}

#[test]
fn real_addresses_parse_and_print_as_written() {
    let check = |file: &str, chain: Chain| {
        let Some(path) = data(file) else { return };
        let mut text = String::new();
        let file = std::fs::File::open(path).unwrap();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let mut count = 0;
        for line in text.lines() {
            let address = parse(line);
            assert_eq!(address.canonical(), line);
            assert!(address.fits(&chain), "{line}");
            assert_eq!(address.key_ids().len(), 1, "{line}");
            assert_eq!(address.checksum(), Checksum::Verified);
            count += 1;
        }
        assert_eq!(count, 99_999);
    };
    check("addresses/btc_addresses.txt.gz", Chain::Bitcoin);
    check("addresses/ltc_addresses.txt.gz", Chain::Litecoin);
}
