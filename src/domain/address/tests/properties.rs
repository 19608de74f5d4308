//! Properties that hold for every form, checked against [`super::model`].

use std::collections::BTreeSet;

use ::bech32::primitives::iter::{ByteIterExt, Fe32IterExt};
use ::bech32::{Bech32, Bech32m, Fe32, Hrp};
use proptest::prelude::*;
use sha2::Digest;

use super::model::{ACCOUNT_PREFIXES, WITNESS_PREFIXES};
use super::*;

/// An address as it may be written.
#[derive(Clone, Debug)]
pub(in crate::domain::address) struct Form {
    pub(in crate::domain::address) text: String,
    /// Whether a wrong character must be noticed.
    checksummed: bool,
    /// Whether the text is the canonical one.
    canonical: bool,
}

fn checksummed(text: String) -> Form {
    Form { text, checksummed: true, canonical: true }
}

const VERSIONS: [&[u8]; 25] = [
    &[0],
    &[5],
    &[16],
    &[19],
    &[22],
    &[23],
    &[30],
    &[33],
    &[38],
    &[48],
    &[50],
    &[58],
    &[65],
    &[76],
    &[111],
    &[113],
    &[115],
    &[140],
    &[196],
    &[198],
    &[0x1c, 0xb8],
    &[0x1c, 0xbd],
    &[0x1d, 0x25],
    &[0x1c, 0xba],
    &[30],
];

fn cut<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes[..N].try_into().unwrap()
}

fn mweb(prefix: &str, keys: &[u8]) -> String {
    let hrp = Hrp::parse(prefix).unwrap();
    let symbols = [Fe32::Q].into_iter().chain(keys.iter().copied().bytes_to_fes());
    symbols.with_checksum::<Bech32>(&hrp).chars().collect()
}

fn unified(prefix: &str, bytes: &[u8], receivers: usize) -> String {
    let mut items = Vec::new();
    if receivers & 1 == 1 {
        items.extend([[(receivers >> 1 & 1) as u8, 20].as_slice(), &bytes[..20]].concat());
    }
    if receivers & 4 == 4 {
        items.extend([[2, 43].as_slice(), &bytes[..43]].concat());
    }
    items.extend([[3, 43].as_slice(), &bytes[20..63]].concat());
    if receivers & 8 == 8 {
        items.extend([[0xfd, 0xff, 0xff, 3].as_slice(), &bytes[..3]].concat());
    }
    let mut padding = [0; 16];
    padding[..prefix.len()].copy_from_slice(prefix.as_bytes());
    items.extend(padding);
    f4jumble::f4jumble_mut(&mut items).unwrap();
    ::bech32::encode::<Bech32m>(Hrp::parse(prefix).unwrap(), &items).unwrap()
}

fn monero_payload(kind: usize, bytes: &[u8]) -> Vec<u8> {
    let network = [18, 24, 53, 42, 36, 63, 19, 25, 54, 70, 86, 111][kind % 12];
    let mut payload = [&[network], &bytes[..64]].concat();
    match network {
        19 | 25 | 54 => payload.extend(&bytes[64..72]),
        70 | 86 | 111 if bytes[72] & 2 == 0 => payload.push(bytes[72] & 7),
        70 | 86 | 111 => {
            payload.push(bytes[72] & 7);
            payload.extend(&bytes[64..72]);
        }
        _ => {}
    }
    payload
}

