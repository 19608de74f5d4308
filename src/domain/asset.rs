//! Valued assets: which assets count for exposure, and from which amount.
//!
//! Anyone can emit transfers of a worthless token, or send tiny amounts of a valuable one, from or
//! to any address. So only assets of this table count, from their dust floor on; `exposure` sums
//! smaller ones. The built-in floors are about one US dollar at the prices of 2025, in round
//! numbers.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::chain::Chain;
use super::key_id::KeyId;
use super::packed_key::PackedKey;
use super::transfer::{Amount, Asset, Holder};

/// The maximum number of decimals of an asset.
pub const MAX_DECIMALS: u8 = 36;

/// What is known about a valued asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRule {
    pub symbol: Box<str>,
    /// How many decimals its display unit has: 18 for ETH.
    pub decimals: u8,
    /// The smallest transfer that counts for exposure, in the smallest unit; never zero.
    pub floor: Amount,
}

/// The valued assets, by chain and asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetTable {
    rules: HashMap<Chain, HashMap<Asset, AssetRule>>,
    contracts: HashSet<PackedKey>,
}

/// A chain's coin: chain, symbol, decimals, floor in the smallest unit.
type Coin = (Chain, &'static str, u8, u128);

const ETHER: (&str, u8, u128) = ("ETH", 18, 300_000_000_000_000);

/// Coins of the chains that are not EVM chains.
const COINS: [Coin; 17] = [
    (Chain::Bitcoin, "BTC", 8, 1_000),
    (Chain::BitcoinCash, "BCH", 8, 200_000),
    (Chain::BitcoinSv, "BSV", 8, 4_000_000),
    (Chain::BitcoinGold, "BTG", 8, 10_000_000),
    (Chain::Litecoin, "LTC", 8, 1_000_000),
    (Chain::Dogecoin, "DOGE", 8, 500_000_000),
    (Chain::Dash, "DASH", 8, 3_000_000),
    (Chain::Zcash, "ZEC", 8, 1_000_000),
    (Chain::Verge, "XVG", 6, 200_000_000),
    (Chain::Tron, "TRX", 6, 4_000_000),
    (Chain::Xrp, "XRP", 6, 500_000),
    (Chain::Monero, "XMR", 12, 4_000_000_000),
    (Chain::Solana, "SOL", 9, 6_000_000),
    (Chain::BnbBeacon, "BNB", 8, 150_000),
    (Chain::Evm(56), "BNB", 18, 1_500_000_000_000_000),
    (Chain::Evm(137), "POL", 18, 4_000_000_000_000_000_000),
    (Chain::Evm(43114), "AVAX", 18, 40_000_000_000_000_000),
];

/// Coins of further EVM chains, by EIP-155 id; all with 18 decimals.
const EVM_COINS: [(u64, &str, u128); 12] = [
    (14, "FLR", 50_000_000_000_000_000_000),
    (25, "CRO", 10_000_000_000_000_000_000),
    (30, "RBTC", 10_000_000_000_000),
    (50, "XDC", 15_000_000_000_000_000_000),
    (61, "ETC", 50_000_000_000_000_000),
    (100, "XDAI", 1_000_000_000_000_000_000),
    (250, "FTM", 2_000_000_000_000_000_000),
    (1284, "GLMR", 10_000_000_000_000_000_000),
    (5000, "MNT", 1_000_000_000_000_000_000),
    (10001, "ETHW", 500_000_000_000_000_000),
    (42220, "CELO", 3_000_000_000_000_000_000),
    (81457, "ETH", ETHER.2),
];

/// EVM chains whose coin is ether, by EIP-155 id.
const ETHER_CHAINS: [u64; 7] = [1, 10, 324, 8453, 42161, 59144, 534352];

/// Tokens: chain, contract or mint, symbol, decimals, floor. The floor is one display unit for
/// stablecoins, and that of the coin for wrapped coins.
const TOKENS: [(Chain, &str, &str, u8, u128); 43] = [
    (Chain::Evm(1), "0xdac17f958d2ee523a2206206994597c13d831ec7", "USDT", 6, 1_000_000),
    (Chain::Evm(1), "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "USDC", 6, 1_000_000),
    (Chain::Evm(1), "0x6b175474e89094c44da98b954eedeac495271d0f", "DAI", 18, DOLLAR_18),
    (Chain::Evm(1), "0x4fabb145d64652a948d72533023f6e7a623c7c53", "BUSD", 18, DOLLAR_18),
    (Chain::Evm(1), "0x0000000000085d4780b73119b644ae5ecd22b376", "TUSD", 18, DOLLAR_18),
    (Chain::Evm(1), "0x8e870d67f660d95d5be530380d0ec0bd388289e1", "USDP", 18, DOLLAR_18),
    (Chain::Evm(1), "0x6c3ea9036406852006290770bedfcaba0e23a0e8", "PYUSD", 6, 1_000_000),
    (Chain::Evm(1), "0x4c9edd5852cd905f086c759e8383e09bff1e68b3", "USDe", 18, DOLLAR_18),
    (Chain::Evm(1), "0xdc035d45d973e3ec169d2276ddab16f1e407384f", "USDS", 18, DOLLAR_18),
    (Chain::Evm(1), "0xc5f0f7b66764f6ec8c8dff7ba683102295e16409", "FDUSD", 18, DOLLAR_18),
    (Chain::Evm(1), "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "WETH", 18, ETHER.2),
    (Chain::Evm(1), "0xae7ab96520de3a18e5e111b5eaab095312d7fe84", "stETH", 18, ETHER.2),
    (Chain::Evm(1), "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599", "WBTC", 8, 1_000),
    (Chain::Evm(56), "0x55d398326f99059ff775485246999027b3197955", "USDT", 18, DOLLAR_18),
    (Chain::Evm(56), "0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d", "USDC", 18, DOLLAR_18),
    (Chain::Evm(56), "0xe9e7cea3dedca5984780bafc599bd69add087d56", "BUSD", 18, DOLLAR_18),
    (Chain::Evm(56), "0x1af3f329e8be154074d8769d1ffa4ee058b1dbc3", "DAI", 18, DOLLAR_18),
    (Chain::Evm(56), "0xc5f0f7b66764f6ec8c8dff7ba683102295e16409", "FDUSD", 18, DOLLAR_18),
    (
        Chain::Evm(56),
        "0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c",
        "WBNB",
        18,
        1_500_000_000_000_000,
    ),
    (Chain::Evm(56), "0x2170ed0880ac9a755fd29b2688956bd959f933f8", "ETH", 18, ETHER.2),
    (Chain::Evm(56), "0x7130d2a12b9bcbfae4f2634d864a1ee1ce3ead9c", "BTCB", 18, 10_000_000_000_000),
    (Chain::Evm(137), "0xc2132d05d31c914a87c6611c10748aeb04b58e8f", "USDT", 6, 1_000_000),
    (Chain::Evm(137), "0x3c499c542cef5e3811e1192ce70d8cc03d5c3359", "USDC", 6, 1_000_000),
    (Chain::Evm(137), "0x2791bca1f2de4661ed88a30c99a7a9449aa84174", "USDC.e", 6, 1_000_000),
    (Chain::Evm(137), "0x8f3cf7ad23cd3cadbd9735aff958023239c6a063", "DAI", 18, DOLLAR_18),
    (Chain::Evm(137), "0x7ceb23fd6bc0add59e62ac25578270cff1b9f619", "WETH", 18, ETHER.2),
    (Chain::Evm(42161), "0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9", "USDT", 6, 1_000_000),
    (Chain::Evm(42161), "0xaf88d065e77c8cc2239327c5edb3a432268e5831", "USDC", 6, 1_000_000),
    (Chain::Evm(42161), "0xff970a61a04b1ca14834a43f5de4533ebddb5cc8", "USDC.e", 6, 1_000_000),
    (Chain::Evm(42161), "0xda10009cbd5d07dd0cecc66161fc93d7c9000da1", "DAI", 18, DOLLAR_18),
    (Chain::Evm(42161), "0x82af49447d8a07e3bd95bd0d56f35241523fbab1", "WETH", 18, ETHER.2),
    (Chain::Evm(10), "0x94b008aa00579c1307b0ef2c499ad98a8ce58e58", "USDT", 6, 1_000_000),
    (Chain::Evm(10), "0x0b2c639c533813f4aa9d7837caf62653d097ff85", "USDC", 6, 1_000_000),
    (Chain::Evm(10), "0x7f5c764cbc14f9669b88837ca1490cca17c31607", "USDC.e", 6, 1_000_000),
    (Chain::Evm(10), "0xda10009cbd5d07dd0cecc66161fc93d7c9000da1", "DAI", 18, DOLLAR_18),
    (Chain::Evm(8453), "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913", "USDC", 6, 1_000_000),
    (Chain::Evm(43114), "0x9702230a8ea53601f5cd2dc00fdbc13d4df4a8c7", "USDT", 6, 1_000_000),
    (Chain::Evm(43114), "0xb97ef9ef8734c71904d8002f8b6bc66dd9c48a6e", "USDC", 6, 1_000_000),
    (Chain::Tron, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "USDT", 6, 1_000_000),
    (Chain::Tron, "TEkxiTehnzSmSe2XqrBj4w32RUN966rdz8", "USDC", 6, 1_000_000),
    (Chain::Tron, "TUpMhErZL2fhh4sVNULAbNKLokS4GjC1F4", "TUSD", 18, DOLLAR_18),
    (Chain::Solana, "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", "USDT", 6, 1_000_000),
    (Chain::Solana, "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGkZwyTDt1v", "USDC", 6, 1_000_000),
];

const DOLLAR_18: u128 = 1_000_000_000_000_000_000;

/// A unit of a chain's coin with its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoinUnit {
    /// Its names; the first one is displayed.
    pub names: &'static [&'static str],
    /// Its decimals relative to the smallest unit: 9 for gwei.
    pub decimals: u8,
}

const WEI: CoinUnit = CoinUnit { names: &["wei"], decimals: 0 };
const GWEI: CoinUnit = CoinUnit { names: &["gwei"], decimals: 9 };
const SATOSHI: CoinUnit = CoinUnit { names: &["satoshi", "satoshis", "sat", "sats"], decimals: 0 };
const SUN: CoinUnit = CoinUnit { names: &["sun"], decimals: 0 };
const DROPS: CoinUnit = CoinUnit { names: &["drops", "drop"], decimals: 0 };
const LAMPORTS: CoinUnit = CoinUnit { names: &["lamports", "lamport"], decimals: 0 };
const PICONERO: CoinUnit = CoinUnit { names: &["piconero", "piconeros"], decimals: 0 };

/// Returns the named units of a chain's coin, the smallest first.
pub fn coin_units(chain: &Chain) -> &'static [CoinUnit] {
    match chain {
        Chain::AnyEvm | Chain::Evm(_) => &[WEI, GWEI],
        Chain::Bitcoin
        | Chain::BitcoinTestnet
        | Chain::BitcoinTestnet4
        | Chain::BitcoinSignet
        | Chain::BitcoinRegtest
        | Chain::BitcoinCash
        | Chain::BitcoinCashTestnet
        | Chain::BitcoinSv
        | Chain::BitcoinGold
        | Chain::BitcoinGoldTestnet
        | Chain::Litecoin
        | Chain::LitecoinTestnet
        | Chain::Dogecoin
        | Chain::DogecoinTestnet
        | Chain::Dash
        | Chain::DashTestnet
        | Chain::Zcash
        | Chain::ZcashTestnet => &[SATOSHI],
        Chain::Tron => &[SUN],
        Chain::Xrp | Chain::XrpTestnet => &[DROPS],
        Chain::Solana => &[LAMPORTS],
        Chain::Monero | Chain::MoneroStagenet | Chain::MoneroTestnet => &[PICONERO],
        Chain::Verge
        | Chain::VergeTestnet
        | Chain::BnbBeacon
        | Chain::BnbBeaconTestnet
        | Chain::AnyCosmos
        | Chain::Cosmos(_)
        | Chain::Other(_) => &[],
    }
}

