//! Images of Linux with damage: refused where it is, for what it is.

use kho_block::linux::{
    BLOCK_SIZE, DATA_PROPERTY, DATA_SIZE_PROPERTY, KHO_COMPATIBLE, LUO_NODE, MEMORY_MAP_PROPERTY,
    MapError, Session,
};
use kho_block::mock::Mock;
use kho_block::{IncomingSet, LinkError, PhysAddr, RestoreErrorKind};

use super::image::{Image, image};

type Sessions<'m> = IncomingSet<Session, &'m Mock, BLOCK_SIZE>;

const NOT_PRESERVED: RestoreErrorKind = RestoreErrorKind::NotPreserved { block_size: BLOCK_SIZE };

/// Three blocks of sessions, the first of which have files in two blocks each.
fn sound() -> Image {
    image("sessions-120-files-210")
}

/// Addresses at which no block can be, or none that was preserved, and what the crate says of them.
/// Linux faults on the first three.
fn bad_addresses(image: &Image) -> Vec<(u64, RestoreErrorKind)> {
    vec![
        (image.fdt[1] + 0x10, RestoreErrorKind::Misaligned),
        (1 << 40, NOT_PRESERVED),
        (0xdead_0000_0000_0000, NOT_PRESERVED),
        (u64::MAX, RestoreErrorKind::Misaligned),
        (u64::MAX - 4095, NOT_PRESERVED),
        (1, RestoreErrorKind::Misaligned),
        (4096, NOT_PRESERVED),
        // A table of the map is memory, but nothing that was preserved.
        (image.find().unwrap().map.get(), NOT_PRESERVED),
    ]
}

/// Restores the sessions, and says what is wrong with them.
fn refused(image: &Image) -> (RestoreErrorKind, usize, u64) {
    let mem = image.machine();
    let error = Sessions::restore(&mem, image.state().sessions()).unwrap_err();
    assert_eq!(mem.live(), 0, "a claim is kept");
    (error.kind, error.block, error.addr.get())
}

/// The blocks of the sessions.
fn blocks(image: &Image) -> Vec<u64> {
    let mem = image.machine();
    let sessions = Sessions::restore(&mem, image.state().sessions()).unwrap();
    sessions.block_addrs().map(PhysAddr::get).collect()
}

#[test]
#[cfg_attr(miri, ignore = "it takes minutes, and a block that the map has not is refused too")]
fn a_head_of_the_sessions_that_is_none_is_refused_with_its_address() {
    let mut image = sound();
    let state = image.find().unwrap().state.get();
    for (addr, kind) in bad_addresses(&image.clone()) {
        image.write(state + 16, &addr.to_le_bytes());
        assert_eq!(refused(&image), (kind, 0, addr));
    }
    // The device tree and the state were preserved in blocks of this size, and are no chain.
    let tree = image.fdt[1];
    image.write(state + 16, &tree.to_le_bytes());
    let (kind, block, addr) = refused(&image);
    assert!(matches!(kind, RestoreErrorKind::CountTooLarge { capacity: 51, .. }), "{kind:?}");
    assert_eq!((block, addr), (0, tree));
    image.write(state + 16, &state.to_le_bytes());
    let luo = u64::from_le_bytes(*b"luo-v5\0\0");
    assert_eq!(refused(&image), (RestoreErrorKind::Misaligned, 1, luo));

    image.write(state + 16, &[0; 8]);
    assert_eq!(image.state().sessions(), None);
    image.write(state + 24, &0x5000_u64.to_le_bytes());
    assert_eq!(image.state().shared_objects(), PhysAddr::new(0x5000));
}

