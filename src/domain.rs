//! Types of the domain: chains, addresses, key ids, lists and their publications, party names and
//! transfers.
//!
//! Pure and deterministic: no clock, no randomness, no I/O.

pub mod address;
pub mod asset;
pub mod chain;
pub mod coverage;
pub mod digits;
pub mod duration;
pub mod key_id;
pub mod list;
pub mod list_change;
pub mod lock;
pub mod packed_key;
pub mod party_name;
pub mod publication;
pub mod tag;
pub mod transfer;
