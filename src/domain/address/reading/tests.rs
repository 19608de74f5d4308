//! Tests of reading addresses as people write them.

use proptest::prelude::*;

use super::*;
use crate::domain::address::tests::properties::any_form;

/// A hash of words, and belongs to nobody.
const ETH: &str = "0x2A9fD3E5b7C1846f0a2D5E8B9c3F7146D0e8A5b2";
const BTC: &str = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
const SEGWIT: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const TRON: &str = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8";
const SOLANA: &str = "42RLPACwZPx3vYYmxSueqsogfynBDqXK298EDsNoyoHi";

fn read(input: &str) -> Reading<'_> {
    Reading::from_query(input, None)
}

fn canonicals<'a>(addresses: impl IntoIterator<Item = &'a Address<'a>>) -> Vec<String> {
    addresses.into_iter().map(|address| address.canonical().to_owned()).collect()
}

/// The text is read as that address, and says what came off.
fn check(input: &str, canonical: &str, normalizations: &str) {
    let reading = read(input);
    assert_eq!(reading.fault, None, "{input:?}");
    let expected = Address::parse(canonical, None).unwrap();
    assert_eq!(canonicals(reading.addresses()), [expected.canonical()], "{input:?}");
    let taken: Vec<String> = reading.normalizations.iter().map(ToString::to_string).collect();
    assert_eq!(taken.join("; "), normalizations, "{input:?}");
    let listed = Reading::from_list_cell(input, "");
    assert_eq!(canonicals(listed.addresses()), [expected.canonical()], "{input:?}");
}

#[test]
fn dress_comes_off_both_ends_and_invisible_characters_out_of_the_middle() {
    check(&format!(" {BTC}\r\n"), BTC, "");
    check(&format!("\u{a0}{BTC}"), BTC, "invisible characters (U+00A0)");
    check(
        &format!("\u{feff}{BTC}\u{200b}\u{202c}"),
        BTC,
        "invisible characters (U+FEFF, U+200B, U+202C)",
    );
    check(&format!("\u{3000}{BTC}\u{b}"), BTC, "invisible characters (U+3000, U+000B)");
    check(&BTC.replace("rm", "r\u{ad}m"), BTC, "invisible characters (U+00AD)");
    check(&ETH.replace("0x2A", "0x\u{2060}2A"), ETH, "invisible characters (U+2060)");
    check(&format!("\"{ETH}\""), ETH, "punctuation around it (\"\")");
    check(&format!("“{ETH}”"), ETH, "punctuation around it (“”)");
    check(&format!("«{SOLANA}»."), SOLANA, "punctuation around it («».)");
    check(&format!("=\"{BTC}\""), BTC, "punctuation around it (=\"\")");
    check(&format!("[{SEGWIT}]"), SEGWIT, "punctuation around it ([])");
    check(&format!("`{TRON}`,"), TRON, "punctuation around it (``,)");
    check(&format!("{BTC} (BTC)"), BTC, "punctuation around it ()); other text next to it");
    check(&format!("{SOLANA} (SOL)"), SOLANA, "punctuation around it ()); other text next to it");
    check(&format!("{SOLANA} # cold wallet"), SOLANA, "other text next to it");
    check(&format!("{ETH}#note"), ETH, "other text next to it");
}

#[test]
fn other_spellings_of_hex_are_read() {
    let digits = &ETH[2..];
    check(&format!("0X{digits}"), ETH, "0X read as 0x");
    check(&format!("\\x{digits}"), ETH, r"\x read as 0x");
    check(&format!("xdc{digits}"), ETH, "xdc read as 0x");
    check(digits, ETH, "40 hex digits without 0x, read as an EVM address");
    let padded = "32 bytes, of which twelve zero bytes are padding";
    check(&format!("0x000000000000000000000000{digits}"), ETH, padded);
    check(&format!("\\x000000000000000000000000{digits}"), ETH, padded);
}

