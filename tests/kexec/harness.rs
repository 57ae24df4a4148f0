//! Two kernels and the jumps between them, in a virtual machine: builds the crate in `tests/kexec`,
//! boots it, and reads its verdicts.
//!
//! Needs `qemu-system-x86_64`, on a host that runs Linux on x86-64. Elsewhere the tests are
//! ignored; in CI, where the variable `CI` is set, they fail without QEMU.

use core::time::Duration;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};

const QEMU: &str = "qemu-system-x86_64";
/// One machine: emulated on any host, and switched off by a write to port 0xf4.
const MACHINE: &str = "-accel tcg -m 352M -nodefaults -display none -no-reboot -serial stdio \
                       -device isa-debug-exit,iobase=0xf4,iosize=1";
/// What the guest ends QEMU with; after a fault in the guest it is 0.
const SUCCESS: i32 = 33;
const FAILURE: i32 = 35;
/// A run takes half a minute at the most.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The last kernel: 1 is kernel A, the others are B.
const LAST: usize = 4;

/// What every kernel but the last has to say.
const SAVING: [&str; 12] = [
    "saves 630000 files in 10000 blocks of 4 KiB",
    "saves 2000 sessions, each with its own chain of files",
    "saves a set behind a lock in a static",
    "saves 3 blocks that are exactly full",
    "saves 1 block of 100, the spare ones trimmed",
    "saves a set that met the end of memory while growing",
    "saves damaged chains",
    "names a set that it will not seal",
    "does not jump into what is no kernel",
    "unseals every set and goes on",
    "loads the next",
    "fills that set, and jumps",
];

/// What every kernel but the first has to say.
const RESTORING: [&str; 28] = [
    "finds every block that was left",
    "claims half of its blocks, and faults",
    "boots again, and finds no block claimed",
    "boots once more, and finds no block carried or claimed",
    "finds poison wherever nothing was preserved",
    "finds the devices by their keys, and no other by a key",
    "has counted these before it had a heap",
    "finds the region, the roots and its own image",
    "salvages what is sound of each damaged chain",
    "refuses a cycle",
    "refuses a count too large",
    "refuses a link into its own image",
    "refuses a link past the end of memory",
    "refuses a link into free memory",
    "refuses a block of another size",
    "refuses a link into the middle of a block",
    "refuses a block that is claimed already",
    "refuses a descriptor of another record size",
    "restores the sound chain beside them",
    "restores 630000 files in 10000 blocks of 4 KiB",
    "restores 2000 sessions, each with its own chain of files",
    "restores a set behind a lock in a static",
    "restores 3 blocks that are exactly full",
    "restores 1 block of 100, the spare ones trimmed",
    "restores a set that met the end of memory while growing",
    "sweeps away the spare blocks of a set that nobody sealed, and nothing else",
    "restores what was pushed into that set",
    "has freed everything but what it carries",
];

/// What each kernel has to say of the records that are carried.
const CARRIED: [&[&str]; LAST] = [
    &["finds no region, makes one, and leaves 1000000 records and 100000 devices there"],
    &[
        "carries 1968 of 7875 blocks, and faults",
        "finds and goes on, without a copy, with 1000000 records in the region",
        "puts others in for a third of the devices",
    ],
    &[
        "carries 3976 of 7953 blocks, and faults",
        "finds and goes on, without a copy, with 1010000 records in the region",
        "puts others in for a third of the devices",
    ],
    &["carries 6024 of 8032 blocks, and faults", "finds and frees 1020000 records in the region"],
];

