//! Chains, their CAIP-2 ids, and the names and tickers that identify them.
//!
//! CAIP-2: `namespace:reference` (<https://chainagnostic.org/CAIPs/caip-2>). The references come
//! from the namespace profiles. `bip122` takes the first 32 hex digits of the genesis block, or of
//! the first block after a fork (CAIP-4); `eip155` the EIP-155 chain id; `cosmos` the chain id
//! (CAIP-5). `solana` and `xrpl` follow <https://namespaces.chainagnostic.org>. `tron` takes the
//! TIP-474 chain id in hex; `monero` the first 32 hex digits of the genesis block.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use self::names::Found;
pub(crate) use self::names::STABLECOINS;

mod names;

/// A chain, or a family of chains that share an address form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Any EVM chain: the form does not identify one. Written `eip155:*`.
    AnyEvm,
    /// One EVM chain, by its EIP-155 id.
    Evm(u64),
    Bitcoin,
    BitcoinTestnet,
    /// Bitcoin's fourth test network (BIP-94).
    BitcoinTestnet4,
    /// Bitcoin's default signet (BIP-325).
    BitcoinSignet,
    /// A private Bitcoin test network.
    BitcoinRegtest,
    BitcoinCash,
    BitcoinCashTestnet,
    BitcoinSv,
    BitcoinGold,
    BitcoinGoldTestnet,
    Litecoin,
    LitecoinTestnet,
    Dogecoin,
    DogecoinTestnet,
    Dash,
    DashTestnet,
    Zcash,
    ZcashTestnet,
    Verge,
    VergeTestnet,
    /// TRON; its test networks share its addresses.
    Tron,
    Xrp,
    XrpTestnet,
    Monero,
    MoneroStagenet,
    MoneroTestnet,
    /// Solana; its test networks share its addresses.
    Solana,
    BnbBeacon,
    /// BNB Beacon Chain test network.
    BnbBeaconTestnet,
    /// A Cosmos-style chain with an unknown bech32 prefix. Written `cosmos:*`.
    AnyCosmos,
    /// A Cosmos-style chain by its CAIP-2 reference: `osmosis-1`.
    Cosmos(Box<str>),
    /// An unknown chain, as written in CAIP-2. Two namespaces are our own: `bech32:<prefix>` for a
    /// segwit address with an unknown prefix, and `ticker:<ticker>` for a list's unknown ticker.
    Other(Box<str>),
}

/// The longest chain id, in bytes: a namespace of 8, a colon and a reference of 32 (CAIP-2).
pub const MAX_CHAIN: usize = 41;

/// A string that names no chain, or several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// It names no known chain; the beginning of the string.
    #[error(
        "{0:?} names no chain: a CAIP-2 id such as eip155:1, or a name such as bitcoin, Arbitrum One \
         or TRC20"
    )]
    Unknown(String),
    /// It names several chains; which ones.
    #[error("{0:?} names more than one chain: use {1}")]
    Ambiguous(String, &'static str),
}

