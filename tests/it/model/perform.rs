//! Operations on a set and on the list alike.

use kho_block::mock::Mock;
use kho_block::{BlockSet, CapacityError, Descriptor, DescriptorFlags, Outgoing, Writer};

use super::compare::{Promising, TAG, check, promise, read, walk};
use super::list::{Model, Sample};
use super::plan::{Change, Save, Write};

pub(super) fn apply<T: Sample, O: Promising, const B: usize>(
    set: &mut BlockSet<T, &Mock, O, B>,
    model: &mut Model<T>,
    change: &Change,
) {
    let (len, capacity) = (model.entries.len(), model.capacity);
    match change {
        Change::Pop => assert_eq!(set.pop(), model.pop()),
        Change::SwapRemove(at) => {
            let index = at.of(len, capacity);
            assert_eq!(set.swap_remove(index), model.swap_remove(index), "entry {index} of {len}");
        }
        Change::Truncate(at) => {
            set.truncate(at.of(len, capacity));
            model.truncate(at.of(len, capacity));
        }
        Change::Clear => {
            set.clear();
            model.truncate(0);
        }
        Change::Shrink(at) => {
            set.shrink(at.of(len, capacity));
            model.shrink(at.of(len, capacity));
        }
        Change::Destroy => {
            set.destroy();
            model.keep_blocks(0);
        }
        Change::One(at) => {
            let index = at.of(len, capacity);
            let new = model.samples(1).remove(0);
            assert_eq!(set.get_mut(index).is_some(), index < len);
            if let Some(entry) = set.get_mut(index) {
                *entry = new.clone();
                model.entries[index] = new;
            }
        }
        Change::Last => {
            let new = model.samples(1).remove(0);
            assert_eq!(set.last_mut().is_some(), len > 0);
            if let (Some(entry), Some(last)) = (set.last_mut(), model.entries.last_mut()) {
                assert_eq!(entry, last);
                *entry = new.clone();
                *last = new;
            }
        }
        Change::All => {
            let new = model.samples(len);
            set.iter_mut()
                .rev()
                .zip(new.iter().rev())
                .for_each(|(entry, new)| *entry = new.clone());
            model.entries = new;
        }
        Change::Blocks { back } => {
            model.entries = model.samples(len);
            let write = |(block, new): (&mut [T], &[T])| block.clone_from_slice(new);
            let (blocks, new) = (set.blocks_mut(), model.blocks().into_iter());
            if *back {
                blocks.rev().zip(new.rev()).for_each(write);
            } else {
                blocks.zip(new).for_each(write);
            }
        }
        Change::Read(steps, finish) => {
            read(set.iter(), model.entries.iter(), steps, *finish, capacity);
            read((&*set).into_iter().clone(), model.entries.iter(), steps, *finish, capacity);
            read((&mut *set).into_iter(), model.entries.iter_mut(), steps, *finish, capacity);
            read(set.blocks(), model.blocks().into_iter(), steps, *finish, 1);
            let mut copies: Vec<Vec<T>> = model.blocks().into_iter().map(<[T]>::to_vec).collect();
            let lists = copies.iter_mut().map(Vec::as_mut_slice);
            read(set.blocks_mut(), lists, steps, *finish, 1);
            let addrs: Vec<_> = set.block_addrs().collect();
            read(set.block_addrs().clone(), addrs.into_iter(), steps, *finish, 1);
        }
        Change::Walk { back, moves } => walk(set, model, *back, moves),
    }
}

