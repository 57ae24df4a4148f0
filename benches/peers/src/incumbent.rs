//! The model of the C original, as gcc and as clang compile it, over the pool of the benchmarks.
//!
//! Unsafe is open here to call C.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "a callback is one call in C")]

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use kho_block::PhysAddr;

use crate::pool::Pool;

/// Both ways of freeing a block.
type Free = extern "C" fn(*const c_void, *mut c_void, usize);

/// `struct memory`. C reads it through a pointer of its own, so what changes is in cells.
#[repr(C)]
struct Memory {
    context: *const c_void,
    alloc: extern "C" fn(*const c_void, usize, *mut u64) -> *mut c_void,
    unpreserve_free: Cell<Free>,
    restore: extern "C" fn(*const c_void, u64, usize) -> *mut c_void,
    restore_free: Cell<Free>,
    virt_offset: u64,
}

/// `struct node`.
#[repr(C)]
struct Node {
    next: *mut Node,
    prev: *mut Node,
    header: *mut c_void,
}

/// `struct set`.
#[repr(C)]
pub struct RawSet {
    ends: Node,
    memory: *const Memory,
    block_size: usize,
    entry_size: usize,
    per_block: usize,
    blocks: usize,
    head: u64,
    incoming: bool,
}

/// `struct cursor`.
#[repr(C)]
pub struct RawCursor {
    set: *mut RawSet,
    node: *mut Node,
    slot: usize,
}

/// The same C file as one compiler builds it.
pub trait Build {
    /// The name in the table.
    const NAME: &'static str;

    fn init(set: *mut RawSet, memory: *const c_void, block_size: usize, entry_size: usize);
    fn grow(set: *mut RawSet, entries: usize) -> i32;
    fn restore(set: *mut RawSet, head: u64) -> i32;
    fn destroy(set: *mut RawSet);
    fn begin(cursor: *mut RawCursor, set: *mut RawSet);
    fn write(cursor: *mut RawCursor) -> *mut c_void;
    fn read(cursor: *mut RawCursor) -> *mut c_void;
    fn prev(cursor: *mut RawCursor) -> *mut c_void;
    fn finalize(cursor: *mut RawCursor);
    fn save(cursor: *mut RawCursor, records: *const c_void, count: usize) -> bool;
}

/// Implements [`Build`] by the functions whose names start with a prefix.
macro_rules! build {
    ($build:ident, $name:literal, {
        $($method:ident = $symbol:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*
    }) => {
        pub struct $build;

        impl Build for $build {
            const NAME: &'static str = $name;
            $(
                #[inline(always)]
                fn $method($($arg: $type),*) $(-> $result)? {
                    unsafe extern "C" {
                        fn $symbol($($arg: $type),*) $(-> $result)?;
                    }
                    // SAFETY: only the wrappers below call this, with a set or cursor that `init` or
                    // `begin` has filled, over a pool that outlives it.
                    unsafe { $symbol($($arg),*) }
                }
            )*
        }
    };
}

build!(Gcc, "C, gcc", {
    init = gcc_init(set: *mut RawSet, memory: *const c_void, block_size: usize, entry_size: usize);
    grow = gcc_grow(set: *mut RawSet, entries: usize) -> i32;
    restore = gcc_restore(set: *mut RawSet, head: u64) -> i32;
    destroy = gcc_destroy(set: *mut RawSet);
    begin = gcc_begin(cursor: *mut RawCursor, set: *mut RawSet);
    write = gcc_write(cursor: *mut RawCursor) -> *mut c_void;
    read = gcc_read(cursor: *mut RawCursor) -> *mut c_void;
    prev = gcc_prev(cursor: *mut RawCursor) -> *mut c_void;
    finalize = gcc_finalize(cursor: *mut RawCursor);
    save = gcc_save(cursor: *mut RawCursor, records: *const c_void, count: usize) -> bool;
});

#[cfg(clang)]
build!(Clang, "C, clang", {
    init = clang_init(set: *mut RawSet, memory: *const c_void, block_size: usize, entry_size: usize);
    grow = clang_grow(set: *mut RawSet, entries: usize) -> i32;
    restore = clang_restore(set: *mut RawSet, head: u64) -> i32;
    destroy = clang_destroy(set: *mut RawSet);
    begin = clang_begin(cursor: *mut RawCursor, set: *mut RawSet);
    write = clang_write(cursor: *mut RawCursor) -> *mut c_void;
    read = clang_read(cursor: *mut RawCursor) -> *mut c_void;
    prev = clang_prev(cursor: *mut RawCursor) -> *mut c_void;
    finalize = clang_finalize(cursor: *mut RawCursor);
    save = clang_save(cursor: *mut RawCursor, records: *const c_void, count: usize) -> bool;
});

/// A set of the C original with entries of type `T`.
///
/// # Invariants
///
/// 1. `raw` was filled by `init`, and stays where it is: its list points to itself.
/// 2. `memory` points to a pool that outlives `'a`.
pub struct CSet<'a, B: Build, T> {
    raw: Box<RawSet>,
    memory: Rc<Memory>,
    pool: PhantomData<(&'a Pool, B, T)>,
}

impl<'a, B: Build, T> CSet<'a, B, T> {
    /// An empty set.
    pub fn new(pool: &'a Pool, block_size: usize) -> Self {
        let memory = Rc::new(Memory {
            context: ptr::from_ref(pool).cast(),
            alloc,
            unpreserve_free: Cell::new(free),
            restore: claim,
            restore_free: Cell::new(free),
            virt_offset: pool.virt_offset(),
        });
        // SAFETY: all zeros are null pointers, zeros and `false`.
        let mut raw: Box<RawSet> = unsafe { Box::new_zeroed().assume_init() };
        B::init(&raw mut *raw, Rc::as_ptr(&memory).cast(), block_size, size_of::<T>());
        Self { raw, memory, pool: PhantomData }
    }

    pub fn grow(&mut self, entries: usize) {
        assert_eq!(B::grow(&raw mut *self.raw, entries), 0, "the pool has as many blocks");
    }

    /// Whether the chain was taken over.
    pub fn restore(&mut self, head: Option<PhysAddr>) -> bool {
        B::restore(&raw mut *self.raw, PhysAddr::to_wire(head)) == 0
    }

    pub fn destroy(&mut self) {
        B::destroy(&raw mut *self.raw);
    }

    /// A cursor at the first slot, to write from there on or to read.
    pub fn cursor(&mut self) -> CCursor<'_, B, T> {
        let mut raw = RawCursor { set: ptr::null_mut(), node: ptr::null_mut(), slot: 0 };
        B::begin(&mut raw, &raw mut *self.raw);
        CCursor { raw, set: PhantomData }
    }

    /// The address of the first block.
    pub fn head(&self) -> Option<PhysAddr> {
        PhysAddr::new(self.raw.head)
    }

    /// Forgets the blocks, for the next kernel to find, and frees the nodes.
    pub fn into_head(mut self) -> Option<PhysAddr> {
        let head = self.head();
        self.memory.unpreserve_free.set(keep);
        self.destroy();
        head
    }

    /// Makes freeing a restored block as cheap as it can be: the block can be claimed again.
    pub fn lend(&mut self) {
        self.memory.restore_free.set(unclaim);
    }

    /// Gives every claim back, which the C original cannot.
    pub fn release(mut self) {
        self.lend();
    }
}