#[test]
fn uris_and_urls_are_read() {
    check(&format!("bitcoin:{BTC}"), BTC, "URI of the scheme bitcoin");
    check(&format!("bitcoin:{BTC}?amount=0.1&label=Luke%2DJr"), BTC, "URI of the scheme bitcoin");
    check(&format!("BITCOIN:{}", SEGWIT.to_uppercase()), SEGWIT, "URI of the scheme bitcoin");
    check(&format!("bitcoin:?bc={SEGWIT}"), SEGWIT, "URI of the scheme bitcoin");
    check(&format!("solana:{SOLANA}?amount=1"), SOLANA, "URI of the scheme solana");
    check(&format!("BTC: {BTC}"), BTC, "URI of the scheme btc");
    check(&format!("ethereum:{ETH}@1"), ETH, "URI of the scheme ethereum");
    check(&format!("ethereum:pay-{ETH}@137?value=1e18"), ETH, "URI of the scheme ethereum");
    check(&format!("eth:{ETH}"), ETH, "URI of the scheme eth");
    check(&format!("did:pkh:eip155:1:{ETH}"), ETH, "did:pkh identifier");
    check(
        &format!("did:pkh:bip122:000000000019d6689c085ae165831e93:{BTC}"),
        BTC,
        "did:pkh identifier",
    );
    let token = "0xdac17f958d2ee523a2206206994597c13d831ec7";
    check(
        &format!("ethereum:{token}@1/transfer?address={ETH}&uint256=1e6"),
        ETH,
        &format!("URI for a transfer of the token {token}, whose receiver was read"),
    );
    let url = "URL of an explorer";
    check(&format!("https://etherscan.io/address/{ETH}#code"), ETH, url);
    check(&format!("etherscan.io/address/{ETH}"), ETH, url);
    check(&format!("https://tronscan.org/#/address/{TRON}"), TRON, url);
    check(&format!("https://www.blockchain.com/explorer/addresses/btc/{BTC}"), BTC, url);
    check(&format!("https://explorer.solana.com/address/{SOLANA}?cluster=x"), SOLANA, url);
}

#[test]
fn what_is_no_party_of_a_payment_is_not_understood_and_a_suspect() {
    let check = |input: &str, encoding_error: EncodingError| {
        let reading = read(input);
        assert_eq!(reading.fault, Some(encoding_error.into()), "{input}");
        assert_eq!(canonicals(reading.addresses()), [""; 0], "{input}");
        assert!(canonicals(&reading.suspects).contains(&ETH.to_lowercase()), "{input}");
    };
    check(&format!("ethereum:{ETH}/approve?address={ETH}"), EncodingError::UriFunction);
    check(&format!("ethereum:{ETH}?address={ETH}"), EncodingError::UriFunction);
    check(&format!("ethereum:{ETH}@1/transfer?uint256=1"), EncodingError::UriReceiver);
    check(&format!("ethereum:{ETH}@one"), EncodingError::UriChain);
    check(&format!("https://etherscan.io/token/{ETH}"), EncodingError::Url);
    check(&format!("https://etherscan.io/token/0x1?a={ETH}"), EncodingError::Url);
    check(&format!("https://example.org/?to={ETH}"), EncodingError::Url);
    let hash = "0x".to_owned() + &"ab".repeat(32);
    let reading = read(&format!("https://etherscan.io/tx/{hash}")).fault;
    assert_eq!(reading, Some(EncodingError::Url.into()));
}

#[test]
fn a_uri_that_names_further_addresses_is_doubtful() {
    let text = format!("bitcoin:{BTC}?pj=https://example.org/{ETH}");
    let reading = read(&text);
    assert_eq!(canonicals(reading.addresses()), [BTC]);
    assert_eq!(canonicals(&reading.suspects), [ETH.to_lowercase()]);
    assert_eq!(reading.fault, Some(EncodingError::UriAddresses.into()));
}

#[test]
fn a_written_chain_narrows_and_is_told() {
    let check = |input: &str, chain: &str, fits: bool| {
        let reading = read(input);
        let address = reading.first.unwrap();
        let chain: Chain = chain.parse().unwrap();
        assert_eq!(address.written_chain(), Some(&chain), "{input}");
        assert_eq!(address.fits(&chain), fits, "{input}");
    };
    check(&format!("ethereum:{ETH}@137"), "eip155:137", true);
    check(&format!("eth:{ETH}"), "eip155:1", true);
    check(&format!("bitcoin:{BTC}"), "bitcoin", true);
    check(&format!("litecoin:{BTC}"), "litecoin", false);
    check(&format!("did:pkh:eip155:10:{ETH}"), "eip155:10", true);
    assert_eq!(read(&format!("ethereum:{ETH}")).first.unwrap().written_chain(), None);
}

