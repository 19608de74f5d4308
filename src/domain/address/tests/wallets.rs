//! The 928 vectors of four wallet validators. They are claims of wallets, not of the chains: where
//! one contradicts a specification or another validator, the specification decides, and the row is
//! named in [`EXCEPTIONS`] with its reason. No row is skipped: each is counted in one class.

use std::collections::BTreeMap;

use super::*;

/// What a row is about.
#[derive(Debug)]
enum Claim {
    /// Chains that this program knows: the main networks, the test networks.
    Known(Vec<Chain>, Vec<Chain>),
    /// A currency that it does not know: asked with that chain, an address is taken verbatim unless
    /// it has a form that is known (`3...` on Vertcoin, 0x on VeChain).
    Unknown(Chain),
}

fn claim(currency: &str, options: &str) -> Claim {
    use Chain::*;
    let known = |main: &[Chain], test: &[Chain]| Claim::Known(main.to_vec(), test.to_vec());
    let options = options.to_lowercase();
    let chain_type = options.split("chaintype: '").nth(1).and_then(|rest| rest.split('\'').next());
    match chain_type {
        Some("tron") => return known(&[Tron], &[Tron]),
        Some("solana") => return known(&[Solana], &[Solana]),
        Some("omni" | "bitcoin") => {
            return known(&[Bitcoin], &[BitcoinTestnet, BitcoinRegtest]);
        }
        Some(_) => return known(&[AnyEvm], &[AnyEvm]),
        None => {}
    }
    match currency.to_lowercase().as_str() {
        "" | "bitcoin" | "btc" => known(&[Bitcoin], &[BitcoinTestnet, BitcoinRegtest]),
        "bitcoincash" | "bch" => known(&[BitcoinCash], &[BitcoinCashTestnet]),
        // CashAddr is Bitcoin Cash's; Bitcoin SV dropped it, wallets still take it.
        "bsv" => known(&[BitcoinSv, BitcoinCash], &[BitcoinCashTestnet]),
        "bitcoingold" | "btg" => known(&[BitcoinGold], &[BitcoinGoldTestnet]),
        "litecoin" | "ltc" => known(&[Litecoin], &[LitecoinTestnet]),
        "dogecoin" | "doge" => known(&[Dogecoin], &[DogecoinTestnet]),
        "dash" => known(&[Dash], &[DashTestnet]),
        "zcash" | "zec" => known(&[Zcash], &[ZcashTestnet]),
        "monero" | "xmr" => known(&[Monero], &[MoneroTestnet, MoneroStagenet]),
        "ripple" | "xrp" => known(&[Xrp], &[XrpTestnet]),
        "trx" => known(&[Tron], &[Tron]),
        "solana" | "sol" | "mobile" | "neon" | "shdw" | "bonk" => known(&[Solana], &[Solana]),
        "cro" => known(
            &[Cosmos("crypto-org-chain-mainnet-1".into())],
            &[Cosmos("testnet-croeseid-4".into())],
        ),
        "bnb" | "binance" => known(&[AnyEvm, BnbBeacon], &[AnyEvm, BnbBeaconTestnet]),
        "usdt" | "tether" => known(&[AnyEvm, Bitcoin, Tron, Solana], &[AnyEvm, BitcoinTestnet]),
        "avax"
        | "usdc"
        | "s"
        | "ip"
        | "bera"
        | "ethereum"
        | "eth"
        | "ethereumclassic"
        | "etc"
        | "etherzero"
        | "etz"
        | "callisto"
        | "clo"
        | "arb"
        | "arbitrum"
        | "unknown token"
        | "binancesmartchain"
        | "binance smart chain"
        | "bsc"
        | "ethereumpow"
        | "ethw"
        | "celo"
        | "op"
        | "mana"
        | "yfi"
        | "bankex"
        | "bkx"
        | "eurc"
        | "xtp"
        | "tap"
        | "exp"
        | "expanse"
        | "flare"
        | "flr"
        | "smilo"
        | "xsm" => known(&[AnyEvm], &[AnyEvm]),
        other => Claim::Unknown(Chain::Other(format!("ticker:{}", other.replace(' ', "-")).into())),
    }
}

#[derive(Debug, serde::Deserialize)]
struct Row {
    address: String,
    currency: String,
    options: String,
    expected: String,
}

fn rows() -> Option<Vec<Row>> {
    let path = data("vectors/wallet_address_vectors.csv")?;
    let mut reader = csv::Reader::from_path(path).unwrap();
    Some(reader.deserialize().map(Result::unwrap).collect())
}

