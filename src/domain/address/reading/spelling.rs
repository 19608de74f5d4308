//! Hex spellings of EVM and TRON accounts other than `0x` and 40 digits.

use super::{Address, Normalization, parse_known_form};

/// Zero digits before an address of 20 bytes that is padded to 32.
const PADDING: &str = "000000000000000000000000";

/// Reads a whole text in one of the spellings.
pub(super) fn read(text: &str) -> Option<(Address<'static>, Normalization)> {
    let cut = |prefix: &str| text.strip_prefix(prefix).filter(|digits| is_hex(digits));
    let (digits, normalization) = if let Some(digits) = cut("0x") {
        (digits, None)
    } else if let Some(digits) = cut("0X") {
        (digits, Some(Normalization::UpperPrefix))
    } else if let Some(digits) = cut(r"\x") {
        (digits, Some(Normalization::Bytea))
    } else if let Some(digits) = cut("xdc").or_else(|| cut("XDC")) {
        (digits, Some(Normalization::Xdc))
    } else if is_hex(text) && text.len() == 40 {
        (text, Some(Normalization::BareHex))
    } else {
        return None;
    };
    let (digits, normalization) = match digits.strip_prefix(PADDING) {
        Some(digits) if digits.len() == 40 => (digits, Some(Normalization::Padded)),
        _ => (digits, normalization),
    };
    // 42 digits may be a TRON account: 41 and 20 bytes.
    let is_account = digits.len() == 40 || (digits.len() == 42 && digits.starts_with("41"));
    let spelt = format!("0x{digits}");
    let address = parse_known_form(&spelt, None).ok().filter(|_| is_account)?.into_owned();
    Some((address, normalization?))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}