/// The form of a kind, from 80 bytes and a choice.
fn form(kind: usize, choice: usize, bytes: &[u8]) -> Form {
    let hash: [u8; 20] = cut(bytes);
    let lower = evm::checksummed(&hash).to_lowercase();
    let prefix = |prefixes: &[&'static str]| prefixes[choice % prefixes.len()];
    match kind {
        0 => checksummed(base58::encode(VERSIONS[choice % VERSIONS.len()], &hash)),
        1 => {
            let (version, length) =
                [(0, 20), (0, 32), (1, 32), (1, 2), (2, 40), (16, 7)][choice % 6];
            let prefix = WITNESS_PREFIXES[choice % WITNESS_PREFIXES.len()];
            checksummed(segwit::encode(prefix, version, &bytes[..length]).unwrap())
        }
        2 => {
            let length = if choice.is_multiple_of(3) { 32 } else { 20 };
            checksummed(cosmos::encode(prefix(&ACCOUNT_PREFIXES), &bytes[..length]).unwrap())
        }
        3 => {
            let (kind, length) = [(0, 20), (1, 20), (2, 20), (3, 20), (1, 32), (3, 32)][choice % 6];
            checksummed(cashaddr::encode(kind, &bytes[..length]))
        }
        4 => {
            let text = cashaddr::encode((choice % 2) as u8, &hash);
            let text = text.split_once(':').unwrap().1.to_owned();
            Form { text, checksummed: true, canonical: false }
        }
        5 => checksummed(xrp::classic(&hash)),
        6 => checksummed(xrp::x_address(&hash, choice.is_multiple_of(2).then_some(choice as u32))),
        7 => checksummed(monero::encode(&monero_payload(choice, bytes))),
        8 => checksummed(mweb(prefix(&["ltcmweb", "tmweb"]), &bytes[..66])),
        9 => checksummed(zcash::sapling(&cut(bytes)).unwrap()),
        10 => checksummed(unified(prefix(&["u", "utest", "uregtest"]), bytes, choice)),
        11 => {
            let hrp = Hrp::parse(prefix(&["tex", "textest", "texregtest"])).unwrap();
            checksummed(::bech32::encode::<Bech32m>(hrp, &hash).unwrap())
        }
        12 => Form { text: lower, checksummed: false, canonical: true },
        13 => Form { text: evm::checksummed(&hash), checksummed: false, canonical: false },
        14 => Form { text: tron::hex(&hash), checksummed: false, canonical: false },
        15 => {
            let text = bs58::encode(&bytes[..32]).into_string();
            Form { text, checksummed: false, canonical: true }
        }
        _ => {
            // Upper case is allowed for bech32 and CashAddr.
            let kind = [1, 2, 3, 8, 9, 10, 11][choice % 7];
            let text = form(kind, choice, bytes).text.to_uppercase();
            Form { text, checksummed: true, canonical: false }
        }
    }
}

pub(in crate::domain::address) fn any_form() -> impl Strategy<Value = Form> {
    let bytes = prop::collection::vec(any::<u8>(), 80);
    (0..17usize, 0..1000usize, bytes).prop_map(|(kind, choice, bytes)| form(kind, choice, &bytes))
}

/// What is found to fit, of the chains that the model knows.
fn found(input: &str) -> BTreeSet<Chain> {
    match Address::parse(input, None) {
        // After an unknown chain (CAIP-10) anything is taken verbatim, by no chain's rule.
        Ok(address) if address.encoding() != Encoding::Verbatim => {
            address.chains().iter().cloned().collect()
        }
        _ => BTreeSet::new(),
    }
}

/// EIP-55 by the book, over text.
fn eip55(hex: &str) -> String {
    use sha3::Keccak256;
    let lower = hex.to_lowercase();
    let hash: String = Keccak256::digest(&lower).iter().map(|byte| format!("{byte:02x}")).collect();
    let case = |(letter, nibble): (char, char)| {
        if nibble >= '8' { letter.to_ascii_uppercase() } else { letter }
    };
    lower.chars().zip(hash.chars()).map(case).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn forms_parse_and_print_and_parse_back(form in any_form()) {
        let address = parse(&form.text);
        prop_assert!(!address.chains().is_empty());
        if form.canonical {
            prop_assert_eq!(address.canonical(), &form.text);
        }
        let again = parse(address.canonical());
        prop_assert_eq!(again.canonical(), address.canonical());
        prop_assert_eq!(again.key_ids(), address.key_ids());
        prop_assert_eq!(again.chains(), address.chains());
    }

    #[test]
    fn detection_loses_no_chain_that_fits(form in any_form()) {
        let found = found(&form.text);
        prop_assert!(!found.is_empty());
        prop_assert_eq!(found, model::chains(&form.text));
    }

    #[test]
    fn detection_agrees_on_what_is_changed(
        form in any_form(), place in any::<prop::sample::Index>(), to in 33..127u8,
    ) {
        let text = change(&form.text, place.index(form.text.len()), to);
        prop_assert_eq!(found(&text), model::chains(&text), "{}", text);
    }

    #[test]
    fn a_wrong_character_of_a_checksummed_form_is_refused(
        form in any_form().prop_filter("has a checksum", |form| form.checksummed),
        place in any::<prop::sample::Index>(), to in 33..127u8,
    ) {
        let text = change(&form.text, place.index(form.text.len()), to);
        // A second colon may split off what reads as a chain of its own (`bit:oincash:q...`,
        // CAIP-10): the chain is no part of the checksum, and the key is the same, or the rest is
        // verbatim on that chain.
        match Address::parse(&text, None) {
            Ok(address) if address.encoding() == Encoding::Verbatim => {
                prop_assert_eq!(to, b':');
            }
            Ok(address) if to == b':' => {
                let original = parse(&form.text);
                prop_assert_eq!(address.key_ids(), original.key_ids(), "{}", text);
            }
            Ok(_) => prop_assert_eq!(text, form.text),
            Err(_) => {}
        }
    }

    #[test]
    fn a_wrong_character_of_an_evm_address_is_refused_or_judged_by_eip_55(
        hash in any::<[u8; 20]>(), place in 0..42usize, to in 33..127u8,
    ) {
        let text = change(&evm::checksummed(&hash), place, to);
        match Address::parse(&text, None) {
            Err(_) => {}
            // Without a zero in it the rest may be base58 for the 32 bytes of an account of Solana.
            Ok(address) if place == 0 && address.encoding() == Encoding::Solana => {}
            Ok(address) => {
                prop_assert_eq!(address.canonical(), text.to_lowercase());
                let digits = &text[2..];
                let upper = digits.to_uppercase() == digits;
                let expected = match digits {
                    digits if digits.to_lowercase() == digits => Checksum::Absent,
                    digits if eip55(digits) == digits => Checksum::Verified,
                    _ if upper => Checksum::Absent,
                    _ => Checksum::Wrong,
                };
                prop_assert_eq!(address.checksum(), expected);
            }
        }
    }

    #[test]
    fn other_forms_share_a_key(form in any_form()) {
        let address = parse(&form.text);
        let index = address.listing_key_ids();
        for (chain, encoding, text) in address.other_forms() {
            let other = parse(&text);
            prop_assert!(other.fits(&chain), "{} {}", text, chain);
            prop_assert_eq!(other.encoding(), encoding, "{}", text);
            prop_assert!(other.key_ids().iter().any(|key| index.contains(key)), "{}", text);
        }
    }

    #[test]
    fn a_listing_is_indexed_under_its_own_keys_first(form in any_form()) {
        let address = parse(&form.text);
        let index = address.listing_key_ids();
        prop_assert!(index.starts_with(address.key_ids()));
        prop_assert_eq!(index.iter().collect::<BTreeSet<_>>().len(), index.len());
    }

    #[test]
    fn hostile_text_never_panics_and_agrees_with_the_model(
        text in "[!-~]{0,120}|0x[0-9a-fA-F]{38,42}|[1-9A-HJ-NP-Za-km-z]{20,50}|[a-z]{2,9}:[a-z0-9]{0,33}:[!-~]{0,45}|\\PC{0,40}|[a-z]{1,5}1[02-9ac-hj-np-z]{0,80}"
    ) {
        prop_assert_eq!(found(&text), model::chains(&text));
        let _ = Reading::from_list_cell(&text, "ADA").into_single();
        let _ = Address::parse(&text, Some(&Chain::Other("abc:d".into())));
    }
}

fn change(text: &str, place: usize, to: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] = to;
    String::from_utf8(bytes).unwrap()
}

/// What the properties once stumbled on.
#[test]
fn a_colon_in_the_prefix_of_cash_addr_changes_no_key() {
    let address = "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a";
    let broken = change(address, 3, b':');
    assert_eq!(parse(&broken).key_ids(), parse(address).key_ids());
    assert_eq!(found(&broken), model::chains(&broken));
}

/// EIP-55 is 15 bits on average: some changes slip through. Every change of one digit of its
/// documented examples, counted.
#[test]
fn eip_55_notices_all_but_a_few_wrong_digits() {
    let (mut all, mut unnoticed) = (0, 0);
    for example in [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        assert_eq!(parse(example).checksum(), Checksum::Verified);
        for place in 2..42 {
            for to in *b"0123456789abcdefABCDEF" {
                let text = change(example, place, to);
                if text != example {
                    all += 1;
                    unnoticed += usize::from(parse(&text).checksum() != Checksum::Wrong);
                }
            }
        }
    }
    assert_eq!((all, unnoticed), (3360, 0));
}

/// A run of the property above once found it.
#[test]
fn an_evm_address_with_another_first_character_may_be_one_of_solana() {
    let address = parse("1x11111121111111111111181115116111aA2C3A45");
    assert_eq!(address.encoding(), Encoding::Solana);
}
