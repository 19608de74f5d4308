//! Addresses in URIs of wallets, in decentralized identifiers and in URLs of explorers.
//!
//! BIP-21 and BIP-321 (`bitcoin:`) and what other wallets made after them, EIP-681 and EIP-831
//! (`ethereum:`), EIP-3770 (`eth:`), CAIP-10, did:pkh, and URLs whose path says `/address/`.

use percent_encoding::percent_decode_str;

use super::{Address, EncodingError, Normalization, clean, parse_known_form};
use crate::domain::address::split_caip10;
use crate::domain::chain::Chain;

/// How a text reads as a URI.
pub(super) enum Uri {
    /// Not a known URI.
    NoMatch,
    /// A URI that names these addresses.
    Found {
        addresses: Vec<Address<'static>>,
        normalization: Normalization,
        /// The contract of a token, which is not a party of the payment.
        contract: Option<Box<Address<'static>>>,
    },
    /// A URI that names no address.
    Refused(EncodingError),
}

/// Path segments of explorer URLs that do not show an address.
const NOT_ADDRESSES: [&str; 10] = [
    "tx",
    "txs",
    "transaction",
    "transactions",
    "token",
    "tokens",
    "block",
    "blocks",
    "nft",
    "hash",
];

/// Path segments after which an explorer shows an address.
const ADDRESSES: [&str; 4] = ["address", "addresses", "account", "accounts"];

/// Reads a whole text as a URI.
pub(super) fn read(text: &str, chain_hint: Option<&Chain>) -> Uri {
    if let Some(account) = strip_prefix_of(text, "did:pkh:") {
        return did(account);
    }
    if let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
        match Chain::from_ticker(scheme) {
            // EIP-681 uses it on every EVM chain.
            Some(Chain::Evm(1)) if scheme.eq_ignore_ascii_case("ethereum") => {
                return ethereum(scheme, None, rest);
            }
            Some(Chain::AnyEvm | Chain::AnyCosmos) => return ethereum(scheme, None, rest),
            Some(chain @ Chain::Evm(_)) => return ethereum(scheme, Some(&chain), rest),
            Some(Chain::Other(_)) | None if rest.starts_with("//") => return url(rest, chain_hint),
            Some(Chain::Other(_)) | None => {}
            Some(chain) => return payment(scheme, &chain, rest),
        }
    }
    // Without a scheme: a host with a dot, and a path.
    match text.split_once('/') {
        Some((host, _)) if host.contains('.') && !host.contains([':', ' ']) => {
            url(text, chain_hint)
        }
        _ => Uri::NoMatch,
    }
}

fn is_scheme(text: &str) -> bool {
    (1..=24).contains(&text.len()) && text.chars().all(is_of_scheme)
}

fn is_of_scheme(character: char) -> bool {
    character.is_ascii_alphanumeric() || "+.-".contains(character)
}

/// Returns the offset of a URL inside a word.
pub(super) fn url_within(word: &str) -> Option<usize> {
    let (before, _) = word.split_once("://")?;
    let begin = before.char_indices().rfind(|(_, c)| !is_of_scheme(*c));
    begin.map(|(place, character)| place + character.len_utf8())
}

/// Reads `scheme:address?parameters` on a non-EVM chain. BIP-321 allows addresses in `bc` and `tb`
/// parameters.
fn payment(scheme: &str, chain: &Chain, rest: &str) -> Uri {
    let (path, parameters) = split_query(rest.trim_start_matches('/'));
    let path = decoded(path);
    let further = parameters.iter().filter(|(name, _)| {
        *chain == Chain::Bitcoin && ["bc", "tb"].iter().any(|it| it.eq_ignore_ascii_case(name))
    });
    // BIP-21: an unknown required parameter makes the URI invalid.
    if parameters.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("req-")) {
        return Uri::Refused(EncodingError::UriRequired);
    }
    let texts = [path.trim().trim_end_matches('/')].into_iter().filter(|path| !path.is_empty());
    let mut addresses = Vec::new();
    for text in texts.chain(further.map(|(_, value)| value.as_str())) {
        match clean(text, Some(chain)) {
            Some(address) => addresses.push(written_on(address.into_owned(), chain)),
            // `BTC: address and more words`.
            None => return Uri::NoMatch,
        }
    }
    if addresses.is_empty() {
        return Uri::NoMatch;
    }
    Uri::Found {
        addresses,
        normalization: Normalization::Uri(scheme.to_ascii_lowercase()),
        contract: None,
    }
}