#[test]
fn several_addresses_are_each_read() {
    let check = |input: &str, expected: &[&str]| {
        let reading = read(input);
        let expected: Vec<_> = expected.iter().map(|it| it.to_lowercase()).collect();
        let found = canonicals(reading.addresses());
        let found: Vec<_> = found.iter().map(|it| it.to_lowercase()).collect();
        assert_eq!(found, expected, "{input}");
        assert_eq!(reading.fault, None, "{input}");
    };
    check(&format!("{BTC}, {SEGWIT}"), &[BTC, SEGWIT]);
    check(&format!("{BTC};{BTC}\n{ETH}"), &[BTC, ETH]);
    check(&format!("{SOLANA} {TRON}"), &[SOLANA, TRON]);
    check(&format!("pay {ETH} or {TRON} please"), &[ETH, TRON]);
    check(&format!("USDT(TRC20):{TRON}/{BTC}"), &[TRON, BTC]);
    check(&format!("地址{ETH}。"), &[ETH]);
    check(&format!("[{ETH}](https://etherscan.io/address/{ETH})"), &[ETH]);
    check(&format!("{ETH}, tx 0x{}", "ab".repeat(32)), &[ETH]);
}

#[test]
fn what_looks_like_another_address_beside_one_is_a_fault() {
    let check = |input: &str, found: &[&str], encoding_error: EncodingError| {
        let reading = read(input);
        assert_eq!(canonicals(reading.addresses()), found, "{input}");
        assert_eq!(reading.fault, Some(encoding_error.into()), "{input}");
    };
    let mistyped = BTC.replace("SAMH", "SAMJ");
    let wrong = EncodingError::Base58Checksum { version: 0 };
    check(&format!("{SEGWIT} and {mistyped}"), &[SEGWIT], wrong);
    check(&format!("{SEGWIT} {SOLANA} soon"), &[SEGWIT], EncodingError::NoChecksum);
    check(&format!("{SEGWIT} {} soon", &ETH[2..]), &[SEGWIT], EncodingError::BareHex);
    check(&format!("{SEGWIT} {}", &ETH[..41]), &[SEGWIT], EncodingError::EvmLength(39));
    check(&format!("my {SOLANA}"), &[], EncodingError::NoChecksum);
}

#[test]
fn an_address_broken_by_blanks_is_joined_where_its_checksum_is_right() {
    let (head, tail) = BTC.split_at(20);
    check(&format!("{head} {tail}"), BTC, "blanks inside it");
    check(&format!("{head}\n{tail}"), BTC, "blanks inside it");
    assert!(read(&format!("{head} {}J", &tail[..tail.len() - 1])).first.is_none());
}

#[test]
fn look_alikes_are_suspects_by_their_code_points() {
    let check = |input: &str, canonical: &str, points: &str| {
        for reading in [read(input), Reading::from_list_cell(input, "XBT")] {
            assert_eq!(reading.first, None, "{input}");
            let found = points.to_owned();
            assert_eq!(reading.fault, Some(AddressError::LookAlike { found }), "{input}");
            assert_eq!(canonicals(&reading.suspects), [canonical], "{input}");
        }
    };
    check(&BTC.replace('H', "\u{41d}"), BTC, "U+041D");
    check(&BTC.replacen('1', "\u{406}", 1), BTC, "U+0406");
    check(&BTC.replacen('1', "\u{ff11}", 1), BTC, "U+FF11");
    check(&format!("see {}.", SEGWIT.replacen('c', "\u{441}", 1)), SEGWIT, "U+0441");
    check(&ETH.to_lowercase().replace("0x", "\u{43e}x"), &ETH.to_lowercase(), "U+043E");
    // ASCII is never folded.
    let ascii = BTC.replace('1', "l");
    assert_eq!(read(&ascii).suspects, []);
}

