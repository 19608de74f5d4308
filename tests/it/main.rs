//! Tests through the public interface, one module a subject.
#![allow(clippy::unwrap_used)] // a test that panics has failed

mod cli;
mod cli_end_to_end;
mod crash;
mod foreign_clients;
mod program;
mod refresh;
mod support;
