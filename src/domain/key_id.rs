//! Key ids: what controls the funds of an address, comparable across encodings and chains.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use data_encoding::HEXLOWER;
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

/// The longest witness program, in bytes (BIP-141).
pub const MAX_PROGRAM: usize = 40;

/// A segwit witness program: 2 to 40 bytes (BIP-141).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    // Zero beyond `len`, so that the derived comparisons are those of the slices.
    bytes: [u8; MAX_PROGRAM],
    len: u8,
}

impl Program {
    /// Creates a program; `None` unless it has 2 to 40 bytes.
    pub fn new(program: &[u8]) -> Option<Self> {
        if !(2..=MAX_PROGRAM).contains(&program.len()) {
            return None;
        }
        let mut bytes = [0; MAX_PROGRAM];
        bytes.get_mut(..program.len())?.copy_from_slice(program);
        Some(Self { bytes, len: u8::try_from(program.len()).ok()? })
    }

    /// The program's 2 to 40 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.as_bytes())
    }
}

/// The controlling material of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyId {
    /// `pkh:` HASH160 of a public key: P2PKH and P2WPKH of every Bitcoin-script chain, XRP
    /// accounts, Cosmos-style and BNB Beacon accounts.
    PublicKeyHash([u8; 20]),
    /// `evm:` the last 20 bytes of Keccak-256 of a public key, or a contract's address: EVM chains,
    /// TRON, Keccak-based Cosmos accounts.
    Evm([u8; 20]),
    /// `sh:` HASH160 of a script: P2SH of every Bitcoin-script chain.
    ScriptHash([u8; 20]),
    /// `sh32:` double SHA-256 of a script: the P2SH32 of Bitcoin Cash.
    ScriptHash32([u8; 32]),
    /// `wp:<version>:` a witness program (P2WSH is version 0 with 32 bytes, P2TR version 1 with
    /// 32; P2WPKH is a [`KeyId::PublicKeyHash`] instead).
    WitnessProgram {
        /// The witness version, 0 to 16.
        version: u8,
        program: Program,
    },
    /// `xmr:` a Monero public spend key followed by the public view key.
    MoneroKeys([u8; 64]),
    /// `ed25519:` a Solana account: an Ed25519 public key or a derived address.
    Ed25519([u8; 32]),
    /// `sapling:` a Zcash Sapling receiver: diversifier (11) and transmission key (32). Two
    /// diversified addresses of one wallet cannot be linked.
    Sapling([u8; 43]),
    /// `orchard:` a Zcash Orchard receiver, as Sapling.
    Orchard([u8; 43]),
    /// `mweb:` a Litecoin MWEB stealth address: scan key (33) and spend key (33).
    Mweb([u8; 66]),
    /// `acc32:<prefix>:` a 32-byte Cosmos-style account (a contract or module). The prefix belongs
    /// to it: contract addresses are numbered alike on every chain, for different owners.
    Account32 {
        /// The bech32 prefix.
        prefix: Box<str>,
        account: [u8; 32],
    },
    /// `verbatim:` the string as written, for an unknown chain.
    Verbatim(Box<str>),
}

