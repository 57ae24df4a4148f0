//! The server: answers every request, and replaces itself when it is told to.
//!
//! It keeps no byte of a request or reply of its own between two turns of its loop. A request that
//! is not there in full stays in the socket, and so survives an update as the socket does.

use core::convert::Infallible;
use core::error::Error;
use core::ffi::CStr;
use core::net::Ipv4Addr;
use std::ffi::CString;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use kho_block::zerocopy::IntoBytes;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::{Errno, read};
use rustix::net::{
    RecvFlags, SendFlags, SocketFlags, accept_with, listen, recv, send, sockopt::set_tcp_nodelay,
};

use crate::Result;
use crate::descriptors::{exec, take_inherited};
use crate::handover::{Connection, Figures, Service, restore, save};
use crate::memory::Memory;
use crate::wire::{Reply, SessionName};

/// The supervisor's order to report.
pub(crate) const REPORT: u8 = b'r';
/// The supervisor's order to update.
pub(crate) const UPDATE: u8 = b'u';

/// The program of the next generation. A server in earnest would name the path of its new version.
const NEXT: &CStr = c"/proc/self/exe";

/// The program of an update that is to fail.
const ABSENT: &CStr = c"/proc/self/absent";

/// What standard input, where orders come from, is called in events.
const ORDERS: u64 = 0;

/// Connections that may wait to be accepted.
const QUEUE: i32 = 4096;

/// How long a client may take to accept a reply that its socket has no room for.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Is the first generation, until it is told to end. Its first `to_fail` updates fail.
///
/// # Errors
///
/// If the system refuses what the server needs.
pub(crate) fn start(to_fail: u64) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // A queue longer than that of `std`, so that no client has to knock twice: that takes a second.
    listen(&listener, QUEUE)?;
    listener.set_nonblocking(true)?;
    println!("port {}", listener.local_addr()?.port());
    let memory = Memory::create()?;
    let service =
        Service { generation: 1, listener: listener.into(), connections: Default::default() };
    let mut server = Server::new(memory, service, Figures::default())?;
    server.to_fail = to_fail;
    server.run()
}

/// Is a later generation, until it is told to end. It `begun` when the process was replaced.
///
/// # Errors
///
/// If what the previous generation left cannot be taken up.
pub(crate) fn resume(memory: u64, begun: Instant) -> Result<()> {
    let mut inherited = take_inherited()?;
    let memory = inherited.remove(&memory).ok_or("no memory was inherited")?;
    let memory = Memory::inherit(memory)?;
    let (service, figures) = restore(memory.region(), &mut inherited)?;
    let mut server = Server::new(memory, service, figures)?;
    server.restore = u64::try_from(begun.elapsed().as_nanos())?;
    server.updated()?;
    server.run()
}

struct Server {
    memory: Memory,
    service: Service,
    epoll: OwnedFd,
    figures: Figures,
    /// How long it took to take everything up, in nanoseconds.
    restore: u64,
    /// Updates that failed, all of this generation.
    failed: u64,
    /// Updates that are still to fail.
    to_fail: u64,
}

