//! What may be asked of a chain beyond being sound.

#![forbid(unsafe_code)]

use bitflags::bitflags;

bitflags! {
    /// What [`restore_with`](crate::BlockSet::restore_with) refuses beyond damage.
    ///
    /// The default, none of them, accepts empty and partly filled blocks anywhere, which the C
    /// writers produce.
    ///
    /// # Examples
    ///
    /// ```
    /// use kho_block::RestoreChecks;
    ///
    /// let as_this_crate_writes = RestoreChecks::all();
    /// assert!(as_this_crate_writes.contains(RestoreChecks::DENSE));
    /// assert_eq!(RestoreChecks::default(), RestoreChecks::empty());
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RestoreChecks: u32 {
        /// Every block but the last is full.
        const DENSE = 1 << 0;
        /// Every block has an entry, as Linux mainline wants it.
        const NO_EMPTY_BLOCKS = 1 << 1;
        /// Every byte behind a block's last entry is zero. Costs a read of those bytes.
        const ZERO_TAIL = 1 << 2;
    }
}
