//! Lazaretto screens cryptocurrency addresses against lists of sanctioned and Lazarus-linked
//! addresses.
pub mod domain;
pub mod source;
pub mod grpc;
pub mod screening;