/// Whether we take the row's address for one of its networks.
fn accepted(row: &Row, main: &[Chain], test: &[Chain]) -> bool {
    let Ok(address) = Address::parse(&row.address, None) else {
        return false;
    };
    // Understood, flagged and never cleared: what a validator calls invalid.
    if address.checksum() == Checksum::Wrong {
        return false;
    }
    let options = row.options.to_lowercase();
    let fits = |chains: &[Chain]| chains.iter().any(|chain| address.fits(chain));
    if options.contains("both") {
        fits(main) || fits(test)
    } else if ["testnet", "regtest", "stagenet"].iter().any(|test| options.contains(test)) {
        fits(test)
    } else {
        fits(main)
    }
}

/// Why we decide otherwise than a validator.
fn exception(row: &Row) -> Option<&'static str> {
    let currency = row.currency.to_lowercase();
    EXCEPTIONS
        .iter()
        .find(|(currencies, expected, _, addresses)| {
            currencies.contains(&currency.as_str())
                && *expected == row.expected
                && addresses.contains(&row.address.as_str())
        })
        .map(|(_, _, why, _)| *why)
}

/// Currencies, what the validator says, why it is wrong, and the addresses.
type Exception = (&'static [&'static str], &'static str, &'static str, &'static [&'static str]);

const EXCEPTIONS: [Exception; 8] = [
    (
        &["bitcoin"],
        "valid",
        "BIP-350: version 1 and above takes bech32m, not bech32",
        &[
            "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k7grplx",
            "BC1SW50QA3JX3S",
            "bc1zw508d6qejxtdg4y5r3zarvaryvg6kdaj",
        ],
    ),
    (
        &["bitcoin"],
        "invalid",
        "BIP-350 gives it as a valid address of version 16",
        &["bc1sw50qgdz25j"],
    ),
    (
        &["bitcoin"],
        "valid",
        "BIP-173: tb is the test networks' prefix; this validator does not tell networks apart",
        &[
            "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
            "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        ],
    ),
    (
        &["bitcoin"],
        "valid",
        "version 38 is Bitcoin Gold's, of no Bitcoin test network (chainparams.cpp)",
        &["GSa5espVLNseXEfKt46zEdS6jrPkmFghBU"],
    ),
    (
        &["bitcoincash", "bch"],
        "invalid",
        "legacy base58 is an encoding of Bitcoin Cash, which OFAC uses too (CashAddr, Rationale)",
        &[
            "12KYrjTdVGjFMtaxERSk3gphreJ5US8aUP",
            "12QeMLzSrB8XH8FvEzPMVoRxVAzTr5XM2y",
            "1oNLrsHnBcR6dpaBpwz3LSwutbUNkNSjs",
            "mzBc4XEFSdzCDcTxAgf6EZXgsZWpztRhef",
            "3NJZLcZEEYBpxYEUGewU4knsQRn1WM5Fkt",
            "2MxKEf2su6FGAUfCEAHreGFQvEYrfYNHvL7",
        ],
    ),
    (
        &["bch"],
        "valid",
        "asked for the test network: bitcoincash is the main network's prefix, bchtest the other's",
        &[
            "bitcoincash:qp3wjpa3tjlj042z2wv7hahsldgwhwy0rq9sywjpyy",
            "qp3wjpa3tjlj042z2wv7hahsldgwhwy0rq9sywjpyy",
        ],
    ),
    (
        &["litecoin", "ltc"],
        "invalid",
        "Litecoin Core takes scripts with version 5 as well as 50 (SCRIPT_ADDRESS, SCRIPT_ADDRESS2)",
        &["3FLj1iFqS359KvBXeaStPgqX7hgyifVKbN", "3NJZLcZEEYBpxYEUGewU4knsQRn1WM5Fkt"],
    ),
    (
        &["trx"],
        "valid",
        "version 160 was a test network that is gone; today's share the main network's 65",
        &["27bLJCYjbH6MT8DBF9xcrK6yZnm43vx7MNQ"],
    ),
];

#[test]
fn every_wallet_vector_gives_its_documented_result() {
    let Some(rows) = rows() else { return };
    assert_eq!(rows.len(), 928);
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let class = match claim(&row.currency, &row.options) {
            Claim::Known(main, test) => {
                if accepted(row, &main, &test) == (row.expected == "valid") {
                    "agrees"
                } else if exception(row).is_some() {
                    "exception"
                } else {
                    wrong.push(format!("{row:?}"));
                    continue;
                }
            }
            Claim::Unknown(chain) => match Address::parse(&row.address, Some(&chain)) {
                Ok(address) if address.encoding() == Encoding::Verbatim => {
                    assert_eq!(address.chains(), [chain], "{}", row.address);
                    "unknown chain, verbatim"
                }
                Ok(_) => "unknown chain, known form",
                Err(error) => {
                    assert_eq!(row.expected, "invalid", "{}: {error}", row.address);
                    "unknown chain, no text of an address"
                }
            },
        };
        *counts.entry(class).or_insert(0) += 1;
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(counts.values().sum::<usize>(), 928);
    let expected = [
        ("agrees", 436),
        ("exception", 24),
        ("unknown chain, known form", 127),
        ("unknown chain, verbatim", 341),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}
