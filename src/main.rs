//! Parse, run, exit code.

fn main() -> std::process::ExitCode {
    jetond::cli::main()
}