/// Writes through one write cursor.
pub(super) fn apply_writes<T: Sample, const B: usize>(
    mut writer: Writer<'_, T, B>,
    model: &mut Model<T>,
    writes: &[Write],
) {
    for write in writes {
        let room = model.room();
        match write {
            Write::Push => {
                let new = model.samples(1);
                match writer.push(new[0].clone()) {
                    Ok(()) => model.append(&new),
                    Err(full) => assert_eq!((full.entry, room), (new[0].clone(), 0)),
                }
            }
            Write::Zeroed => {
                let new = model.samples(1);
                match writer.push_zeroed() {
                    Some(entry) => {
                        assert!(entry.as_bytes().iter().all(|&byte| byte == 0));
                        *entry = new[0].clone();
                        model.append(&new);
                    }
                    None => assert_eq!(room, 0),
                }
            }
            Write::Slice(at) => {
                let new = model.samples(at.of(room, model.capacity));
                match writer.extend_from_slice(&new) {
                    Ok(()) => model.append(&new),
                    Err(CapacityError { wanted, available, .. }) => {
                        assert_eq!((wanted, available), (new.len(), room));
                        assert!(wanted > available);
                    }
                }
            }
            Write::Extend(at) => {
                let new = model.samples(at.of(room, model.capacity));
                let fits = new.len().min(room);
                let mut entries = new.iter().cloned();
                assert_eq!(writer.extend(&mut entries), fits);
                model.append(&new[..fits]);
                assert!(entries.eq(new[fits..].iter().cloned()), "an entry without room is lost");
            }
            Write::Pop => assert_eq!(writer.pop(), model.pop()),
        }
    }
}

pub(super) fn apply_save<T: Sample, const B: usize>(
    set: &mut BlockSet<T, &Mock, Outgoing, B>,
    model: &mut Model<T>,
    save: &Save,
) {
    let (len, capacity) = (model.entries.len(), model.capacity);
    match save {
        Save::Change(change) => apply(set, model, change),
        Save::Push(n) => {
            for new in model.samples(*n) {
                set.push(new.clone()).unwrap();
                model.grow(model.entries.len() + 1);
                model.append(&[new]);
            }
        }
        Save::Extend(at) => {
            // Few blocks show all there is to see.
            let new = if len < 6 * capacity { at.of(len, capacity) } else { 0 };
            let new = model.samples(new);
            set.extend_from_slice(&new).unwrap();
            model.grow(len + new.len());
            model.append(&new);
        }
        Save::TryExtend(at, blocks) => {
            let new = if len < 6 * capacity { at.of(len, capacity) } else { 0 };
            let new = model.samples(new);
            let fits = new.len().min(model.room() + blocks * capacity);
            let mut entries = new.iter().cloned();
            set.allocator().refuse_after(*blocks);
            let extended = set.try_extend(&mut entries);
            set.allocator().refuse_none();
            model.grow(len + fits);
            model.append(&new[..fits]);
            // What did not fit is in the error, or has not been asked for.
            let held = extended.map_err(|error| error.entry).err();
            assert!(held.into_iter().chain(entries).eq(new[fits..].iter().cloned()));
        }
        Save::Retain(of, keep) => {
            let choose = |number: &mut usize| {
                *number += 1;
                (*number - 1) % of < *keep
            };
            let (mut number, mut seen) = (0, Vec::new());
            set.retain(|entry| {
                seen.push(entry.clone());
                choose(&mut number)
            });
            assert!(seen == model.entries, "each entry is shown once, in order");
            let mut number = 0;
            model.retain(|_| choose(&mut number));
        }
        Save::Take => {
            let taken = set.take();
            check(&taken, model);
            check(set, &Model::new(capacity));
            set.push(model.samples(1).remove(0)).unwrap();
            assert_eq!((set.len(), set.block_count()), (1, 1));
            *set = taken;
        }
        Save::Grow(at) => {
            set.grow(at.of(len, capacity)).unwrap();
            model.grow(at.of(len, capacity));
        }
        Save::Seal => {
            let sealed = set.take().seal();
            model.shrink(0);
            check(&sealed, model);
            let flags = DescriptorFlags::all().bits();
            let entries = u64::try_from(model.entries.len()).unwrap();
            let promise = Descriptor { flags, entries, ..promise::<T, B>(sealed.head()) };
            assert_eq!(sealed.descriptor(TAG), promise);
            *set = sealed.unseal();
        }
        Save::Write(writes) => apply_writes(set.writer(), model, writes),
    }
}
