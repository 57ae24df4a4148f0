//! What a kernel must not believe: damaged chains, as a table, and a sound one beside them.
//!
//! Unsafe is open here to damage memory.

#![expect(unsafe_code, reason = "writes into chains behind the library's back")]

use alloc::format;

use kho_block::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use kho_block::{
    BlockSet, Descriptor, DescriptorField::EntrySize, IncomingSet, Region, RestoreError,
    RestoreErrorKind, RestoreFromError,
};

use crate::boot::{IMAGE, RAM, reach, say};
use crate::memory::holes;
use crate::verdict::{Verdict, ensure};
use crate::workloads::{Descriptors, File, Handover};

/// A row of the table: a word of a chain of three blocks that is overwritten, and the error that
/// this must lead to.
struct Refusal {
    /// Ends the sentence "kernel 2 refuses".
    name: &'static str,
    /// The block whose header is overwritten.
    block: usize,
    /// What is overwritten, and by what.
    damage: fn(&Ground) -> Word,
    /// What is refused and where.
    error: fn(&Ground) -> (RestoreErrorKind, usize, u64),
}

/// A word of a header.
enum Word {
    Next(u64),
    Count(u64),
}

/// What lies where: the blocks of the row's chain, what is free, and the first blocks of other
/// chains, by their size.
struct Ground {
    blocks: [u64; 3],
    free: u64,
    sound: u64,
    of_4_kib: u64,
    of_64_kib: u64,
}

/// The table.
const REFUSALS: [Refusal; 8] = [
    Refusal {
        name: "a cycle",
        block: 2,
        damage: |on| Word::Next(on.blocks[1]),
        error: |on| (RestoreErrorKind::Cycle { first: 1 }, 3, on.blocks[1]),
    },
    Refusal {
        name: "a count too large",
        block: 1,
        damage: |_| Word::Count(128),
        error: |on| {
            (RestoreErrorKind::CountTooLarge { count: 128, capacity: 127 }, 1, on.blocks[1])
        },
    },
    Refusal {
        name: "a link into its own image",
        block: 0,
        damage: |_| Word::Next(IMAGE),
        error: |_| (NOT_PRESERVED, 1, IMAGE),
    },
    Refusal {
        name: "a link past the end of memory",
        block: 1,
        damage: |_| Word::Next(RAM),
        error: |_| (NOT_PRESERVED, 2, RAM),
    },
    Refusal {
        name: "a link into free memory",
        block: 1,
        damage: |on| Word::Next(on.free),
        error: |on| (NOT_PRESERVED, 2, on.free),
    },
    Refusal {
        name: "a block of another size",
        block: 0,
        damage: |on| Word::Next(on.of_4_kib),
        error: |on| (NOT_PRESERVED, 1, on.of_4_kib),
    },
    Refusal {
        name: "a link into the middle of a block",
        block: 0,
        damage: |on| Word::Next(on.of_64_kib + 8192),
        error: |on| (NOT_PRESERVED, 1, on.of_64_kib + 8192),
    },
    Refusal {
        name: "a block that is claimed already",
        block: 2,
        damage: |on| Word::Next(on.sound),
        error: |on| (NOT_PRESERVED, 3, on.sound),
    },
];

/// Files in a chain: three blocks, all full, since a chain with others could be refused for that.
const FILES: usize = 3 * 127;

/// The error of a link that leads to no block of 8 KiB that is there to be claimed.
const NOT_PRESERVED: RestoreErrorKind = RestoreErrorKind::NotPreserved { block_size: 8192 };

/// What the root calls the set of all that is left here.
pub(crate) const TAG: u64 = 0x7265_6675_7365_6400;

/// A chain that was left for the next kernel, where its blocks are, and where there were none.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "kho_block::zerocopy")]
#[repr(C)]
struct Left {
    descriptor: Descriptor,
    blocks: [u64; 3],
    free: u64,
}

/// The sound chain, and every one of the table.
pub(crate) struct AllLeft {
    sound: Left,
    damaged: [Left; REFUSALS.len()],
}

impl AllLeft {
    /// Leaves all chains to the next kernel, each with the damage of its row, and a set that says
    /// where. `others` are the workloads, which are left as they are.
    pub(crate) fn save(handover: &mut Handover, others: &Descriptors) -> Verdict<Descriptor> {
        let sound = leave(handover)?;
        let mut all = Self { sound, damaged: [sound; REFUSALS.len()] };
        for (number, row) in REFUSALS.iter().enumerate() {
            all.damaged[number] = leave(handover)?;
            let on = all.ground(number, others);
            write(on.blocks[row.block], (row.damage)(&on));
        }
        let mut set = BlockSet::<Left, _>::new(handover.region);
        set.push(all.sound)?;
        set.extend_from_slice(&all.damaged)?;
        let sealed = set.seal();
        let descriptor = sealed.descriptor(TAG);
        sealed.leave();
        Ok(descriptor)
    }

    /// Takes over what says where the chains are.
    pub(crate) fn restore(region: &Region, descriptor: &Descriptor) -> Verdict<Self> {
        let mut set = IncomingSet::<Left, _>::restore_from(region, descriptor, TAG)?;
        let mut all = set.iter().copied();
        let sound = all.next().ok_or("there is no sound chain")?;
        let mut damaged = [sound; REFUSALS.len()];
        for left in &mut damaged {
            *left = all.next().ok_or("there is a damaged chain less")?;
        }
        ensure(all.next().is_none(), "there is a damaged chain more")?;
        set.destroy();
        Ok(Self { sound, damaged })
    }

