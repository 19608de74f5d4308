//! Tests through the public interface, one module a subject.
#![allow(clippy::unwrap_used)] // a test that panics has failed

mod architecture;
mod backup;
mod chart;
mod cli;
mod cli_access;
mod cli_batch;
mod cli_end_to_end;
mod cli_policy;
mod cli_transfers;
mod coverage;
mod crash;
mod desk;
mod disk_full;
mod durability;
mod exposure_changes;
mod exposure_life;
mod foreign_clients;
mod grpc;
mod ofac;
mod payment;
mod policy_doc;
mod process;
mod program;
mod real_transfers;
mod refresh;
mod report;
mod rolling;
mod story;
mod support;
mod tagpacks;
mod telling;
mod transfer_files;
mod transfers_crash;
mod versions;
