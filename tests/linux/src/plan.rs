//! What user space saves before a kexec and asks for after it, as words on Linux's command line.

use core::fmt;
use core::num::ParseIntError;
use core::ops::Range;
use std::env;

/// How many sessions and files there are, and with what in between.
///
/// Linux hands each `name=value` on its command line that it does not know to `init`, as a variable
/// of its environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Sessions that user space creates.
    pub sessions: usize,
    /// How many of them, from the first on, have files.
    pub with_files: usize,
    /// Files in each of those.
    pub files_of_each: usize,
    /// Whether a session is refused at the end because its name is that of the first.
    pub duplicate: bool,
    /// Sessions without files that nobody created: the harness writes them at the jump.
    pub added: usize,
}

impl Plan {
    /// One without accidents.
    #[must_use]
    pub const fn new(sessions: usize, with_files: usize, files_of_each: usize) -> Self {
        Self { sessions, with_files, files_of_each, duplicate: false, added: 0 }
    }

    /// Reads the plan from the environment, as the kernel has handed it on.
    ///
    /// # Errors
    ///
    /// If a number is none.
    pub fn from_environment() -> Result<Self, ParseIntError> {
        let number = |name: &str| env::var(name).unwrap_or_default().parse::<usize>();
        Ok(Self {
            sessions: number("sessions")?,
            with_files: number("with_files")?,
            files_of_each: number("files_of_each")?,
            duplicate: number("duplicate")? != 0,
            added: number("added")?,
        })
    }

    /// Numbers of the sessions that user space asks for after the kexec.
    #[must_use]
    pub const fn expected(&self) -> Range<usize> {
        0..self.sessions + self.added
    }

    /// How many files a session has.
    #[must_use]
    pub const fn files_of(&self, session: usize) -> usize {
        if session < self.with_files { self.files_of_each } else { 0 }
    }

    /// Files in all.
    #[must_use]
    pub const fn files(&self) -> usize {
        self.with_files * self.files_of_each
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, with_files, files_of_each, duplicate, added } = self;
        let duplicate = u8::from(*duplicate);
        write!(f, "sessions={sessions} with_files={with_files} files_of_each={files_of_each} ")?;
        write!(f, "duplicate={duplicate} added={added}")
    }
}

/// Linux's command line: the plan, and which kernel this is, 1 or 2.
#[must_use]
pub fn command_line(plan: &Plan, kernel: usize) -> String {
    format!("console=ttyS0 panic=-1 oops=panic kho=on liveupdate=on kernel={kernel} {plan}")
}

/// The name of a session.
#[must_use]
pub fn session_name(session: usize) -> String {
    format!("session-{session:06}")
}

/// The token of a file, which is its name within a session.
#[must_use]
pub const fn token(session: usize, file: usize) -> u64 {
    session as u64 * 1_000_000 + file as u64
}

/// What a file holds: more than a page, and no two files the same.
#[must_use]
pub fn contents(token: u64) -> Vec<u8> {
    let words = (0..700_u64).map(|word| token.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word);
    words.flat_map(u64::to_le_bytes).collect()
}