#[test]
fn no_address_is_found_in_what_holds_none() {
    for text in [
        "The quick brown fox jumps over the lazy dog, which is 12345678901234567890 years old.",
        "commit 8c1f3a5d7e9b2c4f6a8d0e1b3c5f7a9d2e4b6c80 by a developer",
        "550e8400-e29b-41d4-a716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnU1nh",
        "DE89370400440532013000 COBADEFFXXX",
        "John Smith, 221b Baker Street",
        "\"\"",
        "()",
        "\u{200b}",
        "",
        "  ",
    ] {
        for reading in [read(text), Reading::from_list_cell(text, "XBT")] {
            assert_eq!(reading.first, None, "{text}");
            assert_eq!(reading.suspects, [], "{text}");
            assert!(reading.fault.is_some(), "{text}");
        }
    }
}

#[test]
fn burn_addresses_are_left_out_of_lists_and_are_no_suspects() {
    let burn = "1BitcoinEaterAddressDontSendf59kuE";
    let text = format!("{burn}, {BTC}");
    let reading = Reading::from_list_cell(&text, "");
    assert_eq!(canonicals(reading.addresses()), [BTC]);
    assert_eq!(canonicals(&reading.uncontrolled), [burn]);
    assert!(matches!(reading.fault, Some(AddressError::Uncontrolled(_))));
    let url = "https://example.org/?to=0x000000000000000000000000000000000000dead";
    assert_eq!(Reading::from_list_cell(url, "").suspects, []);
}

#[test]
fn long_cells_are_bounded() {
    let long = format!("{ETH} {}", "x ".repeat(MAX_LISTED));
    let reading = Reading::from_list_cell(&long, "ETH");
    assert_eq!(canonicals(&reading.suspects), [ETH.to_lowercase()]);
    assert_eq!(reading.fault, Some(AddressError::TooLong(long.len())));
    assert_eq!(read(&long).fault, Some(AddressError::TooLong(long.len())));
    // The dearest that a cell may hold: look-alikes in every word.
    let word = "\u{41e}".repeat(100) + " ";
    let dear = word.repeat(MAX_LISTED / word.len());
    assert!(Reading::from_list_cell(&dear, "ETH").first.is_none());
}

#[test]
fn a_text_for_an_unknown_chain_is_taken_verbatim_without_its_dress() {
    let account = "EQDtFpEwcFAEcRe5mLVh2N6C0x-_hJEM7W61_JLnSF74p4q2";
    let chain: Chain = "tvm:-239".parse().unwrap();
    for text in [account.to_owned(), format!("\"{account}\""), format!("\u{a0}{account}")] {
        let reading = Reading::from_query(&text, Some(&chain));
        assert_eq!(canonicals(reading.addresses()), [account], "{text:?}");
        assert_eq!(reading.first.unwrap().encoding(), Encoding::Verbatim);
        assert_eq!(canonicals(Reading::from_list_cell(&text, "TON").addresses()), [account]);
    }
    // Written with such a chain, whatever the ticker.
    for ticker in ["ADA", "", "XBT"] {
        let listed = Reading::from_list_cell("cardano:mainnet:addr1xyz", ticker);
        assert_eq!(canonicals(listed.addresses()), ["addr1xyz"], "{ticker}");
        let dressed = Reading::from_list_cell("\u{a0}\"cardano:mainnet:addr1xyz\"", ticker);
        assert_eq!(canonicals(dressed.addresses()), ["addr1xyz"], "{ticker}");
    }
    let url = format!("a-b:c:https://example.org/address/{ETH}");
    assert_eq!(canonicals(Reading::from_list_cell(&url, "").addresses()), [ETH.to_lowercase()]);
    let url = format!("a-b:c:https://example.org/token/{ETH}");
    assert_eq!(canonicals(&Reading::from_list_cell(&url, "").suspects), [ETH.to_lowercase()]);
    let quoted = format!("\"{ETH}\"");
    let reading = Reading::from_query(&quoted, Some(&chain));
    assert_eq!(reading.first.unwrap().encoding(), Encoding::Evm);
}