#[test]
#[cfg_attr(miri, ignore = "it takes minutes, and a block that the map has not is refused too")]
fn a_damaged_link_or_count_is_refused_with_the_position_and_the_address() {
    let image = sound();
    let blocks = blocks(&image);
    for (number, &block) in blocks.iter().enumerate() {
        for (addr, kind) in bad_addresses(&image) {
            let mut image = image.clone();
            image.write(block, &addr.to_le_bytes());
            assert_eq!(refused(&image), (kind, number + 1, addr));
        }
        for (first, addr) in blocks[..=number].iter().enumerate() {
            let mut image = image.clone();
            image.write(block, &addr.to_le_bytes());
            assert_eq!(refused(&image), (RestoreErrorKind::Cycle { first }, number + 1, *addr));
        }
        for count in [52, 1 << 32, u64::MAX] {
            let mut image = image.clone();
            image.write(block + 8, &count.to_le_bytes());
            let kind = RestoreErrorKind::CountTooLarge { count, capacity: 51 };
            assert_eq!(refused(&image), (kind, number, block));
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "it takes minutes, and a block that the map has not is refused too")]
fn a_damaged_link_to_files_is_refused() {
    let image = sound();
    let link = blocks(&image)[0] + 16 + 80 + 64; // of session 1
    let restored = |head: u64, count: u64| {
        let mut image = image.clone();
        image.write(link, &head.to_le_bytes());
        image.write(link + 8, &count.to_le_bytes());
        let mem = image.machine();
        let sessions = Sessions::restore(&mem, image.state().sessions()).unwrap();
        let files = sessions.get(1).unwrap().files.restore(&mem);
        files.map(|files| files.len())
    };
    let head = image.word(PhysAddr::new(link).unwrap()).unwrap();
    assert_eq!(restored(head, 70), Ok(70));
    assert_eq!(restored(0, 0), Ok(0));
    assert_eq!(restored(head, 0), Err(LinkError::Half { head, count: 0 }));
    assert_eq!(restored(0, 70), Err(LinkError::Half { head: 0, count: 70 }));
    for count in [1, 69, 71, u64::MAX] {
        let error = LinkError::Entries { found: count, expected: 70 };
        assert_eq!(restored(head, count), Err(error));
    }
    for (addr, kind) in bad_addresses(&image) {
        let Err(LinkError::Chain(error)) = restored(addr, 70) else { panic!("{addr:#x}") };
        assert_eq!((error.kind, error.block, error.addr.get()), (kind, 0, addr));
    }
}

/// So many blocks are taken out of the map.
const TRIED: usize = if cfg!(miri) { 1 } else { usize::MAX };

#[test]
fn a_block_that_the_map_has_not_is_refused() {
    let image = sound();
    for (number, addr) in blocks(&image).into_iter().enumerate().take(TRIED) {
        let mut image = image.clone();
        // Of the addresses below 128 MiB in blocks of one page there is one bitmap.
        let bit = addr / 4096;
        let mut table = image.find().unwrap().map;
        for key in [2, 0, 0, 0, 0] {
            let word = table.checked_add(key * 8).unwrap();
            table = PhysAddr::new(image.word(word).unwrap()).unwrap();
        }
        let word = table.checked_add(bit / 64 * 8).unwrap();
        let without = image.word(word).unwrap() & !(1 << (bit % 64));
        image.write(word.get(), &without.to_le_bytes());
        assert_eq!(refused(&image), (NOT_PRESERVED, number, addr));
    }
}

#[test]
fn a_damaged_root_of_the_map_is_refused() {
    let image = sound();
    let (root, block) = (image.find().unwrap().map, PhysAddr::new(blocks(&image)[0]).unwrap());
    for (word, error) in [
        (root.get(), MapError::Loop { level: 1, key: 1 << 52, table: root, first: 0 }),
        (
            0x23_6008,
            MapError::Misaligned {
                level: 1,
                key: 1 << 52,
                table: PhysAddr::new(0x23_6008).unwrap(),
            },
        ),
        (
            1 << 40,
            MapError::Unreadable { level: 1, key: 1 << 52, addr: PhysAddr::new(1 << 40).unwrap() },
        ),
        (
            0xdead_0000_0000_0000,
            MapError::Unreadable {
                level: 1,
                key: 1 << 52,
                addr: PhysAddr::new(0xdead_0000_0000_0000).unwrap(),
            },
        ),
    ] {
        let mut image = image.clone();
        image.write(root.get() + 16, &word.to_le_bytes());
        assert_eq!(image.map().contains(block, 4096), Err(error));
        assert_eq!(image.map().blocks().last(), Some(Err(error)));
    }
}

#[test]
fn a_tree_without_a_name_that_it_should_have_leads_nowhere() {
    for name in [KHO_COMPATIBLE, MEMORY_MAP_PROPERTY, DATA_PROPERTY, DATA_SIZE_PROPERTY, LUO_NODE] {
        let mut image = sound();
        let tree = image.page(image.fdt[1]).unwrap();
        let at = tree.windows(name.len()).position(|bytes| bytes == name.as_bytes()).unwrap();
        let addr = image.fdt[1] + u64::try_from(at).unwrap();
        image.write(addr, b"?");
        assert!(image.find().is_none(), "{name}");
    }
    assert!(sound().find().is_some());
}
