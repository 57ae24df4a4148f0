//! The chains of sessions and files: taken up through the crate, compared with the plan, and written
//! anew.

use core::fmt;
use std::collections::BTreeSet;

use kho_block::linux::{BLOCK_SIZE, File, Session};
use kho_block::zerocopy::FromBytes;
use kho_block::{
    BlockHeader, BlockSet, ChainLayout, IncomingSet, LinkError, OutgoingSet, PhysAddr,
    RestoreChecks, RestoreError, scan,
};
use linux_beside::plan::{Plan, session_name, token};

use crate::Failed;
use crate::allocator::Preserved;
use crate::handover::Handover;

type Sessions<'a> = IncomingSet<Session, &'a Preserved<'a>, BLOCK_SIZE>;
type NewSessions<'a> = OutgoingSet<Session, &'a Preserved<'a>, BLOCK_SIZE>;
type Files<'a> = IncomingSet<File, &'a Preserved<'a>, BLOCK_SIZE>;
type NewFiles<'a> = OutgoingSet<File, &'a Preserved<'a>, BLOCK_SIZE>;

/// What the chains of a Linux are that had no accident.
pub(crate) const AS_LINUX_WRITES: RestoreChecks =
    RestoreChecks::DENSE.union(RestoreChecks::NO_EMPTY_BLOCKS);

/// All chains of a handover, claimed.
pub(crate) struct Chains<'a> {
    /// The sessions.
    pub(crate) sessions: Sessions<'a>,
    /// The files of each, in the order of the sessions.
    pub(crate) files: Vec<Files<'a>>,
}

/// How the crate refuses a handover.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// The chain of sessions is damaged.
    Sessions(RestoreError),
    /// The chain of a session's files is damaged, or not what the session says.
    Files(usize, LinkError),
}

impl<'a> Chains<'a> {
    /// Claims and reads everything.
    ///
    /// # Errors
    ///
    /// If a chain is damaged; nothing stays claimed.
    pub(crate) fn restore(
        memory: &'a Preserved<'a>,
        head: Option<PhysAddr>,
        checks: RestoreChecks,
    ) -> Result<Self, Refusal> {
        let sessions = Sessions::restore_with(memory, head, checks).map_err(Refusal::Sessions)?;
        let files = sessions.iter().enumerate().map(|(number, session)| {
            session.files.restore(memory).map_err(|error| Refusal::Files(number, error))
        });
        let files = files.collect::<Result<_, _>>()?;
        Ok(Self { sessions, files })
    }

    /// Compares everything with what user space saved; returns how many files there are.
    ///
    /// # Errors
    ///
    /// If something is missing, or is another.
    pub(crate) fn verify(&self, plan: &Plan) -> Result<usize, Failed> {
        let found = self.sessions.len();
        if found != plan.sessions {
            return Err(format!("{found} sessions of {}", plan.sessions).into());
        }
        let mut count = 0;
        for ((number, session), files) in self.sessions.iter().enumerate().zip(&self.files) {
            let (found, expected) = (session.name.get()?, session_name(number));
            if found != expected.as_bytes() {
                return Err(format!("{} in place of {expected}", found.escape_ascii()).into());
            }
            if files.len() != plan.files_of(number) {
                return Err(format!("{} files in {expected}", files.len()).into());
            }
            for (place, file) in files.iter().enumerate() {
                let of_memfd = file.compatible.get()?.starts_with(b"memfd-v");
                if file.token != token(number, place) || file.data == 0 || !of_memfd {
                    return Err(format!("file {place} of {expected} is {file:?}").into());
                }
                count += 1;
            }
        }
        Ok(count)
    }

    /// Blocks in all.
    pub(crate) fn block_count(&self) -> usize {
        self.files.iter().map(BlockSet::block_count).sum::<usize>() + self.sessions.block_count()
    }

    /// Writes all sessions, and the files of each, in the opposite order into the blocks they are in,
    /// and `added` new sessions behind them; returns the new head.
    ///
    /// # Errors
    ///
    /// If they do not fit into these blocks.
    pub(crate) fn rewrite(
        mut self,
        memory: &'a Preserved<'a>,
        plan: &Plan,
    ) -> Result<Option<PhysAddr>, Failed> {
        let mut sessions: Vec<Session> = self.sessions.iter().copied().collect();
        for (session, mut old) in sessions.iter_mut().zip(self.files) {
            let (files, blocks) = (old.iter().copied().collect::<Vec<_>>(), addresses(&old));
            old.destroy();
            let mut new = NewFiles::new(memory);
            new.try_extend(files.into_iter().rev())?;
            let new = new.seal();
            if !addresses(&new).is_subset(&blocks) {
                return Err("files in blocks of others".into());
            }
            session.files = new.into_link();
        }
        let blocks = addresses(&self.sessions);
        self.sessions.destroy();
        let mut new = NewSessions::new(memory);
        new.try_extend(sessions.into_iter().rev())?;
        let added = plan.sessions..plan.expected().end;
        for number in added {
            new.push(Session::new(session_name(number).as_bytes(), kho_block::Link::EMPTY)?)?;
        }
        let new = new.seal();
        if addresses(&new) != blocks {
            return Err("the sessions are in other blocks than before".into());
        }
        Ok(new.leave())
    }

    /// Writes the chain of sessions anew where it lies, without the blocks that hold none; returns its
    /// head, and how many blocks are left.
    ///
    /// # Errors
    ///
    /// If the crate cannot.
    pub(crate) fn adopt(self) -> Result<(Option<PhysAddr>, usize), Failed> {
        let sessions: NewSessions<'_> =
            self.sessions.adopt().map_err(|error| error.into_kind().to_string())?;
        let sessions = sessions.seal();
        let blocks = sessions.block_count();
        Ok((sessions.leave(), blocks))
    }
}

/// Where the blocks of a set are.
fn addresses<O: kho_block::Origin, T: kho_block::Entry>(
    set: &BlockSet<T, &Preserved<'_>, O, BLOCK_SIZE>,
) -> BTreeSet<PhysAddr> {
    set.block_addrs().collect()
}

/// Walks a chain without claims: the addresses of its blocks, and entries in all.
///
/// # Errors
///
/// If it is damaged.
pub(crate) fn walk(
    handover: &Handover<'_>,
    head: Option<PhysAddr>,
    layout: ChainLayout,
) -> Result<(Vec<PhysAddr>, usize), RestoreError> {
    let read = |addr| {
        let header = handover.memory().bytes(addr, size_of::<BlockHeader>())?;
        let known = handover.is_preserved(addr, BLOCK_SIZE);
        BlockHeader::read_from_bytes(&header).ok().filter(|_| known)
    };
    let (mut blocks, mut entries) = (Vec::new(), 0);
    for block in scan(head, layout, read) {
        let block = block?;
        blocks.push(block.addr);
        entries += block.count;
    }
    Ok((blocks, entries))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sessions(error) => write!(f, "{error}"),
            Self::Files(session, error) => write!(f, "files of session {session}: {error}"),
        }
    }
}

impl core::error::Error for Refusal {}
