//! One binary for every test that sees the crate as its users do.

#![expect(clippy::missing_panics_doc, reason = "a test panics when it fails")]

mod corrupt;
mod cost;
mod golden;
mod handover;
