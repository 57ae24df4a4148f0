//! What is printed, byte by byte, against files that somebody has read.
//!
//! `UPDATE_EXPECTED=1 cargo test -p kho-inspect` writes them anew: read what has changed.

use std::path::Path;
use std::{env, fs};

use crate::{inspect, root};

/// Compares what the tool prints with a file in `tests/expected`.
fn check(name: &str, arguments: &[&str], status: i32) {
    let output = inspect(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{name}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
    compare(name, &String::from_utf8(output.stdout).unwrap());
}

/// Compares with a file in `tests/expected`.
pub(crate) fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected").join(name);
    if env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name}: instead of\n{expected}\nit is\n{found}");
}

/// The images of Linux, each with the status that the tool ends with.
const CORES: [(&str, i32); 5] = [
    ("sessions-0", 0),
    ("sessions-102-exactly-full", 0),
    ("sessions-102-refused-duplicate", 1),
    ("sessions-120-files-210", 0),
    ("sessions-2000-files-300", 0),
];

#[test]
fn the_images_of_linux_are_shown_to_people() {
    for (name, status) in CORES {
        let image = format!("tests/golden/linux/{name}.core");
        check(&format!("{name}.txt"), &[&image], status);
    }
}

#[test]
fn the_images_of_linux_are_told_to_programs() {
    for (name, status) in &CORES[..3] {
        let image = format!("tests/golden/linux/{name}.core");
        check(&format!("{name}.json"), &[&image, "--json"], *status);
    }
}

#[test]
fn the_images_of_linux_are_drawn() {
    for (name, status) in CORES {
        let image = format!("tests/golden/linux/{name}.core");
        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.svg"));
        inspect(&[&image, "--svg", picture.to_str().unwrap()]).assert().code(status);
        compare(&format!("{name}.svg"), &fs::read_to_string(&picture).unwrap());
    }
}

#[test]
fn a_terminal_gets_colours() {
    let image = "tests/golden/linux/sessions-102-refused-duplicate.core";
    check("colours.txt", &[image, "--color", "always"], 1);
    let output = inspect(&[image, "--color", "never"]).output().unwrap().stdout;
    let name = "sessions-102-refused-duplicate.txt";
    compare(name, &String::from_utf8(output).unwrap());
}

#[test]
fn any_chain_is_shown_in_bytes_and_in_fields() {
    let image = "tests/golden/linux/sessions-120-files-210.core";
    let files = ["chain", "0x3e6000", "--block-size", "4096"];
    let mut arguments = vec![image];
    arguments.extend(files);
    arguments.extend(["--entry-size", "64"]);
    check("chain-bytes.txt", &arguments, 0);
    arguments.truncate(5);
    arguments.extend(["--records", "name:48,addr,u64"]);
    check("chain-fields.txt", &arguments, 0);
}

#[test]
fn the_help_is_a_page_of_a_manual() {
    for (name, arguments) in
        [("help.txt", &["--help"][..]), ("help-chain.txt", &["x", "chain", "--help"])]
    {
        check(name, arguments, 0);
    }
    let readme = fs::read_to_string(root().join("inspect/README.md")).unwrap();
    for word in ["--json", "--svg", "--raw", "--records", "NO_COLOR", "schema.json"] {
        assert!(readme.contains(word), "the README does not tell of {word}");
    }
}
