//! An answer's body on its way to the reader, in pieces, so that a stalled reader is noticed. A stream
//! that must end before its own end does so with a status.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status};

use super::guard::CallGuard;
use super::headers::ANSWER_LIMIT;
use super::{Payer, deadline};
use crate::grpc::budget::{Charge, Holder, UNCOUNTED};
use crate::grpc::serve::tasks;
use crate::grpc::shutdown::ShutdownSignal;
use crate::grpc::status::Refusal;
use crate::grpc::v1::ErrorReason;

/// The largest piece, in bytes: the frame size that clients take unless they say otherwise
/// (RFC 9113, section 6.5.2).
const PIECE: usize = 16 << 10;

/// hyper gives an answer's end to h2 as soon as the last piece fits into the reader's window with one
/// byte, and from then on h2 keeps the rest of that piece for as long as the reader likes. So the last
/// byte of an answer of more than this, in bytes, and of every answer while the connection has several
/// that are not sent, is a piece by itself, which hyper keeps until all before it has room in the window.
const TAIL: usize = 2 << 10;

/// Ends a stream, with a status, before its own end: by the server's shutdown or the caller's deadline.
pub struct StreamShutdown {
    ending: ShutdownSignal,
    deadline: Option<Pin<Box<Sleep>>>,
    holder: Arc<Holder>,
}

impl Drop for StreamShutdown {
    fn drop(&mut self) {
        self.holder.leave();
    }
}

impl StreamShutdown {
    /// By `ending`, and at `deadline`; `holder` learns that the call is over.
    pub fn new(ending: ShutdownSignal, deadline: Option<Instant>, holder: Arc<Holder>) -> Self {
        Self { ending, deadline: deadline.map(|at| Box::pin(sleep_until(at))), holder }
    }

    /// Whether the caller's deadline has passed.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready())
    }
}

/// How many bytes of an answer its caller takes, where the request itself says so.
#[derive(Clone, Copy, Debug)]
pub struct AnswerLimit(pub usize);

/// The answer of a call that is no stream, made at once and not when its reader asks for it, so that
/// what waits is bytes that are counted; or the refusal of one that is too large.
pub fn made(
    mut response: Response<Answer>,
    limit: usize,
    context: &mut Context<'_>,
) -> Response<Answer> {
    if let Err(status) = response.body_mut().make(limit, context) {
        response.body_mut().clear(status.code());
        *response.headers_mut() = status.into_http::<String>().into_parts().0.headers;
    }
    response
}

pub struct Answer {
    inner: tonic::body::Body,
    /// What is left of the last frame.
    rest: Bytes,
    /// The end, where it came before any frame.
    last: Option<Box<HeaderMap>>,
    /// Of a stream: what ends it.
    ends: Option<Box<StreamShutdown>>,
    /// Who pays for what waits; `None` for a refusal, which holds nothing.
    payer: Option<Payer>,
    /// The memory of the last frame, where that is much: all of it until the reader took the last of
    /// its bytes, since pieces share one allocation.
    charge: Option<Box<Charge>>,
    /// How many bytes the piece before had.
    piece: usize,
    guard: CallGuard,
    ended: bool,
}

impl Answer {
    /// The body of a call; `ends` for a stream. `guard` learns how it ended.
    pub fn new(
        inner: tonic::body::Body,
        ends: Option<Box<StreamShutdown>>,
        payer: Option<Payer>,
        guard: CallGuard,
    ) -> Self {
        Self {
            inner,
            rest: Bytes::new(),
            last: None,
            ends,
            payer,
            charge: None,
            piece: 0,
            guard,
            ended: false,
        }
    }

    /// Encodes the answer, if there is one; refuses one of more than `limit` bytes.
    fn make(&mut self, limit: usize, context: &mut Context<'_>) -> Result<(), Status> {
        if self.inner.is_end_stream() {
            return Ok(());
        }
        let Poll::Ready(Some(frame)) = Pin::new(&mut self.inner).poll_frame(context) else {
            return Err(Status::internal("an answer was not there when it was said to be"));
        };
        match frame?.into_data() {
            Ok(data) if data.len() > limit => Err(too_large(limit).into()),
            Ok(data) => {
                // Of services that are not ours, with room for much more than a word.
                let is_probe = self.guard.is_probe();
                self.hold(if is_probe { Bytes::copy_from_slice(&data) } else { data })?;
                // From now on its reader may take it.
                tasks::handed();
                Ok(())
            }
            Err(frame) => {
                self.last = frame.into_trailers().ok().map(Box::new);
                Ok(())
            }
        }
    }

