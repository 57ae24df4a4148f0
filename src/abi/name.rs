//! Names in records: bytes up to a zero byte, in a field of fixed size.

#![forbid(unsafe_code)]

use core::error::Error;
use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::abi::errno::EINVAL;

/// A name in a field of `N` bytes: what comes before the first zero byte, which is there in a field
/// that is sound. What comes after it is not looked at, and zero in a name that is made here.
///
/// It prints as `Display` and `Debug` with every byte that is not printable ASCII escaped, at most
/// `N` of them: a console shows nothing but letters.
///
/// # Examples
///
/// ```
/// use kho_block::linux::{Name, NameError};
/// use kho_block::zerocopy::FromBytes;
///
/// let name = Name::<8>::new(b"web\n1")?;
/// assert_eq!(name.get(), Ok(&b"web\n1"[..]));
/// assert_eq!(name.to_string(), r"web\n1");
///
/// let endless = Name::<8>::read_from_bytes(b"\x1b[2Jaaaa").unwrap();
/// assert_eq!(endless.get(), Err(NameError::Endless { size: 8 }));
/// assert_eq!(format!("{endless:?}"), r#""\x1b[2Jaaaa"..."#);
/// # Ok::<(), NameError>(())
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(transparent)]
pub struct Name<const N: usize>([u8; N]);

impl<const N: usize> Name<N> {
    /// The field that holds as much of `name` as it has room for, and zeros.
    pub(crate) fn zero_filled(name: &str) -> Self {
        let mut field = [0; N];
        field.iter_mut().zip(name.bytes()).for_each(|(slot, byte)| *slot = byte);
        Self(field)
    }

    /// The field that holds `name`, and zeros.
    ///
    /// # Errors
    ///
    /// [`NameError::TooLong`] if there is no room for a zero byte behind it, [`NameError::ZeroByte`]
    /// if there is one in it.
    pub fn new(name: &[u8]) -> Result<Self, NameError> {
        if let Some(offset) = name.iter().position(|&byte| byte == 0) {
            return Err(NameError::ZeroByte { offset });
        }
        let mut field = [0; N];
        match field.split_at_mut_checked(name.len()) {
            Some((start, end)) if !end.is_empty() => start.copy_from_slice(name),
            _ => return Err(NameError::TooLong { len: name.len(), size: N }),
        }
        Ok(Self(field))
    }

    /// The name.
    ///
    /// # Errors
    ///
    /// [`NameError::Endless`] if no byte of the field is zero.
    pub fn get(&self) -> Result<&[u8], NameError> {
        let end = self.0.iter().position(|&byte| byte == 0);
        end.and_then(|end| self.0.get(..end)).ok_or(NameError::Endless { size: N })
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().unwrap_or(&self.0).escape_ascii().fmt(f)
    }
}

impl<const N: usize> fmt::Debug for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endless = if self.get().is_ok() { "" } else { "..." };
        write!(f, "\"{self}\"{endless}")
    }
}

/// Why bytes are no name, or a name no field of a record.
///
/// # Examples
///
/// ```
/// use kho_block::linux::{Name, NameError};
///
/// assert_eq!(Name::<8>::new(b"too long").unwrap_err(), NameError::TooLong { len: 8, size: 8 });
/// assert_eq!(Name::<8>::new(b"a\0b").unwrap_err(), NameError::ZeroByte { offset: 1 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// No byte of the field is zero, so that the name has no end.
    Endless {
        /// Bytes of the field.
        size: usize,
    },
    /// The name does not fit into the field together with a zero byte.
    TooLong {
        /// Bytes of the name.
        len: usize,
        /// Bytes of the field.
        size: usize,
    },
    /// The name has a zero byte in it, where a reader would take it to end.
    ZeroByte {
        /// Bytes before that one.
        offset: usize,
    },
}

impl NameError {
    /// `EINVAL` (22).
    #[must_use]
    pub const fn errno(&self) -> i32 {
        EINVAL
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endless { size } => write!(f, "name without an end in {size} bytes"),
            Self::TooLong { len, size } => {
                write!(f, "name of {len} bytes for a field of {size} with a zero byte at its end")
            }
            Self::ZeroByte { offset } => write!(f, "name with a zero byte at offset {offset}"),
        }
    }
}

impl Error for NameError {}
