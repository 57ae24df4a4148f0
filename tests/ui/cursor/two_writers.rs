use kho_block::BlockSet;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut set = BlockSet::<u64, _>::new(&mem);
    let mut first = set.writer();
    let mut second = set.writer();
    let _ = (first.push(1), second.push(2));
}
