//! Messages of the proto as text for people. Every string of a list or a server goes through
//! [`super::text::escape`]. Asks nothing and prints nothing.

pub mod changes;
mod exposure;
pub mod lists;
pub mod party;
pub mod paths;
pub mod payment;
pub mod screening;
pub mod snapshot;
pub mod transfers;
mod words;

#[cfg(test)]
mod tests;
