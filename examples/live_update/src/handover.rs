//! The update itself: sessions and connections into chains, and out of them again.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use kho_block::zerocopy::transmute;
use kho_block::{IncomingSet, OutgoingSet, PhysAddr, RestoreChecks, Sealed};

use crate::Result;
use crate::memory::Memory;
use crate::records::{File, Root, RootWords, SESSIONS, Session, TCP_STREAM, padded};
use crate::wire::SessionName;

#[cfg(test)]
mod tests;

/// All that the server knows: what an update must not lose.
pub(crate) struct Service {
    /// Counted from 1.
    pub(crate) generation: u64,
    pub(crate) listener: OwnedFd,
    /// By the number of the descriptor.
    pub(crate) connections: BTreeMap<u64, Connection>,
}

/// A client's connection.
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    /// All zeros until the client has named it.
    pub(crate) session: SessionName,
    /// Requests answered.
    pub(crate) counter: u64,
}

/// What the update that led to this generation was like; all zero in the first.
#[derive(Default)]
pub(crate) struct Figures {
    /// Blocks that were handed over.
    pub(crate) blocks: usize,
    /// How long the previous generation took to save, in nanoseconds.
    pub(crate) save: u64,
}

impl Service {
    /// The numbers of the connections, by session.
    pub(crate) fn sessions(&self) -> BTreeMap<SessionName, Vec<u64>> {
        let mut sessions = BTreeMap::<_, Vec<_>>::new();
        for (&number, connection) in &self.connections {
            sessions.entry(connection.session).or_default().push(number);
        }
        sessions
    }

    /// What the listener is called.
    ///
    /// # Errors
    ///
    /// There is none as long as descriptors are not negative.
    pub(crate) fn listener_number(&self) -> Result<u64> {
        Ok(u64::try_from(self.listener.as_raw_fd())?)
    }

    /// Every descriptor that the next generation needs.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let sockets = self.connections.values().map(|connection| connection.socket.as_fd());
        sockets.chain([self.listener.as_fd()])
    }
}

/// What is saved, and the next generation's if there will be one.
#[must_use = "if there is no next generation, the save is to be called off"]
pub(crate) struct Saved<'a> {
    memory: &'a Memory,
    sessions: Sealed<OutgoingSet<Session, &'a Memory>>,
    files: Vec<Sealed<OutgoingSet<File, &'a Memory>>>,
}

/// Saves `service` in `memory`, for the next generation.
///
/// The service still owns everything, and nothing is sealed before all of it is saved: an error on
/// the way frees every block.
///
/// # Errors
///
/// If there is no memory.
pub(crate) fn save<'a>(memory: &'a Memory, service: &Service) -> Result<Saved<'a>> {
    let begun = Instant::now();
    let by_session = service.sessions();
    let mut sessions = OutgoingSet::<Session, _>::new(memory);
    sessions.grow(by_session.len())?;
    let mut chains = Vec::new();
    for (name, numbers) in by_session {
        let mut files = OutgoingSet::<File, _>::new(memory);
        files.grow(numbers.len())?;
        for number in numbers {
            let token = service.connections.get(&number).map_or(0, |saved| saved.counter);
            files.push(File { compatible: padded(TCP_STREAM), data: number, token })?;
        }
        let count = u64::try_from(files.len())?;
        let files_head = PhysAddr::to_wire(files.head());
        sessions.push(Session { name: padded(&name), files: files_head, count })?;
        chains.push(files);
    }
    let listener = service.listener_number()?;

    // Nothing fails from here on.
    let files = chains.into_iter().map(OutgoingSet::seal).collect();
    let saved = Saved { memory, sessions: sessions.seal(), files };
    let descriptor = saved.sessions.descriptor(SESSIONS);
    let save = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let root = Root { sessions: descriptor, generation: service.generation, listener, save };
    let words: RootWords = transmute!(root);
    memory.set_root(words);
    Ok(saved)
}

impl Saved<'_> {
    /// Takes everything back, since there is no next generation: frees what was saved.
    pub(crate) fn call_off(self) {
        let Self { memory, sessions, files } = self;
        // First: it names the chains.
        memory.withdraw_root();
        drop(sessions.unseal());
        for chain in files {
            drop(chain.unseal());
        }
    }
}

/// Takes up what [`save`] left in `memory` and `inherited`, and frees the old chains.
///
/// Nothing is taken out or freed before everything is known to be there: an error on the way leaves
/// both as they were, so that this generation can try again, or another one.
///
/// # Errors
///
/// If what is in memory is damaged, or names a descriptor that is not there.
pub(crate) fn restore(
    memory: &Memory,
    inherited: &mut BTreeMap<u64, OwnedFd>,
) -> Result<(Service, Figures)> {
    let words: RootWords = memory.root().ok_or("no root was left")?;
    let root: Root = transmute!(words);
    let mut sessions = IncomingSet::<Session, _>::restore_from(memory, &root.sessions, SESSIONS)?;
    let mut chains = Vec::new();
    let mut saved = BTreeMap::new();
    for session in &sessions {
        let name = session.name.first_chunk().filter(|name| session.name == padded(*name));
        let name: SessionName = *name.ok_or("a session with a foreign name")?;
        let head = PhysAddr::new(session.files);
        let files = IncomingSet::<File, _>::restore_with(memory, head, RestoreChecks::all())?;
        if u64::try_from(files.len())? != session.count {
            return Err(format!("{} files of {} in a session", files.len(), session.count).into());
        }
        for &File { compatible, data, token } in &files {
            if compatible != padded(TCP_STREAM) {
                return Err("a file of unknown kind in a session".into());
            }
            if !inherited.contains_key(&data) {
                return Err(format!("descriptor {data} was not inherited").into());
            }
            if data == root.listener || saved.insert(data, (name, token)).is_some() {
                return Err(format!("descriptor {data} was saved twice").into());
            }
        }
        chains.push(files);
    }
    let strays = memory.unclaimed();
    if strays > 0 {
        return Err(format!("{strays} preserved blocks belong to no chain").into());
    }
    let listener = inherited.remove(&root.listener).ok_or("no listener was inherited")?;

    // Nothing fails from here on: each of these descriptors was seen above.
    let connections = saved.into_iter().filter_map(|(number, (session, counter))| {
        let socket = inherited.remove(&number)?;
        Some((number, Connection { socket, session, counter }))
    });
    let generation = root.generation.saturating_add(1);
    let service = Service { generation, listener, connections: connections.collect() };
    // First: it names the chains.
    memory.withdraw_root();
    let mut blocks = sessions.block_count();
    sessions.destroy();
    for mut files in chains {
        blocks = blocks.saturating_add(files.block_count());
        files.destroy();
    }
    Ok((service, Figures { blocks, save: root.save }))
}

impl Connection {
    /// A connection that was accepted just now, and its number.
    ///
    /// # Errors
    ///
    /// There is none as long as descriptors are not negative.
    pub(crate) fn new(socket: OwnedFd) -> Result<(u64, Self)> {
        let number = u64::try_from(socket.as_raw_fd())?;
        Ok((number, Self { socket, session: SessionName::default(), counter: 0 }))
    }
}
