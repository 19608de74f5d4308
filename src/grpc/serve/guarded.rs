//! Wraps a connection's bytes with the limits that its peer must keep: time to the first bytes, time to
//! read what is written, and memory of what it sent and no call has read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::frames::{Sent, Unread};
use super::late::Late;
use crate::grpc::call::Link;

/// The bytes with which a client of HTTP/2 begins: its preface (RFC 9113, section 3.4) and the head
/// of its SETTINGS.
const OPENING: usize = PREFACE + 9;
const PREFACE: usize = 24;

/// How long the other side may take to read the last answers and to close, once all is written.
const LEAVING: Duration = Duration::from_secs(5);

pub struct Guarded<T> {
    inner: T,
    /// Until the opening is read: how much of it is missing, and until when it may take.
    opening: Option<(usize, Pin<Box<Sleep>>)>,
    /// While a write waits for the other side.
    writing: Option<Pin<Box<Sleep>>>,
    stall_timeout: Duration,
    unread: Option<Unread>,
    sent: Option<Sent>,
    /// While the other side is to close too.
    leaving: Option<Pin<Box<Sleep>>>,
}

impl<T> Guarded<T> {
    /// A connection whose opening must be read by `open_by`.
    pub fn new(inner: T, open_by: Instant, stall_timeout: Duration) -> Self {
        let opening = Some((OPENING, Box::pin(sleep_until(open_by))));
        Self {
            inner,
            opening,
            writing: None,
            stall_timeout,
            unread: None,
            sent: None,
            leaving: None,
        }
    }

    /// The same, charged for what its calls, by `link`, have not read.
    pub fn charged(self, link: Arc<Link>) -> Self {
        let sent = Some(Sent::new(link.clone()));
        Self { unread: Some(Unread::new(PREFACE, link)), sent, ..self }
    }

    /// Reads what still comes, until the other side closes or the time for that is over: where bytes
    /// are unread at the end, the kernel resets the connection (RFC 9293, section 3.6.1), and what
    /// the other side has not read yet is lost.
    fn read_off(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        T: AsyncRead + Unpin,
    {
        let timer = self.leaving.get_or_insert_with(|| Box::pin(sleep(LEAVING)));
        loop {
            if timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; 4 << 10];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.inner).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The outcome of a write, unless it waits for too long.
    fn written<R>(
        &mut self,
        outcome: Poll<io::Result<R>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.writing = None;
            return outcome;
        }
        // While writes wait h2 reads nothing, and would not learn that the memory is lost.
        if let Some(unread) = &mut self.unread {
            unread.note(&[], context)?;
        }
        let timeout = self.stall_timeout;
        let timer = self.writing.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Late::Reading)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(context, buffer);
        if let Some(unread) = &mut this.unread {
            unread.note(&buffer.filled()[before..], context)?;
        }
        if let Some((missing, timer)) = &mut this.opening {
            *missing = missing.saturating_sub(buffer.filled().len() - before);
            if *missing == 0 {
                this.opening = None;
            } else if timer.as_mut().poll(context).is_ready() {
                let slow = io::Error::new(io::ErrorKind::TimedOut, Late::Opening);
                return Poll::Ready(Err(slow));
            }
        }
        outcome
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let (Poll::Ready(Ok(count)), Some(sent)) = (&outcome, &mut self.sent) {
            sent.note(&bytes[..*count]);
        }
        self.written(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        if let (Poll::Ready(Ok(count)), Some(sent)) = (&outcome, &mut self.sent) {
            let mut left = *count;
            for piece in bytes {
                let went = left.min(piece.len());
                sent.note(&piece[..went]);
                left -= went;
            }
        }
        self.written(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(context);
        self.written(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.leaving.is_none() {
            let outcome = Pin::new(&mut self.inner).poll_shutdown(context);
            ready!(self.written(outcome, context))?;
        }
        self.read_off(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::net::TcpSocket;

    use super::*;

    fn paused<T>(work: impl Future<Output = T>) -> T {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(work)
    }

    #[test]
    fn who_does_not_begin_is_cut_off() {
        let check = |steps: &[(u64, usize)], fits: bool| {
            paused(async {
                let (mut client, server) = duplex(1_000);
                let open_by = Instant::now() + Duration::from_secs(10);
                let mut server = Guarded::new(server, open_by, Duration::from_secs(30));
                let steps = steps.to_vec();
                let sent: usize = steps.iter().map(|(_, bytes)| bytes).sum();
                tokio::spawn(async move {
                    for (pause, bytes) in steps {
                        tokio::time::sleep(Duration::from_secs(pause)).await;
                        client.write_all(&vec![0; bytes]).await.unwrap();
                    }
                    tokio::time::sleep(Duration::from_secs(3_600)).await;
                });
                let mut read = vec![0; sent.max(1)];
                let outcome = server.read_exact(&mut read).await;
                assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
            });
        };
        check(&[(0, 33)], true);
        check(&[(9, 33)], true);
        check(&[(0, 24), (9, 9), (100, 1)], true);
        check(&[], false);
        check(&[(0, 32), (11, 1)], false);
        check(&[(1, 1); 33], false);
    }

    #[test]
    fn what_was_written_arrives_though_the_other_side_goes_on_sending() {
        const WRITTEN: usize = 200 << 10;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_send_buffer_size(1 << 20).unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = socket.listen(1).unwrap();
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(32 << 10).unwrap();
            let mut client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let open_by = Instant::now() + Duration::from_secs(10);
            let mut server = Guarded::new(server, open_by, Duration::from_secs(30));
            client.write_all(&[0; 1_000]).await.unwrap();
            let (wrote, written) = tokio::sync::oneshot::channel();
            let ended = tokio::spawn(async move {
                server.write_all(&vec![0; WRITTEN]).await.unwrap();
                wrote.send(()).unwrap();
                server.shutdown().await.unwrap();
            });
            written.await.unwrap();
            client.write_all(&[0; 1_000]).await.unwrap();
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.unwrap();
            assert_eq!(read.len(), WRITTEN);
            drop(client);
            ended.await.unwrap();
        });
    }

    #[test]
    fn who_does_not_close_is_not_waited_for() {
        paused(async {
            let (_client, server) = duplex(1_000);
            let open_by = Instant::now() + Duration::from_secs(10);
            let mut server = Guarded::new(server, open_by, Duration::from_secs(30));
            let began = Instant::now();
            server.shutdown().await.unwrap();
            assert_eq!(began.elapsed().as_secs(), LEAVING.as_secs());
        });
    }

    #[test]
    fn who_takes_no_bytes_is_cut_off() {
        let check = |pauses: &[u64], fits: bool| {
            paused(async {
                let (mut client, server) = duplex(10);
                let open_by = Instant::now() + Duration::from_secs(10);
                let mut server = Guarded::new(server, open_by, Duration::from_secs(30));
                let pauses = pauses.to_vec();
                let total = 10 * (pauses.len() + 1);
                tokio::spawn(async move {
                    for pause in pauses {
                        tokio::time::sleep(Duration::from_secs(pause)).await;
                        client.read_exact(&mut [0; 10]).await.unwrap();
                    }
                    tokio::time::sleep(Duration::from_secs(3_600)).await;
                });
                let outcome = server.write_all(&vec![0; total]).await;
                assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
            });
        };
        check(&[29, 29, 29], true);
        check(&[29, 31], false);
        check(&[3_000], false);
    }
}