/// EIP-681: `scheme:[pay-]target[@chain][/function][?parameters]`. The party of a plain payment is
/// the target. The party of a `transfer` is the `address` parameter, and the target is the token.
fn ethereum(scheme: &str, chain: Option<&Chain>, rest: &str) -> Uri {
    let (path, parameters) = split_query(rest.trim_start_matches('/'));
    let path = decoded(path);
    let path = path.trim();
    let path = path.strip_prefix("pay-").unwrap_or(path);
    let (target, function) = match path.split_once('/') {
        Some((target, function)) => (target, function.trim_end_matches('/')),
        None => (path, ""),
    };
    let (target, chain) = match target.split_once('@') {
        Some((target, id)) => match id.parse() {
            Ok(id) => (target, Some(Chain::Evm(id))),
            Err(_) => return Uri::Refused(EncodingError::UriChain),
        },
        None => (target, chain.cloned()),
    };
    let account = |text: &str| {
        let text = super::spelling::read(text)
            .map(|(address, _)| address)
            .or_else(|| parse_known_form(text, chain.as_ref()).ok().map(Address::into_owned));
        text.map(|address| match &chain {
            Some(chain) => written_on(address, chain),
            None => address,
        })
    };
    let Some(target) = account(target) else { return Uri::NoMatch };
    let mut receivers = parameters.iter().filter(|(name, _)| name == "address");
    let scheme = scheme.to_ascii_lowercase();
    match (function, receivers.next(), receivers.next()) {
        ("", None, None) => Uri::Found {
            addresses: vec![target],
            normalization: Normalization::Uri(scheme),
            contract: None,
        },
        ("transfer", Some((_, receiver)), None) => match account(receiver) {
            Some(receiver) => Uri::Found {
                addresses: vec![receiver],
                normalization: Normalization::TokenTransfer(target.canonical().to_owned()),
                contract: Some(Box::new(target)),
            },
            None => Uri::Refused(EncodingError::UriReceiver),
        },
        ("transfer", ..) => Uri::Refused(EncodingError::UriReceiver),
        _ => Uri::Refused(EncodingError::UriFunction),
    }
}

/// `did:pkh:` and an account by CAIP-10
/// (<https://github.com/w3c-ccg/did-pkh/blob/main/did-pkh-method-draft.md>).
fn did(account: &str) -> Uri {
    let account = account.split(['?', '#', '/']).next().unwrap_or_default();
    let found = split_caip10(account).and_then(|(chain, rest)| {
        let address = parse_known_form(rest, Some(&chain)).ok()?.into_owned();
        Some(written_on(address, &chain))
    });
    match found {
        Some(address) => Uri::Found {
            addresses: vec![address],
            normalization: Normalization::Did,
            contract: None,
        },
        None => Uri::Refused(EncodingError::Did),
    }
}

/// A URL of an explorer: the address after a segment such as `/address/` of its path or fragment,
/// if no segment names a transaction, a token or a block.
fn url(text: &str, chain_hint: Option<&Chain>) -> Uri {
    let parts: Vec<String> = text
        .split('#')
        .map(|part| part.split('?').next().unwrap_or_default())
        .flat_map(|part| part.split('/'))
        .map(decoded)
        .filter(|part| !part.is_empty() && part != "!")
        .collect();
    let is_among =
        |part: &str, names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(part));
    if parts.iter().any(|part| is_among(part, &NOT_ADDRESSES)) {
        return Uri::Refused(EncodingError::Url);
    }
    let Some(place) = parts.iter().position(|part| is_among(part, &ADDRESSES)) else {
        return Uri::Refused(EncodingError::Url);
    };
    // The chain's name may come between: /addresses/btc/1...
    let found = parts[place + 1..].iter().take(2).find_map(|part| clean(part, chain_hint));
    match found {
        Some(address) => Uri::Found {
            addresses: vec![address.into_owned()],
            normalization: Normalization::Url,
            contract: None,
        },
        None => Uri::Refused(EncodingError::Url),
    }
}

fn written_on(mut address: Address<'static>, chain: &Chain) -> Address<'static> {
    address.narrow(chain);
    address.written_chain = Some(chain.clone());
    address
}

/// The path, and the parameters with their values decoded.
fn split_query(text: &str) -> (&str, Vec<(String, String)>) {
    let text = text.split('#').next().unwrap_or_default();
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let parameters = query.split('&').filter_map(|it| it.split_once('='));
    (path, parameters.map(|(name, value)| (decoded(name), decoded(value))).collect())
}

/// Percent-decodes; returns the text unchanged if the result is not UTF-8.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}

fn strip_prefix_of<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
