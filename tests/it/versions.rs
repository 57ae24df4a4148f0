//! A record that changes from one version of the kernel to the next, and back when a fleet rolls back.

use kho_block::mock::Mock;
use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{
    Descriptor, DescriptorError, DescriptorField, Entry, GrowError, IncomingSet, OutgoingSet,
    RestoreFromError,
};

const TAG_1: u64 = 0x5e55_0001;
const TAG_2: u64 = 0x5e55_0002;

/// A session, as version 1 of the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Session1 {
    id: u64,
    files: u32,
    flags: u32,
}

/// A session, as version 2 knows it: more files, and an owner.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Session2 {
    id: u64,
    files: u64,
    owner: u64,
    flags: u32,
    reserved: u32,
}

impl From<Session1> for Session2 {
    fn from(Session1 { id, files, flags }: Session1) -> Self {
        Self { id, files: files.into(), owner: 0, flags, reserved: 0 }
    }
}

impl TryFrom<Session2> for Session1 {
    /// The session, of which version 1 cannot hold all.
    type Error = Session2;

    fn try_from(session: Session2) -> Result<Self, Session2> {
        let Session2 { id, files, owner, flags, reserved: 0 } = session else {
            return Err(session);
        };
        match u32::try_from(files) {
            Ok(files) if owner == 0 => Ok(Self { id, files, flags }),
            _ => Err(session),
        }
    }
}

/// Why version 2 does not save.
#[derive(Debug, PartialEq)]
enum Unsaved {
    Memory(GrowError),
    /// Version 1 would lose something of this session.
    TooNew(Session2),
}

/// Hands the entries over; the root.
///
/// # Errors
///
/// If there is no memory. What was saved by then is freed.
fn save<T: Entry>(
    mem: &Mock,
    tag: u64,
    entries: impl IntoIterator<Item = T>,
) -> Result<Descriptor, GrowError> {
    let mut set = OutgoingSet::<T, _>::new(mem);
    for entry in entries {
        set.push(entry).map_err(|error| error.cause)?;
    }
    let sealed = set.seal();
    let root = sealed.descriptor(tag);
    sealed.leave();
    Ok(root)
}

/// The sessions that version 2 finds, whichever version saved them.
enum Found<'m> {
    By1(IncomingSet<Session1, &'m Mock>),
    By2(IncomingSet<Session2, &'m Mock>),
}

impl<'m> Found<'m> {
    /// # Errors
    ///
    /// If neither version saved what is there, or it is damaged.
    fn restore(mem: &'m Mock, root: &Descriptor) -> Result<Self, RestoreFromError> {
        match root.tag {
            TAG_1 => IncomingSet::restore_from(mem, root, TAG_1).map(Self::By1),
            _ => IncomingSet::restore_from(mem, root, TAG_2).map(Self::By2),
        }
    }

    fn sessions(&self) -> Vec<Session2> {
        match self {
            Self::By1(set) => set.iter().copied().map(Session2::from).collect(),
            Self::By2(set) => set.iter().copied().collect(),
        }
    }

    fn destroy(self) {
        match self {
            Self::By1(mut set) => set.destroy(),
            Self::By2(mut set) => set.destroy(),
        }
    }
}

/// Which version the next kernel is of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Version1,
    Version2,
}

/// Version 2 saves as the next kernel can read it.
///
/// # Errors
///
/// If that is not possible. Nothing is saved then.
fn save_2(mem: &Mock, sessions: &[Session2], next: Next) -> Result<Descriptor, Unsaved> {
    match next {
        Next::Version2 => save(mem, TAG_2, sessions.iter().copied()).map_err(Unsaved::Memory),
        Next::Version1 => {
            let old: Result<Vec<_>, _> = sessions.iter().copied().map(Session1::try_from).collect();
            save(mem, TAG_1, old.map_err(Unsaved::TooNew)?).map_err(Unsaved::Memory)
        }
    }
}

/// A kernel of version 1: takes the sessions over, opens one more, and saves them.
fn run_1(mem: &Mock, root: &Descriptor, new: Session1) -> (Vec<Session1>, Descriptor) {
    let mut old = IncomingSet::<Session1, _>::restore_from(mem, root, TAG_1).unwrap();
    let mut sessions: Vec<_> = old.iter().copied().collect();
    sessions.push(new);
    let root = save(mem, TAG_1, sessions.iter().copied()).unwrap();
    old.destroy();
    (sessions, root)
}

/// One of version 2 does the same.
fn run_2(mem: &Mock, root: &Descriptor, new: Session2, next: Next) -> (Vec<Session2>, Descriptor) {
    let old = Found::restore(mem, root).unwrap();
    let mut sessions = old.sessions();
    sessions.push(new);
    let root = save_2(mem, &sessions, next).unwrap();
    old.destroy();
    (sessions, root)
}

fn session(id: u64) -> Session1 {
    Session1 { id, files: u32::MAX - u32::try_from(id).unwrap(), flags: 0x8000_0001 }
}

/// Sessions of several blocks.
const SESSIONS: u64 = if cfg!(miri) { 210 } else { 1500 };

/// What a kernel of version 1 left.
fn left_by_1() -> (Mock, Descriptor) {
    let mut mem = Mock::new();
    let root = save(&mem, TAG_1, (0..SESSIONS).map(session)).unwrap();
    mem.reboot();
    (mem, root)
}

