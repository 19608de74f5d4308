//! Runs each call through the server: admission, limits, deadline, answer or refusal, metrics.

mod answer;
mod deadline;
mod guard;
mod headers;
mod message;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use answer::{Answer, StreamShutdown};
pub use answer::{AnswerLimit, too_large as answer_too_large};
use bytes::Bytes;
use guard::{CallGuard, CallInfo};
use headers::REQUEST_ID;
pub use headers::{CallHeaders, NOT_GRPC};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use message::Messages;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tonic::Status;
use tonic::service::Routes;
use tower::Service;

use super::access::{ANYBODY, Access, Caller, OWNER, Peer};
use super::budget::{Budget, Charge, Holder};
use super::concurrency::{CallPermit, ConcurrencyLimits};
use super::method::{self, CallClass, METHODS};
use super::serve::health::Health;
use super::serve::tasks;
use super::shutdown::ShutdownSignal;
use super::status::Refusal;
use super::wire;
use crate::config::Limits;
use crate::metrics::{Metrics, Rejection};
use crate::telemetry;

/// How much longer than a call its answer may be on its way, so that the refusal of a call that is
/// over its time still arrives.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection may have so many answers that are not wholly sent before the end of each waits for its
/// reader.
const UNSENT: u64 = 32;

/// The longest that a question about health may take: no limit of calls counts them, so that they are
/// answered however much is under way, and so none may last.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Shared {
    pub(super) load: Arc<ConcurrencyLimits>,
    pub(super) limits: Limits,
    pub(super) access: Access,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) budget: Arc<Budget>,
    /// True once streams must end.
    pub(super) ending: watch::Sender<bool>,
}

/// The most of a body that is read off of a call that is none of gRPC, in bytes, and for how long.
const MAX_FOREIGN: usize = 8 << 20;
const FOREIGN_TIME: Duration = Duration::from_secs(1);

/// After so many calls that were answered before their request had ended, a connection is to end after
/// those that it has.
pub const CUT_SHORT: u64 = 5_000;

/// One connection, as its calls see it.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    peer: Peer,
    /// How many DATA frames with a payload were read by calls.
    pub(super) frames_read: AtomicU64,
    /// Whether the connection is to end after the calls that it has, and was not told so yet.
    retires: AtomicBool,
    /// How many calls were answered before their request had ended: h2 resets each.
    cut_short: AtomicU64,
    /// How many answers were handed to h2, and how many of them are wholly sent: those in between take
    /// memory although their calls may be over. Answers whose client resets them stay among them.
    answers: AtomicU64,
    pub(super) answers_sent: AtomicU64,
    /// How many requests are being read.
    bodies: AtomicU64,
    /// Whether there was none since this was asked last.
    all_ended: AtomicBool,
}

impl Link {
    fn new(shared: Arc<Shared>, peer: Peer) -> Arc<Self> {
        Arc::new(Self {
            shared,
            peer,
            frames_read: AtomicU64::new(0),
            retires: AtomicBool::new(false),
            cut_short: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            answers_sent: AtomicU64::new(0),
            bodies: AtomicU64::new(0),
            all_ended: AtomicBool::new(false),
        })
    }

    /// A charge of nothing yet, for the connection itself, by where it comes from.
    pub fn charge(&self) -> Box<Charge> {
        let address = self.peer.address.map(|address| address.ip().to_string());
        let caller = address.unwrap_or_else(|| OWNER.to_owned());
        self.shared.budget.charge_connection(caller.into())
    }

    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the reader leaves answers unread.
    pub fn has_unsent(&self) -> bool {
        let answers = self.answers.load(Ordering::Relaxed);
        answers.saturating_sub(self.answers_sent.load(Ordering::Relaxed)) > UNSENT
    }

