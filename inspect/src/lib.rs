//! `kho-inspect`: what a kernel handed over, and what is damaged in it, from an image of its memory.
//!
//! The tool is [`main()`]; README.md and `--help` tell what it does. [`look()`] is for fuzzing.

mod args;
mod chain;
mod descriptor;
mod elf;
mod find;
mod handover;
mod human;
mod image;
mod luo;
mod map;
mod mapped;
mod preserved;
mod question;
mod ranges;
mod records;
mod region;
mod report;
mod run;
mod source;
mod svg;
mod tree;

pub use crate::run::{look, main};
