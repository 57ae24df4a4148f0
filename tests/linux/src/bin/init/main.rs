//! Process 1: saves sessions and files and starts the next kernel, or asks there for what was saved.

mod first;
mod luo;
mod second;

use core::error::Error;
use std::env;

use linux_beside::plan::Plan;
use rustix::fs::{Mode, mkdir};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::system::{RebootCommand, reboot};

fn main() {
    if let Err(error) = run() {
        println!("init: {error}");
    }
    // Process 1 must not end before the machine does.
    let error = reboot(RebootCommand::PowerOff);
    println!("init: does not power off: {error:?}");
}

fn run() -> Result<(), Box<dyn Error>> {
    // It is there already if the archive that Linux unpacks brings it.
    let _ = mkdir("/dev", Mode::RWXU);
    mount("dev", "/dev", "devtmpfs", MountFlags::empty(), None)?;
    // Every session and every file is one that is open.
    let limit = Some(1 << 17);
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit })?;
    let plan = Plan::from_environment()?;
    if env::var("kernel")? == "1" { first::run(&plan) } else { second::run(&plan) }
}
