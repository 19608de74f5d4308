//! Checks requests as bytes before prost decodes them: what a message may hold, and what decoding it
//! would cost.

mod input;
mod layout;
mod limits;
pub mod scan;

pub use input::{
    Decoded, Input, MAX_INGEST, MAX_OTHER, MAX_QUESTION, MAX_REQUEST, OwnInput, SMALL, input,
    prepare,
};
