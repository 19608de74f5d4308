//! Hex spellings of EVM and TRON accounts beside `0x` and 40 digits.

use super::{Address, Dress, understand_known};

/// Zero digits before an address of 20 bytes that is padded to 32.
const PADDING: &str = "000000000000000000000000";

/// Reads a whole text in one of the spellings.
pub(super) fn read(text: &str) -> Option<(Address<'static>, Dress)> {
    let cut = |prefix: &str| text.strip_prefix(prefix).filter(|digits| is_hex(digits));
    let (digits, dress) = if let Some(digits) = cut("0x") {
        (digits, None)
    } else if let Some(digits) = cut("0X") {
        (digits, Some(Dress::UpperPrefix))
    } else if let Some(digits) = cut(r"\x") {
        (digits, Some(Dress::Bytea))
    } else if let Some(digits) = cut("xdc").or_else(|| cut("XDC")) {
        (digits, Some(Dress::Xdc))
    } else if is_hex(text) && text.len() == 40 {
        (text, Some(Dress::BareHex))
    } else {
        return None;
    };
    let (digits, dress) = match digits.strip_prefix(PADDING) {
        Some(digits) if digits.len() == 40 => (digits, Some(Dress::Padded)),
        _ => (digits, dress),
    };
    // What has 42 digits may be a TRON account: 41 and 20 bytes.
    let is_account = digits.len() == 40 || (digits.len() == 42 && digits.starts_with("41"));
    let spelt = format!("0x{digits}");
    let address = understand_known(&spelt, None).ok().filter(|_| is_account)?.into_owned();
    Some((address, dress?))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}
