//! Page sizes and tokens. A token is opaque to clients: the hex of the position to continue from.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::convert::hex;
use super::status::{Refusal, invalid_field};

/// The number of items to give for a `page_size`.
pub fn limit(page_size: u32) -> usize {
    bounded(page_size, 1_000, 10_000)
}

/// The same of items that are large or take a search.
pub fn heavy_limit(page_size: u32) -> usize {
    bounded(page_size, 100, 1_000)
}

fn bounded(page_size: u32, default: u32, most: u32) -> usize {
    if page_size == 0 { default as usize } else { page_size.min(most) as usize }
}

pub fn encode_token(place: [u64; 2]) -> String {
    let [high, low] = place.map(u64::to_be_bytes);
    hex(&[high, low].concat())
}

/// The place of a token; `None` for the first page.
pub fn decode_token(token: &str) -> Result<Option<[u64; 2]>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let half = |range| token.get(range).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let parts = [half(0..16), half(16..32)];
    match parts {
        // What it would not be written as itself, such as a sign, is no token.
        [Some(high), Some(low)] if encode_token([high, low]) == token => Ok(Some([high, low])),
        _ => Err(invalid_field("page_token", "not a token of this service")),
    }
}

/// The bytes of a token in hex, at most so many; `None` where it is no such text.
pub fn bytes(token: &str, most: usize) -> Option<Vec<u8>> {
    if token.len() > 2 * most {
        return None;
    }
    HEXLOWER_PERMISSIVE.decode(token.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for at in [[0, 0], [1, 2], [u64::MAX, u64::MAX]] {
            assert_eq!(decode_token(&encode_token(at)), Ok(Some(at)));
        }
        assert_eq!(decode_token(""), Ok(None));
    }

    #[test]
    fn other_strings_are_refused() {
        for text in ["0", "zz", "é23456789012345678901234567890", &"0".repeat(33), &"g".repeat(32)]
        {
            assert!(decode_token(text).is_err(), "{text:?}");
        }
    }
}
