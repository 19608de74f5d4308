//! Tests through the public interface, one module a subject.
#![allow(clippy::unwrap_used)] // a test that panics has failed

mod crash;
mod grpc;
mod refresh;