impl KeyId {
    /// Returns the material's bytes, without tag, witness version and prefix.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::PublicKeyHash(hash) | Self::Evm(hash) | Self::ScriptHash(hash) => hash,
            Self::ScriptHash32(bytes) | Self::Ed25519(bytes) => bytes,
            Self::WitnessProgram { program, .. } => program.as_bytes(),
            Self::MoneroKeys(keys) => keys,
            Self::Sapling(receiver) | Self::Orchard(receiver) => receiver,
            Self::Mweb(keys) => keys,
            Self::Account32 { account, .. } => account,
            Self::Verbatim(text) => text.as_bytes(),
        }
    }

    /// Returns true if the material is all zero: a placeholder that no party controls.
    #[inline]
    pub fn is_null(&self) -> bool {
        self.as_bytes().iter().all(|&byte| byte == 0)
    }

    /// Returns the script hash of the nested segwit output that the key's owner also controls
    /// (BIP-141). For a public-key hash it is HASH160(0x0014 || hash), for a version-0 witness
    /// program HASH160(0x0020 || program).
    ///
    /// This holds for every public-key hash, including XRP and Cosmos-style accounts: all are
    /// HASH160 of the same kind of public key, so its owner can spend the nested script. Some are
    /// no such hash (an Ed25519 XRP account, a Cosmos module, an uncompressed key). Their nested
    /// script cannot be spent at all, so it never matches wrongly. P2TR outputs (BIP-341) and EVM
    /// accounts have no nested output.
    pub fn nested(&self) -> Option<Self> {
        self.nested_hash().map(Self::ScriptHash)
    }

    pub(super) fn nested_hash(&self) -> Option<[u8; 20]> {
        let program = match self {
            Self::PublicKeyHash(hash) => hash.as_slice(),
            Self::WitnessProgram { version: 0, program } => program.as_bytes(),
            Self::Evm(_)
            | Self::ScriptHash(_)
            | Self::ScriptHash32(_)
            | Self::WitnessProgram { .. }
            | Self::MoneroKeys(_)
            | Self::Ed25519(_)
            | Self::Sapling(_)
            | Self::Orchard(_)
            | Self::Mweb(_)
            | Self::Account32 { .. }
            | Self::Verbatim(_) => return None,
        };
        let length = u8::try_from(program.len()).ok()?;
        let script = Sha256::new().chain_update([0, length]).chain_update(program);
        Some(Ripemd160::digest(script.finalize()).into())
    }

    fn tag(&self) -> &'static str {
        match self {
            Self::PublicKeyHash(_) => "pkh",
            Self::Evm(_) => "evm",
            Self::ScriptHash(_) => "sh",
            Self::ScriptHash32(_) => "sh32",
            Self::WitnessProgram { .. } => "wp",
            Self::MoneroKeys(_) => "xmr",
            Self::Ed25519(_) => "ed25519",
            Self::Sapling(_) => "sapling",
            Self::Orchard(_) => "orchard",
            Self::Mweb(_) => "mweb",
            Self::Account32 { .. } => "acc32",
            Self::Verbatim(_) => "verbatim",
        }
    }
}

/// One write of the material: equal ids have equal bytes, and different kinds with the same bytes
/// only share a bucket.
impl Hash for KeyId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.tag())?;
        match self {
            Self::Verbatim(text) => return f.write_str(text),
            Self::WitnessProgram { version, .. } => write!(f, "{version}:")?,
            Self::Account32 { prefix, .. } => write!(f, "{prefix}:")?,
            Self::PublicKeyHash(_)
            | Self::Evm(_)
            | Self::ScriptHash(_)
            | Self::ScriptHash32(_)
            | Self::MoneroKeys(_)
            | Self::Ed25519(_)
            | Self::Sapling(_)
            | Self::Orchard(_)
            | Self::Mweb(_) => {}
        }
        write_hex(f, self.as_bytes())
    }
}

/// A string that is not a key id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid key id {0:?}: use a tag such as evm or pkh, a colon and the material in lower-case hex"
)]
pub struct KeyIdError(String);

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| KeyIdError(text.chars().take(200).collect()))
    }
}

fn parse(text: &str) -> Option<KeyId> {
    let (tag, rest) = text.split_once(':')?;
    Some(match tag {
        "pkh" => KeyId::PublicKeyHash(unhex(rest)?),
        "evm" => KeyId::Evm(unhex(rest)?),
        "sh" => KeyId::ScriptHash(unhex(rest)?),
        "sh32" => KeyId::ScriptHash32(unhex(rest)?),
        "wp" => {
            let (version, hex) = rest.split_once(':')?;
            let version =
                version.parse().ok().filter(|v: &u8| *v <= 16 && v.to_string() == version)?;
            let mut program = [0; MAX_PROGRAM];
            let program = program.get_mut(..hex.len() / 2)?;
            unhex_into(hex, program)?;
            KeyId::WitnessProgram { version, program: Program::new(program)? }
        }
        "xmr" => KeyId::MoneroKeys(unhex(rest)?),
        "ed25519" => KeyId::Ed25519(unhex(rest)?),
        "sapling" => KeyId::Sapling(unhex(rest)?),
        "orchard" => KeyId::Orchard(unhex(rest)?),
        "mweb" => KeyId::Mweb(unhex(rest)?),
        "acc32" => {
            let (prefix, hex) = rest.split_once(':')?;
            KeyId::Account32 { prefix: prefix.into(), account: unhex(hex)? }
        }
        "verbatim" if !rest.is_empty() => KeyId::Verbatim(rest.into()),
        _ => return None,
    })
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    write!(f, "{}", HEXLOWER.encode_display(bytes))
}