#[test]
fn a_record_changes_with_the_kernel_and_back_and_none_is_lost() {
    use Next::{Version1, Version2};
    let (mut mem, mut root) = left_by_1();
    let mut model: Vec<_> = (0..SESSIONS).map(session).collect();
    // What runs, and what comes after it: forth, on, back, and both once more.
    let kernels = [Version1, Version2, Version2, Version1, Version1, Version2, Version1];
    for (id, (number, &kernel)) in (SESSIONS..).zip(kernels.iter().enumerate()) {
        let next = *kernels.get(number + 1).unwrap_or(&Version1);
        // Version 1 knows no other version: one that comes after it reads what it saved.
        model.push(session(id));
        if kernel == Version1 {
            let (sessions, left) = run_1(&mem, &root, session(id));
            assert_eq!((sessions, left.tag), (model.clone(), TAG_1), "kernel {number}");
            root = left;
        } else {
            let (sessions, left) = run_2(&mem, &root, session(id).into(), next);
            let expected: Vec<_> = model.iter().copied().map(Session2::from).collect();
            let tag = if next == Version1 { TAG_1 } else { TAG_2 };
            assert_eq!((sessions, left.tag), (expected, tag), "kernel {number}");
            root = left;
        }
        assert_eq!(mem.unclaimed(), 0, "kernel {number} freed what it took over");
        mem.reboot();
    }
    let mut set = IncomingSet::<Session1, _>::restore_from(&mem, &root, TAG_1).unwrap();
    assert!(set.iter().eq(&model));
    set.destroy();
    mem.assert_clean();
}

#[test]
fn what_version_1_cannot_hold_is_not_saved_for_it_and_goes_to_version_2_whole() {
    let (mut mem, root) = left_by_1();
    let plain = Session2::from(session(0));
    let too_new = [
        Session2 { files: 1 << 32, ..plain },
        Session2 { owner: 1, ..plain },
        Session2 { reserved: 1, ..plain },
    ];
    let old = Found::restore(&mem, &root).unwrap();
    let mut sessions = old.sessions();
    for session in too_new {
        sessions.push(session);
        let live = mem.live();
        assert_eq!(save_2(&mem, &sessions, Next::Version1), Err(Unsaved::TooNew(session)));
        assert_eq!(mem.live(), live, "nothing was saved");
        sessions.pop();
    }
    sessions.extend(too_new);
    let root = save_2(&mem, &sessions, Next::Version2).unwrap();
    old.destroy();

    mem.reboot();
    let found = Found::restore(&mem, &root).unwrap();
    assert_eq!(found.sessions(), sessions);
    found.destroy();
    mem.assert_clean();
}

#[test]
fn a_version_that_is_not_known_is_refused_by_name_and_left_to_a_kernel_that_knows_it() {
    let refused = |result: Result<(), RestoreFromError>, field, found, expected| match result {
        Err(RestoreFromError::Descriptor(error)) => {
            let DescriptorError { field: at, found: is, expected: wanted, .. } = error;
            assert_eq!((at, is, wanted), (field, found, expected), "{error}");
        }
        other => panic!("{other:?}"),
    };

    // Version 2 meets version 3, of another size and of the same.
    let mut mem = Mock::new();
    let small = save(&mem, TAG_2 + 1, [1_u64, 2]).unwrap();
    let same = save(&mem, TAG_2 + 1, [Session2::from(session(1))]).unwrap();
    mem.reboot();
    let restore = |root| Found::restore(&mem, root).map(drop);
    refused(restore(&small), DescriptorField::Tag, TAG_2 + 1, TAG_2);
    refused(restore(&same), DescriptorField::Tag, TAG_2 + 1, TAG_2);
    assert_eq!((mem.live(), mem.calls().restore), (0, 0), "no block was claimed");
    IncomingSet::<u64, _>::restore_from(&mem, &small, TAG_2 + 1).unwrap().destroy();
    IncomingSet::<Session2, _>::restore_from(&mem, &same, TAG_2 + 1).unwrap().destroy();
    mem.assert_clean();

    // Version 1 meets version 2.
    let mut mem = Mock::new();
    let root = save_2(&mem, &[session(1).into()], Next::Version2).unwrap();
    mem.reboot();
    let error = IncomingSet::<Session1, _>::restore_from(&mem, &root, TAG_1).map(drop);
    refused(error, DescriptorField::Tag, TAG_2, TAG_1);
    let found = Found::restore(&mem, &root).unwrap();
    assert_eq!(found.sessions(), [Session2::from(session(1))]);
    found.destroy();
    mem.assert_clean();
}

#[test]
fn a_conversion_that_runs_out_of_memory_loses_nothing() {
    let (mut mem, root) = left_by_1();
    let expected: Vec<_> = (0..SESSIONS).map(|id| Session2::from(session(id))).collect();
    let blocks = expected.len().div_ceil(OutgoingSet::<Session2, &Mock>::LAYOUT.capacity());
    for granted in 0..blocks {
        mem.refuse_after(granted);
        let old = Found::restore(&mem, &root).unwrap();
        let error = save_2(&mem, &old.sessions(), Next::Version2).unwrap_err();
        assert!(matches!(error, Unsaved::Memory(error) if error.obtained == 0), "{error:?}");
        drop(old);
        assert_eq!(mem.live(), 0, "what was saved by then is freed");
    }
    mem.refuse_none();
    let old = Found::restore(&mem, &root).unwrap();
    let root = save_2(&mem, &old.sessions(), Next::Version2).unwrap();
    old.destroy();
    mem.reboot();
    let found = Found::restore(&mem, &root).unwrap();
    assert_eq!(found.sessions(), expected);
    found.destroy();
    mem.assert_clean();
}
