//! What a next kernel finds in a copy of the memory, and what comes of it if it goes on with that.
//!
//! Unsafe is open here to be a kernel: to read and to fill blocks.

#![expect(unsafe_code, reason = "reads and fills blocks")]

use core::ptr::NonNull;
use core::slice;
use std::collections::BTreeMap;

use kho_block::{
    Descriptor, IncomingSet, IncomingSlots, Key, OutgoingSet, PreservedAllocator, Region,
};

use super::{BLOCK_SIZE, FILLED, NAMES, NAMES_SIZE, Other, Raw, Record, TABLE};
use crate::region::kernels::{FIRST, POISON, UNIT, UNITS, open};
use crate::slots::kernels::Stamped;
use crate::strict::{When, restore};
use crate::{Entry, entry};

/// What there is, as the bytes have it.
pub(super) struct Found {
    pub(super) first: Vec<Entry>,
    pub(super) second: Vec<Other>,
    pub(super) rows: BTreeMap<u32, (u32, Entry)>,
    /// For each block that is in no set, whether it is there; its bytes are as they were.
    pub(super) raws: Vec<bool>,
    /// The key that the next entry of the table has got.
    pub(super) next: Option<Key>,
}

/// The number of the entries that the next kernel appends.
const NEXT: usize = 1 << 16;

/// What is under way: whether the sets, and the table, may have entries that are not counted.
pub(super) type Whens = [When; 3];

/// The set that the names tell; none of its blocks is there if they do not.
fn taken<'r, T: Record>(
    region: &'r Region,
    names: &[Descriptor],
    when: When,
) -> IncomingSet<T, &'r Region, BLOCK_SIZE> {
    let name = names.iter().find(|name| name.tag == T::TAG);
    let none = || OutgoingSet::<T, _, BLOCK_SIZE>::new(region).descriptor(T::TAG);
    restore(region, &name.copied().unwrap_or_else(none), T::TAG, when).unwrap()
}

/// What a next kernel finds in `memory`, where there may be `raws` that are in no set. It goes on with
/// all of it: adopts it, frees what is no one's, appends to each set, and allocates all that is left.
///
/// # Panics
///
/// If it finds anything that is not sound; a block with other bytes; a unit that is lent twice, or that
/// no one is ever lent again; or if entries are others later than they were.
pub(super) fn found(memory: NonNull<u8>, whens: Whens, raws: &[Raw]) -> Found {
    let region = open(memory).unwrap();
    let root = region.root().unwrap();
    // They are sealed before they are named.
    let names = restore::<Descriptor, _, NAMES_SIZE>(&region, &root, NAMES, When::AtRest).unwrap();
    let told: Vec<_> = names.iter().copied().collect();
    let first = taken::<Entry>(&region, &told, whens[0]);
    let second = taken::<Other>(&region, &told, whens[1]);
    let name = told.iter().find(|name| name.tag == TABLE).unwrap();
    drop(restore::<Stamped, _, BLOCK_SIZE>(&region, name, TABLE, whens[2]).unwrap());
    let table = IncomingSlots::<Entry, _, BLOCK_SIZE>::restore_from(&region, name, TABLE).unwrap();
    table.audit().unwrap();

    let claims: Vec<_> = raws.iter().map(|raw| region.restore(raw.addr, raw.size)).collect();
    let bytes: Vec<_> =
        raws.iter().zip(&claims).filter_map(|(raw, &ptr)| Some((raw.fill, ptr?))).collect();
    assert_filled(&bytes);
    let found = Found {
        first: first.iter().copied().collect(),
        second: second.iter().copied().collect(),
        rows: table.iter().map(|(key, entry)| (key.slot, (key.life, *entry))).collect(),
        raws: claims.iter().map(Option::is_some).collect(),
        next: None,
    };

    region.sweep();
    let mut first = first.adopt().map_err(|error| error.into_kind()).unwrap();
    let mut second = second.adopt().map_err(|error| error.into_kind()).unwrap();
    let mut table = table.adopt().map_err(|error| error.into_kind()).unwrap();
    let units =
        |(raw, ptr): (&Raw, &Option<_>)| ptr.map_or(0, |_: NonNull<u8>| raw.size.div_ceil(UNIT));
    let mut lent: usize = raws.iter().zip(&claims).map(units).sum();
    let _ = first.push(Entry::number(NEXT));
    let _ = second.push(Other::number(NEXT));
    let next = table.insert(entry(NEXT)).ok();
    let blocks = [first.block_count(), second.block_count(), table.block_count()];
    lent = blocks
        .iter()
        .fold(lent.saturating_add(names.block_count()), |sum, &blocks| sum.saturating_add(blocks));
    while let Ok(block) = region.alloc_preserve(UNIT) {
        // SAFETY: the block is as long, and lent to this kernel.
        unsafe { block.ptr.write_bytes(POISON, UNIT) };
        lent = lent.saturating_add(1);
    }
    assert_eq!(lent, UNITS.saturating_sub(FIRST), "units that are lent");

    first.audit().unwrap();
    second.audit().unwrap();
    table.audit().unwrap();
    assert!(names.iter().eq(&told));
    assert!(first.iter().take(found.first.len()).eq(&found.first));
    assert!(second.iter().take(found.second.len()).eq(&found.second));
    let rows = table.iter().filter(|&(key, _)| Some(key) != next);
    assert!(rows.map(|(key, entry)| (key.slot, (key.life, *entry))).eq(found.rows.clone()));
    assert_filled(&bytes);
    Found { next, ..found }
}

/// The blocks are filled with these bytes.
fn assert_filled(blocks: &[(u8, NonNull<u8>)]) {
    for &(fill, ptr) in blocks {
        // SAFETY: the block is larger, and lent to this kernel.
        let bytes = unsafe { slice::from_raw_parts(ptr.as_ptr(), FILLED) };
        assert!(bytes.iter().all(|&byte| byte == fill), "the block is not all {fill}: {bytes:x?}");
    }
}
