//! The binary: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    igpt_flow::cli::main()
}