    /// Counts a request that is read.
    fn body_began(&self) {
        self.bodies.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts that it is read no more.
    fn body_ended(&self) {
        if self.bodies.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.all_ended.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there was a moment without any request since this was asked last.
    pub fn take_all_ended(&self) -> bool {
        self.all_ended.load(Ordering::Relaxed) && self.all_ended.swap(false, Ordering::Relaxed)
    }

    /// Says that the connection is to end after the calls that it has; seen when it is polled next.
    pub fn retire(&self) {
        self.retires.store(true, Ordering::Relaxed);
    }

    /// Whether that was said since this was asked last.
    pub fn take_retirement(&self) -> bool {
        self.retires.load(Ordering::Relaxed) && self.retires.swap(false, Ordering::Relaxed)
    }

    /// Counts that the connection is cut off, since there is no memory for it.
    pub fn refused(&self) {
        self.shared.metrics.rejected(Rejection::MessageMemory);
    }

    /// Takes the frames that a body holds, which is not read any more. One that has not ended is counted:
    /// h2 ends a connection, and all calls on it, after too many resets.
    fn drop_frames(&self, body: &mut Incoming) {
        let mut context = Context::from_waker(Waker::noop());
        while !body.is_end_stream()
            && let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *body).poll_frame(&mut context)
        {
            self.count_frame(&frame);
        }
        if !body.is_end_stream() && self.cut_short.fetch_add(1, Ordering::Relaxed) == CUT_SHORT {
            self.retire();
        }
    }

    /// Counts a frame that was read.
    fn count_frame(&self, frame: &Frame<Bytes>) {
        let has_payload = frame.data_ref().is_some_and(|data| !data.is_empty());
        self.frames_read.fetch_add(u64::from(has_payload), Ordering::Relaxed);
    }
}

/// For whom the memory of a call's messages is counted.
#[derive(Clone)]
pub struct Payer {
    link: Arc<Link>,
    identity: Arc<str>,
    /// Of a stream: one for its messages and answers, so that who leaves answers unread loses the
    /// memory of its messages too.
    holder: Option<Arc<Holder>>,
}

impl Payer {
    /// An empty charge. Callers without an identity are distinguished by their address.
    fn charge(&self) -> Box<Charge> {
        let address = self.link.peer.address.filter(|_| &*self.identity == ANYBODY);
        let caller = address.map_or_else(|| self.identity.clone(), |it| it.ip().to_string().into());
        self.link.shared.budget.charge(caller, self.holder.clone().unwrap_or_default())
    }
}

/// The services as one connection sees them.
#[derive(Clone)]
pub struct Calls {
    routes: Routes,
    link: Arc<Link>,
}

impl Calls {
    /// The services behind `routes`, without a peer.
    pub fn new(routes: Routes, shared: Arc<Shared>) -> Self {
        Self { routes, link: Link::new(shared, Peer::default()) }
    }

    /// The services as `peer` sees them.
    pub fn of(self, peer: Peer) -> Self {
        Self { link: Link::new(self.link.shared.clone(), peer), ..self }
    }

    pub fn link(&self) -> Arc<Link> {
        self.link.clone()
    }

    /// Lets a call begin, or refuses it; who calls, and the moment until when it must be answered.
    fn admit(
        &self,
        headers: &HeaderMap,
        said: &CallHeaders<'_>,
        index: Option<usize>,
        now: Instant,
    ) -> Result<Admitted, Refusal> {
        let caller = self.link.shared.access.admit(index, headers, &self.link.peer)?;
        let answer_limit = said.answer_limit()?;
        let span = index.map(|index| METHODS[index].class);
        let patience = said.patience()?;
        let own = match span {
            Some(CallClass::Call) => Some(self.link.shared.limits.call_timeout),
            Some(CallClass::Probe) => Some(PROBE_TIMEOUT.min(self.link.shared.limits.call_timeout)),
            _ => None,
        };
        let longest = patience.into_iter().chain(own).min();
        let permit = match span {
            Some(CallClass::Probe) => None,
            span => Some(self.link.shared.load.begin(span == Some(CallClass::Stream))?),
        };
        let deadline = longest.and_then(|longest| now.checked_add(longest));
        Ok(Admitted { caller, permit, deadline, answer_limit })
    }
}

/// What is known of a call that may begin.
struct Admitted {
    caller: Caller,
    permit: Option<CallPermit>,
    /// The moment until when it must be answered.
    deadline: Option<Instant>,
    /// The most bytes of an answer that its caller takes.
    answer_limit: usize,
}

impl hyper::service::Service<Request<Incoming>> for Calls {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Call;

    fn call(&self, mut request: Request<Incoming>) -> Call {
        let now = Instant::now();
        let said = CallHeaders::read(request.headers());
        let request_id = said.request_id();
        let index = method::index(request.uri().path());
        let span = traced(request.headers(), index, request_id.as_ref());
        let mut guard = CallGuard::new(CallInfo {
            metrics: self.link.shared.metrics.clone(),
            method: index.unwrap_or(METHODS.len()),
            began: now,
            request_id,
            caller: None,
            trace_id: telemetry::logged_trace_id(request.headers()).map(String::into_boxed_str),
            span: span.map(Box::new),
        });
        if !said.is_grpc() {
            self.link.answered();
            guard.code(tonic::Code::InvalidArgument);
            let body = request.into_body();
            let state = State::Foreign(Box::pin(read_off(body, self.link.clone())));
            return Call { state, guard: Some(guard) };
        }
        let admitted = self.admit(request.headers(), &said, index, now);
        let Admitted { caller, permit, deadline, answer_limit } = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.link.answered();
                self.link.drop_frames(request.body_mut());
                return Call { state: State::Refused(Some(refusal)), guard: Some(guard) };
            }
        };
        let stream = index.is_some_and(|index| METHODS[index].class == CallClass::Stream);
        let pause = stream.then_some(self.link.shared.limits.stall_timeout);
        let is_gzip = said.is_gzip();
        if is_gzip {
            headers::without_encoding(request.headers_mut());
        }
        let caller_name = Some(caller.identity.clone());
        let payer = Payer {
            link: self.link.clone(),
            identity: caller.identity.clone(),
            holder: stream.then(Arc::default),
        };
        let input = index.and_then(wire::input);
        let paying = payer.clone();
        let mut request = request.map(|body| Messages::new(body, input, is_gzip, pause, paying));
        request.extensions_mut().insert(caller);
        let routed = self.routes.clone().call(request);
        let ending = || ShutdownSignal::new(self.link.shared.ending.subscribe());
        let ends = payer.holder.clone();
        let ends = ends.map(|holder| Box::new(StreamShutdown::new(ending(), deadline, holder)));
        let running = Running {
            routed,
            deadline,
            timer: None,
            bound: !stream,
            ends,
            payer: Some(payer),
            answer_limit,
            held: None,
        };
        guard.admitted(caller_name, permit);
        Call { state: State::Running(running), guard: Some(guard) }
    }
}