impl Chain {
    /// Returns the CAIP-2 id. [`FromStr`] reverses it.
    pub fn caip2(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Evm(id) => return Cow::Owned(format!("eip155:{id}")),
            Self::Cosmos(reference) => return Cow::Owned(format!("cosmos:{reference}")),
            Self::Other(text) => return Cow::Owned(text.to_string()),
            Self::AnyEvm => "eip155:*",
            Self::AnyCosmos => "cosmos:*",
            Self::Bitcoin => "bip122:000000000019d6689c085ae165831e93",
            Self::BitcoinTestnet => "bip122:000000000933ea01ad0ee984209779ba",
            Self::BitcoinTestnet4 => "bip122:00000000da84f2bafbbc53dee25a72ae",
            Self::BitcoinSignet => "bip122:00000008819873e925422c1ff0f99f7c",
            Self::BitcoinRegtest => "bip122:0f9188f13cb7b2c71f2a335e3a4fc328",
            // The first block of its own: height 478559.
            Self::BitcoinCash => "bip122:000000000000000000651ef99cb9fcbe",
            // The first block of its own: test network height 1155876.
            Self::BitcoinCashTestnet => "bip122:00000000000e38fef93ed9582a7df438",
            // The first block of its own: height 556767.
            Self::BitcoinSv => "bip122:000000000000000001d956714215d96f",
            // Its genesis is Bitcoin's, and no trusted source gives the hash of its first own block
            // (491407): this reference is our own.
            Self::BitcoinGold => "bip122:bitcoin-gold",
            Self::BitcoinGoldTestnet => "bip122:00000000e0781ebe24b91eedc293adfe",
            Self::Litecoin => "bip122:12a765e31ffd4059bada1e25190f6e98",
            Self::LitecoinTestnet => "bip122:4966625a4b2851d9fdee139e56211a0d",
            // Some wallets write the zero-padded hash.
            Self::Dogecoin => "bip122:1a91e3dace36e2be3bf030a65679fe82",
            Self::DogecoinTestnet => "bip122:bb0a78264637406b6360aad926284d54",
            Self::Dash => "bip122:00000ffd590b1485b3caadc19b22e637",
            Self::DashTestnet => "bip122:00000bafbc94add76cb75e2ec9289483",
            Self::Zcash => "bip122:00040fe8ec8471911baa1db1266ea15d",
            Self::ZcashTestnet => "bip122:05a60a92d99d85997cce3b87616c089f",
            Self::Verge => "bip122:00000fc63692467faeb20cdb3b53200d",
            Self::VergeTestnet => "bip122:65b4e101cacf3e1e4f3a9237e3a74ffd",
            Self::Tron => "tron:0x2b6653dc",
            Self::Xrp => "xrpl:0",
            Self::XrpTestnet => "xrpl:1",
            Self::Monero => "monero:418015bb9ae982a1975da7d79277c270",
            Self::MoneroStagenet => "monero:76ee3cc98646292206cd3e86f74d88b4",
            Self::MoneroTestnet => "monero:48ca7cd3c8de5b6a4d53d2861fbdaedc",
            Self::Solana => "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
            Self::BnbBeacon => "cosmos:Binance-Chain-Tigris",
            Self::BnbBeaconTestnet => "cosmos:Binance-Chain-Ganges",
        })
    }

    /// Returns true if a transaction may pay into a shielded pool only, so that it has no visible
    /// output.
    pub fn may_hide_outputs(&self) -> bool {
        matches!(self, Self::Zcash | Self::ZcashTestnet | Self::Other(_))
    }

    /// Returns whether it is a family of chains, not one chain.
    pub fn is_family(&self) -> bool {
        matches!(self, Self::AnyEvm | Self::AnyCosmos)
    }

    /// Returns true if its coin moves by transactions of inputs and outputs, not from account to
    /// account.
    pub fn is_utxo(&self) -> bool {
        use Chain::{
            Bitcoin, BitcoinCash, BitcoinCashTestnet, BitcoinGold, BitcoinGoldTestnet,
            BitcoinRegtest, BitcoinSignet, BitcoinSv, BitcoinTestnet, BitcoinTestnet4, Dash,
            DashTestnet, Dogecoin, DogecoinTestnet, Litecoin, LitecoinTestnet, Monero,
            MoneroStagenet, MoneroTestnet, Verge, VergeTestnet, Zcash, ZcashTestnet,
        };
        let is_bitcoin = matches!(
            self,
            Bitcoin | BitcoinTestnet | BitcoinTestnet4 | BitcoinSignet | BitcoinRegtest
        );
        let is_fork = matches!(
            self,
            BitcoinCash | BitcoinCashTestnet | BitcoinSv | BitcoinGold | BitcoinGoldTestnet
        );
        let is_kin = matches!(
            self,
            Litecoin
                | LitecoinTestnet
                | Dogecoin
                | DogecoinTestnet
                | Dash
                | DashTestnet
                | Zcash
                | ZcashTestnet
                | Verge
                | VergeTestnet
        );
        let is_private = matches!(self, Monero | MoneroStagenet | MoneroTestnet);
        is_bitcoin || is_fork || is_kin || is_private
    }

    /// Returns the chain of a list's ticker (`XBT`, `BSC`) or CAIP-2 id. Returns `None` for a token
    /// of several chains (`USDT`) and for unknown tickers. Only a hint: the address form decides.
    /// `BNB` and `CRO` mean the EVM chains with these EIP-3770 names (BNB Smart Chain, Cronos).
    pub fn from_ticker(ticker: &str) -> Option<Self> {
        match ticker.to_ascii_lowercase().as_str() {
            "bnb" => Some(Self::Evm(56)),
            "cro" => Some(Self::Evm(25)),
            _ => ticker.parse().ok(),
        }
    }
}

impl FromStr for Chain {
    type Err = ChainError;

