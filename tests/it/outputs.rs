//! Files that a user wants written, and the ends of a verb's output.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command as Process;

use patchgate::record::state::State;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};

use crate::testkit::cli::patchgate;
use crate::testkit::plans::two_cells;
use crate::testkit::story::{Story, all_pass};

const RUN: &str = "20200102-140912-7c1f";

/// A folder with the state of a run that opened its gate.
fn open_run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().join("state"));
    let dir = state.create_run(&RUN.parse().expect("a run id")).expect("run");
    Story::whole(two_cells(), all_pass)
        .renamed(RUN, "hq")
        .write(&dir.journal());
    folder
}

fn report(folder: &Path, to: &str) -> assert_cmd::assert::Assert {
    patchgate(folder)
        .args(["report", RUN, "-o", to])
        .timeout(std::time::Duration::from_secs(60))
        .assert()
}

#[test]
fn a_report_never_takes_the_place_of_a_link_a_pipe_or_a_device() {
    let folder = open_run();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("real.md"), "old").expect("write");
    for (link, to) in [
        ("link.md", "real.md"),
        ("null.md", "/dev/null"),
        ("full.md", "/dev/full"),
    ] {
        symlink(to, path(link)).expect("link");
    }
    report(folder.path(), "link.md").success();
    assert!(path("link.md").is_symlink());
    assert!(
        fs::read_to_string(path("real.md"))
            .expect("text")
            .starts_with("# Gate")
    );
    report(folder.path(), "null.md").success();
    report(folder.path(), "full.md")
        .code(2)
        .stderr(contains("cannot be written").and(contains("hint:")));
    for (link, to) in [("null.md", "/dev/null"), ("full.md", "/dev/full")] {
        assert!(path(link).is_symlink(), "{link} is a link no more");
        assert!(Path::new(to).metadata().expect(to).file_type().is_char_device());
    }

    let pipe = path("pipe.md");
    assert!(
        Process::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("mkfifo")
            .success()
    );
    let text = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut text = String::new();
            fs::File::open(&pipe)
                .expect("open")
                .read_to_string(&mut text)
                .expect("read");
            text
        });
        report(folder.path(), "pipe.md").success();
        // A patchgate that replaced the pipe would leave the reader waiting.
        assert!(pipe.metadata().expect("it is there").file_type().is_fifo());
        reader.join().expect("a reader")
    });
    assert!(text.starts_with("# Gate"), "{text}");
    let left: Vec<String> = fs::read_dir(folder.path())
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".patchgate-report"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What has the standard output as its file is appended to, as the shell asked.
#[test]
fn a_report_to_the_standard_output_by_its_name_keeps_what_is_there() {
    let folder = open_run();
    let log = folder.path().join("log");
    fs::write(&log, "before\n").expect("write");
    let out = fs::File::options().append(true).open(&log).expect("open");
    let done = Process::new(assert_cmd::cargo::cargo_bin!("patchgate"))
        .current_dir(folder.path())
        .args(["report", RUN, "--format", "text", "-o", "/dev/stdout"])
        .env("PATCHGATE_STATE", folder.path().join("state"))
        .env_remove("PATCHGATE_LAB")
        .stdout(out)
        .status()
        .expect("it runs");
    assert!(done.success());
    let text = fs::read_to_string(&log).expect("text");
    assert!(text.starts_with("before\nGATE OPEN"), "{text}");
}

#[test]
fn a_report_that_could_not_be_written_is_told_before_the_run() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path()).args(["init", "."]).assert().success();
    fs::create_dir(folder.path().join("folder.md")).expect("folder");
    for (to, why) in [
        ("no/x.xml", "there is no folder"),
        ("patchgate.toml/x.md", "cannot be written"),
        ("folder.md", "is a folder"),
        ("/proc/x.json", "cannot be written"),
    ] {
        patchgate(folder.path())
            .args(["run", "--report", to])
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(contains(to).and(contains(why)).and(contains("hint:")));
    }
    assert!(!folder.path().join("state").exists(), "nothing was started");
}