impl AssetTable {
    /// Returns the built-in table: the coins of the known chains, and the large stablecoins and
    /// wrapped coins.
    pub fn built_in() -> Self {
        let mut table = Self::default();
        let ether = ETHER_CHAINS.map(|id| (Chain::Evm(id), ETHER.0, ETHER.1, ETHER.2));
        let evm = EVM_COINS.map(|(id, symbol, floor)| (Chain::Evm(id), symbol, 18, floor));
        for (chain, symbol, decimals, floor) in COINS.into_iter().chain(ether).chain(evm) {
            let floor = Amount::from(floor);
            table.set(chain, Asset::Native, AssetRule { symbol: symbol.into(), decimals, floor });
        }
        for (chain, token, symbol, decimals, floor) in TOKENS {
            let floor = Amount::from(floor);
            let asset = Self::asset(token, &chain).expect("a test reads every token of the table");
            table.set(chain, asset, AssetRule { symbol: symbol.into(), decimals, floor });
        }
        table
    }

    /// Parses an asset on `chain`: empty or `native` for the coin, otherwise a contract or name.
    /// Returns `None` unless it is visible ASCII of at most [`MAX_NAME`](super::transfer::MAX_NAME)
    /// bytes, and a contract on an EVM chain.
    pub fn asset(text: &str, chain: &Chain) -> Option<Asset> {
        if text.is_empty() || text.eq_ignore_ascii_case("native") {
            return Some(Asset::Native);
        }
        if text.len() > super::transfer::MAX_NAME || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        match (Holder::parse(text, chain), chain) {
            (Ok(Holder::Evm(bytes)), Chain::Evm(_)) => Some(Asset::Contract(bytes)),
            (_, Chain::Evm(_)) => None,
            (Ok(Holder::Other(canonical)), _) => Some(Asset::Named(canonical)),
            _ => Some(Asset::Named(text.into())),
        }
    }