/// A call on its way.
pub struct Call {
    state: State,
    /// Taken by the answer's body.
    guard: Option<CallGuard>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "few calls are refused, and a box would cost every other one an allocation"
)]
enum State {
    Refused(Option<Refusal>),
    /// What is no call of gRPC, while its body is read off.
    Foreign(Pin<Box<dyn Future<Output = ()> + Send>>),
    Running(Running),
}

struct Running {
    routed: <Routes as Service<Request<Messages>>>::Future,
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the answer's way to its reader is bound by the deadline too.
    bound: bool,
    ends: Option<Box<StreamShutdown>>,
    /// Taken by the answer's body.
    payer: Option<Payer>,
    /// The most bytes of an answer that its caller takes.
    answer_limit: usize,
    /// The memory of the message that the handler holds.
    held: Option<Box<Charge>>,
}

impl Future for Call {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let span = this.guard.as_ref().and_then(CallGuard::span);
        let _entered = span.as_ref().map(tracing::Span::enter);
        let mut paying = None;
        let (response, ends) = match &mut this.state {
            State::Refused(refusal) => {
                let refusal = refusal.take().expect("a call is not polled after its answer");
                (Status::from(refusal).into_http(), None)
            }
            State::Foreign(reading) => {
                ready!(reading.as_mut().poll(context));
                (headers::not_grpc(), None)
            }
            State::Running(running) => match running.poll(context) {
                Poll::Ready(response) => {
                    let payer = running.payer.take();
                    if let Some(holder) = payer.as_ref().and_then(|it| it.holder.clone()) {
                        tasks::holds(holder);
                    }
                    if let Some(payer) = &payer {
                        payer.link.answered();
                    }
                    paying = payer.map(|it| (it, running.bound, running.answer_limit));
                    (response, running.ends.take())
                }
                Poll::Pending => return Poll::Pending,
            },
        };
        let mut guard = this.guard.take().expect("a call is not polled after its answer");
        let request_id = guard.request_id();
        // An answer without a body says how it ended in its headers.
        if let Some(status) = Status::from_header_map(response.headers()) {
            guard.code(status.code());
        }
        let mut response = match paying {
            None => response.map(|body| Answer::new(body, ends, None, guard)),
            Some((payer, is_bound, limit)) => {
                let limit = response.extensions().get::<AnswerLimit>().map_or(limit, |it| it.0);
                let response = response.map(|body| Answer::new(body, ends, Some(payer), guard));
                if is_bound { answer::made(response, limit, context) } else { response }
            }
        };
        if let Some(id) = request_id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}

impl Running {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Response<tonic::body::Body>> {
        let (polled, held) = message::polling(|| Pin::new(&mut self.routed).poll(context));
        self.held = held.or(self.held.take());
        if let Poll::Ready(Ok(response)) = polled {
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

/// The span of a call, where calls are traced.
fn traced(
    headers: &HeaderMap,
    index: Option<usize>,
    request_id: Option<&HeaderValue>,
) -> Option<tracing::Span> {
    let path = index.map_or("/unknown/unknown", |index| METHODS[index].path);
    let request_id = request_id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    telemetry::call_span(headers, path, request_id)
}

/// Reads what is left of a body, so that its sender gets to the answer: one that comes before its end
/// resets the stream, and some clients show that alone. A long body, or a slow one, is not waited for.
async fn read_off(mut body: Incoming, link: Arc<Link>) {
    let whole = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = poll_fn(|it| Pin::new(&mut body).poll_frame(it)).await
            && bytes < MAX_FOREIGN
        {
            link.count_frame(&frame);
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Either way the answer comes next.
    let _ = timeout(FOREIGN_TIME, whole).await;
    link.drop_frames(&mut body);
}
