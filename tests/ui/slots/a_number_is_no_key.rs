use kho_block::Slots;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let mut table = Slots::<u64, _>::new(&mem);
    let key = table.insert(2).unwrap();
    assert_eq!(table.get(key.slot), Some(&2));
}
