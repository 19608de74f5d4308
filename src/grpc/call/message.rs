//! A stream's messages on their way in: who pauses for too long within a message is cut off.
//! Decodes no message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// The bytes before each message: whether it is compressed, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// A request's body.
pub struct Messages {
    inner: Incoming,
    place: Place,
    /// While the rest of a message is waited for; of a call that is no stream `None`: its deadline
    /// is enough.
    pause: Option<Pause>,
}

struct Pause {
    longest: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Messages {
    /// The body of a request; of a stream, with the longest pause within a message.
    pub fn new(inner: Incoming, longest_pause: Option<Duration>) -> Self {
        let pause = longest_pause.map(|longest| Pause { longest, timer: None });
        Self { inner, place: Place::default(), pause }
    }
}

/// Where in the messages a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// The bytes of the prefix that were read.
    prefix: usize,
    /// The length, as far as its bytes were read.
    length: u32,
    /// The bytes of the message that are missing, once its length is known.
    missing: usize,
}

impl Place {
    fn within_message(self) -> bool {
        self != Self::default()
    }

    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.prefix < PREFIX {
                if self.prefix > 0 {
                    self.length = self.length << 8 | u32::from(bytes[0]);
                }
                self.prefix += 1;
                self.missing = self.length as usize;
                bytes = &bytes[1..];
            } else {
                let passed = self.missing.min(bytes.len());
                self.missing -= passed;
                bytes = &bytes[passed..];
            }
            if self.prefix == PREFIX && self.missing == 0 {
                *self = Self::default();
            }
        }
    }
}

impl Body for Messages {
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        let Some(pause) = &mut this.pause else { return polled.map_err(Into::into) };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                pause.timer = None;
                if let Some(data) = frame.data_ref() {
                    this.place.pass(data);
                }
            }
            Poll::Pending if this.place.within_message() => {
                let longest = pause.longest;
                let timer = pause.timer.get_or_insert_with(|| Box::pin(sleep(longest)));
                if timer.as_mut().poll(context).is_ready() {
                    let status = Status::deadline_exceeded("the rest of a message does not come");
                    return Poll::Ready(Some(Err(status.into())));
                }
            }
            _ => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_messages_however_they_are_cut() {
        let mut bytes = Vec::new();
        for length in [0_u32, 1, 300, 0, 70_000, 5] {
            bytes.push(0);
            bytes.extend(length.to_be_bytes());
            bytes.extend(vec![7; length as usize]);
        }
        let mut ends = Vec::new();
        let mut at = 0;
        for length in [0, 1, 300, 0, 70_000, 5] {
            at += PREFIX + length;
            ends.push(at);
        }
        for cut in [1, 2, 3, 7, 64, 1_000, bytes.len()] {
            let mut place = Place::default();
            let mut passed = 0;
            for piece in bytes.chunks(cut) {
                place.pass(piece);
                passed += piece.len();
                assert_eq!(place.within_message(), !ends.contains(&passed), "{cut} {passed}");
            }
        }
    }
}