    /// Adds or replaces an asset. Paths do not pass through a token's contract.
    pub fn set(&mut self, chain: Chain, asset: Asset, rule: AssetRule) {
        let contract = match &asset {
            Asset::Native => Vec::new(),
            Asset::Contract(bytes) => vec![KeyId::Evm(*bytes)],
            Asset::Named(text) => Holder::Other(text.clone()).key_ids(&chain),
        };
        self.contracts.extend(contract.iter().map(PackedKey::from));
        self.rules.entry(chain).or_default().insert(asset, rule);
    }

    /// Returns the rule of an asset; `None` if it has no known value.
    pub fn rule(&self, chain: &Chain, asset: &Asset) -> Option<&AssetRule> {
        self.rules.get(chain)?.get(asset)
    }

    /// Returns the valued assets of a chain, the coin first, then by text.
    pub fn of_chain(&self, chain: &Chain) -> impl Iterator<Item = (&Asset, &AssetRule)> {
        let mut all: Vec<_> = self.rules.get(chain).into_iter().flatten().collect();
        all.sort_by_cached_key(|(asset, _)| (**asset != Asset::Native, asset.to_string()));
        all.into_iter()
    }

    /// Returns true if the key is the contract of a token of the table.
    pub fn is_token_contract(&self, key: &PackedKey) -> bool {
        self.contracts.contains(key)
    }

