//! What several test modules need to run the program.

pub mod server;
