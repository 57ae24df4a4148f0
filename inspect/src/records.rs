//! The fields of an entry, as the command line names them.

use core::fmt::Write as _;
use core::str::FromStr;

/// The fields of an entry, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Records(Vec<Field>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Number(usize),
    Addr,
    Name(usize),
    Bytes(usize),
    Skip(usize),
}

impl Field {
    const fn bytes(self) -> usize {
        match self {
            Self::Addr => 8,
            Self::Number(bytes) | Self::Name(bytes) | Self::Bytes(bytes) | Self::Skip(bytes) => {
                bytes
            }
        }
    }
}

impl FromStr for Records {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields = text.split(',').map(field).collect::<Result<_, _>>()?;
        Ok(Self(fields))
    }
}

/// Reads one field.
///
/// # Errors
///
/// If there is no such field.
fn field(text: &str) -> Result<Field, String> {
    let sized = |bytes: &str| match bytes.parse() {
        Ok(bytes @ 1..=65536) => Ok(bytes),
        _ => Err(format!("`{text}`: the number of bytes is not from 1 to 65536")),
    };
    match text.split_once(':') {
        None => match text {
            "u8" => Ok(Field::Number(1)),
            "u16" => Ok(Field::Number(2)),
            "u32" => Ok(Field::Number(4)),
            "u64" => Ok(Field::Number(8)),
            "addr" => Ok(Field::Addr),
            _ => {
                Err(format!("`{text}` is none of u8, u16, u32, u64, addr, name:N, bytes:N, skip:N"))
            }
        },
        Some(("name", bytes)) => sized(bytes).map(Field::Name),
        Some(("bytes", bytes)) => sized(bytes).map(Field::Bytes),
        Some(("skip", bytes)) => sized(bytes).map(Field::Skip),
        Some(_) => Err(format!("`{text}` is none of name:N, bytes:N, skip:N")),
    }
}

impl Records {
    /// Bytes of all fields.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().fold(0, |sum: usize, field| sum.saturating_add(field.bytes()))
    }

    /// The fields of an entry, in words; of bytes behind the last one in hexadecimal.
    pub(crate) fn show(&self, mut entry: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        for field in &self.0 {
            let Some((bytes, rest)) = entry.split_at_checked(field.bytes()) else { break };
            entry = rest;
            match field {
                Field::Number(_) => shown.push(number(bytes).to_string()),
                Field::Addr => shown.push(format!("{:#x}", number(bytes))),
                Field::Name(_) => shown.push(name(bytes)),
                Field::Bytes(_) => shown.push(hex(bytes)),
                Field::Skip(_) => {}
            }
        }
        if !entry.is_empty() {
            shown.push(hex(entry));
        }
        shown
    }
}

/// A number of up to eight bytes in this processor's order.
fn number(bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if cfg!(target_endian = "little") {
        bytes.iter().rev().fold(0, add)
    } else {
        bytes.iter().fold(0, add)
    }
}

/// What comes before the first zero byte, or everything and three dots.
fn name(bytes: &[u8]) -> String {
    match bytes.iter().position(|&byte| byte == 0) {
        Some(end) => format!("\"{}\"", bytes.get(..end).unwrap_or_default().escape_ascii()),
        None => format!("\"{}\"...", bytes.escape_ascii()),
    }
}

/// Bytes in hexadecimal, in groups of eight.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (byte, number) in bytes.iter().zip(0_u64..) {
        if number > 0 && number % 8 == 0 {
            text.push(' ');
        }
        // A string takes all that is written to it.
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok());
    }
    text
}
