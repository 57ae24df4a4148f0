//! One binary for every test that sees the crate as its users do.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that goes wrong panics, also in the functions that it calls"
)]

mod altered;
mod carry;
mod conformance;
mod corrupt;
mod cost;
mod device;
mod ending;
mod exhaustive;
mod faults;
mod golden;
mod handover;
mod heap;
mod house;
mod kho;
mod linux;
mod model;
mod promises;
mod ram;
mod region;
mod slots;
mod versions;
