//! Updates of the whole program: three processes, and what their verdict says.

#![expect(clippy::missing_panics_doc, reason = "tests panic")]

use std::process::{Command, Output, Stdio};

fn live_update(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_live_update"));
    command.args(arguments.split(' ')).stderr(Stdio::piped());
    command
}

/// What the program printed, for assertions to show.
fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// The numbers of the generations that have a line in the table.
fn generations(text: &str) -> Vec<u64> {
    let rows = text.lines().filter(|line| line.starts_with(' '));
    rows.filter_map(|row| row.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn an_update_loses_no_one() {
    let output = live_update("--connections 50 --updates 2").output().unwrap();

    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("wrong 0; connections 50, lost 0; generations 3,"), "{text}");
    assert_eq!(generations(&text), [1, 2, 3], "{text}");
    assert!(!text.contains("failed"), "{text}");
}

#[test]
fn an_update_that_fails_loses_no_one_and_the_next_one_succeeds() {
    let output = live_update("--connections 50 --updates 3 --fail-updates 1").output().unwrap();

    let text = text(&output);
    assert!(text.contains("wrong 0; connections 50, lost 0; generations 3,"), "{text}");
    assert_eq!(generations(&text), [1, 2, 3], "{text}");
    assert!(text.contains("failed updates 1,"), "{text}");
    assert!(text.contains("live_update server: an update failed"), "{text}");
    assert!(output.status.success(), "{text}");
}

#[test]
fn a_server_whose_updates_all_fail_serves_on() {
    let output = live_update("--connections 50 --updates 3 --fail-updates 3").output().unwrap();

    let text = text(&output);
    assert!(text.contains("wrong 0; connections 50, lost 0; generations 1,"), "{text}");
    assert_eq!(generations(&text), [1], "{text}");
    assert!(text.contains("failed updates 3,"), "{text}");
    assert!(output.status.success(), "{text}");
}

#[test]
fn a_server_whose_messages_nobody_reads_survives_an_update_that_fails() {
    let mut program = live_update("--connections 50 --updates 3 --fail-updates 1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(program.stderr.take());
    let output = program.wait_with_output().unwrap();

    let text = text(&output);
    assert!(text.contains("wrong 0; connections 50, lost 0; generations 3,"), "{text}");
    assert!(output.status.success(), "{text}");
}
