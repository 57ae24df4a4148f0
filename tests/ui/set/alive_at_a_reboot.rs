use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mut mem = Mock::new();
    let set = BlockSet::<u64, _>::new(&mem);
    mem.reboot();
    set.len();
}
