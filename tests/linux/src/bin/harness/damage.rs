//! What can be wrong with a chain, one kind for each line of the table.

use kho_block::linux::{BLOCK_SIZE, File, Session};
use kho_block::zerocopy::FromBytes;
use kho_block::{ChainLayout, LinkError, PhysAddr, RestoreErrorKind};

use crate::Failed;
use crate::chains::{Refusal, walk};
use crate::handover::Handover;

/// What a session block holds at the most.
const CAPACITY: usize = (BLOCK_SIZE - 16) / size_of::<Session>();

/// Where everything lies in a guest that is to be damaged.
pub(crate) struct Scene<'h> {
    handover: &'h Handover<'h>,
    /// The blocks of sessions, of which the damage needs four.
    sessions: [PhysAddr; 4],
    /// The blocks of the first session's files, of which the damage needs three.
    files: [PhysAddr; 3],
    /// A page that is in nobody's use and not preserved; it holds what the third block does.
    decoy: PhysAddr,
}

/// How the crate must refuse it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expected {
    /// A block of the sessions, by its number and address, for this reason.
    Block(usize, PhysAddr, RestoreErrorKind),
    /// The first session's files.
    Files(LinkError),
}

impl Expected {
    /// Whether this is how it was refused.
    pub(crate) fn is(&self, refusal: &Refusal) -> bool {
        match (self, refusal) {
            (Self::Block(block, addr, kind), Refusal::Sessions(error)) => {
                (error.block, error.addr, error.kind) == (*block, *addr, *kind)
            }
            (Self::Files(expected), Refusal::Files(0, error)) => error == expected,
            _ => false,
        }
    }
}

