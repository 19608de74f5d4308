//! Tests of the whole log.

mod appending;
mod crash;
mod earlier;
mod full_disk;
mod proofs;
mod removal;
mod rewriting;
mod starting;
mod support;
mod tampering;
