//! Classifies OFAC feature types and identity types: address of a currency, similar to one, or
//! neither. There is no list of tickers, since new ones appear over time.
//!
//! OFAC writes `Digital Currency Address - XBT`. Letter case, blanks and the kind of dash are
//! ignored. A type in another spelling that mentions wallets or digital currencies (`Virtual
//! Currency Wallet`, or no ticker) is unknown. Its values still become rows, because a skipped
//! address would be answered as clear. Whether a value is an address is decided by its form.

use super::assembly::Assembly;
use super::excerpt::excerpt;
use super::hostile::is_hostile;
use crate::domain::list::NoteKind;

/// The letters of the known type, before its ticker.
const KNOWN: &str = "digitalcurrencyaddress";

/// The longest ticker, in bytes.
const MAX_TICKER: usize = 32;

/// The beginning of the ticker of a row of unknown type.
const UNKNOWN: &str = "type \"";

/// Any of these, ignoring blanks and letter case, makes a type similar to an address type.
const WORDS: [&str; 10] = [
    "wallet",
    "crypto",
    "blockchain",
    "bitcoin",
    "ethereum",
    "stablecoin",
    "digitalcurrenc",
    "virtualcurrenc",
    "digitalasset",
    "virtualasset",
];

/// So does any of these together with `address`, which catches misspelt types.
const WITH_ADDRESS: [&str; 6] = ["digital", "virtual", "currency", "token", "coin", "onchain"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OfacType {
    /// Addresses of the currency with this ticker, in capitals.
    Address(String),
    /// It resembles an address type; holds the ticker of its rows: `type "..."`.
    Unknown(String),
    Other,
}

impl OfacType {
    /// Reads the text of a type.
    pub(super) fn read(text: &str) -> Self {
        let text = plain(text);
        if let Some(ticker) = ticker(&text) {
            return Self::Address(ticker);
        }
        let letters: String =
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let has = |word: &&str| letters.contains(*word);
        let is_misspelt = letters.contains("address") && WITH_ADDRESS.iter().any(has);
        if is_misspelt || WORDS.iter().any(has) {
            return Self::Unknown(format!("{UNKNOWN}{}\"", excerpt(&text)));
        }
        Self::Other
    }

    /// Returns the ticker of its rows, if any.
    pub(super) fn into_ticker(self) -> Option<String> {
        match self {
            Self::Address(ticker) | Self::Unknown(ticker) => Some(ticker),
            Self::Other => None,
        }
    }
}

/// Records a row of unknown type.
pub(super) fn note_unknown(list: &mut Assembly, ticker: &str, address: &str) {
    if let Some(name) = ticker.strip_prefix(UNKNOWN).and_then(|name| name.strip_suffix('"')) {
        list.add_note(NoteKind::UnknownType, name, 1, Some(address));
    }
}

/// Normalizes `text`: one `-` per dash, one blank per run of white space, none around it, and no
/// invisible characters.
fn plain(text: &str) -> String {
    let shown: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_hostile(*c))
        .map(|c| if is_dash(c) { '-' } else { c })
        .collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns true for Unicode dashes (`Pd`) and minus signs.
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{2212}'
                | '\u{2796}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{fe58}'
                | '\u{fe63}'
                | '\u{ff0d}'
    )
}

/// Returns the ticker of the known type, if it is one and has a ticker.
fn ticker(text: &str) -> Option<String> {
    let mut known = KNOWN.chars();
    let mut next = known.next();
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let Some(wanted) = next else { break };
        if c.to_ascii_lowercase() == wanted {
            next = known.next();
            end = at + c.len_utf8();
        } else if c != ' ' && c != '-' {
            return None;
        }
    }
    let rest = &text[end..];
    // `Digital Currency Addresses` is another type.
    if next.is_some() || rest.starts_with(char::is_alphanumeric) {
        return None;
    }
    let ticker = rest.trim_matches([' ', '-', ':', '(', ')', '.', ',']);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'_';
    let is_ticker = (1..=MAX_TICKER).contains(&ticker.len()) && ticker.bytes().all(fits);
    is_ticker.then(|| ticker.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_by_their_words() {
        let address = |ticker: &str| OfacType::Address(ticker.to_owned());
        let unknown = |name: &str| OfacType::Unknown(format!("type \"{name}\""));
        let check = |text: &str, want: OfacType| assert_eq!(OfacType::read(text), want, "{text:?}");
        for text in [
            "Digital Currency Address - XBT",
            "DIGITAL CURRENCY ADDRESS - XBT",
            "digital currency address - xbt",
            " Digital  Currency\tAddress -\u{a0}XBT\n",
            "Digital\u{a0}Currency\u{a0}Address\u{a0}-\u{a0}XBT",
            "Digital Currency Address \u{2013} XBT",
            "Digital Currency Address\u{2014}XBT",
            "Digital Currency Address \u{2212}XBT",
            "Digital Currency Address -XBT",
            "Digital Currency Address- XBT",
            "Digital Currency Address XBT",
            "Digital Currency Address: XBT",
            "Digital Currency Address (XBT)",
            "Digital-Currency Address - XBT",
            "DigitalCurrencyAddress-XBT",
            "\u{feff}Digital\u{200b} Currency Address - X\u{200b}BT",
        ] {
            check(text, address("XBT"));
        }
        check("Digital Currency Address - USDC.e", address("USDC.E"));
        for text in [
            "Digital Currency Address",
            "Digital Currency Address -",
            "Digital Currency Addresses - XBT",
            "Digital Currency Address - XBT or ETH",
            "Digital Currency Wallet Address - SOL",
            "Digital Curency Address - XBT",
            "Digital \u{421}urrency Address - XBT",
            "Virtual Currency Wallet",
            "Virtual Asset Account",
            "Crypto Address",
            "Cryptocurrency",
            "Wallet ID",
            "Blockchain address",
            "Token Address",
            "Bitcoin",
        ] {
            check(text, unknown(text));
        }
        check(" virtual\u{a0}currency \u{2013} wallet ", unknown("virtual currency - wallet"));
        for text in ["", "-", "Email Address", "Website", "Digital", "Equity Ticker", "Passport"] {
            check(text, OfacType::Other);
        }
        let long = OfacType::read(&"wallet ".repeat(10_000)).into_ticker();
        assert!(long.is_some_and(|ticker| ticker.len() < 100));
    }

    /// Every feature type and identity type of OFAC's list in November 2025 that is none of
    /// addresses.
    #[test]
    fn no_other_type_of_ofac_looks_like_one() {
        let types = include_str!("../../tests/data/ofac-other-types.txt");
        assert!(types.lines().count() > 150);
        for text in types.lines() {
            assert_eq!(OfacType::read(text), OfacType::Other, "{text}");
        }
    }
}
