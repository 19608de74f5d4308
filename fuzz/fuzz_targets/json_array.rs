//! Arbitrary bytes as a list of the form `Format::JsonArray`: must not panic, hang or fill the memory.
#![no_main]

use lazaretto::source::{Bounds, Format, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes, Format::JsonArray, &Bounds::default());
});
