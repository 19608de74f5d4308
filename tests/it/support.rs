//! What several test modules need to run the program.

pub mod frames;
pub mod lacking;
pub mod refusing;
pub mod server;
