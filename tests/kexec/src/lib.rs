//! Two kernels without an operating system, that hand files over to each other by kexec.
//!
//! Kernel A boots in a virtual machine, saves what a table of workloads says, goes on after a jump
//! that fails, and jumps into kernel B, which restores and verifies it, frees it, saves the same anew
//! and jumps into B again. The main crate's `cargo test --test kexec` builds both, starts them and
//! reads their verdicts. Each kernel B faults once halfway through its restore, and boots again. A
//! million records in a region are not freed and saved anew, but carried on where they are.
//!
//! | file | what a kernel author finds there |
//! |---|---|
//! | `pages.rs` | the allocator: `PreservedAllocator` duty by duty, to be copied |
//! | `handover.rs` | the order of a handover: save, seal, jump; adopt, restore, free |
//! | `ready.rs` | what becomes of sealed sets when the jump fails |
//! | `jump.rs` | the kexec itself: the next kernel's ELF over this one |
//! | `ahead.rs` | a set that nobody seals, since the kexec comes too early |
//! | `carried.rs`, `counted.rs` | a `Region`, and in it a million records that are never copied |
//! | `fault.rs` | a kernel that faults while it restores, and boots again |
//! | `workloads.rs`, `refusals.rs` | chains sound and damaged, a table each |
//! | `boot.rs`, `boot.s` | the machine: memory map, serial line, assembly |

#![no_std]

extern crate alloc;

mod ahead;
pub mod boot;
mod carried;
mod counted;
mod fault;
pub mod handover;
mod jump;
pub mod pages;
mod ready;
mod refusals;
mod workloads;
