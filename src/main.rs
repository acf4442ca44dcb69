//! Parse, run, turn the outcome into an exit code.

fn main() -> std::process::ExitCode {
    secnetmon::cli::main()
}
