//! What the user asks for, and what the supervisor asks of its children.

use argh::FromArgs;

use crate::Result;

/// The most connections: each takes one of the 28 000 ports that a client has towards one server,
/// and a block of memory if it has a session to itself.
const MAX_CONNECTIONS: usize = 5000;

/// The most updates that fit into the time limit, with every connection and a busy machine.
const MAX_UPDATES: u64 = 30;

/// A server that replaces itself by execve while its clients stay connected.
///
/// Sessions and their sockets travel in chains of kho-block, in a memfd. Ends by itself within 30
/// seconds, with status 0 only if every reply was right and no connection was lost.
#[derive(FromArgs)]
pub(crate) struct Arguments {
    /// connections that the client opens (default 500, at most 5000)
    #[argh(option, default = "500")]
    connections: usize,
    /// sessions that they are grouped into (default 100, or one a connection if those are fewer)
    #[argh(option)]
    sessions: Option<usize>,
    /// how often the server replaces itself (default 5, at most 30)
    #[argh(option, default = "5")]
    updates: u64,
    /// be the client of the server at this port
    #[argh(option, hidden_help)]
    client_of: Option<u16>,
    /// be the first generation of the server
    #[argh(switch, hidden_help)]
    serve: bool,
    /// be the next generation of the server, with the memory behind this descriptor
    #[argh(option, hidden_help)]
    resume: Option<u64>,
}

/// What is to happen, once it is known to make sense.
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) sessions: usize,
    pub(crate) updates: u64,
}

/// Which of the three processes this is.
pub(crate) enum Role {
    Supervisor(Plan),
    Client { plan: Plan, port: u16 },
    FirstServer,
    NextServer { memory: u64 },
}

impl Role {
    /// How the process calls itself in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Supervisor(_) => "live_update",
            Self::Client { .. } => "live_update client",
            Self::FirstServer | Self::NextServer { .. } => "live_update server",
        }
    }
}

impl Arguments {
    /// Checks the arguments.
    ///
    /// # Errors
    ///
    /// If one is out of range.
    pub(crate) fn role(self) -> Result<Role> {
        if let Some(memory) = self.resume {
            return Ok(Role::NextServer { memory });
        }
        if self.serve {
            return Ok(Role::FirstServer);
        }
        let Self { connections, updates, .. } = self;
        let sessions = self.sessions.unwrap_or(connections.min(100));
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
        let plan = Plan { connections, sessions, updates };
        Ok(match self.client_of {
            Some(port) => Role::Client { plan, port },
            None => Role::Supervisor(plan),
        })
    }
}
