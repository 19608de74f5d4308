//! The sink of an import: the store of this process, or a server with several batches in flight.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};

use crate::cli::connect::Backend;
use crate::domain::chain::Chain;
use crate::domain::coverage::Gap;
use crate::domain::transfer::Transfer;
use crate::engine::{AppendedSummary, Engine, IngestSession};
use crate::grpc::client::ingest::{IngestStream, Ingested};
use crate::grpc::client::{Client, answer};
use crate::grpc::{self, v1};
use crate::ingest::CoverageDeclaration;

pub enum Sink {
    /// This process holds the store: no message is made of a transfer.
    Held {
        /// The engine on the store.
        engine: Arc<Engine>,
        /// `None` while it is at work.
        session: Option<Box<IngestSession>>,
        done: Ingested,
    },
    Served {
        client: Box<Client>,
        stream: IngestStream,
    },
}

/// What became of an import.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The sum over its transfers.
    pub done: Ingested,
    pub rows: u64,
    /// Transfers that the labels of exposure know.
    pub labelled_rows: u64,
    /// Chain and asset where nothing of a chain that was imported could count, since the asset is not
    /// in the asset table.
    pub unvalued: Vec<(String, String)>,
}

impl Sink {
    /// Into what was reached; needs a runtime around it.
    pub fn open(reached: Backend) -> Self {
        match reached {
            Backend::Held(engine) => {
                let session = Some(Box::new(engine.begin_ingest()));
                Self::Held { engine, session, done: Ingested::default() }
            }
            Backend::Served(client) => {
                let stream = IngestStream::open(&client);
                Self::Served { client, stream }
            }
        }
    }

    /// Takes transfers: they are durable, or on their way.
    pub async fn put(&mut self, batch: Vec<Transfer>) -> Result<()> {
        match self {
            Self::Held { session, done, .. } => append(session, done, batch, Vec::new()).await,
            Self::Served { stream, .. } => Ok(stream.send(&batch).await?),
        }
    }

    /// Takes the word that these blocks are whole in what was put before.
    pub async fn cover(&mut self, covered: CoverageDeclaration) -> Result<()> {
        match self {
            Self::Held { session, done, .. } => {
                append(session, done, Vec::new(), vec![covered]).await
            }
            Self::Served { stream, .. } => Ok(stream.cover(&covered).await?),
        }
    }

    /// Takes gaps that were found.
    pub async fn add_gaps(&mut self, gaps: Vec<(Chain, Gap)>) -> Result<()> {
        match self {
            Self::Held { session, .. } => {
                session.as_mut().ok_or_else(lost)?.add_gaps(gaps);
                Ok(())
            }
            Self::Served { stream, .. } => Ok(stream.add_gaps(&gaps).await?),
        }
    }

    /// Waits until all is durable and the labels know it. `chains` are those that were imported.
    pub async fn finish(self, chains: &BTreeSet<Chain>) -> Result<Outcome> {
        let (client, done) = match self {
            Self::Held { engine, session, done } => {
                let mut session = session.ok_or_else(lost)?;
                let rest = blocking(move || {
                    let rest = session.flush()?;
                    session.finish().map(|()| rest)
                });
                let mut done = done;
                add(&mut done, rest.await??);
                (Client::new(grpc::in_process(engine).await?), done)
            }
            Self::Served { client, stream } => (*client, stream.finish().await?),
        };
        let mut transfers = client.transfers;
        let request = v1::ListTransferHeadsRequest {};
        let heads = answer(transfers.list_transfer_heads(request).await)?;
        let imported = |head: &&v1::TransferHead| {
            !head.unvalued_asset.is_empty() && chains.iter().any(|it| *it.caip2() == *head.chain)
        };
        let unvalued = heads.heads.iter().filter(imported);
        Ok(Outcome {
            done,
            rows: heads.rows,
            labelled_rows: heads.labelled_rows,
            unvalued: unvalued
                .map(|head| (head.chain.clone(), head.unvalued_asset.clone()))
                .collect(),
        })
    }
}

async fn append(
    session: &mut Option<Box<IngestSession>>,
    done: &mut Ingested,
    batch: Vec<Transfer>,
    covered: Vec<CoverageDeclaration>,
) -> Result<()> {
    let mut ours = session.take().ok_or_else(lost)?;
    let (ours, appended) = blocking(move || {
        let appended = ours.append_many(batch, &covered);
        (ours, appended)
    })
    .await?;
    *session = Some(ours);
    add(done, appended?);
    Ok(())
}

/// Adds what was stored; nothing while it waits to be stored with others.
fn add(done: &mut Ingested, appended: Option<AppendedSummary>) {
    let appended = appended.unwrap_or_default();
    done.stored += appended.stored;
    done.duplicates += appended.duplicates;
    done.derived += appended.derived;
    done.replaced += appended.replaced;
    done.conflicts += appended.conflicts;
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("the storing task")
}

/// A session that went to work and did not come back: the error was told then.
fn lost() -> anyhow::Error {
    anyhow!("the storing task ended early")
}