/// Whoever reads both streams, as on a terminal, finds the gate in the last line.
#[test]
fn the_gate_of_a_damaged_run_is_the_last_line_of_all() {
    let folder = open_run();
    let journal = folder.path().join("state/runs").join(RUN).join("journal.jsonl");
    fs::write(&journal, "what?\n").expect("write");
    let both = folder.path().join("both");
    let file = fs::File::create(&both).expect("file");
    let status = Process::new(assert_cmd::cargo::cargo_bin!("patchgate"))
        .current_dir(folder.path())
        .args(["gate", RUN, "--replay"])
        .env("PATCHGATE_STATE", folder.path().join("state"))
        .env("NO_COLOR", "1")
        .env_remove("PATCHGATE_LAB")
        .stdout(file.try_clone().expect("clone"))
        .stderr(file)
        .status()
        .expect("it runs");
    assert_eq!(status.code(), Some(3));
    let text = fs::read_to_string(&both).expect("text");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("gate: UNDECIDED run="), "{text}");
    assert!(text.contains("error: ") && text.contains(" hint: "), "{text}");
    fs::remove_file(&journal).expect("remove");
    patchgate(folder.path())
        .args(["gate", RUN, "--replay"])
        .assert()
        .code(3)
        .stderr(contains("the journal is not there"));
}

#[test]
fn what_is_called_like_a_lab_file_and_is_none_is_named_and_no_other_is_taken() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("folder");
    // Only from below it is worth saying.
    let outer = folder.path().join("patchgate.toml");
    patchgate(&inner)
        .arg("check")
        .assert()
        .success()
        .stdout(contains(format!("; the lab file is {}", outer.display())));
    patchgate(folder.path())
        .arg("check")
        .assert()
        .success()
        .stdout(contains("the lab file is").not());
    let own = inner.join("patchgate.toml");
    let refused = |why: &str| {
        for verb in ["check", "plan", "run", "gate"] {
            patchgate(&inner)
                .arg(verb)
                .assert()
                .code(2)
                .stdout(is_empty())
                .stderr(
                    contains("inner/patchgate.toml: ")
                        .and(contains(why))
                        .and(contains("hint:")),
                );
        }
    };
    fs::create_dir(&own).expect("folder");
    refused("is not a file");
    fs::remove_dir(&own).expect("remove");
    assert!(
        Process::new("mkfifo")
            .arg(&own)
            .status()
            .expect("mkfifo")
            .success()
    );
    refused("is not a file");
    fs::remove_file(&own).expect("remove");
    symlink("nowhere", &own).expect("link");
    refused("is a link to what is not there");
}

#[test]
fn a_labs_folder_stands_for_its_file() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path()).args(["init", "lab"]).assert().success();
    patchgate(folder.path())
        .args(["--lab", "lab", "check"])
        .assert()
        .success()
        .stdout(contains("; the lab file is lab/patchgate.toml"));
    patchgate(folder.path())
        .args(["--lab", ".", "check"])
        .assert()
        .code(2)
        .stdout(contains("patchgate.toml: is not there"));
}

#[test]
fn what_is_no_file_of_a_lab_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("README.md"), "# hello\n").expect("write");
    for (path, why) in [
        ("nope", "nope: is not there"),
        ("nope.toml", "nope.toml: is not there"),
        ("README.md", "README.md: is no lab file, recipe or scenario"),
    ] {
        patchgate(folder.path())
            .args(["check", path])
            .assert()
            .code(2)
            .stdout(contains(why).and(contains("a scenario, a recipe, or a folder of them")));
    }
}

#[test]
fn a_scenario_whose_ending_is_misspelt_is_warned_of() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let shop = folder.path().join("scenarios/shop");
    for name in ["one.toml.bak", "two.toml~", "data.yml", "script.sh", "README"] {
        fs::write(shop.join(name), "x").expect("write");
    }
    patchgate(folder.path())
        .arg("check")
        .assert()
        .success()
        .stdout(contains("warning").not());
    for name in ["cart.tml", "basket.TOML", "pay.tolm"] {
        fs::write(shop.join(name), "x").expect("write");
        patchgate(folder.path())
            .arg("check")
            .assert()
            .success()
            .stdout(contains(format!("{name}: is not read")).and(contains("1 warning")));
        fs::remove_file(shop.join(name)).expect("remove");
    }
}

