//! The filter of a full segment: which addresses it may hold. A Bloom filter whose bits for one
//! fingerprint stand in one 64-byte line, so that a look-up is one read.
//!
//! | part | bytes |
//! |---|---|
//! | head | 64, see [`head`](super::head); its number is that of the segment |
//! | lines | 64 each, at least one |
//! | checksum | 8, big-endian: XXH3 over head and lines |
//!
//! A fingerprint is first mixed: multiplied by 0x9e3779b97f4a7c15, then XORed with itself shifted
//! right by 32. Its line is the high 64 bits of (mixed x number of lines). Its seven bits in the line are
//! the nine-bit pieces of (mixed x 0xd6e8feb86659fd93), from the lowest on; bit n stands in byte
//! n / 8, lowest bit first. With 11 bits for each distinct fingerprint about 1 % are found that are
//! not there.

use std::os::unix::fs::FileExt;
use std::path::Path;

use twox_hash::XxHash3_64;

use super::head::{self, HEAD, Kind, LogId};
use super::store::Store;
use super::{AuditError, BLOCKS_PER_SEGMENT, files};

const LINE: usize = 64;

/// Bits of the filter for each distinct fingerprint.
const BITS_PER_FINGERPRINT: usize = 11;

/// Bits that are set for one.
const PROBES: u32 = 7;

const CHECKSUM: usize = 8;

fn mixed(fingerprint: u64) -> u64 {
    let product = fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

fn line_of(fingerprint: u64, lines: u64) -> u64 {
    ((u128::from(mixed(fingerprint)) * u128::from(lines)) >> 64) as u64
}

/// Returns the bits of a fingerprint in its line.
fn bits_of(fingerprint: u64) -> impl Iterator<Item = usize> {
    let bits = mixed(fingerprint).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (0..PROBES).map(move |probe| (bits >> (9 * probe) & 0x1ff) as usize)
}

/// Writes the filter of a segment.
pub(super) fn write(
    log: &Path,
    segment: u64,
    id: LogId,
    mut fingerprints: Vec<u64>,
) -> Result<(), AuditError> {
    fingerprints.sort_unstable();
    fingerprints.dedup();
    let lines = (fingerprints.len() * BITS_PER_FINGERPRINT).div_ceil(8 * LINE).max(1);
    let mut bytes = vec![0; HEAD + lines * LINE + CHECKSUM];
    bytes[..HEAD].copy_from_slice(&head::encode(Kind::Filter, segment, id));
    for fingerprint in fingerprints {
        let line = HEAD + line_of(fingerprint, lines as u64) as usize * LINE;
        for bit in bits_of(fingerprint) {
            bytes[line + bit / 8] |= 1 << (bit % 8);
        }
    }
    let end = bytes.len() - CHECKSUM;
    let checksum = XxHash3_64::oneshot(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_be_bytes());
    files::replace(&files::filter(log, segment), &bytes)
}

/// Returns false if none of the fingerprints is in the segment. Without a filter any may be.
pub(super) fn may_contain(
    log: &Path,
    segment: u64,
    id: LogId,
    fingerprints: &[u64],
) -> Result<bool, AuditError> {
    let path = files::filter(log, segment);
    let io = AuditError::io(&path);
    let Some(file) = files::open_if_there(&path)? else { return Ok(true) };
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, 0).map_err(&io)?;
    head::check(&path, &head, Kind::Filter, segment, id)?;
    let length = file.metadata().map_err(&io)?.len();
    let lines = length.saturating_sub((HEAD + CHECKSUM) as u64) / LINE as u64;
    for fingerprint in fingerprints {
        let mut line = [0; LINE];
        let at = HEAD as u64 + line_of(*fingerprint, lines) * LINE as u64;
        file.read_exact_at(&mut line, at).map_err(&io)?;
        if has_all_bits(&line, *fingerprint) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the fingerprints of all addresses that a segment still has.
pub(super) fn collect(
    store: &Store,
    segment: u64,
    fingerprints: fn(&str, &mut Vec<u64>),
) -> Result<Vec<u64>, AuditError> {
    let mut found = Vec::new();
    for number in segment * BLOCKS_PER_SEGMENT..(segment + 1) * BLOCKS_PER_SEGMENT {
        let bytes = match store.block(number) {
            Err(AuditError::Removed { .. }) => continue,
            bytes => bytes?,
        };
        for item in bytes.decode()?.all_items() {
            if let Some(address) = item.address.text() {
                fingerprints(&address, &mut found);
            }
        }
    }
    Ok(found)
}

/// The most bytes of a filter that are read: a segment of 2^20 records has 8 MB of fingerprints.
const MAX_FILE: usize = 256 << 20;

/// A filter in memory.
pub(super) struct LoadedFilter {
    bytes: Vec<u8>,
}

impl LoadedFilter {
    /// Reads a filter and checks its checksum. `None` if there is none.
    pub(super) fn read(log: &Path, segment: u64, id: LogId) -> Result<Option<Self>, AuditError> {
        let path = files::filter(log, segment);
        let Some(file) = files::open_if_there(&path)? else { return Ok(None) };
        let bytes = files::read_up_to(&file, MAX_FILE).map_err(AuditError::io(&path))?;
        head::check(&path, bytes.get(..HEAD).unwrap_or(&bytes), Kind::Filter, segment, id)?;
        let is_whole = bytes.split_last_chunk::<CHECKSUM>().is_some_and(|(rest, checksum)| {
            rest.len() >= HEAD + LINE
                && rest.len() % LINE == 0
                && XxHash3_64::oneshot(rest).to_be_bytes() == *checksum
        });
        let what = "the checksum of the filter is wrong";
        if is_whole {
            Ok(Some(Self { bytes }))
        } else {
            Err(AuditError::damaged(&path, HEAD as u64, what))
        }
    }

    /// Returns false if none of the fingerprints is in the segment.
    pub(super) fn may_contain(&self, fingerprints: &[u64]) -> bool {
        let lines = &self.bytes[HEAD..self.bytes.len() - CHECKSUM].as_chunks::<LINE>().0;
        fingerprints.iter().any(|fingerprint| {
            has_all_bits(&lines[line_of(*fingerprint, lines.len() as u64) as usize], *fingerprint)
        })
    }
}

fn has_all_bits(line: &[u8; LINE], fingerprint: u64) -> bool {
    bits_of(fingerprint).all(|bit| line[bit / 8] >> (bit % 8) & 1 == 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_are_found_and_one_in_a_hundred_others() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path();
        std::fs::create_dir(log.join("filters")).unwrap();
        let id = LogId::of("test");
        fastrand::seed(11);
        let there: Vec<u64> = (0..20_000).map(|_| fastrand::u64(..)).collect();
        write(log, 3, id, there.clone()).unwrap();
        let loaded = LoadedFilter::read(log, 3, id).unwrap().unwrap();
        for fingerprint in &there {
            assert!(may_contain(log, 3, id, &[*fingerprint]).unwrap());
            assert!(loaded.may_contain(&[*fingerprint]));
        }
        let wrong =
            (0..20_000).filter(|_| may_contain(log, 3, id, &[fastrand::u64(..)]).unwrap()).count();
        assert!(wrong < 400, "{wrong} of 20,000");
        assert!(LoadedFilter::read(log, 4, id).unwrap().is_none());
        assert!(may_contain(log, 4, id, &[1]).unwrap(), "no filter");
        let size = std::fs::metadata(files::filter(log, 3)).unwrap().len();
        assert!(size < 20_000 * 11 / 8 + 300, "{size}");
    }
}