    /// Parses a CAIP-2 id, a common name or a ticker, also next to a token's ticker (`USDT
    /// (TRC20)`). In names, case, blanks, `-` and `_` are ignored. Unknown CAIP-2 ids become
    /// [`Chain::Other`].
    fn from_str(text: &str) -> Result<Self, ChainError> {
        let shown = || text.chars().take(MAX_CHAIN + 1).collect();
        let refused = || ChainError::Unknown(shown());
        if text.len() > MAX_CHAIN {
            return Err(refused());
        }
        match names::find(text) {
            Found::Chain(known) => return Ok(known),
            Found::Several(which) => return Err(ChainError::Ambiguous(shown(), which)),
            Found::None => {}
        }
        let (namespace, reference) = text.split_once(':').ok_or_else(refused)?;
        let namespace_fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(3..=8).contains(&namespace.len())
            || !namespace.bytes().all(namespace_fits)
            || !is_reference(reference)
        {
            return Err(refused());
        }
        match namespace {
            "eip155" => evm_id(reference).map(Self::Evm).ok_or_else(refused),
            "cosmos" => Ok(Self::Cosmos(reference.into())),
            _ => Ok(Self::Other(text.into())),
        }
    }
}

/// Returns true if `text` is a CAIP-2 reference: 1 to 32 of letters, digits, `-` and `_`.
pub(crate) fn is_reference(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(fits)
}

