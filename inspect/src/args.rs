//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::records::Records;

/// Shows what a kernel handed over to the next one by kexec, from an image of its memory, and what is
/// damaged in it.
///
/// IMAGE is an ELF core, as QEMU's `dump-guest-memory` and /proc/vmcore are, or raw memory with --raw.
/// Without a command the tool finds the handovers by itself: those of Linux, by the device tree that a
/// note names or by searching every page for one, and the regions of kho-block. It shows what is
/// preserved, LUO's state, sessions, files and shared objects, and judges every chain block by block.
#[derive(Debug, Parser)]
#[command(name = "kho-inspect", version, after_long_help = AFTER, max_term_width = 100)]
pub(crate) struct Cli {
    /// The image of the memory.
    pub(crate) image: PathBuf,

    #[command(flatten)]
    pub(crate) options: Options,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// IMAGE is memory as it is, without headers.
    #[arg(long, global = true)]
    pub(crate) raw: bool,

    /// The physical address of the first byte of raw memory.
    #[arg(long, value_name = "ADDR", default_value = "0", value_parser = number, global = true)]
    pub(crate) base: u64,

    /// Look at the device tree at this address, and search for nothing.
    #[arg(long, value_name = "ADDR", value_parser = number)]
    pub(crate) tree: Option<u64>,

    /// Print JSON, of the schema in the package's schema.json.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Draw the memory and the chains as SVG into this file, as well.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) svg: Option<PathBuf>,

    /// List everything: not just the first few of many blocks, sessions, files and entries.
    #[arg(long, global = true)]
    pub(crate) all: bool,

    /// When to colour; `auto` is on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(crate) color: When,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show any chain: its blocks and its entries.
    #[command(after_long_help = RECORDS)]
    Chain {
        /// The physical address of the first block.
        #[arg(value_parser = number)]
        addr: u64,

        /// Bytes of an entry; without it, those of --records.
        #[arg(long, value_name = "BYTES", required_unless_present = "records")]
        entry_size: Option<usize>,

        /// Bytes of a block.
        #[arg(long, value_name = "BYTES", default_value = "8192")]
        block_size: usize,

        /// The fields of an entry.
        #[arg(long, value_name = "FIELDS")]
        records: Option<Records>,
    },
    /// Show a descriptor, and the chain that it names.
    #[command(after_long_help = RECORDS)]
    Descriptor {
        /// Its physical address.
        #[arg(value_parser = number)]
        addr: u64,

        /// The fields of an entry.
        #[arg(long, value_name = "FIELDS")]
        records: Option<Records>,
    },
    /// Show a region, and the chain that its root names.
    #[command(after_long_help = RECORDS)]
    Region {
        /// The physical address of its header.
        #[arg(value_parser = number)]
        addr: u64,

        /// The fields of an entry of the root's chain.
        #[arg(long, value_name = "FIELDS")]
        records: Option<Records>,
    },
}

/// Reads a number in decimal, or in hexadecimal after `0x`.
///
/// # Errors
///
/// If it is none.
fn number(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    parsed.map_err(|error| format!("{error}: an address is decimal, or hexadecimal after 0x"))
}

const RECORDS: &str = "\
FIELDS is a list without spaces, in the order of the bytes:
  u8 u16 u32 u64   an unsigned number, in the byte order of this processor
  addr             a u64 in hexadecimal
  name:N           N bytes of text that ends in a zero byte
  bytes:N          N bytes in hexadecimal
  skip:N           N bytes that are not shown
LUO's sessions are name:64,addr,u64 in blocks of 4096 bytes, its files name:48,addr,u64.";

const AFTER: &str = "\
Exit status:
  0  nothing is damaged
  1  something is damaged: each finding says which chain and block, the address, the offset, the
     value found, and the rule that it breaks
  2  it cannot look: the arguments or the image are none that it can read, nothing was handed over
     in it, or it does not hold what it would take to go on

  Findings about a handover that a later one has followed (stale) do not count.

What is judged:
  the device tree, the map of preserved memory, LUO's state; every block of every chain: aligned,
  preserved, in no other chain, met once, no more entries than fit, and for Linux not empty; the
  number of each session's files; names; shared objects; headers, books and roots of regions;
  descriptors, and what they promise of their chains.

Images:
  The file is mapped, not read. It must not change meanwhile: one that is made shorter ends the
  tool by a signal. The search skips the holes of a sparse file; they read as zero. Compressed
  kdump files are refused.

Examples:
  kho-inspect vmcore
  kho-inspect vmcore --json | jq '.findings[] | select(.severity == \"damaged\")'
  kho-inspect vmcore --svg memory.svg
  kho-inspect ram.img --raw --base 0x100000000
  kho-inspect vmcore chain 0x3d7000 --block-size 4096 --records name:64,addr,u64
  kho-inspect vmcore region 0x100000000";
