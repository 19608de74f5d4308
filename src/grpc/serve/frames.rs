//! The DATA frames of a connection that no call has read yet. Flow control counts their payload alone,
//! while each holds a place in a table of h2 besides, which never becomes smaller: so they are counted
//! from the bytes that come, and charged for. Understands no frame beyond its head.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;

use super::guarded::Late;
use crate::grpc::budget::{Charge, Waits};
use crate::grpc::call::Link;

/// What a frame of HTTP/2 begins with, in bytes (RFC 9113, section 4.1), and what of it is looked at.
const HEAD: usize = 9;
const LENGTH_AND_TYPE: usize = 4;

/// The type of DATA frames (section 6.1).
const DATA: u32 = 0;

/// What a frame takes beside its payload, in bytes: measured with h2 0.4.
const PLACE: u64 = 280;

/// A payload keeps the buffer alive that it was read into, however little it has of it: up to so many
/// bytes, and no more than have come.
const BUFFER: u64 = 16 << 10;

/// So many unread frames keep their buffers uncounted: calls that are just beginning have as many.
const UNCOUNTED: u64 = 64;

/// How much is charged for at a time, in bytes.
const STEP: u64 = 64 << 10;

/// What a connection may hold although there is no room for it, in bytes: a stream that sends its
/// questions faster than they are answered has some hundred frames unread.
const TOLERATED: u64 = 256 << 10;

/// A connection that has had so many unread frames takes no more calls, and ends after those that it
/// has: its table goes with it. Clients make another connection then, and lose no call.
const RETIRES: u64 = 4_096;

/// Counts DATA frames with a payload, in bytes that come in pieces of any size.
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

    /// How many of them began in `bytes`.
    fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut frames = 0;
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
            frames += u64::from(self.head & 0xff == DATA && payload > 0);
        }
        self.skip = self.skip.saturating_sub(bytes.len());
        frames
    }
}

/// The frames of one connection that are not read, and what they are charged for.
#[derive(Debug)]
pub struct Unread {
    counter: Counter,
    link: Arc<Link>,
    came: u64,
    /// The most that were unread at any time. Frames that came after the end of their call, which h2
    /// drops, are among them for as long as the connection has other calls.
    peak: u64,
    /// The bytes that came while more than [`UNCOUNTED`] frames were unread.
    bytes: u64,
    charge: Option<Box<Charge>>,
    /// How much that is for, in bytes.
    charged: u64,
}

impl Unread {
    /// Of a connection whose preface has so many bytes.
    pub fn new(preface: usize, link: Arc<Link>) -> Self {
        Self {
            counter: Counter::new(preface),
            link,
            came: 0,
            peak: 0,
            bytes: 0,
            charge: None,
            charged: 0,
        }
    }

    /// Takes note of bytes that came, or that none came; an error if the memory that the connection
    /// holds is lost to others, or not to be had.
    pub fn note(&mut self, bytes: &[u8], context: &mut Context<'_>) -> io::Result<()> {
        if bytes.is_empty() && self.charge.is_none() {
            return Ok(());
        }
        // What was read is no more than what came: all of it passed here first.
        let read = self.link.frames_read.load(Ordering::Relaxed);
        if self.link.take_all_ended() {
            // What came for calls that had ended was dropped by h2.
            self.came = read;
        }
        self.came += self.counter.count(bytes);
        let unread = self.came.saturating_sub(read);
        if unread >= RETIRES && self.peak < RETIRES {
            self.link.retire();
        }
        self.peak = self.peak.max(unread);
        self.bytes = if unread > UNCOUNTED { self.bytes + bytes.len() as u64 } else { 0 };
        let holds = self.peak * PLACE + self.bytes.min(unread * BUFFER);
        let holds = holds - holds % STEP;
        if holds != self.charged {
            self.hold(holds)?;
        }
        match &self.charge {
            Some(charge) if charge.is_evicted(Waits::ForMessage, context.waker()) => Err(lost()),
            _ => Ok(()),
        }
    }

    /// Charges for so many bytes.
    fn hold(&mut self, bytes: u64) -> io::Result<()> {
        let charge = self.charge.get_or_insert_with(|| self.link.charge());
        match charge.moved(bytes as usize) {
            Ok(()) => self.charged = bytes,
            // To be charged for once there is room: to end a connection ends all of its calls.
            Err(_) if bytes <= TOLERATED => {}
            Err(_) => {
                self.link.refused();
                return Err(lost());
            }
        }
        Ok(())
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, Late::Calls)
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
            let want = frames.iter().filter(|(kind, payload)| *kind == 0 && *payload > 0);
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
