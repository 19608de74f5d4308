//! Why an input fits no form, described for the closest one.

/// Why an input is not the form that it most resembles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// It resembles no form.
    #[error("neither 0x hex, base58, bech32 nor CashAddr of a known length")]
    NoShape,
    /// 0x, but not 40 hex digits after it.
    #[error("0x is followed by {0} characters instead of 40 hex digits")]
    EvmLength(usize),
    /// 0x and 40 characters, one of which is not a hex digit.
    #[error("byte {0} is not a hex digit")]
    EvmDigit(usize),
    /// An upper-case 0X.
    #[error("0X is not a prefix: 0x is")]
    EvmPrefix,
    /// 40 hex digits without prefix.
    #[error("40 hex digits without 0x name no particular chain")]
    BareHex,
    /// Base58 of the length of a checksummed form, with a wrong checksum.
    #[error("base58check checksum is wrong (version {version:#04x})")]
    Base58Checksum {
        /// The first byte of the version.
        version: u8,
    },
    /// Base58check with a correct checksum, whose version no known chain uses.
    #[error("base58check version {version:#04x} belongs to no known chain")]
    Base58Version {
        /// The first byte of the version.
        version: u8,
    },
    /// A private key: a secret, not an address.
    #[error("a private key, not an address")]
    PrivateKey,
    /// Bech32 in mixed case (BIP-173 forbids it).
    #[error("bech32 in mixed case")]
    Bech32MixedCase,
    /// A character outside the bech32 alphabet, after a known prefix.
    #[error("byte {0} is not a bech32 character")]
    Bech32Character(usize),
    /// Wrong checksum, both as bech32 and as bech32m.
    #[error("bech32 checksum is wrong")]
    Bech32Checksum,
    /// Longer than the 90 characters that the checksum protects (BIP-173).
    #[error("bech32 of {0} characters, more than 90")]
    Bech32Length(usize),
    /// Bech32 where bech32m is required, or the reverse (BIP-350).
    #[error("bech32 and bech32m are mixed up")]
    Bech32Variant,
    /// Bits left over that are not zero, or more than four of them (BIP-173).
    #[error("bech32 padding is wrong")]
    Bech32Padding,
    /// Bech32 with a correct checksum whose payload has no known form.
    #[error("bech32 payload has no known form")]
    Bech32Payload,
    /// A witness version above 16 (BIP-173).
    #[error("witness version {0} is above 16")]
    WitnessVersion(u8),
    /// A witness program that is not 2 to 40 bytes, or not 20 or 32 for version 0 (BIP-141).
    #[error("witness program of {0} bytes")]
    WitnessLength(usize),
    /// A CashAddr prefix that is not Bitcoin Cash's.
    #[error("prefix before the colon is not bitcoincash, bchtest or bchreg")]
    CashAddrPrefix,
    /// CashAddr in mixed case.
    #[error("CashAddr in mixed case")]
    CashAddrMixedCase,
    /// Wrong checksum, under every prefix.
    #[error("CashAddr checksum is wrong")]
    CashAddrChecksum,
    /// A type or size that Bitcoin Cash does not use, or wrong padding.
    #[error("CashAddr type or size is unknown")]
    CashAddrPayload,
    /// Monero: invalid block-wise base58.
    #[error("Monero base58 is wrong")]
    MoneroBase58,
    /// Monero: wrong checksum.
    #[error("Monero checksum is wrong")]
    MoneroChecksum,
    /// Monero: an unknown network byte, or one that does not match the length.
    #[error("Monero network byte {0} does not fit the length")]
    MoneroNetwork(u8),
    /// Monero: unknown features, or features that do not match the length.
    #[error("Monero features {0} do not fit the length")]
    MoneroFeatures(u8),
    /// XRP: an X-address with unknown flags or unused bits set.
    #[error("X-address flags are unknown")]
    XrpFlags,
    /// Zcash unified: jumbling, padding or order violates ZIP-316.
    #[error("unified address breaks ZIP-316: {0}")]
    Unified(&'static str),
    /// An address without a checksum next to other text.
    #[error(
        "an address without a checksum is next to other text: such an address is accepted only on its own"
    )]
    NoChecksum,
    /// An address directly next to other characters, without a blank.
    #[error("an address is directly next to other characters: put a blank between them")]
    Glued,
    /// A word with the length and beginning of an address, but with invalid characters.
    #[error("a word looks like a mistyped address")]
    Mistyped,
    /// A URL whose path does not identify an address.
    #[error("the URL does not name an address: an explorer's path has /address/ before one")]
    Url,
    /// A did:pkh identifier without an account.
    #[error("did:pkh must be followed by an account (CAIP-10)")]
    Did,
    /// CAIP-10: an account of an unknown chain that is itself written with a chain.
    #[error("two chains are written before the address (CAIP-10 takes one)")]
    SecondChain,
    /// EIP-681: a function other than `transfer`.
    #[error(
        "the URI calls a function of a contract: only a plain payment or a transfer names a party"
    )]
    UriFunction,
    /// EIP-681: a transfer without one receiver.
    #[error("the URI of a transfer needs one `address` parameter, its receiver")]
    UriReceiver,
    /// EIP-681: a chain id that is not a number.
    #[error("the URI's chain id after @ is not a number")]
    UriChain,
    /// BIP-21: a required parameter.
    #[error("the URI has an unknown required parameter (req-): it is not a plain payment")]
    UriRequired,
    /// A URI whose parameters name further addresses.
    #[error("the URI names further addresses besides its own")]
    UriAddresses,
}
