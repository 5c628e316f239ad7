//! Files that are none, have no end, or change while they are read, wherever a stranger may put one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assert_cmd::Command;
use patchgate::lab::scenario::load::load_dir;
use predicates::str::contains;

use crate::testkit::cli;

const RUN: &str = "20200102-140912-7c1f";

/// Whatever it is given, it does not wait.
fn patchgate(folder: &Path) -> Command {
    let mut command = cli::patchgate(folder);
    command.timeout(Duration::from_secs(30));
    command
}

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo").success());
}

/// A file without an end, and without bytes on the disk.
fn endless(path: &Path) {
    let file = fs::File::create(path).expect("a file");
    file.set_len(1 << 40).expect("its length");
}

fn spoil(path: &Path, how: &str) {
    if path.is_file() {
        fs::remove_file(path).expect("remove");
    }
    match how {
        "pipe" => pipe(path),
        "endless" => endless(path),
        _ => fs::create_dir(path).expect("a folder"),
    }
}

#[test]
fn no_file_of_a_lab_is_waited_for_or_read_without_end() {
    for how in ["pipe", "endless"] {
        for (file, asked) in [
            ("patchgate.toml", &["check", "patchgate.toml"][..]),
            ("scenarios/shop/page.toml", &["check"]),
            ("images/debian-12.toml", &["check"]),
            ("images/files/interfaces", &["check"]),
        ] {
            let folder = tempfile::tempdir().expect("folder");
            patchgate(folder.path()).args(["init", "."]).assert().success();
            let path = folder.path().join(file);
            assert!(path.is_file(), "a new lab has no {file}");
            spoil(&path, how);
            let told = patchgate(folder.path()).args(asked).assert().code(2);
            let output = told.get_output();
            let text = [&output.stdout[..], &output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let named = Path::new(file).file_name().expect("a name").to_string_lossy();
            assert!(text.contains(&*named), "{how} {file}: {text}");
        }
    }
}

#[test]
fn no_journal_or_manifest_is_waited_for_or_read_without_end() {
    for how in ["pipe", "endless", "folder"] {
        let folder = tempfile::tempdir().expect("folder");
        let state = patchgate::record::state::State::at(folder.path().join("state"));
        let run = state.create_run(&RUN.parse().expect("a run id")).expect("a run");
        spoil(&run.journal(), how);
        drop(run);
        let told = patchgate(folder.path()).args(["gate", RUN]).assert();
        assert_ne!(told.get_output().status.code(), Some(0), "{how}");
        assert!(told.get_output().status.code().is_some(), "{how}: it hung");
        patchgate(folder.path()).arg("history").assert().success();
        let image = folder.path().join("images-store/debian-12-0123");
        fs::create_dir_all(&image).expect("folders");
        spoil(&image.join("manifest.json"), how);
        let told = patchgate(folder.path()).args(["image", "list"]).assert();
        assert!(told.get_output().status.code().is_some(), "{how}: it hung");
    }
}

/// A department that swaps a file for a link while the plan is made.
#[test]
fn a_link_that_is_quick_enough_pins_nothing_outside() {
    let folder = tempfile::tempdir().expect("folder");
    let department = folder.path().join("scenarios/erp");
    fs::create_dir_all(&department).expect("folders");
    fs::write(folder.path().join("secret"), "hunter2").expect("write");
    let text = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"app\"\n\
                script = { file = \"a.sh\", interpreter = \"sh\" }\n";
    fs::write(department.join("x.toml"), text).expect("write");
    let file: PathBuf = department.join("a.sh");
    fs::write(department.join("good"), "true").expect("write");
    std::os::unix::fs::symlink("../../secret", department.join("bad")).expect("link");
    let done = AtomicBool::new(false);
    let (mut right, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for from in ["good", "bad"] {
                    let next = department.join("next");
                    if from == "good" {
                        fs::write(&next, "true").expect("write");
                    } else {
                        std::os::unix::fs::symlink("../../secret", &next).expect("link");
                    }
                    fs::rename(&next, &file).expect("swap");
                }
            }
        });
        for _ in 0..400 {
            let loaded = load_dir(&folder.path().join("scenarios"));
            let contents: Vec<&Vec<u8>> = loaded.contents.values().collect();
            assert!(
                contents.iter().all(|content| **content == b"true"),
                "{contents:?}"
            );
            if loaded.files.is_empty() {
                refused += 1;
            } else {
                right += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(right + refused == 400);
}

#[test]
fn a_mistake_at_the_end_of_a_long_line_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    for columns in [1000, 65_534, 65_536, 300_000] {
        let text = format!("lab = {{ name = \"hq\" }} {}oops\n", " ".repeat(columns));
        fs::write(folder.path().join("patchgate.toml"), text).expect("write");
        patchgate(folder.path())
            .arg("check")
            .assert()
            .code(2)
            .stderr(contains("panicked").count(0))
            .stdout(contains("patchgate.toml:1:"));
    }
}
