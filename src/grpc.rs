//! The gRPC surface: translation between the proto and the program, no logic.

pub mod access;
mod blocking;
mod bounds;
mod budget;
mod call;
pub mod client;
mod clusters;
mod codec;
mod concurrency;
mod convert;
mod decision_log;
mod hubs;
mod idempotency;
mod lists;
pub mod local;
mod method;
mod page;
mod payment;
mod policy;
mod recording;
mod refused_call;
mod request;
pub mod screener;
mod screening;
pub mod serve;
mod shutdown;
mod status;
mod store;
mod trace;
mod transfers;
pub mod wire;

pub use serve::in_process;

/// The generated messages, clients and servers of `lazaretto.v1`.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("lazaretto.v1");
    include!(concat!(env!("OUT_DIR"), "/lazaretto.v1.serde.rs"));

    /// The descriptors of the package, for reflection.
    pub const DESCRIPTORS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/lazaretto.v1.descriptors.bin"));
}
