use core::ptr::NonNull;
use kho_block::{BlockSet, IncomingSet, PhysAddr, Region, RegionError};

/// The region of this kernel: what the previous one left, or a new one.
///
/// # Safety
///
/// The range at `base` is mapped at `memory` for good, and nobody else's.
unsafe fn region(base: PhysAddr, memory: NonNull<[u8]>) -> Result<Region, RegionError> {
    // SAFETY: by the caller's word.
    match unsafe { Region::open(base, memory) } {
        // SAFETY: by the caller's word.
        Err(RegionError::Blank) => unsafe { Region::create(base, memory) },
        opened => opened,
    }
}

#[repr(align(4096))]
struct Range([u8; 1 << 16]);
let mut range = Box::new(Range([0; 1 << 16])); // on your kernel: reserved by the firmware
let memory = NonNull::from(&mut range.0[..]);
let base = PhysAddr::new(0x1_0000_0000).unwrap();

// SAFETY: the range outlives the example.
let first = unsafe { region(base, memory) }?;
let mut files = BlockSet::<u64, _>::new(&first);
files.extend_from_slice(&[52, 87])?;
let sealed = files.seal();
first.set_root(Some(&sealed.descriptor(0xf11e))); // a root page is there too
sealed.leave();

// SAFETY: the range outlives the example, and the kernel before is gone.
let second = unsafe { region(base, memory) }?;
let root = second.root().unwrap();
let files = IncomingSet::<u64, _>::restore_from(&second, &root, 0xf11e)?;
assert!(files.iter().eq(&[52, 87]));
