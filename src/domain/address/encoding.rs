//! Names of the encodings.

/// How an address is written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
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
    #[strum(serialize = "cashaddr")]
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
        self.into()
    }
}
