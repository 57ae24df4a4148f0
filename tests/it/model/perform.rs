//! Operations on a set and on the list alike.

use kho_block::mock::Mock;
use kho_block::{BlockSet, CapacityError, Origin, Outgoing, Writer};

use super::compare::{read, walk};
use super::list::{Model, Sample};
use super::plan::{Change, Save, Write};

pub(super) fn apply<T: Sample, O: Origin, const B: usize>(
    set: &mut BlockSet<T, &Mock, O, B>,
    model: &mut Model<T>,
    change: &Change,
) {
    let (len, capacity) = (model.entries.len(), model.capacity);
    match change {
        Change::Pop => assert_eq!(set.pop(), model.pop()),
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
                    Err(entry) => assert_eq!((entry, room), (new[0].clone(), 0)),
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
            Write::Prev => assert_eq!(writer.prev(), model.pop()),
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
        Save::Grow(at) => {
            set.grow(at.of(len, capacity)).unwrap();
            model.grow(at.of(len, capacity));
        }
        Save::Publish => {
            model.shrink(0);
            assert_eq!(set.publish(), set.head());
        }
        Save::Write(writes) => apply_writes(set.writer(), model, writes),
    }
}
