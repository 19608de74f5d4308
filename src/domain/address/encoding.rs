//! Names of the encodings.

use std::fmt;

/// How an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// 0x and 40 hex digits (EIP-55 where of mixed case).
    Evm,
    /// Base58check of a public-key hash on a Bitcoin-script chain.
    P2pkh,
    /// Base58check of a script hash on a Bitcoin-script chain.
    P2sh,
    /// Bech32 of a version-0 witness program of 20 bytes (BIP-173).
    P2wpkh,
    /// Bech32 of a version-0 witness program of 32 bytes (BIP-173).
    P2wsh,
    /// Bech32m of a version-1 witness program of 32 bytes (BIP-350, BIP-341).
    P2tr,
    /// Bech32m of any other witness program (BIP-350).
    Witness,
    /// CashAddr of Bitcoin Cash, of whatever type.
    CashAddr,
    /// Bech32 of a Litecoin MWEB stealth address.
    Mweb,
    /// Bech32 of a Zcash Sapling receiver.
    ZcashSapling,
    /// Bech32m of several Zcash receivers (ZIP-316).
    ZcashUnified,
    /// Bech32m of a public-key hash that takes transparent funds only (ZIP-320).
    ZcashTex,
    /// Base58check of a TRON account.
    Tron,
    /// 41 and 40 hex digits: a TRON account in its node's own form.
    TronHex,
    /// Base58check in the XRP alphabet.
    Xrp,
    /// X-address: an XRP account with its network and tag.
    XrpX,
    Monero,
    /// A Monero address with a payment id.
    MoneroIntegrated,
    MoneroSubaddress,
    /// A Monero address with a list of features.
    MoneroFeatured,
    /// 32 bytes in base58.
    Solana,
    /// Bech32 of a Cosmos-style account, BNB Beacon among them.
    Cosmos,
    /// Taken verbatim, on a chain that this program does not know.
    Verbatim,
}

impl Encoding {
    /// Its name: lower case, words joined by `-`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evm => "evm",
            Self::P2pkh => "p2pkh",
            Self::P2sh => "p2sh",
            Self::P2wpkh => "p2wpkh",
            Self::P2wsh => "p2wsh",
            Self::P2tr => "p2tr",
            Self::Witness => "witness",
            Self::CashAddr => "cashaddr",
            Self::Mweb => "mweb",
            Self::ZcashSapling => "zcash-sapling",
            Self::ZcashUnified => "zcash-unified",
            Self::ZcashTex => "zcash-tex",
            Self::Tron => "tron",
            Self::TronHex => "tron-hex",
            Self::Xrp => "xrp",
            Self::XrpX => "xrp-x",
            Self::Monero => "monero",
            Self::MoneroIntegrated => "monero-integrated",
            Self::MoneroSubaddress => "monero-subaddress",
            Self::MoneroFeatured => "monero-featured",
            Self::Solana => "solana",
            Self::Cosmos => "cosmos",
            Self::Verbatim => "verbatim",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
