//! Lazaretto screens cryptocurrency addresses against lists of sanctioned and Lazarus-linked
//! addresses.
pub mod domain;
pub mod refresh;
pub mod source;
pub mod store;
