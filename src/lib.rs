//! Lazaretto screens cryptocurrency addresses against lists of sanctioned and Lazarus-linked
//! addresses.
pub mod config;
pub mod domain;
pub mod engine;
pub mod grpc;
pub mod refresh;
pub mod source;
pub mod telemetry;

pub mod cli;
