//! KHO's rules on a host: blocks of pages, their marks, and a report of every call that breaks a
//! rule.

use core::mem;
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use kho_block::{AllocError, PhysAddr};

pub(crate) const PAGE_SIZE: usize = 4096;

/// What every byte of a freed page is set to.
pub(crate) const POISON: u8 = 0xa5;

/// Whose a block of pages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Preserved by the previous kernel and not restored: the first page carries the mark.
    Marked,
    /// Memory of this kernel, gone at the next kexec.
    Ordinary,
    /// From `kho_alloc_preserve`: marked for the next kernel.
    Allocated,
    /// Given to `kho_preserve_folio`: marked for the next kernel.
    Preserved,
    /// Freed by this kernel.
    Free,
}

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A call got a block that is not in the state the call works on; it did nothing.
    Misuse { call: &'static str, addr: u64, is: State },
    /// A call got a block of another order; it did nothing.
    WrongOrder { call: &'static str, addr: u64, order: u32, said: u32 },
    /// A kexec came while the block was neither freed nor preserved for the next kernel.
    Lost { addr: u64 },
}

#[derive(Clone)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_SIZE]);

struct Block {
    state: State,
    order: u32,
    pages: Vec<Page>,
}

struct Tables {
    /// By address. What is freed stays, to be allocated again.
    blocks: BTreeMap<u64, Block>,
    calls: Vec<&'static str>,
    faults: Vec<Fault>,
    /// Calls that need memory to be granted before all are refused.
    until_refusal: Option<usize>,
}

/// A machine whose kernels hand over to each other by KHO. The methods up to
/// [`free_pages`](Self::free_pages) are the kernel's; those with `&mut self` the test's, which may
/// touch memory since no allocator and no set is alive then.
pub(crate) struct Machine(Mutex<Tables>);

impl Machine {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Tables {
            blocks: BTreeMap::new(),
            calls: Vec::new(),
            faults: Vec::new(),
            until_refusal: None,
        }))
    }

    /// Zeroed pages, as many as `size` takes, that the next kernel finds marked.
    pub(crate) fn kho_alloc_preserve(&self, size: usize) -> Option<NonNull<u8>> {
        let tables = &mut *self.called("kho_alloc_preserve");
        tables.grant().ok()?;
        let order = size.div_ceil(PAGE_SIZE).next_power_of_two().trailing_zeros();
        let align = u64::try_from(PAGE_SIZE << order).unwrap();
        let free = |(_, block): &(&u64, &Block)| (block.state, block.order) == (State::Free, order);
        let end = |(&addr, block): (&u64, &Block)| addr + block.size();
        let addr = match tables.blocks.iter().find(free) {
            Some((&addr, _)) => addr,
            None => tables.blocks.last_key_value().map_or(1 << 32, end).next_multiple_of(align),
        };
        tables.blocks.remove(&addr);
        Some(tables.add(addr, State::Allocated, order))
    }

    /// Frees what came from `kho_alloc_preserve`.
    pub(crate) fn kho_unpreserve_free(&self, ptr: NonNull<u8>) {
        let call = "kho_unpreserve_free";
        self.called(call).turn(call, ptr, State::Allocated, State::Free);
    }

    /// Takes the mark off a first page, for good. Takes any address within it.
    pub(crate) fn kho_restore_folio(&self, addr: u64) -> Option<NonNull<u8>> {
        let call = "kho_restore_folio";
        let tables = &mut *self.called(call);
        let ptr = tables.blocks.get(&first_byte(addr))?.ptr();
        tables.turn(call, ptr, State::Marked, State::Ordinary).then_some(ptr)
    }

    /// Restores and frees: it needs the mark.
    pub(crate) fn kho_restore_free(&self, ptr: NonNull<u8>) {
        let call = "kho_restore_free";
        self.called(call).turn(call, ptr, State::Marked, State::Free);
    }

    /// Marks a block of this kernel for the next.
    ///
    /// # Errors
    ///
    /// If there is no memory for the mark, or the block is not ordinary.
    pub(crate) fn kho_preserve_folio(
        &self,
        ptr: NonNull<u8>,
        order: u32,
    ) -> Result<(), AllocError> {
        let call = "kho_preserve_folio";
        let tables = &mut *self.called(call);
        tables.grant()?;
        let done = tables.is_of_order(call, ptr, order)
            && tables.turn(call, ptr, State::Ordinary, State::Preserved);
        done.then_some(()).ok_or(AllocError)
    }

    /// Takes `kho_preserve_folio` back.
    pub(crate) fn kho_unpreserve_folio(&self, ptr: NonNull<u8>) {
        let call = "kho_unpreserve_folio";
        self.called(call).turn(call, ptr, State::Preserved, State::Ordinary);
    }

    /// Frees ordinary pages.
    pub(crate) fn free_pages(&self, ptr: NonNull<u8>, order: u32) {
        let call = "free_pages";
        let tables = &mut *self.called(call);
        if tables.is_of_order(call, ptr, order) {
            tables.turn(call, ptr, State::Ordinary, State::Free);
        }
    }

    /// The order of the block whose first page holds `addr` and carries the mark. Only looks.
    pub(crate) fn page_mark(&self, addr: u64) -> Option<u32> {
        let tables = self.tables();
        let block = tables.blocks.get(&first_byte(addr))?;
        (block.state == State::Marked).then_some(block.order)
    }

    /// Where the block at `addr` is reached, marked or not.
    pub(crate) fn phys_to_virt(&self, addr: u64) -> NonNull<u8> {
        self.tables().blocks.get(&addr).expect("the address is that of a block").ptr()
    }

    pub(crate) fn virt_to_phys(&self, ptr: NonNull<u8>) -> PhysAddr {
        PhysAddr::new(self.tables().at(ptr).0).unwrap()
    }

    /// Grants the next `n` calls that need memory, and refuses every later one.
    pub(crate) fn refuse_after(&self, n: usize) {
        self.tables().until_refusal = Some(n);
    }

    /// The calls since the last time, look-ups excepted.
    pub(crate) fn take_calls(&self) -> Vec<&'static str> {
        mem::take(&mut self.tables().calls)
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.tables().faults.clone()
    }

    pub(crate) fn state(&self, addr: PhysAddr) -> Option<State> {
        self.tables().blocks.get(&addr.get()).map(|block| block.state)
    }

    /// The blocks that are not freed, and whose they are.
    pub(crate) fn in_use(&self) -> Vec<(u64, State)> {
        let tables = self.tables();
        let blocks = tables.blocks.iter().map(|(&addr, block)| (addr, block.state));
        blocks.filter(|&(_, state)| state != State::Free).collect()
    }

    /// Asserts that every page was freed, and no rule broken.
    pub(crate) fn assert_clean(&self) {
        assert_eq!((self.in_use(), self.faults()), (vec![], vec![]), "pages in use, broken rules");
    }

    /// Adds pages that the previous kernel preserved.
    pub(crate) fn leave(&mut self, addr: u64, order: u32) -> PhysAddr {
        self.tables().add(addr, State::Marked, order);
        PhysAddr::new(addr).unwrap()
    }

    /// The first page of a block.
    pub(crate) fn read(&mut self, addr: PhysAddr) -> [u8; PAGE_SIZE] {
        self.tables().blocks[&addr.get()].pages[0].0
    }

    /// Overwrites bytes within the first page of a block.
    pub(crate) fn write(&mut self, addr: u64, bytes: &[u8]) {
        let tables = &mut *self.tables();
        let block = tables.blocks.get_mut(&first_byte(addr)).expect("there is such a block");
        let offset = usize::try_from(addr - first_byte(addr)).unwrap();
        block.pages[0].0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Starts the next kernel. What is preserved for it carries the mark; all else is gone.
    pub(crate) fn kexec(&mut self) {
        let tables = &mut *self.tables();
        for (addr, mut block) in mem::take(&mut tables.blocks) {
            match block.state {
                State::Allocated | State::Preserved => {
                    block.state = State::Marked;
                    tables.blocks.insert(addr, block);
                }
                State::Marked | State::Ordinary => tables.faults.push(Fault::Lost { addr }),
                State::Free => {}
            }
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap()
    }

    fn called(&self, call: &'static str) -> MutexGuard<'_, Tables> {
        let mut tables = self.tables();
        tables.calls.push(call);
        tables
    }
}

impl Tables {
    fn add(&mut self, addr: u64, state: State, order: u32) -> NonNull<u8> {
        let block = Block { state, order, pages: vec![Page([0; PAGE_SIZE]); 1 << order] };
        let ptr = block.ptr();
        assert!(
            PhysAddr::new(addr).unwrap().is_aligned_to(block.size()),
            "a block is aligned to its size"
        );
        assert!(self.blocks.insert(addr, block).is_none(), "the address is in use");
        ptr
    }

    /// The block that `ptr` is the start of.
    fn at(&self, ptr: NonNull<u8>) -> (u64, &Block) {
        let found = self.blocks.iter().find(|(_, block)| block.ptr() == ptr);
        found.map(|(&addr, block)| (addr, block)).expect("the pointer is that of a block")
    }

    /// Turns a block from one state into another, or reports that it is in neither.
    fn turn(&mut self, call: &'static str, ptr: NonNull<u8>, from: State, to: State) -> bool {
        let (addr, &Block { state: is, .. }) = self.at(ptr);
        if is != from {
            self.faults.push(Fault::Misuse { call, addr, is });
            return false;
        }
        let block = self.blocks.get_mut(&addr).unwrap();
        block.state = to;
        if to == State::Free {
            block.pages.fill(Page([POISON; PAGE_SIZE]));
        }
        true
    }

    fn is_of_order(&mut self, call: &'static str, ptr: NonNull<u8>, said: u32) -> bool {
        let (addr, &Block { order, .. }) = self.at(ptr);
        if order != said {
            self.faults.push(Fault::WrongOrder { call, addr, order, said });
        }
        order == said
    }

    /// Lets a call have memory.
    ///
    /// # Errors
    ///
    /// If it is to be refused.
    fn grant(&mut self) -> Result<(), AllocError> {
        if let Some(left) = &mut self.until_refusal {
            *left = left.checked_sub(1).ok_or(AllocError)?;
        }
        Ok(())
    }
}

impl Block {
    fn ptr(&self) -> NonNull<u8> {
        NonNull::new(self.pages.as_ptr().cast_mut().cast()).unwrap()
    }

    fn size(&self) -> u64 {
        u64::try_from(PAGE_SIZE << self.order).unwrap()
    }
}

/// Where the page that holds `addr` starts.
fn first_byte(addr: u64) -> u64 {
    addr / 4096 * 4096
}
