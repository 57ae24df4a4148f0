//! Two kernels without an operating system, that hand files over to each other by kexec.
//!
//! Kernel A boots in a virtual machine, saves what a table of workloads says, goes on after a jump
//! that fails, and jumps into kernel B, which restores and verifies it, frees it, saves the same anew
//! and jumps into B again. The main crate's `cargo test --test kexec` builds both, starts them and
//! reads their verdicts. Each kernel B faults twice, halfway through its restore and within `adopt`,
//! and boots again. A million records and a table of
//! devices are not freed and saved anew, but carried on where they are.
//!
//! All of that is in one `Region`. No kernel has an allocator of its own but for its heap.
//!
//! | file | what a kernel author finds there |
//! |---|---|
//! | `memory.rs` | the `Region`, opened or made by two unsafe calls, and what is free in it |
//! | `root.rs` | where to start: the region's root names a set of descriptors |
//! | `handover.rs` | the order of a handover: save, seal, jump; adopt, restore, free |
//! | `ready.rs` | what becomes of sealed sets when the jump fails |
//! | `jump.rs` | the kexec itself: the next kernel's ELF over this one |
//! | `ahead.rs` | a set that nobody seals, since the kexec comes too early |
//! | `carried.rs`, `counted.rs` | a million records that are never copied |
//! | `devices.rs` | a table in which every kernel works where it is |
//! | `again.rs`, `fault.rs` | a kernel that faults while it takes over, and boots again |
//! | `workloads.rs`, `refusals.rs` | chains sound and damaged, a table each |
//! | `verdict.rs` | how a step ends, and the line that says so |
//! | `boot.rs`, `boot.s` | the machine: memory map, serial line, assembly |

#![no_std]

extern crate alloc;

mod again;
mod ahead;
pub mod boot;
mod carried;
mod counted;
mod devices;
mod fault;
pub mod handover;
mod jump;
mod memory;
mod ready;
mod refusals;
mod root;
pub mod verdict;
mod workloads;
