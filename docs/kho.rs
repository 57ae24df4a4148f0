use core::ptr::NonNull;

use kho_block::{AllocError, CarryAllocator, PhysAddr, PreservedAllocator, PreservedBlock};

/// KHO and the page allocator, as this kernel reaches them: pointers and addresses of first pages.
///
/// # Safety
///
/// Each method does what the function of that name does, or what is said here, and does not unwind.
/// Those that are unsafe want a block that is the caller's, in the state that they work on.
pub(crate) unsafe trait Bindings {
    fn kho_alloc_preserve(&self, size: usize) -> Option<NonNull<u8>>;
    unsafe fn kho_unpreserve_free(&self, ptr: NonNull<u8>);
    /// Takes the mark off, for good; `None` if there was none.
    unsafe fn kho_restore_folio(&self, addr: PhysAddr) -> Option<NonNull<u8>>;
    /// Takes the mark off and frees.
    unsafe fn kho_restore_free(&self, ptr: NonNull<u8>);
    unsafe fn kho_preserve_folio(&self, ptr: NonNull<u8>, order: u32) -> Result<(), AllocError>;
    unsafe fn kho_unpreserve_folio(&self, ptr: NonNull<u8>);
    unsafe fn free_pages(&self, ptr: NonNull<u8>, order: u32);
    /// The order in the mark of the page around `addr`, if there is a page and it has one.
    fn page_mark(&self, addr: PhysAddr) -> Option<u32>;
    fn phys_to_virt(&self, addr: PhysAddr) -> NonNull<u8>;
    fn virt_to_phys(&self, ptr: NonNull<u8>) -> PhysAddr;
}

/// What was done to a block since the kexec. One that is not in the table is unclaimed. A call that
/// does not suit the state does nothing: better lost than freed under its owner.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Lent. It was looked at, and nothing was called.
    Claimed,
    /// Lent. Restored and preserved again.
    Carried,
    /// Lent. Restored and preserved no more.
    Taken,
    /// Taken, and then given back: restored, but there for the next claim.
    Returned,
}

struct Block {
    addr: PhysAddr,
    order: u32,
    state: State,
}

/// The allocator. A block that is claimed, and neither freed nor carried, is gone at a kexec.
pub(crate) struct Kho<B> {
    bindings: B,
    /// Sorted by address.
    blocks: spin::Mutex<Vec<Block>>,
}

fn order_of(size: usize) -> Option<u32> {
    let order = size.trailing_zeros().checked_sub(12)?; // pages of 4096 bytes, and none smaller
    size.is_power_of_two().then_some(order)
}

fn find(blocks: &[Block], addr: PhysAddr) -> Result<usize, usize> {
    blocks.binary_search_by_key(&addr, |block| block.addr)
}

impl<B: Bindings> Kho<B> {
    /// # Safety
    ///
    /// It is the only one of its kernel: no one else knows what it lends.
    pub(crate) const unsafe fn new(bindings: B) -> Self {
        Self { bindings, blocks: spin::Mutex::new(Vec::new()) }
    }
}

// SAFETY: by duty. 1, 3, 4: KHO's blocks are zeroed pages of the kernel's direct map, aligned to
// their order. 2, 5: a block is lent if its first page has a mark of this order, and not again while
// the table says so; that it is no one else's page, the root says that led here. 6: only pages are
// looked at, none is read. 7: KHO does that. 8: nothing panics, and a table that cannot grow refuses.
// 9: `new` was told so. 10: what the next kernel finds is in KHO's books alone. 11: said of `Kho`.
unsafe impl<B: Bindings> PreservedAllocator for Kho<B> {
    fn alloc_preserve(&self, size: usize) -> Result<PreservedBlock, AllocError> {
        order_of(size).ok_or(AllocError)?;
        let ptr = self.bindings.kho_alloc_preserve(size).ok_or(AllocError)?;
        Ok(PreservedBlock { ptr, addr: self.bindings.virt_to_phys(ptr) })
    }

