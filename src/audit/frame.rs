//! Frames of a segment: the leaves of one block that were handed over together.
//!
//! | part | bytes |
//! |---|---|
//! | length of the payload | 4, big-endian |
//! | checksum | 8, big-endian: XXH3 over the payload, seeded with XXH3 over the length, seeded with segment x 2^40 + offset of the frame |
//! | payload | leaves, as [`block`](super::block) describes them |
//!
//! The seed makes a frame that stands elsewhere than it was written fail where it stands.

use twox_hash::XxHash3_64;

pub(super) const FRAME_HEAD: usize = 12;

/// The place that seeds a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FramePlace {
    pub(super) segment: u64,
    /// Of the frame in its file.
    pub(super) offset: u64,
}

fn checksum(place: FramePlace, length: [u8; 4], payload: &[u8]) -> u64 {
    let seed = XxHash3_64::oneshot_with_seed(place.segment << 40 | place.offset, &length);
    XxHash3_64::oneshot_with_seed(seed, payload)
}

/// Fills in the head, for which `frame` begins with room.
pub(super) fn seal(frame: &mut [u8], place: FramePlace) {
    let (head, payload) = frame.split_at_mut(FRAME_HEAD);
    let length = (payload.len() as u32).to_be_bytes();
    head[..4].copy_from_slice(&length);
    head[4..].copy_from_slice(&checksum(place, length, payload).to_be_bytes());
}

/// Splits the first frame off and returns its payload and the rest.
pub(super) fn split_first(bytes: &[u8], place: FramePlace) -> Result<(&[u8], &[u8]), &'static str> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or("the head of a frame is cut off")?;
    let (expected, rest) = rest.split_first_chunk().ok_or("the head of a frame is cut off")?;
    let size = u32::from_be_bytes(*length) as usize;
    let (payload, rest) =
        rest.split_at_checked(size).ok_or("a frame is longer than what follows")?;
    if payload.is_empty() || checksum(place, *length, payload).to_be_bytes() != *expected {
        return Err("the checksum of the frame is wrong: it was changed or moved");
    }
    Ok((payload, rest))
}

/// The longest payload that is looked for after damage.
const MAX_SOUGHT: usize = 16 << 20;

/// The unit in which a file system writes.
const PAGE: u64 = 4096;

/// Returns whether whole frames follow bytes that begin with none, so that these were changed after
/// they were written. False where a page of zeros stands between: after a loss of power later pages
/// may have been written, and earlier ones not.
pub(super) fn follows_damage(bytes: &[u8], first: FramePlace) -> bool {
    let is_frame = |at: &usize| {
        let Some(rest) = bytes.get(*at..) else { return false };
        let Some((length, _)) = rest.split_first_chunk::<4>() else { return false };
        let length = u32::from_be_bytes(*length) as usize;
        let place = FramePlace { offset: first.offset + *at as u64, ..first };
        (1..=MAX_SOUGHT).contains(&length) && split_first(rest, place).is_ok()
    };
    let next = (1..bytes.len()).find(is_frame);
    next.is_some_and(|next| !has_empty_page(&bytes[..next], first.offset))
}

fn has_empty_page(bytes: &[u8], offset: u64) -> bool {
    let start = offset.next_multiple_of(PAGE) - offset;
    let pages = bytes.get(start as usize..).unwrap_or_default().chunks_exact(PAGE as usize);
    pages.into_iter().any(|page| page.iter().all(|byte| *byte == 0))
}