fn main() -> ExitCode {
    let why_not = why_not();
    let ignored = why_not.is_some_and(|(_, even_in_ci)| even_in_ci || !in_ci());
    if let (true, Some((reason, _))) = (ignored, why_not) {
        eprintln!("kexec: not run: {reason}");
    }
    let trial = |name, run: fn() -> Result<(), Failed>| {
        let run = move || why_not.map_or_else(run, |(reason, _)| Err(reason.into()));
        Trial::test(name, run).with_ignored_flag(ignored)
    };
    let trials = vec![
        trial("four_kernels_hand_over_what_they_save", handover),
        trial("a_library_with_another_header_is_found_out", found_out),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// Why the kernels cannot run here, and whether that is to be expected in CI as well.
fn why_not() -> Option<(&'static str, bool)> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Some(("needs x86-64 Linux, to build the kernels on", true));
    }
    match Command::new(QEMU).arg("--version").output() {
        Ok(_) => None,
        Err(_) => {
            Some(("needs qemu-system-x86_64 (Debian: apt-get install qemu-system-x86)", false))
        }
    }
}

/// # Errors
///
/// If a verdict is missing or bad, or the machine ends otherwise than by success.
fn handover() -> Result<(), Failed> {
    let kernels = build(here(), &scratch().join("target"))?;
    let run = boot(&kernels.join("kernel_a"), &kernels.join("kernel_b"))?;
    println!("{}", run.log);
    let mut expected = Vec::new();
    for (kernel, carried) in (1..=LAST).zip(CARRIED) {
        let restoring = RESTORING.iter().filter(|_| kernel > 1);
        let saving = SAVING.iter().filter(|_| kernel < LAST);
        expected.extend(
            restoring
                .chain(saving)
                .chain(carried)
                .map(|step| format!("ok    kernel {kernel} {step}")),
        );
    }
    let verdicts =
        run.log.lines().filter(|line| line.starts_with("ok ") || line.starts_with("FAIL"));
    let unexpected = verdicts.clone().find(|line| !expected.iter().any(|step| step == line));
    let missing = expected.iter().find(|step| !verdicts.clone().any(|line| line == *step));
    run.expect(unexpected.is_none(), &format!("a verdict is {unexpected:?}"))?;
    run.expect(missing.is_none(), &format!("a verdict is missing: {missing:?}"))?;
    let costs = run.log.lines().filter(|line| line.starts_with("cost  ")).count();
    run.expect(costs == 3, "a line of costs is missing")?;
    run.expect(run.status == Some(SUCCESS), "the machine did not end by success")
}

/// The negative control: what a wrong layout in kernel B alone does to the verdicts.
///
/// # Errors
///
/// If it is not found out.
fn found_out() -> Result<(), Failed> {
    let tree = scratch().join("swapped");
    let lines = copy(&here().join("src"), &tree.join("src"))?;
    // The library's documentation shows a file of these.
    copy(&here().join("docs"), &tree.join("docs"))?;
    copy(&here().join("tests/kexec"), &tree.join("tests/kexec"))?;
    // The library's manifest, without the packages around it and the tests and benchmarks that it
    // lists at its end.
    let manifest = fs::read_to_string(here().join("Cargo.toml"))?;
    let manifest = manifest.split("\n[[").next().unwrap_or_default();
    let manifest: Vec<_> = manifest.lines().filter(|line| !line.starts_with("members =")).collect();
    put(&tree.join("Cargo.toml"), &manifest.join("\n"))?;
    if lines != SWAPPED.len() {
        return Err(format!("{lines} lines of the header are known here, not all").into());
    }
    let swapped = build(&tree, &tree.join("target"))?;
    let kernels = build(here(), &scratch().join("target"))?;
    let run = boot(&kernels.join("kernel_a"), &swapped.join("kernel_b"))?;
    let verdict = "FAIL  kernel B finds the descriptors that the root names: block 0 at ";
    let found_out = run.log.lines().find(|line| line.starts_with(verdict));
    println!("wanted: {}", found_out.unwrap_or("a line that begins with FAIL, which is not there"));
    // The link, 0 in the only block, is taken for the count.
    let found_out = found_out.is_some_and(|line| line.ends_with(": holds no entries"));
    run.expect(found_out, "a header with its fields swapped was not found out")?;
    run.expect(run.status == Some(FAILURE), "the machine did not end by failure")
}

/// The files of the library, and their lines, in which `next` and `count` change places for that.
const HEADER: [&str; 2] = ["abi/sizes.rs", "chain/header.rs"];
const SWAPPED: [&str; 6] = [
    "pub next: u64,",
    "pub count: u64,",
    "const_assert_eq!(offset_of!(BlockHeader, next), 0);",
    "const_assert_eq!(offset_of!(BlockHeader, count), 8);",
    "next: Word,",
    "count: Word,",
];

/// Copies a directory of text files, in those with those lines changed; returns how many it met.
///
/// # Errors
///
/// Those of the file system.
fn copy(from: &Path, to: &Path) -> Result<usize, Failed> {
    let mut met = 0_usize;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            met = met.saturating_add(copy(&from, &to)?);
            continue;
        }
        let mut text = String::new();
        let of_header = HEADER.iter().any(|file| from.ends_with(file));
        for line in fs::read_to_string(&from)?.lines() {
            if of_header && SWAPPED.contains(&line.trim()) {
                met = met.saturating_add(1);
                let swapped = line.replace("next", "\0").replace("count", "next");
                text.push_str(&swapped.replace('\0', "count"));
            } else {
                text.push_str(line);
            }
            text.push('\n');
        }
        put(&to, &text)?;
    }
    Ok(met)
}

