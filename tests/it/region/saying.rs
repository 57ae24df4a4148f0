//! What a region, and what is wrong with one, prints.

use kho_block::{BookFault, PhysAddr, PreservedAllocator, RegionError, RegionImage};

use crate::region::{Memory, fill};

fn addr(addr: u64) -> PhysAddr {
    PhysAddr::new(addr).unwrap()
}

#[test]
fn an_error_says_what_is_wrong_and_where_in_one_line() {
    let wrong = [
        (RegionError::Misaligned { base: addr(0x1010) }, "base 0x1010 is not a multiple of 4096"),
        (
            RegionError::MisalignedPointer { addr: 0x7010 },
            "mapped at 0x7010, which is not a multiple of 4096",
        ),
        (RegionError::Size { bytes: 4095 }, "4095 bytes of memory cannot be a region"),
        (
            RegionError::Magic { found: *b"kho-bloc", expected: *b"kho-regn" },
            "offset 0: magic 0x6b686f2d626c6f63 is not 0x6b686f2d7265676e",
        ),
        (RegionError::Version { found: 2, expected: 1 }, "offset 8: version 2 is not 1"),
        (
            RegionError::ByteOrder { found: 0x0403_0201, expected: 0x0102_0304 },
            "offset 12: byte order 0x4030201 is not 0x1020304",
        ),
        (RegionError::Checksum { found: 0xf, expected: 0xe }, "offset 40: checksum 0xf is not 0xe"),
        (
            RegionError::Moved { found: 0x1000, expected: 0x2000 },
            "offset 16: created at 0x1000, found at 0x2000",
        ),
        (
            RegionError::Length { found: 8192, expected: 4096 },
            "offset 24: created with 8192 bytes, found with 4096",
        ),
        (
            RegionError::Books { found: 5, expected: 4096 },
            "offset 32: books at offset 5, not at 4096",
        ),
        (
            RegionError::Root { found: [1, 2], expected: [3, 0x1f] },
            "offsets 64 and 128: no copy of the root is sound, checksums 0x1 and 0x2 where 0x3 and \
             0x1f would be",
        ),
    ];
    for (error, says) in wrong {
        assert_eq!((error.to_string().as_str(), error.errno()), (says, 22));
    }
    let blank = "no region has been created here yet";
    assert_eq!((RegionError::Blank.to_string().as_str(), RegionError::Blank.errno()), (blank, 2));
    let exists = "there is a region here already";
    assert_eq!(
        (RegionError::Exists.to_string().as_str(), RegionError::Exists.errno()),
        (exists, 17)
    );
}

#[test]
fn a_byte_of_the_books_is_said_to_break_its_rule() {
    for (fault, says) in [
        (BookFault::Reserved, "is in the header or the books, and not 0"),
        (BookFault::Beyond, "is beyond the region, and not 0"),
        (BookFault::Inside { block: addr(0x3000) }, "is inside the block at 0x3000, and not 0"),
        (BookFault::NoSize, "is neither 0 nor that of a block"),
        (BookFault::Misaligned { size: 8192 }, "is out of place for a block of 8192 bytes"),
        (
            BookFault::TooLong { size: 8192 },
            "is that of a block of 8192 bytes, which ends beyond the region",
        ),
    ] {
        let error = RegionError::Book { offset: 4098, addr: addr(0x5000), found: 0x41, fault };
        let line = format!("offset 4098: byte 0x41 for 0x5000 {says}");
        assert_eq!((error.to_string(), error.errno()), (line, 22));
    }
}

#[test]
fn blocks_are_printed_as_a_list_and_an_image_by_where_it_is() {
    let memory = Memory::new(0x10_0000, 64);
    let region = memory.create().unwrap();
    fill(region.alloc_preserve(4096).unwrap(), 4096, 9);
    let range = "[PhysAddr(0x100000)..PhysAddr(0x103000)]";
    assert_eq!(format!("{:?}", region.preserved()), range);
    assert_eq!(format!("{:?}", region.unclaimed()), "[]");

    let mut memory = memory.remapped();
    let region = memory.open().unwrap();
    let left = "[UnclaimedBlock { addr: PhysAddr(0x102000), size: 4096, given_back: false }]";
    assert_eq!(format!("{:?}", region.preserved()), range);
    assert_eq!(format!("{:?}", region.unclaimed()), left);

    let base = memory.base();
    let image = RegionImage::read(base, memory.bytes()).unwrap();
    assert_eq!((image.base(), image.size()), (base, 64 * 4096));
    assert_eq!(
        format!("{image:?}"),
        "RegionImage { base: PhysAddr(0x100000), size: 262144, root: None, .. }"
    );
}
