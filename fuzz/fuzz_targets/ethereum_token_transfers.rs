//! Arbitrary bytes as a file of transfers of the form `TransferFormat::EthereumTokenTransfers`: must not panic, hang or
//! fill the memory.
#![no_main]

use lazaretto::source::transfers::TransferFormat;
use libfuzzer_sys::fuzz_target;

#[path = "../transfers.rs"]
mod transfers;

fuzz_target!(|bytes: &[u8]| transfers::read_bytes(
    bytes,
    Some(TransferFormat::EthereumTokenTransfers)
));
