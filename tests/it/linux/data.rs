//! Where Linux's boot data says that the device tree is.

use kho_block::PhysAddr;
use kho_block::linux::KhoData;

#[test]
fn a_device_tree_at_address_0_is_none() {
    let mut data =
        KhoData { fdt_addr: 0x23_5000, fdt_size: 4096, scratch_addr: 1, scratch_size: 2 };
    assert_eq!(data.fdt(), PhysAddr::new(0x23_5000));
    assert!(data.fdt().is_some());
    data.fdt_addr = 0;
    assert_eq!(data.fdt(), None);
}
