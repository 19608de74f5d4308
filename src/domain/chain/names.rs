//! What people call chains. Sources: EVM chains are called as <https://chainid.network> has them
//! (`name`) and as EIP-3770 does (`shortName` of <https://github.com/ethereum-lists/chains>, all of the
//! chains below), and as explorers and wallets do; token standards stand for the one chain that defines them
//! (ERC-20 of Ethereum, <https://eips.ethereum.org/EIPS/eip-20>; BEP-20 and BEP-2 of BNB Chain,
//! <https://github.com/bnb-chain/BEPs>; TRC-10 and TRC-20 of TRON, <https://github.com/tronprotocol/tips>;
//! SPL of Solana, <https://spl.solana.com>), as exchanges name the network of a withdrawal.

use super::Chain;

/// The chains with one id ([`Chain::caip2`]): other ids, names and tickers for each.
static NAMES: [(Chain, &[&str]); 31] = [
    (Chain::AnyEvm, &["evm"]),
    (Chain::AnyCosmos, &[]),
    (Chain::Bitcoin, &["bitcoin", "btc", "xbt", "bitcoin mainnet", "brc20"]),
    (Chain::BitcoinTestnet, &["bitcoin testnet", "bitcoin testnet3"]),
    (Chain::BitcoinTestnet4, &["bitcoin testnet4"]),
    (Chain::BitcoinSignet, &["bitcoin signet"]),
    (Chain::BitcoinRegtest, &["bitcoin regtest"]),
    (Chain::BitcoinCash, &["bitcoin cash", "bch"]),
    (Chain::BitcoinCashTestnet, &["bitcoin cash testnet"]),
    (Chain::BitcoinSv, &["bitcoin sv", "bsv"]),
    (Chain::BitcoinGold, &["bitcoin gold", "btg"]),
    (Chain::BitcoinGoldTestnet, &["bitcoin gold testnet"]),
    (Chain::Litecoin, &["litecoin", "ltc", "litecoin mainnet"]),
    (Chain::LitecoinTestnet, &["litecoin testnet"]),
    (Chain::Dogecoin, &["dogecoin", "doge", "xdg", "bip122:00000000001a91e3dace36e2be3bf030"]),
    (Chain::DogecoinTestnet, &["dogecoin testnet"]),
    (Chain::Dash, &["dash"]),
    (Chain::DashTestnet, &["dash testnet"]),
    (Chain::Zcash, &["zcash", "zec"]),
    (Chain::ZcashTestnet, &["zcash testnet"]),
    (Chain::Verge, &["verge", "xvg"]),
    (Chain::VergeTestnet, &["verge testnet"]),
    (
        Chain::Tron,
        &[
            "tron",
            "trx",
            "trc20",
            "trc10",
            "tron mainnet",
            "tron network",
            "tron:728126428",
            "tron:mainnet",
        ],
    ),
    (Chain::Xrp, &["xrp", "xrpl", "ripple", "xrp ledger"]),
    (Chain::XrpTestnet, &["xrp testnet"]),
    (Chain::Monero, &["monero", "xmr"]),
    (Chain::MoneroStagenet, &["monero stagenet"]),
    (Chain::MoneroTestnet, &["monero testnet"]),
    (Chain::Solana, &["solana", "sol", "spl", "solana mainnet"]),
    (Chain::BnbBeacon, &["bnb beacon", "bnb beacon chain", "binance chain", "bep2"]),
    (Chain::BnbBeaconTestnet, &["bnb beacon testnet"]),
];

/// EVM chains by EIP-155 id: the names and tickers that mean them.
static EVM_NAMES: &[(u64, &[&str])] = &[
    (1, &["ethereum", "eth", "erc20", "ethereum mainnet", "eth mainnet"]),
    (10, &["optimism", "op", "oeth", "op mainnet", "optimism mainnet", "optimistic ethereum"]),
    (14, &["flare", "flr", "flare mainnet"]),
    (25, &["cronos", "cronos mainnet"]),
    (30, &["rootstock", "rsk", "rbtc", "rootstock mainnet"]),
    (50, &["xdc", "xdc network"]),
    (
        56,
        &[
            "bsc",
            "bep20",
            "binance smart chain",
            "binance smart chain mainnet",
            "bnb smart chain",
            "bnb smart chain mainnet",
            "bsc mainnet",
        ],
    ),
    (61, &["ethereum classic", "etc", "ethereum classic mainnet"]),
    (97, &["bnb smart chain testnet", "bsc testnet", "bnbt"]),
    (100, &["gnosis", "gno", "xdai", "gnosis chain"]),
    (128, &["heco", "huobi eco chain mainnet"]),
    (137, &["polygon", "matic", "pol", "polygon mainnet", "polygon pos"]),
    (146, &["sonic", "sonic mainnet"]),
    (204, &["opbnb", "obnb", "opbnb mainnet"]),
    (250, &["fantom", "ftm", "fantom opera"]),
    (324, &["zksync", "zksync era", "zksync mainnet", "zksync era mainnet"]),
    (1101, &["polygon zkevm", "zkevm"]),
    (1284, &["moonbeam", "mbeam", "glmr"]),
    (1285, &["moonriver", "mriver"]),
    (5000, &["mantle"]),
    (8217, &["kaia", "kaia mainnet", "klaytn", "klaytn mainnet cypress"]),
    (8453, &["base", "base mainnet"]),
    (10001, &["ethereum pow", "ethw", "ethw mainnet"]),
    (17000, &["holesky"]),
    (
        42161,
        &["arbitrum", "arb", "arb1", "arbitrum one", "arbitrum mainnet", "arbitrum one mainnet"],
    ),
    (42170, &["arbitrum nova", "arb nova"]),
    (42220, &["celo", "celo mainnet"]),
    (
        43114,
        &["avalanche", "avax", "avalanche c chain", "avax c chain", "avaxc", "avalanche mainnet"],
    ),
    (59144, &["linea", "linea mainnet"]),
    (80094, &["berachain"]),
    (81457, &["blast", "blast mainnet"]),
    (534352, &["scroll", "scr", "scroll mainnet"]),
    (11155111, &["sepolia", "sep", "ethereum sepolia"]),
    (1313161554, &["aurora", "aurora mainnet"]),
];

