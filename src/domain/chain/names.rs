//! Names and tickers of chains. Sources: <https://chainid.network> (`name`) and EIP-3770
//! (`shortName` of <https://github.com/ethereum-lists/chains>) for all EVM chains below, explorers
//! and wallets.
//!
//! A token standard names the one chain that defines it, as exchanges name the network of a
//! withdrawal: ERC-20 of Ethereum (<https://eips.ethereum.org/EIPS/eip-20>); BEP-20 and BEP-2 of
//! BNB Chain (<https://github.com/bnb-chain/BEPs>); TRC-10 and TRC-20 of TRON
//! (<https://github.com/tronprotocol/tips>); SPL of Solana (<https://spl.solana.com>).

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Chain;

/// Chains with a fixed id ([`Chain::caip2`]): further ids, names and tickers.
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

/// EVM chains by EIP-155 id: their names and tickers.
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

/// Cosmos-style chains by CAIP-2 reference: their names and tickers.
static COSMOS_NAMES: &[(&str, &[&str])] = &[
    ("cosmoshub-4", &["cosmos", "cosmoshub", "atom"]),
    ("osmosis-1", &["osmosis", "osmo"]),
    ("injective-1", &["injective", "inj"]),
];

/// Names used for several chains, and the unambiguous names. The parser never guesses: the same
/// address is a different account on each of them.
static AMBIGUOUS: &[(&[&str], &str)] = &[
    (&["bnb", "bnb chain", "binance", "binance coin"], "bsc or bnb-beacon"),
    (&["cro"], "cronos (eip155:25) or cosmos:crypto-org-chain-mainnet-1"),
    (&["hrc20"], "eip155:128 (Huobi ECO Chain) or eip155:1666600000 (Harmony)"),
    (&["omni"], "bitcoin (Omni Layer) or eip155:166 (Omni)"),
];

/// Stablecoins, whose ticker next to a network's name does not identify the chain: `USDT (TRC20)`.
/// Wrapped coins are left out, since `WBTC-BTC` is a trading pair.
pub(crate) static STABLECOINS: &[&str] =
    &["usdt", "tether", "usdc", "dai", "busd", "tusd", "usdd", "usdp", "pyusd"];

/// Standards that a token may follow without brackets: `TRC20-USDT`. After other names it makes a
/// trading pair, `BTC-USDT`, which names no chain.
static STANDARDS: &[&str] = &["erc20", "bep20", "bep2", "trc20", "trc10", "spl"];

/// Chains whose own coin has the name of another chain, and that coin (`nativeCurrency` of
/// <https://github.com/ethereum-lists/chains>). In brackets after such a chain, `Optimism (ETH)`,
/// it is the coin being sent. Two forms stay rejected: `ETH (Optimism)`, where it may be the source
/// chain, and `Optimism (ERC20)`, where a full name or standard is not a coin.
static COINS: &[(u64, &str)] = &[
    (10, "eth"),
    (56, "bnb"),
    (204, "bnb"),
    (324, "eth"),
    (1101, "eth"),
    (8453, "eth"),
    (42161, "eth"),
    (42170, "eth"),
    (59144, "eth"),
    (81457, "eth"),
    (534352, "eth"),
];

/// Words after a name that add nothing to it.
static NETWORK_WORDS: &[&str] = &["network", "mainnet", "chain", "blockchain"];

#[derive(Clone, PartialEq)]
pub(super) enum Found {
    Chain(Chain),
    /// Several chains; the unambiguous names.
    Several(&'static str),
    /// No known name.
    None,
}

/// Finds the chain of a CAIP-2 id, name or ticker. Exchanges write a network as a name with its
/// token standard, `Tron (TRC20)` or `ERC20 / Ethereum`: all parts must name the same chain. A
/// token or the chain's own coin next to it is ignored.
pub(super) fn find(text: &str) -> Found {
    if text.contains(':') {
        let known =
            NAMES.iter().find(|(chain, names)| chain.caip2() == text || names.contains(&text));
        return known.map_or(Found::None, |(chain, _)| Found::Chain(chain.clone()));
    }
    let Some((name, inner)) = text.trim_end().strip_suffix(')').and_then(|it| it.split_once('('))
    else {
        return find_alike(text);
    };
    if is_one_of(name, STABLECOINS) {
        return find_alike(inner);
    }
    match (find_alike(name), find_alike(inner)) {
        (found @ Found::Chain(_), _) if is_one_of(inner, STABLECOINS) => found,
        (Found::Chain(Chain::Evm(id)), _)
            if COINS.iter().any(|(of, coin)| *of == id && is_one_of(inner, &[coin])) =>
        {
            Found::Chain(Chain::Evm(id))
        }
        (Found::Chain(name), Found::Chain(inner)) if name == inner => Found::Chain(name),
        _ => Found::None,
    }
}

/// Finds the chain that all names between slashes share.
fn find_alike(text: &str) -> Found {
    let mut found = text.split('/').map(find_beside_token);
    let first = found.next().unwrap_or(Found::None);
    if found.all(|other| other == first) { first } else { Found::None }
}

/// Finds the chain of a name after a token, or of a standard before one.
fn find_beside_token(text: &str) -> Found {
    let text = text.trim();
    match (text.split_once(is_gap), text.rsplit_once(is_gap)) {
        (Some((token, name)), _) if is_one_of(token, STABLECOINS) => find_network(name),
        (_, Some((name, token))) if is_one_of(token, STABLECOINS) && is_one_of(name, STANDARDS) => {
            find_name(name)
        }
        _ => find_network(text),
    }
}

/// Finds the chain of a name, without trailing network words unless a name has them.
fn find_network(text: &str) -> Found {
    let mut name = text.trim();
    loop {
        let found = find_name(name);
        match name.rsplit_once(is_gap) {
            Some((before, word)) if found == Found::None && is_one_of(word, NETWORK_WORDS) => {
                name = before;
            }
            _ => return found,
        }
    }
}

fn find_name(text: &str) -> Found {
    if text.is_empty() {
        return Found::None;
    }
    BY_NAME.get(folded(text).collect::<String>().as_str()).cloned().unwrap_or(Found::None)
}

/// The tables by folded name: the ticker of every list row is looked up.
static BY_NAME: LazyLock<HashMap<String, Found>> = LazyLock::new(|| {
    let evm = EVM_NAMES.iter().map(|(id, names)| (*names, Found::Chain(Chain::Evm(*id))));
    let known = NAMES.iter().map(|(chain, names)| (*names, Found::Chain(chain.clone())));
    let cosmos = COSMOS_NAMES
        .iter()
        .map(|(reference, names)| (*names, Found::Chain(Chain::Cosmos((*reference).into()))));
    let several = AMBIGUOUS.iter().map(|(names, which)| (*names, Found::Several(which)));
    let mut by_name = HashMap::new();
    // A test ensures that no name occurs twice.
    for (names, found) in evm.chain(known).chain(cosmos).chain(several) {
        for name in names {
            by_name.entry(folded(name).collect()).or_insert_with(|| found.clone());
        }
    }
    by_name
});

fn is_one_of(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| folded(name).eq(folded(text)))
}

/// The significant characters: lower case, without blanks, `-` and `_`.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !is_gap(*c)).map(|c| c.to_ascii_lowercase())
}

fn is_gap(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '_')
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
        for name in AMBIGUOUS.iter().flat_map(|(names, _)| *names) {
            once(name);
            assert!(name.parse::<Chain>().is_err(), "{name}");
        }
    }
}
