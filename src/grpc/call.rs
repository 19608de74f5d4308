//! The way of a call through the server: counted, bounded in time, answered or refused. Knows no
//! message; what a call asks is for the services behind.

mod answer;
mod deadline;
mod finish;
mod message;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use answer::{Answer, Ends};
use finish::Finish;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use message::Messages;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::service::Routes;
use tower::Service;

use super::ending::Ending;
use super::load::{Load, UnderWay};
use super::method::{self, METHODS, Span};
use super::serve::tasks;
use super::status::Refusal;
use crate::config::Limits;

/// The header by which a caller names a call; it comes back with the answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest such name, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// How much longer than a call its answer may be on its way, so that the refusal of a call that is
/// over its time still arrives.
const FAREWELL: Duration = Duration::from_secs(5);

/// What all calls share.
#[derive(Debug)]
pub struct Shared {
    pub(super) load: Arc<Load>,
    pub(super) limits: Limits,
    /// True once streams must end.
    pub(super) ending: watch::Sender<bool>,
}

/// The services as one connection sees them.
#[derive(Clone)]
pub struct Calls {
    routes: Routes,
    shared: Arc<Shared>,
}

impl Calls {
    /// The services behind `routes`.
    pub fn new(routes: Routes, shared: Arc<Shared>) -> Self {
        Self { routes, shared }
    }

    /// Lets a call begin, or refuses it; the moment until when it must be answered.
    fn admit(
        &self,
        headers: &HeaderMap,
        span: Option<Span>,
        now: Instant,
    ) -> Result<(Option<UnderWay>, Option<Instant>), Refusal> {
        let patience = deadline::patience(headers)?;
        let own = match span {
            Some(Span::Call | Span::Probe) => Some(self.shared.limits.call_timeout),
            _ => None,
        };
        let longest = patience.into_iter().chain(own).min();
        let under_way = match span {
            Some(Span::Probe) => None,
            span => Some(self.shared.load.begin(span == Some(Span::Stream))?),
        };
        Ok((under_way, longest.and_then(|longest| now.checked_add(longest))))
    }
}

impl hyper::service::Service<Request<Incoming>> for Calls {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Call;

    fn call(&self, request: Request<Incoming>) -> Call {
        let now = Instant::now();
        let request_id = request_id(request.headers());
        let place = method::place(request.uri().path());
        let span = place.map(|place| METHODS[place].span);
        let (under_way, deadline) = match self.admit(request.headers(), span, now) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let finish = Finish::new(None);
                return Call {
                    state: State::Refused(Some(refusal)),
                    finish: Some(finish),
                    request_id,
                };
            }
        };
        let stream = span == Some(Span::Stream);
        let pause = stream.then_some(self.shared.limits.stall_timeout);
        let request = request.map(|body| Messages::new(body, pause));
        let routed = self.routes.clone().call(request);
        let ends = || Ends::new(Ending::new(self.shared.ending.subscribe()), deadline);
        let ends = stream.then(ends);
        let running = Running { routed, deadline, timer: None, bound: !stream, ends };
        let finish = Some(Finish::new(under_way));
        Call { state: State::Running(running), finish, request_id }
    }
}

/// A call on its way.
pub struct Call {
    state: State,
    /// Taken by the answer's body.
    finish: Option<Finish>,
    request_id: Option<HeaderValue>,
}

enum State {
    Refused(Option<Refusal>),
    Running(Running),
}

struct Running {
    routed: <Routes as Service<Request<Messages>>>::Future,
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the answer's way to its reader is bound by the deadline too.
    bound: bool,
    ends: Option<Ends>,
}

impl Future for Call {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (response, ends) = match &mut this.state {
            State::Refused(refusal) => {
                let refusal = refusal.take().expect("a call is not polled after its answer");
                (Status::from(refusal).into_http(), None)
            }
            State::Running(running) => match running.poll(context) {
                Poll::Ready(response) => (response, running.ends.take()),
                Poll::Pending => return Poll::Pending,
            },
        };
        let mut finish = this.finish.take().expect("a call is not polled after its answer");
        // An answer without a body says how it ended in its headers.
        if let Some(status) = Status::from_header_map(response.headers()) {
            finish.code(status.code());
        }
        let mut response = response.map(|body| Answer::new(body, ends, finish));
        if let Some(id) = this.request_id.take() {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}

impl Running {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Response<tonic::body::Body>> {
        if let Poll::Ready(Ok(response)) = Pin::new(&mut self.routed).poll(context) {
            if let Some(deadline) = self.deadline.filter(|_| self.bound) {
                tasks::answered_by(deadline + FAREWELL);
            }
            return Poll::Ready(response);
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Status::from(deadline::passed()).into_http()),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What the caller calls the call, where that is short and printable.
fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let fits = id.len() <= MAX_REQUEST_ID && id.as_bytes().iter().all(u8::is_ascii_graphic);
    fits.then(|| id.clone())
}
