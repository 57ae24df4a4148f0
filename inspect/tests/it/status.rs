//! How the tool ends, and what it says when it is called in the wrong way.

use crate::inspect;

const IMAGE: &str = "tests/golden/linux/sessions-102-refused-duplicate.core";

#[test]
fn the_first_screen_tells_of_the_refused_duplicate() {
    let output = inspect(&[IMAGE]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let screen: Vec<_> = text.lines().take(24).collect();
    let screen = screen.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    for words in
        ["block 2 at 0x3f3000: empty, and linked by block 1", "Linux 7.3", "panics", "duplicate"]
    {
        assert!(screen.contains(words), "{words:?} is not in\n{screen}");
    }
}

#[test]
fn wrong_arguments_end_with_2_and_say_why() {
    for (arguments, words) in [
        (&[][..], "<IMAGE>"),
        (&[IMAGE, "chain"], "<ADDR>"),
        (&[IMAGE, "chain", "0x1000"], "--entry-size"),
        (&[IMAGE, "chain", "12z", "--entry-size", "8"], "an address is decimal"),
        (&[IMAGE, "chain", "1", "--entry-size", "0"], "there are no chains"),
        (&[IMAGE, "chain", "1", "--entry-size", "8", "--block-size", "100"], "a power of two"),
        (&[IMAGE, "chain", "1", "--records", "u7"], "`u7` is none of"),
        (&[IMAGE, "chain", "1", "--records", "name:0"], "from 1 to 65536"),
        (
            &[IMAGE, "chain", "1", "--records", "u64", "--entry-size", "4"],
            "the fields have 8 bytes",
        ),
        (&[IMAGE, "--svg", "/nowhere/at/all.svg"], "/nowhere/at/all.svg"),
        (&[IMAGE, "sessions"], "sessions"),
    ] {
        let output = inspect(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn help_and_version_end_with_0() {
    for argument in ["--help", "-h", "--version", "help"] {
        inspect(&[argument]).assert().code(0);
    }
}

#[test]
fn no_color_and_a_pipe_mean_no_colour() {
    let plain = inspect(&[IMAGE]).output().unwrap().stdout;
    let escape = |output: &[u8]| output.contains(&0x1b);
    assert!(!escape(&plain));
    let forced = inspect(&[IMAGE]).env("CLICOLOR_FORCE", "1").output().unwrap().stdout;
    assert!(escape(&forced));
    let both = inspect(&[IMAGE]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!escape(&both.stdout));
}
