use kho_block::Slots;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut table = Slots::<u64, _>::new(&mem);
    let keys = [table.insert(2).unwrap(), table.insert(3).unwrap()];
    let first = table.get_mut(keys[0]).unwrap();
    let second = table.get_mut(keys[1]).unwrap();
    core::mem::swap(first, second);
}
