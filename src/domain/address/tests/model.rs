//! The slow, obvious model of chain detection: every chain's own rule, asked one by one.

use std::collections::BTreeSet;

use ::bech32::primitives::decode::CheckedHrpstring;
use ::bech32::{Bech32, Bech32m};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

use super::*;

/// The chains whose own rule takes `input`.
pub(super) fn chains(input: &str) -> BTreeSet<Chain> {
    use Chain::*;
    // CAIP-10: a chain that does not fit narrows nothing.
    if let [namespace, reference, rest] = input.splitn(3, ':').collect::<Vec<_>>()[..] {
        let written: Result<Chain, _> = format!("{namespace}:{reference}").parse();
        if let Ok(written) = written {
            let fitting = chains(rest);
            let narrowed = fitting.contains(&written).then(|| BTreeSet::from([written]));
            return narrowed.unwrap_or(fitting);
        }
    }
    let mut found = BTreeSet::new();
    let mut rule = |chain: Chain, fits: bool| {
        if fits {
            found.insert(chain);
        }
    };
    let b58 = |versions: &[u8]| versions.iter().any(|v| base58check(input, &[*v], 20));
    let b58_2 = |version: [u8; 2]| base58check(input, &version, 20);
    let wit = |prefix: &str| witness(input, prefix);

    rule(AnyEvm, input.len() == 42 && input.starts_with("0x") && is_hex(&input[2..]));
    rule(Bitcoin, b58(&[0, 5]) || wit("bc"));
    for chain in [BitcoinTestnet, BitcoinTestnet4, BitcoinSignet] {
        rule(chain, b58(&[111, 196]) || wit("tb"));
    }
    rule(BitcoinRegtest, b58(&[111, 196]) || wit("bcrt"));
    rule(BitcoinCash, b58(&[0, 5]) || cash(input, "bitcoincash"));
    let cash_test = cash(input, "bchtest") || cash(input, "bchreg");
    rule(BitcoinCashTestnet, b58(&[111, 196]) || cash_test);
    rule(BitcoinSv, b58(&[0, 5]));
    rule(BitcoinGold, b58(&[38, 23]) || wit("btg"));
    rule(BitcoinGoldTestnet, b58(&[111, 196]) || wit("tbtg"));
    rule(Litecoin, b58(&[48, 5, 50]) || wit("ltc") || bytes_of::<Bech32>(input, "ltcmweb", 66, 1));
    let ltc_test = wit("tltc") || wit("rltc") || bytes_of::<Bech32>(input, "tmweb", 66, 1);
    rule(LitecoinTestnet, b58(&[111, 196, 58]) || ltc_test);
    rule(Dogecoin, b58(&[30, 22]));
    rule(DogecoinTestnet, b58(&[113, 196]));
    rule(Dash, b58(&[76, 16]));
    rule(DashTestnet, b58(&[140, 19]));
    let zcash = b58_2([0x1c, 0xb8]) || b58_2([0x1c, 0xbd]);
    rule(Zcash, zcash || shielded(input, "zs", "u", "tex"));
    let test = b58_2([0x1d, 0x25]) || b58_2([0x1c, 0xba]);
    let test = test || shielded(input, "ztestsapling", "utest", "textest");
    let test = test || shielded(input, "zregtestsapling", "uregtest", "texregtest");
    rule(ZcashTestnet, test);
    rule(Verge, b58(&[30, 33]));
    rule(VergeTestnet, b58(&[115, 198]));
    rule(Tron, b58(&[65]) || tron_hex(input));
    rule(Xrp, ripple(input, &[0], 20) || ripple(input, &[5, 0x44], 29));
    rule(XrpTestnet, ripple(input, &[0], 20) || ripple(input, &[4, 0x93], 29));
    rule(Monero, monero(input, [18, 19, 42, 70]));
    rule(MoneroStagenet, monero(input, [24, 25, 36, 86]));
    rule(MoneroTestnet, monero(input, [53, 54, 63, 111]));
    rule(Solana, solana(input));
    rule(BnbBeacon, account(input, "bnb"));
    rule(BnbBeaconTestnet, account(input, "tbnb"));
    for (prefix, chain) in [
        ("cosmos", Cosmos("cosmoshub-4".into())),
        ("osmo", Cosmos("osmosis-1".into())),
        ("inj", Cosmos("injective-1".into())),
        ("kava", Cosmos("hashed-6d4e837e169119f0".into())),
    ] {
        rule(chain, account(input, prefix));
    }
    rule(AnyCosmos, account(input, "juno"));
    rule(Other("bech32:vtc".into()), wit("vtc"));
    found
}

