//! The tasks that calls run in. A task ends, and its stream is reset, if its reader stalls.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::grpc::budget::{Holder, Waits};

/// What a task waits for when it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waiting {
    /// How many pieces of the answer its reader was handed.
    handed: u64,
    /// Whether the last one is still on its way to the reader.
    for_reader: bool,
    /// When the reader must have all of it.
    until: Option<Instant>,
}

thread_local! {
    /// Of the task that is being polled. HTTP/2's own machinery lies between the task and the
    /// answer's body, and hands nothing on; but it polls the one within the other.
    static WAITING: Cell<Waiting> = const { Cell::new(Waiting { handed: 0, for_reader: false, until: None }) };
}

thread_local! {
    /// The call that the task being polled is for, where it may hold memory, from its poll until the
    /// task takes it.
    static HOLDER: RefCell<Option<Arc<Holder>>> = const { RefCell::new(None) };
}

/// Says, from within a call, that it may hold memory which others need more: the task says since when
/// it waits for the reader, and ends once that memory is lost.
pub fn holds(holder: Arc<Holder>) {
    HOLDER.set(Some(holder));
}

/// Says, from within an answer's body, that it was asked for the next piece: the reader has the one
/// before.
pub fn asked() {
    WAITING.with(|it| it.set(Waiting { for_reader: false, ..it.get() }));
}

/// Says, from within an answer's body, that it hands out a piece.
pub fn handed() {
    WAITING.with(|it| {
        let before = it.get();
        it.set(Waiting { handed: before.handed + 1, for_reader: true, ..before });
    });
}

/// Says, from within a call, until when its reader must have the whole answer.
pub fn answered_by(until: Instant) {
    WAITING.with(|it| it.set(Waiting { until: Some(until), ..it.get() }));
}

/// What is done when a call is cut off.
pub type OnStall = Arc<dyn Fn() + Send + Sync>;

/// Spawns calls; `on_stall` runs for each that is cut off.
#[derive(Clone)]
pub struct CallTasks {
    stall_timeout: Duration,
    on_stall: OnStall,
}

impl CallTasks {
    /// Tasks whose readers may take nothing for so long.
    pub fn new(stall_timeout: Duration, on_stall: OnStall) -> Self {
        Self { stall_timeout, on_stall }
    }
}

impl<F> hyper::rt::Executor<F> for CallTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        tokio::spawn(Watched {
            call,
            waiting: Waiting::default(),
            timer: None,
            holder: None,
            stall_timeout: self.stall_timeout,
            on_stall: self.on_stall.clone(),
        });
    }
}

pin_project! {
    struct Watched<F> {
        #[pin]
        call: F,
        waiting: Waiting,
        timer: Option<Pin<Box<Sleep>>>,
        holder: Option<Arc<Holder>>,
        stall_timeout: Duration,
        on_stall: OnStall,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let before = *this.waiting;
        WAITING.set(before);
        let is_done = this.call.poll(context).is_ready();
        let holder = HOLDER.take();
        if is_done {
            return Poll::Ready(());
        }
        let waiting = WAITING.get();
        *this.waiting = waiting;
        if holder.is_some() {
            *this.holder = holder;
        }
        if this.timer.is_some() && (!waiting.for_reader || before.handed != waiting.handed) {
            *this.timer = None;
            if let Some(holder) = this.holder {
                holder.waits_for_reader(None);
            }
        }
        if !waiting.for_reader {
            return Poll::Pending;
        }
        if let Some(holder) = this.holder
            && holder.is_evicted(Waits::ForReader, context.waker())
        {
            return Poll::Ready(());
        }
        let timer = this.timer.get_or_insert_with(|| {
            let now = Instant::now();
            if let Some(holder) = this.holder {
                holder.waits_for_reader(Some(now.into_std()));
            }
            let stalled = now + *this.stall_timeout;
            Box::pin(sleep_until(waiting.until.map_or(stalled, |until| until.min(stalled))))
        });
        if timer.as_mut().poll(context).is_ready() {
            (this.on_stall)();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A call that hands out pieces, each of which its reader takes after the pause beside it.
    async fn call(pauses: Vec<Duration>) {
        for pause in pauses {
            asked();
            handed();
            tokio::time::sleep(pause).await;
        }
        asked();
        // What takes time here is the server's own.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }

    #[test]
    fn a_reader_may_be_slow_but_not_stand_still() {
        static STALLED: AtomicUsize = AtomicUsize::new(0);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let stall = Duration::from_secs(30);
        let check = |pauses: &[u64], until: Option<u64>, ends_after: u64, stalled: usize| {
            let pauses = pauses.iter().map(|&seconds| Duration::from_secs(seconds)).collect();
            let before = STALLED.load(Ordering::SeqCst);
            let work = async {
                let start = Instant::now();
                let call = async move {
                    if let Some(until) = until {
                        answered_by(start + Duration::from_secs(until));
                    }
                    call(pauses).await;
                };
                Watched {
                    call: Box::pin(call),
                    waiting: Waiting::default(),
                    timer: None,
                    holder: None,
                    stall_timeout: stall,
                    on_stall: Arc::new(|| {
                        STALLED.fetch_add(1, Ordering::SeqCst);
                    }),
                }
                .await;
                start.elapsed().as_secs()
            };
            assert_eq!(runtime.as_ref().unwrap().block_on(work), ends_after);
            assert_eq!(STALLED.load(Ordering::SeqCst) - before, stalled);
        };
        check(&[29, 29, 29], None, 3_687, 0);
        check(&[29, 31], None, 59, 1);
        check(&[3_000], None, 30, 1);
        check(&[20, 20, 20, 20], Some(60), 60, 1);
        check(&[20, 20], Some(60), 3_640, 0);
    }

    #[test]
    fn who_lost_its_memory_ends_while_its_reader_is_waited_for() {
        let holder = Arc::<Holder>::default();
        let held = holder.clone();
        let (read, reading) = tokio::sync::oneshot::channel();
        let call = async move {
            holds(held);
            asked();
            reading.await.unwrap();
            handed();
            std::future::pending::<()>().await;
        };
        let task = Watched {
            call: Box::pin(call),
            waiting: Waiting::default(),
            timer: None,
            holder: None,
            stall_timeout: Duration::from_secs(30),
            on_stall: Arc::new(|| panic!("it was not told that it lost its memory")),
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let task = tokio::spawn(task);
            tokio::task::yield_now().await;
            read.send(()).unwrap();
            tokio::task::yield_now().await;
            holder.evict("a limit");
            task.await.unwrap();
        });
    }
}
