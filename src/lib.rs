//! Lazaretto screens cryptocurrency addresses against lists of sanctioned and Lazarus-linked
//! addresses.
//!
//! ```text
//! list files, HTTP sources, starter lists
//!         | source: bytes -> parties and rows, verbatim
//!         | domain::publication: rows + the list as it stands -> gates -> next version
//!         | store: durable, one key switches          (refresh: fetch, back off, publish)
//!         | screening::snapshot: understood, indexed by key id, swapped whole
//!         |
//!         |   transfer files and streams
//!         |         | source::transfers: bytes -> transfers; ingest: each once; store: durable
//!         |         | exposure: the graph in memory -> labels: hops to listed keys
//!         v         v
//!         | screening: match + exposure + policy -> decision with evidence
//!         | engine: all of the above, put together
//!       grpc  <----  cli: every command is a client
//! ```
//!
//! The modules follow in reading order; imports point backwards only.

pub mod domain;

pub mod audit;

pub mod source;

pub mod store;

pub mod ingest;

pub mod exposure;

pub mod screening;

pub mod refresh;

pub mod config;
pub mod telemetry;

pub mod engine;

pub mod metrics;

pub mod grpc;

pub mod cli;

/// What tests need from outside the repository; shared with those of `tests/it`.
#[cfg(test)]
#[path = "../tests/it/support/needs.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "unit tests need data alone")]
mod needs;
