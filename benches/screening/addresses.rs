//! Input families of the screening bench: valid addresses from seeded random keys. Writes
//! addresses by itself, so that a mistake in the program's own encoders would show as a refusal.

use sha2::Sha256;
use sha3::{Digest, Keccak256};

/// How an address is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Family {
    EvmLower,
    EvmEip55,
    EvmListed,
    EvmExposed,
    P2pkh,
    P2wpkh,
    Tron,
    Monero,
}

impl Family {
    /// The families that are stated apart from the gated one.
    pub const OTHERS: [Self; 6] =
        [Self::EvmEip55, Self::EvmListed, Self::P2pkh, Self::P2wpkh, Self::Tron, Self::Monero];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::EvmLower => "EVM lower-case",
            Self::EvmEip55 => "EVM EIP-55",
            Self::EvmListed => "EVM listed",
            Self::EvmExposed => "EVM exposed",
            Self::P2pkh => "P2PKH base58",
            Self::P2wpkh => "P2WPKH bech32",
            Self::Tron => "TRON base58",
            Self::Monero => "Monero",
        }
    }

    /// `count` addresses; the listed, or exposed, ones are the first of `listed`, over and over.
    pub fn addresses(self, count: usize, listed: &[String]) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(0x4c61_7a61_7265 + self as u64);
        let mut next = |place: usize| match self {
            Self::EvmLower => evm(&mut random),
            Self::EvmEip55 => eip55(&evm(&mut random)),
            Self::EvmListed | Self::EvmExposed => listed[place % listed.len()].clone(),
            Self::P2pkh => base58check(0x00, bytes(&mut random)),
            Self::P2wpkh => bech32::segwit::encode_v0(bech32::hrp::BC, &bytes::<20>(&mut random))
                .expect("20 bytes are a program of witness version 0"),
            Self::Tron => base58check(0x41, bytes(&mut random)),
            Self::Monero => monero(&mut random),
        };
        (0..count).map(&mut next).collect()
    }
}

/// `count` random EVM addresses in lower case, for a list.
pub fn listed(count: usize) -> impl Iterator<Item = String> {
    let mut random = fastrand::Rng::with_seed(0x6c69_7374);
    (0..count).map(move |_| evm(&mut random))
}

/// `count` random P2SH addresses of Bitcoin.
#[allow(dead_code, reason = "only the bench of batches asks for them")]
pub fn p2sh(count: usize) -> impl Iterator<Item = String> {
    let mut random = fastrand::Rng::with_seed(0x7032_7368);
    (0..count).map(move |_| base58check(0x05, bytes(&mut random)))
}

fn bytes<const N: usize>(random: &mut fastrand::Rng) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

fn evm(random: &mut fastrand::Rng) -> String {
    let digits = bytes::<20>(random).map(|byte| format!("{byte:02x}"));
    format!("0x{}", digits.concat())
}

fn eip55(lower: &str) -> String {
    let hash = Keccak256::digest(&lower.as_bytes()[2..]);
    let nibble = |place: usize| (hash[place / 2] >> (4 * (1 - place % 2))) & 15;
    let digits = lower[2..].chars().enumerate().map(|(place, digit)| match nibble(place) {
        8.. => digit.to_ascii_uppercase(),
        _ => digit,
    });
    "0x".chars().chain(digits).collect()
}

fn base58check(version: u8, key: [u8; 20]) -> String {
    let mut payload = vec![version];
    payload.extend(key);
    let checksum = Sha256::digest(Sha256::digest(&payload));
    payload.extend(&checksum[..4]);
    bs58::encode(payload).into_string()
}

/// A standard address of the main network: blocks of 8 bytes as 11 digits each, the last 5 as 7.
fn monero(random: &mut fastrand::Rng) -> String {
    let mut payload = vec![18];
    payload.extend(bytes::<64>(random));
    let checksum = Keccak256::digest(&payload);
    payload.extend(&checksum[..4]);
    let block = |block: &[u8]| {
        let width = if block.len() == 8 { 11 } else { 7 };
        let digits = bs58::encode(block).into_string();
        // Leading zero bytes are already digits 1; what is short of the width is padded the same.
        let value = digits.trim_start_matches('1');
        format!("{value:1>width$}")
    };
    payload.chunks(8).map(block).collect()
}
