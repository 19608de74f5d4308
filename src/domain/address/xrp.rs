//! XRP Ledger accounts: base58check in the ledger's own alphabet, and X-addresses, which carry the
//! network and a destination tag (XLS-5, <https://xrpaddress.info>).

use super::{Address, Checksum, Encoding, EncodingError, ParseAttempt, base58};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// The version byte of an account, before its 20-byte id.
const ACCOUNT: u8 = 0;
/// The first two bytes of an X-address.
const X_MAIN: [u8; 2] = [0x05, 0x44];
const X_TEST: [u8; 2] = [0x04, 0x93];

pub(super) fn parse(input: &str) -> ParseAttempt<'_> {
    if !(25..=48).contains(&input.len()) {
        return Ok(None);
    }
    let mut buffer = [0; 64];
    let decoded = bs58::decode(input).with_alphabet(bs58::Alphabet::RIPPLE);
    let Ok(length) = decoded.onto(buffer.as_mut_slice()) else {
        return Ok(None);
    };
    let bytes = &buffer[..length];
    match bytes {
        [ACCOUNT, account @ ..] if length == 25 => {
            base58::split_checksum(bytes)
                .ok_or(EncodingError::Base58Checksum { version: ACCOUNT })?;
            let account = account.first_chunk().copied().unwrap_or_default();
            Ok(Some(Address::new(
                input,
                Encoding::Xrp,
                Checksum::Verified,
                &[Chain::Xrp, Chain::XrpTestnet],
                KeyId::PublicKeyHash(account),
            )))
        }
        [first, second, rest @ ..] if length == 35 => {
            parse_x(input, [*first, *second], bytes, rest)
        }
        _ => Ok(None),
    }
}

fn parse_x<'a>(input: &'a str, version: [u8; 2], bytes: &[u8], rest: &[u8]) -> ParseAttempt<'a> {
    let chains: &'static [Chain] = match version {
        X_MAIN => &[Chain::Xrp],
        X_TEST => &[Chain::XrpTestnet],
        _ => return Ok(None),
    };
    base58::split_checksum(bytes).ok_or(EncodingError::Base58Checksum { version: version[0] })?;
    let (Some(account), [flag, tag @ .., _, _, _, _]) = (rest.first_chunk(), &rest[20..]) else {
        return Ok(None);
    };
    let tag = match (flag, tag) {
        (0, [0, 0, 0, 0, 0, 0, 0, 0]) => None,
        (1, [a, b, c, d, 0, 0, 0, 0]) => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => return Err(EncodingError::XrpFlags),
    };
    let key = KeyId::PublicKeyHash(*account);
    let address = Address::new(input, Encoding::XrpX, Checksum::Verified, chains, key);
    Ok(Some(Address { tag, ..address }))
}

/// The classic form of an account.
pub(super) fn classic(account: &[u8; 20]) -> String {
    let bytes = [&[ACCOUNT], account.as_slice()].concat();
    base58::encode_checked(bytes, bs58::Alphabet::RIPPLE)
}

/// The X-address of an account on the main network.
pub(super) fn x_address(account: &[u8; 20], tag: Option<u32>) -> String {
    let tag_bytes = tag.unwrap_or(0).to_le_bytes();
    let flag = [u8::from(tag.is_some())];
    let bytes = [X_MAIN.as_slice(), account, &flag, &tag_bytes, &[0; 4]].concat();
    base58::encode_checked(bytes, bs58::Alphabet::RIPPLE)
}
