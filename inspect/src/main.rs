//! The tool: see the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    kho_inspect::main()
}
