//! A region in an image of memory: looked at, and never changed.

#![forbid(unsafe_code)]

use core::fmt;

use zerocopy::FromBytes;

use crate::abi::addr::PhysAddr;
use crate::abi::descriptor::Descriptor;
use crate::abi::region::{
    BookByte, ROOTS, RegionHeader, RegionRoot, UNIT_SHIFT, UNIT_SIZE, units_of,
};
use crate::abi::sizes::to_wire;
use crate::error::region::RegionError;
use crate::memory::region::judge::{self, Shape};

/// A [`Region`](crate::Region) in an image of memory, for tools: judged as
/// [`open`](crate::Region::open) judges one, by the same code, and not taken over.
///
/// # Examples
///
/// ```
/// use core::ptr::NonNull;
/// use kho_block::{PhysAddr, PreservedAllocator, Region, RegionImage};
///
/// #[repr(align(4096))]
/// struct Memory([u8; 1 << 20]);
///
/// let mut memory = Box::new(Memory([0; 1 << 20]));
/// let base = PhysAddr::new(0x1_0000_0000).unwrap();
/// // SAFETY: the memory outlives the region, and is nobody else's until that is gone.
/// let region = unsafe { Region::create(base, NonNull::from(&mut memory.0[..])) }?;
/// let block = region.alloc_preserve(8192)?;
///
/// let image = memory.0; // a dump
/// let region = RegionImage::read(base, &image)?;
/// assert_eq!(region.size(), 1 << 20);
/// assert!(region.blocks().eq([(block.addr, 8192)]));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct RegionImage<'m> {
    shape: Shape,
    root: Option<Descriptor>,
    /// A byte for each unit.
    books: &'m [u8],
}

impl<'m> RegionImage<'m> {
    /// Judges the region whose bytes, from its first on, are those of `memory`, and which was at `base`.
    ///
    /// Only the header and the books are looked at, which are one byte of 4096 and some; what is behind
    /// them need not be there. The length is the one in the header.
    ///
    /// # Errors
    ///
    /// That of [`open`](crate::Region::open); [`RegionError::Size`] if the header's length is that of
    /// no region, or `memory` ends before the books do.
    pub fn read(base: PhysAddr, memory: &'m [u8]) -> Result<Self, RegionError> {
        let too_short = RegionError::Size { bytes: memory.len() };
        let unit = memory.get(..UNIT_SIZE).ok_or(too_short)?;
        let (header, _) = RegionHeader::read_from_prefix(unit).map_err(|_| too_short)?;
        let length = header.length;
        judge::header(&header, base, length, || unit.iter().all(|&byte| byte == 0))?;
        let copies = ROOTS.map(|word| {
            let copy = unit.get(word.saturating_mul(size_of::<u32>())..).unwrap_or_default();
            RegionRoot::read_from_prefix(copy).map(|(copy, _)| copy)
        });
        let [Ok(first), Ok(second)] = copies else { return Err(too_short) };
        let (_, root) = judge::roots([first, second])?;
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        let shape = Shape::new(base, bytes)?;
        let books_and_tail = memory.get(UNIT_SIZE..shape.first.saturating_mul(UNIT_SIZE));
        let split = books_and_tail.and_then(|bytes| bytes.split_at_checked(shape.units));
        let (books, tail) = split.ok_or(too_short)?;
        shape.check_books(books.iter().copied().map(BookByte))?;
        shape.check_tail(tail)?;
        Ok(Self { shape, root: root.root(), books })
    }

    /// The physical address of the region.
    #[must_use]
    pub const fn base(&self) -> PhysAddr {
        self.shape.base
    }

    /// Bytes of the region, its header and books included.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.shape.units.saturating_mul(UNIT_SIZE)
    }

    /// Bytes of the header and the books, behind which the blocks are.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        self.shape.first.saturating_mul(UNIT_SIZE)
    }

    /// Where to start, as the last kernel [set](crate::Region::set_root) it.
    #[must_use]
    pub const fn root(&self) -> Option<Descriptor> {
        self.root
    }

    /// The bytes of the block that starts at a physical address; `None` if none does.
    #[must_use]
    pub fn block_at(&self, addr: PhysAddr) -> Option<u64> {
        let offset = addr.get().checked_sub(self.shape.base.get())?;
        let unit = usize::try_from(offset >> UNIT_SHIFT).ok()?;
        let byte = BookByte(*self.books.get(unit)?);
        let starts = byte.is_block() && addr.is_aligned_to(to_wire(UNIT_SIZE));
        1_u64.checked_shl(byte.log2().into()).filter(|_| starts)
    }

    /// The blocks that the next kernel would find, in the order of their addresses, each with its bytes.
    pub fn blocks(&self) -> impl Iterator<Item = (PhysAddr, u64)> {
        let Self { shape, books, .. } = *self;
        let mut unit = shape.first;
        core::iter::from_fn(move || {
            let is_block = |&byte: &u8| BookByte(byte).is_block();
            let skipped = books.get(unit..)?.iter().position(is_block)?;
            let start = unit.saturating_add(skipped);
            let byte = BookByte(*books.get(start)?);
            unit = start.saturating_add(units_of(byte.order()));
            Some((shape.addr(start), 1_u64.checked_shl(byte.log2().into())?))
        })
    }
}

impl fmt::Debug for RegionImage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionImage")
            .field("base", &self.base())
            .field("size", &to_wire(self.size()))
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
