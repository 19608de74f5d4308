//! The frames of a connection: answers that are wholly sent, and DATA that no call has read yet. Flow control counts their payload alone,
//! while each holds a place in a table of h2 besides, which never becomes smaller: so they are counted
//! from the bytes that come, and charged for. Understands no frame beyond its head.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;

use super::late::Late;
use crate::grpc::budget::{Charge, Waits};
use crate::grpc::call::Link;

/// What a frame of HTTP/2 begins with, in bytes (RFC 9113, section 4.1), and what of it is looked at.
const HEAD: usize = 9;
const SEEN: usize = 5;

/// Types of frames, and the flag of the last one of a stream (sections 6.1 and 6.2).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

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

/// Finds the heads of frames, in bytes that come in pieces of any size.
#[derive(Debug)]
struct Heads {
    /// Bytes before the next head: at first the client's preface.
    skip: usize,
    /// The first bytes of a head that came in pieces.
    head: u64,
    /// How many of them came.
    have: usize,
}

impl Heads {
    /// Of a side that begins with a preface of so many bytes.
    fn new(preface: usize) -> Self {
        Self { skip: preface, head: 0, have: 0 }
    }

    /// Shows type, flags and length of each frame that began in `bytes`.
    #[inline]
    fn find(&mut self, mut bytes: &[u8], mut found: impl FnMut(u8, u8, usize)) {
        while let Some(from_head) = bytes.get(self.skip..).filter(|bytes| !bytes.is_empty()) {
            self.skip = 0;
            let [_, _, _, a, b, c, kind, flags] = if self.have == 0
                && let Some((&[a, b, c, kind, flags], rest)) = from_head.split_first_chunk::<SEEN>()
            {
                bytes = rest;
                [0, 0, 0, a, b, c, kind, flags]
            } else {
                self.head = self.head << 8 | u64::from(from_head[0]);
                self.have += 1;
                bytes = &from_head[1..];
                if self.have < SEEN {
                    continue;
                }
                self.have = 0;
                std::mem::take(&mut self.head).to_be_bytes()
            };
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            self.skip = length + HEAD - SEEN;
            found(kind, flags, length);
        }
        self.skip = self.skip.saturating_sub(bytes.len());
    }
}

/// The answers of a connection that are wholly sent, by the bytes that go.
#[derive(Debug)]
pub struct Sent {
    heads: Heads,
    link: Arc<Link>,
}

impl Sent {
    pub fn new(link: Arc<Link>) -> Self {
        Self { heads: Heads::new(0), link }
    }

    /// Takes note of bytes that went.
    pub fn note(&mut self, bytes: &[u8]) {
        let mut ended = 0;
        self.heads.find(bytes, |kind, flags, _| {
            ended += u64::from(matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0);
        });
        if ended > 0 {
            self.link.answers_sent.fetch_add(ended, Ordering::Relaxed);
        }
    }
}

/// The frames of one connection that are not read, and what they are charged for.
#[derive(Debug)]
pub struct Unread {
    heads: Heads,
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
            heads: Heads::new(preface),
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
        let mut came = 0;
        self.heads.find(bytes, |kind, _, length| came += u64::from(kind == DATA && length > 0));
        self.came += came;
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

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&head[..], &vec![0; payload]].concat()
    }

    proptest! {
        #[test]
        fn heads_are_found_however_their_bytes_come(
            frames in prop::collection::vec((0_u8..4, 0_u8..2, 0_usize..600), 0..20),
            cuts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let mut bytes = vec![7; 24];
            for (kind, flags, payload) in &frames {
                bytes.extend(frame(*kind, *flags, *payload));
            }
            let mut heads = Heads::new(24);
            let (mut rest, mut found) = (&bytes[..], Vec::new());
            for cut in cuts.iter().cycle().take(bytes.len()) {
                let (piece, more) = rest.split_at((*cut).min(rest.len()));
                heads.find(piece, |kind, flags, length| found.push((kind, flags, length)));
                rest = more;
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(found, frames);
        }
    }
}
