//! How a step ends, and the line that says so.

#![forbid(unsafe_code)]

use alloc::boxed::Box;
use core::error::Error;
use core::fmt::Arguments;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::boot::{self, Exit, say};

/// How a step ends.
pub(crate) type Verdict<T = ()> = Result<T, Box<dyn Error>>;

/// `Err(what)` unless `holds`.
pub(crate) fn ensure(holds: bool, what: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// Whether a verdict was bad.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Says how a step ended.
pub(crate) fn verdict<T>(sentence: Arguments<'_>, verdict: Verdict<T>) -> Option<T> {
    match verdict {
        Ok(value) => {
            say(format_args!("ok    {sentence}"));
            Some(value)
        }
        Err(error) => {
            say(format_args!("FAIL  {sentence}: {error}"));
            FAILED.store(true, Relaxed);
            None
        }
    }
}

/// Says how a step ended without which there are no further ones.
pub(crate) fn required<T>(sentence: Arguments<'_>, step: Verdict<T>) -> T {
    verdict(sentence, step).unwrap_or_else(|| boot::exit(Exit::Failure))
}

/// Ends the run if a verdict was bad.
pub fn exit_if_failed() {
    if FAILED.load(Relaxed) {
        boot::exit(Exit::Failure);
    }
}
