//! What several test modules need.

pub mod desk;
pub mod dice;
pub mod frames;
pub mod killed;
pub mod mounted;
pub mod needs;
pub mod place;
pub mod program;
pub mod publication;
pub mod refusing;
pub mod rows;
pub mod server;
pub mod transfer_files;
