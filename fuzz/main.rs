//! The fuzzer of the target that the variable `FUZZ_TARGET` names; `list` prints all names. `fuzz/run`
//! builds and runs it.
#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use targets::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    if name == "list" {
        Target::all().iter().for_each(|target| println!("{}", target.name()));
        std::process::exit(0);
    }
    let mut targets = Target::all().into_iter();
    targets.find(|target| target.name() == name).unwrap_or_else(|| {
        eprintln!("FUZZ_TARGET: no target {name:?}; `list` prints all");
        std::process::exit(2)
    })
});

/// A panic of any thread is a crash. Readers of transfers catch those of the Parquet library: there a
/// panic is one only where it comes out of the target.
fn prepare() {
    if let Target::Transfers(_) = *TARGET {
        std::panic::set_hook(Box::new(|_| {}));
    }
}

fuzz_target!(init: prepare(), |bytes: &[u8]| TARGET.run(bytes));
