//! The command line as a newcomer meets it: help, exit codes, mistakes, a damaged image.

use std::fs;
use std::process::Command as Process;

use predicates::prelude::*;
use predicates::str::{contains, is_empty};

use crate::testkit::cli::patchgate;
use crate::testkit::disk::small;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("folder")
}

#[test]
fn help_lists_the_verbs_and_the_exit_codes() {
    let folder = folder();
    patchgate(folder.path()).arg("--help").assert().success().stdout(
        contains("Exit codes:")
            .and(contains("130"))
            .and(contains("doctor")),
    );
    patchgate(folder.path()).assert().code(2);
    patchgate(folder.path())
        .arg("reprot")
        .assert()
        .code(2)
        .stderr(contains("reprot").and(contains("--help")));
    patchgate(folder.path())
        .args(["completion", "bash"])
        .assert()
        .success()
        .stdout(contains("_patchgate"));
}

#[test]
fn a_completion_script_for_a_reader_that_has_gone_is_no_error() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Process::new(assert_cmd::cargo::cargo_bin!("patchgate"))
        .args(["completion", "bash"])
        .stdout(writer)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn what_is_missing_and_what_is_empty_are_said() {
    let folder = folder();
    patchgate(folder.path())
        .arg("schema")
        .assert()
        .code(2)
        .stderr(contains("<lab|recipe|scenario>"));
    patchgate(folder.path())
        .args(["image", "verify"])
        .assert()
        .success()
        .stdout("no image in the store\n");
}

#[test]
fn without_a_lab_every_verb_that_needs_one_says_what_to_do() {
    let folder = folder();
    for verb in ["run", "plan", "check"] {
        patchgate(folder.path())
            .arg(verb)
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(contains("patchgate.toml").and(contains("patchgate init")));
    }
    patchgate(folder.path())
        .args(["gate", "latest"])
        .assert()
        .code(2)
        .stderr(contains("whose latest run is meant").and(contains("--lab")));
    patchgate(folder.path()).arg("history").assert().success();
}

#[test]
fn a_new_lab_passes_its_check_and_run_asks_for_its_images() {
    let folder = folder();
    patchgate(folder.path())
        .args(["init", "lab"])
        .assert()
        .success()
        .stdout(contains("patchgate"));
    let lab = folder.path().join("lab");
    patchgate(&lab)
        .arg("check")
        .assert()
        .success()
        .stdout(contains("ok"));
    patchgate(&lab)
        .args(["plan", "--format", "json"])
        .assert()
        .success()
        .stdout(contains("\"cells\""));
    patchgate(&lab)
        .arg("run")
        .assert()
        .code(2)
        .stderr(contains("not built yet").and(contains("image build")));
    assert!(!lab.join("state").exists(), "nothing was started");
    patchgate(folder.path())
        .args(["init", "lab"])
        .assert()
        .code(2)
        .stderr(contains("there already"));
}

#[test]
fn a_wrong_lab_file_is_shown_with_place_snippet_and_hint() {
    let folder = folder();
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let path = folder.path().join("patchgate.toml");
    let text = fs::read_to_string(&path)
        .expect("read")
        .replace("updates", "upadtes");
    fs::write(&path, text).expect("write");
    for verb in ["run", "plan"] {
        patchgate(folder.path()).arg(verb).assert().code(2).stderr(
            contains("patchgate.toml:")
                .and(contains("upadtes"))
                .and(contains("`updates`")),
        );
    }
    patchgate(folder.path())
        .arg("check")
        .assert()
        .code(2)
        .stdout(contains("upadtes"));
    assert!(!folder.path().join("state").exists(), "nothing was started");
}

/// A disk that was imported and then changed by one byte is named, and nothing is started.
#[test]
fn a_changed_byte_of_an_image_is_named_and_refused() {
    let folder = folder();
    small(folder.path(), "qcow2", "disk.qcow2");
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let imported = patchgate(folder.path())
        .args([
            "image",
            "import",
            "disk.qcow2",
            "--os",
            "debian-12",
            "--role",
            "web",
            "--no-probe",
        ])
        .assert()
        .success();
    let output = String::from_utf8_lossy(&imported.get_output().stdout).into_owned();
    let lines: Vec<&str> = output
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("imported ="))
        .collect();
    let [line] = lines[..] else { panic!("{output}") };
    fs::write(
        folder.path().join("patchgate.toml"),
        format!(
            "[lab]\nname = \"t\"\n[image.\"debian-12+web\"]\n{line}\n[role.web]\n[group.shop]\nowner = \"a\"\nadmin = \
             \"b\"\nos = [\"debian-12\"]\nroles = [\"web\"]\nscenarios = [\"shop\"]\n"
        ),
    )
    .expect("write");
    patchgate(folder.path())
        .args(["image", "verify"])
        .assert()
        .success();

    let sealed = fs::read_dir(folder.path().join("images-store"))
        .expect("store")
        .flatten()
        .map(|entry| entry.path().join("disk.qcow2"))
        .find(|path| path.is_file())
        .expect("a sealed disk");
    let mut bytes = fs::read(&sealed).expect("read");
    bytes[70_000] ^= 1;
    fs::remove_file(&sealed).expect("remove");
    fs::write(&sealed, bytes).expect("write");
    for args in [vec!["image", "verify"], vec!["run", "--plain"]] {
        patchgate(folder.path())
            .args(&args)
            .assert()
            .code(2)
            .stderr(contains("disk.qcow2").and(contains("byte range 0..")));
    }
    assert!(!folder.path().join("state").exists(), "nothing was started");
}

