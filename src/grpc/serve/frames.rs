//! The small DATA frames of a connection that nobody has read yet. Flow control counts their payload
//! alone, while each holds much more memory than that until its call is read: so they are counted
//! from the bytes that come, and charged for. Understands no frame beyond its head.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;

use super::guarded::Late;
use crate::grpc::budget::{Charge, Waits};
use crate::grpc::call::Link;

/// What a frame of HTTP/2 begins with (RFC 9113, section 4.1).
const HEAD: usize = 9;

/// The type of DATA frames (section 6.1).
const DATA: u8 = 0;

/// A payload below this takes less than what holds it: h2 counts by the same bound.
const SMALL: usize = 256;

/// How many frames are charged for at a time, and left uncounted before: 64 KiB.
const STEP: u64 = 256;

/// Whether a DATA frame of so many bytes is small. One without payload holds nothing.
pub const fn is_small(payload: usize) -> bool {
    payload > 0 && payload < SMALL
}

/// Counts small frames in bytes that come in pieces of any size.
#[derive(Debug)]
struct Counter {
    /// Bytes before the next head: at first the client's preface.
    skip: usize,
    head: [u8; HEAD],
    /// How much of the head has come.
    have: usize,
}

impl Counter {
    /// A connection that begins with a preface of so many bytes.
    fn new(preface: usize) -> Self {
        Self { skip: preface, head: [0; HEAD], have: 0 }
    }

    /// How many small frames began in `bytes`.
    fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut small = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            (self.skip, bytes) = (self.skip - skipped, &bytes[skipped..]);
            let more = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + more].copy_from_slice(&bytes[..more]);
            (self.have, bytes) = (self.have + more, &bytes[more..]);
            if self.have < HEAD {
                return small;
            }
            let [a, b, c, kind, ..] = self.head;
            self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
            self.have = 0;
            small += u64::from(kind == DATA && is_small(self.skip));
        }
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
        let steps = self.came.saturating_sub(read) / STEP;
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
        [&head[..], &vec![DATA; payload]].concat()
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
