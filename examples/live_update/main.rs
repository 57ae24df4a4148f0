//! A live update (to come).
fn main() {}
