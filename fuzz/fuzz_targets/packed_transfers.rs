//! Arbitrary bytes as a file of transfers of which nothing is known: packed or not, Parquet or text.
//! Must not hang or fill the memory. A panic of the Parquet library is caught by the reader; under
//! the fuzzer it still counts as a crash, so such inputs are left to the property tests.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../transfers.rs"]
mod transfers;

fuzz_target!(|bytes: &[u8]| {
    if !bytes.starts_with(b"PAR1") {
        transfers::read_bytes(bytes, None);
    }
});
