//! Tests through the public interface, one module a subject.
#![allow(clippy::unwrap_used)] // a test that panics has failed

mod architecture;
mod crash;
mod desk;
mod durability;
mod ofac;
mod refresh;
mod tagpacks;
