//! QEMU's stub for debuggers, which stops the guest where it is told to.

use core::time::Duration;
use std::io::BufReader;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::thread;
use std::time::Instant;

use gdb_protocol::io::GdbServer;
use gdb_protocol::packet::{CheckedPacket, Kind};

use crate::Failed;

/// A conversation with the stub: packets in hexadecimal, each of which is answered.
///
/// The published type has the name of the other side, and does for both.
pub(crate) struct Gdb {
    stub: GdbServer<BufReader<UnixStream>, UnixStream>,
}

/// Which of the registers, in the stub's order, says which instruction is next.
const RIP: usize = 16;

impl Gdb {
    /// Connects as soon as QEMU listens on the socket of that name; no answer may take longer than
    /// `patience`.
    ///
    /// # Errors
    ///
    /// If it does not listen.
    pub(crate) fn connect(name: &str, patience: Duration) -> Result<Self, Failed> {
        let address = SocketAddr::from_abstract_name(name)?;
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect_addr(&address) {
                Ok(stream) => break stream,
                Err(error) if started.elapsed() > Duration::from_secs(20) => {
                    return Err(error.into());
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stub: GdbServer::new(BufReader::new(stream.try_clone()?), stream) })
    }

    /// Lets the guest run until the instruction at `address` is next.
    ///
    /// # Errors
    ///
    /// If it never is, because the guest ends or hangs.
    pub(crate) fn run_to(&mut self, address: u64) -> Result<(), Failed> {
        self.expect(&format!("Z1,{address:x},1"), "OK")?;
        let stopped = self.ask("c")?;
        if !stopped.starts_with('T') && !stopped.starts_with('S') {
            return Err(format!("the guest does not stop at {address:#x}, but: {stopped}").into());
        }
        let next = self.answered_word("g", RIP)?;
        if next != address {
            return Err(format!("the guest stops at {next:#x}, not at {address:#x}").into());
        }
        self.expect(&format!("z1,{address:x},1"), "OK")
    }

    /// Reads a word at a virtual address.
    ///
    /// # Errors
    ///
    /// If nothing is mapped there.
    pub(crate) fn word(&mut self, address: u64) -> Result<u64, Failed> {
        self.answered_word(&format!("m{address:x},8"), 0)
    }

    /// Lets the guest go on, and leaves it alone.
    ///
    /// # Errors
    ///
    /// If QEMU is gone.
    pub(crate) fn let_go(mut self) -> Result<(), Failed> {
        self.expect("D", "OK")
    }

    fn expect(&mut self, question: &str, expected: &str) -> Result<(), Failed> {
        match self.ask(question)? {
            answer if answer == expected => Ok(()),
            answer => Err(format!("QEMU answers {question:?} with {answer:?}").into()),
        }
    }

    /// Asks for memory or registers; returns one word of the answer, which is in the guest's order of
    /// bytes.
    fn answered_word(&mut self, question: &str, index: usize) -> Result<u64, Failed> {
        let answer = self.ask(question)?;
        let word = answer.get(index * 16..(index + 1) * 16);
        let word = word.and_then(|word| u64::from_str_radix(word, 16).ok()).map(u64::swap_bytes);
        word.ok_or_else(|| format!("QEMU answers {question:?} with {answer:?}").into())
    }

    fn ask(&mut self, question: &str) -> Result<String, Failed> {
        let packet = CheckedPacket::from_data(Kind::Packet, question.as_bytes().to_vec());
        self.stub.dispatch(&packet)?;
        let answer = self.stub.next_packet()?;
        let answer =
            answer.ok_or_else(|| format!("QEMU ends instead of an answer to {question:?}"))?;
        Ok(String::from_utf8_lossy(&answer.data).into_owned())
    }
}
