//! The update itself: sessions and connections into chains, and out of them again.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use kho_block::{Descriptor, IncomingSet, Link, OutgoingSet, Region, Sealed};

use crate::Result;
use crate::records::{File, GENERATION, Generation, SESSIONS, Session, TABLES, TCP_STREAM, padded};
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
    region: &'a Region,
    tables: Sealed<OutgoingSet<Descriptor, &'a Region>>,
    generation: Sealed<OutgoingSet<Generation, &'a Region>>,
    sessions: Sealed<OutgoingSet<Session, &'a Region>>,
    files: Vec<Sealed<OutgoingSet<File, &'a Region>>>,
}

/// Saves `service` in `region`, for the next generation.
///
/// The service still owns everything, and nothing is sealed before all of it is saved: an error on
/// the way frees every block.
///
/// # Errors
///
/// If there is no memory.
pub(crate) fn save<'a>(region: &'a Region, service: &Service) -> Result<Saved<'a>> {
    let begun = Instant::now();
    let by_session = service.sessions();
    let mut sessions = OutgoingSet::<Session, _>::new(region);
    sessions.grow(by_session.len())?;
    let mut chains = Vec::new();
    for (name, numbers) in by_session {
        let mut files = OutgoingSet::<File, _>::new(region);
        files.grow(numbers.len())?;
        for number in numbers {
            let token = service.connections.get(&number).map_or(0, |saved| saved.counter);
            files.push(File { compatible: padded(TCP_STREAM), data: number, token })?;
        }
        sessions.push(Session { name: padded(&name), files: Link::EMPTY })?;
        chains.push(files);
    }
    let mut generation = OutgoingSet::<Generation, _>::new(region);
    let listener = service.listener_number()?;
    generation.push(Generation { number: service.generation, listener, save: 0 })?;
    let mut tables = OutgoingSet::<Descriptor, _>::new(region);
    tables
        .extend_from_slice(&[sessions.descriptor(SESSIONS), generation.descriptor(GENERATION)])?;

    // Nothing fails from here on: what leads to a chain is filled in as the chain is sealed.
    let files = chains.into_iter().map(OutgoingSet::seal).collect::<Vec<_>>();
    for (session, files) in sessions.iter_mut().zip(&files) {
        session.files = files.link();
    }
    let sessions = sessions.seal();
    for record in &mut generation {
        record.save = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    }
    let generation = generation.seal();
    // Sealed, they are counted: the next generation sweeps away what a chain has lost.
    let counted = [sessions.descriptor(SESSIONS), generation.descriptor(GENERATION)];
    for (table, descriptor) in tables.iter_mut().zip(counted) {
        *table = descriptor;
    }
    let tables = tables.seal();
    region.set_root(Some(&tables.descriptor(TABLES)));
    Ok(Saved { region, tables, generation, sessions, files })
}

impl Saved<'_> {
    /// Takes everything back, since there is no next generation: frees what was saved.
    pub(crate) fn call_off(self) {
        let Self { region, tables, generation, sessions, files } = self;
        // From the root down: what names a chain goes before the chain.
        region.set_root(None);
        drop(tables.unseal());
        drop(generation.unseal());
        drop(sessions.unseal());
        for chain in files {
            drop(chain.unseal());
        }
    }
}

/// Takes up what [`save`] left in `region` and `inherited`, and frees the old chains and every block
/// that belongs to none.
///
/// Nothing is taken out or freed before everything is known to be there: an error on the way leaves
/// both as they were, so that this generation can try again, or another one.
///
/// # Errors
///
/// If what is in memory is damaged, or names a descriptor that is not there.
pub(crate) fn restore(
    region: &Region,
    inherited: &mut BTreeMap<u64, OwnedFd>,
) -> Result<(Service, Figures)> {
    let root = region.root().ok_or("no root was left")?;
    let mut tables = IncomingSet::<Descriptor, _>::restore_from(region, &root, TABLES)?;
    let table = |tag| tables.iter().find(|table| table.tag == tag).ok_or("a table is missing");
    let mut generations =
        IncomingSet::<Generation, _>::restore_from(region, table(GENERATION)?, GENERATION)?;
    let &Generation { number, listener: listener_number, save } =
        generations.last().ok_or("no generation was left")?;
    let mut sessions = IncomingSet::<Session, _>::restore_from(region, table(SESSIONS)?, SESSIONS)?;
    let mut chains = Vec::new();
    let mut saved = BTreeMap::new();
    for session in &sessions {
        let name = session.name.first_chunk().filter(|name| session.name == padded(*name));
        let name: SessionName = *name.ok_or("a session with a foreign name")?;
        let files = session.files.restore(region)?;
        for &File { compatible, data, token } in &files {
            if compatible != padded(TCP_STREAM) {
                return Err("a file of unknown kind in a session".into());
            }
            if !inherited.contains_key(&data) {
                return Err(format!("descriptor {data} was not inherited").into());
            }
            if data == listener_number || saved.insert(data, (name, token)).is_some() {
                return Err(format!("descriptor {data} was saved twice").into());
            }
        }
        chains.push(files);
    }
    let listener = inherited.remove(&listener_number).ok_or("no listener was inherited")?;

    // Nothing fails from here on: each of these descriptors was seen above.
    let connections = saved.into_iter().filter_map(|(number, (session, counter))| {
        let socket = inherited.remove(&number)?;
        Some((number, Connection { socket, session, counter }))
    });
    let generation = number.saturating_add(1);
    let service = Service { generation, listener, connections: connections.collect() };
    let chain_blocks = chains.iter().map(IncomingSet::block_count).sum::<usize>();
    let blocks = [tables.block_count(), generations.block_count(), sessions.block_count()];
    let blocks = blocks.into_iter().fold(chain_blocks, usize::saturating_add);
    // From the root down: what names a chain goes before the chain.
    region.set_root(None);
    tables.destroy();
    generations.destroy();
    sessions.destroy();
    for mut files in chains {
        files.destroy();
    }
    // All that is wanted has been claimed: what is left is nobody's.
    region.sweep();
    Ok((service, Figures { blocks, save }))
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
