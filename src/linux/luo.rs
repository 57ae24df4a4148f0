//! The records of LUO, Linux's live update orchestrator: its state, sessions, files, shared objects.

#![forbid(unsafe_code)]

use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::addr::PhysAddr;
use crate::abi::link::Link;
use crate::abi::name::{Name, NameError};
use crate::error::luo::LuoError;

/// The node of LUO in KHO's device tree, whose data is a [`LuoState`].
pub const LUO_NODE: &str = "LUO";

/// What a [`LuoState`] is compatible with.
pub const LUO_COMPATIBLE: &str = "luo-v5";

/// Bytes of a block of sessions or files: a page.
pub const BLOCK_SIZE: usize = 4096;

/// What LUO hands over: 32 bytes at the address of [`DATA_PROPERTY`](super::DATA_PROPERTY) in the node
/// [`LUO_NODE`].
///
/// # Examples
///
/// ```
/// use kho_block::PhysAddr;
/// use kho_block::linux::LuoState;
/// use kho_block::zerocopy::{FromBytes, IntoBytes};
///
/// let mut state = LuoState::new(1, PhysAddr::new(0x3d7000), None);
/// state.check()?;
/// assert_eq!(state.sessions(), PhysAddr::new(0x3d7000));
/// assert_eq!(state.as_bytes()[..8], *b"luo-v5\0\0");
///
/// state.as_mut_bytes()[5] = b'6'; // of a later version
/// let error = state.check().unwrap_err();
/// assert_eq!(error.to_string(), r#"compatible "luo-v6" is not "luo-v5""#);
/// # Ok::<(), kho_block::linux::LuoError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LuoState {
    /// [`LUO_COMPATIBLE`], zero-filled.
    pub compatible: Name<8>,
    /// The number of live updates since the machine was switched on.
    pub liveupdate_num: u64,
    /// Physical address of the first block of [`Session`]s; zero without sessions.
    pub sessions_pa: u64,
    /// Physical address of [`SharedObjects`]; zero without any.
    pub flbs_pa: u64,
}

const_assert_eq!(size_of::<LuoState>(), 32);
const_assert_eq!(offset_of!(LuoState, compatible), 0);
const_assert_eq!(offset_of!(LuoState, liveupdate_num), 8);
const_assert_eq!(offset_of!(LuoState, sessions_pa), 16);
const_assert_eq!(offset_of!(LuoState, flbs_pa), 24);

impl LuoState {
    /// The state of the version that is known here.
    #[must_use]
    pub fn new(
        liveupdate_num: u64,
        sessions: Option<PhysAddr>,
        shared_objects: Option<PhysAddr>,
    ) -> Self {
        Self {
            compatible: Name::zero_filled(LUO_COMPATIBLE),
            liveupdate_num,
            sessions_pa: PhysAddr::to_wire(sessions),
            flbs_pa: PhysAddr::to_wire(shared_objects),
        }
    }

    /// Whether the state is one of the version that is known here: to be asked before an address in it
    /// is followed.
    ///
    /// # Errors
    ///
    /// [`LuoError::Compatible`] if it is another.
    pub fn check(&self) -> Result<(), LuoError> {
        let (found, expected) = (self.compatible, Name::zero_filled(LUO_COMPATIBLE));
        if found == expected { Ok(()) } else { Err(LuoError::Compatible { found, expected }) }
    }

    /// Where the chain of [`Session`]s starts, in blocks of [`BLOCK_SIZE`] bytes; `None` without
    /// sessions.
    #[must_use]
    pub const fn sessions(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.sessions_pa)
    }

    /// Where [`SharedObjects`] are; `None` without any.
    #[must_use]
    pub const fn shared_objects(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.flbs_pa)
    }
}

