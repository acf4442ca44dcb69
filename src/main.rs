//! Parse, run, turn the outcome into an exit code.

// Rows are allocated on worker threads and freed by the writer: an allocator that gives such memory back at once keeps the
// resident size down, and it is faster on the small boxes of a flow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    secnetmon::cli::main()
}
