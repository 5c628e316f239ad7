//! `patchgate check` over the corpus of bad input: every message, with file, line, column, snippet and hint.

use std::path::{Path, PathBuf};

use patchgate::cli::args::Format;
use patchgate::cli::check::{CheckArgs, run};
use patchgate::input::finding::draw;
use patchgate::lab::recipe::{load_os, load_role};

fn check(paths: Vec<PathBuf>, format: Format) -> (String, u8) {
    let args = CheckArgs { paths, format };
    run(&args, false, None, &|_| Vec::new()).expect("check has a result")
}

fn corpus(folder: &str) -> Vec<(String, PathBuf)> {
    // Relative, so that the messages are the same wherever the repository is.
    let mut files: Vec<(String, PathBuf)> = std::fs::read_dir(folder)
        .expect(folder)
        .map(|entry| entry.expect(folder).path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let stem = path
                .file_stem()
                .expect("a file has a stem")
                .to_string_lossy()
                .replace(' ', "-");
            (stem, path)
        })
        .collect();
    files.sort();
    assert!(files.len() > 12, "{folder} has its files");
    files
}

/// Symptoms that are warned of, and good input: the exit code is 0.
const NO_ERROR: [&str; 6] = [
    "good",
    "unused",
    "duplicate-step-names",
    "host-of-another-group",
    "name-of-a-kept-node",
    "two-hosts",
];

fn holds(folder: &str, kind: &str) {
    for (symptom, path) in corpus(folder) {
        let (text, exit) = check(vec![path], Format::Text);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("{kind}-{symptom}"), text);
        });
        let expected = if NO_ERROR.contains(&symptom.as_str()) {
            0
        } else {
            2
        };
        assert_eq!(exit, expected, "{symptom}: {text}");
    }
}

#[test]
fn every_bad_lab_file_is_told_with_place_and_remedy() {
    holds("tests/bad/lab", "lab");
}

#[test]
fn every_bad_scenario_is_told_with_place_and_remedy() {
    holds("tests/bad/scenario", "scenario");
}

#[test]
fn a_recipe_that_is_named_is_read_as_a_recipe() {
    for (path, files) in [
        ("images/debian-12.toml", "1 file"),
        ("images/roles/web.toml", "1 file"),
        ("images/roles", "6 files"),
    ] {
        let (text, exit) = check(vec![path.into()], Format::Text);
        assert_eq!((text, exit), (format!("ok: {files}\n"), 0), "{path}");
    }
    for (path, message) in [
        ("os-missing-keys", "the recipe has no `suite`"),
        ("os-unknown-keys", "unknown key"),
        ("role-wrong-types", "of the recipe"),
    ] {
        let (text, exit) = check(vec![format!("tests/bad/recipe/{path}.toml").into()], Format::Text);
        assert!(exit == 2 && text.contains(message), "{path}: {text}");
        assert!(!text.contains("the scenario"), "{path}: {text}");
    }
}

#[test]
fn every_bad_recipe_is_told_with_place_and_remedy() {
    for (symptom, path) in corpus("tests/bad/recipe") {
        let findings = if symptom.starts_with("os-") {
            load_os(&path).err()
        } else {
            load_role(&path).err()
        };
        let findings = findings.unwrap_or_default();
        let text: String = findings
            .iter()
            .map(|finding| draw(finding, false) + "\n")
            .collect();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("recipe-{symptom}"), text);
        });
        assert_eq!(
            findings.is_empty(),
            symptom.ends_with("good"),
            "{symptom}: {text}"
        );
        for finding in findings {
            let has_remedy = finding.hint.is_some() || finding.message.contains("; write ");
            assert!(has_remedy, "{symptom}: {finding} has no remedy");
        }
    }
}

#[test]
fn findings_have_a_form_for_programs() {
    let (json, exit) = check(vec!["tests/bad/lab/unknown-role.toml".into()], Format::Json);
    assert_eq!(exit, 2);
    insta::assert_snapshot!(json);
}

#[test]
fn what_is_no_input_at_all_is_an_error() {
    let empty = tempfile::tempdir().expect("a folder");
    for path in [
        empty.path().to_owned(),
        empty.path().join("nothing.toml"),
        PathBuf::from("/dev/zero"),
    ] {
        let (text, exit) = check(vec![path.clone()], Format::Text);
        assert_eq!(exit, 2, "{}: {text}", path.display());
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
}

#[test]
fn small_files_that_make_a_plan_too_large_are_found_before_it_is_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = folder.path().join("patchgate.toml");
    let text = std::fs::read_to_string("tests/bad/lab/good.toml").expect("read");
    std::fs::write(&lab, text.replace(", \"optional\"", "")).expect("written");
    std::fs::create_dir_all(folder.path().join("images/roles")).expect("made");
    for recipe in ["images/debian-12.toml", "images/roles/web.toml"] {
        std::fs::write(folder.path().join(recipe), "").expect("written");
    }
    let items: Vec<String> = (0..100).map(|number| format!("\"{number}\"")).collect();
    let scenario = format!(
        "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"s ${{item}}\"\non = \"web\"\neach = [{}]\nrun = \"echo $item {}\"\n",
        items.join(", "),
        "x".repeat(9000)
    );
    let department = folder.path().join("scenarios/web");
    std::fs::create_dir_all(&department).expect("made");
    for number in 0..20 {
        std::fs::write(department.join(format!("page-{number}.toml")), &scenario).expect("written");
    }
    let (text, exit) = check(vec![lab], Format::Text);
    assert_eq!(exit, 2, "{text}");
    assert!(
        text.contains("can be run") && text.contains("the plan has"),
        "{text}"
    );
    assert!(text.contains("`each` makes a step"), "{text}");
}

#[test]
fn a_scenario_that_is_too_large_is_refused_unread() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.toml");
    std::fs::write(&path, "#".repeat(300 * 1024)).expect("written");
    let department = folder.path().join("web");
    std::fs::create_dir(&department).expect("made");
    let path_in = department.join("large.toml");
    std::fs::rename(&path, &path_in).expect("moved");
    let (text, exit) = check(vec![path_in], Format::Text);
    assert_eq!(exit, 2);
    assert!(text.contains("is larger than 256 KiB"), "{text}");
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_of_scenarios_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret.toml");
    std::fs::write(&secret, "token = \"hunter2\"\n").expect("written");
    let web = folder.path().join("scenarios/web");
    std::fs::create_dir_all(&web).expect("made");
    std::os::unix::fs::symlink(&secret, web.join("page.toml")).expect("linked");
    let (text, exit) = check(vec![folder.path().join("scenarios")], Format::Text);
    assert_eq!(exit, 2);
    assert!(text.contains("is a link"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn the_demo_lab_and_its_scenarios_are_right() {
    assert!(Path::new("patchgate.toml").is_file());
    let scenarios = check(vec!["scenarios".into()], Format::Text);
    assert_eq!(scenarios, ("ok: 8 files\n".into(), 0));
    let (text, exit) = check(vec!["patchgate.toml".into()], Format::Text);
    assert_eq!(exit, 0, "{text}");
    assert!(text.starts_with("ok: 18 files"), "{text}");
}