/// A kind of damage: does it, and says how it must be refused.
pub(crate) type Damage = fn(&Scene<'_>) -> Result<Expected, Failed>;

/// All kinds. What no reader can detect is not here, such as a chain of sessions that ends early.
pub(crate) const KINDS: [(&str, Damage); 13] = [
    ("a count too large", |scene| scene.count(1, CAPACITY as u64 + 1)),
    ("a count of all ones", |scene| scene.count(2, u64::MAX)),
    ("a count of zero in the middle", |scene| {
        scene.put(scene.sessions[1], 8, 0)?;
        Ok(Expected::Block(1, scene.sessions[1], RestoreErrorKind::Empty))
    }),
    ("a link that is not aligned", |scene| {
        let target = scene.sessions[2].get() + 8;
        scene.link(1, target, RestoreErrorKind::Misaligned)
    }),
    ("a link beyond memory", |scene| {
        scene.link(1, scene.handover.memory().len() as u64 * 2, NOT_PRESERVED)
    }),
    ("a link that is no address at all", |scene| {
        scene.link(1, 0x8000_0000_0000_0000, NOT_PRESERVED)
    }),
    (NOT_IN_THE_MAP, |scene| scene.link(1, scene.decoy.get(), NOT_PRESERVED)),
    ("a block linked to itself", |scene| {
        scene.link(2, scene.sessions[2].get(), RestoreErrorKind::Cycle { first: 2 })
    }),
    ("a loop to the head", |scene| {
        scene.link(3, scene.sessions[0].get(), RestoreErrorKind::Cycle { first: 0 })
    }),
    ("a loop to the middle", |scene| {
        scene.link(3, scene.sessions[1].get(), RestoreErrorKind::Cycle { first: 1 })
    }),
    ("link and count swapped", |scene| {
        scene.put(scene.sessions[1], 0, CAPACITY as u64)?;
        scene.count(1, scene.sessions[2].get())
    }),
    ("a head that is not preserved", |scene| {
        scene.handover.set_sessions(Some(scene.decoy))?;
        Ok(Expected::Block(0, scene.decoy, NOT_PRESERVED))
    }),
    ("files that end early", |scene| {
        let [first, second, third] = scene.files;
        let count = |block| -> Result<u64, Failed> {
            Ok(scene.handover.memory().word(offset(block, 8)?).ok_or("no count")?)
        };
        let (kept, lost) = (count(first)? + count(second)?, count(third)?);
        scene.put(second, 0, 0)?;
        Ok(Expected::Files(LinkError::Entries { found: kept + lost, expected: kept }))
    }),
];

/// The kind that nothing but the map tells from a sound chain.
pub(crate) const NOT_IN_THE_MAP: &str = "a link to a page that is not preserved";

const NOT_PRESERVED: RestoreErrorKind = RestoreErrorKind::NotPreserved { block_size: BLOCK_SIZE };

impl<'h> Scene<'h> {
    /// Looks where everything is, and lays out the decoy.
    ///
    /// # Errors
    ///
    /// If there are not as many blocks as the table needs.
    pub(crate) fn new(handover: &'h Handover<'h>) -> Result<Self, Failed> {
        let head = handover.state()?.sessions();
        let sessions = blocks(handover, head, size_of::<Session>())?;
        let first = offset(*sessions.first().ok_or("no sessions")?, 16)?;
        let first = handover.memory().bytes(first, size_of::<Session>());
        let first = first.and_then(|first| Session::read_from_bytes(&first).ok());
        let files = first.ok_or("no first session")?.files;
        let files = blocks(handover, files.head(), size_of::<File>())?;
        let sessions = sessions.try_into().map_err(|_| "not four blocks of sessions")?;
        let files = files.try_into().map_err(|_| "not three blocks of files")?;
        let scene = Self { handover, sessions, files, decoy: unused_page(handover)? };
        let third = handover.memory().bytes(scene.sessions[2], BLOCK_SIZE).ok_or("no block")?;
        handover.memory().put(scene.decoy, &third)?;
        Ok(scene)
    }

    /// Writes a word of a block.
    fn put(&self, block: PhysAddr, at: u64, word: u64) -> Result<(), Failed> {
        self.handover.memory().put(offset(block, at)?, &word.to_ne_bytes())
    }

    /// Gives a block another count, which is too large.
    fn count(&self, block: usize, count: u64) -> Result<Expected, Failed> {
        let addr = self.sessions[block];
        self.put(addr, 8, count)?;
        let capacity = CAPACITY;
        Ok(Expected::Block(block, addr, RestoreErrorKind::CountTooLarge { count, capacity }))
    }

    /// Gives a block another link, which is what is refused.
    fn link(&self, block: usize, to: u64, kind: RestoreErrorKind) -> Result<Expected, Failed> {
        self.put(self.sessions[block], 0, to)?;
        Ok(Expected::Block(block + 1, PhysAddr::new(to).ok_or("a link to nowhere")?, kind))
    }
}

/// The addresses of the blocks of a chain.
fn blocks(
    handover: &Handover<'_>,
    head: Option<PhysAddr>,
    entry_size: usize,
) -> Result<Vec<PhysAddr>, Failed> {
    let layout = ChainLayout::new(entry_size, BLOCK_SIZE).ok_or("no such layout")?;
    Ok(walk(handover, head, layout)?.0)
}

/// A page among many that are all zero and not preserved, so that nobody misses it.
fn unused_page(handover: &Handover<'_>) -> Result<PhysAddr, Failed> {
    const PAGES: usize = 64;
    let preserved = handover.preserved()?;
    for start in (0..handover.memory().len()).step_by(PAGES * BLOCK_SIZE).rev() {
        let Some(addr) = PhysAddr::new(start as u64) else { continue };
        let size = PAGES * BLOCK_SIZE;
        let end = addr.get() + size as u64;
        let in_use =
            |&(block, size): &(PhysAddr, u64)| block.get() < end && addr.get() < block.get() + size;
        let pages = handover.memory().bytes(addr, size).ok_or("no memory")?;
        if pages.iter().all(|&byte| byte == 0) && !preserved.iter().any(in_use) {
            return offset(addr, size as u64 / 2);
        }
    }
    Err("every page is in use".into())
}

/// # Errors
///
/// If there is no such address.
fn offset(addr: PhysAddr, bytes: u64) -> Result<PhysAddr, Failed> {
    addr.checked_add(bytes).ok_or_else(|| format!("nothing at {addr} + {bytes}").into())
}
