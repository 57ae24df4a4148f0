//! What became of a guest, as its serial line tells.

use core::fmt;

use linux_beside::plan::Plan;

use crate::Failed;

/// A guest that has ended.
pub(crate) struct Outcome {
    /// All that Linux and `init` said.
    pub(crate) log: String,
    /// Whether it had to be killed.
    pub(crate) killed: bool,
}

/// What Linux made of what it was handed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// User space asked for everything: sessions and files that were there, and those that were not.
    Asked { sessions: usize, files: usize, failures: usize },
    /// Linux would not take it up, and went on.
    Refused(String),
    /// Linux touched memory that it must not touch.
    Fault(String),
    /// Linux gave up.
    Panic(String),
    /// Nothing was heard of it any more.
    Silence,
}

impl Outcome {
    /// The kernel's own words for what it is.
    pub(crate) fn version(&self) -> Option<&str> {
        self.log.lines().find_map(|line| line.split_once("Linux version ")?.1.split(' ').next())
    }

    /// # Errors
    ///
    /// Unless user space got everything that the plan names.
    pub(crate) fn expect_all(&self, plan: &Plan) -> Result<(), Failed> {
        let expected =
            Verdict::Asked { sessions: plan.expected().len(), files: plan.files(), failures: 0 };
        self.expect(self.verdict() == expected, &format!("not {expected}"))
    }

    /// # Errors
    ///
    /// Unless `holds`, with what Linux did instead.
    pub(crate) fn expect(&self, holds: bool, what: &str) -> Result<(), Failed> {
        if holds {
            return Ok(());
        }
        Err(format!("{what}, but {}; {}", self.verdict(), self.last_words()).into())
    }

    /// The end of the log, for whoever wants to know what went wrong.
    pub(crate) fn last_words(&self) -> String {
        const LINES: usize = 40;
        let lines: Vec<_> = self.log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        format!("the serial line ends with\n{}", last.join("\n"))
    }

    /// What the second kernel made of it.
    pub(crate) fn verdict(&self) -> Verdict {
        // What comes from there on is the second kernel's.
        let second = self.log.rfind("Linux version ").unwrap_or(0);
        let second = self.log.get(second..).unwrap_or_default();
        // What LUO said last says why, if it said more than that it was handed something.
        let luo = second.lines().filter_map(|line| said(line).strip_prefix("luo: ")).skip(1).last();
        let fault = ["BUG: ", "Oops: ", "general protection fault", "PANIC: "];
        if let Some(fault) =
            second.lines().find(|line| fault.iter().any(|mark| line.contains(mark)))
        {
            return Verdict::Fault(said(fault).to_owned());
        }
        let panic = |line| Some(said(line).split_once("Kernel panic - not syncing: ")?.1);
        if let Some(panic) = second.lines().find_map(panic) {
            return Verdict::Panic(luo.unwrap_or(panic).to_owned());
        }
        if let Some(error) = second.lines().find_map(|line| line.strip_prefix("init: ")) {
            return Verdict::Refused(luo.unwrap_or(error).to_owned());
        }
        let asked = second.lines().filter_map(|line| line.strip_prefix("second: "));
        let mut numbers = asked.filter_map(|line| {
            let words: Vec<_> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            match words.as_slice() {
                [sessions, "sessions", files, "files", failures, "failures"] => {
                    Some((sessions.parse().ok()?, files.parse().ok()?, failures.parse().ok()?))
                }
                _ => None,
            }
        });
        match numbers.next() {
            Some((sessions, files, failures)) if !self.killed => {
                Verdict::Asked { sessions, files, failures }
            }
            _ => Verdict::Silence,
        }
    }
}

/// A line of Linux's log without the time.
fn said(line: &str) -> &str {
    line.strip_prefix('[').and_then(|line| line.split_once("] ")).map_or(line, |(_, said)| said)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { sessions, files, failures: 0 } => {
                write!(f, "accepted: {sessions} sessions, {files} files")
            }
            Self::Asked { sessions, files, failures } => {
                write!(
                    f,
                    "accepted in part: {sessions} sessions, {files} files; {failures} failures"
                )
            }
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::Fault(fault) => write!(f, "fault: {fault}"),
            Self::Panic(panic) => write!(f, "panic: {panic}"),
            Self::Silence => f.write_str("silence"),
        }
    }
}
