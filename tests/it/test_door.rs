//! `make test`'s script, run with a stand-in for cargo: what is left out is said, and nothing is left out unasked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const CARGO: &str = r#"#!/bin/bash
here=$(dirname "$0")
if [ "$*" = "nextest --version" ]; then [ ! -e "$here/no-nextest" ]; else echo "cargo $*"; fi
"#;
const VIRSH: &str = "#!/bin/bash\n[ ! -e \"$(dirname \"$0\")/no-libvirt\" ]\n";

/// Runs the script on a machine that lacks something.
fn door(lacks: &[&str], env: &[(&str, &str)]) -> Output {
    let bin = tempfile::tempdir().expect("a folder");
    for (name, script) in [("cargo", CARGO), ("virsh", VIRSH)] {
        let path = bin.path().join(name);
        fs::write(&path, script).expect("a stand-in");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    for lack in lacks {
        fs::write(bin.path().join(format!("no-{lack}")), "").expect("a mark");
    }
    Command::new("bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run.sh"))
        .env("PATH", format!("{}:/usr/bin:/bin", bin.path().display()))
        .env_remove("CI")
        .env_remove("LIVE")
        .envs(env.iter().copied())
        .output()
        .expect("bash starts")
}

fn said(lacks: &[&str], env: &[(&str, &str)]) -> String {
    let output = door(lacks, env);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn all_is_run_and_that_is_said() {
    assert_eq!(
        said(&[], &[]),
        "test: left out: foreign guests (`make test-guests`)\ncargo nextest run --locked --workspace --profile default\n"
    );
    assert_eq!(said(&[], &[("CI", "")]), said(&[], &[("CI", "false")]));
}

#[test]
fn a_machine_gets_time_outs_and_junit() {
    assert_eq!(
        said(&[], &[("CI", "true")]),
        "test: with time-outs; JUnit goes to target/nextest/ci/junit.xml\n\
         test: left out: foreign guests (`make test-guests`)\n\
         cargo nextest run --locked --workspace --profile ci\n"
    );
}

#[test]
fn live_tests_are_left_out_when_asked_only() {
    assert_eq!(
        said(&["libvirt"], &[("LIVE", "no")]),
        "test: left out: the live tests on real clones, because of LIVE=no; foreign guests (`make test-guests`)\n\
         cargo nextest run --locked --workspace --profile default -E not binary(=live)\n"
    );
    assert_eq!(
        said(&["libvirt"], &[]),
        "test: qemu:///system does not answer, so live tests will fail; LIVE=no leaves them out\n\
         test: left out: foreign guests (`make test-guests`)\n\
         cargo nextest run --locked --workspace --profile default\n"
    );
    let wrong = door(&[], &[("LIVE", "maybe")]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("LIVE is `maybe`; it can be yes or no"));
}

#[test]
fn without_nextest_the_same_tests_run() {
    let note = "test: cargo-nextest is not installed, so `cargo test` runs them one by one, without time-outs and without JUnit\n";
    assert_eq!(
        said(&["nextest"], &[("CI", "true")]),
        format!(
            "{note}test: left out: foreign guests (`make test-guests`)\n\
             cargo test --locked --workspace --all-targets -- --test-threads=1\n"
        )
    );
    assert_eq!(
        said(&["nextest"], &[("LIVE", "no")]),
        format!(
            "{note}test: left out: the live tests on real clones, because of LIVE=no; foreign guests (`make test-guests`)\n\
             cargo test --locked --workspace --lib --bins --test it -- --test-threads=1\n"
        )
    );
}