/// Cosmos-style chains by CAIP-2 reference: the names and tickers that mean them.
static COSMOS_NAMES: &[(&str, &[&str])] = &[
    ("cosmoshub-4", &["cosmos", "cosmoshub", "atom"]),
    ("osmosis-1", &["osmosis", "osmo"]),
    ("injective-1", &["injective", "inj"]),
];

/// What people say of several chains, and what to say instead. None is guessed: the same address is
/// another account on another of them.
static SEVERAL: &[(&[&str], &str)] = &[
    (&["bnb", "bnb chain", "binance", "binance coin"], "bsc or bnb-beacon"),
    (&["cro"], "cronos (eip155:25) or cosmos:crypto-org-chain-mainnet-1"),
    (&["hrc20"], "eip155:128 (Huobi ECO Chain) or eip155:1666600000 (Harmony)"),
    (&["omni"], "bitcoin (Omni Layer) or eip155:166 (Omni)"),
];

/// What a text names.
pub(super) enum Found {
    /// A chain.
    Chain(Chain),
    /// Several; what to say instead.
    Several(&'static str),
    /// None that is known by name.
    None,
}

/// The chain of a CAIP-2 id as it stands, or of a name or ticker. Exchanges write a network as a name
/// with its token standard, `Tron (TRC20)`: both must name the same chain.
pub(super) fn find(text: &str) -> Found {
    if text.contains(':') {
        let known =
            NAMES.iter().find(|(chain, names)| chain.caip2() == text || names.contains(&text));
        return known.map_or(Found::None, |(chain, _)| Found::Chain(chain.clone()));
    }
    let Some((name, standard)) =
        text.trim_end().strip_suffix(')').and_then(|it| it.split_once('('))
    else {
        return find_name(text);
    };
    match (find_name(name), find_name(standard)) {
        (Found::Chain(name), Found::Chain(standard)) if name == standard => Found::Chain(name),
        _ => Found::None,
    }
}

fn find_name(text: &str) -> Found {
    let is_one_of = |names: &[&str]| names.iter().any(|name| folded(name).eq(folded(text)));
    if let Some((id, _)) = EVM_NAMES.iter().find(|(_, names)| is_one_of(names)) {
        return Found::Chain(Chain::Evm(*id));
    }
    if let Some((chain, _)) = NAMES.iter().find(|(_, names)| is_one_of(names)) {
        return Found::Chain(chain.clone());
    }
    if let Some((reference, _)) = COSMOS_NAMES.iter().find(|(_, names)| is_one_of(names)) {
        return Found::Chain(Chain::Cosmos((*reference).into()));
    }
    let several = SEVERAL.iter().find(|(names, _)| is_one_of(names));
    several.map_or(Found::None, |(_, which)| Found::Several(which))
}

/// The characters that count: in lower case, without blanks, `-` and `_`.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let counts = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '_');
    text.chars().filter(counts).map(|c| c.to_ascii_lowercase())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::chain::MAX_CHAIN;

    #[test]
    fn every_known_chain_has_one_id_and_no_name_is_used_twice() {
        let mut seen = HashSet::new();
        let mut once = |name: &str| {
            assert!(seen.insert(folded(name).collect::<String>()), "{name}");
            assert!(!name.is_empty() && name.len() <= MAX_CHAIN, "{name}");
        };
        for (chain, names) in &NAMES {
            let caip2 = chain.caip2();
            assert_eq!(caip2.parse(), Ok(chain.clone()));
            once(&caip2);
            for name in *names {
                once(name);
                assert_eq!(name.parse(), Ok(chain.clone()), "{name}");
            }
        }
        for (id, names) in EVM_NAMES {
            for name in *names {
                once(name);
                assert_eq!(name.parse(), Ok(Chain::Evm(*id)), "{name}");
            }
        }
        for (reference, names) in COSMOS_NAMES {
            for name in *names {
                once(name);
                assert_eq!(name.parse(), Ok(Chain::Cosmos((*reference).into())), "{name}");
            }
        }
        for name in SEVERAL.iter().flat_map(|(names, _)| *names) {
            once(name);
            assert!(name.parse::<Chain>().is_err(), "{name}");
        }
    }
}
