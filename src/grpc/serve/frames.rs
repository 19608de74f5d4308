//! The small DATA frames of a connection that nobody has read yet. Flow control counts their payload
//! alone, while each holds much more memory than that until its call is read: so they are counted
//! from the bytes that come, and charged for. Understands no frame beyond its head.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;

use super::connection::CONNECTION_WINDOW;
use super::guarded::Late;
use crate::grpc::budget::{Charge, Waits};
use crate::grpc::call::Link;

/// What a frame of HTTP/2 begins with, in bytes (RFC 9113, section 4.1), and what of it is looked at.
const HEAD: usize = 9;
const LENGTH_AND_TYPE: usize = 4;

/// The type of DATA frames (section 6.1).
const DATA: u32 = 0;

/// A payload below this takes less than what holds it: h2 counts by the same bound.
const SMALL: usize = 256;

/// How many frames are charged for at a time, and left uncounted before: 64 KiB.
const STEP: u64 = 256;

/// The most that a connection holds: h2 ends it where small frames take more than half its window. A
/// connection that is never without a call counts more in time, since frames that come after the end
/// of their call are dropped unread.
const MOST: u64 = (CONNECTION_WINDOW as usize / 2 / SMALL) as u64;

/// Whether a DATA frame of so many bytes is small. One without payload holds nothing.
pub const fn is_small(payload: usize) -> bool {
    payload > 0 && payload < SMALL
}

/// Counts small frames in bytes that come in pieces of any size.
#[derive(Debug)]
struct Counter {
    /// Bytes before the next head: at first the client's preface.
    skip: usize,
    /// The first bytes of a head that came in pieces.
    head: u32,
    /// How many of them came.
    have: usize,
}

impl Counter {
    /// A connection that begins with a preface of so many bytes.
    fn new(preface: usize) -> Self {
        Self { skip: preface, head: 0, have: 0 }
    }

    /// How many small frames began in `bytes`.
    fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut small = 0;
        while let Some(from_head) = bytes.get(self.skip..).filter(|bytes| !bytes.is_empty()) {
            self.skip = 0;
            if self.have == 0
                && let Some((head, rest)) = from_head.split_first_chunk::<LENGTH_AND_TYPE>()
            {
                self.head = u32::from_be_bytes(*head);
                bytes = rest;
            } else {
                self.head = self.head << 8 | u32::from(from_head[0]);
                self.have += 1;
                bytes = &from_head[1..];
                if self.have < LENGTH_AND_TYPE {
                    continue;
                }
                self.have = 0;
            }
            let payload = (self.head >> 8) as usize;
            self.skip = payload + HEAD - LENGTH_AND_TYPE;
            small += u64::from(self.head & 0xff == DATA && is_small(payload));
        }
        self.skip = self.skip.saturating_sub(bytes.len());
        small
    }
}

/// The small frames of one connection that are not read, and what they are charged for.
#[derive(Debug)]
pub struct Unread {
    counter: Counter,
    link: Arc<Link>,
    /// How many have come, less those that went with their calls.
    came: u64,
    /// Whether all that came was seen by the calls that it was for.
    is_settled: bool,
    /// For so many times [`STEP`] frames.
    charge: Option<(u64, Box<Charge>)>,
}

impl Unread {
    /// Of a connection whose preface has so many bytes.
    pub fn new(preface: usize, link: Arc<Link>) -> Self {
        Self { counter: Counter::new(preface), link, came: 0, is_settled: false, charge: None }
    }

    /// Takes note that no more bytes are there: those that came are handed on before the connection
    /// is looked at again.
    pub fn settle(&mut self) {
        self.is_settled = true;
    }

    /// Takes note of bytes that came; an error if the memory that the connection holds is lost to
    /// others, or not to be had.
    pub fn note(&mut self, bytes: &[u8], context: &mut Context<'_>) -> io::Result<()> {
        let read = self.link.small_frames.load(Ordering::Relaxed);
        // Frames of calls that were dropped unread are gone too, though nobody counts them: where no
        // call is left, no frame is.
        if std::mem::take(&mut self.is_settled) && self.link.has_no_call() {
            self.came = read;
        }
        self.came += self.counter.count(bytes);
        let unread = self.came.saturating_sub(read).min(MOST);
        let steps = unread / STEP;
        if steps == 0 {
            self.charge = None;
            return Ok(());
        }
        let (charged, charge) = self.charge.get_or_insert_with(|| (0, self.link.charge()));
        let is_had = *charged == steps || charge.moved((steps * STEP) as usize * SMALL).is_ok();
        *charged = steps;
        match is_had && !charge.holder().is_evicted(Waits::ForMessage, context.waker()) {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::OutOfMemory, Late::Calls)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, 0, 0, 0, 0, 1];
        [&head[..], &vec![0; payload]].concat()
    }

    proptest! {
        #[test]
        fn frames_are_counted_however_their_bytes_come(
            frames in prop::collection::vec((0_u8..3, 0_usize..600), 0..20),
            cuts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let mut bytes = vec![7; 24];
            frames.iter().for_each(|(kind, payload)| bytes.extend(frame(*kind, *payload)));
            let want = frames.iter().filter(|(kind, payload)| *kind == 0 && is_small(*payload));
            let mut counter = Counter::new(24);
            let (mut rest, mut found) = (&bytes[..], 0);
            for cut in cuts.iter().cycle().take(bytes.len()) {
                let (piece, more) = rest.split_at((*cut).min(rest.len()));
                found += counter.count(piece);
                rest = more;
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(found, want.count() as u64);
        }
    }
}
