//! What is tried of an allocator that preserves a claimed block again.

#![forbid(unsafe_code)]

use alloc::string::ToString;
use alloc::vec::Vec;

use super::broken::{Broken, Duty};
use super::kernel::{Kernel, Left, Lent};
use super::scenarios::{Scenario, claimed_at_a_kexec, lefts, refuses};
use crate::memory::allocator::CarryAllocator;

/// The things that are done to a block which is preserved again, one to each block of a size.
const WAYS: usize = 5;

/// What the next kernel has to find.
#[derive(Default)]
struct Books {
    carried: Vec<Left>,
    claimed: Vec<Left>,
    freed: Vec<(Left, Duty)>,
}

impl<A: CarryAllocator> Scenario<'_, A> {
    /// Blocks that are preserved again, by two kernels one after the other.
    ///
    /// # Errors
    ///
    /// If a duty is broken, or nothing was granted.
    pub(super) fn carried(&mut self, survive: Option<bool>) -> Result<(), Broken> {
        let (alloc, left) = self.left(WAYS)?;
        let mut kernel = Kernel::new(&alloc, 2);
        for left in left {
            kernel.find(left, Duty::FoundAgain)?;
        }
        let mut books = Books::default();
        for (number, lent) in kernel.lent().into_iter().enumerate() {
            let holds = number % WAYS == 4 && survive.is_some();
            if !kernel.preserve(lent)? {
                refused(&mut kernel, lent, holds, &mut books)?;
                continue;
            }
            let left = [lent.left];
            refuses(&kernel, &left, Duty::Once, "which is claimed, and preserved again")?;
            let lent = kernel.write(lent)?;
            match number % WAYS {
                0 => books.carried.push(lent.left),
                1 => {
                    kernel.unpreserve_free(lent)?;
                    refuses(&kernel, &left, Duty::Once, "which was preserved again, and freed")?;
                    books.freed.push((lent.left, Duty::Once));
                }
                2 => {
                    kernel.unpreserve(lent)?;
                    refuses(&kernel, &left, Duty::Unpreserve, "which is still claimed")?;
                    kernel.unrestore(lent)?;
                    let lent = kernel.find(lent.left, Duty::Unpreserve)?;
                    if kernel.preserve(lent)? {
                        books.carried.push(lent.left);
                    } else {
                        refused(&mut kernel, lent, holds, &mut books)?;
                    }
                }
                _ => {
                    kernel.unpreserve(lent)?;
                    if holds {
                        books.claimed.push(lent.left);
                    } else {
                        kernel.restore_free(lent)?;
                        refuses(&kernel, &left, Duty::Unpreserve, "which was freed")?;
                        books.freed.push((lent.left, Duty::Unpreserve));
                    }
                }
            }
            kernel.verify()?;
        }
        if books.carried.is_empty() {
            let what = "no block is preserved again".to_string();
            return Err(Broken::new(Duty::NotTried, what));
        }

        // Others that come and go leave them as they are.
        let held = kernel.lent().len();
        self.alloc(&mut kernel, 2)?;
        kernel.verify()?;
        for lent in kernel.lent().into_iter().skip(held) {
            kernel.unpreserve_free(lent)?;
        }

        let alloc = (self.kexec)(Some(alloc));
        let mut kernel = Kernel::new(&alloc, 3);
        for (left, duty) in books.freed {
            refuses(&kernel, &[left], duty, "which the previous kernel freed")?;
        }
        for left in books.claimed {
            // Declared, or there would be none.
            claimed_at_a_kexec(&mut kernel, left, survive.unwrap_or_default())?;
        }
        for left in books.carried {
            let lent = kernel.find(left, Duty::FoundAgain)?;
            if !kernel.preserve(lent)? {
                refused(&mut kernel, lent, false, &mut Books::default())?;
            }
        }
        let carried = lefts(&kernel);

        let alloc = (self.kexec)(Some(alloc));
        let mut kernel = Kernel::new(&alloc, 4);
        for left in carried {
            let lent = kernel.find(left, Duty::FoundAgain)?;
            kernel.restore_free(lent)?;
        }
        Ok(())
    }
}

/// A block that could not be preserved again: it is claimed, as it was, and is held so or freed.
///
/// # Errors
///
/// If it is not.
fn refused<A: CarryAllocator>(
    kernel: &mut Kernel<'_, A>,
    lent: Lent,
    holds: bool,
    books: &mut Books,
) -> Result<(), Broken> {
    refuses(kernel, &[lent.left], Duty::Preserve, "which is still claimed")?;
    kernel.unrestore(lent)?;
    let lent = kernel.find(lent.left, Duty::Preserve)?;
    if holds {
        books.claimed.push(lent.left);
        return Ok(());
    }
    kernel.restore_free(lent)?;
    refuses(kernel, &[lent.left], Duty::Preserve, "which was freed")?;
    books.freed.push((lent.left, Duty::Preserve));
    Ok(())
}