impl<B: Build, T> Drop for CSet<'_, B, T> {
    fn drop(&mut self) {
        self.destroy();
    }
}

impl<B: Build> CSet<'_, B, [u64; 8]> {
    /// Writes `records` from the first slot on, as a user in C does.
    pub fn save(&mut self, records: &[[u64; 8]]) {
        let mut cursor = self.cursor();
        let saved = B::save(&mut cursor.raw, records.as_ptr().cast(), records.len());
        assert!(saved, "the set has as many slots");
    }
}

/// A cursor over a [`CSet`]: a call for each entry.
pub struct CCursor<'s, B, T> {
    raw: RawCursor,
    set: PhantomData<(&'s mut T, B)>,
}

impl<'s, B: Build, T> CCursor<'s, B, T> {
    /// Reserves the next slot and writes it. `false` if there is none.
    #[inline(always)]
    pub fn push(&mut self, entry: T) -> bool {
        match NonNull::new(B::write(&mut self.raw)) {
            // SAFETY: the slot has the size of a `T` and is the set's own; `'s` borrows the set.
            Some(slot) => unsafe { slot.cast().write(entry) },
            None => return false,
        }
        true
    }

    /// Stores the count of the block written last.
    pub fn finalize(&mut self) {
        B::finalize(&mut self.raw);
    }

    /// Reads the next entry.
    #[inline(always)]
    pub fn next(&mut self) -> Option<&'s T> {
        // SAFETY: an entry of the set, which `'s` borrows; any bytes are a `T`.
        NonNull::new(B::read(&mut self.raw)).map(|entry| unsafe { entry.cast().as_ref() })
    }

    /// Steps back over an entry.
    #[inline(always)]
    pub fn prev(&mut self) -> Option<&'s T> {
        // SAFETY: an entry of the set, which `'s` borrows; any bytes are a `T`.
        NonNull::new(B::prev(&mut self.raw)).map(|entry| unsafe { entry.cast().as_ref() })
    }
}

/// The pool behind a callback.
fn pool<'a>(context: *const c_void) -> &'a Pool {
    // SAFETY: by invariant 2 of the set whose code calls back.
    unsafe { &*context.cast() }
}

extern "C" fn alloc(context: *const c_void, _size: usize, addr: *mut u64) -> *mut c_void {
    match pool(context).take() {
        Some(block) => {
            // SAFETY: `addr` points to a variable of the caller.
            unsafe { addr.write(block.addr.get()) };
            block.ptr.as_ptr().cast()
        }
        None => ptr::null_mut(),
    }
}

extern "C" fn free(context: *const c_void, block: *mut c_void, _size: usize) {
    if let Some(block) = NonNull::new(block) {
        pool(context).put(block.cast());
    }
}

extern "C" fn keep(_context: *const c_void, _block: *mut c_void, _size: usize) {}

extern "C" fn unclaim(context: *const c_void, block: *mut c_void, _size: usize) {
    if let Some(block) = NonNull::new(block) {
        pool(context).unclaim(block.cast());
    }
}

extern "C" fn claim(context: *const c_void, addr: u64, size: usize) -> *mut c_void {
    pool(context).claim(addr, size).map_or(ptr::null_mut(), |block| block.as_ptr().cast())
}
