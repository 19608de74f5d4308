//! A request's messages on their way in: checked as bytes before they are decoded, the large ones beside
//! the serving thread. A sender that pauses too long within a message is cut off.

mod framing;

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use framing::{Framing, Message, PREFIX, are_small, is_small, small};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status};

use super::Payer;
use crate::grpc::budget::{Charge, UNCOUNTED, Waits};
use crate::grpc::codec;
use crate::grpc::status::{Refusal, malformed};
use crate::grpc::v1::ErrorReason;
use crate::grpc::wire::{Decoded, Input, MAX_OTHER, OwnInput};

/// A message from this size on is looked at and decoded beside the serving thread, in bytes.
const LARGE: usize = 64 << 10;

/// A request's body, whose frames are whole messages.
pub struct Messages {
    inner: Incoming,
    /// The message that the method takes; `None` for a path that is no method.
    input: Option<&'static Input>,
    is_gzip: bool,
    payer: Payer,
    /// `None` for as long as nothing but whole small messages came, as in nearly every call.
    slow: Option<Box<Slow>>,
    /// While the rest of a message is waited for; of a call that is no stream `None`: its deadline
    /// is enough.
    pause: Option<Box<Pause>>,
    /// Whether any byte was read, or asked for in vain.
    has_read: bool,
}

thread_local! {
    /// The charge of a message that a call's handler holds. tonic asks for more, or drops the body,
    /// before the handler begins: in the poll of the call, which takes it from here.
    static PARKED: Cell<Option<Box<Charge>>> = const { Cell::new(None) };
}

/// Polls a call, and gives the charge of a message that its handler holds from then on.
pub fn polling<T>(poll: impl FnOnce() -> T) -> (T, Option<Box<Charge>>) {
    PARKED.set(None);
    let polled = poll();
    (polled, PARKED.take())
}

impl Drop for Messages {
    fn drop(&mut self) {
        if let Some(slow) = &mut self.slow
            && slow.is_handed_on
            && self.pause.is_none()
        {
            PARKED.set(slow.charge.take());
        }
        // Behind the one message of a call that is no stream nothing is left.
        if self.pause.is_some() || self.slow.is_some() || !self.has_read {
            self.payer.link.drop_frames(&mut self.inner);
        }
        self.payer.link.body_ended();
    }
}

/// What is kept of messages that are not handed on as they come.
struct Slow {
    framing: Framing,
    /// A message that is decoded elsewhere.
    decoding: Option<Decoder>,
    /// The memory of the message that is read, decoded, or was handed on last.
    charge: Option<Box<Charge>>,
    /// Whether the service has the message that is charged for: done with once it asks for more.
    is_handed_on: bool,
    /// Whether the service has any message.
    has_handed: bool,
}

/// The decoding of a message elsewhere. A call that is dropped before its turn has none; work that has
/// begun ends by itself, and is charged for until then.
struct Decoder(JoinHandle<Decoding<Status>>);

impl Drop for Decoder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A decoded message and its memory, or why there is none.
type Decoding<E> = Result<(Decoded, Option<Box<Charge>>), E>;

struct Pause {
    longest: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// A frame, or why there is none.
type Polled = Result<Frame<Bytes>, tonic::codegen::StdError>;

impl Messages {
    /// The body of a request for a method that takes `input`, whose messages may be compressed by
    /// gzip if `is_gzip`; of a stream, with the longest pause within a message.
    pub fn new(
        inner: Incoming,
        input: Option<&'static Input>,
        is_gzip: bool,
        longest_pause: Option<Duration>,
        payer: Payer,
    ) -> Self {
        payer.link.body_began();
        let pause = longest_pause.map(|longest| Box::new(Pause { longest, timer: None }));
        Self { inner, input, is_gzip, payer, slow: None, pause, has_read: false }
    }

    /// Whether no message has begun.
    fn is_between(&self) -> bool {
        self.slow.as_ref().is_none_or(|slow| slow.framing.is_empty())
    }

    /// Takes bytes that are no whole small messages, and charges for what is kept.
    fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let most = self.input.map_or(MAX_OTHER, Input::most);
        let slow = self.slow.get_or_insert_with(|| {
            let framing = Framing::new(most, self.is_gzip);
            Box::new(Slow {
                framing,
                decoding: None,
                charge: None,
                is_handed_on: false,
                has_handed: false,
            })
        });
        slow.framing.push(bytes);
        if slow.framing.len() <= UNCOUNTED {
            slow.charge = None;
            return Ok(());
        }
        let charge = slow.charge.get_or_insert_with(|| self.payer.charge());
        charge.moved(slow.framing.len())
    }

