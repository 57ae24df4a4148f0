//! A server that replaces itself while its clients stay connected: a live update in user space.
//!
//! ```text
//! cargo run --release -p live_update -- --help
//! ```
//!
//! A kernel that updates itself by kexec saves its sessions and their open files, jumps, and takes
//! them up again. Here a server does the same with `execve`. The parts correspond:
//!
//! | kernel                           | here                                        | file             |
//! |----------------------------------|---------------------------------------------|------------------|
//! | memory that kexec leaves alone   | a `memfd`                                   | `memory.rs`      |
//! | what KHO knows of it             | the books of a `Region`, in the `memfd`     | `memory.rs`      |
//! | the device tree                  | the region's root: a set of descriptors     | `records.rs`     |
//! | LUO's sessions and their files   | sessions and their TCP connections          | `records.rs`     |
//! | LUO's save and restore           | the same, over `BlockSet` and `Link`        | `handover.rs`    |
//! | a jump that fails                | an `execve` that fails: the server goes on  | `server.rs`      |
//! | hardware that keeps running      | sockets, in the hands of the Linux kernel   | `descriptors.rs` |
//!
//! Three processes run this one program. The supervisor, which the user starts, starts the others,
//! orders each update and gives the verdict; its children have hidden arguments. The server answers
//! requests, and execs itself on demand. The client keeps every connection busy and checks every
//! reply: each carries a counter that the server keeps for its connection, so that a lost or
//! repeated record shows at once.

mod arguments;
mod client;
mod descriptors;
mod handover;
mod limits;
mod memory;
mod process;
mod records;
mod server;
mod supervisor;
mod wire;

use core::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Instant;

use crate::arguments::{HELP, Role};

/// What goes wrong is printed and ends the process, so any error will do.
type Result<T> = core::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let begun = Instant::now();
    let role = Role::from_env();
    let name = role.as_ref().map_or("live_update", Role::name);
    let outcome = role.and_then(|role| match role {
        Role::Help => Ok(write!(stdout(), "{HELP}")?),
        Role::Supervisor(plan) => supervisor::run(&plan, begun),
        Role::Client { plan, port } => client::run(&plan, port),
        Role::FirstServer { fail_updates } => server::start(fail_updates),
        Role::NextServer { memory } => server::resume(memory, begun),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
