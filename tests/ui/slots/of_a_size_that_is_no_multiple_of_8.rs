use kho_block::Slots;
use kho_block::mock::Mock;

fn main() {
    let mem = Mock::new();
    let _table = Slots::<[u32; 3], _>::new(&mem);
}