    /// Leaves nothing of the answer: the headers say how the call ended.
    fn clear(&mut self, code: Code) {
        self.inner = tonic::body::Body::empty();
        self.ended = true;
        self.guard.code(code);
    }

    /// Keeps what the reader has not taken yet, and charges for it.
    fn hold(&mut self, data: Bytes) -> Result<(), Refusal> {
        if data.len() > UNCOUNTED
            && let Some(payer) = &self.payer
        {
            let charge = self.charge.get_or_insert_with(|| payer.charge());
            charge.made(data.len())?;
            tasks::holds(charge.holder().clone());
        }
        self.rest = data;
        Ok(())
    }

    /// The reader took a piece.
    fn took(&mut self) -> Result<(), Refusal> {
        match &self.charge {
            Some(charge) if !self.rest.is_empty() => charge.took(std::mem::take(&mut self.piece)),
            _ => {
                self.charge = None;
                Ok(())
            }
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        tasks::handed();
        let has_unsent = || self.payer.as_ref().is_some_and(|payer| payer.link.has_unsent());
        let is_large = self.charge.is_some() || self.rest.len() > TAIL || has_unsent();
        let piece = match self.rest.len() {
            // By itself, and not as a part of what it is the last of.
            1 if self.charge.is_some() => Bytes::copy_from_slice(&std::mem::take(&mut self.rest)),
            length @ 2..=PIECE if is_large => self.rest.split_to(length - 1),
            length => self.rest.split_to(length.min(PIECE)),
        };
        self.piece = piece.len();
        Frame::data(piece)
    }

    fn refused(&mut self, refusal: Refusal) -> Result<Frame<Bytes>, Status> {
        let mut trailers = HeaderMap::new();
        Status::from(refusal).add_header(&mut trailers)?;
        Ok(self.trailers(trailers))
    }

    fn trailers(&mut self, trailers: HeaderMap) -> Frame<Bytes> {
        self.ended = true;
        self.guard.code(Status::from_header_map(&trailers).map_or(Code::Ok, |it| it.code()));
        Frame::trailers(trailers)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let span = this.guard.span();
        let _entered = span.as_ref().map(tracing::Span::enter);
        tasks::asked();
        if this.charge.is_some()
            && let Err(refusal) = this.took()
        {
            this.rest = Bytes::new();
            return Poll::Ready(Some(this.refused(refusal)));
        }
        if let Some(trailers) = this.last.take() {
            return Poll::Ready(Some(Ok(this.trailers(*trailers))));
        }
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(this.piece())));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        // However many answers are ready: the deadline is the caller's.
        if this.ends.as_mut().is_some_and(|ends| ends.is_late(context)) {
            return Poll::Ready(Some(this.refused(deadline::passed())));
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(ends) = &mut this.ends else { return Poll::Pending };
                ready!(Pin::new(&mut ends.ending).poll(context));
                this.guard.drained();
                return Poll::Ready(Some(this.refused(draining())));
            }
        };
        let Some(frame) = frame.transpose()? else {
            this.ended = true;
            return Poll::Ready(None);
        };
        match frame.into_data() {
            Ok(data) => {
                if let Err(refusal) = this.hold(data) {
                    return Poll::Ready(Some(this.refused(refusal)));
                }
                Poll::Ready(Some(Ok(this.piece())))
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Poll::Ready(Some(Ok(this.trailers(trailers)))),
                Err(other) => Poll::Ready(Some(Ok(other))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.last.is_none() && self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The refusal of an answer of more bytes than its caller takes.
pub fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "the answer has more than {limit} bytes, the most that the caller takes: raise the client's \
         limit of received messages and name it in the header {ANSWER_LIMIT}, or ask for less at \
         once (a batch may name it as max_response_bytes, and is then answered in parts)"
    );
    Refusal::new(Code::FailedPrecondition, ErrorReason::AnswerTooLarge, message)
}

fn draining() -> Refusal {
    let message = "the server ends: what was answered counts, ask the rest elsewhere";
    Refusal::new(Code::Unavailable, ErrorReason::Draining, message)
}
