//! Zcash forms in bech32 and bech32m: Sapling (protocol specification, 5.6.3.1), unified addresses
//! (ZIP-316) and TEX (ZIP-320). Transparent addresses are base58check.

use data_encoding::HEXLOWER;

use ::bech32::Hrp;

use super::bech32::{Decoded, Variant};
use super::{Address, Checksum, Encoding, EncodingError, MAX_ADDRESS};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// The bytes that repeat the prefix at the end of a unified address.
const PADDING: usize = 16;

/// Whether a prefix is one of Zcash's.
pub(super) fn is_prefix(prefix: &str) -> bool {
    matches!(
        prefix,
        "zs" | "ztestsapling"
            | "zregtestsapling"
            | "u"
            | "utest"
            | "uregtest"
            | "tex"
            | "textest"
            | "texregtest"
    )
}

/// The address behind a payload after one of the prefixes.
pub(super) fn read(decoded: &Decoded<'_>) -> Result<Address<'static>, EncodingError> {
    let chains: &'static [Chain] = match decoded.prefix {
        "zs" | "u" | "tex" => &[Chain::Zcash],
        _ => &[Chain::ZcashTestnet],
    };
    let (encoding, variant) = match decoded.prefix {
        "u" | "utest" | "uregtest" => (Encoding::ZcashUnified, Variant::Bech32m),
        "tex" | "textest" | "texregtest" => (Encoding::ZcashTex, Variant::Bech32m),
        _ => (Encoding::ZcashSapling, Variant::Bech32),
    };
    if decoded.variant != variant {
        return Err(EncodingError::Bech32Variant);
    }
    let mut buffer = [0; MAX_ADDRESS];
    let length = decoded.bytes(&mut buffer)?.len();
    let bytes = &mut buffer[..length];
    let payload = EncodingError::Bech32Payload;
    let keys = if encoding == Encoding::ZcashUnified {
        unified(decoded.prefix, bytes)?
    } else if encoding == Encoding::ZcashTex {
        vec![KeyId::PublicKeyHash((&*bytes).try_into().map_err(|_| payload)?)]
    } else {
        vec![KeyId::Sapling((&*bytes).try_into().map_err(|_| payload)?)]
    };
    let address =
        Address::new("", encoding, Checksum::Verified, chains, KeyId::Verbatim("".into()));
    Ok(address.with_keys(keys))
}

/// Returns one key id per receiver of a unified address, known kinds first, in the order of
/// typecodes.
fn unified(prefix: &str, bytes: &mut [u8]) -> Result<Vec<KeyId>, EncodingError> {
    f4jumble::f4jumble_inv_mut(bytes).map_err(|_| EncodingError::Unified("its length"))?;
    let (mut items, padding) =
        bytes.split_last_chunk::<PADDING>().ok_or(EncodingError::Unified("its length"))?;
    let mut expected = [0; PADDING];
    expected[..prefix.len()].copy_from_slice(prefix.as_bytes());
    if *padding != expected {
        return Err(EncodingError::Unified("its padding"));
    }
    let mut keys = Vec::new();
    let mut unknown = Vec::new();
    let mut last = None;
    while !items.is_empty() {
        let cut_short = EncodingError::Unified("a receiver is cut short");
        let (typecode, length, rest) = header(items).ok_or(cut_short)?;
        let (receiver, rest) = rest.split_at_checked(length).ok_or(cut_short)?;
        if last.is_some_and(|last| last >= typecode) {
            return Err(EncodingError::Unified("receivers are not in ascending order"));
        }
        if (last, typecode) == (Some(0), 1) {
            return Err(EncodingError::Unified("both P2PKH and P2SH"));
        }
        match receiver_key(typecode, receiver)? {
            Some(key) => keys.push(key),
            None => unknown.push(unknown_receiver(typecode, receiver)),
        }
        last = Some(typecode);
        items = rest;
    }
    match last {
        None | Some(0 | 1) => Err(EncodingError::Unified("no shielded receiver")),
        _ if keys.is_empty() => Err(EncodingError::Unified("no receiver of a known kind")),
        _ => {
            keys.extend(unknown);
            Ok(keys)
        }
    }
}

/// A receiver of an unknown kind may be listed too, in another unified address.
fn unknown_receiver(typecode: u64, receiver: &[u8]) -> KeyId {
    let hex = HEXLOWER.encode(receiver);
    KeyId::Verbatim(format!("zcash-receiver:{typecode}:{hex}").into())
}

/// Returns the key id of one receiver; `None` for an unknown kind.
fn receiver_key(typecode: u64, receiver: &[u8]) -> Result<Option<KeyId>, EncodingError> {
    let key = match typecode {
        0 => receiver.try_into().map(KeyId::PublicKeyHash),
        1 => receiver.try_into().map(KeyId::ScriptHash),
        2 => receiver.try_into().map(KeyId::Sapling),
        3 => receiver.try_into().map(KeyId::Orchard),
        // Metadata that must be understood (ZIP-316, revision 1).
        0xe0..=0xfc => return Err(EncodingError::Unified("metadata that must be understood")),
        4..=0x0200_0000 => return Ok(None),
        _ => return Err(EncodingError::Unified("a typecode is out of range")),
    };
    key.map(Some).map_err(|_| EncodingError::Unified("the length of a receiver"))
}

/// Typecode and length, each a compact size, and what follows.
fn header(items: &[u8]) -> Option<(u64, usize, &[u8])> {
    let (typecode, rest) = compact_size(items)?;
    let (length, rest) = compact_size(rest)?;
    Some((typecode, usize::try_from(length).ok()?, rest))
}

/// Bitcoin's compact size, in its shortest form.
fn compact_size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (size, least) = match first {
        0xfd => (2, 0xfd),
        0xfe => (4, 0x1_0000),
        0xff => (8, 0x1_0000_0000),
        _ => return Some((u64::from(*first), rest)),
    };
    let (number, rest) = rest.split_at_checked(size)?;
    let value = number.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
    (value >= least).then_some((value, rest))
}

/// The Sapling address of a receiver on the main network.
pub(super) fn sapling(receiver: &[u8; 43]) -> Option<String> {
    ::bech32::encode::<::bech32::Bech32>(Hrp::parse("zs").ok()?, receiver).ok()
}
