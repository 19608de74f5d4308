//! An answer's body on its way to the reader: in pieces, so that a reader who takes nothing is
//! noticed, and ended with a word where the stream's time is over. Changes no message.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status};

use super::deadline;
use super::finish::Finish;
use crate::grpc::ending::Ending;
use crate::grpc::serve::tasks;
use crate::grpc::status::Refusal;
use crate::grpc::v1::ErrorReason;

/// The largest piece, in bytes: the frame size that clients take unless they say otherwise
/// (RFC 9113, section 6.5.2).
const PIECE: usize = 16 << 10;

/// What ends a stream, with a word, before its own end: the server's, and its caller's deadline.
pub struct Ends {
    ending: Ending,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Ends {
    /// By `ending`, and at `deadline`.
    pub fn new(ending: Ending, deadline: Option<Instant>) -> Self {
        Self { ending, deadline: deadline.map(|at| Box::pin(sleep_until(at))) }
    }

    /// Whether the caller's deadline has passed.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready())
    }
}

/// An answer's body.
pub struct Answer {
    inner: tonic::body::Body,
    /// What is left of the last frame.
    rest: Bytes,
    /// Of a stream: what ends it.
    ends: Option<Ends>,
    finish: Finish,
    ended: bool,
}

impl Answer {
    /// The body of a call that `finish` is told of; of a stream, with what ends it.
    pub fn new(inner: tonic::body::Body, ends: Option<Ends>, finish: Finish) -> Self {
        Self { inner, rest: Bytes::new(), ends, finish, ended: false }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        tasks::handed();
        Frame::data(self.rest.split_to(self.rest.len().min(PIECE)))
    }

    fn refused(&mut self, refusal: Refusal) -> Result<Frame<Bytes>, Status> {
        let mut trailers = HeaderMap::new();
        Status::from(refusal).add_header(&mut trailers)?;
        Ok(self.trailers(trailers))
    }

    fn trailers(&mut self, trailers: HeaderMap) -> Frame<Bytes> {
        self.ended = true;
        self.finish.code(Status::from_header_map(&trailers).map_or(Code::Ok, |it| it.code()));
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
        let span = this.finish.span();
        let _entered = span.as_ref().map(tracing::Span::enter);
        tasks::asked();
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
                this.finish.drained();
                return Poll::Ready(Some(this.refused(draining())));
            }
        };
        let Some(frame) = frame.transpose()? else {
            this.ended = true;
            return Poll::Ready(None);
        };
        match frame.into_data() {
            Ok(data) => {
                this.rest = data;
                Poll::Ready(Some(Ok(this.piece())))
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Poll::Ready(Some(Ok(this.trailers(trailers)))),
                Err(other) => Poll::Ready(Some(Ok(other))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn draining() -> Refusal {
    let message = "the server ends: what was answered counts, ask the rest elsewhere";
    Refusal::new(Code::Unavailable, ErrorReason::Draining, message)
}