/// Without a lab the store is listed; in a lab's folder what the lab lacks as well.
#[test]
fn images_are_listed_where_there_is_no_lab() {
    let folder = folder();
    let listed = || -> serde_json::Value {
        let output = patchgate(folder.path())
            .args(["image", "list", "--format", "json"])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    assert_eq!(listed()["images"], serde_json::json!([]));
    small(folder.path(), "qcow2", "disk.qcow2");
    patchgate(folder.path())
        .args(["image", "import", "disk.qcow2", "--os", "debian-12", "--no-probe"])
        .assert()
        .success();
    let images = listed();
    assert_eq!(images["images"][0]["name"], "debian-12");
    assert_eq!(images["images"][0]["standing"], "sealed");
    patchgate(folder.path())
        .args(["image", "list", "--lab", "none.toml"])
        .assert()
        .code(2)
        .stderr(contains("none.toml"));
}

#[test]
fn what_is_no_file_of_this_machine_is_refused_with_the_way_to_make_one() {
    let folder = folder();
    small(folder.path(), "raw", "root.raw");
    let mut cases = vec![
        ("http://192.0.2.1/disk.qcow2".to_owned(), "curl -fLO"),
        (
            "nbd://192.0.2.1/disk".to_owned(),
            "qemu-img convert -O qcow2 'nbd://",
        ),
    ];
    if fs::metadata("/dev/loop0").is_ok() {
        cases.push((
            "/dev/loop0".to_owned(),
            "qemu-img convert -f raw -O qcow2 /dev/loop0",
        ));
    }
    for (file, remedy) in &cases {
        for args in [&[file.as_str()][..], &["root.raw", "--disk", file.as_str()]] {
            patchgate(folder.path())
                .args(["image", "import", "--os", "debian-12", "--no-probe"])
                .args(args)
                .assert()
                .code(2)
                .stdout(is_empty())
                .stderr(
                    contains(file.as_str())
                        .and(contains("hint:"))
                        .and(contains(*remedy)),
                );
        }
    }
}

#[test]
fn reports_say_which_endings_they_know() {
    let folder = folder();
    patchgate(folder.path()).args(["init", "."]).assert().success();
    patchgate(folder.path())
        .args(["run", "--report", "report.pdf"])
        .assert()
        .code(2)
        .stderr(contains("report.pdf").and(contains(".xml (JUnit)")));
}

#[test]
fn a_try_without_images_or_of_nothing_known_starts_nothing() {
    let folder = folder();
    patchgate(folder.path()).args(["init", "."]).assert().success();
    for (args, says) in [
        (vec!["shpo"], "there is no scenario or department `shpo`"),
        (vec!["shop", "--on", "debian-1"], "has OS version `debian-1`"),
        (vec!["shop", "--group", "nobody"], "there is no group `nobody`"),
        (vec!["shop"], "not built yet"),
    ] {
        patchgate(folder.path())
            .args(["scenario", "try"])
            .args(&args)
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(contains(says).and(contains("hint:")));
    }
    patchgate(folder.path())
        .args(["scenario", "try", "--help"])
        .assert()
        .success()
        .stdout(contains("a step failed").and(contains("--no-reboot")));
    assert!(!folder.path().join("state").exists(), "nothing was started");
}

#[test]
fn the_schemas_of_files_are_printed_for_editors() {
    let folder = folder();
    let printed = |args: &[&str]| -> serde_json::Value {
        let output = patchgate(folder.path()).args(args).output().expect("it runs");
        assert!(output.status.success());
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    for file in ["lab", "recipe", "scenario"] {
        let schema = printed(&["schema", file]);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
    assert_eq!(
        printed(&["schema", "lab"])["properties"]["lab"]["$ref"],
        "#/$defs/lab"
    );
    assert_eq!(
        printed(&["schema", "recipe"])["anyOf"][0]["$ref"],
        "#/$defs/os-recipe"
    );
    let scenario = printed(&["schema", "scenario"]);
    assert_eq!(scenario["properties"]["step"]["items"]["$ref"], "#/$defs/step");
    assert_eq!(printed(&["scenario", "schema"]), scenario, "the older name");
}

#[test]
fn a_secret_that_is_not_to_be_had_ends_a_run_before_it_starts() {
    let folder = folder();
    patchgate(folder.path()).args(["init", "."]).assert().success();
    let lab = folder.path().join("patchgate.toml");
    let text = fs::read_to_string(&lab).expect("the lab file");
    let secret = "\n[secret.SHOP_PASSWORD]\nfile = \"password\"\ndepartments = [\"shop\"]\n";
    fs::write(&lab, text + secret).expect("written");
    let scenario = folder.path().join("scenarios/shop/login.toml");
    let step = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"web\"\nrun = \"true\"\nsecrets = [\"SHOP_PASSWORD\"]\n";
    fs::write(&scenario, step).expect("written");
    let refused = |says: &str| {
        patchgate(folder.path())
            .args(["run", "--dry-run"])
            .assert()
            .code(2)
            .stderr(
                contains("secret SHOP_PASSWORD")
                    .and(contains(says))
                    .and(contains("nothing was started")),
            );
    };
    refused("is not there");
    fs::write(folder.path().join("password"), "abc\n").expect("written");
    refused("shorter than 6 bytes");
}