    /// Whether others needed the memory of a message whose rest does not come.
    fn has_lost(&self, context: &mut Context<'_>) -> Option<Refusal> {
        let charge = self.slow.as_ref()?.charge.as_ref()?;
        charge.is_evicted(Waits::ForMessage, context.waker()).then(|| charge.lost())
    }

    /// Whether the rest of a message was waited for too long.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        if self.is_between() {
            return false;
        }
        let Some(pause) = &mut self.pause else { return false };
        let longest = pause.longest;
        let timer = pause.timer.get_or_insert_with(|| Box::pin(sleep(longest)));
        timer.as_mut().poll(context).is_ready()
    }
}

impl Slow {
    /// What the next message becomes: a frame at once, or nothing until it is decoded.
    fn begin(
        &mut self,
        message: Message,
        input: Option<&'static Input>,
        payer: &Payer,
    ) -> Result<Option<Bytes>, Refusal> {
        let input = match input {
            Some(Input::Own(input)) => input,
            Some(Input::Other(other)) => {
                let frame = message.into_frame()?;
                (other.check)(&frame[PREFIX..])?;
                return Ok(Some(frame));
            }
            None => return Ok(Some(message.into_frame()?)),
        };
        if message.is_small() {
            return Ok(Some(message.into_frame()?));
        }
        if message.len() < LARGE && !message.is_compressed() {
            let (decoded, charge) = decode(input, message, self.charge.take(), payer)?;
            (self.charge, self.is_handed_on) = (charge, true);
            return Ok(Some(codec::hand_over(decoded)));
        }
        let charge = self.charge.take().unwrap_or_else(|| payer.charge());
        // While it waits for its turn it holds what came of it.
        charge.at_work(message.len())?;
        self.decoding =
            Some(Decoder(tokio::spawn(decode_in_turn(input, message, charge, payer.clone()))));
        Ok(None)
    }

    /// The next frame out of what was read.
    fn poll_read(
        &mut self,
        input: Option<&'static Input>,
        payer: &Payer,
        context: &mut Context<'_>,
    ) -> Poll<Option<Polled>> {
        loop {
            if let Some(decoding) = &mut self.decoding {
                let done = ready!(Pin::new(&mut decoding.0).poll(context));
                self.decoding = None;
                self.has_handed = true;
                let decoded = done.unwrap_or_else(|error| Err(ended_early(&error)));
                return Poll::Ready(Some(decoded.map_err(boxed).map(|(message, charge)| {
                    (self.charge, self.is_handed_on) = (charge, true);
                    Frame::data(codec::hand_over(message))
                })));
            }
            let begun = match self.framing.next() {
                Ok(None) => return Poll::Ready(None),
                Ok(Some(message)) => self.begin(message, input, payer),
                Err(refusal) => Err(refusal),
            };
            match begun {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    self.has_handed = true;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Err(refusal) => return Poll::Ready(Some(Err(boxed(refusal)))),
            }
        }
    }
}

