//! Addresses as lists have them: OFAC's facts, tickers as hints, quarantine, and what a listing is
//! indexed under.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};

use super::*;

fn listed<'a>(input: &'a str, ticker: &str) -> Address<'a> {
    Reading::from_list_cell(input, ticker)
        .into_single()
        .unwrap_or_else(|error| panic!("{input}: {error}"))
}

/// Whether a look-up of `query` finds a listing of `row`.
fn finds(query: &str, row: &Address<'_>) -> bool {
    let index = row.listing_key_ids();
    parse(query).key_ids().iter().any(|key| index.contains(key))
}

#[test]
fn one_key_under_eth_and_under_usdt_on_tron() {
    let eth = listed("0xE950DC316b836e4EeFb8308bf32Bf7C72a1358FF", "ETH");
    let tron = listed("TXEsK1sEsKjZ1xtHitnyAAoqw3WLdYdRNW", "USDT");
    assert_eq!(eth.key_ids(), tron.key_ids());
    assert_eq!(eth.chains(), [Chain::Evm(1)]);
    assert_eq!(tron.chains(), [Chain::Tron]);
    assert_eq!(eth.checksum(), Checksum::Verified);
    assert_eq!(eth.canonical(), "0xe950dc316b836e4eefb8308bf32bf7c72a1358ff");
    assert!(finds("41e950dc316b836e4eefb8308bf32bf7c72a1358ff", &eth));
    assert!(finds("eip155:56:0xe950dc316b836e4eefb8308bf32bf7c72a1358ff", &tron));
}

#[test]
fn a_listed_bitcoin_address_is_found_by_its_other_forms() {
    // The key of BIP-173's first example.
    let row = listed("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", "XBT");
    assert_eq!(row.chains(), [Chain::Bitcoin]);
    for form in [
        "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "3JvL6Ymt8MVWiCNHC7oWU6nLeHNJKLZGLN",
        "bitcoincash:qp63uahgrxged4z5jswyt5dn5v3lzsem6cy4spdc2h",
        "qp63uahgrxged4z5jswyt5dn5v3lzsem6cy4spdc2h",
        "LVuDpNCSSj6pQ7t9Pv6d6sUkLKoqDEVUnJ",
        "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
        "DFpN6QqFfUm3gKNaxN6tNcab1FArL9cZLE",
        "MR8UQSBr5ULwWheBHznrHk2jxyxkHQu8vB",
        "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r",
        "bip122:000000000019d6689c085ae165831e93:1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
    ] {
        assert!(finds(form, &row), "{form}");
    }
    // Another key, and the same bytes as a script.
    assert!(!finds("1P3ZfGFLezzYGg9k5SVzQmnjyh7nrUmF2y", &row));
    let mut forms = row.other_forms();
    forms.retain(|(_, _, text)| !finds(text, &row));
    assert_eq!(forms, []);
}