/// Looking at a lab takes no store of images, and makes none.
#[test]
fn no_image_store_is_needed_to_look_and_to_decide() {
    let folder = open_run();
    patchgate(folder.path()).args(["init", "lab"]).assert().success();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("write");
    for (verb, code) in [(&["plan"][..], 0), (&["check"], 0), (&["gate", RUN], 3)] {
        for store in ["none", "file/store"] {
            patchgate(&folder.path().join("lab"))
                .env("PATCHGATE_STATE", folder.path().join("state"))
                .env("PATCHGATE_IMAGES", folder.path().join(store))
                .args(verb)
                .assert()
                .code(code)
                .stderr(contains("image store").not());
        }
    }
    assert!(!folder.path().join("none").exists(), "a store was made");
    patchgate(folder.path())
        .env("PATCHGATE_IMAGES", folder.path().join("file/store"))
        .args(["image", "verify"])
        .assert()
        .code(2)
        .stderr(contains("file/store: "));
}

#[test]
fn an_image_that_is_not_there_is_not_removed() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path())
        .args(["image", "remove", "nope"])
        .assert()
        .code(2)
        .stderr(contains("image nope is not in the store"));
}

/// Nobody made the selection by which a run is gone on with.
#[test]
fn a_run_that_is_gone_on_with_in_a_changed_lab_is_refused_for_that() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let state = State::at(folder.path().join("state"));
    let dir = state.create_run(&RUN.parse().expect("a run id")).expect("run");
    Story::begin(two_cells())
        .renamed(RUN, "my-lab")
        .write(&dir.journal());
    drop(dir);
    patchgate(folder.path())
        .args(["run", "--resume", "latest", "--dry-run"])
        .assert()
        .code(2)
        .stderr(
            contains(format!("the lab is no longer what run {RUN} was planned of"))
                .and(contains("start a new run"))
                .and(contains("selection").not()),
        );
    // It had no time to make anything, and nothing else is said.
    patchgate(folder.path())
        .arg("history")
        .assert()
        .success()
        .stdout(contains("died; its list has nothing that it left"));
}

#[test]
fn a_new_lab_file_shows_what_is_confirmed_and_looked_at() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let path = folder.path().join("patchgate.toml");
    let text = fs::read_to_string(&path).expect("text");
    let shown = [
        "# kept_back = \"note\"",
        "# confirm = 1 ",
        "# confirm_pairs = 1 ",
        "# [soak]",
        "# look = true",
    ];
    for line in shown {
        assert!(text.contains(line), "{line}: {text}");
    }
    // What is shown is right as it stands, and what holds in any case.
    let mut uncommented = String::new();
    let mut is_soak = false;
    for line in text.lines() {
        is_soak = line.starts_with("# [soak]") || (is_soak && !line.is_empty());
        let meant = is_soak
            || ["# kept_back", "# confirm"]
                .iter()
                .any(|key| line.starts_with(key));
        uncommented.push_str(line.strip_prefix("# ").filter(|_| meant).unwrap_or(line));
        uncommented.push('\n');
    }
    fs::write(&path, uncommented).expect("write");
    patchgate(folder.path())
        .arg("check")
        .assert()
        .success()
        .stdout(contains("ok: ").and(contains("warning").not()));
}

#[test]
fn what_a_group_asks_for_and_is_not_there_is_told_once() {
    let folder = tempfile::tempdir().expect("folder");
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let path = folder.path().join("patchgate.toml");
    let text = fs::read_to_string(&path).expect("text");
    for (from, to, errors) in [
        ("os = [\"debian-12\"]", "os = [\"debian-13\"]", 1),
        ("recipe = \"images/roles/web.toml\"", "", 1),
        ("os = [\"debian-12\"]", "os = [12]", 1),
    ] {
        fs::write(&path, text.replacen(from, to, 1)).expect("write");
        patchgate(folder.path())
            .arg("check")
            .assert()
            .code(2)
            .stdout(contains(format!("{errors} error in ")));
    }
}