impl Body for Messages {
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Polled>> {
        let this = &mut *self;
        if let Some(slow) = &mut this.slow
            && std::mem::take(&mut slow.is_handed_on)
        {
            let charge = slow.charge.take();
            // The one message of a call that is no stream is held until the call is answered.
            if this.pause.is_none() {
                PARKED.set(charge);
            }
        }
        if this.pause.is_none()
            && this.slow.as_ref().is_some_and(|slow| slow.has_handed && !slow.framing.is_empty())
        {
            return Poll::Ready(Some(Err(boxed(second_message()))));
        }
        loop {
            if let Some(slow) = &mut this.slow
                && let Some(frame) = ready!(slow.poll_read(this.input, &this.payer, context))
            {
                return Poll::Ready(Some(frame));
            }
            let polled = Pin::new(&mut this.inner).poll_frame(context);
            if polled.is_ready()
                && let Some(pause) = &mut this.pause
            {
                pause.timer = None;
            }
            let frame = match polled {
                Poll::Ready(Some(Ok(frame))) => frame,
                // hyper takes a stream that its client resets with NO_ERROR for one that ended.
                Poll::Ready(None) if !this.inner.is_end_stream() => {
                    return Poll::Ready(Some(Err(boxed(broken_off(
                        "the client reset the stream",
                    )))));
                }
                Poll::Ready(None) if !this.is_between() => {
                    let refusal = malformed("the request ends within a message");
                    this.slow = None;
                    return Poll::Ready(Some(Err(boxed(refusal))));
                }
                // A call that is no stream has one message.
                Poll::Ready(None) if !this.has_read && this.pause.is_none() => {
                    this.has_read = true;
                    return Poll::Ready(Some(Err(boxed(no_message()))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(boxed(broken_off(&error.to_string())))));
                }
                Poll::Pending if this.is_late(context) => {
                    let message = "the rest of a message does not come";
                    let reason = ErrorReason::DeadlineExceeded;
                    let refusal = Refusal::new(Code::DeadlineExceeded, reason, message);
                    return Poll::Ready(Some(Err(boxed(refusal))));
                }
                Poll::Pending => match this.has_lost(context) {
                    Some(refusal) => return Poll::Ready(Some(Err(boxed(refusal)))),
                    None => return Poll::Pending,
                },
            };
            this.payer.link.count_frame(&frame);
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(_) if this.has_read && this.pause.is_none() && this.is_between() => {
                    return Poll::Ready(Some(Err(boxed(second_message()))));
                }
                // What nearly every call sends: whole messages that need no look, one of a call
                // that is no stream.
                Ok(data)
                    if this.is_between()
                        && if this.pause.is_none() {
                            is_small(&data)
                        } else {
                            are_small(&data)
                        } =>
                {
                    this.has_read = true;
                    if let Some(Input::Other(other)) = this.input
                        && let Some(Err(error)) = small(&data).map(other.check).find(Result::is_err)
                    {
                        return Poll::Ready(Some(Err(boxed(Refusal::from(error)))));
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(data) => {
                    this.has_read = true;
                    if let Err(refusal) = this.push(&data) {
                        return Poll::Ready(Some(Err(boxed(refusal))));
                    }
                }
                Err(_) if !this.is_between() => {
                    this.slow = None;
                    let refusal = malformed("the request ends within a message");
                    return Poll::Ready(Some(Err(boxed(refusal))));
                }
                Err(_) if !this.has_read && this.pause.is_none() => {
                    this.has_read = true;
                    return Poll::Ready(Some(Err(boxed(no_message()))));
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_decoding = self.slow.as_ref().is_some_and(|slow| slow.decoding.is_some());
        // That a call has no message is said where it is asked for.
        let is_asked = self.has_read || self.pause.is_some();
        is_asked && self.is_between() && !is_decoding && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Decodes a message beside the serving thread, in its turn. What is packed is charged for with the
/// most that it may unpack to.
async fn decode_in_turn(
    input: &'static OwnInput,
    message: Message,
    charge: Box<Charge>,
    payer: Payer,
) -> Decoding<Status> {
    let turn = payer.link.shared.load.decoding.turn().await?;
    if payer.holder.as_ref().is_some_and(|holder| holder.is_over()) {
        return Err(Status::aborted("nobody waits for the call any more"));
    }
    charge.at_work(message.len() + message.unpacked())?;
    let decoded = tokio::task::spawn_blocking(move || {
        let decoded = decode(input, message, Some(charge), &payer);
        drop(turn);
        decoded
    });
    Ok(decoded.await.map_err(|error| ended_early(&error))??)
}

/// Decodes a message within its caller's memory: what decoding takes is charged for before.
fn decode(
    input: &OwnInput,
    message: Message,
    charge: Option<Box<Charge>>,
    payer: &Payer,
) -> Decoding<Refusal> {
    let bytes = message.into_bytes()?;
    let scanned = input.scan(&bytes)?;
    let whole = bytes.len() + scanned.cost;
    let charge = charge.or_else(|| (whole > UNCOUNTED).then(|| payer.charge()));
    if let Some(charge) = &charge {
        charge.at_work(whole)?;
    }
    Ok((input.decode(bytes, &scanned)?, charge))
}

fn no_message() -> Refusal {
    malformed("the request has no message")
}

/// Of a call that is no stream.
fn second_message() -> Refusal {
    malformed("the request has more than one message")
}

/// Not CANCELLED, which tonic takes for the end of the request: half a file would be imported as a
/// whole one.
fn broken_off(why: &str) -> Status {
    Status::aborted(format!("the request broke off: {why}"))
}

fn boxed(error: impl Into<Status>) -> tonic::codegen::StdError {
    error.into().into()
}

fn ended_early(error: &JoinError) -> Status {
    Status::internal(format!("the decoding of a message ended early: {error}"))
}
