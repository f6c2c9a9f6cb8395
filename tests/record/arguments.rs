//! What is understood, what is not, and what is said then.

use crate::harness::*;

#[test]
fn what_is_not_understood_is_a_usage_error() {
    let place = Place::new();
    for arguments in [
        &["record"][..],
        &["record", "-p", "x"],
        &["record", "-p", "1", "-d", "soon"],
        &["record", "-p", "1", "-r", "0"],
        &["record", "-p", "1", "-f", "gif"],
        &["record", "-p", "1", "-F", "--nolineno"],
        &["record", "-p", "1", "python"],
        &["record", "--no-such-flag", "-p", "1"],
        &["record", "-p", "1", "--native"],
        &["nonsense"],
    ] {
        let output = place.spyhole(arguments).output().unwrap();
        assert_code(&output, 2);
        assert_eq!(stdout(&output), "");
        assert!(!stderr(&output).is_empty());
    }
    assert!(place.names().is_empty());
}

#[test]
fn the_help_names_every_command() {
    let help = stdout(&Place::new().spyhole(["--help"]).output().unwrap());
    for command in ["record", "top", "dump", "check", "ps", "doctor"] {
        let mut lines = help.lines().map(str::trim_start);
        let named = lines.any(|line| line.starts_with(&format!("{command} ")));
        assert!(named, "{command}: {help}");
    }
}

#[test]
fn help_tells_examples_defaults_and_exit_codes() {
    let help = stdout(&Place::new().spyhole(["record", "--help"]).output().unwrap());
    for part in [
        "Examples:",
        "[default: 100]",
        "[default: unlimited]",
        "Exit codes:",
        "Output:",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn completions_are_written_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Place::new()
            .spyhole(["completions", shell])
            .output()
            .unwrap();
        assert_code(&output, 0);
        assert!(stdout(&output).contains("record"));
    }
}

#[test]
fn text_of_the_target_does_not_steer_the_terminal() {
    let place = Place::new();
    let output = place
        .record([
            "-o",
            "x\u{1b}]0;y.svg",
            "--",
            python().to_str().expect("UTF-8"),
            "-c",
            "for i in range(3000000): pass # \u{1b}[31m\u{202e}\r",
        ])
        .output()
        .unwrap();
    let told = stderr(&output);
    assert!(told.contains("\\u{1b}[31m\\u{202e}\\r"), "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains('\r'));
}