    /// Returns every asset with its rule, by CAIP-2 id of the chain and text of the asset.
    pub fn iter(&self) -> impl Iterator<Item = (&Chain, &Asset, &AssetRule)> {
        let mut all: Vec<_> = self
            .rules
            .iter()
            .flat_map(|(chain, rules)| rules.iter().map(move |(asset, rule)| (chain, asset, rule)))
            .collect();
        all.sort_by_cached_key(|(chain, asset, _)| (chain.caip2(), asset.to_string()));
        all.into_iter()
    }

    /// SHA-256 over the table in the order of [`AssetTable::iter`].
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (chain, asset, rule) in self.iter() {
            let AssetRule { symbol, decimals, floor } = rule;
            digest.update(format!("{chain} {asset} {symbol} {decimals} {floor}\n"));
        }
        digest.finalize().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_whole() {
        let table = AssetTable::built_in();
        let count = COINS.len() + ETHER_CHAINS.len() + EVM_COINS.len() + TOKENS.len();
        assert_eq!(table.iter().count(), count, "an entry stands twice");
        for (chain, asset, rule) in table.iter() {
            assert!(rule.floor > 0 && rule.decimals <= MAX_DECIMALS, "{chain} {asset}");
        }
        let ether = table.rule(&Chain::Evm(1), &Asset::Native).unwrap();
        assert_eq!((&*ether.symbol, ether.decimals), ("ETH", 18));
        assert_eq!(table.rule(&Chain::Evm(999_999), &Asset::Native), None);
        assert_eq!(table.rule(&Chain::Evm(1), &Asset::Contract([7; 20])), None);
    }

    #[test]
    fn contracts_of_tokens_are_told() {
        let table = AssetTable::built_in();
        let key = |text: &str, chain| {
            PackedKey::from(&Holder::parse(text, &chain).unwrap().key_ids(&chain)[0])
        };
        for (chain, token, ..) in TOKENS {
            assert!(table.is_token_contract(&key(token, chain)), "{token}");
        }
        let other = key("0x1111111111111111111111111111111111111111", Chain::Evm(1));
        assert!(!table.is_token_contract(&other));
    }

    #[test]
    fn an_asset_is_written_in_one_way() {
        let contract = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
        let asset = AssetTable::asset(contract, &Chain::Evm(1)).unwrap();
        assert_eq!(asset.to_string(), contract.to_ascii_lowercase());
        assert_eq!(AssetTable::asset("", &Chain::Bitcoin), Some(Asset::Native));
        assert_eq!(AssetTable::asset("Native", &Chain::Evm(1)), Some(Asset::Native));
        assert_eq!(AssetTable::asset("USDT", &Chain::Evm(1)), None);
        assert_eq!(
            AssetTable::asset("1002000", &Chain::Tron),
            Some(Asset::Named("1002000".into()))
        );
        assert_eq!(AssetTable::asset("a\u{200b}b", &Chain::Tron), None);
    }

    #[test]
    fn the_digest_follows_every_fact() {
        let table = AssetTable::built_in();
        let mut other = table.clone();
        assert_eq!(table.digest(), other.digest());
        let mut rule = table.rule(&Chain::Bitcoin, &Asset::Native).unwrap().clone();
        rule.floor += 1;
        other.set(Chain::Bitcoin, Asset::Native, rule);
        assert_ne!(table.digest(), other.digest());
    }
}
