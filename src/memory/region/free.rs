//! The free blocks of a region: a list for each size, whose links lie in the blocks themselves.
//!
//! The links are this kernel's alone: it makes them when it takes the region over, and no other
//! reads them. Unsafe is open here to reach free memory.

#![expect(unsafe_code, reason = "keeps links in free memory")]

use core::ptr::NonNull;

use crate::abi::region::{BookByte, UNIT_SHIFT, UNIT_SIZE, units_of};
use crate::memory::region::books::Books;
use crate::memory::region::ground::Ground;

/// One more than the largest order of a block, the base-2 logarithm of its units.
#[expect(clippy::as_conversions, reason = "there is no const conversion, and a byte fits")]
const ORDERS: usize = (usize::BITS - UNIT_SHIFT as u32) as usize;

/// No unit.
const NONE: usize = usize::MAX;

/// At the start of a free block.
#[derive(Clone, Copy)]
struct Node {
    next: usize,
    /// [`NONE`] in the first of a list.
    previous: usize,
    order: usize,
}

const _: () = assert!(size_of::<Node>() <= UNIT_SIZE && align_of::<Node>() <= UNIT_SIZE);

/// Free blocks, by size.
///
/// # Invariants
///
/// 1. A free block is `1 << order` units, its physical address a multiple of its size, and nobody's
///    but this value's: not the header's, nor the books', nor of a block that is preserved or about
///    to be. Their bytes in the books are [`BookByte::FREE`].
/// 2. Each starts with a [`Node`] of its order, and all of one order are linked, from `heads` on.
/// 3. Every unit behind the books is in one free block or in one that the books know, but for what is
///    on its way between the two under the region's lock.
/// 4. A bit of `orders` is set if that list is not empty.
pub(crate) struct FreeBlocks {
    heads: [usize; ORDERS],
    orders: u64,
    books: Books,
}

impl FreeBlocks {
    /// No free blocks.
    pub(crate) const fn new(books: Books) -> Self {
        // INVARIANT: 1, 2 and 4. there are none. 3. `put_range` follows, under no lock yet.
        Self { heads: [NONE; ORDERS], orders: 0, books }
    }

    const fn ground(&self) -> &Ground {
        &self.books.ground
    }

    /// Takes a block of `order` off the lists, and splits a larger one if it has to. A bounded number
    /// of steps, however much is free.
    #[inline]
    pub(crate) fn take(&mut self, order: u8) -> Option<usize> {
        let fitting = self.orders & u64::MAX.checked_shl(order.into())?;
        let mut larger = usize::try_from(fitting.trailing_zeros()).ok()?;
        let unit = *self.heads.get(larger)?;
        self.unlink(unit)?;
        while larger > order.into() {
            larger = larger.saturating_sub(1);
            let half = 1_usize.checked_shl(u32::try_from(larger).ok()?)?;
            // INVARIANT: the half of a block that was free, and is not any more.
            self.link(unit.saturating_add(half), larger);
        }
        Some(unit)
    }

    /// Puts a block on the lists, as one with its buddy if that is free.
    ///
    /// # Safety
    ///
    /// 1. The block's physical address is a multiple of its size, and it lies behind the books.
    /// 2. It is nobody's any more, and is not on the lists. Its bytes in the books are `FREE`.
    #[inline]
    pub(crate) unsafe fn put(&mut self, mut unit: usize, order: u8) {
        let mut order = usize::from(order);
        while let Some(buddy) = self.free_buddy(unit, order) {
            if self.unlink(buddy).is_none() {
                break;
            }
            unit = unit.min(buddy);
            order = order.saturating_add(1);
        }
        // INVARIANT: by the duties. Two buddies are a block: nobody's, and in place.
        self.link(unit, order);
    }

    /// Puts every unit of a range on the lists, in as large blocks as there can be.
    ///
    /// # Safety
    ///
    /// The range lies behind the books. All of it is nobody's, and none of it on the lists. Their
    /// bytes in the books are `FREE`.
    pub(crate) unsafe fn put_range(&mut self, mut unit: usize, end: usize) {
        while let Some(log2) = end.saturating_sub(unit).checked_ilog2() {
            let order = log2.min(self.ground().physical(unit).trailing_zeros());
            let order = u8::try_from(order).unwrap_or_default();
            // INVARIANT: by the duties; it is as aligned as that, and so long.
            self.link(unit, order.into());
            unit = unit.saturating_add(units_of(order));
        }
    }

    /// The buddy of a block that is nobody's and on no list, if it is free as a whole.
    ///
    /// The unit where the buddy would start is in one block alone (invariant 3). That does not reach
    /// over both buddies, since they are aligned to their size and the other one is not in it; so it
    /// starts there. If the books do not know it, it is free, and its node tells its size.
    #[inline]
    fn free_buddy(&mut self, unit: usize, order: usize) -> Option<usize> {
        let bit = 1_usize.checked_shl(u32::try_from(order).ok()?)?;
        let ground = self.ground();
        let buddy = ground.unit_of_physical(ground.physical(unit) ^ bit);
        let is_there = (ground.first()..ground.units()).contains(&buddy);
        if !is_there || self.books.get(buddy) != BookByte::FREE {
            return None;
        }
        (self.node(buddy)?.order == order).then_some(buddy)
    }

    /// Adds a block, which fulfils invariant 1, to the list of its order.
    #[inline]
    fn link(&mut self, unit: usize, order: usize) {
        let Some(head) = self.heads.get_mut(order) else { return };
        let next = core::mem::replace(head, unit);
        self.orders |= 1_u64.wrapping_shl(u32::try_from(order).unwrap_or_default());
        if let Some(node) = self.node(unit) {
            *node = Node { next, previous: NONE, order };
        }
        if let Some(node) = self.node(next) {
            node.previous = unit;
        }
    }

    /// Takes a free block off the list of its order.
    #[inline]
    fn unlink(&mut self, unit: usize) -> Option<()> {
        let Node { next, previous, order } = *self.node(unit)?;
        if let Some(node) = self.node(previous) {
            node.next = next;
        } else {
            *self.heads.get_mut(order)? = next;
            if next == NONE {
                self.orders &= !1_u64.wrapping_shl(u32::try_from(order).unwrap_or_default());
            }
        }
        if let Some(node) = self.node(next) {
            node.previous = previous;
        }
        Some(())
    }

    /// The node of a free block, or the place for it.
    #[inline]
    fn node(&mut self, unit: usize) -> Option<&mut Node> {
        let mut node: NonNull<Node> = self.ground().ptr(unit)?.cast();
        // SAFETY: the memory is mapped, initialised and aligned to a page. By invariant 1 it is this
        // value's, which `&mut self` borrows; any bytes are a node.
        Some(unsafe { node.as_mut() })
    }
}