fn unhex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    unhex_into(hex, &mut bytes)?;
    Some(bytes)
}

/// Decodes lower-case hex of exactly the length of `out`.
fn unhex_into(hex: &str, out: &mut [u8]) -> Option<()> {
    let fits = hex.len() == 2 * out.len();
    fits.then(|| HEXLOWER.decode_mut(hex.as_bytes(), out).ok()).flatten().map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::hash_map::DefaultHasher;

    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = KeyId> {
        (0..12u8, prop::collection::vec(any::<u8>(), 66), 0..=16u8, 2..=MAX_PROGRAM).prop_map(
            |(kind, bytes, version, len)| {
                fn cut<const N: usize>(bytes: &[u8]) -> [u8; N] {
                    bytes[..N].try_into().unwrap()
                }
                match kind {
                    0 => KeyId::PublicKeyHash(cut(&bytes)),
                    1 => KeyId::Evm(cut(&bytes)),
                    2 => KeyId::ScriptHash(cut(&bytes)),
                    3 => KeyId::ScriptHash32(cut(&bytes)),
                    4 => KeyId::WitnessProgram {
                        version,
                        program: Program::new(&bytes[..len]).unwrap(),
                    },
                    5 => KeyId::MoneroKeys(cut(&bytes)),
                    6 => KeyId::Ed25519(cut(&bytes)),
                    7 => KeyId::Sapling(cut(&bytes)),
                    8 => KeyId::Orchard(cut(&bytes)),
                    9 => KeyId::Mweb(cut(&bytes)),
                    10 => KeyId::Account32 { prefix: "osmo".into(), account: cut(&bytes) },
                    _ => KeyId::Verbatim("bittrexacct1".into()),
                }
            },
        )
    }

    fn hash(key: &KeyId) -> u64 {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish()
    }

    proptest! {
        #[test]
        fn text_form_round_trips_and_equal_ids_hash_alike(key in any_key()) {
            let back: KeyId = key.to_string().parse().unwrap();
            prop_assert_eq!(&back, &key);
            prop_assert_eq!(hash(&back), hash(&key));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            if let Ok(key) = text.parse::<KeyId>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn text_forms_are_as_documented() {
        let check = |key: KeyId, text: &str| {
            assert_eq!(key.to_string(), text);
            assert_eq!(text.parse(), Ok(key));
        };
        check(KeyId::Evm([0xab; 20]), &format!("evm:{}", "ab".repeat(20)));
        check(KeyId::PublicKeyHash([1; 20]), &format!("pkh:{}", "01".repeat(20)));
        let program = Program::new(&[7, 8]).unwrap();
        check(KeyId::WitnessProgram { version: 16, program }, "wp:16:0708");
    }

    #[test]
    fn wrong_text_is_refused() {
        for text in [
            "",
            "evm",
            "evm:",
            "evm:AB",
            "evm:abc",
            "wp:17:0708",
            "wp:01:0708",
            "wp:1:07",
            "wp:1:",
            "verbatim:",
            "pkh:zz",
        ] {
            assert!(text.parse::<KeyId>().is_err(), "{text}");
        }
        assert!(format!("wp:1:{}", "00".repeat(41)).parse::<KeyId>().is_err());
    }

    #[test]
    fn null_is_all_zero_material() {
        assert!(KeyId::Evm([0; 20]).is_null());
        assert!(!KeyId::Verbatim("0".into()).is_null());
        let mut almost = [0; 20];
        almost[19] = 1;
        assert!(!KeyId::Evm(almost).is_null());
    }
}
