//! STUB, replaced at merge.
pub mod settings;
