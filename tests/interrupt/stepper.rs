//! One process that stops another after every instruction.

use std::env;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::Signal::{SIGSTOP, SIGTRAP, SIGUSR1};
use nix::sys::signal::raise;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// In the environment of the child.
const CHILD: &str = "KHO_BLOCK_STEPPED";

const NEEDS: &str = "this test needs a system that allows a process to trace its child \
     (PTRACE_TRACEME, PTRACE_SINGLESTEP); for Docker, say --cap-add=SYS_PTRACE";

/// Whether this process is the one to be stopped.
pub(crate) fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// In the child: runs `work`, which the parent stops after every instruction.
///
/// # Panics
///
/// If tracing is not allowed.
pub(crate) fn be_stepped(work: impl FnOnce()) {
    ptrace::traceme().expect(NEEDS);
    raise(SIGSTOP).unwrap();
    work();
    raise(SIGSTOP).unwrap();
}

/// In the child, within its work: runs `work`, in which it is not stopped. For what takes long, and is
/// stepped elsewhere.
pub(crate) fn unstepped<R>(work: impl FnOnce() -> R) -> R {
    raise(SIGUSR1).unwrap();
    let result = work();
    raise(SIGUSR1).unwrap();
    result
}

/// In the parent: runs the test of this name in a child, with `stdin` as its standard input, and
/// calls `look` at every stop of its work. Returns the number of stops.
///
/// # Panics
///
/// If the child does anything but take steps, end its work, and succeed.
pub(crate) fn step(test: &str, stdin: OwnedFd, mut look: impl FnMut()) -> usize {
    let mut child = Stepped(
        Command::new(env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            // A trace of a panic would take minutes, step by step.
            .envs([(CHILD, "1"), ("RUST_BACKTRACE", "0")])
            // Nor does a page need a stop for each byte that is zeroed.
            .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_stosb_threshold=1000000000")
            .stdin(stdin)
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let thread = match wait() {
        Ok(WaitStatus::Stopped(thread, SIGSTOP)) => thread,
        other => panic!("no test of this name has begun its work ({other:?}); {NEEDS}"),
    };
    ptrace::setoptions(thread, ptrace::Options::PTRACE_O_EXITKILL).expect(NEEDS);
    let (mut stops, mut steps) = (0_usize, true);
    loop {
        look();
        stops = stops.saturating_add(1);
        if steps { ptrace::step(thread, None) } else { ptrace::cont(thread, None) }.expect(NEEDS);
        match wait() {
            Ok(WaitStatus::Stopped(_, SIGTRAP)) => {}
            Ok(WaitStatus::Stopped(_, SIGUSR1)) => steps = !steps,
            Ok(WaitStatus::Stopped(_, SIGSTOP)) => break,
            other => panic!("the child did not take a step: {other:?}"),
        }
    }
    ptrace::detach(thread, None).unwrap();
    assert!(child.0.wait().unwrap().success(), "the child failed after its work");
    stops
}

/// Waits for the child, or the thread of it that is traced, which the kernel takes for a child too.
/// Children of other threads, which run other tests, are not waited for.
///
/// # Errors
///
/// If there is no child.
fn wait() -> nix::Result<WaitStatus> {
    waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD))
}

/// A child that ends with its test, also if that fails in the middle.
struct Stepped(Child);

impl Drop for Stepped {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            while wait().is_ok() {}
        }
    }
}