/// Writes a file unless it is there already, so that nothing is built twice.
///
/// # Errors
///
/// Those of the file system.
fn put(path: &Path, text: &str) -> Result<(), Failed> {
    if fs::read_to_string(path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, text)?)
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("kexec")
}

/// Builds both kernels in `tests/kexec` of a source tree, into `target`; returns where they are.
///
/// # Errors
///
/// If they do not build, with what the compiler says.
fn build(tree: &Path, target: &Path) -> Result<PathBuf, Failed> {
    let triple = "x86_64-unknown-linux-gnu";
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked", "--bins", "--target", triple])
        .arg("--manifest-path")
        .arg(tree.join("tests/kexec/Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        // What instruments the host's programs has no place in a kernel.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(target.join(triple).join("release"))
}

/// How a machine ran.
struct Run {
    log: String,
    /// `None` if it was killed.
    status: Option<i32>,
}

impl Run {
    /// # Errors
    ///
    /// Unless `holds`, with the serial log.
    fn expect(&self, holds: bool, what: &str) -> Result<(), Failed> {
        if holds {
            return Ok(());
        }
        let Self { log, status } = self;
        let status = match status {
            Some(0) => "ended with 0, as after a fault in the guest",
            Some(SUCCESS) => "ended by success",
            Some(FAILURE) => "ended by failure",
            Some(_) => "failed",
            None => "had to be killed",
        };
        Err(format!("{what}; QEMU {status}, and the serial line says\n{log}").into())
    }
}

/// Boots kernel `a`, with `b` as its boot module, and waits for the machine to end.
///
/// # Errors
///
/// If there is no QEMU.
fn boot(a: &Path, b: &Path) -> Result<Run, Failed> {
    let mut qemu = Command::new(QEMU)
        .args(MACHINE.split_whitespace())
        .arg("-kernel")
        .arg(a)
        .arg("-initrd")
        .arg(b)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let serial = qemu.stdout.take();
    let reader = thread::spawn(move || {
        let mut log = Vec::new();
        let read = serial.map(|mut serial| serial.read_to_end(&mut log));
        read.transpose().map(|_| String::from_utf8_lossy(&log).into_owned())
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = qemu.try_wait()? {
            break status.code();
        }
        if started.elapsed() > TIMEOUT {
            qemu.kill()?;
            qemu.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let log = reader.join().map_err(|_| "the serial line was lost")??;
    Ok(Run { log, status })
}
