//! No test is forgotten: a file that no `mod` line names is not compiled, and nobody would see it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The files at which the test binaries of Cargo.toml begin, from `tests`.
const ROOTS: [&str; 2] = ["it/main.rs", "live/main.rs"];

/// Whether a source has the module always: one under a `cfg` is left out on some machines.
fn names(source: &str, module: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let named = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        named == Some(module) && !(at > 0 && lines[at - 1].starts_with("#[cfg"))
    })
}

/// The files that no parent names, of sources by their path from `tests`.
fn forgotten(sources: &BTreeMap<String, String>) -> Vec<&str> {
    let named = |path: &str| {
        let place = path.strip_suffix("/mod.rs").or(path.strip_suffix(".rs"));
        let place = place.expect("a Rust source");
        let Some((folder, module)) = place.rsplit_once('/') else {
            return false;
        };
        ["/main.rs", "/mod.rs", ".rs"]
            .iter()
            .filter_map(|end| sources.get(&format!("{folder}{end}")))
            .any(|parent| names(parent, module))
    };
    sources
        .keys()
        .map(String::as_str)
        .filter(|path| !ROOTS.contains(path) && !named(path))
        .collect()
}

fn read(folder: &Path, at: &str, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder of tests") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let name = format!("{at}{name}");
        if path.is_dir() {
            read(&path, &format!("{name}/"), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.insert(name, fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn no_file_of_tests_is_forgotten() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = BTreeMap::new();
    read(&root.join("tests"), "", &mut sources);
    assert_eq!(forgotten(&sources), Vec::<&str>::new());
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml");
    for start in ROOTS {
        assert!(sources.contains_key(start), "{start} is gone");
        let line = format!("path = \"tests/{start}\"");
        assert!(manifest.contains(&line), "Cargo.toml has no test at {start}");
    }
}

#[test]
fn planted_files_are_found() {
    let made_up = [
        ("it/main.rs", "mod gate;\npub mod plan;\n// mod noted;\n"),
        ("it/gate.rs", "mod story;\n#[cfg(windows)]\nmod elsewhere;\n"),
        ("it/gate/story.rs", "mod gate;\n"),
        ("it/gate/elsewhere.rs", ""),
        ("it/gate/planted.rs", ""),
        ("it/gate/gate.rs", ""),
        ("it/plan/mod.rs", "mod golden;"),
        ("it/plan/golden.rs", ""),
        ("it/noted.rs", ""),
        ("it/deep/down.rs", ""),
        ("live/main.rs", "mod lab;"),
        ("live/lab.rs", ""),
        ("live/gate.rs", ""),
        ("alone.rs", "#[test]\nfn it_works() {}"),
        ("other/main.rs", "mod lab;"),
    ];
    let sources = made_up.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(
        forgotten(&sources.into()),
        [
            "alone.rs",
            "it/deep/down.rs",
            "it/gate/elsewhere.rs",
            "it/gate/gate.rs",
            "it/gate/planted.rs",
            "it/noted.rs",
            "live/gate.rs",
            "other/main.rs",
        ]
    );
}

#[test]
fn the_tests_that_hold_a_promise_exist() {
    let page = include_str!("../../docs/security.md");
    // A name of one word is no test's but a file's, a key's or an option's.
    let named = page.split('`').skip(1).step_by(2).filter(|word| {
        word.contains('_')
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    });
    let mut sources = BTreeMap::new();
    for folder in ["src", "tests"] {
        read(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            folder,
            &mut sources,
        );
    }
    let missing: Vec<&str> = named
        .filter(|name| {
            !sources
                .values()
                .any(|source| source.contains(&format!("fn {name}(")))
        })
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
