//! `StoreService`: a backup as a stream of chunks.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::blocking::blocking;
use super::status::Refusal;
use super::v1;
use super::v1::store_service_server::StoreService;
use crate::engine::Engine;

/// How many bytes are sent at once.
const CHUNK: usize = 256 << 10;

/// How many chunks wait to be sent: reading goes on while the transport takes the one before.
const CHUNKS_AHEAD: usize = 2;

/// The service over the engine.
#[derive(Clone, Debug)]
pub struct Backups {
    engine: Arc<Engine>,
}

impl Backups {
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

type Sender = mpsc::Sender<Result<v1::BackupStoreResponse, Status>>;

/// Hands on what is written; the one place that waits for the reader.
struct Chunks(Sender);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(CHUNK)];
        if !part.is_empty() {
            let chunk = Ok(v1::BackupStoreResponse { chunk: part.to_vec() });
            self.0.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tonic::async_trait]
impl StoreService for Backups {
    type BackupStoreStream = ReceiverStream<Result<v1::BackupStoreResponse, Status>>;

    async fn backup_store(
        &self,
        _: Request<v1::BackupStoreRequest>,
    ) -> Result<Response<Self::BackupStoreStream>, Status> {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let engine = self.engine.clone();
        let chunks = Chunks(sender.clone());
        tokio::spawn(async move {
            let work = move || engine.backup(BufWriter::with_capacity(CHUNK, chunks));
            let refusal = match blocking(work).await {
                Ok(Ok(())) => return,
                Ok(Err(_)) if sender.is_closed() => {
                    tracing::info!("backup aborted by its reader");
                    return;
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "backup failed");
                    Refusal::from(error).into()
                }
                Err(panicked) => panicked,
            };
            // A reader that goes away now learns no less.
            drop(sender.send(Err(refusal)).await);
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
