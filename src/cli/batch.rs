//! `screen --input`: a file of addresses in, a file of answers out. Decides nothing: every row says
//! what the engine or the server said.

pub mod answer;
pub mod chunk;
pub mod form;
pub mod input;
pub mod results;
pub mod row;
pub mod summary;
