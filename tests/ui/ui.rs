//! Programs that must not compile, and one that must.

#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test that goes wrong panics, also in the functions that it calls"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// The compiler whose messages stand beside the programs.
const MESSAGES_OF: &str = "rustc 1.95.";

/// Where the programs are when it is another compiler.
const PROGRAMS: &str = "KHO_BLOCK_UI_PROGRAMS";

#[test]
fn misuse_does_not_compile() {
    let elsewhere = env::var_os(PROGRAMS).map(PathBuf::from);
    if elsewhere.is_none() && !compiler().starts_with(MESSAGES_OF) {
        return misuse_does_not_compile_whatever_is_said();
    }
    let directory = elsewhere.unwrap_or_else(|| PathBuf::from("."));
    let programs = trybuild::TestCases::new();
    // With a program that passes, all of them are built rather than checked, so that what is
    // asserted for each type an entry may have is seen as well.
    programs.pass(directory.join("one_of_each.rs"));
    programs.compile_fail(directory.join("*/*.rs"));
}

/// Runs this test again over copies of the programs without the messages, which differ from
/// compiler to compiler: new ones are written down, and a program that compiles is still a failure.
fn misuse_does_not_compile_whatever_is_said() {
    println!("messages are compared for {MESSAGES_OF}* only; this is {}", compiler());
    let copies = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let _ = fs::remove_dir_all(&copies);
    copy_programs(Path::new("."), &copies).unwrap();
    let again = Command::new(env::current_exe().unwrap())
        .env(PROGRAMS, &copies)
        .env("TRYBUILD", "overwrite")
        .status();
    assert!(again.unwrap().success(), "a program does not do as it should");
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8_lossy(&version.stdout).trim().to_owned()
}

fn copy_programs(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let copy = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_programs(&path, &copy)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            fs::copy(&path, &copy)?;
        }
    }
    Ok(())
}
