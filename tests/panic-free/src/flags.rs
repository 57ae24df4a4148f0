//! Sets of bits, which `bitflags` gives their operations.

use core::fmt::{self, Write};
use core::hash::Hasher;

use super::*;

/// A module with the operations on a set of bits.
macro_rules! flags {
    ($($module:ident: $Flags:ident;)+) => {$(
        pub(crate) mod $module {
            use super::*;

            operations! {
                constants() -> [$Flags; 3] {
                    [$Flags::empty(), $Flags::all(), $Flags::default()]
                }
                bits(flags: $Flags) -> u32 { flags.bits() }
                from_bits(bits: u32) -> Option<$Flags> { $Flags::from_bits(bits) }
                from_bits_truncate(bits: u32) -> $Flags { $Flags::from_bits_truncate(bits) }
                from_bits_retain(bits: u32) -> $Flags { $Flags::from_bits_retain(bits) }
                from_name(name: &str) -> Option<$Flags> { $Flags::from_name(name) }
                asked(flags: $Flags, other: $Flags) -> [bool; 4] {
                    [
                        flags.is_empty(),
                        flags.is_all(),
                        flags.intersects(other),
                        flags.contains(other),
                    ]
                }
                change(flags: &mut $Flags, other: $Flags) {
                    flags.insert(other);
                    flags.remove(other);
                    flags.toggle(other);
                    flags.set(other, true);
                }
                assign(flags: &mut $Flags, other: $Flags) {
                    *flags &= other;
                    *flags |= other;
                    *flags ^= other;
                    *flags -= other;
                }
                combine(flags: $Flags, other: $Flags) -> [$Flags; 5] {
                    [
                        flags.intersection(other),
                        flags.union(other),
                        flags.difference(other),
                        flags.symmetric_difference(other),
                        flags.complement(),
                    ]
                }
                combine_by_operators(flags: $Flags, other: $Flags) -> [$Flags; 5] {
                    [flags & other, flags | other, flags - other, flags ^ other, !flags]
                }
                from_iterator(each: &[$Flags]) -> $Flags { each.iter().copied().collect() }
                extend(flags: &mut $Flags, each: &[$Flags]) { flags.extend(each.iter().copied()) }
                iter(flags: $Flags) -> Option<$Flags> { flags.iter().next() }
                iter_names(flags: $Flags) -> Option<(&'static str, $Flags)> {
                    flags.iter_names().next()
                }
                into_iter(flags: $Flags) -> usize { flags.into_iter().count() }
                hash(flags: $Flags, to: &mut dyn Hasher) {
                    let mut to = to;
                    core::hash::Hash::hash(&flags, &mut to);
                }
                print(flags: $Flags, to: &mut dyn Write) -> fmt::Result {
                    write!(to, "{flags:?} {flags:b} {flags:o} {flags:x} {flags:X}")
                }
            }
        }
    )+};
}

flags! {
    checks: RestoreChecks;
    descriptors: DescriptorFlags;
}