/// Every prefix that the properties make up addresses with is in the model.
pub(super) const ACCOUNT_PREFIXES: [&str; 7] =
    ["bnb", "tbnb", "cosmos", "osmo", "inj", "kava", "juno"];
pub(super) const WITNESS_PREFIXES: [&str; 9] =
    ["bc", "tb", "bcrt", "ltc", "tltc", "rltc", "btg", "tbtg", "vtc"];

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}

fn tron_hex(input: &str) -> bool {
    let hex = input.strip_prefix("0x").unwrap_or(input);
    hex.len() == 42 && hex.starts_with("41") && is_hex(hex)
}

fn checked(input: &str, alphabet: &bs58::Alphabet) -> Option<Vec<u8>> {
    let mut bytes = bs58::decode(input).with_alphabet(alphabet).into_vec().ok()?;
    let checksum = bytes.split_off(bytes.len().checked_sub(4)?);
    let hash = Sha256::digest(Sha256::digest(&bytes)).to_vec();
    (hash[..4] == checksum).then_some(bytes)
}

fn base58check(input: &str, version: &[u8], rest: usize) -> bool {
    checked(input, bs58::Alphabet::BITCOIN)
        .is_some_and(|bytes| bytes.starts_with(version) && bytes.len() == version.len() + rest)
}

fn ripple(input: &str, version: &[u8], rest: usize) -> bool {
    checked(input, bs58::Alphabet::RIPPLE).is_some_and(|bytes| {
        let shaped = bytes.starts_with(version) && bytes.len() == version.len() + rest;
        let flags = rest == 20
            || shaped
                && matches!(bytes[22..], [0, 0, 0, 0, 0, 0, 0, 0, 0] | [1, _, _, _, _, 0, 0, 0, 0]);
        shaped && flags
    })
}

fn witness(input: &str, prefix: &str) -> bool {
    ::bech32::segwit::decode(input).is_ok_and(|(hrp, ..)| hrp.to_lowercase() == prefix)
}

/// Whether `input` is `prefix` and a payload of `length` bytes after `skip` zero symbols.
fn bytes_of<C: ::bech32::Checksum>(input: &str, prefix: &str, length: usize, skip: usize) -> bool {
    let lower = input.to_lowercase();
    if input != lower && input != input.to_uppercase() {
        return false;
    }
    let Ok(parts) = CheckedHrpstring::new::<C>(&lower) else {
        return false;
    };
    let symbols = parts.data_part_ascii_no_checksum();
    let Some((version, data)) = symbols.split_at_checked(skip) else {
        return false;
    };
    if parts.hrp().as_str() != prefix || version.iter().any(|symbol| *symbol != b'q') {
        return false;
    }
    let bits: String = data
        .iter()
        .map(|symbol| format!("{:05b}", bech32::SYMBOLS[usize::from(*symbol)]))
        .collect();
    let padding = bits.len().checked_sub(8 * length);
    padding.is_some_and(|padding| padding < 5) && bits[8 * length..].chars().all(|bit| bit == '0')
}

fn account(input: &str, prefix: &str) -> bool {
    input.len() <= 90
        && (bytes_of::<Bech32>(input, prefix, 20, 0) || bytes_of::<Bech32>(input, prefix, 32, 0))
}