fn normalizations() -> impl Strategy<Value = (String, String)> {
    let blank = "[ \t\u{a0}\u{feff}\u{200b}\u{200e}\u{202f}\u{3000}\u{ad}]{0,3}";
    let wrapping = prop::sample::select(vec![
        ("", ""),
        ("\"", "\""),
        ("'", "'"),
        ("“", "”"),
        ("«", "»"),
        ("(", ")"),
        ("[", "]"),
        ("<", ">"),
        ("`", "`"),
        ("=\"", "\""),
        ("", "."),
        ("", ","),
        ("", ";"),
        ("* ", ""),
    ]);
    (blank, blank, wrapping).prop_map(|(before, after, (open, close))| {
        (format!("{before}{open}"), format!("{close}{after}"))
    })
}

proptest! {
    #[test]
    fn dress_never_changes_whose_address_it_is(
        form in any_form(),
        (before, after) in normalizations(),
        place in any::<prop::sample::Index>(),
    ) {
        let clean = Address::parse(&form.text, None).unwrap();
        let read = Reading::from_query(&form.text, None);
        prop_assert_eq!(read.first.as_ref(), Some(&clean));
        prop_assert_eq!((&read.others, &read.normalizations, &read.fault), (&vec![], &vec![], &None));

        let text = format!("{before}{}{after}", form.text);
        let dressed = Reading::from_query(&text, None);
        prop_assert_eq!(&dressed.fault, &None, "{:?}", &text);
        let found = dressed.first.map(|address| address.key_ids().to_vec());
        prop_assert_eq!(found.as_deref(), Some(clean.key_ids()), "{:?}", &text);

        if is_certain(&clean) {
            let mut text = form.text.clone();
            text.insert(place.index(text.len()), '\u{200b}');
            let joined = Reading::from_query(&text, None);
            let found = joined.first.map(|address| address.key_ids().to_vec());
            prop_assert_eq!(found.as_deref(), Some(clean.key_ids()), "{:?}", &text);
        }
    }

    #[test]
    fn hostile_text_never_panics(text in "\\PC{0,80}|(0x|bitcoin:|ethereum:|did:pkh:|https://a.b/address/|[ ,;#(?@/&=%])*[a-zA-Z0-9%]{0,70}") {
        let _ = Reading::from_query(&text, None);
        let _ = Reading::from_list_cell(&text, "USDT");
    }

    /// A match without a checksum would need 24 zeros or `0x` to appear by chance.
    #[test]
    fn random_text_holds_no_address(text in "[1-9A-HJ-NP-Za-km-z]{25,36}( [0-9a-f]{32}| [0-9a-f]{64})?") {
        let reading = Reading::from_query(&text, None);
        prop_assert!(reading.first.is_none() && reading.suspects.is_empty(), "{}", text);
    }
}

/// The real addresses of two chains, in their normalizations and without: each is read as itself alone.
#[test]
fn real_addresses_are_read_as_they_are() {
    use std::io::Read;
    let check = |file: &str| {
        let Some(path) = crate::needs::data(file) else { return };
        let mut text = String::new();
        let file = std::fs::File::open(path).unwrap();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let address = Address::parse(line, None).unwrap();
            let reading = read(line);
            assert_eq!(reading.first, Some(address), "{line}");
            assert!(reading.others.is_empty() && reading.normalizations.is_empty(), "{line}");
        }
        // Prose of them: each is found, and nothing else.
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        for some in lines.chunks(20) {
            let text = format!("Wallets of the week: {}.", some.join(" and "));
            let reading = Reading::from_list_cell(&text, "");
            assert_eq!(reading.fault, None, "{text}");
            assert_eq!(reading.addresses().count(), some.len(), "{text}");
        }
    };
    check("addresses/btc_addresses.txt.gz");
    check("addresses/ltc_addresses.txt.gz");
}

