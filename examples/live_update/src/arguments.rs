//! What the user asks for, and what the supervisor asks of its children.

use lexopt::Parser;
use lexopt::prelude::{Long, Short, ValueExt};

use crate::Result;

/// The most connections: each takes one of the 28 000 ports that a client has towards one server,
/// and a block of memory if it has a session to itself.
const MAX_CONNECTIONS: usize = 5000;

/// The most updates that fit into the time limit, with every connection and a busy machine.
const MAX_UPDATES: u64 = 30;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A server that replaces itself by execve while its clients stay connected.

Sessions and their sockets travel in chains of kho-block, in a memfd. Ends by itself within 30
seconds, with status 0 only if every reply was right and no connection was lost.

Usage: live_update [OPTIONS]

Options:
  --connections N   connections that the client opens (default 500, at most 5000)
  --sessions N      sessions that they are grouped into (default 100, or one a connection if
                    those are fewer)
  --updates N       how often the server is to replace itself (default 5, at most 30)
  --fail-updates N  have the first N of them name a program that is not there, so that they fail
                    and the server has to go on serving (default 0)
  -h, --help        print this
";

/// What is to happen, once it is known to make sense.
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) sessions: usize,
    pub(crate) updates: u64,
    /// How many of the updates are to fail: the first ones.
    pub(crate) fail_updates: u64,
}

/// Which of the three processes this is, or that it only has to say how they are started.
pub(crate) enum Role {
    Help,
    Supervisor(Plan),
    Client { plan: Plan, port: u16 },
    FirstServer { fail_updates: u64 },
    NextServer { memory: u64 },
}

impl Role {
    /// How the process calls itself in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Help | Self::Supervisor(_) => "live_update",
            Self::Client { .. } => "live_update client",
            Self::FirstServer { .. } | Self::NextServer { .. } => "live_update server",
        }
    }

    /// Reads and checks the arguments of this process.
    ///
    /// # Errors
    ///
    /// If one is not known, is not a number, or is out of range.
    pub(crate) fn from_env() -> Result<Self> {
        Self::read(Parser::from_env())
    }

    /// # Errors
    ///
    /// If an argument is not known, is not a number, or is out of range.
    fn read(mut parser: Parser) -> Result<Self> {
        let mut connections = 500;
        let mut sessions = None;
        let mut updates = 5;
        let mut fail_updates = 0;
        // What the supervisor asks of its children: to be the client of the server at a port, the
        // first generation of the server, or the next with the memory behind a descriptor.
        let mut client_of = None;
        let mut serve = false;
        let mut resume = None;
        while let Some(argument) = parser.next()? {
            match argument {
                Long("connections") => connections = parser.value()?.parse()?,
                Long("sessions") => sessions = Some(parser.value()?.parse()?),
                Long("updates") => updates = parser.value()?.parse()?,
                Long("fail-updates") => fail_updates = parser.value()?.parse()?,
                Long("client-of") => client_of = Some(parser.value()?.parse()?),
                Long("serve") => serve = true,
                Long("resume") => resume = Some(parser.value()?.parse()?),
                Long("help") | Short('h') => return Ok(Self::Help),
                other => return Err(format!("{}; see --help", other.unexpected()).into()),
            }
        }
        if let Some(memory) = resume {
            return Ok(Self::NextServer { memory });
        }
        if serve {
            return Ok(Self::FirstServer { fail_updates });
        }
        let plan = Plan::new(connections, sessions, updates, fail_updates)?;
        Ok(match client_of {
            Some(port) => Self::Client { plan, port },
            None => Self::Supervisor(plan),
        })
    }
}

impl Plan {
    /// # Errors
    ///
    /// If a number is out of range.
    fn new(
        connections: usize,
        sessions: Option<usize>,
        updates: u64,
        fail_updates: u64,
    ) -> Result<Self> {
        let sessions = sessions.unwrap_or(connections.min(100));
        if !(1..=MAX_CONNECTIONS).contains(&connections) {
            let range = format!("from 1 to {MAX_CONNECTIONS}");
            return Err(format!("--connections must be {range}, not {connections}").into());
        }
        if !(1..=connections).contains(&sessions) {
            let range = format!("from 1 to {connections}, one a connection at most");
            return Err(format!("--sessions must be {range}, not {sessions}").into());
        }
        if updates > MAX_UPDATES {
            return Err(format!("--updates must be {MAX_UPDATES} at most, not {updates}").into());
        }
        if fail_updates > updates {
            let range = format!("{updates} at most, as many as there are updates");
            return Err(format!("--fail-updates must be {range}, not {fail_updates}").into());
        }
        Ok(Self { connections, sessions, updates, fail_updates })
    }
}

#[cfg(test)]
#[expect(clippy::missing_errors_doc, clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    fn read(arguments: &str) -> Result<Role> {
        Role::read(Parser::from_args(arguments.split_whitespace()))
    }

    fn plan(arguments: &str) -> (usize, usize, u64) {
        match read(arguments).unwrap() {
            Role::Supervisor(Plan { connections, sessions, updates, .. }) => {
                (connections, sessions, updates)
            }
            role => panic!("{arguments}: {}", role.name()),
        }
    }

    #[test]
    fn a_value_stands_beside_its_option_or_behind_an_equals_sign() {
        assert_eq!(plan(""), (500, 100, 5));
        assert_eq!(plan("--connections 70 --updates 0"), (70, 70, 0));
        assert_eq!(plan("--connections=70 --sessions=7"), (70, 7, 5));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (arguments, message) in [
            ("--connections", "missing argument for option '--connections'"),
            ("--connections many", "cannot parse argument \"many\": invalid digit found in string"),
            ("--connections 0", "--connections must be from 1 to 5000, not 0"),
            (
                "--sessions 501",
                "--sessions must be from 1 to 500, one a connection at most, not 501",
            ),
            ("--updates 31", "--updates must be 30 at most, not 31"),
            (
                "--fail-updates 6",
                "--fail-updates must be 5 at most, as many as there are updates, not 6",
            ),
            ("--serve=yes", "unexpected argument for option '--serve': \"yes\""),
            ("--upgrades 3", "invalid option '--upgrades'; see --help"),
            ("5", "unexpected argument \"5\"; see --help"),
        ] {
            let refusal = read(arguments).err().map(|error| error.to_string());
            assert_eq!(refusal.as_deref(), Some(message), "{arguments}");
        }
    }
}
