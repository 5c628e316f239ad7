//! Timed commands as a real shell runs them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use patchgate::guest::linux::{command, timing};

const LIMIT: Duration = Duration::from_secs(20);

/// Runs the timed form of a command here; exit code, output, error output without the time, and the time.
fn run(argv: &[&str], stdin: &str) -> (Option<i32>, String, String, u64) {
    let command = timing::timed(command::bounded("run", argv, &[], LIMIT)).expect("it is bounded");
    assert!(timing::is_timed(&command));
    let mut child = Command::new(&command.argv[0])
        .args(&command.argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(stdin.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let mut stderr = output.stderr;
    let us = timing::take(&mut stderr, LIMIT)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(stderr), us)
}

#[test]
fn outputs_and_exit_code_are_the_actions_own_and_its_time_is_told() {
    let (exit, stdout, stderr, us) = run(
        &["/bin/sh", "-c", "sleep 0.2; echo out; echo err >&2; exit 3"],
        "",
    );
    assert_eq!(
        (exit, stdout.as_str(), stderr.as_str()),
        (Some(3), "out\n", "err\n")
    );
    assert!((200_000..10_000_000).contains(&us), "{us}");
}

#[test]
fn a_script_of_our_own_has_its_arguments_and_its_input() {
    let text = r#"exec 3<&0; cat <&3; printf '%s %s' "$1" "$2"; exit 7"#;
    let (exit, stdout, stderr, _) = run(
        &["/bin/bash", "-c", text, "patchgate", "web server", "80"],
        "hello ",
    );
    assert_eq!(
        (exit, stdout.as_str(), stderr.as_str()),
        (Some(7), "hello web server 80", "")
    );
}

#[test]
fn floods_are_cut_and_the_time_still_comes_last() {
    let flood = "head -c 2000000 /dev/zero | tr '\\0' x | tee /dev/stderr";
    let (exit, stdout, stderr, _) = run(&["/bin/sh", "-c", flood], "");
    assert_eq!(exit, Some(0));
    assert_eq!((stdout.len(), stderr.len()), (256 * 1024, 256 * 1024));
}