/// Each text holds, or to a person obviously means, `BTC` or `ETH` beside another address: it is read
/// too, or the text has a fault. On a list it is found, if only as likely meant.
#[test]
fn nothing_hides_beside_another_address() {
    let clean = "0x67d35554c1f60638d6d72a0edc045450a841f7ef";
    // Not of the key of BTC.
    let segwit = "bc1q4c8n5t00jmj8temxdgcc3t32nkg2wjwz24lywv";
    let digits = &ETH[2..];
    let (head, tail) = BTC.split_at(17);
    let alike = BTC.replace('H', "\u{41d}");
    let percent: String = BTC.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let padded = format!("0x000000000000000000000000{digits}");
    let fours: Vec<String> =
        BTC.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    let russian = "обычное назначение платежа по договору ".repeat(9);
    let lower = BTC.to_lowercase();
    for text in [
        format!("{clean}\\n{ETH}"),
        format!("{clean}%0A{BTC}"),
        format!("{clean} toBTC{BTC}"),
        format!("{clean} x{ETH}"),
        format!("{clean} {ETH}{ETH}"),
        format!("{clean} {BTC}{BTC}"),
        format!("{clean} xdc{digits}"),
        format!("{clean} \\x{digits}"),
        format!("{clean} {padded}"),
        format!("{clean} ({padded})"),
        format!("{clean} {}\n{}", &ETH[..22], &ETH[22..]),
        format!("{segwit} {head}\n{tail}"),
        format!("{segwit} {}", fours.join(" ")),
        format!("{segwit} {lower}"),
        format!("{segwit} {}", BTC.to_uppercase()),
        format!("{segwit} l{}", &BTC[1..]),
        format!("{segwit} O{}", &ETH[1..]),
        format!("{segwit} {}", &ETH[..ETH.len() - 3]),
        format!("{segwit} ({alike})"),
        format!("{segwit} # {alike}"),
        format!("{segwit}#{alike}"),
        format!("{segwit} (note) {alike}"),
        format!("{segwit} {russian} {alike}"),
        format!("{segwit} 1P\u{301}{}", &BTC[2..]),
        format!("bitcoin:{segwit}?label={percent}"),
        format!("bitcoin:{segwit}?label={alike}"),
        format!("bitcoin:{segwit}?label={lower}"),
        format!("bitcoin:{segwit}?message=to{BTC}"),
        format!("bitcoin:{segwit}?req-x={SOLANA}"),
        format!("https://h.io/address/{clean}/{SOLANA}"),
        format!("https://h.io/address/{clean}?q={percent}"),
        format!("https://h.io/address/{clean}?q=0X{digits}"),
        format!("ethereum:{clean}@1?data=0xa9059cbb000000000000000000000000{digits}"),
        format!("{clean}\u{200b}{BTC}"),
        format!("{ETH}\u{feff}{clean}"),
        format!("{clean} {SOLANA} foo"),
        format!("{clean} BTC{BTC}"),
    ] {
        let all_read = |reading: &Reading<'_>| {
            let found = canonicals(reading.addresses().chain(&reading.suspects));
            [BTC, &ETH.to_lowercase(), SOLANA].iter().any(|it| found.iter().any(|one| one == it))
        };
        let question = read(&text);
        assert!(question.fault.is_some() || question.addresses().count() > 1, "{text:?}");
        let listed = Reading::from_list_cell(&text, "");
        assert!(listed.fault.is_some() || all_read(&listed), "{text:?}: {listed:?}");
    }
}

#[test]
fn what_stands_beside_an_address_in_daily_life_is_no_fault() {
    for text in [
        format!("Please pay 1,250.00 USDT (TRC20) to {TRON}, thank you."),
        format!("{ETH} (Ethereum Mainnet, ERC20)"),
        format!("{BTC} # cold wallet of 2024"),
        format!("Invoice 2024/117: {SEGWIT}"),
        format!("{ETH}, tx 0x{}", "ab".repeat(32)),
        format!("bitcoin:{BTC}?amount=0.015&label=Order%20117&message=Thank%20you"),
        format!("ethereum:{ETH}@1?value=2.014e18&gas=21000"),
        format!("https://etherscan.io/address/{ETH}#tokentxns"),
        format!("получатель: {TRON}"),
    ] {
        let reading = read(&text);
        assert_eq!(reading.fault, None, "{text}");
        assert_eq!(reading.addresses().count(), 1, "{text}");
    }
}
