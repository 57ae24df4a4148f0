//! The tool as people and programs use it: what it prints, and how it ends.

#![expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests panic"
)]
#![expect(clippy::arithmetic_side_effects, reason = "the numbers of a test are small")]

mod chains;
mod damage;
mod drawn;
mod expected;
mod files;
mod generations;
mod golden;
mod image;
mod regions;
mod schema;
mod status;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// The folder of the workspace, from which the tool is called, so that it prints short paths.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The tool, with these arguments.
fn inspect(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("kho-inspect").unwrap();
    command.current_dir(root()).args(arguments).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// What the tool says to these arguments: its exit status and its JSON, which is as the schema has it.
fn json(arguments: &[&str]) -> (i32, Value) {
    let output = inspect(arguments).arg("--json").output().unwrap();
    let status = output.status.code().expect("it is not ended by a signal");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    schema::check(&json);
    (status, json)
}

/// A file of the tests' own, with these bytes.
fn file(name: &str, bytes: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path.into_os_string().into_string().unwrap()
}

/// The one finding that counts.
fn only_finding(json: &Value) -> &Value {
    let findings = json["findings"].as_array().unwrap();
    let counts = |finding: &&Value| finding["severity"] != "note" && finding["stale"] == false;
    let mut counting = findings.iter().filter(counts);
    let finding = counting.next().unwrap_or_else(|| panic!("no finding: {json:#}"));
    assert!(counting.next().is_none(), "more than one finding: {findings:#?}");
    finding
}
