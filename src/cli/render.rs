//! Renders messages of the proto as text and pages. Every string of a list or a server goes through
//! [`super::text::escape`].

pub mod brief;
pub mod changes;
pub mod cluster;
pub mod common_input;
mod decided;
mod exposure;
pub mod hubs;
pub mod lists;
pub mod log;
mod nearest;
pub mod page;
pub mod party;
pub mod paths;
pub mod payment;
pub mod policy;
pub mod policy_check;
pub mod policy_diff;
pub mod screening;
pub mod snapshot;
pub mod sources;
pub mod store;
pub mod tag;
pub mod transfers;
pub mod unvalued;
pub mod words;

#[cfg(test)]
pub mod tests;
