//! Tests of the whole log.

mod appending;
mod crash;
mod full_disk;
mod removal;
mod starting;
mod support;
mod tampering;
