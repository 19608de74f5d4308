//! `screen --input`: a file of addresses in, a file of answers out. Decides nothing: every row says
//! what the engine or the server said.

pub mod row;
pub mod summary;