impl Server {
    /// A server that is ready to run.
    ///
    /// # Errors
    ///
    /// If the system cannot watch the descriptors.
    fn new(memory: Memory, service: Service, figures: Figures) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let server = Self { memory, service, epoll, figures, restore: 0, failed: 0, to_fail: 0 };
        server.watch(std::io::stdin(), ORDERS)?;
        server.watch(&server.service.listener, server.service.listener_number()?)?;
        for (&number, connection) in &server.service.connections {
            server.watch(&connection.socket, number)?;
        }
        Ok(server)
    }

    /// Has news of a descriptor reported as `name`: once at first, if there are any already, and
    /// then whenever more arrive, also if what was there has not been read.
    ///
    /// # Errors
    ///
    /// If the system cannot.
    fn watch(&self, fd: impl AsFd, name: u64) -> Result<()> {
        let data = epoll::EventData::new_u64(name);
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN | epoll::EventFlags::ET)?)
    }

    /// Serves until there will be no more orders.
    ///
    /// # Errors
    ///
    /// If the system fails the server. An update that fails is no error here, but reported.
    fn run(mut self) -> Result<()> {
        let listener = self.service.listener_number()?;
        let mut events = Vec::with_capacity(1024);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut ordered = false;
            for event in events.drain(..) {
                match event.data.u64() {
                    ORDERS => ordered = true,
                    name if name == listener => self.accept()?,
                    number => self.answer(number),
                }
            }
            // After the turn, since an update ends this process, unless it fails.
            if ordered {
                match self.order()? {
                    Some(REPORT) => self.report()?,
                    Some(UPDATE) => {
                        let Err(error) = self.update();
                        self.go_on(&*error)?;
                    }
                    _ => return Ok(()),
                }
            }
        }
    }

    /// The supervisor's next order; `None` if there will be none. It gives one at a time.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn order(&self) -> Result<Option<u8>> {
        // Not through `std`, whose buffer would not survive an update.
        let mut order = [0];
        let len = read(std::io::stdin(), &mut order)?;
        Ok(order.first().copied().filter(|_| len > 0))
    }

    /// Tells the supervisor what this generation serves, and how it came to do so.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    fn report(&self) -> Result<()> {
        let Service { generation, connections, .. } = &self.service;
        let (sessions, files) = (self.service.sessions().len(), connections.len());
        let (Figures { blocks, save }, restore) = (&self.figures, self.restore);
        let mut out = std::io::stdout();
        Ok(writeln!(out, "serving {generation} {sessions} {files} {blocks} {save} {restore}")?)
    }

    /// Replaces the process by the next generation.
    ///
    /// # Errors
    ///
    /// Whatever kept it from doing so. Everything is then as it was.
    fn update(&self) -> Result<Infallible> {
        let program = if self.to_fail > 0 { ABSENT } else { NEXT };
        let memory = self.memory.descriptor();
        let number = CString::new(memory.as_raw_fd().to_string())?;
        let open = self.service.descriptors().chain([memory]).collect::<Vec<_>>();
        let saved = save(self.memory.region(), &self.service)?;
        let error = exec(program, &[c"live_update", c"--resume", &number], &open);
        saved.call_off();
        Err(error)
    }

    /// Goes on to serve, since an update failed with `error`.
    ///
    /// # Errors
    ///
    /// If the supervisor does not listen.
    fn go_on(&mut self, error: &dyn Error) -> Result<()> {
        self.failed = self.failed.saturating_add(1);
        self.to_fail = self.to_fail.saturating_sub(1);
        let generation = self.service.generation;
        // Nobody needs to read it for the clients to be served.
        let _ = writeln!(
            std::io::stderr(),
            "live_update server: an update failed, generation {generation} serves on: {error}"
        );
        self.updated()
    }

    /// Tells the supervisor which generation serves after an update, and how many failed in it.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    fn updated(&self) -> Result<()> {
        Ok(writeln!(std::io::stdout(), "updated {} {}", self.service.generation, self.failed)?)
    }

    /// Accepts all new connections.
    ///
    /// # Errors
    ///
    /// If the system refuses one.
    fn accept(&mut self) -> Result<()> {
        loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match accept_with(&self.service.listener, flags) {
                Ok(socket) => {
                    set_tcp_nodelay(&socket, true)?;
                    let (number, connection) = Connection::new(socket)?;
                    self.watch(&connection.socket, number)?;
                    self.service.connections.insert(number, connection);
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Answers all requests of one connection, and closes it if the client has or does not keep to
    /// the protocol.
    fn answer(&mut self, number: u64) {
        let generation = self.service.generation;
        let Some(connection) = self.service.connections.get_mut(&number) else { return };
        if connection.answer(generation).is_err() {
            self.service.connections.remove(&number);
        }
    }
}

impl Connection {
    /// Answers every request that is there in full.
    ///
    /// # Errors
    ///
    /// If the connection has come to its end.
    fn answer(&mut self, generation: u64) -> rustix::io::Result<()> {
        loop {
            let mut request = SessionName::default();
            let (_, len) = match recv(&self.socket, &mut request, RecvFlags::PEEK) {
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                result => result?,
            };
            if len == 0 {
                return Err(Errno::CONNRESET);
            }
            if len < request.len() {
                return Ok(());
            }
            recv(&self.socket, &mut request, RecvFlags::empty())?;
            if self.counter == 0 {
                self.session = request;
            }
            self.counter = self.counter.saturating_add(1);
            let Self { session, counter, .. } = *self;
            self.send(Reply { generation, counter, session }.as_bytes())?;
        }
    }

    /// Sends all of a reply, so that none is ever half sent.
    ///
    /// # Errors
    ///
    /// If the connection has come to its end, or the client has lost the server's patience.
    fn send(&self, mut reply: &[u8]) -> rustix::io::Result<()> {
        while !reply.is_empty() {
            match send(&self.socket, reply, SendFlags::NOSIGNAL) {
                Ok(len) => reply = reply.get(len..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut room = [PollFd::new(&self.socket, PollFlags::OUT)];
                    if poll(&mut room, Some(&PATIENCE))? == 0 {
                        return Err(Errno::TIMEDOUT);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