#[test]
fn a_listed_script_is_found_across_chains_and_a_p2wsh_by_its_nested_form() {
    let row = listed("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "XBT");
    let litecoin = parse("3P14159f73E4gFr7JterCCQh9QjiTjiZrG").other_forms();
    let (_, _, m) = litecoin.iter().find(|(chain, ..)| *chain == Chain::Litecoin).unwrap();
    assert!(m.starts_with('M') && finds(m, &row));

    let program = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3";
    let row = listed(program, "XBT");
    let forms = row.other_forms();
    let nested = forms
        .iter()
        .find(|(chain, encoding, _)| (chain, encoding) == (&Chain::Bitcoin, &Encoding::P2sh));
    assert!(finds(&nested.unwrap().2, &row));
    // Nothing nests a taproot output.
    let taproot = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0";
    assert_eq!(parse(taproot).listing_key_ids().len(), 1);
}

#[test]
fn nested_p2wpkh_is_the_script_of_bip_49() {
    // BIP-49's test vector: key hash and the script hash of its nested form.
    let hash = "38971f73930f6c141d977ac4fd4a727c854935b3";
    let key: KeyId = format!("pkh:{hash}").parse().unwrap();
    let expected = "sh:336caa13e08b96080a32b5d818d59b4ab3b36742";
    assert_eq!(key.nested().unwrap().to_string(), expected);
}

#[test]
fn tickers_narrow_the_chains_only_where_they_fit() {
    let check = |input: &str, ticker: &str, chains: &[Chain]| {
        assert_eq!(listed(input, ticker).chains(), chains, "{input} {ticker}");
    };
    let evm = "0x4f47bc496083c727c5fbe3ce9cdf2b0f6496270c";
    check(evm, "ETH", &[Chain::Evm(1)]);
    check(evm, "BSC", &[Chain::Evm(56)]);
    check(evm, "ARB", &[Chain::Evm(42161)]);
    check(evm, "BNB", &[Chain::Evm(56)]);
    check(evm, "USDT", &[Chain::AnyEvm]);
    check(evm, "NEWCOIN", &[Chain::AnyEvm]);
    check(evm, "XBT", &[Chain::AnyEvm]);
    check(evm, "eip155:8453", &[Chain::Evm(8453)]);
    check("bnb136ns6lfw4zs5hg4n85vdthaad7hq5m4gtkgf23", "BNB", &[Chain::BnbBeacon]);
    let bitcoins = [Chain::Bitcoin, Chain::BitcoinCash, Chain::BitcoinSv];
    check("12sjrrhoFEsedNRhtgwvvRqjFTh8fZTDX9", "BSV", &[Chain::BitcoinSv]);
    check("18M8bJWMzWHDBMxoLqjHHAffdRy4SrzkfB", "BCH", &[Chain::BitcoinCash]);
    check("1KdXaqcBeoMAFVAPwTmYvDbEq6RnvNPF6J", "USDT", &bitcoins);
    check("1KdXaqcBeoMAFVAPwTmYvDbEq6RnvNPF6J", "", &bitcoins);
    check("DFFJhnQNZf8rf67tYnesPu7MuGUpYtzv7Z", "XVG", &[Chain::Verge]);
    check("DFFJhnQNZf8rf67tYnesPu7MuGUpYtzv7Z", "DOGE", &[Chain::Dogecoin]);
    // OFAC lists a TRON address under XBT.
    check("TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq", "XBT", &[Chain::Tron]);
    check("42RLPACwZPx3vYYmxSueqsogfynBDqXK298EDsNoyoHi", "SOL", &[Chain::Solana]);
    check("rnXyVQzgxZe7TR1EPzTkGj2jxH4LMJYh66", "XRP", &[Chain::Xrp]);
}

#[test]
fn unknown_forms_are_verbatim_under_unknown_tickers_and_quarantined_under_known_ones() {
    let account = "addr1qxy3w62dupy9pzmpdfzxz4k240w5vawyagl5m9djqquyymrtm3grn7gpnjh7rwh2dy62hk8639lt6kzn32yxq960usnq9pexvt";
    let row = listed(account, "ADA");
    assert_eq!(row.chains(), [Chain::Other("ticker:ADA".into())]);
    assert_eq!(row.key_ids(), [KeyId::Verbatim(account.into())]);
    assert_eq!(row.encoding(), Encoding::Verbatim);
    let chain: Chain = "cip34:1-764824073".parse().unwrap();
    assert_eq!(listed(account, "cip34:1-764824073").chains(), std::slice::from_ref(&chain));
    assert_eq!(Address::parse(account, Some(&chain)).unwrap().key_ids(), row.key_ids());

    let xmr = "5be5543ff73456ab9f2d207887e2af87322c651ea1a873c5b25b7ffae456c320";
    for (input, ticker) in [
        (xmr, "XMR"),
        (account, "XBT"),
        (account, "USDT"),
        (account, ""),
        (account, "no ticker"),
        ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMJ", "XBT"),
    ] {
        let error = Reading::from_list_cell(input, ticker).into_single().unwrap_err();
        assert!(matches!(error, AddressError::NotUnderstood(_)), "{input} {ticker}: {error}");
    }
}

#[test]
fn addresses_that_nobody_controls_are_refused_on_lists_and_understood_elsewhere() {
    for (input, matches) in [
        ("0x0000000000000000000000000000000000000000", 0),
        ("0x0000000000000000000000000000000000000001", 1),
        ("0x0000000000000000000000000000000000000013", 1),
        ("0x0000000000000000000000000000000000000100", 1),
        ("0x0000000000000000000000000000000000001000", 1),
        ("0x000000000000000000000000000000000000dEaD", 1),
        ("0xdead000000000000000042069420694206942069", 1),
        ("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE", 1),
        ("0x4200000000000000000000000000000000000006", 1),
        ("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", 0),
        ("TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy", 1),
        ("1111111111111111111114oLvT2", 0),
        ("1BitcoinEaterAddressDontSendf59kuE", 1),
        ("1CounterpartyXXXXXXXXXXXXXXXUWLpVr", 1),
        ("11111111111111111111111111111111", 0),
        ("1nc1nerator11111111111111111111111111111111", 1),
        ("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", 1),
        ("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb", 1),
        ("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL", 1),
        ("Vote111111111111111111111111111111111111111", 1),
        ("SysvarRent111111111111111111111111111111111", 1),
        ("rrrrrrrrrrrrrrrrrrrrrhoLvTp", 0),
        ("rrrrrrrrrrrrrrrrrrrrBZbvji", 1),
        ("rrrrrrrrrrrrrrrrrrrn5RM1rHd", 1),
    ] {
        assert_eq!(parse(input).key_ids().len(), matches, "{input}");
        let error = Reading::from_list_cell(input, "").into_single().unwrap_err();
        assert!(matches!(error, AddressError::Uncontrolled(_)), "{input}: {error}");
    }
    for somebodys in [
        "0x0000000000000000000000000000000000010000",
        "0x00000000219ab540356cBB839Cbe05303d7705Fa",
        "0x4200000000000000000000000000000100000006",
    ] {
        listed(somebodys, "ETH");
    }
}

#[test]
fn every_known_nobody_is_written_canonically() {
    for (text, _) in uncontrolled::BY_TEXT {
        assert_eq!(parse(text).canonical(), text);
    }
}

/// Ticker and address of every digital currency row of an SDN_ADVANCED file, by its lines.
fn ofac(file: &str) -> Option<Vec<(String, String)>> {
    let file = std::fs::File::open(data(file)?).unwrap();
    let mut tickers = HashMap::new();
    let mut rows = Vec::new();
    let mut current: Option<String> = None;
    let attribute = |line: &str, name: &str| {
        let rest = line.split(&format!(" {name}=\"")).nth(1)?;
        Some(rest.split('"').next()?.to_owned())
    };
    for line in BufReader::new(bzip2::read::BzDecoder::new(file)).lines() {
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once(">Digital Currency Address - ") {
            let ticker = rest.split('<').next().unwrap().to_owned();
            tickers.insert(attribute(&line, "ID").unwrap(), ticker);
        }
        if line.contains("<Feature ") {
            let id = attribute(&line, "FeatureTypeID");
            current = id.and_then(|id| tickers.get(&id).cloned());
        }
        if let (Some(ticker), Some((_, rest))) = (&current, line.split_once("<VersionDetail ")) {
            let address = rest.split(['>', '<']).nth(1).unwrap_or_default();
            rows.push((ticker.clone(), address.to_owned()));
        }
    }
    Some(rows)
}

#[test]
fn every_row_of_ofac_is_understood_but_one() {
    let Some(rows) = ofac("ofac/sdn_advanced_20251119T1644.xml.bz2") else {
        return;
    };
    let mut encodings = BTreeMap::new();
    let mut quarantined = Vec::new();
    for (ticker, address) in &rows {
        match Reading::from_list_cell(address, ticker).into_single() {
            Ok(row) => {
                assert!(!row.key_ids().is_empty());
                assert_ne!(row.encoding(), Encoding::Verbatim, "{address}");
                assert_ne!(row.checksum(), Checksum::Wrong, "{address}");
                *encodings.entry(row.encoding().as_str()).or_insert(0) += 1;
            }
            Err(_) => quarantined.push((ticker.as_str(), address.as_str())),
        }
    }
    assert_eq!(
        quarantined,
        [("XMR", "5be5543ff73456ab9f2d207887e2af87322c651ea1a873c5b25b7ffae456c320")]
    );
    assert_eq!(rows.len(), 761);
    let expected = [
        ("cashaddr", 6),
        ("cosmos", 1),
        ("evm", 90),
        ("monero", 1),
        ("monero-subaddress", 6),
        ("p2pkh", 227),
        ("p2sh", 181),
        ("p2wpkh", 130),
        ("p2wsh", 8),
        ("solana", 1),
        ("tron", 108),
        ("xrp", 1),
    ];
    assert_eq!(encodings, BTreeMap::from(expected));
}
