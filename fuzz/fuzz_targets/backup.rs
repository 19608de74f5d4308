//! Arbitrary bytes as a backup of a store: must not panic, hang or fill the memory.
#![no_main]

use lazaretto::engine::check_named_record;
use lazaretto::store::verify_backup;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = verify_backup(bytes, &check_named_record);
});
