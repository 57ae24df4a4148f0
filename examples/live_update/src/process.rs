//! A child of the supervisor: what it says, what it is told, and that it never stays behind.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use crate::Result;

/// What is said of a child that has not kept a deadline.
const LATE: &str = "did not get there within the time limit";

/// A running child. It is killed if it is dropped.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// Runs this same program in another role, with `arguments` between spaces.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub(crate) fn start(name: &'static str, arguments: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let (sender, lines) = channel();
        let process = Self { name, child, input, lines };
        let output = output.ok_or("a child without output")?;
        thread::Builder::new().spawn(move || {
            let lines = BufReader::new(output).lines().map_while(core::result::Result::ok);
            for line in lines {
                if sender.send(line).is_err() {
                    break;
                }
            }
        })?;
        Ok(process)
    }

    /// The next line.
    ///
    /// # Errors
    ///
    /// If none comes by `deadline`, or the child has ended.
    fn line(&self, deadline: Instant) -> Result<String> {
        let name = self.name;
        let left = deadline.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("the {name} {LATE}").into(),
            RecvTimeoutError::Disconnected => format!("the {name} ended early").into(),
        })
    }

    /// The next line, which must be `word` and `N` numbers.
    ///
    /// # Errors
    ///
    /// If it says something else, or none comes by `deadline`.
    pub(crate) fn expect<const N: usize>(&self, word: &str, deadline: Instant) -> Result<[u64; N]> {
        let line = self.line(deadline)?;
        numbers(&line, word).ok_or_else(|| format!("the {} says: {line}", self.name).into())
    }

    /// The next line that is `word` and `N` numbers, whatever comes before.
    ///
    /// # Errors
    ///
    /// If none comes by `deadline`.
    pub(crate) fn await_line<const N: usize>(
        &self,
        word: &str,
        deadline: Instant,
    ) -> Result<[u64; N]> {
        loop {
            if let Some(numbers) = numbers(&self.line(deadline)?, word) {
                return Ok(numbers);
            }
        }
    }

    /// Gives the child an order.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub(crate) fn tell(&mut self, order: u8) -> Result<()> {
        let name = self.name;
        let input = self.input.as_mut().ok_or("the child was told to stop")?;
        input.write_all(&[order]).map_err(|_| format!("the {name} ended early").into())
    }

    /// Tells the child that there are no more orders.
    pub(crate) fn stop(&mut self) {
        self.input = None;
    }

    /// Waits for the end of the child.
    ///
    /// # Errors
    ///
    /// If it does not end by `deadline`, or not with success.
    pub(crate) fn finish(mut self, deadline: Instant) -> Result<()> {
        self.stop();
        let name = self.name;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the {name} failed: {status}").into()),
                None if Instant::now() >= deadline => {
                    return Err(format!("the {name} {LATE}").into());
                }
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The numbers in a line, if it is `word` and `N` of them.
fn numbers<const N: usize>(line: &str, word: &str) -> Option<[u64; N]> {
    let numbers = line.strip_prefix(word)?.split_whitespace().map(str::parse);
    numbers.collect::<core::result::Result<Vec<_>, _>>().ok()?.try_into().ok()
}
