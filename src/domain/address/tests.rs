//! Tests of addresses: tables here, the public vectors, real lists, and properties against slow
//! models in the files below.

mod lists;
mod model;
pub(super) mod properties;
mod vectors;
mod wallets;

use super::*;
use crate::needs::data;

fn text(file: &str) -> Option<String> {
    data(file).map(|path| std::fs::read_to_string(path).unwrap())
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |place: usize| u8::from_str_radix(&text[place..place + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn parse(input: &str) -> Address<'_> {
    Address::parse(input, None).unwrap_or_else(|error| panic!("{input}: {error}"))
}

/// The public key of `bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4` in BIP-173, hashed.
const PKH: &str = "751e76e8199196d454941c45d1b3a323f1433bd6";

#[test]
fn each_form_tells_its_encoding_chains_and_key() {
    use Chain::*;
    let check = |input: &str, encoding: Encoding, chains: &[Chain], key: &str| {
        let address = parse(input);
        assert_eq!(address.encoding(), encoding, "{input}");
        assert_eq!(address.chains(), chains, "{input}");
        let keys: Vec<String> = address.key_ids().iter().map(ToString::to_string).collect();
        assert_eq!(keys.join(" "), key, "{input}");
    };
    let pkh = format!("pkh:{PKH}");
    let bitcoins = [Bitcoin, BitcoinCash, BitcoinSv];
    check("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", Encoding::P2pkh, &bitcoins, &pkh);
    check("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Encoding::P2wpkh, &[Bitcoin], &pkh);
    check("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", Encoding::P2wpkh, &[Bitcoin], &pkh);
    check(
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        Encoding::P2tr,
        &[Bitcoin],
        "wp:1:79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    );
    check(
        "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
        Encoding::P2sh,
        &[Bitcoin, BitcoinCash, BitcoinSv, Litecoin],
        "sh:e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a",
    );
    check(
        "DFFJhnQNZf8rf67tYnesPu7MuGUpYtzv7Z",
        Encoding::P2pkh,
        &[Dogecoin, Verge],
        "pkh:6edde865328cfeabee82f2b86d9f1742453c7378",
    );
    check(
        "ltcmweb1qq20e2arnhvxw97katjkmsd35agw3capxjkrkh7dk8d30rczm8ypxuq329nwh2twmchhqn3jqh7ua4ps539f6aazh79jy76urqht4qa59ts3at6gf",
        Encoding::Mweb,
        &[Litecoin],
        "mweb:029f957473bb0ce2fadd5cadb83634ea1d1c742695876bf9b63b62f1e05b39026e\
         022a2cdd752ddbc5ee09c640bfb9da86148953aef457f1644f6b8305d75076855c",
    );
}

#[test]
fn published_examples_of_the_other_families() {
    let check = |input: &str, same_as: &str, chains: &[Chain]| {
        let address = parse(input);
        assert_eq!(address.key_ids(), parse(same_as).key_ids(), "{input}");
        assert_eq!(address.chains(), chains, "{input}");
        assert_eq!(address.checksum(), Checksum::Verified, "{input}");
    };
    // The CashAddr specification, and the token-aware form of the same hash.
    let legacy = "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu";
    let cash = [Chain::BitcoinCash];
    check("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", legacy, &cash);
    check("BITCOINCASH:QPM2QSZNHKS23Z7629MMS6S4CWEF74VCWVY22GDX6A", legacy, &cash);
    check("bitcoincash:zpm2qsznhks23z7629mms6s4cwef74vcwvrqekrq9w", legacy, &cash);
    let script = "3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC";
    check("bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq", script, &cash);
    check("ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq", script, &cash);
    // XLS-5, as the ledger's own libraries test it.
    let (xrp, test) = ([Chain::Xrp], [Chain::XrpTestnet]);
    let classic = "r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59";
    check("X7AcgcsBL6XDcUb289X4mJ8djcdyKaB5hJDWMArnXr61cqZ", classic, &xrp);
    check("T719a5UwUCnEs54UsxG9CJYYDhwmFCqkr7wxCcNcfZ6p5GZ", classic, &test);
    let classic = "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpf";
    check("XVLhHMPHU98es4dbozjVtdWzVrDjtV18pX8yuPT7y4xaEHi", classic, &xrp);
    // ZIP-320.
    let transparent = "t1VmmGiyjVNeCjxDZzg7vZmd99WyzVby9yC";
    check("tex1s2rt77ggv6q989lr49rkgzmh5slsksa9khdgte", transparent, &[Chain::Zcash]);
    // EIP-55 where it asks for one case throughout.
    let upper = "0x52908400098527886E0F7030069857D2E4169EE7";
    check(upper, &upper.to_lowercase().replace('X', "x"), &[Chain::AnyEvm]);
}

#[test]
fn tags_and_payment_ids_are_told() {
    let tag = |input: &str| parse(input).tag();
    assert_eq!(tag("rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpf"), None);
    assert_eq!(tag("X7AcgcsBL6XDcUb289X4mJ8djcdyKaB5hJDWMArnXr61cqZ"), None);
    assert_eq!(tag("XVLhHMPHU98es4dbozjVtdWzVrDjtV18pX8yuPT7y4xaEHi"), Some(u32::MAX));
    let integrated = "4Gd4DLiXzBmbVX2FZZ3Cvu6fUaWACup1qDowprUCje1kSP4FmbftiJMSfV8kWZXNqmVwj4m52xqtgFNUudVmsmGkGvkLcCibWfVUfUFVB7";
    assert!(parse(integrated).payment_id().is_some());
}

#[test]
fn accounts_of_either_kind_of_key_are_looked_up_as_both() {
    let hash = [7; 20];
    let keys = |prefix: &str| parse(&cosmos::encode(prefix, &hash).unwrap()).key_ids().to_vec();
    let (account, evm) = (KeyId::PublicKeyHash(hash), KeyId::Evm(hash));
    assert_eq!(keys("cosmos"), std::slice::from_ref(&account));
    assert_eq!(keys("bnb"), std::slice::from_ref(&account));
    assert_eq!(keys("inj"), std::slice::from_ref(&evm));
    assert_eq!(keys("evmos"), std::slice::from_ref(&evm));
    assert_eq!(keys("kava"), [account.clone(), evm.clone()]);
    assert_eq!(keys("anynewchain"), [account, evm]);
    // A contract's number is counted on each chain for itself.
    let contract = |prefix: &str| cosmos::encode(prefix, &[7; 32]).unwrap();
    assert_ne!(parse(&contract("osmo")).key_ids(), parse(&contract("juno")).key_ids());
}

#[test]
fn wrong_input_is_refused_with_the_reason_of_the_nearest_form() {
    let check = |input: &str, reason: EncodingError| {
        let error = Address::parse(input, None).unwrap_err();
        assert_eq!(error, AddressError::NotUnderstood(reason), "{input}");
    };
    check("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMJ", EncodingError::Base58Checksum { version: 0 });
    check("RTg8togXdjfUHf3So38k3vk4yL5DxRkzB9", EncodingError::Base58Version { version: 60 });
    check("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", EncodingError::Bech32Checksum);
    check("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3tb", EncodingError::Bech32Character(41));
    check("bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", EncodingError::Bech32MixedCase);
    check("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", EncodingError::Bech32Variant);
    check("bc1pw5dgrnzv", EncodingError::WitnessLength(1));
    check("some:chain:some:other:account", EncodingError::SecondChain);
    check(
        "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
        EncodingError::WitnessVersion(17),
    );
    check("0x12", EncodingError::EvmLength(2));
    check("0xG000000000000000000000000000000000000001", EncodingError::EvmDigit(2));
    check("0XD1220A0CF47C7B9BE7A2E6BA89F429762E7B9ADB", EncodingError::EvmPrefix);
    check("d1220a0cf47c7b9be7a2e6ba89f429762e7b9adb", EncodingError::BareHex);
    check(
        "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6c",
        EncodingError::CashAddrChecksum,
    );
    check("bitcoin:1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", EncodingError::CashAddrPrefix);
    check("rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpg", EncodingError::Base58Checksum { version: 0 });
    check(
        "4AWygwA3hHNE4e4Yr9PtRWJiorXTjZkCi57g4ExYzfXDFFQ8DRFEFyui1dLqVknpqQjGUBdTMbgaFAZaDbrVHdk3GAKBZ3E",
        EncodingError::MoneroChecksum,
    );
    check("5Kd3NBUAdUnhyzenEwVLy9pBKxSwXvE9FMPyR4UKZvpe6E3AgLr", EncodingError::PrivateKey);
    // The flag of a 64-bit tag, which the ledger does not have.
    let long_tag = [[5, 0x44].as_slice(), &[7; 20], &[2], &[1; 8]].concat();
    let long_tag = base58::encode_checked(long_tag, bs58::Alphabet::RIPPLE);
    check(&long_tag, EncodingError::XrpFlags);
    check("hello", EncodingError::NoShape);
}

#[test]
fn text_that_is_not_visible_ascii_is_refused_with_its_place() {
    let check = |input: &str, position: usize, found: char| {
        let error = AddressError::NotAscii { position, found };
        assert_eq!(Address::parse(input, None), Err(error), "{input:?}");
    };
    check("1BgGZ9tcN4rm9KBz\u{200b}Dn7KprQz87SZ26SAMH", 16, '\u{200b}');
    check("\u{feff}1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", 0, '\u{feff}');
    check("0x098B716B8\u{0410}af21512996dC57EB0615e2383E2f96", 11, '\u{0410}');
    check("1BgGZ9tcN4rm9KBz Dn7KprQz87SZ26SAMH", 16, ' ');
    check("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH\u{a0}", 34, '\u{a0}');
    assert_eq!(Address::parse("", None), Err(AddressError::Empty));
    assert_eq!(Reading::from_list_cell(" \n", "XBT").into_single(), Err(AddressError::Empty));
    let long = "1".repeat(MAX_ADDRESS + 1);
    assert_eq!(Address::parse(&long, None), Err(AddressError::TooLong(MAX_ADDRESS + 1)));
    let padded = Reading::from_list_cell(" 1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH\r\n", "XBT")
        .into_single()
        .unwrap();
    assert_eq!(padded.canonical(), "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH");
}

#[test]
fn an_address_written_with_its_chain_is_narrowed_to_it_where_it_fits() {
    let check = |input: &str, canonical: &str, chains: &[Chain]| {
        let address = parse(input);
        assert_eq!(address.canonical(), canonical, "{input}");
        assert_eq!(address.chains(), chains, "{input}");
    };
    let evm = "0x4f47bc496083c727c5fbe3ce9cdf2b0f6496270c";
    check(&format!("eip155:1:{evm}"), evm, &[Chain::Evm(1)]);
    check(&format!("eip155:137:{evm}"), evm, &[Chain::Evm(137)]);
    let legacy = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
    let cash = "bip122:000000000000000000651ef99cb9fcbe";
    check(&format!("{cash}:{legacy}"), legacy, &[Chain::BitcoinCash]);
    let address = "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a";
    check(&format!("{cash}:{address}"), address, &[Chain::BitcoinCash]);
    // A chain that does not fit narrows nothing, and a form that is known beats an unknown chain.
    check(&format!("tron:0x2b6653dc:{evm}"), evm, &[Chain::AnyEvm]);
    check(&format!("vechain:b1ac3413d346d43539627e6be7ec1b4a:{evm}"), evm, &[Chain::AnyEvm]);
    check("hedera:mainnet:0.0.12345", "0.0.12345", &[Chain::Other("hedera:mainnet".into())]);
    assert!(Address::parse("eip155:1:", None).is_err());
    assert!(Address::parse("hedera:mainnet:", None).is_err());
    assert!(Address::parse("eip155:x:0.0.12345", None).is_err());
}

#[test]
fn a_wish_is_only_a_wish() {
    let legacy = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
    let address = Address::parse(legacy, Some(&Chain::Tron)).unwrap();
    assert!(!address.fits(&Chain::Tron) && address.fits(&Chain::BitcoinSv));
    let evm = parse("0x4f47bc496083c727c5fbe3ce9cdf2b0f6496270c");
    assert!(evm.fits(&Chain::Evm(5)) && evm.fits(&Chain::AnyEvm) && !evm.fits(&Chain::Bitcoin));
    // Base58 of 32 bytes that looks like bech32 is Solana's only where Solana is asked for.
    let lookalike = "osmo1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";
    let length = bs58::decode(lookalike).into_vec().map(|bytes| bytes.len());
    assert_eq!(length, Ok(32));
    assert!(Address::parse(lookalike, None).is_err());
    assert_eq!(Address::parse(lookalike, Some(&Chain::Solana)).unwrap().chains(), [Chain::Solana]);
}

#[test]
fn canonical_input_is_borrowed() {
    let borrowed = |input: &str| matches!(parse(input).canonical, Cow::Borrowed(_));
    assert!(borrowed("0x4f47bc496083c727c5fbe3ce9cdf2b0f6496270c"));
    assert!(borrowed("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH"));
    assert!(borrowed("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
    assert!(!borrowed("0x4F47bc496083c727c5fbe3ce9cdf2b0f6496270c"));
}