    unsafe fn unpreserve_free(&self, ptr: NonNull<u8>, _size: usize) {
        let mut blocks = self.blocks.lock();
        match find(&blocks, self.bindings.virt_to_phys(ptr)) {
            // SAFETY: it is the caller's, and from `kho_alloc_preserve`.
            Err(_) => unsafe { self.bindings.kho_unpreserve_free(ptr) },
            Ok(at) if blocks[at].state == State::Carried => {
                // SAFETY: it is the caller's, and preserved.
                unsafe { self.bindings.kho_unpreserve_folio(ptr) };
                // SAFETY: it is the caller's, and preserved no more.
                unsafe { self.bindings.free_pages(ptr, blocks[at].order) };
                blocks.remove(at);
            }
            Ok(_) => {}
        }
    }

    fn restore(&self, addr: PhysAddr, size: usize) -> Option<NonNull<u8>> {
        let order = order_of(size)?;
        let mut blocks = self.blocks.lock();
        let returned = |block: &Block| block.state == State::Returned && block.order == order;
        let unclaimed = || self.bindings.page_mark(addr) == Some(order);
        match find(&blocks, addr) {
            Ok(at) if returned(&blocks[at]) => blocks[at].state = State::Taken,
            Err(at) if addr.is_aligned_to(4096 << order) && unclaimed() => {
                blocks.try_reserve(1).ok()?;
                blocks.insert(at, Block { addr, order, state: State::Claimed });
            }
            _ => return None,
        }
        Some(self.bindings.phys_to_virt(addr))
    }

    unsafe fn unrestore(&self, ptr: NonNull<u8>, _size: usize) {
        let mut blocks = self.blocks.lock();
        let Ok(at) = find(&blocks, self.bindings.virt_to_phys(ptr)) else { return };
        match blocks[at].state {
            State::Claimed => _ = blocks.remove(at),
            State::Taken => blocks[at].state = State::Returned,
            State::Carried | State::Returned => {}
        }
    }

    unsafe fn restore_free(&self, ptr: NonNull<u8>, _size: usize) {
        let mut blocks = self.blocks.lock();
        let Ok(at) = find(&blocks, self.bindings.virt_to_phys(ptr)) else { return };
        match blocks[at].state {
            // SAFETY: it is the caller's, and has its mark.
            State::Claimed => unsafe { self.bindings.kho_restore_free(ptr) },
            // SAFETY: it is the caller's, and restored.
            State::Taken => unsafe { self.bindings.free_pages(ptr, blocks[at].order) },
            State::Carried | State::Returned => return,
        }
        blocks.remove(at);
    }
}

// SAFETY: a carried block is restored, which makes it the kernel's, and preserved by KHO.
unsafe impl<B: Bindings> CarryAllocator for Kho<B> {
    unsafe fn preserve(&self, ptr: NonNull<u8>, _size: usize) -> Result<(), AllocError> {
        let addr = self.bindings.virt_to_phys(ptr);
        let mut blocks = self.blocks.lock();
        let at = find(&blocks, addr).map_err(|_| AllocError)?;
        let block = &mut blocks[at];
        match block.state {
            State::Claimed => {
                // SAFETY: it is the caller's, and has its mark.
                unsafe { self.bindings.kho_restore_folio(addr) }.ok_or(AllocError)?;
                block.state = State::Taken;
            }
            State::Taken => {}
            State::Carried | State::Returned => return Err(AllocError),
        }
        // SAFETY: it is the caller's, and restored.
        unsafe { self.bindings.kho_preserve_folio(ptr, block.order) }?;
        block.state = State::Carried;
        Ok(())
    }

    unsafe fn unpreserve(&self, ptr: NonNull<u8>, _size: usize) {
        let mut blocks = self.blocks.lock();
        let Ok(at) = find(&blocks, self.bindings.virt_to_phys(ptr)) else { return };
        if blocks[at].state == State::Carried {
            // SAFETY: it is the caller's, and preserved.
            unsafe { self.bindings.kho_unpreserve_folio(ptr) };
            blocks[at].state = State::Taken;
        }
    }
}