    fn ground(&self, number: usize, others: &Descriptors) -> Ground {
        let first_of = |size| others.iter().find(|other| other.block_size == size);
        let [of_4_kib, of_64_kib] =
            [4096, 65536].map(|size| first_of(size).map_or(0, |other| other.head));
        let Left { blocks, free, .. } = self.damaged[number];
        Ground { blocks, free, sound: self.sound.blocks[0], of_4_kib, of_64_kib }
    }

    /// Tries every chain while the sound one is held, and passes on how each went.
    pub(crate) fn try_all(
        &self,
        handover: &mut Handover,
        others: &Descriptors,
        verdict: impl Fn(&str, Verdict),
    ) {
        let sound = handover.restore::<File, 8192>(&self.sound.descriptor);
        let salvaged = self.damaged.iter().try_for_each(|left| salvage(handover, &left.descriptor));
        verdict("salvages what is sound of each damaged chain", salvaged);
        for (number, row) in REFUSALS.iter().enumerate() {
            let descriptor = &self.damaged[number].descriptor;
            let refused = row.refuse(handover, descriptor, &self.ground(number, others));
            verdict(&format!("refuses {}", row.name), refused);
        }
        verdict("refuses a descriptor of another record size", self.refuse_other_record(handover));
        let verified =
            sound.and_then(|sound| handover.verify_and_free(sound, FILES, Handover::file));
        verdict("restores the sound chain beside them", verified);
    }

    /// Meets a descriptor whose entries have another size.
    fn refuse_other_record(&self, handover: &Handover) -> Verdict {
        let descriptor = &self.sound.descriptor;
        match IncomingSet::<[u64; 4], _>::restore_from(handover.region, descriptor, handover.tag) {
            Err(RestoreFromError::Descriptor(error))
                if (error.field, error.found, error.expected) == (EntrySize, 64, 32) =>
            {
                say(format_args!("      {error}"));
                Ok(())
            }
            Err(error) => Err(error.into()),
            Ok(_) => Err("it was restored".into()),
        }
    }
}

impl Refusal {
    /// Meets the damage, and sees that nothing came of it: not a claim is left, and once the chain
    /// is repaired it restores.
    fn refuse(&self, handover: &mut Handover, descriptor: &Descriptor, on: &Ground) -> Verdict {
        let unclaimed = handover.region.unclaimed().count();
        match IncomingSet::<File, _>::restore_from(handover.region, descriptor, handover.tag) {
            Err(RestoreFromError::Chain(RestoreError { kind, block, addr, .. }))
                if (kind, block, addr.get()) == (self.error)(on) =>
            {
                say(format_args!("      block {block} at {addr}: {kind}"));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("it was restored".into()),
        }
        ensure(handover.region.unclaimed().count() == unclaimed, "claims were kept")?;

        let next = on.blocks.get(self.block + 1).copied().unwrap_or(0);
        write(on.blocks[self.block], Word::Next(next));
        write(on.blocks[self.block], Word::Count(127));
        let repaired = handover.restore::<File, 8192>(descriptor)?;
        handover.verify_and_free(repaired, FILES, Handover::file)
    }
}

/// Takes over what is sound of a damaged chain, with the error that it is refused for, and gives the
/// claims back.
fn salvage(handover: &Handover, descriptor: &Descriptor) -> Verdict {
    let region = handover.region;
    let unclaimed = region.unclaimed().count();
    let refused = IncomingSet::<File, _>::restore_from(region, descriptor, handover.tag).err();
    let (set, damage) = IncomingSet::<File, _>::salvage(region, descriptor.head());
    let Some(damage) = damage else { return Err("there is no damage".into()) };
    ensure(refused == Some(damage.into()), "another damage than it is refused for")?;
    ensure(set.block_count() == damage.block, "not all the blocks before the damage")?;
    let sound = (0..127 * damage.block).map(|n| handover.file(n));
    ensure(set.iter().copied().eq(sound), "other entries than those before the damage")?;
    drop(set);
    ensure(region.unclaimed().count() == unclaimed, "claims were kept")
}

/// Leaves a chain as it should be, and looks for the middle of the largest hole.
fn leave(handover: &mut Handover) -> Verdict<Left> {
    let mut set = BlockSet::<File, _>::new(handover.region);
    for n in 0..FILES {
        set.push(handover.file(n))?;
    }
    let mut blocks = [0; 3];
    ensure(set.block_count() == blocks.len(), "not 3 blocks")?;
    blocks.iter_mut().zip(set.block_addrs()).for_each(|(block, addr)| *block = addr.get());
    let hole = holes(handover.region).max_by_key(|hole| hole.end - hole.start);
    let hole = hole.ok_or("there is no hole")?;
    let free = ((hole.start + hole.end) / 2) & !8191;
    Ok(Left { descriptor: handover.leave(set), blocks, free })
}

/// Overwrites a word of the header at `block`, which is in a chain that was left and that nobody
/// has claimed.
fn write(block: u64, word: Word) {
    let (offset, value) = match word {
        Word::Next(next) => (0, next),
        Word::Count(count) => (8, count),
    };
    // SAFETY: a word of a block in the region, mapped and aligned, that no set has now.
    unsafe { reach(block + offset).cast::<u64>().write_volatile(value) };
}
