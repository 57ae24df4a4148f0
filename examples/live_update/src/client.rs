//! The client: keeps every connection busy, and believes the server nothing.

use core::mem;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Instant;

use kho_block::zerocopy::IntoBytes;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::Result;
use crate::arguments::Plan;
use crate::wire::{Reply, SessionName, session_name};

/// What standard input, whose end is the order to stop, is called in events.
const ORDERS: u64 = u64::MAX;

/// Opens the connections, and sends requests until standard input ends.
///
/// Prints `seen GENERATION GAP` when every connection had a reply of that generation, and
/// `verified REPLIES WRONG LOST GENERATIONS GAP` at the end; a gap is in nanoseconds.
///
/// # Errors
///
/// If the system refuses what the client needs. A server that fails is no error here, but counted.
pub(crate) fn run(plan: &Plan, port: u16) -> Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let watch = |fd: &dyn AsFd, name| {
        let data = epoll::EventData::new_u64(name);
        epoll::add(&epoll, fd.as_fd(), data, epoll::EventFlags::IN)
    };
    watch(&std::io::stdin(), ORDERS)?;
    let mut connections = Vec::new();
    for number in 0..plan.connections {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        watch(&stream, u64::try_from(number)?)?;
        connections.push(Connection::new(stream, number, plan));
    }

    let mut findings = Findings::default();
    let (mut stopping, mut alone) = (false, false);
    let mut events = Vec::with_capacity(1024);
    loop {
        let mut unsent = false;
        for connection in connections.iter_mut().filter(|connection| connection.has_unsent()) {
            connection.send(&mut findings);
            unsent |= connection.has_unsent();
        }
        // Without a timeout if all is said.
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&epoll, spare_capacity(&mut events), unsent.then_some(&now)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let name = event.data.u64();
            if name == ORDERS {
                stopping = true;
                epoll::delete(&epoll, std::io::stdin())?;
            } else if let Some(connection) = connections.get_mut(usize::try_from(name)?) {
                connection.receive(&mut findings);
            }
        }
        let live = || connections.iter().filter(|connection| connection.stream.is_some());
        match live().map(|connection| connection.generation).min() {
            Some(generation) if generation > findings.reported => findings.report(generation)?,
            None if !stopping && !alone => {
                alone = true;
                writeln!(std::io::stdout(), "no connection is left")?;
            }
            _ => {}
        }
        if stopping && live().all(Connection::is_idle) {
            return findings.conclude();
        }
        if !stopping {
            connections
                .iter_mut()
                .filter(|connection| connection.is_idle())
                .for_each(Connection::ask);
        }
    }
}

/// What the replies were like.
#[derive(Default)]
struct Findings {
    replies: u64,
    wrong: u64,
    lost: u64,
    /// The last generation that every connection had a reply of.
    reported: u64,
    generations: u64,
    /// The longest time from a request to its reply, since the last report.
    gap: Duration,
    longest: Duration,
}

impl Findings {
    /// Tells the supervisor that every connection has had a reply of `generation`.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    fn report(&mut self, generation: u64) -> Result<()> {
        let gap = mem::take(&mut self.gap);
        self.longest = self.longest.max(gap);
        self.reported = generation;
        self.generations = self.generations.saturating_add(1);
        Ok(writeln!(std::io::stdout(), "seen {generation} {}", gap.as_nanos())?)
    }

    /// Tells the supervisor what was verified in all.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    fn conclude(&self) -> Result<()> {
        let Self { replies, wrong, lost, generations, .. } = self;
        let longest = self.longest.max(self.gap).as_nanos();
        let mut out = std::io::stdout();
        Ok(writeln!(out, "verified {replies} {wrong} {lost} {generations} {longest}")?)
    }
}

/// One connection, with one request under way at most.
struct Connection {
    /// `None` once it is lost.
    stream: Option<TcpStream>,
    session: SessionName,
    /// Whether requests go out in two pieces, so that updates find some of them half received.
    hesitant: bool,
    /// Bytes of the request that are sent; all of them if there is nothing to send.
    sent: usize,
    /// When the request under way was sent; `None` if there is none.
    asked: Option<Instant>,
    /// The reply, and how many of its bytes are here.
    reply: Reply,
    received: usize,
    /// From the last reply.
    counter: u64,
    generation: u64,
}

impl Connection {
    fn new(stream: TcpStream, number: usize, plan: &Plan) -> Self {
        let session = session_name(number.checked_rem(plan.sessions).unwrap_or_default());
        Self {
            stream: Some(stream),
            session,
            hesitant: number & 1 == 1,
            sent: 0,
            asked: Some(Instant::now()),
            reply: Reply::default(),
            received: 0,
            counter: 0,
            generation: 0,
        }
    }

    fn is_idle(&self) -> bool {
        self.asked.is_none()
    }

    fn has_unsent(&self) -> bool {
        self.stream.is_some() && self.sent < self.session.len()
    }

    /// Begins a request.
    fn ask(&mut self) {
        if self.stream.is_some() {
            self.sent = 0;
            self.asked = Some(Instant::now());
        }
    }

    /// Sends the next piece of the request.
    fn send(&mut self, findings: &mut Findings) {
        let Some(stream) = &mut self.stream else { return };
        let end = if self.hesitant && self.sent == 0 { 3 } else { self.session.len() };
        match stream.write(self.session.get(self.sent..end).unwrap_or_default()) {
            Ok(len) => {
                self.sent = self.sent.saturating_add(len);
                self.asked = Some(Instant::now());
            }
            Err(error) if is_transient(error.kind()) => {}
            Err(_) => self.lose(findings),
        }
    }

    /// Receives what there is, and checks a reply that is complete.
    fn receive(&mut self, findings: &mut Findings) {
        let Some(stream) = &mut self.stream else { return };
        let missing = self.reply.as_mut_bytes().get_mut(self.received..).unwrap_or_default();
        match stream.read(missing) {
            Ok(0) => self.lose(findings),
            Ok(len) => {
                self.received = self.received.saturating_add(len);
                if self.received == size_of::<Reply>() {
                    self.check(findings);
                }
            }
            Err(error) if is_transient(error.kind()) => {}
            Err(_) => self.lose(findings),
        }
    }

    /// Checks the reply: exactly one more than the last, in the right session, not from the past,
    /// and asked for.
    fn check(&mut self, findings: &mut Findings) {
        let Reply { generation, counter, session } = mem::take(&mut self.reply);
        self.received = 0;
        let asked = self.asked.take().filter(|_| self.sent == self.session.len());
        let right = self.counter.checked_add(1) == Some(counter)
            && session == self.session
            && generation >= self.generation.max(1);
        match asked {
            Some(asked) if right => {
                findings.replies = findings.replies.saturating_add(1);
                findings.gap = findings.gap.max(asked.elapsed());
            }
            _ => findings.wrong = findings.wrong.saturating_add(1),
        }
        (self.counter, self.generation) = (counter, generation);
    }

    fn lose(&mut self, findings: &mut Findings) {
        findings.lost = findings.lost.saturating_add(1);
        self.stream = None;
        self.asked = None;
    }
}

fn is_transient(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
