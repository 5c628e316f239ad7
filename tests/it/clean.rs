//! `clean` and the state folder, where what is written there is somebody else's claim.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use predicates::prelude::*;
use predicates::str::contains;

use patchgate::image::catalogue::Store;
use patchgate::record::state::State;
use tokio_util::sync::CancellationToken;

use crate::testkit::cli::patchgate;
use crate::testkit::plans::two_cells;
use crate::testkit::story::{Story, all_pass};

const RUN: &str = "20261123-140912-7c1f";
const OLDER: &str = "20200101-140912-7c1f";
const OPEN: &str = "20200102-140912-7c1f";

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
        .stdout(contains("others may write to it").and(contains("1 list not read")));
}

/// A state folder with a run that opened its gate, and a newer one that did.
fn two_open_runs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().join("state"));
    for run in [OLDER, OPEN] {
        let dir = state.create_run(&run.parse().expect("a run id")).expect("run");
        Story::whole(two_cells(), all_pass)
            .renamed(run, "hq")
            .write(&dir.journal());
    }
    folder
}

/// What somebody else could have written decides nothing, and lets no older run answer.
#[test]
fn a_run_that_others_own_or_can_write_to_decides_nothing() {
    type Way<'a> = (&'a str, &'a str, &'a dyn Fn(&Path, &Path));
    let root = rustix::process::geteuid().is_root();
    let give = |path: &Path| std::os::unix::fs::chown(path, Some(65534), None).expect("chown");
    let aside = |path: &Path| {
        let away = path.with_extension("away");
        fs::rename(path, &away).expect("move");
        symlink(&away, path).expect("link");
    };
    let ways: [Way<'_>; 6] = [
        ("others may write to it (mode 0777)", "chmod go-w", &|dir, _| {
            mode(dir, 0o777);
        }),
        (
            "others may write to it (mode 0666)",
            "chmod go-w",
            &|_, journal| mode(journal, 0o666),
        ),
        ("it belongs to user 65534", "chown 0", &|dir, _| give(dir)),
        ("it belongs to user 65534", "chown 0", &|_, journal| give(journal)),
        (
            "it is no folder, but a link",
            "put the folder itself there",
            &|dir, _| aside(dir),
        ),
        (
            "it is no file, but a link",
            "put the file itself there",
            &|_, journal| aside(journal),
        ),
    ];
    for (why, remedy, make) in ways {
        if why.contains("65534") && !root {
            continue;
        }
        let folder = two_open_runs();
        let state = State::at(folder.path().join("state"));
        let run = OPEN.parse().expect("a run id");
        make(&state.run_dir(&run), &state.journal(&run));
        patchgate(folder.path())
            .args(["gate", OPEN, "--replay"])
            .assert()
            .code(3)
            .stdout(contains("gate: UNDECIDED"))
            .stderr(contains(why).and(contains(remedy)));
        patchgate(folder.path())
            .args(["report", OPEN])
            .assert()
            .code(3)
            .stdout("")
            .stderr(contains(why));
        patchgate(folder.path())
            .arg("history")
            .assert()
            .success()
            .stdout(contains("unreadable"));
        // Not even of which lab it is: it may be of each.
        assert_eq!(
            state.latest(Some("elsewhere")).expect("latest"),
            Some(run),
            "{why}"
        );
    }
}

#[test]
fn what_a_run_keeps_is_its_users_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().join("state"));
    let dir = state.create_run(&OPEN.parse().expect("a run id")).expect("run");
    Story::whole(two_cells(), all_pass)
        .renamed(OPEN, "hq")
        .write(&dir.journal());
    patchgate::record::ledger::Ledger::create(&dir.resources()).expect("a ledger");
    for path in [dir.journal(), dir.resources()] {
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn a_host_that_was_not_looked_at_is_counted_and_ends_otherwise_than_well() {
    let folder = left(RUN, &[]);
    let lab = "[lab]\nname = \"hq\"\n[network]\nmode = \"open\"\n[[host]]\n\
               uri = \"qemu+unix:///system?socket=/nonexistent/socket\"\n[image.debian-12]\nbuild = \"recipe.toml\"\n\
               [role.web]\n[group.shop]\nowner = \"a\"\nadmin = \"b\"\nos = [\"debian-12\"]\nroles = [\"web\"]\n\
               scenarios = [\"shop\"]\n";
    fs::write(folder.path().join("patchgate.toml"), lab).expect("write");
    fs::write(folder.path().join("recipe.toml"), "").expect("write");
    patchgate(folder.path())
        .args(["clean", "--dry-run"])
        .assert()
        .code(3)
        .stdout(contains("was not looked at").and(contains(
            "clean: 0 would be removed, 0 could not be removed, 1 host not looked at",
        )));
}

#[test]
fn what_a_dead_import_left_in_the_image_store_is_removed_and_a_live_one_is_left_alone() {
    let folder = left(RUN, &[]);
    let images = folder.path().join("images-store");
    let store = Store::at(&images).expect("a store");
    let cancel = CancellationToken::new();
    let lock = store.lock("live", "import", &cancel, &|| {}).expect("its lock");
    let work = store.work("live", "import", &lock).expect("its folder");
    let dead = images.join(".work-debian-12-import");
    fs::create_dir_all(dead.join("disk-0")).expect("folders");
    let clean = |args: &[&str]| {
        patchgate(folder.path())
            .arg("clean")
            .args(args)
            .assert()
            .get_output()
            .clone()
    };
    let said = |args: &[&str]| String::from_utf8_lossy(&clean(args).stdout).into_owned();
    assert!(
        !said(&[RUN, "--dry-run"]).contains("import"),
        "another run is meant"
    );
    let told = said(&["--dry-run"]);
    assert!(
        told.contains("would remove ")
            && told.contains(".work-debian-12-import")
            && !told.contains("live-import"),
        "{told}"
    );
    assert!(told.contains("clean: 1 would be removed"), "{told}");
    assert!(dead.exists());
    #[cfg(feature = "libvirt")]
    {
        let told = said(&[]);
        assert!(told.contains(".work-debian-12-import (of an import"), "{told}");
        assert!(!dead.exists() && work.dir().exists());
    }
    drop(work);
}

#[test]
fn a_file_in_the_place_of_a_run_is_told_to_be_one() {
    let folder = left(OLDER, &[]);
    fs::write(folder.path().join("state/runs").join(RUN), "x").expect("write");
    for arguments in [&["history"][..], &["clean", RUN, "--dry-run"]] {
        patchgate(folder.path()).args(arguments).assert().stdout(
            contains("it is no folder")
                .and(contains("alive").not())
                .and(contains("died").not()),
        );
    }
}
