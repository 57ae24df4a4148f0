//! A list that grows only when it is told to: a `Vec` without the calls that abort.
//!
//! Unsafe is open here to append an element: every call of `Vec` for that can abort.

#![expect(unsafe_code, reason = "appends to a `Vec` that has room")]

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// Elements on the heap; appending never asks it for room.
#[derive(Debug)]
pub(crate) struct List<E>(Vec<E>);

/// The heap has no room for more elements.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl<E> List<E> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes room for `additional` elements.
    ///
    /// # Errors
    ///
    /// If the heap has no such room; nothing has changed then.
    #[inline]
    pub(crate) fn reserve(&mut self, additional: usize) -> Result<(), NoRoom> {
        self.0.try_reserve(additional).map_err(|_| NoRoom)
    }

    /// Appends an element where there is room.
    ///
    /// # Errors
    ///
    /// The element, if there is none.
    #[inline]
    pub(crate) fn push(&mut self, element: E) -> Result<(), E> {
        let Some(room) = self.0.spare_capacity_mut().first_mut() else { return Err(element) };
        room.write(element);
        let len = self.0.len().saturating_add(1);
        // SAFETY: there was room behind the last element, and it was written on the line above.
        unsafe { self.0.set_len(len) };
        Ok(())
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<E> {
        self.0.pop()
    }

    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

impl<E> Deref for List<E> {
    type Target = [E];

    #[inline]
    fn deref(&self) -> &[E] {
        &self.0
    }
}

impl<E> DerefMut for List<E> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.0
    }
}

#[cfg(test)]
#[expect(clippy::missing_panics_doc, reason = "tests panic")]
mod tests {
    use super::*;

    #[test]
    fn a_list_takes_what_it_has_room_for_and_hands_back_the_rest() {
        let mut list = List::new();
        assert_eq!(list.push(1), Err(1));
        list.reserve(2).unwrap();
        let room = list.0.capacity();
        for element in 0..room {
            assert_eq!(list.push(element), Ok(()));
        }
        assert_eq!(list.push(77), Err(77));
        assert!(list.iter().copied().eq(0..room));
        list.truncate(1);
        assert_eq!((list.pop(), list.pop()), (Some(0), None));
    }
}