/// An EIP-155 id: a decimal number above 0 without leading zeros.
fn evm_id(reference: &str) -> Option<u64> {
    let id: u64 = reference.parse().ok()?;
    (id > 0 && id.to_string() == reference).then_some(id)
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.caip2())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_ids_are_understood() {
        let check = |text: &str, chain: Chain| assert_eq!(text.parse(), Ok(chain), "{text}");
        for bitcoin in
            ["bitcoin", "Bitcoin", "BTC", "XBT", "bip122:000000000019d6689c085ae165831e93"]
        {
            check(bitcoin, Chain::Bitcoin);
        }
        check("eth", Chain::Evm(1));
        check("Ethereum", Chain::Evm(1));
        for ethereum in ["ERC20", "erc-20", " ethereum_MAINNET ", "Ethereum (ERC20)", "\u{a0}eth"] {
            check(ethereum, Chain::Evm(1));
        }
        check("Arbitrum One", Chain::Evm(42161));
        check("OP Mainnet", Chain::Evm(10));
        check("BNB Smart Chain Mainnet", Chain::Evm(56));
        check("BNB Smart Chain (BEP20)", Chain::Evm(56));
        check("Avalanche C-Chain", Chain::Evm(43114));
        check("TRC20", Chain::Tron);
        check("Tron (TRC-20)", Chain::Tron);
        check("Bitcoin Cash", Chain::BitcoinCash);
        check("BSC", Chain::Evm(56));
        check("polygon", Chain::Evm(137));
        check("arbitrum", Chain::Evm(42161));
        check("eip155:8453", Chain::Evm(8453));
        check("eip155:*", Chain::AnyEvm);
        check("tron", Chain::Tron);
        check("TRX", Chain::Tron);
        check("xrpl:0", Chain::Xrp);
        check("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", Chain::Solana);
        check("cosmos:Binance-Chain-Tigris", Chain::BnbBeacon);
        check("cosmos:osmosis-1", Chain::Cosmos("osmosis-1".into()));
        check("cip34:1-764824073", Chain::Other("cip34:1-764824073".into()));
    }

    #[test]
    fn networks_are_read_as_exchanges_write_them() {
        let check = |text: &str, chain: Chain| assert_eq!(text.parse(), Ok(chain), "{text}");
        for tron in [
            "USDT (TRC20)",
            "usdt(trc-20)",
            "USDT-TRC20",
            "USDT TRC20",
            "USDC - Tron Network",
            "TRC20-USDT",
            "TRC20 (USDT)",
            "Tether (Tron)",
            "Tron Network",
            "TRON (TRC20 / TRX)",
        ] {
            check(tron, Chain::Tron);
        }
        for ethereum in [
            "USDT_ERC20",
            "ERC20 / Ethereum",
            "Ethereum/ERC20",
            "Ethereum Network",
            "Ethereum Network (ERC20)",
            "Ethereum Mainnet Network",
            "DAI (Ethereum)",
        ] {
            check(ethereum, Chain::Evm(1));
        }
        for bitcoin in ["Bitcoin Network", "BTC Network", "bitcoin-blockchain", "BTC_Chain"] {
            check(bitcoin, Chain::Bitcoin);
        }
        check("Optimism (ETH)", Chain::Evm(10));
        check("Arbitrum One (ETH)", Chain::Evm(42161));
        check("BSC (BNB)", Chain::Evm(56));
        check("XDC Network", Chain::Evm(50));
        check("Binance Chain", Chain::BnbBeacon);
        for refused in [
            "USDT",
            "USDT (USDC)",
            "USDT Network",
            "USDT ()",
            "USDT-",
            "Network",
            "BTC-USDT",
            "BTC/USDT",
            "ETH_USDT",
            "WBTC-BTC",
            "ERC20 / TRC20",
            "USDT (TRC20 / ERC20)",
            "USDT-TRC20 (ERC20)",
            "ERC20 /",
            "ETH (Optimism)",
            "Optimism (ERC20)",
            "Optimism (Ethereum)",
            "Polygon (ETH)",
            "Optimism (BNB)",
            "BNB (BEP20)",
            "BNB Network",
            "Avalanche X-Chain",
            "Ethereum Testnet",
            "Lightning Network",
        ] {
            assert!(refused.parse::<Chain>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "",
            ":",
            "eip155:",
            "eip155:0",
            "eip155:01",
            "eip155:+1",
            "eip155:1 ",
            " ",
            "-_",
            "Tron (ERC20)",
            "Tron ()",
            "(ERC20)",
            "eth:",
            "eip155:99999999999999999999",
            "EIP155:1",
            "ab:c",
            "namespace9:x",
            "abc:d:e",
            "nonesuch",
            "abc:é",
            "b\u{200b}tc",
        ] {
            assert!(text.parse::<Chain>().is_err(), "{text:?}");
        }
        let long = format!("abc:{}", "x".repeat(5000));
        assert!(long.parse::<Chain>().unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn what_names_several_chains_is_refused_with_their_names() {
        for (text, which) in [
            ("BNB", "bsc or bnb-beacon"),
            ("bnb chain", "bsc or bnb-beacon"),
            ("Binance", "bsc or bnb-beacon"),
            ("HRC20", "eip155:128"),
            ("BNB Network", "bsc or bnb-beacon"),
            ("USDT (OMNI)", "eip155:166"),
        ] {
            let said = text.parse::<Chain>().unwrap_err().to_string();
            assert!(said.contains("more than one chain") && said.contains(which), "{said}");
        }
    }

    #[test]
    fn tickers_are_hints() {
        let check = |ticker: &str, chain: Option<Chain>| {
            assert_eq!(Chain::from_ticker(ticker), chain, "{ticker}");
        };
        check("XBT", Some(Chain::Bitcoin));
        check("ETH", Some(Chain::Evm(1)));
        check("ETC", Some(Chain::Evm(61)));
        check("BSC", Some(Chain::Evm(56)));
        check("BNB", Some(Chain::Evm(56)));
        check("ARB", Some(Chain::Evm(42161)));
        check("SOL", Some(Chain::Solana));
        check("XMR", Some(Chain::Monero));
        check("LTC", Some(Chain::Litecoin));
        check("DASH", Some(Chain::Dash));
        check("ZEC", Some(Chain::Zcash));
        check("BTG", Some(Chain::BitcoinGold));
        check("BCH", Some(Chain::BitcoinCash));
        check("BSV", Some(Chain::BitcoinSv));
        check("XVG", Some(Chain::Verge));
        check("DOGE", Some(Chain::Dogecoin));
        check("TRX", Some(Chain::Tron));
        check("XRP", Some(Chain::Xrp));
        check("eip155:56", Some(Chain::Evm(56)));
        check("USDT", None);
        check("USDC", None);
        check("", None);
        check("NONESUCH", None);
    }

    /// `shortName` of ethereum-lists/chains, which EIP-3770 writes before an address.
    #[test]
    fn short_names_of_eip_3770_are_known() {
        for (name, id) in [
            ("eth", 1),
            ("oeth", 10),
            ("flr", 14),
            ("cro", 25),
            ("rsk", 30),
            ("xdc", 50),
            ("bnb", 56),
            ("etc", 61),
            ("bnbt", 97),
            ("gno", 100),
            ("heco", 128),
            ("matic", 137),
            ("pol", 137),
            ("sonic", 146),
            ("obnb", 204),
            ("ftm", 250),
            ("zksync", 324),
            ("zkevm", 1101),
            ("mbeam", 1284),
            ("mriver", 1285),
            ("mantle", 5000),
            ("kaia-mainnet", 8217),
            ("base", 8453),
            ("ethw", 10001),
            ("holesky", 17000),
            ("arb1", 42161),
            ("arb-nova", 42170),
            ("CELO", 42220),
            ("avax", 43114),
            ("linea", 59144),
            ("berachain", 80094),
            ("blastmainnet", 81457),
            ("scr", 534352),
            ("sep", 11155111),
            ("aurora", 1313161554),
        ] {
            assert_eq!(Chain::from_ticker(name), Some(Chain::Evm(id)), "{name}");
            let is_said_of_several = matches!(name, "bnb" | "cro");
            assert_eq!(name.parse::<Chain>().is_ok(), !is_said_of_several, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_back(text in "[a-z0-9:*-]{1,45}|eip155:[0-9]{1,20}|\\PC{0,50}") {
            if let Ok(chain) = text.parse::<Chain>() {
                prop_assert_eq!(chain.to_string().parse(), Ok(chain));
            }
        }
    }
}