fn shielded(input: &str, sapling: &str, unified: &str, tex: &str) -> bool {
    let unified = ::bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(input)
        .is_ok_and(|parts| parts.hrp().to_lowercase() == unified);
    unified || bytes_of::<Bech32>(input, sapling, 43, 0) || bytes_of::<Bech32m>(input, tex, 20, 0)
}

/// As the specification's own code has it.
fn cash(input: &str, prefix: &str) -> bool {
    let lower = input.to_lowercase();
    if input != lower && input != input.to_uppercase() {
        return false;
    }
    let payload = lower.strip_prefix(&format!("{prefix}:")).unwrap_or(&lower);
    let symbols: Option<Vec<u64>> = payload
        .chars()
        .map(|c| "qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(c).map(|value| value as u64))
        .collect();
    let Some(symbols) = symbols.filter(|symbols| matches!(symbols.len(), 42 | 61)) else {
        return false;
    };
    let mut c: u64 = 1;
    let prefix = prefix.bytes().map(|byte| u64::from(byte & 31));
    for d in prefix.chain([0]).chain(symbols.iter().copied()) {
        let c0 = c >> 35;
        c = ((c & 0x07ffffffff) << 5) ^ d;
        for (bit, generator) in
            [0x98f2bc8e61, 0x79b76d99e2, 0xf33e5fb3c4, 0xae2eabe2a8, 0x1e4f43e470u64]
                .iter()
                .enumerate()
        {
            if c0 & (1 << bit) != 0 {
                c ^= generator;
            }
        }
    }
    let bits: String = symbols.iter().map(|symbol| format!("{symbol:05b}")).collect();
    let version = u8::from_str_radix(&bits[..8], 2).unwrap();
    let sized = match symbols.len() {
        42 => matches!(version, 0 | 8 | 16 | 24) && bits[168..170] == *"00",
        _ => matches!(version, 11 | 27) && bits[264..265] == *"0",
    };
    c == 1 && sized
}

/// Block by block in 128 bits.
fn monero(input: &str, [plain, integrated, sub, featured]: [u8; 4]) -> bool {
    let alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = Vec::new();
    for block in input.as_bytes().chunks(11) {
        let Some(size) = [0, 2, 3, 5, 6, 7, 9, 10, 11].iter().position(|n| *n == block.len())
        else {
            return false;
        };
        let mut value: u128 = 0;
        for c in block {
            let Some(digit) = alphabet.find(char::from(*c)) else {
                return false;
            };
            value = value * 58 + digit as u128;
        }
        if value >> (8 * size) != 0 {
            return false;
        }
        bytes.extend_from_slice(&value.to_be_bytes()[16 - size..]);
    }
    if bytes.len() < 69 {
        return false;
    }
    let checksum = bytes.split_off(bytes.len() - 4);
    if Keccak256::digest(&bytes)[..4] != checksum[..] {
        return false;
    }
    match bytes.len() {
        65 => bytes[0] == plain || bytes[0] == sub,
        73 => bytes[0] == integrated,
        66 => bytes[0] == featured && bytes[65] < 8 && bytes[65] & 2 == 0,
        74 => bytes[0] == featured && bytes[65] < 8 && bytes[65] & 2 != 0,
        _ => false,
    }
}

/// The documented rule: 32 bytes, and not of the look of bech32.
fn solana(input: &str) -> bool {
    let count = |of: fn(&char) -> bool| input.chars().filter(of).count();
    let lower = count(char::is_ascii_lowercase);
    let upper = count(char::is_ascii_uppercase);
    let bytes = bs58::decode(input).into_vec();
    let looks = (lower > 1 && upper > 1) || input.ends_with(&"1".repeat(16));
    looks && bytes.is_ok_and(|bytes| bytes.len() == 32)
}