/// A session: a name, and the files that were preserved under it.
///
/// # Examples
///
/// What Linux finds as a session of two files:
///
/// ```
/// use kho_block::linux::{BLOCK_SIZE, File, Session};
/// use kho_block::mock::Mock;
/// use kho_block::{IncomingSet, OutgoingSet};
///
/// let mut memory = Mock::new();
/// let mut files = OutgoingSet::<File, _, BLOCK_SIZE>::new(&memory);
/// files.push(File::new(b"memfd-v2", 0x3c6000, 7)?)?;
/// files.push(File::new(b"memfd-v2", 0x3c9000, 8)?)?;
/// let mut sessions = OutgoingSet::<Session, _, BLOCK_SIZE>::new(&memory);
/// sessions.push(Session::new(b"web-1", files.seal().into_link())?)?;
/// let head = sessions.into_head();
///
/// memory.reboot(); // kexec
///
/// let mut sessions = IncomingSet::<Session, _, BLOCK_SIZE>::restore(&memory, head)?;
/// for session in &sessions {
///     assert_eq!(session.name.get()?, b"web-1");
///     let mut files = session.files.restore(&memory)?;
///     assert!(files.iter().map(|file| file.token).eq([7, 8]));
///     files.destroy();
/// }
/// sessions.destroy();
/// # memory.assert_clean();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Session {
    /// The name.
    pub name: Name<64>,
    /// The files.
    pub files: Link<File, BLOCK_SIZE>,
}

const_assert_eq!(size_of::<Session>(), 80);
const_assert_eq!(offset_of!(Session, name), 0);
const_assert_eq!(offset_of!(Session, files), 64);

impl Session {
    /// A session.
    ///
    /// # Errors
    ///
    /// If the name has more than 63 bytes, or one that is zero.
    pub fn new(name: &[u8], files: Link<File, BLOCK_SIZE>) -> Result<Self, NameError> {
        Ok(Self { name: Name::new(name)?, files })
    }
}

/// A file of a [`Session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct File {
    /// Which kind of file, and which version of what was saved of it: who takes it over.
    pub compatible: Name<48>,
    /// What that kind of file saved, often a physical address.
    pub data: u64,
    /// The number by which user space knows the file in its session.
    pub token: u64,
}

const_assert_eq!(size_of::<File>(), 64);
const_assert_eq!(offset_of!(File, compatible), 0);
const_assert_eq!(offset_of!(File, data), 48);
const_assert_eq!(offset_of!(File, token), 56);

impl File {
    /// A file.
    ///
    /// # Errors
    ///
    /// If `compatible` has more than 47 bytes, or one that is zero.
    pub fn new(compatible: &[u8], data: u64, token: u64) -> Result<Self, NameError> {
        Ok(Self { compatible: Name::new(compatible)?, data, token })
    }
}

/// What lies before the first [`SharedObject`]: not a chain, but so many pages in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SharedObjects {
    /// Pages of 4096 bytes, this header included.
    pub pgcnt: u64,
    /// Objects that follow the header, without a gap.
    pub count: u64,
}

const_assert_eq!(size_of::<SharedObjects>(), 16);
const_assert_eq!(offset_of!(SharedObjects, pgcnt), 0);
const_assert_eq!(offset_of!(SharedObjects, count), 8);

/// What several files have in common and is preserved once: LUO calls it file-lifecycle-bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SharedObject {
    /// Which kind of object.
    pub name: Name<48>,
    /// What that kind saved, often a physical address.
    pub data: u64,
    /// Files that have it in common.
    pub count: u64,
}

const_assert_eq!(size_of::<SharedObject>(), 64);
const_assert_eq!(offset_of!(SharedObject, name), 0);
const_assert_eq!(offset_of!(SharedObject, data), 48);
const_assert_eq!(offset_of!(SharedObject, count), 56);

impl SharedObject {
    /// A shared object.
    ///
    /// # Errors
    ///
    /// If the name has more than 47 bytes, or one that is zero.
    pub fn new(name: &[u8], data: u64, count: u64) -> Result<Self, NameError> {
        Ok(Self { name: Name::new(name)?, data, count })
    }
}
