//! Every input of the corpora once more, without a fuzzer.

use std::fs;
use std::path::Path;

/// Runs a target over its corpus.
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).expect("the corpus is there") {
        let path = entry.expect("a directory can be read").path();
        target(&fs::read(path).expect("an input can be read"));
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}

#[test]
fn any_memory_gives_an_error_or_the_entries_it_counts() {
    replay("restore", kho_block_fuzz::restore);
}

#[test]
fn flipped_bits_give_an_error_or_what_they_now_say() {
    replay("bitflip", kho_block_fuzz::bitflip);
}

#[test]
fn a_set_is_a_list_that_outlives_its_kernel() {
    replay("operations", kho_block_fuzz::operations);
}

#[test]
fn a_call_without_memory_changes_nothing() {
    replay("refuse", kho_block_fuzz::refuse);
}

#[test]
fn a_region_is_refused_or_lends_no_byte_twice() {
    replay("region", kho_block_fuzz::region);
}

#[test]
fn any_memory_is_refused_as_a_table_or_goes_on_as_one() {
    replay("slots", kho_block_fuzz::slots);
}

#[test]
fn a_map_of_linux_is_refused_or_says_what_a_plain_reading_says() {
    replay("map", kho_block_fuzz::map);
}

#[test]
fn any_image_is_reported_in_bounded_time_and_memory() {
    replay("inspect", kho_block_fuzz::inspect);
}
