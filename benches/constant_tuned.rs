//! The tuned constant server: one thread, mimalloc. A program of its own, since an allocator is
//! chosen per program; the bench `screening` builds and starts it.

#[path = "screening/constant.rs"]
mod constant;
#[path = "screening/secured.rs"]
#[allow(dead_code, reason = "the client's side is the bench's")]
mod secured;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let Some(folder) = constant::requested() else {
        return println!("nothing to measure here: cargo bench --bench screening");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(constant::serve(&folder));
}
