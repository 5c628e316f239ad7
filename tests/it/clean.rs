//! `clean` and the state folder, where what is written there is somebody else's claim.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use predicates::prelude::*;
use predicates::str::contains;

use crate::testkit::cli::patchgate;

const RUN: &str = "20261123-140912-7c1f";

/// A state folder with a run that left these entries.
fn left(run: &str, entries: &[String]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    plant(folder.path(), run, entries);
    folder
}

fn plant(folder: &Path, run: &str, entries: &[String]) {
    let state = folder.join("state");
    let dir = state.join("runs").join(run);
    fs::create_dir_all(&dir).expect("folders");
    for path in [&state, &state.join("runs"), &dir] {
        mode(path, 0o700);
    }
    fs::write(dir.join("resources.jsonl"), entries.concat()).expect("write");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

fn entry(kind: &str, name: &str, uri: &str) -> String {
    format!("{{\"op\":\"create\",\"kind\":\"{kind}\",\"name\":\"{name}\",\"uri\":\"{uri}\"}}\n")
}

#[cfg(feature = "libvirt")]
#[test]
fn a_list_of_resources_is_no_reason_to_connect_to_a_host_or_to_start_a_program() {
    for (form, told) in [
        (
            "qemu+ext:///system?command=SCRIPT",
            "the lab file names no such host",
        ),
        (
            "qemu+ssh://host/system?command=SCRIPT",
            "the lab file names no such host",
        ),
        (
            "qemu+unix:///system?socket=SCRIPT",
            "the lab file names no such host",
        ),
        ("qemu:///system?socket=SCRIPT", "the lab file names no such host"),
        ("qemu+ssh://host/system", "the lab file names no such host"),
    ] {
        let script = tempfile::tempdir().expect("folder");
        let path = script.path().join("script");
        fs::write(
            &path,
            format!("#!/bin/sh\ntouch {}/ran\n", script.path().display()),
        )
        .expect("write");
        mode(&path, 0o700);
        let uri = form.replace("SCRIPT", path.to_str().expect("text"));
        let folder = left(RUN, &[entry("domain", &format!("pg-{RUN}-0-control-web"), &uri)]);
        for arguments in [&["clean", RUN][..], &["clean", RUN, "--dry-run"]] {
            patchgate(folder.path()).args(arguments).assert().code(3).stdout(
                contains(told)
                    .and(contains("clean: 0 "))
                    .and(contains(", 1 could not be removed")),
            );
        }
        assert!(!script.path().join("ran").exists(), "{uri} ran a program");
    }
}

#[cfg(feature = "libvirt")]
#[test]
fn what_is_not_called_after_the_run_is_left_alone() {
    let uri = "qemu:///system";
    let folder = left(
        RUN,
        &[
            entry("volume", "default/erp.qcow2", uri),
            entry("domain", "erp", uri),
            entry("network", "default", uri),
            entry("filter", "clean-traffic", uri),
            entry("pool", "pg-20261123-140912-0000", uri),
        ],
    );
    patchgate(folder.path())
        .args(["clean", RUN])
        .assert()
        .code(3)
        .stdout(
            contains("not removed: volume default/erp.qcow2")
                .and(contains(format!("is not of run {RUN} and is left alone")))
                .and(contains("clean: 0 removed, 5 could not be removed")),
        );
}

#[test]
fn one_list_that_cannot_be_read_keeps_no_other_from_being_looked_at() {
    let other = "20261123-140913-0001";
    let folder = left(RUN, &["what?\n".to_owned()]);
    plant(
        folder.path(),
        other,
        &[entry(
            "domain",
            &format!("pg-{other}-0-control-web"),
            "qemu+ssh://far/system",
        )],
    );
    let ledger = |run: &str| folder.path().join("state/runs").join(run).join("resources.jsonl");
    for plant in ["text", "pipe", "folder"] {
        let path = ledger(RUN);
        match plant {
            "pipe" => {
                fs::remove_file(&path).expect("remove");
                let made = std::process::Command::new("mkfifo").arg(&path).status();
                assert!(made.expect("mkfifo").success());
            }
            "folder" => {
                fs::remove_file(&path).expect("remove");
                fs::create_dir(&path).expect("folder");
            }
            _ => {}
        }
        let mut command = patchgate(folder.path());
        command
            .args(["clean", "--dry-run", "--lab", "none.toml"])
            .timeout(std::time::Duration::from_secs(20))
            .assert()
            .code(3)
            .stdout(
                contains(format!("what run {RUN} left cannot be told"))
                    .and(contains(format!("not removed: domain pg-{other}-0-control-web"))),
            );
    }
}

#[test]
fn a_state_folder_that_others_own_or_can_write_to_is_refused() {
    let folder = left(RUN, &[]);
    let state = folder.path().join("state");
    let verbs: [&[&str]; 4] = [
        &["clean", RUN, "--dry-run"],
        &["gate", RUN],
        &["report", RUN],
        &["history"],
    ];
    let refused = |why: &str| {
        for verb in verbs {
            patchgate(folder.path())
                .args(verb)
                .assert()
                .code(2)
                .stderr(contains("not taken for a folder of runs").and(contains(why)));
        }
    };
    for path in [state.clone(), state.join("runs")] {
        for others in [0o770, 0o707, 0o1777] {
            mode(&path, others);
            refused("others may write to it");
        }
        mode(&path, 0o700);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), None).expect("chown");
            refused("it belongs to user 65534");
            std::os::unix::fs::chown(&path, Some(0), None).expect("chown");
        }
    }
    let away = folder.path().join("away");
    fs::rename(state.join("runs"), &away).expect("move");
    symlink(&away, state.join("runs")).expect("link");
    refused("it is no folder");
    // A run's own folder is looked at too.
    fs::remove_file(state.join("runs")).expect("remove");
    fs::rename(&away, state.join("runs")).expect("move");
    mode(&state.join("runs").join(RUN), 0o777);
    patchgate(folder.path())
        .args(["clean", RUN, "--dry-run"])
        .assert()
        .code(3)
        .stdout(contains("others may write to it"));
}
